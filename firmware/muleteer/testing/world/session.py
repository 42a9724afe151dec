# SPDX-License-Identifier: GPL-3.0-or-later
"""One end of an online session: the real exchange between the box's spool and a wire.

What `carriers.stream` does with a socket in a thread is done here in turns: something arrived, there is room again, a
deadline came. Turns of one session never overlap, those of different sessions and errands do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.agent.exchanges import WatchedExchange
    from muleteer.carriers.online import SessionReport
    from muleteer.testing.world.agent import WorldAgent
    from muleteer.testing.world.links import End
    from muleteer.testing.world.timeline import Timeline

OUT_BYTES = 136 << 10
SILENT_WRITE_SECONDS = 10.0  # as of carriers.stream
LATE_SECONDS = 0.001


class WorldSession:
    """Drives one exchange; `ended` is called once with its report, unless the power goes."""

    def __init__(
        self,
        agent: WorldAgent,
        exchange: WatchedExchange,
        end: End,
        carrier: str,
        timeline: Timeline,
        ended: Callable[[SessionReport], None],
        moved: Callable[[WorldSession, int, int], None],
    ) -> None:
        self.agent = agent
        self.exchange = exchange
        self.carrier = carrier
        self._end = end
        self._timeline = timeline
        self._ended = ended
        self._moved = moved
        self._out = memoryview(bytearray(OUT_BYTES))
        self._rest = self._out[:0]
        self._stalled_at = 0.0
        self._is_unsettled = False
        self._is_over = False
        self._in_turn = False
        self._again = False
        self._due: float | None = None
        end.wake = self.wake

    def open(self) -> None:
        """Begin. Raises what `Exchange.open` does; the wire is closed then."""
        try:
            self.exchange.open(self._now)
        except BaseException:
            self._is_over = True
            self.exchange.finish(self._now)
            self._end.close()
            raise
        self.wake()

    def wake(self) -> None:
        """Take a turn, or (from inside of one) one more."""
        if self._is_over or not self.agent.powered:
            return
        if self._in_turn:
            self._again = True
            return
        self._in_turn = True
        try:
            self.agent.perform(self._turns, self)
        finally:
            self._in_turn = False

    def abandon(self) -> None:
        """Be gone: the box has no power any more."""
        self._is_over = True
        self._end.abandon()

    @property
    def _now(self) -> float:
        return self.agent.power.clock.monotonic()

    def _turns(self) -> None:
        self._again = True
        while self._again and not self._is_over:
            self._again = False
            self._turn()
        if not self._is_over:
            self._wait()

    def _turn(self) -> None:
        exchange = self.exchange
        if self.agent.stopping:
            exchange.close("asked", self._now)
        deadline = exchange.deadline()
        if deadline is not None and self._now >= deadline:
            exchange.on_deadline(self._now)
        busy = True
        while busy and not exchange.closed:
            busy = self._fill()
            if self._end.readable and exchange.hungry and not exchange.closed:
                self._receive()
                busy = True
            elif self._is_unsettled and not busy and not exchange.closed:
                self._is_unsettled = False
                exchange.settle(self._now)
                busy = True
            elif self._end.is_ended and not self._end.readable and not exchange.closed:
                exchange.eof(self._now)
        if self._rest and self._now >= self._stalled_at and not exchange.closed:
            exchange.close("silence", self._now)
        if exchange.closed:
            self._finish()

    def _fill(self) -> bool:
        """Send what there is room for; return whether something moved."""
        if not self._rest:
            count = self.exchange.to_send(self._out, self._now)
            self._rest = self._out[:count]
            self._stalled_at = self._now + SILENT_WRITE_SECONDS
            if not count:
                return False
        sent = self._end.send(self._rest)
        self._rest = self._rest[sent:]
        if sent:
            self._moved(self, 0, sent)
            self._stalled_at = self._now + SILENT_WRITE_SECONDS
        return sent > 0

    def _receive(self) -> None:
        data = self._end.read()
        self._moved(self, len(data), 0)
        self._is_unsettled = True
        self.exchange.receive(data, self._now)

    def _wait(self) -> None:
        deadlines = [self.exchange.deadline(), self._stalled_at if self._rest else None]
        nearest = min((at for at in deadlines if at is not None), default=None)
        if nearest is None:
            return
        when = self.agent.power.clock.true_time(nearest) + LATE_SECONDS
        if self._due is None or when < self._due:
            self._due = when
            self._timeline.at(when, lambda: self._on_time(when))

    def _on_time(self, when: float) -> None:
        if when == self._due:
            self._due = None
            self.wake()

    def _finish(self) -> None:
        self._is_over = True
        self.exchange.finish(self._now)
        self._end.close()
        self._ended(self.exchange.report)
