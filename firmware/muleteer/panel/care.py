# SPDX-License-Identifier: GPL-3.0-or-later
"""Care for the display: an OLED's pixels age by being lit, and what always stands in one place burns in. Pure.

The picture moves round a square of one pixel, one step a minute: right, down, left, up. (Pages leave that pixel free.)
A calm page goes down to a third of the contrast after one minute without news, and to the least after ten; anything
that concerns a person at the box is shown at full contrast, always. (What is news, `paging` says: calls are none.)
"""

from __future__ import annotations

from typing import Final

MINUTE: Final = 60.0
FULL: Final = 0xCF  # the controllers' usual setting for the built-in charge pump
DIM: Final = 0x40
LEAST: Final = 0x01  # still readable in a dark room
_SQUARE: Final = ((0, 0), (1, 0), (1, 1), (0, 1))
_DIM_AFTER: Final = 1 * MINUTE
_LEAST_AFTER: Final = 10 * MINUTE


def shift(now: float) -> tuple[int, int]:
    """Return by how many pixels (right, down) the picture is moved at an instant of the monotonic clock."""
    return _SQUARE[int(now // MINUTE) % len(_SQUARE)]


def next_shift(now: float) -> float:
    """Return the first instant after `now` at which `shift` changes."""
    return (now // MINUTE + 1) * MINUTE


def contrast(quiet_seconds: float, *, calm: bool) -> int:
    """Return the contrast (0 to 255) of a page, given for how long nothing has happened."""
    if not calm or quiet_seconds < _DIM_AFTER:
        return FULL
    return DIM if quiet_seconds < _LEAST_AFTER else LEAST
