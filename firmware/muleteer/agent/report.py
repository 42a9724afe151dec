# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw a status as a page for a terminal: what ``muleteer status`` prints. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muleteer.agent.line_words import last_words, limits_words, line_words
from muleteer.agent.status import BayState
from muleteer.agent.wording import duration_words, nice_words, packets_words, size_words
from muleteer.formats.safename import show

if TYPE_CHECKING:
    from collections.abc import Iterable

    from muleteer.agent.status import Bay, Line, Problem, Progress, Queue, RoundSummary, Status
    from muleteer.agent.survey import NeighbourFacts

STATE_WORDS = {
    BayState.EMPTY: "empty",
    BayState.WORKING: "at work: DO NOT PULL",
    BayState.SAFE: "safe to pull",
    BayState.STUCK: "still mounted: DO NOT PULL",
    BayState.ATTENTION: "safe to pull, but look",
    BayState.FOREIGN: "not a runner, left untouched: pull",
    BayState.PULLED: "pulled too early: PUT IT BACK",
}

SEE_HERE = "see `muleteer status`"  # how the panel sends people here; here it would send them in a circle


def page(status: Status, neighbours: Iterable[NeighbourFacts], now: float, *, agent_runs: bool) -> str:
    """Return the whole page, with a final line end."""
    lines = [_headline(status, now, agent_runs=agent_runs)]
    lines += _section("Bays", _bays(status.bays, now))
    lines += _section("Lines", _lines(status.lines, now))
    lines += _section("Waiting to go", _table(_queue_row(queue) for queue in status.queue) or ["nothing"])
    lines += _section("Neighbours", _table(_neighbour_row(facts) for facts in neighbours))
    lines += _section("Packets", _counts(status, agent_runs=agent_runs))
    lines += _section("Look at this", [line for problem in status.problems for line in _problem(problem, now)])
    return "\n".join(lines) + "\n"


def _headline(status: Status, now: float, *, agent_runs: bool) -> str:
    words = [show(status.name)]
    if status.version:
        words.append(f"Muleteer {status.version}")
    if not agent_runs:
        words.append("no agent runs: this is straight from the spool")
    elif status.started is not None:
        words.append(f"up {duration_words(max(0.0, now - status.started))}")
    if not status.time_sure:
        words.append("time unsure")
    return " · ".join(words) + (f"\nnode {status.node}" if status.node else "")


def _bays(bays: Iterable[Bay], now: float) -> list[str]:
    """Return a line for each bay, and below it what is wrong with it."""
    lines = []
    for bay, line in zip(bays, _table(_bay_row(bay, now) for bay in bays), strict=True):
        lines.append(line)
        lines += [] if bay.problem is None else [f"  {said}" for said in _problem(bay.problem, now)]
    return lines


def _bay_row(bay: Bay, now: float) -> list[str]:
    said = STATE_WORDS[bay.state]
    about = show(bay.runner)
    if bay.progress is not None and bay.state is BayState.WORKING:
        return [bay.name, said, about, _progress(bay.progress)]
    return [bay.name, said, about, "" if bay.last is None else _round(bay, bay.last, now)]


def _progress(progress: Progress) -> str:
    words = progress.phase.value
    if progress.packets_total:
        words += f" {progress.packets_done}/{progress.packets_total} packets"
    if progress.bytes_total:
        words += f", {size_words(progress.bytes_done)} of {size_words(progress.bytes_total)}"
    if progress.seconds_left is not None:
        words += f", {duration_words(progress.seconds_left)} left"
    return words


def _round(bay: Bay, summary: RoundSummary, now: float) -> str:
    who = "" if summary.runner == bay.runner else f" with {show(summary.runner)}"
    words = f"last round{who}{'' if summary.complete else ' (broken off)'}: "
    words += f"in {_amount(summary.received, summary.received_bytes)}, out {_amount(summary.sent, summary.sent_bytes)}"
    for count, what in ((summary.waiting, "waiting"), (summary.refused, "refused")):
        words += f", {count} {what}" if count else ""
    return words if summary.ended is None else f"{words}, {duration_words(max(0.0, now - summary.ended))} ago"


def _amount(count: int, size: int) -> str:
    return f"{count} ({size_words(size)})" if count else "nothing"


def _lines(lines: tuple[Line, ...], now: float) -> list[str]:
    """Return a row for each line, and below it what else there is to know, as far as there is."""
    shown: list[str] = []
    for line, row in zip(
        lines, _table([show(o.neighbour), f"by {show(o.carrier)}", line_words(o)] for o in lines), strict=True
    ):
        shown.append(row)
        shown += [f"    {more}" for more in (limits_words(line, now), last_words(line, now)) if more]
    return shown


def _queue_row(queue: Queue) -> list[str]:
    carrier = f"by {queue.carrier}" if queue.carrier else "held: above the limits of every carrier"
    return [carrier, packets_words(queue.packets), size_words(queue.size), f"most urgent {nice_words(queue.nice)}"]


def _neighbour_row(facts: NeighbourFacts) -> list[str]:
    ways = (("for it", facts.tx), ("from it", facts.rx))
    return [facts.name, *(f"{word} {_amount(way.packets, way.size)}" for word, way in ways)]


def _counts(status: Status, *, agent_runs: bool) -> list[str]:
    fresh = status.waiting_toss - status.set_aside  # what was set aside stands under "Look at this"
    lines = [f"{packets_words(fresh)} came in, not tossed yet"] if fresh > 0 else []
    if status.travelling:
        lines.append(f"{packets_words(status.travelling)} on runners, kept until acknowledged")
    if agent_runs and status.delivered:
        lines.append(f"{packets_words(status.delivered)} tossed since the agent started")
    return lines


def _problem(problem: Problem, now: float) -> list[str]:
    """Return what is wrong and what to do, and below that the details."""
    since = "" if problem.since is None else f" ({duration_words(max(0.0, now - problem.since))} ago)"
    remedy = problem.remedy.removesuffix(SEE_HERE).rstrip(":; ")
    first = show(problem.what) + since + (f": {show(remedy)}" if remedy else "")
    return [first, *(f"  {show(detail)}" for detail in problem.details)]


def _section(title: str, lines: list[str]) -> list[str]:
    return ["", title, *(f"  {line}" for line in lines)] if lines else []


def _table(rows: Iterable[list[str]]) -> list[str]:
    """Return rows as lines with aligned columns."""
    listed = list(rows)
    widths = [max(len(row[column]) for row in listed) for column in range(len(listed[0]))] if listed else []
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in listed]
