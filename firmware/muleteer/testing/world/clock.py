# SPDX-License-Identifier: GPL-3.0-or-later
"""A box's own idea of the time: it drifts, leaps, and without a battery it begins in the past at each start."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.testing.world.timeline import Timeline


class BoxClock:
    """The `Clock` of one box from a start to its end.

    `drift` is in seconds per second; `wall` is the wall time at the start, None if the box has a battery and knows.
    `wake` is called after each sleep: it raises if the power went meanwhile. `is_set` says that others, who know, have
    set it.
    """

    def __init__(
        self,
        timeline: Timeline,
        epoch: float,
        wake: Callable[[], None],
        *,
        drift: float = 0.0,
        wall: float | None = None,
    ) -> None:
        self._timeline = timeline
        self._epoch = epoch
        self._wake = wake
        self._rate = 1.0 + drift
        self._booted = timeline.now
        self.is_set = False
        self._wall = self.true_wall if wall is None else wall

    def wall(self) -> float:
        """Return seconds since 1970, as this box believes."""
        return self._wall + self.monotonic()

    def wall_ns(self) -> int:
        """Return the same in nanoseconds."""
        return round(self.wall() * 1e9)

    def monotonic(self) -> float:
        """Return seconds since this box started, by its own quartz."""
        return (self._timeline.now - self._booted) * self._rate

    def uptime(self) -> float:
        """Return the same."""
        return self.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let time pass; the world goes on meanwhile."""
        self._timeline.elapse(seconds / self._rate)
        self._wake()

    def true_time(self, monotonic: float) -> float:
        """Return when in the world's time this box's monotonic clock shows something."""
        return self._booted + monotonic / self._rate

    def set_wall(self, wall: float) -> None:
        """Let the wall time leap."""
        self._wall += wall - self.wall()

    @property
    def true_wall(self) -> float:
        """What the wall time should be."""
        return self._epoch + self._timeline.now
