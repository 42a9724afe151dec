# SPDX-License-Identifier: GPL-3.0-or-later
"""Say in one sentence why a packet has not moved, and what would move it. Pure: facts in, sentence out.

`muleteer.agent.inquiry` gathers the facts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from muleteer.agent.status import BayState
from muleteer.agent.wording import duration_words, nice_words, size_words
from muleteer.formats.niceness import MAX

if TYPE_CHECKING:
    from muleteer.agent.status import Bay
    from muleteer.config.appliance import CarrierRule, RunnerRule


@dataclass(frozen=True, slots=True)
class PacketFacts:
    """One packet in the spool: in the queue (`way` "tx") for a neighbour, or come in (`way` "rx") from one."""

    way: str
    neighbour: str  # its name, or its id if it has none
    nice: int
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class Copy:
    """A runner carries a copy."""

    runner: str
    since: float


@dataclass(frozen=True, slots=True)
class SetAside:
    """It could not be processed."""

    reason: str
    attempts: int
    next_try: float


@dataclass(frozen=True, slots=True)
class World:
    """Everything around the packet that can hold or move it."""

    now: float
    carriers: tuple[CarrierRule, ...]
    runners: tuple[RunnerRule, ...] = ()
    bays: tuple[Bay, ...] = ()
    carrier_of_bay: tuple[tuple[str, str], ...] = ()
    copies: tuple[Copy, ...] = ()  # of this packet
    overdue_seconds: float | None = None  # of its neighbour; None if that does not acknowledge
    aside: SetAside | None = None  # this packet
    tossing: bool = False
    agent_runs: bool = True


def why(packet: PacketFacts, world: World) -> str:
    """Return the sentence."""
    reason = _why_rx(world) if packet.way == "rx" else _why_tx(packet, world)
    joint = "from" if packet.way == "rx" else "for"
    return f"{size_words(packet.size)} {nice_words(packet.nice)} {joint} {packet.neighbour} {reason}"


def _why_rx(world: World) -> str:
    aside = world.aside
    if aside is None:
        when = "is being tossed now or next" if world.tossing else "waits for the next toss"
        return f"has arrived and {when}" + (
            "." if world.agent_runs else ": no agent runs, start it or call `nncp-toss`."
        )
    tries = "1 attempt" if aside.attempts == 1 else f"{aside.attempts} attempts"
    again = (
        "next one is due"
        if aside.next_try <= world.now
        else f"next one in {duration_words(aside.next_try - world.now)}"
    )
    return f"is set aside after {tries}, {again}: {aside.reason}"


def _why_tx(packet: PacketFacts, world: World) -> str:
    if world.copies:
        return _why_travelling(world)
    takers = [carrier for carrier in world.carriers if admits(carrier, packet)]
    if not world.carriers:
        return "is held: muleteer.toml names no carrier; add a [carrier.stick] and a [bay.…]."
    if not takers:
        rules = "; ".join(
            f"carrier {carrier.name} takes only {_limits_of(carrier, packet)}" for carrier in world.carriers
        )
        return f"is held: {rules}. Raise that limit in muleteer.toml, or add a carrier that takes more."
    return f"waits for a stick: {_takers_words(takers, packet, world)}; {_last_seen(takers, world)}."


def _why_travelling(world: World) -> str:
    newest = max(world.copies, key=lambda copy: copy.since)
    others = f" (and {len(world.copies) - 1} more)" if len(world.copies) > 1 else ""
    words = f"left on runner {newest.runner}{others} {duration_words(world.now - newest.since)} ago"
    if world.overdue_seconds is None:
        return f"{words}."
    left = newest.since + world.overdue_seconds - world.now
    again = f"if that does not come within {duration_words(left)}, the next runner takes it again"
    if left <= 0:
        again = "that is overdue, so the next runner takes it again"
    return f"{words} and is kept here until it is acknowledged; {again}."


def _takers_words(takers: list[CarrierRule], packet: PacketFacts, world: World) -> str:
    words = ", ".join(f"carrier {carrier.name} takes {limits(carrier)}" for carrier in takers)
    barred = [rule for rule in world.runners if not runner_admits(rule, packet)]
    if barred:
        words += "".join(f", but not runner {rule.name} ({_bar(rule, packet)})" for rule in barred)
    return words


def _bar(rule: RunnerRule, packet: PacketFacts) -> str:
    if rule.carry is not None and packet.neighbour not in rule.carry:
        return f"it carries for {', '.join(rule.carry) or 'nobody'}"
    return f"it takes only {_limits_of(rule, packet)}"


def _last_seen(takers: list[CarrierRule], world: World) -> str:
    names = {carrier.name for carrier in takers}
    bays = [bay for bay in world.bays if dict(world.carrier_of_bay).get(bay.name) in names]
    working = [bay for bay in bays if bay.state is BayState.WORKING]
    if working:
        return f"{working[0].runner} in bay {working[0].name} is at work now"
    ended = [(bay.last.ended, bay.last.runner) for bay in bays if bay.last is not None and bay.last.ended is not None]
    if not world.agent_runs:
        return "no agent runs, so start `muleteer agent` before you put one in"
    if not bays:
        return "no bay is of such a carrier, so add a [bay.…] to muleteer.toml"
    if not ended:
        return "no stick was seen since the agent started"
    when, runner = max(ended)
    return f"the last stick seen was {runner}, {duration_words(world.now - when)} ago"


def admits(rule: CarrierRule | RunnerRule, packet: PacketFacts) -> bool:
    """Return whether a packet is within a rule's ceilings."""
    return packet.nice <= rule.nice and (rule.size is None or packet.size <= rule.size)


def runner_admits(rule: RunnerRule, packet: PacketFacts) -> bool:
    """Return whether a runner may carry a packet: its ceilings, and whom it carries for."""
    return admits(rule, packet) and (rule.carry is None or packet.neighbour in rule.carry)


def limits(rule: CarrierRule | RunnerRule) -> str:
    """Return a rule's ceilings in words: "up to 100 MB, PRIORITY or more urgent", "everything"."""
    nice = "" if rule.nice >= MAX else f"{nice_words(rule.nice)} or more urgent"
    size = "" if rule.size is None else f"up to {size_words(rule.size)}"
    return ", ".join(word for word in (size, nice) if word) or "everything"


def _limits_of(rule: CarrierRule | RunnerRule, packet: PacketFacts) -> str:
    """Return those of a rule's ceilings that a packet is above."""
    nice = "" if packet.nice <= rule.nice else f"{nice_words(rule.nice)} or more urgent"
    size = "" if rule.size is None or packet.size <= rule.size else f"up to {size_words(rule.size)}"
    return ", ".join(word for word in (size, nice) if word)
