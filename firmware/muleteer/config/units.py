# SPDX-License-Identifier: GPL-3.0-or-later
"""Amounts and times as people write them: "64 KiB", "1.5 GB", "10 min", "5 MB/day", "22:00-06:00", "Mon-Fri".

A number always has a unit.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

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

RATE_REMEDY = 'Write a size per second, like "20 KB/s"'
BUDGET_REMEDY = 'Write a size per hour, day or month, like "5 MB/day"'
AIR_REMEDY = 'Write a duration per hour, day or month, like "36 s/hour"'
HOURS_REMEDY = 'Write when it begins and ends by the local clock, like "22:00-06:00"'
DAYS_REMEDY = 'Write weekdays, like "Mon-Fri" or ["Sat", "Sun"]'

_PERIODS = {"h": "hour", "d": "day"} | {period: period for period in ("hour", "day", "month")}
_DAY_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_HOURS = re.compile(r"([01]?[0-9]|2[0-4]):([0-5][0-9]) ?- ?([01]?[0-9]|2[0-4]):([0-5][0-9])")
_MIDNIGHT = 24 * 60

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


def show_size(size: int) -> str:
    """Return a size that `parse_size` reads back, in the unit that makes it shortest: "64 KiB", "5 MB"."""
    units = [unit for unit, factor in _SIZES.items() if size % factor == 0 and unit != "kB"]
    return min((f"{size // _SIZES[unit]} {unit}" for unit in units), key=len)


def show_duration(seconds: int) -> str:
    """Return a duration that `parse_duration` reads back: "10 min", "14 d"."""
    unit = [unit for unit in ("s", "min", "h", "d") if seconds % _DURATIONS[unit] == 0][-1]
    return f"{seconds // _DURATIONS[unit]} {unit}"


def show_hours(hours: tuple[int, int]) -> str:
    """Return hours of the day as `parse_hours` reads them: "22:00-06:00"."""
    return "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in hours)


def show_days(days: Collection[int]) -> str:
    """Return weekdays as `parse_days` reads them: "Mon-Fri", "Sat,Sun"."""
    runs: list[list[int]] = []
    for day in sorted(days):
        if runs and day == runs[-1][-1] + 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    names = [name[:3].title() for name in _DAY_NAMES]
    return ",".join(
        f"{names[run[0]]}-{names[run[-1]]}" if len(run) > 2 else ",".join(names[day] for day in run) for run in runs
    )


def parse_rate(text: str) -> int:
    """Return a rate in bytes per second.

    Raises:
        ValueError: it is none; RATE_REMEDY tells what would be one.

    """
    size, slash, second = text.partition("/")
    if not slash or second.strip() not in ("s", "sec", "second"):
        raise ValueError(text)
    return parse_size(size.strip())


def parse_budget(text: str) -> tuple[int, str]:
    """Return the bytes of a budget and what they are for: "hour", "day" or "month".

    Raises:
        ValueError: it is none; BUDGET_REMEDY tells what would be one.

    """
    return _per(text, parse_size)


def parse_air(text: str) -> tuple[int, str]:
    """Return the seconds of a budget of air and what they are for, as `parse_budget`.

    Raises:
        ValueError: it is none; AIR_REMEDY tells what would be one.

    """
    return _per(text, parse_duration)


def parse_hours(text: str) -> tuple[int, int]:
    """Return begin and end of some hours of the day, in minutes; a begin after the end goes over midnight.

    Raises:
        ValueError: they are none; HOURS_REMEDY tells what would be some.

    """
    match = _HOURS.fullmatch(text)
    if not match:
        raise ValueError(text)
    begin, end = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
    if begin == end or begin >= _MIDNIGHT or end > _MIDNIGHT:
        raise ValueError(text)
    return begin, end


def parse_days(text: str) -> frozenset[int]:
    """Return weekdays (0 is Monday) from their English names, whole or three letters; ranges may go over Sunday.

    Raises:
        ValueError: they are none; DAYS_REMEDY tells what would be some.

    """
    days: set[int] = set()
    for part in text.split(","):
        first, _, last = (word.strip() for word in part.partition("-"))
        begin, end = _day(first), _day(last or first)
        days.update(day % 7 for day in range(begin, (end if begin <= end else end + 7) + 1))
    return frozenset(days)


def _day(word: str) -> int:
    for number, name in enumerate(_DAY_NAMES):
        if word.lower() in (name, name[:3]):
            return number
    raise ValueError(word)


def _per(text: str, parse: Callable[[str], int]) -> tuple[int, str]:
    amount, _, period = (part.strip() for part in text.partition("/"))
    if period not in _PERIODS:
        raise ValueError(text)
    return parse(amount), _PERIODS[period]


def _parse(text: str, units: dict[str, int]) -> int:
    match = _AMOUNT.fullmatch(text)
    if not match or match[2] not in units:
        raise ValueError(text)
    # Fraction and not float: "0.1 kB" is 100 B, and no float is.
    value = Fraction(match[1]) * units[match[2]]
    if value < 1 or value.denominator != 1 or value >= 1 << 62:
        raise ValueError(text)
    return int(value)
