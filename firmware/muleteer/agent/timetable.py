# SPDX-License-Identifier: GPL-3.0-or-later
"""When a timetable wants a call: each of its instants once, whatever the wall clock does.

House rules:

1. Instants that were missed (the machine slept, the clock leapt ahead, the carrier was down) are made up for by one
   call, not by many.
2. A clock that goes back by up to `REPEAT_SECONDS` repeats nothing. One that goes back further was wrong before: its
   instants count anew, after that time at the latest.
3. However the clock leaps about, calls that are due to a leap are at least `LEAP_REST_SECONDS` apart.
4. Every instant gets one try, whatever failed before. A call that fails is tried again after the back-off, `TRIES_MAX`
   times in all; then the next instant is waited for.
5. A call comes up to `STAGGER_SECONDS` after its instant, by chance, and less where instants are close together: two
   boxes with the same timetable and good clocks would call each other at the same time, each hold its own locks, and
   refuse the other, at every instant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.agent.events import Now

    Jitter = Callable[[], float]

REPEAT_SECONDS = 3600.0
LEAP_REST_SECONDS = 600.0
TRIES_MAX = 5
STAGGER_SECONDS = 20.0
STAGGER_PART = 0.1  # of the time between two instants, at most


@dataclass(slots=True)
class Timetable:
    """One timetable. `upcoming` is its next instant (wall), `held` the monotonic time before which none counts.

    It is `due` from an instant on until a call has done what was wanted, or was given up; but not before `ready`.
    """

    after: float  # wall: instants up to here are done with
    due: bool = False
    ready: float = 0.0  # monotonic
    upcoming: float | None = None
    held: float | None = None
    _tries: int = 0
    _fired: float | None = None
    _leapt: bool = False
    _known: bool = False  # `upcoming` is still what it says

    def leap(self, now: Now) -> None:
        """Take note that the wall clock has leapt to where it is now."""
        self._leapt = True
        self._known = False
        self.after = min(self.after, now.wall + REPEAT_SECONDS)

    def look(self, next_after: Callable[[float], float | None], now: Now, jitter: Jitter) -> None:
        """Take note of the time; `next_after` gives the first instant later than a wall time."""
        if not self._known:
            self.upcoming = next_after(self.after)
            self._known = True
        self.held = None
        if self.upcoming is None or self.upcoming > now.wall:
            self.after = max(self.after, now.wall)
        elif self._leapt and self._fired is not None and now.monotonic < self._fired + LEAP_REST_SECONDS:
            self.held = self._fired + LEAP_REST_SECONDS
        else:
            self.due, self._tries, self._fired, self._leapt = True, 0, now.monotonic, False
            self.after = now.wall
            self.upcoming = next_after(now.wall)
            gap = math.inf if self.upcoming is None else self.upcoming - now.wall
            # 0.5 is the middle of the jitter, here as for the back-off: no deviation.
            self.ready = now.monotonic + abs(2 * jitter() - 1) * min(STAGGER_SECONDS, gap * STAGGER_PART)

    def wants(self, now: Now) -> bool:
        """Return whether a call is wanted now."""
        return self.due and now.monotonic >= self.ready

    @property
    def fresh(self) -> bool:
        """Whether this instant has had no try yet."""
        return self._tries == 0

    def begin(self, after: float) -> None:
        """Count from here: what came until this wall time was another timetable's, or nobody's."""
        self.after = max(self.after, after)
        self._known = False

    def failed(self) -> None:
        """Note that the call for it failed."""
        self._tries += 1
        if self._tries >= TRIES_MAX:
            self.due = False
