# SPDX-License-Identifier: GPL-3.0-or-later
"""Words and numbers for a display of 21 columns. Pure.

Whatever a stick, a neighbour or the configuration called something, `legible` makes it drawable: control characters
appear as escapes (a name cannot fake a line break or hide), letters our fonts lack become their nearest kin or "?".
"""

from __future__ import annotations

import math
import re
import unicodedata
from typing import Final

MARKS: Final = (
    "\u0300\u0301\u0302\u0303\u0306\u0308\u030a\u030c\u0327"  # combining marks that `draw` can set on a letter
)
CYRILLIC: Final = range(0x410, 0x450)
_SPELLED: Final = str.maketrans({
    "ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D",
    "þ": "th", "Þ": "Th", "ð": "d", "\u0131": "i", "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"',
    "\u2013": "-", "\u2014": "-", "\u2026": "...", "\u00b7": "-", "€": "EUR",
})  # fmt: skip
_TEXT_MAX: Final = 400  # characters of one text that are looked at: four screens hold 336
_ID: Final = re.compile(r"\b[A-Z2-7]{52}\b")


def legible(text: str) -> str:
    """Return `text` in characters that every face can draw: ASCII, Cyrillic, Latin letters with one mark."""
    return "".join(_legible(char) for char in text[:_TEXT_MAX].translate(_SPELLED))


def _legible(char: str) -> str:
    if " " <= char <= "~" or ord(char) in CYRILLIC:
        return char
    if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return f"\\x{ord(char):02x}" if ord(char) < 0x100 else f"\\u{ord(char):04x}"
    base, *marks = list(unicodedata.normalize("NFD", char))
    if (base.isascii() and base.isalpha()) or ord(base) in CYRILLIC:
        return char if len(marks) == 1 and marks[0] in MARKS else base
    plain = unicodedata.normalize("NFKD", char)
    return plain if plain.isascii() and plain.isprintable() and len(plain) <= 4 else "?"


def nameless(text: str) -> str:
    """Return `text` without node ids and packet names, which nobody passing by should read."""
    return _ID.sub("..", text)


def sentence(text: str) -> str:
    """Return `text` as a sentence: the agent's words begin small and end without a stop, to be joined as needed."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) or not text else ".")


def clip(text: str, columns: int) -> str:
    """Return `text`, cut to so many columns; what was cut shows as two dots."""
    if len(text) <= columns:
        return text
    return text[: columns - 2].rstrip() + ".." if columns > 4 else text[: max(columns, 0)]


def wrap(text: str, columns: int) -> list[str]:
    """Return `text` as lines of at most so many columns, broken at spaces; a word that fits no line is cut."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        rest = word
        # A long word begins where the line stands, if at least four of its letters fit there.
        room = columns - len(line) - 1
        if len(word) > columns and line and room >= 4:
            line, rest = f"{line} {word[:room]}", word[room:]
        elif line and len(word) <= room:
            line, rest = f"{line} {word}", ""
        while rest:
            lines += [line] if line else []
            line, rest = rest[:columns], rest[columns:]
    return [*lines, line] if line else lines


def count(number: int) -> str:
    """Return a number of things in at most four columns: 0, 9999, 12k, 3.4M, ">1T"."""
    number = max(number, 0)
    if number < 10_000:
        return str(number)
    for suffix in "kMG":
        if number < 9_950:
            return f"{number / 1000:.1f}{suffix}"
        if number < 1_000_000:
            return f"{number // 1000}{suffix}"
        number //= 1000
    return ">1T"


def size(number: int) -> str:
    """Return a size in bytes in at most six columns, in decimal units: 0 B, 999 B, 1.2 kB, 34 MB."""
    return size_of(number, number)


def size_of(number: int, whole: int) -> str:
    """Return `number` bytes in the unit that suits `whole`, as in "0.3 GB" of "2.1 GB"."""
    number, whole = max(number, 0), max(whole, 0)
    unit, power = "B", 1
    for name in ("kB", "MB", "GB", "TB", "PB", "EB"):
        if whole < 999.5 * power:
            break
        unit, power = name, power * 1000
    if number >= 999.5 * power:
        return f">999 {unit}" if unit != "EB" else ">1 ZB"
    value = number / power
    return f"{value:.1f} {unit}" if unit != "B" and value < 9.95 else f"{value:.0f} {unit}"


def part(number: int, whole: int) -> str:
    """Return how much of a whole there is, in at most fourteen columns: "1.2 of 3.4 MB"."""
    return f"{size_of(number, whole).rpartition(' ')[0]} of {size(whole)}"


def span(seconds: float | None) -> str:
    """Return a duration in at most seven columns, rounded as people say it; "" if it is unknown or no duration."""
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        return ""
    if seconds < 89.5:
        return f"{seconds:.0f} s"
    for name, unit, end in (("min", 60, 59.5 * 60), ("h", 3600, 48 * 3600), ("d", 86400, 1000 * 86400)):
        if seconds < end:
            return f"{seconds / unit:.0f} {name}"
    return ">999 d"


def left(seconds: float | None) -> str:
    """Return how long it still takes, in steps that do not flicker: "8 s", "25 s", "2 min"; "" if unknown."""
    if seconds is None or not math.isfinite(seconds) or seconds < 0.5:
        return ""
    if 10 < seconds < 85:
        seconds = 5 * math.ceil(seconds / 5)
    return span(seconds)
