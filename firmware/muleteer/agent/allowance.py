# SPDX-License-Identifier: GPL-3.0-or-later
"""Combine the owner's rules into what one stick may carry. Pure.

Three rules meet: the carrier's (how this kind of travel is limited, now, for each neighbour), the runner's (this one
stick), and the neighbour's (does it acknowledge). The tighter ceiling wins. A stick that no rule names may carry what
its carrier may. Outside its carrier's hours a stick may do nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from muleteer.agent.status import Problem
from muleteer.carriers.stick_plan import StickAllowance, StickTerms
from muleteer.config.rules_table import window_words
from muleteer.config.zone import local_offset
from muleteer.formats.niceness import MAX
from muleteer.formats.safename import show

if TYPE_CHECKING:
    from collections.abc import Mapping

    from muleteer.agent.events import Now
    from muleteer.config.appliance import Appliance, RunnerRule
    from muleteer.config.carrier_rules import CarrierRule, CarrierTerms
    from muleteer.config.model import Config
    from muleteer.config.zone import Offset
    from muleteer.formats.ids import NodeId
    from muleteer.hotplug.recognise import StickFound

TITLE_LENGTH_MAX = 32  # characters; a FAT label has 11


@dataclass(frozen=True, slots=True)
class Admission:
    """What becomes of a stick that is in a bay: under which name it runs, and what it may carry.

    With `not_now` that is nothing, and the stick is left untouched, because its carrier is outside its hours. To be
    asked for again `until` (wall; None: nobody knows when), and whenever the time becomes sure or leaps.
    """

    runner: str
    allowance: StickAllowance
    not_now: Problem | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """The owner's rules with every name looked up; `resolve` makes them."""

    carriers: tuple[CarrierRule, ...]
    carrier_of_bay: Mapping[str, CarrierRule]
    runners: tuple[RunnerRule, ...]
    carry: Mapping[str, frozenset[NodeId] | None]  # by runner rule's name; None: for all
    acknowledging: Mapping[NodeId, float]  # neighbour -> seconds until a copy is overdue
    silent: frozenset[NodeId]  # neighbours whose packets we do not acknowledge
    names: Mapping[NodeId, str]  # of all neighbours
    offset: Offset = local_offset

    def admit(self, bay: str, stick: StickFound, now: Now) -> Admission:
        """Return what becomes of a stick that is in a bay now."""
        carrier = self.carrier_of_bay[bay]
        rule = next((rule for rule in self.runners if names(rule, stick)), None)
        runner = title(stick) if rule is None else rule.name
        terms = carrier.terms_at(now.wall, None, now.sure, self.offset)
        if terms is not None:
            return Admission(runner, self._allow(carrier, terms, rule, now))
        until = carrier.next_change(now.wall, self.offset) if now.sure else None
        return Admission(runner, StickAllowance(send=False, receive=False), not_now(carrier, sure=now.sure), until)

    def _allow(self, carrier: CarrierRule, terms: CarrierTerms, rule: RunnerRule | None, now: Now) -> StickAllowance:
        general = combined(terms, rule)
        special = {
            node: combined(carrier.terms_at(now.wall, name, now.sure, self.offset), rule)
            for node, name in self.names.items()
        }
        return StickAllowance(
            general.nice,
            general.size,
            None if rule is None else self.carry[rule.name],
            rule is not None and rule.initialise,
            self.acknowledging,
            general.send,
            general.receive,
            {node: terms for node, terms in special.items() if terms != general},
        )


def combined(terms: CarrierTerms | None, rule: RunnerRule | None) -> StickTerms:
    """Return the tighter of what a carrier (None: it is not for this neighbour) and a runner's rule allow."""
    if terms is None:
        return StickTerms(send=False, receive=False)
    nices = (MAX, terms.nice) if rule is None else (terms.nice, rule.nice)
    sizes = (terms.size, None if rule is None else rule.size)
    size = min((size for size in sizes if size is not None), default=None)
    return StickTerms(min(nices), size, terms.send, terms.receive)


def not_now(carrier: CarrierRule, *, sure: bool) -> Problem:
    """Return what to say of a stick that is in while its carrier is outside its hours."""
    if not sure:
        what, remedy = f"not now: carrier {carrier.name} has hours, and the time is not sure", "set the clock, or wait"
        return Problem(what, f"{remedy}: its round begins by itself")
    words = window_words(carrier.window)
    plain = carrier.window.cron is None  # an expression is for those who may ask
    said = words if plain else "at certain times only"
    remedy = "leave it in, and its round begins by itself"
    return Problem(
        f"not now: carrier {carrier.name} is used {said}", remedy, details=() if plain else (f"it is used {words}",)
    )


def resolve(appliance: Appliance, config: Config, offset: Offset = local_offset) -> Rules:
    """Look up every name in the owner's rules; `require_known_names` has seen to it that there are no unknown ones."""
    neighbours = [(config.aliases[rule.name], rule) for rule in appliance.neighbours.values()]
    return Rules(
        tuple(appliance.carriers.values()),
        {bay.name: appliance.carriers[bay.carrier] for bay in appliance.bays.values()},
        appliance.runners,
        {rule.name: _carry(config, rule) for rule in appliance.runners},
        {node: float(rule.overdue_s) for node, rule in neighbours if rule.acknowledges},
        frozenset(node for node, rule in neighbours if not rule.acknowledge),
        {node: neighbour.name for node, neighbour in config.neighbours.items()},
        offset,
    )


def names(rule: RunnerRule, stick: StickFound) -> bool:
    """Return whether a runner's rule means this stick: everything it tells must be so, and it must tell something."""
    pairs = ((rule.label, stick.label), (rule.uuid, stick.uuid), (rule.serial, stick.serial))
    told = [(want, have) for want, have in pairs if want]
    return bool(told) and all(want == have for want, have in told)


def title(stick: StickFound) -> str:
    """Return the name to show for a stick that no rule names; its own words, made harmless."""
    name = show(stick.label or stick.uuid or stick.serial or stick.device.rpartition("/")[2])
    return name if len(name) <= TITLE_LENGTH_MAX else name[: TITLE_LENGTH_MAX - 1] + "…"


def _carry(config: Config, rule: RunnerRule) -> frozenset[NodeId] | None:
    return None if rule.carry is None else frozenset(config.aliases[name] for name in rule.carry)
