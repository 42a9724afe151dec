# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell of a line what people want to know: a `status.Line` made from the scheduler's desks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muleteer.agent.lines import ceilings
from muleteer.agent.reasons import waits_for, wish
from muleteer.agent.status import Line, LineState

if TYPE_CHECKING:
    from muleteer.agent.events import Now
    from muleteer.agent.line_desk import LineDesk, Obstacle
    from muleteer.agent.neighbour_desk import NeighbourDesk


def line_status(desk: NeighbourDesk, line: LineDesk, now: Now) -> Line:
    """Return how a line is now."""
    obstacle = desk.obstacle(line, now)
    wanted = (wish(desk, line, now) or waits_for(desk, line)) is not None
    state = _state(line, obstacle, wanted=wanted)
    tightest = next((left for left, _ in line.budgets(now)), None)
    return Line(
        carrier=line.rule.name,
        neighbour=desk.facts.name,
        state=state,
        since=line.show(state, now.wall),
        incoming=line.answering > 0,
        progress=line.progress if state is LineState.TALKING else None,
        last=line.last,
        seen=line.seen,
        next_call=_next_call(desk, line, now, obstacle, wanted=wanted),
        budget=None if tightest is None else tightest.budget.amount,
        budget_left=None if tightest is None else tightest.left,
        said=_said(desk, line, now, obstacle),
        takes=_takes(line),
        budget_per="" if tightest is None else tightest.budget.per.value,
        metered=line.metered,
    )


def _takes(line: LineDesk) -> str:
    words = ceilings(line.terms or line.rule.terms)
    return "" if words == "everything" else words


def _state(line: LineDesk, obstacle: Obstacle | None, *, wanted: bool) -> LineState:
    if line.talking:
        return LineState.TALKING
    if line.errand is not None:
        return LineState.CALLING
    if obstacle is not None:
        return obstacle.state
    return LineState.WAITING if wanted else LineState.IDLE


def _next_call(
    desk: NeighbourDesk, line: LineDesk, now: Now, obstacle: Obstacle | None, *, wanted: bool
) -> float | None:
    """Return the wall time of the next call that is known of, None while one is under way, or if there is none."""
    if line.errand is not None or line.answering:
        return None
    times: list[float] = []
    if wanted and not desk.sessions:
        held = max(desk.held_until(line), desk.rest.until if waits_for(desk, line) else 0.0)
        free = now.wall + max(0.0, held - now.monotonic)
        if obstacle is None:
            times.append(free)
        elif obstacle.until is not None:
            times.append(max(free, obstacle.until))
    entries = [entry.timetable.upcoming for entry in desk.calls if desk.addresses(line, entry.call, now)]
    opens = None if wanted else line.opens_for(desk.waiting, now)
    times += [instant for instant in [opens, line.upcoming, *entries] if instant is not None]
    soonest = min(times, default=None)
    if obstacle is None or soonest is None:
        return soonest
    return None if obstacle.until is None else max(soonest, obstacle.until)


def _said(desk: NeighbourDesk, line: LineDesk, now: Now, obstacle: Obstacle | None) -> str:
    if line.talking or line.errand is not None:
        return "" if line.errand is None else line.errand.scheduled
    if obstacle is not None:
        return obstacle.words
    if line.backoff.holds(now.monotonic):
        count = line.backoff.failures
        return "the last call failed" if count == 1 else f"the last {count} calls failed"
    if desk.rest.holds(now.monotonic) and waits_for(desk, line):
        return "it took nothing of what waits"
    return "somebody else is at work on its packets" if desk.locked.holds(now.monotonic) else ""
