# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn the advances of a round into `Progress`, with an estimate of the time left in the present phase."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muleteer.agent.status import Phase, Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.carriers.stick_report import Advance, Step

SETTLE_SECONDS = 1.0  # before that the rate is that of the stick's cache


class Pace:
    """Watches one round; `monotonic` tells the time in seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._step: Step | None = None
        self._began = 0.0

    def progress(self, advance: Advance) -> Progress:
        """Return how far the round is."""
        now = self._monotonic()
        if advance.step is not self._step:
            self._step, self._began = advance.step, now
        return Progress(
            Phase(advance.step.value),
            advance.packets_done,
            advance.packets_total,
            advance.bytes_done,
            advance.bytes_total,
            self._left(advance, now - self._began),
        )

    def _left(self, advance: Advance, seconds: float) -> float | None:
        if seconds < SETTLE_SECONDS or not advance.bytes_done:
            return None
        return max(0.0, (advance.bytes_total - advance.bytes_done) * seconds / advance.bytes_done)
