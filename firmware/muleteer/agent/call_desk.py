# SPDX-License-Identifier: GPL-3.0-or-later
"""Follow the calls that somebody asked for: who asked is told how far they are, and how they ended.

A call that was asked for may be several errands, one carrier after the other; it is over when the one that ended is
followed by no other. Who asks while a session with that neighbour is under way follows that session.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import trio

from muleteer.agent.events import AnswerEnded, CallEnded, CallErrand
from muleteer.agent.status import LineState

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from muleteer.agent.events import Errand, Event
    from muleteer.agent.status import Line, SessionSummary
    from muleteer.formats.ids import NodeId


@dataclass(frozen=True, slots=True)
class CallEnd:
    """By which carrier a call went, and how it ended."""

    carrier: str
    summary: SessionSummary


class CallDesk:
    """Knows everybody who waits for a call."""

    def __init__(self) -> None:
        self._tickets: set[Ticket] = set()

    def follow(self, node: NodeId, neighbour: str) -> Ticket:
        """Return a ticket, to be entered by ``with`` before the call is asked for."""
        return Ticket(self._tickets, node, neighbour)

    def note(self, event: Event | None, errands: Iterable[Errand], lines: Iterable[Line]) -> None:
        """Take note of what happened (None: a deadline passed), what follows from it, and how the lines are now."""
        if not self._tickets:
            return
        lines = tuple(lines)
        goes_on = {errand.node for errand in errands if isinstance(errand, CallErrand)}
        for ticket in self._tickets:
            ticket.note_lines(lines)
            if isinstance(event, CallEnded) and event.errand.node == ticket.node and ticket.node not in goes_on:
                ticket.note_end(CallEnd(event.errand.carrier, event.summary))
            elif isinstance(event, AnswerEnded) and event.node == ticket.node:
                ticket.note_end(CallEnd(event.carrier, event.summary))


class Ticket:
    """One who waits for the end of a call to `node`."""

    def __init__(self, tickets: set[Ticket], node: NodeId, neighbour: str) -> None:
        self._tickets = tickets
        self.node = node
        self._neighbour = neighbour
        self._news = trio.Event()
        self._line: Line | None = None
        self._end: CallEnd | None = None

    def __enter__(self) -> Self:
        self._tickets.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._tickets.discard(self)

    def note_lines(self, lines: Iterable[Line]) -> None:
        """Take the neighbour's busy line, if it has changed."""
        busy = (LineState.CALLING, LineState.TALKING)
        line = next((line for line in lines if line.neighbour == self._neighbour and line.state in busy), None)
        if line is not None and line != self._line:
            self._line = line
            self._news.set()

    def note_end(self, end: CallEnd) -> None:
        """Take the end of the call; the first one counts."""
        self._end = self._end or end
        self._news.set()

    async def next(self) -> Line | CallEnd:
        """Wait for news: the line as it is now, or the end."""
        while True:
            await self._news.wait()
            self._news = trio.Event()
            if self._end is not None:
                return self._end
            if self._line is not None:
                return self._line
