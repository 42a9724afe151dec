# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual time: what happens when, in one thread, in an order that only the seed decides.

Everything is an act at an instant. An act that lasts (a round, a toss) lets time pass by `elapse` at its own places,
its disk operations and its sleeps; what falls due meanwhile is done right there, inside it. So acts overlap as threads
do: the inner one runs to its end while the outer one is held up, which a thread must bear at any time. An outer act
that holds something for which an inner one would wait (`hold`) lets time pass, but nothing happen in it.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    Act = Callable[[], None]

DEPTH_MAX = 6  # acts inside each other: a box has two bays, a toss, a survey, some sessions
AT_ONCE_MAX = 20_000  # acts without time passing: somebody turns in a circle


class EndlessLoopError(AssertionError):
    """Things happen and happen, and no time passes."""


class Timeline:
    """The one clock behind all clocks: `now` is in seconds since the world began."""

    def __init__(self) -> None:
        self.now = 0.0
        self.acts = 0
        self._queue: list[tuple[float, int, Act]] = []
        self._serial = 0
        self._depth = 0
        self._held = 0
        self._at_once = 0

    def at(self, when: float, act: Act) -> None:
        """Have something done at an instant; if that is past, as soon as possible."""
        self._serial += 1
        heapq.heappush(self._queue, (when, self._serial, act))

    def after(self, seconds: float, act: Act) -> None:
        """Have something done later."""
        self.at(self.now + seconds, act)

    def run(self, until: float, ended: Callable[[], bool] = lambda: False) -> bool:
        """Let the world go on until an instant, or until `ended` says so after some act; return whether it did."""
        while self._queue and self._queue[0][0] <= until:
            self._next()
            if ended():
                return True
        self.now = max(self.now, until)
        return False

    def elapse(self, seconds: float) -> None:
        """Let time pass inside an act; what falls due is done now, unless it is too deep for that or held up."""
        until = self.now + seconds
        if self._depth <= DEPTH_MAX and not self._held:
            while self._queue and self._queue[0][0] <= until:
                self._next()
        self.now = max(self.now, until)

    def hold(self) -> None:
        """From here to the `release` nothing happens inside the act at hand."""
        self._held += 1

    def release(self) -> None:
        """End a `hold`."""
        self._held -= 1

    @property
    def holding(self) -> AbstractContextManager[None]:
        """A lock for a world without threads: in its ``with`` block time passes, and nothing happens."""
        return _Holding(self)

    def _next(self) -> None:
        when, _, act = heapq.heappop(self._queue)
        self._at_once = 0 if when > self.now else self._at_once + 1
        if self._at_once > AT_ONCE_MAX:
            raise EndlessLoopError(f"{AT_ONCE_MAX} acts at the same instant, the last is {act}")
        self.now = max(self.now, when)
        self.acts += 1
        self._depth += 1
        try:
            act()
        finally:
            self._depth -= 1


class _Holding:
    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline

    def __enter__(self) -> None:
        self._timeline.hold()

    def __exit__(self, *exc_info: object) -> None:
        self._timeline.release()
