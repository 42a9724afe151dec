# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait longer after each failure, and never in step with others. Monotonic seconds throughout."""

from __future__ import annotations

from dataclasses import dataclass

JITTER = 0.2  # a wait is longer or shorter by up to this part
DOUBLINGS_MAX = 30


@dataclass(slots=True)
class Backoff:
    """When something may be tried again, and how often it failed in a row."""

    until: float = 0.0
    failures: int = 0

    def holds(self, now: float) -> bool:
        """Return whether it is too early."""
        return now < self.until

    def fail(self, now: float, first: float, most: float, jitter: float) -> None:
        """Wait for `first` seconds, twice as long each time, up to `most`; `jitter` is from 0 to below 1."""
        seconds = min(most, first * 2 ** min(self.failures, DOUBLINGS_MAX))
        self.failures += 1
        self.until = now + seconds * (1 - JITTER + 2 * JITTER * jitter)

    def rest(self, now: float, seconds: float) -> None:
        """Wait so long, without counting it as a failure."""
        self.until = max(self.until, now + seconds)

    def reset(self) -> None:
        """It worked, or the world has changed: wait no longer."""
        self.until = 0.0
        self.failures = 0
