# SPDX-License-Identifier: GPL-3.0-or-later
"""Civil time by plain arithmetic: what a clock on the wall shows at an instant, and the instant of what it shows.

A time zone is a function here, an `Offset`: from an instant to the seconds that local time is ahead of UTC then.
`local_offset` is this machine's; simulations and tests bring their own, so nothing above depends on where it runs.
Nothing here asks what time it is. `datetime` would take 5 ms to import, which every ``nncp-caller`` would pay.

A civil time is counted in seconds since 1970-01-01 00:00 of the clock on the wall (`clock`), or in such days.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Offset = Callable[[float], int]

DAY = 86400
_CYCLE = 146_097
"""Days of 400 years, after which the calendar repeats."""
_EPOCH = 719_468
"""Days from 0000-03-01, where counting is easy (leap days come last in their year), to 1970-01-01."""


def local_offset(unix: float) -> int:
    """Return by how many seconds this machine's local time (TZ, /etc/localtime) is ahead of UTC at an instant."""
    try:
        return time.localtime(unix).tm_gmtoff
    except (OverflowError, OSError, ValueError):
        return time.localtime(0).tm_gmtoff  # beyond what the C library counts: nobody waits for it


def utc_offset(unix: float) -> int:  # noqa: ARG001 - an Offset takes the instant
    """Return 0: the offset of UTC."""
    return 0


def clock(unix: float, offset: Offset) -> int:
    """Return the civil time at an instant, rounded down to a whole second."""
    return int(unix // 1) + offset(unix)


def instant(civil: int, offset: Offset) -> int:
    """Return the instant (Unix time) when the clock on the wall shows a civil time.

    Where it shows it twice (the hour goes back) it is one of the two; where it skips it (the hour goes forward) it is
    the time before or after, as if the hour had not changed: which of them depends on the zone, exactly as in the
    reference (found by experiment: it asks for the offset at the civil time read as UTC, then once more with that).
    """
    guess = offset(civil)
    return civil - (offset(civil - guess) if guess else 0)


def day_number(year: int, month: int, day: int) -> int:
    """Return the days from 1970-01-01 to a date of the Gregorian calendar."""
    year -= month <= 2
    of_cycle = year % 400
    of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    return year // 400 * _CYCLE + of_cycle * 365 + of_cycle // 4 - of_cycle // 100 + of_year - _EPOCH


def date_of(days: int) -> tuple[int, int, int]:
    """Return year, month and day of a day number."""
    cycle, of_cycle = divmod(days + _EPOCH, _CYCLE)
    year = (of_cycle - of_cycle // 1460 + of_cycle // 36524 - of_cycle // 146096) // 365
    of_year = of_cycle - (365 * year + year // 4 - year // 100)
    month = (5 * of_year + 2) // 153
    day = of_year - (153 * month + 2) // 5 + 1
    month += 3 if month < 10 else -9
    return year + cycle * 400 + (month <= 2), month, day


def weekday(days: int) -> int:
    """Return the weekday of a day number as cron counts: 0 is Sunday."""
    return (days + 4) % 7


def month_length(year: int, month: int) -> int:
    """Return the days of a month."""
    after = (year, month + 1, 1) if month < 12 else (year + 1, 1, 1)
    return day_number(*after) - day_number(year, month, 1)
