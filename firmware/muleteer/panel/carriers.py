# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of a Status folded into one for each carrier, without whom they lead to. Pure.

A carrier leads to many neighbours, but who they are is nobody's business at the panel. So there is one page per carrier
however many neighbours there are, and it stays the same page while one session joins another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from muleteer.agent.status import Line, LineState, Queue, SessionProgress, SessionSummary, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

_PRECEDENCE: Final = (  # a carrier does the first of these that any of its lines does
    *(LineState.TALKING, LineState.CALLING, LineState.EXHAUSTED),
    *(LineState.WAITING, LineState.IDLE, LineState.DOWN),
)
_BUSY: Final = (LineState.TALKING, LineState.CALLING, LineState.EXHAUSTED)
_BARRED: Final = (LineState.EXHAUSTED, LineState.DOWN)


@dataclass(frozen=True, slots=True)
class Budget:
    """Bytes: what is left of how many."""

    left: int
    whole: int

    @property
    def fraction(self) -> float:
        """What is left as a part of 1."""
        return part_of_one(self.left, self.whole) or 0.0


@dataclass(frozen=True, slots=True)
class Carrier:
    """What the lines of one carrier come to; times as in Status."""

    name: str
    state: LineState
    since: float | None  # of that state; of the oldest such line
    calls: int  # sessions under way
    incoming: bool  # all of them were begun by the others
    progress: SessionProgress  # of all of them
    last: SessionSummary | None
    next_call: float | None
    budget: Budget | None  # the tightest
    waiting: Queue
    takes: str  # its ceilings in words; empty: none, or not the same for all
    metered: bool

    @property
    def speaks(self) -> bool:
        """Whether it has anything to tell: one that could be used, and never was, has not."""
        facts = (self.budget, self.next_call, self.last)
        return self.state in _BUSY or self.waiting.packets > 0 or any(fact is not None for fact in facts)

    @property
    def urgency(self) -> tuple[bool, int]:
        """A key that sorts first whom to hear if not all can be: where things wait and cannot go, then by state."""
        return not (self.waiting.packets > 0 and self.state in _BARRED), _PRECEDENCE.index(self.state)


def carriers(status: Status) -> list[Carrier]:
    """Return every carrier that has lines, by name: an order that stays while they come and go."""
    lines: dict[str, list[Line]] = {}
    for line in status.lines:
        lines.setdefault(line.carrier, []).append(line)
    queues = {queue.carrier: queue for queue in status.queue}
    return [_folded(lines[name], queues.get(name, Queue(name))) for name in sorted(lines)]


def part_of_one(done: int, whole: int) -> float | None:
    """Return a part of a whole as 0 to 1, None where there is no whole."""
    return None if whole <= 0 else min(max(done / whole, 0.0), 1.0)


def _folded(lines: Sequence[Line], waiting: Queue) -> Carrier:
    state = min((line.state for line in lines), key=_PRECEDENCE.index)
    talking = [line for line in lines if line.state is LineState.TALKING]
    budgets = [
        Budget(line.budget_left, line.budget)
        for line in lines
        if line.budget_left is not None and line.budget is not None
    ]
    return Carrier(
        name=lines[0].carrier,
        state=state,
        since=_earliest([line.since for line in lines if line.state is state]),
        calls=len(talking),
        incoming=all(line.incoming for line in talking),
        progress=_sum([line.progress for line in talking if line.progress is not None]),
        last=max((line.last for line in lines if line.last is not None), key=_ended, default=None),
        next_call=_earliest([line.next_call for line in lines]),
        budget=min(budgets, key=lambda budget: budget.fraction, default=None),
        waiting=waiting,
        takes=lines[0].takes if len({line.takes for line in lines}) == 1 else "",
        metered=any(line.metered for line in lines),
    )


def _earliest(times: Sequence[float | None]) -> float | None:
    return min((time for time in times if time is not None), default=None)


def _ended(summary: SessionSummary) -> float:
    return float("-inf") if summary.ended is None else summary.ended


def _sum(progress: Sequence[SessionProgress]) -> SessionProgress:
    return SessionProgress(
        received=sum(one.received for one in progress),
        received_bytes=sum(one.received_bytes for one in progress),
        sent=sum(one.sent for one in progress),
        sent_bytes=sum(one.sent_bytes for one in progress),
        receiving_total=sum(one.receiving_total for one in progress),
        sending_total=sum(one.sending_total for one in progress),
    )
