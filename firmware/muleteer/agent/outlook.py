# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a carrier would take one packet, now or later, by its rule alone. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from muleteer.agent.lines import NeighbourLines, addresses_of, ceilings, largest
from muleteer.config.zone import local_offset

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from muleteer.config.carrier_rules import CarrierRule, CarrierTerms
    from muleteer.config.zone import Offset

SEGMENTS_MAX = 32  # stretches of time in which a rule stays the same; a week of two windows a day has 28


@dataclass(frozen=True, slots=True)
class Outlook:
    """One carrier, one packet. `takes` are the ceilings nearest to taking it, in words.

    `opens` is when (wall) it takes the packet: now, later, or None: never, or nobody knows. `calls`: it calls for it,
    or by a timetable, then; if not, the neighbour may call us. `hours_unsure`: it would, but for its hours and the
    clock. `known`: there is an address.
    """

    carrier: str
    takes: str
    opens: float | None
    calls: bool = False
    hours_unsure: bool = False
    known: bool = True


def outlooks(
    rules: Iterable[CarrierRule],
    neighbour: NeighbourLines,
    nice: int,
    size: int,
    wall: float,
    sure: bool,  # noqa: FBT001 - as `Now.sure`
    offset: Offset = local_offset,
) -> tuple[Outlook, ...]:
    """Return what to expect of each carrier that is for this neighbour, the best first."""
    mine = [rule for rule in rules if rule.neighbours is None or neighbour.name in rule.neighbours]
    mine.sort(key=lambda rule: (rule.terms.priority, rule.terms.cost))
    return tuple(_outlook(rule, neighbour, nice, size, wall, sure=sure, offset=offset) for rule in mine)


def ever(rule: CarrierRule, neighbour: NeighbourLines) -> list[tuple[int, float]]:
    """Return the ceilings (niceness, bytes) under which a carrier may call for packets at some time, if it may."""
    entries = [call.nice for call in neighbour.calls if call.xx != "rx" and addresses_of(rule, neighbour, call)]
    found = []
    for terms in rule.ever(neighbour.name):
        most = largest(terms)
        size = math.inf if most is None else most
        nice = terms.nice if _calls_for_all(terms) else max([terms.wake or -1, *entries])
        if terms.send and nice >= 0 and (entries or addresses_of(rule, neighbour)):
            found.append((min(nice, terms.nice), size))
    return found


def stick_ever(rule: CarrierRule, neighbour: str) -> list[tuple[int, float]]:
    """Return the ceilings (niceness, bytes) under which a carrier's sticks load packets at some time, if they do."""
    return [
        (terms.nice, math.inf if terms.size is None else terms.size) for terms in rule.ever(neighbour) if terms.send
    ]


def stick_outlook(
    rule: CarrierRule,
    neighbour: str,
    nice: int,
    size: int,
    wall: float,
    sure: bool,  # noqa: FBT001 - as `Now.sure`
    offset: Offset = local_offset,
) -> Outlook:
    """Return what to expect of a carrier of sticks; one that is not for the neighbour (by its name) opens never."""
    return _outlook(rule, NeighbourLines(neighbour, {}), nice, size, wall, sure=sure, offset=offset)


def _outlook(
    rule: CarrierRule, neighbour: NeighbourLines, nice: int, size: int, wall: float, *, sure: bool, offset: Offset
) -> Outlook:
    known = bool(addresses_of(rule, neighbour)) or any(addresses_of(rule, neighbour, call) for call in neighbour.calls)
    nearest, opens = None, None
    for begin, terms in _segments(rule, neighbour.name, wall, sure=sure, offset=offset):
        if _admits(terms, nice, size) and (opens is None or (_calls(rule, terms, neighbour, nice))):
            nearest, opens = terms, begin if opens is None else opens
            if _calls(rule, terms, neighbour, nice):
                return Outlook(rule.name, ceilings(terms), begin, calls=True, known=known)
        elif opens is None and (nearest is None or _reach(terms) > _reach(nearest)):
            nearest = terms
    unsure = not sure and opens is None and any(_admits(one, nice, size) for one in rule.ever(neighbour.name))
    return Outlook(rule.name, ceilings(nearest or rule.terms), opens, hours_unsure=unsure, known=known)


def _segments(
    rule: CarrierRule, name: str, wall: float, *, sure: bool, offset: Offset
) -> Iterator[tuple[float, CarrierTerms]]:
    """Yield from when on which terms hold, beginning now; nothing but now while the time is not sure."""
    begin: float | None = wall
    for _ in range(SEGMENTS_MAX if sure else 1):
        if begin is None:
            return
        terms = rule.terms_at(begin, name, sure, offset)
        if terms is not None:
            yield begin, terms
        begin = rule.next_change(begin, offset)


def _admits(terms: CarrierTerms, nice: int, size: int) -> bool:
    most = largest(terms)
    return terms.send and nice <= terms.nice and (most is None or size <= most)


def _reach(terms: CarrierTerms) -> tuple[bool, int, float]:
    most = largest(terms)
    return terms.send, terms.nice, math.inf if most is None else most


def _calls(rule: CarrierRule, terms: CarrierTerms, neighbour: NeighbourLines, nice: int) -> bool:
    entries = (call for call in neighbour.calls if call.xx != "rx" and nice <= call.nice)
    return (
        _calls_for_all(terms)
        or (terms.wake is not None and nice <= terms.wake)
        or any(addresses_of(rule, neighbour, call) for call in entries)
    )


def _calls_for_all(terms: CarrierTerms) -> bool:
    return bool(terms.when_waiting or terms.crons or terms.crons_waiting)
