# SPDX-License-Identifier: GPL-3.0-or-later
"""The progress line of the drop-in commands: one line on standard error, rewritten in place.

The reference writes it whether or not standard error is a terminal, unless told not to; so do we.
"""

from __future__ import annotations

import time

from muleteer.agent.clock import wall_now_ns
from muleteer.cli.nncp_say import remark
from muleteer.formats.recfile import human_size, rfc3339
from muleteer.formats.safename import show

NAME_WIDTH_MAX = 34
REDRAW_SECONDS = 0.1
_REWRITE = "\x1b[1A\x1b[2K"  # one line up, erase it


class Meter:
    """Progress of one packet; `total` 0 means unknown. Draws nothing before the first `show`.

    `begun` is when (monotonic) it began, if not now.
    """

    def __init__(self, verb: str, name: str, total: int, begun: float | None = None) -> None:
        self._label = f"{verb} {_shortened(name)}"
        self._total = total
        self._begun = time.monotonic() if begun is None else begun
        self._drawn = 0.0

    def show(self, done: int) -> None:
        """Redraw now and then, and surely when everything is done."""
        now = time.monotonic()
        if done == self._total or now - self._drawn >= REDRAW_SECONDS:
            self._draw(done, now)

    def _draw(self, done: int, now: float) -> None:
        start = _REWRITE if self._drawn else f"\n{_REWRITE}"
        self._drawn = now
        percent = 100 * done // self._total if self._total > done else 100
        speed = human_size(int(done / max(now - self._begun, 1e-6)))
        sizes = f"{human_size(done)}/{human_size(self._total)} {percent}% ({speed}/sec)"
        remark(f"{start}{rfc3339(wall_now_ns(), fraction=False)} {self._label} {sizes}\n")


def _shortened(name: str) -> str:
    name = show(name)
    if len(name) <= NAME_WIDTH_MAX:
        return name
    half = NAME_WIDTH_MAX // 2 - 1
    return f"{name[:half]}..{name[-half:]}"
