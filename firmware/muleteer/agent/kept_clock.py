# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine's clock, with the wall time as the timekeeper knows it: never before what was already seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from muleteer.agent.clock import Clock
    from muleteer.agent.timekeeper import Timekeeper


class KeptClock:
    """A `Clock`, for any thread."""

    def __init__(self, clock: Clock, timekeeper: Timekeeper) -> None:
        self._timekeeper = timekeeper
        self._clock = clock
        self.monotonic = clock.monotonic
        self.uptime = clock.uptime
        self.sleep = clock.sleep

    def wall(self) -> float:
        """Return seconds since 1970: the machine's own, or an estimate where that is in the past."""
        return self._timekeeper.now().wall

    def wall_ns(self) -> int:
        """Return the same in nanoseconds."""
        now = self._timekeeper.now()
        return self._clock.wall_ns() if now.sure else int(now.wall * 1e9)
