# SPDX-License-Identifier: GPL-3.0-or-later
"""Say sizes, niceness and spans of time as people do, and as muleteer.toml is written. Pure."""

from __future__ import annotations

from muleteer.config.units import show_size
from muleteer.formats.niceness import BULK, FLASH, MAX, NORMAL, PRIORITY

CLASSES = ((FLASH, "FLASH"), (PRIORITY, "PRIORITY"), (NORMAL, "NORMAL"), (BULK, "BULK"))
CLASS_REACH = 32  # a class with an offset reaches half-way to the next
SPANS = ((86400, "day"), (3600, "hour"), (60, "minute"))
SIZES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "KB"))


def size_words(size: float) -> str:
    """Return a number of bytes in decimal units, with one digit behind the point below ten: "4.2 MB", "100 MB"."""
    for unit, name in SIZES:
        if size >= unit * 0.9995:
            count = size / unit
            digits = 1 if count < 9.95 and round(count, 1) % 1 else 0
            return f"{count:.{digits}f} {name}"
    return f"{size:.0f} bytes" if size != 1 else "1 byte"


def limit_words(size: int) -> str:
    """Return a limit in bytes as people wrote it ("64 KiB"), an odd one rounded down: never more than it is."""
    written = show_size(size)
    if size < SIZES[-1][0] or not written.endswith(" B"):
        return written
    unit = next(unit for unit, _ in SIZES if size >= unit)
    step = unit / 10 if size < 10 * unit else unit
    return size_words(size // step * step)


def nice_words(nice: int) -> str:
    """Return a niceness by its class's name: "PRIORITY", "BULK-3", "MAX"."""
    if nice >= MAX:
        return "MAX"
    value, name = min(CLASSES, key=lambda known: abs(nice - known[0]))
    offset = nice - value
    if abs(offset) >= CLASS_REACH:
        return str(nice)
    return f"{name}{offset:+d}" if offset else name


def duration_words(seconds: float) -> str:
    """Return a span of time in one unit: "3 days", "1 hour", "12 s", "a moment"."""
    for unit, name in SPANS:
        if seconds >= unit:
            count = int(seconds // unit)
            return f"{count} {name}" + ("s" if count > 1 else "")
    return "a moment" if seconds < 1 else f"{int(seconds)} s"


def packets_words(count: int) -> str:
    """Return a number of packets."""
    return "1 packet" if count == 1 else f"{count} packets"
