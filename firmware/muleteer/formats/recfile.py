# SPDX-License-Identifier: GPL-3.0-or-later
"""The log's format: GNU recutils records, times and sizes as NNCP writes them.

A record is an empty line and then ``Field: value`` lines; further lines of a value begin with ``+ ``. What a stranger
chose must have gone through `safename.show` before it becomes a value; a line end in a value cannot forge a field here,
it only continues the value.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TypeAlias

    Fields: TypeAlias = list[tuple[str, str]]

RECORD_LINES_MAX = 100_000
"""Lines of the longest record read: a failed exec handle's output is kept in one."""

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def format_record(fields: Fields) -> bytes:
    """Return one record, with the empty line before it. Field names must be words; empty values are written."""
    lines = [""]
    for name, value in fields:
        first, *more = value.lstrip(" \t").split("\n")
        lines.append(f"{name}: {first}" if first else f"{name}:")
        lines.extend(f"+ {line}" for line in more)
    lines.append("")
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def parse_records(lines: Iterable[bytes]) -> Iterator[Fields]:
    """Yield the records of a log, read line by line; lines that are no field are skipped (a torn write, a comment)."""
    fields: Fields = []
    count = 0
    for raw in lines:
        line = raw.decode("utf-8", "surrogateescape").rstrip("\n")
        count += 1
        if not line or count > RECORD_LINES_MAX:
            if fields:
                yield fields
            fields, count = [], 0
        elif line[0] == "+" and fields:
            name, value = fields[-1]
            fields[-1] = (name, f"{value}\n{line[2:] if line[1:2] == ' ' else line[1:]}")
        elif line[0] not in "#%+":
            name, colon, value = line.partition(":")
            if colon:
                fields.append((name, value.lstrip(" \t")))
    if fields:
        yield fields


def human_size(size: int) -> str:
    """Return a size in bytes as people read it in the log: ``287 B``, ``1.0 KiB``, ``12 MiB``."""
    if size < 10:
        return f"{size} B"
    power = min((size.bit_length() - 1) // 10, len(_UNITS) - 1)
    value = int(size / 1024**power * 10 + 0.5) / 10
    return f"{value:.{1 if value < 10 else 0}f} {_UNITS[power]}"


def rfc3339(nanoseconds: int, *, fraction: bool = True) -> str:
    """Return a time (nanoseconds since 1970) in UTC; the fraction has no trailing zeros, as Go writes it."""
    seconds, nanos = divmod(nanoseconds, 1_000_000_000)
    days, second = divmod(seconds, 86400)
    year, month, day = _civil(days)
    text = f"{year:04d}-{month:02d}-{day:02d}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
    if fraction and nanos:
        text += f".{nanos:09d}".rstrip("0")
    return text + "Z"


def _civil(days: int) -> tuple[int, int, int]:
    """Return the Gregorian date of a day counted from 1970-01-01, with years that begin in March (leap day last)."""
    era, day_of_era = divmod(days + 719468, 146097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    march_month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * march_month + 2) // 5 + 1
    month = march_month + 3 if march_month < 10 else march_month - 9
    return year_of_era + era * 400 + (month <= 2), month, day
