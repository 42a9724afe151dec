# SPDX-License-Identifier: GPL-3.0-or-later
"""Cron expressions in the dialect of the reference, found out by asking its ``nncp-cronexpr``.

Five fields: minute, hour, day of the month, month, weekday. Six: a year after them. Seven: the second before, the year
after. What follows the seventh is ignored; @yearly, @annually, @monthly, @weekly, @daily and @hourly stand for seven
fields, wherever they stand. Each field is a list of:

==============  ====================================================================================================
``*`` or ``?``  all; a day field with it among others is not restricted
``a`` ``a-b``   a value, a range; months and weekdays also by name (three letters or all), weekday 7 is Sunday
``*/n``         every n-th from the first on; ``a/n`` from a on, ``a-b/n`` within a range
``L`` ``LW``    (day of the month) its last day, its last working day (Monday to Friday)
``aW``          (day of the month) the working day nearest to a, within the month
``aL`` ``a#k``  (weekday) the last one of the month, the k-th
==============  ====================================================================================================

A day counts if both day fields name it, unless both are restricted: then if either does. Years are 1970 to 2099. Times
are local. Where ours differs from the reference, each on purpose:

* a reversed range (``5-1``, and ``5-7`` of weekdays, as 7 is 0) is an error; there it names nothing, or crashes;
* ``01`` is January and ``05`` Friday; there a month or weekday with a leading zero is misread;
* `Cron.next` is always later than what it is given. There, in zones west of Greenwich, a time that the change to
  daylight saving skips leads back to one before, again and again for an hour.

No library speaks this dialect: croniter, cronsim and others differ in W, L, the step beyond a field and both days.
"""

from __future__ import annotations

from muleteer.config.zone import DAY, clock, date_of, day_number, instant, local_offset, month_length, weekday
from muleteer.errors import BadCron
from muleteer.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from muleteer.config.zone import Offset

    Date = tuple[int, int, int]
    Special = tuple[str, int, int]

_ALIASES = {
    "@yearly": "0 0 0 1 1 * *",
    "@annually": "0 0 0 1 1 * *",
    "@monthly": "0 0 0 1 * * *",
    "@weekly": "0 0 0 * * 0 *",
    "@daily": "0 0 0 * * * *",
    "@hourly": "0 0 * * * * *",
}
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_WEEK = 7
_STEP_MAX = 59  # of years, too


@record
class _Field:
    """What one field may hold; `words` are its names."""

    name: str
    low: int
    high: int
    words: dict[str, int]
    digits: int = 2

    def value(self, text: str) -> int | None:
        """Return what a number or name stands for."""
        if text in self.words:
            return self.words[text]
        if not (text.isascii() and text.isdigit()) or not 0 < len(text) <= self.digits:
            return None
        number = int(text)
        return number if self.low <= number <= self.high else None


def _named(names: Iterable[str], first: int) -> dict[str, int]:
    numbered = list(enumerate(names, first))
    return {name: number for number, name in numbered} | {name[:3]: number for number, name in numbered}


_SECOND = _Field("second", 0, 59, {})
_MINUTE = _Field("minute", 0, 59, {})
_HOUR = _Field("hour", 0, 23, {})
_DAY = _Field("day", 1, 31, {})
_MONTH = _Field("month", 1, 12, _named(_MONTHS, 1))
_WEEKDAY = _Field("weekday", 0, 6, _named(_WEEKDAYS, 0) | {"7": 0, "07": 0})
_YEAR = _Field("year", 1970, 2099, {}, 4)
_YEARS = 130


@record
class _Listed:
    """One parsed field: its values in order, the special entries, and whether it is all of them (``*``)."""

    values: tuple[int, ...]
    specials: tuple[Special, ...]
    all: bool


@record
class Cron:
    """A parsed expression; `parse` makes them."""

    text: str
    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: _Listed
    months: tuple[int, ...]
    weekdays: _Listed
    years: tuple[int, ...]

    def __repr__(self) -> str:
        return f"Cron({self.text!r})"

    @property
    def is_weekly(self) -> bool:
        """Whether it names the same minutes in every week, at second 0."""
        dated = self.days.specials or self.weekdays.specials or not self.days.all
        return not dated and (len(self.months), len(self.years), self.seconds) == (12, _YEARS, (0,))

    def next(self, after: float, offset: Offset = local_offset) -> float | None:
        """Return the first instant (Unix time, whole seconds) later than `after`, None if there is none until 2099.

        `offset` is the time zone. What daylight saving skips comes before or after the gap (`zone.instant`); of an hour
        that comes twice only one is taken. Never an instant up to `after`.
        """
        civil: int | None = clock(after, offset)
        while civil is not None:
            civil = self.next_civil(civil)
            if civil is not None and (unix := instant(civil, offset)) > after:
                return float(unix)
        return None

    def matches(self, unix: float, offset: Offset = local_offset) -> bool:
        """Return whether the local minute around an instant is one that the expression names; seconds do not count."""
        return self.matches_civil(clock(unix, offset))

    def matches_civil(self, civil: int) -> bool:
        """Return the same for a civil time."""
        days, second = divmod(civil, DAY)
        return second // 3600 in self.hours and second // 60 % 60 in self.minutes and self.matches_date(date_of(days))

    def matches_date(self, date: Date) -> bool:
        """Return whether the expression names anything on a date."""
        year, month, day = date
        return year in self.years and month in self.months and day in self._days_of(year, month)

    def next_civil(self, civil: int) -> int | None:
        """Return the first civil time after one, None if there is none."""
        days, second = divmod(civil + 1, DAY)
        date = date_of(days)
        time = self._time_from(second) if self.matches_date(date) else None
        if time is None:
            later = self._day_after(date)
            if later is None:
                return None
            days, time = later, self._time_from(0) or 0
        return days * DAY + time

    def _time_from(self, second: int) -> int | None:
        hour, minute, rest = second // 3600, second // 60 % 60, second % 60
        if hour in self.hours:
            if minute in self.minutes and (found := _first(self.seconds, rest)) is not None:
                return hour * 3600 + minute * 60 + found
            if (found := _first(self.minutes, minute + 1)) is not None:
                return hour * 3600 + found * 60 + self.seconds[0]
        if (found := _first(self.hours, hour + 1)) is not None:
            return found * 3600 + self.minutes[0] * 60 + self.seconds[0]
        return None

    def _day_after(self, date: Date) -> int | None:
        for year in self.years:
            for month in self.months if year >= date[0] else ():
                for day in self._days_of(year, month) if (year, month) >= date[:2] else ():
                    if (year, month, day) > date:
                        return day_number(year, month, day)
        return None

    def _days_of(self, year: int, month: int) -> list[int]:
        """Return the days of a month that the two day fields name, in order."""
        length = month_length(year, month)
        first = weekday(day_number(year, month, 1))
        if self.days.all and self.weekdays.all:
            return list(range(1, length + 1))
        found = set() if self.days.all else set(self.days.values)
        if not self.weekdays.all:
            found.update(day for day in range(1, length + 1) if (first + day - 1) % _WEEK in self.weekdays.values)
        # A field with `*` names nothing by itself, even if there is more in it.
        specials = (() if self.days.all else self.days.specials) + (() if self.weekdays.all else self.weekdays.specials)
        found.update(_special_day(special, first, length) for special in specials)
        return sorted(day for day in found if 0 < day <= length)


def parse(text: str) -> Cron:
    """Parse an expression.

    Raises:
        BadCron: it is none; the fact `problem` says why.

    """
    words = text
    for alias, meaning in _ALIASES.items():
        words = words.replace(alias, meaning)
    for gap in "\t\n\f\r":
        words = words.replace(gap, " ")
    fields = [word for word in words.split(" ") if word][:7]
    if len(fields) < 5:
        raise BadCron(text=text, problem=f"it has {_counted(len(fields))}, not 5 to 7")
    second = _listed(_SECOND, fields.pop(0), text).values if len(fields) == 7 else (0,)
    years = _listed(_YEAR, fields.pop() if len(fields) == 6 else "*", text).values
    minute, hour, day, month, day_of_week = fields
    return Cron(
        text,
        second,
        _listed(_MINUTE, minute, text).values,
        _listed(_HOUR, hour, text).values,
        _listed(_DAY, day, text),
        _listed(_MONTH, month, text).values,
        _listed(_WEEKDAY, day_of_week, text),
        years,
    )


def _counted(fields: int) -> str:
    return "1 field" if fields == 1 else f"{fields} fields"


def _listed(field: _Field, text: str, whole: str) -> _Listed:
    values: set[int] = set()
    specials: list[Special] = []
    entries = [entry for entry in text.lower().split(",") if entry]
    for entry in entries:
        try:
            special = _special(field, entry)
            if special is None:
                values.update(_values(field, entry))
            else:
                specials.append(special)
        except ValueError as error:
            raise BadCron(text=whole, problem=str(error)) from None
    if not entries:
        raise BadCron(text=whole, problem=f"the {field.name} field names nothing")
    return _Listed(tuple(sorted(values)), tuple(specials), "*" in entries or "?" in entries)


def _values(field: _Field, entry: str) -> range:
    """Return the values of one entry of a list; ValueError says what is wrong with it."""
    base, slash, step = entry.partition("/")
    low, dash, high = base.partition("-")
    if base == "*" or entry == "?":
        first, last = field.low, field.high
    else:
        first = _value(field, low, entry)
        last = _value(field, high, entry) if dash else field.high if slash else first
    if first > last:
        hint = " (Sunday is 0 in a range)" if field is _WEEKDAY and not last else ""
        raise ValueError(f"the {field.name} range `{base}` runs backwards{hint}")
    return range(first, last + 1, _step(field, step, entry) if slash else 1)


def _value(field: _Field, text: str, entry: str) -> int:
    value = field.value(text)
    if value is None:
        inside = f" in `{entry}`" if text != entry else ""
        raise ValueError(f"`{text}`{inside} is no {field.name} ({field.low}-{field.high})")
    return value


def _step(field: _Field, text: str, entry: str) -> int:
    largest = min(field.high, _STEP_MAX)
    if text.isascii() and text.isdigit() and len(text) <= 2 and 1 <= int(text) <= largest:
        return int(text)
    raise ValueError(f"the step of `{entry}` is not 1-{largest}")


def _special(field: _Field, entry: str) -> Special | None:
    """Parse what only the day fields hold: (kind, value, count), or None if it is none of these."""
    if field is _DAY:
        if entry in ("l", "lw"):
            return entry, 0, 0
        day = field.value(entry[:-1]) if entry.endswith("w") else None
        return None if day is None else ("w", day, 0)
    if field is _WEEKDAY:
        name, _, count = entry.partition("#")
        if count:
            which = field.value(name)
            return None if which is None or count not in ("1", "2", "3", "4", "5") else ("#", which, int(count))
        which = field.value(entry[:-1]) if entry.endswith("l") else None
        return None if which is None else ("last", which, 0)
    return None


def _special_day(special: Special, first: int, length: int) -> int:
    """Return the day that an entry names in a month that begins on weekday `first`; 0 or beyond its end: none."""
    kind, value, count = special
    if kind == "l":
        return length
    if kind in ("w", "lw"):
        return _working_day(value or length, first, length)
    if kind == "#":
        return 1 + (value - first) % _WEEK + (count - 1) * _WEEK
    return length - (first + length - 1 - value) % _WEEK


def _working_day(day: int, first: int, length: int) -> int:
    if day > length:
        return 0
    of_week = (first + day - 1) % _WEEK
    if of_week == 6:
        return day - 1 if day > 1 else day + 2
    if of_week == 0:
        return day + 1 if day < length else day - 2
    return day


def _first(values: tuple[int, ...], low: int) -> int | None:
    for value in values:
        if value >= low:
            return value
    return None
