# SPDX-License-Identifier: GPL-3.0-or-later
"""Times that repeat every week, as sets of minutes, and the cron expressions that name them.

A minute of the week is counted from Monday 00:00. Daylight saving does not exist here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muleteer.config.zone import utc_offset

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from muleteer.config.carrier_rules import CarrierRule, CarrierTerms
    from muleteer.config.cron import Cron

MINUTES = 7 * 24 * 60
_DAY = 24 * 60
_MONDAY = 4 * 86400
"""5 January 1970, a Monday: any week would do."""


def terms_of_week(rule: CarrierRule, neighbour: str) -> dict[CarrierTerms | None, set[int]]:
    """Return when in a week which terms hold; windows by cron count as they are in one week of January."""
    found: dict[CarrierTerms | None, set[int]] = {}
    begin = 0
    while begin < MINUTES:
        wall = float(_MONDAY + begin * 60)
        edge = rule.next_change(wall, utc_offset)
        end = MINUTES if edge is None else min(MINUTES, int(edge - _MONDAY) // 60)
        terms = rule.terms_at(wall, neighbour, True, utc_offset)
        found.setdefault(terms, set()).update(range(begin, end))
        begin = end
    return found


def due(cron: Cron, minutes: Collection[int]) -> set[int]:
    """Return which of some minutes of the week an expression names that does so every week."""
    return {minute for minute in minutes if cron.matches_civil(_MONDAY + minute * 60)}


def crons_of(minutes: Collection[int]) -> list[str]:
    """Return expressions that name exactly these minutes of the week, few if there is some order in them."""
    by_day: dict[frozenset[int], list[int]] = {}
    for day in range(7):
        of_day = frozenset(minute % _DAY for minute in minutes if minute // _DAY == day)
        if of_day:
            by_day.setdefault(of_day, []).append((day + 1) % 7)  # cron's weeks begin on Sunday
    return [f"{times} * * {_field(sorted(days), 0, 6)}" for of_day, days in by_day.items() for times in _times(of_day)]


def _times(minutes: frozenset[int]) -> Iterator[str]:
    by_hour: dict[frozenset[int], list[int]] = {}
    for hour in range(24):
        of_hour = frozenset(minute % 60 for minute in minutes if minute // 60 == hour)
        if of_hour:
            by_hour.setdefault(of_hour, []).append(hour)
    for of_hour, hours in by_hour.items():
        yield f"{_field(sorted(of_hour), 0, 59)} {_field(hours, 0, 23)}"


def _field(values: list[int], low: int, high: int) -> str:
    """Write one field of an expression: ``*``, ``*/n``, or ranges and numbers."""
    if len(values) == high - low + 1:
        return "*"
    for step in range(2, (high + 1) // 2 + 1):
        if values == list(range(low, high + 1, step)):
            return f"*/{step}"
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
