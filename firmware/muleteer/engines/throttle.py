# SPDX-License-Identifier: GPL-3.0-or-later
"""A rate limit as a value in time: a bucket that fills steadily, and from which whatever is sent is taken."""

from __future__ import annotations

_ROUNDING = 1e-3  # of a unit: what the sum of many small additions may be off


class Throttle:
    """Lets `rate` units per second through in the long run; a rate of 0 limits nothing.

    It is open or not; whatever goes while it is open is paid for afterwards. So in any span of t seconds at most
    ``burst + rate * t`` units pass and one piece more.
    """

    __slots__ = ("_burst", "_level", "_rate", "_stamp")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._level = burst
        self._stamp = now

    def is_open(self, now: float) -> bool:
        """Tell whether a piece may go now."""
        return not self._rate or self._fill(now) >= -_ROUNDING

    def spend(self, size: float, now: float) -> None:
        """Take `size` units out; what is missing is owed."""
        if self._rate:
            self._level = self._fill(now) - size
            self._stamp = now

    def opens_at(self, now: float) -> float:
        """Return the moment from which on a piece may go."""
        return now if self.is_open(now) else now - self._fill(now) / self._rate

    def _fill(self, now: float) -> float:
        return min(self._burst, self._level + max(0.0, now - self._stamp) * self._rate)
