# SPDX-License-Identifier: GPL-3.0-or-later
"""Say in words what a line does, how far a session is and how one went. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muleteer.agent.status import LineState
from muleteer.agent.wording import duration_words, packets_words, size_words
from muleteer.formats.safename import show

if TYPE_CHECKING:
    from muleteer.agent.status import Line, SessionProgress, SessionSummary

STATE_WORDS = {
    LineState.IDLE: "idle",
    LineState.CALLING: "calling",
    LineState.TALKING: "on line",
    LineState.WAITING: "waiting",
    LineState.DOWN: "down",
    LineState.EXHAUSTED: "budget used up",
}


def line_words(line: Line) -> str:
    """Return what a line does now: "on line, in 2 (3.1 MB of 9 MB), out nothing"."""
    words = "on line, it called us" if line.incoming and line.state is LineState.TALKING else STATE_WORDS[line.state]
    if line.progress is not None and line.state is LineState.TALKING:
        words += f", {progress_words(line.progress)}"
    if line.state is LineState.EXHAUSTED and line.said:
        return show(line.said)
    return f"{words}: {show(line.said)}" if line.said else words


def progress_words(progress: SessionProgress) -> str:
    """Return how far a session is."""
    come = _way(progress.received, progress.received_bytes, progress.receiving_total)
    gone = _way(progress.sent, progress.sent_bytes, progress.sending_total)
    return f"in {come}, out {gone}"


def summary_words(summary: SessionSummary) -> str:
    """Return how a session went: "in 3 (1.2 MB), out nothing; nothing more was to be done"."""
    if not summary.established:
        return f"no session: {show(summary.said)}"
    words = f"in {_amount(summary.received, summary.received_bytes)}, out {_amount(summary.sent, summary.sent_bytes)}"
    if summary.held:
        words += f", {packets_words(summary.held)} held"
    return f"{words}; {show(summary.said)}"


def limits_words(line: Line, now: float) -> str:
    """Return what a person wants to know of a line besides its state: its limits, and its next call."""
    parts = [f"takes {line.takes}"] if line.takes and line.takes != "everything" else []
    if line.metered:
        parts.append("metered")
    if line.next_call is not None and line.state not in (LineState.CALLING, LineState.TALKING):
        parts.append(f"next call in {duration_words(max(0.0, line.next_call - now))}")
    if line.budget is not None and line.budget_left is not None:
        per = f" a {line.budget_per}" if line.budget_per else ""
        parts.append(f"{size_words(line.budget_left)} of {size_words(line.budget)}{per} left")
    return "; ".join(parts)


def last_words(line: Line, now: float) -> str:
    """Return how its last session went, "" if there was none."""
    if line.last is None:
        return ""
    ago = "" if line.last.ended is None else f" {duration_words(max(0.0, now - line.last.ended))} ago"
    return f"last{ago}: {summary_words(line.last)}"


def _way(count: int, done: int, total: int) -> str:
    if not total and not count:
        return "nothing"
    return f"{count} ({size_words(done)} of {size_words(max(done, total))})"


def _amount(count: int, size: int) -> str:
    return f"{count} ({size_words(size)})" if count else "nothing"
