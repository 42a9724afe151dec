# SPDX-License-Identifier: GPL-3.0-or-later
"""Say in one sentence why a packet has not moved, and what would move it. Pure: facts in, sentence out.

`muleteer.agent.inquiry` gathers the facts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from muleteer.agent.outlook import stick_outlook
from muleteer.agent.status import BayState
from muleteer.agent.why_lines import line_part, moving, takes, takes_now
from muleteer.agent.wording import duration_words, limit_words, nice_words, size_words
from muleteer.config.zone import local_offset

if TYPE_CHECKING:
    from muleteer.agent.outlook import Outlook
    from muleteer.agent.status import Bay, Line
    from muleteer.config.appliance import RunnerRule
    from muleteer.config.carrier_rules import CarrierRule
    from muleteer.config.zone import Offset


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
    outlooks: tuple[Outlook, ...] = ()  # of the carriers that call
    lines: tuple[Line, ...] = ()  # to this neighbour
    sure: bool = True  # the time is
    offset: Offset = local_offset


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
    lines = {line.carrier: line for line in world.lines}
    shown = [outlook for outlook in world.outlooks if outlook.known or outlook.carrier in lines]
    moves = (moving(lines[one.carrier]) for one in shown if takes_now(one, world.now) and one.carrier in lines)
    move = next((words for words in moves if words is not None), None)
    if move is not None:
        return f"{move}."
    parts = [line_part(one, lines.get(one.carrier), packet.neighbour, world.now) for one in shown]
    if world.copies:
        open_parts = [part for one, part in zip(shown, parts, strict=True) if takes(one)]
        return "; ".join([_why_travelling(world), *open_parts]) + "."
    takers = [one for one in _sticks(packet, world) if takes(one)]
    open_lines = [one for one in shown if takes(one)]
    if not takers and not open_lines:
        return _held(packet, parts, world)
    names = [one.carrier for one in open_lines if one.calls] + (["a stick"] if takers else [])
    if takers:
        parts += [_takers_words(takers, packet, world), _last_seen(takers, world)]
    else:
        parts += _bars(packet, world)
        parts += [] if world.agent_runs else ["no agent runs, so nobody calls: start `muleteer agent`"]
    return f"waits for {_either(names) or 'a call'}: {'; '.join(parts)}."


def _either(names: list[str]) -> str:
    """Return "lan, cell or a stick"."""
    return " or ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def _held(packet: PacketFacts, parts: list[str], world: World) -> str:
    """Say that no carrier takes it."""
    if not world.carriers and not parts:
        return "is held: muleteer.toml names no carrier; add a [carrier.stick] and a [bay.…]."
    bars = _bars(packet, world) + parts
    limit = "that limit" if len(bars) == 1 else "one of these limits"
    return f"is held: {'; '.join(bars)}. Raise {limit} in muleteer.toml, or add a carrier that takes more."


def _bars(packet: PacketFacts, world: World) -> list[str]:
    return [_bar_of(rule, one, packet) for rule, one in zip(world.carriers, _sticks(packet, world), strict=True)]


def _bar_of(rule: CarrierRule, outlook: Outlook, packet: PacketFacts) -> str:
    if rule.neighbours is not None and packet.neighbour not in rule.neighbours:
        return f"carrier {rule.name} is not for {packet.neighbour}"
    return f"carrier {rule.name} takes only {outlook.takes}"


def _sticks(packet: PacketFacts, world: World) -> list[Outlook]:
    """Return what to expect of each carrier of sticks, in the order of `world.carriers`."""
    facts = (packet.neighbour, packet.nice, packet.size, world.now, world.sure, world.offset)
    return [stick_outlook(rule, *facts) for rule in world.carriers]


def _why_travelling(world: World) -> str:
    newest = max(world.copies, key=lambda copy: copy.since)
    others = f" (and {len(world.copies) - 1} more)" if len(world.copies) > 1 else ""
    words = f"left on runner {newest.runner}{others} {duration_words(world.now - newest.since)} ago"
    if world.overdue_seconds is None:
        return words
    left = newest.since + world.overdue_seconds - world.now
    again = f"if that does not come within {duration_words(left)}, the next runner takes it again"
    if left <= 0:
        again = "that is overdue, so the next runner takes it again"
    return f"{words} and is kept here until it is acknowledged; {again}"


def _takers_words(takers: list[Outlook], packet: PacketFacts, world: World) -> str:
    words = ", ".join(_taker_words(taker, world.now) for taker in takers)
    barred = [rule for rule in world.runners if not runner_admits(rule, packet)]
    if barred:
        words += "".join(f", but not runner {rule.name} ({_bar(rule, packet)})" for rule in barred)
    return words


def _taker_words(taker: Outlook, now: float) -> str:
    name = f"carrier {taker.carrier}"
    if taker.opens is None:
        return f"{name} has hours, and the time is not sure"
    if taker.opens > now:
        return f"{name} takes it in {duration_words(taker.opens - now)}"
    return f"{name} takes {taker.takes}"


def _bar(rule: RunnerRule, packet: PacketFacts) -> str:
    if rule.carry is not None and packet.neighbour not in rule.carry:
        return f"it carries for {', '.join(rule.carry) or 'nobody'}"
    return f"it takes only {_limits_of(rule, packet)}"


def _last_seen(takers: list[Outlook], world: World) -> str:
    names = {taker.carrier for taker in takers}
    bays = [bay for bay in world.bays if dict(world.carrier_of_bay).get(bay.name) in names]
    working = [bay for bay in bays if bay.state is BayState.WORKING]
    if working:
        return f"{working[0].runner} in bay {working[0].name} is at work now"
    waiting = [bay for bay in bays if bay.waits]
    if waiting:
        return f"{waiting[0].runner} in bay {waiting[0].name} waits for its hours"
    ended = [(bay.last.ended, bay.last.runner) for bay in bays if bay.last is not None and bay.last.ended is not None]
    if not world.agent_runs:
        return "no agent runs, so start `muleteer agent` before you put one in"
    if not bays:
        return "no bay is of such a carrier, so add a [bay.…] to muleteer.toml"
    if not ended:
        return "no stick was seen since the agent started"
    when, runner = max(ended)
    return f"the last stick seen was {runner}, {duration_words(world.now - when)} ago"


def admits(rule: RunnerRule, packet: PacketFacts) -> bool:
    """Return whether a packet is within a runner's ceilings."""
    return packet.nice <= rule.nice and (rule.size is None or packet.size <= rule.size)


def runner_admits(rule: RunnerRule, packet: PacketFacts) -> bool:
    """Return whether a runner may carry a packet: its ceilings, and whom it carries for."""
    return admits(rule, packet) and (rule.carry is None or packet.neighbour in rule.carry)


def _limits_of(rule: RunnerRule, packet: PacketFacts) -> str:
    """Return those of a rule's ceilings that a packet is above."""
    nice = "" if packet.nice <= rule.nice else f"{nice_words(rule.nice)} or more urgent"
    size = "" if rule.size is None or packet.size <= rule.size else f"up to {limit_words(rule.size)}"
    return ", ".join(word for word in (size, nice) if word)
