# SPDX-License-Identifier: GPL-3.0-or-later
"""Give a stick back: unmount it, and go on trying for as long as it takes.

A program that looks at a stick, as desktops and indexers do, mostly lets go of it within seconds. After those the
person at the bay is told not to pull, and it is tried on: what cannot be unmounted is not safe to pull, and nobody
else is going to unmount it. There are three ends: it is unmounted, it is out, or the agent stops.
"""

from __future__ import annotations

import time
from itertools import chain, repeat
from typing import TYPE_CHECKING, Protocol

from muleteer.errors import StillMounted

if TYPE_CHECKING:
    from collections.abc import Callable

PAUSES = (0.2, 0.5, 1.0, 2.0)  # seconds between two tries; the last one for ever
QUIET_SECONDS = 3.5  # until a person is told


class Given(Protocol):
    """What can be given back: a seat."""

    def present(self) -> bool:
        """Tell whether the stick is still plugged in."""

    def release(self) -> None:
        """Unmount it. Raises StillMounted."""


def give_back(
    seat: Given,
    stop: Callable[[], bool],
    tell: Callable[[StillMounted], None],
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> StillMounted | None:
    """Unmount a stick.

    Return None as soon as it is unmounted; what stands in the way if it is out, or if `stop` says that the agent stops,
    before it is. `tell` hears each new reason once, after `QUIET_SECONDS`.
    """
    began = monotonic()
    told = ""
    pauses = chain(PAUSES, repeat(PAUSES[-1]))
    while True:
        try:
            seat.release()
        except StillMounted as error:
            patient = monotonic() - began < QUIET_SECONDS
            if not seat.present() or (stop() and not patient):
                return error
            if not patient and str(error) != told:
                tell(error)
                told = str(error)
        else:
            return None
        sleep(next(pauses))
