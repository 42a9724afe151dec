# SPDX-License-Identifier: GPL-3.0-or-later
"""Combine the owner's rules into what one stick may carry. Pure.

Three rules meet: the carrier's (how this kind of travel is limited), the runner's (this one stick), and the
neighbour's (does it acknowledge). The tighter ceiling wins. A stick that no rule names may carry what its carrier may.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from muleteer.carriers.stick_plan import StickAllowance
from muleteer.formats.niceness import MAX
from muleteer.formats.safename import show

if TYPE_CHECKING:
    from collections.abc import Mapping

    from muleteer.config.appliance import Appliance, CarrierRule, RunnerRule
    from muleteer.config.model import Config
    from muleteer.formats.ids import NodeId
    from muleteer.hotplug.recognise import StickFound

TITLE_LENGTH_MAX = 32  # characters; a FAT label has 11


@dataclass(frozen=True, slots=True)
class Rules:
    """The owner's rules with every name looked up; `resolve` makes them."""

    carriers: tuple[CarrierRule, ...]
    carrier_of_bay: Mapping[str, CarrierRule]
    runners: tuple[RunnerRule, ...]
    carry: Mapping[str, frozenset[NodeId] | None]  # by runner rule's name; None: for all
    acknowledging: Mapping[NodeId, float]  # neighbour -> seconds until a copy is overdue
    silent: frozenset[NodeId]  # neighbours whose packets we do not acknowledge

    def admit(self, bay: str, stick: StickFound) -> tuple[str, StickAllowance]:
        """Return under which name a stick in a bay runs, and what it may carry."""
        carrier = self.carrier_of_bay[bay]
        rule = next((rule for rule in self.runners if names(rule, stick)), None)
        if rule is None:
            return title(stick), self._allow(carrier.nice, carrier.size, None, initialise=False)
        return rule.name, self._allow(
            min(carrier.nice, rule.nice),
            min((size for size in (carrier.size, rule.size) if size is not None), default=None),
            self.carry[rule.name],
            initialise=rule.initialise,
        )

    def _allow(
        self, nice: int, size: int | None, carry: frozenset[NodeId] | None, *, initialise: bool
    ) -> StickAllowance:
        return StickAllowance(min(nice, MAX), size, carry, initialise, self.acknowledging)


def resolve(appliance: Appliance, config: Config) -> Rules:
    """Look up every name in the owner's rules; `require_known_names` has seen to it that there are no unknown ones."""
    neighbours = [(config.aliases[rule.name], rule) for rule in appliance.neighbours.values()]
    return Rules(
        tuple(appliance.carriers.values()),
        {bay.name: appliance.carriers[bay.carrier] for bay in appliance.bays.values()},
        appliance.runners,
        {rule.name: _carry(config, rule) for rule in appliance.runners},
        {node: float(rule.overdue_s) for node, rule in neighbours if rule.acknowledges},
        frozenset(node for node, rule in neighbours if not rule.acknowledge),
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
