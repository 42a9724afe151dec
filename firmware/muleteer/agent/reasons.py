# SPDX-License-Identifier: GPL-3.0-or-later
"""Why to call a neighbour by a line: what waits, a timetable, an entry of `calls`. Reads the desks, changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from muleteer.agent.lines import covers, online_terms
from muleteer.agent.wording import nice_words

if TYPE_CHECKING:
    from muleteer.agent.events import Now
    from muleteer.agent.line_desk import LineDesk
    from muleteer.agent.neighbour_desk import NeighbourDesk
    from muleteer.agent.timetable import Timetable
    from muleteer.config.cron import Cron
    from muleteer.config.model import Call


@dataclass(slots=True)
class CallEntry:
    """One entry of the neighbour's `calls` in nncp.hjson."""

    call: Call
    cron: Cron
    timetable: Timetable


@dataclass(frozen=True, slots=True)
class Reason:
    """Why to call, in words, and what for; `timetable` is the one that wants it, if one does."""

    words: str
    call: Call | None = None
    timetable: Timetable | None = None
    for_waiting: bool = False
    insist: bool = False


def wish(desk: NeighbourDesk, line: LineDesk, now: Now) -> Reason | None:
    """Return what there is to do by a line, were it free."""
    if line.terms is None:
        return None
    waits = None if desk.rest.holds(now.monotonic) else waits_for(desk, line)
    if waits is not None:
        return waits
    due = line.due(now)
    if due is not None:
        return Reason(_timetable_words(line, now), timetable=due)
    return _instead(desk, line, now) or _entry(desk, line, now)


def waits_for(desk: NeighbourDesk, line: LineDesk) -> Reason | None:
    """Return the reason that something waits for which a line may call."""
    row = line.takes(desk.waiting) if desk.as_of >= desk.ended else None
    return None if row is None else Reason(f"{nice_words(row.nice)} waits", for_waiting=True)


def _instead(desk: NeighbourDesk, line: LineDesk, now: Now) -> Reason | None:
    """Return the reason that a worse line's timetable wants a call that this one may as well take."""
    if line.terms is None or not line.terms.when_waiting:
        return None
    mine = online_terms(line.terms, desk.facts)
    for other in desk.lines:
        due = None if other.terms is None or other.rank <= line.rank else other.due(now)
        if due is not None and other.terms is not None and covers(mine, online_terms(other.terms, desk.facts)):
            return Reason(_timetable_words(other, now), timetable=due)
    return None


def _entry(desk: NeighbourDesk, line: LineDesk, now: Now) -> Reason | None:
    """Return the reason that an entry of `calls` wants a call that this line can place."""
    for entry in desk.calls:
        if not entry.timetable.wants(now) or line.terms is None:
            continue
        terms = online_terms(line.terms, desk.facts, entry.call)
        if (terms.send or terms.receive) and desk.addresses(line, entry.call, now):
            return Reason(f"timetable {entry.call.cron}", call=entry.call, timetable=entry.timetable)
    return None


def fresh(desk: NeighbourDesk, line: LineDesk, now: Now) -> Reason | None:
    """Return the reason that a timetable's instant has come that had no try yet: it gets one."""
    due = line.due(now)
    if line.terms is not None and due is not None and due.fresh:
        return Reason(_timetable_words(line, now), timetable=due)
    entry = _entry(desk, line, now)
    return entry if entry is not None and entry.timetable is not None and entry.timetable.fresh else None


def _timetable_words(line: LineDesk, now: Now) -> str:
    crons = () if line.terms is None else line.terms.crons if line.timetable.wants(now) else line.terms.crons_waiting
    return f"timetable {', '.join(cron.text for cron in crons)}"
