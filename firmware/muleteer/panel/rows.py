# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of text that stand on several pages: what waits, and what was moved when. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from muleteer.panel.layout import fitting, justify
from muleteer.panel.wording import count, size, span

if TYPE_CHECKING:
    from muleteer.agent.status import Queue


def moved(received: int, sent: int) -> str:
    """Return how many packets went both ways."""
    return f"in {count(received)} out {count(sent)}"


def queue_row(name: str, queue: Queue, columns: int) -> str:
    """Return a line about what waits: packets and bytes in their columns."""
    volume = size(queue.size) if queue.size > 0 else ""
    return justify(name, f"{count(queue.packets):>4}  {volume:>6}".rstrip(), columns)


def past_row(words: str, ended: float | None, now: float | None, columns: int) -> str:
    """Return a line about what is over, and how long ago that was if it is known."""
    ago = since(ended, now)
    return justify(words, fitting(words, (f"{ago} ago", ago), columns) if ago else "", columns)


def since(then: float | None, now: float | None) -> str:
    """Return how long ago something was, "" if that is not known; a clock that leapt back knows nothing."""
    return "" if now is None or then is None or not math.isfinite(now) else span(now - then)


def until(then: float | None, now: float | None) -> str:
    """Return when something is to be: "in 7 h", "due", or "" if that is not known."""
    if now is None or then is None or not math.isfinite(now - then):
        return ""
    return f"in {span(then - now)}" if then > now else "due"
