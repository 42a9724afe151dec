# SPDX-License-Identifier: GPL-3.0-or-later
"""A clock that stands still until a test moves it."""

from __future__ import annotations


class FakeClock:
    """A `Clock` for tests: `advance` moves both times, `leap` the wall time only, as NTP does on a Pi."""

    def __init__(self, wall: float = 1_700_000_000.0, monotonic: float = 1000.0) -> None:
        self._wall = wall
        self._monotonic = monotonic

    def wall(self) -> float:
        """Return the wall time the test has set."""
        return self._wall

    def monotonic(self) -> float:
        """Return the monotonic time the test has set."""
        return self._monotonic

    def uptime(self) -> float:
        """Return the seconds since the pretended boot."""
        return self._monotonic

    def wall_ns(self) -> int:
        """Return the wall time in nanoseconds."""
        return round(self._wall * 1e9)

    def sleep(self, seconds: float) -> None:
        """Let that much time pass at once."""
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass.

        Raises ValueError for a negative amount: monotonic time never goes back.
        """
        if seconds < 0:
            raise ValueError(seconds)
        self._wall += seconds
        self._monotonic += seconds

    def leap(self, seconds: float) -> None:
        """Set the wall time forward or back; no time passes."""
        self._wall += seconds
