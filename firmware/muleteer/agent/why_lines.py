# SPDX-License-Identifier: GPL-3.0-or-later
"""Say what each carrier that calls would do with a packet: the part of `muleteer.agent.why` about lines. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muleteer.agent.status import LineState
from muleteer.agent.wording import duration_words, size_words

if TYPE_CHECKING:
    from muleteer.agent.outlook import Outlook
    from muleteer.agent.status import Line

PERIOD_WORDS = {"hour": "this hour", "day": "today", "month": "this month", "": ""}


def takes(outlook: Outlook) -> bool:
    """Return whether a carrier would take the packet at some time."""
    return outlook.opens is not None or outlook.hours_unsure


def takes_now(outlook: Outlook, now: float) -> bool:
    """Return whether a carrier takes the packet at this time; a session that is under way takes no more than that."""
    return outlook.opens is not None and outlook.opens <= now


def moving(line: Line) -> str | None:
    """Return what is happening to a packet that a line takes, None if nothing is."""
    if line.state is LineState.TALKING:
        return f"may go now: {line.carrier} is on line with {line.neighbour}"
    if line.state is LineState.CALLING:
        return f"is about to go: {line.carrier} is calling {line.neighbour}"
    return None


def line_part(outlook: Outlook, line: Line | None, neighbour: str, now: float) -> str:
    """Return a clause about one carrier: "lan calls again in 4 minutes", "cell takes only FLASH or more urgent"."""
    name = outlook.carrier
    if not takes(outlook):
        return f"{name} takes only {outlook.takes}"
    seen = "" if line is None or line.seen is None else f", {neighbour} last seen {duration_words(now - line.seen)} ago"
    if outlook.opens is not None and outlook.opens > now:
        return f"{name} takes it in {duration_words(outlook.opens - now)}{seen}"
    return f"{_state(outlook, line, neighbour, now)}{seen}"


def _state(outlook: Outlook, line: Line | None, neighbour: str, now: float) -> str:
    name = outlook.carrier
    if outlook.hours_unsure:
        return f"{name} has hours, and the time is not sure"
    if line is None:
        return f"{name} takes it" if outlook.known else f"{name} knows no address of {neighbour}"
    if line.state in (LineState.DOWN, LineState.EXHAUSTED):
        return f"{name} {_obstacle(line, now)}"
    said = f" ({line.said})" if line.said else ""
    if line.next_call is not None:
        when = duration_words(line.next_call - now) if line.next_call > now else "a moment"
        return f"{name} calls in {when}{said}"
    if outlook.calls:
        return f"{name} is about to call{said}"
    return f"{name} does not call by itself: `muleteer call {neighbour}` does, or {neighbour} calls"


def _obstacle(line: Line, now: float) -> str:
    if line.state is LineState.DOWN:
        return line.said
    more = "" if line.next_call is None else f", next call in {duration_words(max(0.0, line.next_call - now))}"
    if line.budget is None:
        return line.said + more
    left = f"{size_words(line.budget_left or 0)} of {size_words(line.budget)}"
    return f"has {left} left {PERIOD_WORDS[line.budget_per]}{more}"
