# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes and durations as people write them: a number and always a unit, "64 KiB", "1.5 GB", "10 min"."""

from __future__ import annotations

import re
from fractions import Fraction

SIZE_REMEDY = 'Write a number and a unit, like "64 KiB" or "5 MB" (B, kB, MB, GB, TB; KiB, MiB, GiB, TiB)'
DURATION_REMEDY = 'Write a number and a unit, like "10 min" or "14 d" (s, min, h, d, w)'

_SIZES = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 1 << 10,
    "MiB": 1 << 20,
    "GiB": 1 << 30,
    "TiB": 1 << 40,
}
_DURATIONS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_WORDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
_DURATIONS |= _WORDS | {f"{word}s": seconds for word, seconds in _WORDS.items()}

_AMOUNT = re.compile(r"([0-9]{1,19}(?:\.[0-9]{1,6})?) ?([A-Za-z]+)")


def parse_size(text: str) -> int:
    """Return a size in bytes, at least one and whole.

    Raises:
        ValueError: it is no size; SIZE_REMEDY tells what would be one.

    """
    return _parse(text, _SIZES)


def parse_duration(text: str) -> int:
    """Return a duration in seconds, at least one and whole.

    Raises:
        ValueError: it is no duration; DURATION_REMEDY tells what would be one.

    """
    return _parse(text, _DURATIONS)


def _parse(text: str, units: dict[str, int]) -> int:
    match = _AMOUNT.fullmatch(text)
    if not match or match[2] not in units:
        raise ValueError(text)
    # Fraction and not float: "0.1 kB" is 100 B, and no float is.
    value = Fraction(match[1]) * units[match[2]]
    if value < 1 or value.denominator != 1 or value >= 1 << 62:
        raise ValueError(text)
    return int(value)
