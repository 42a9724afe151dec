# SPDX-License-Identifier: GPL-3.0-or-later
"""Niceness: how urgent a packet is, 1 (most urgent) to 255.

People write a number, a class (FLASH, PRIORITY, NORMAL, BULK or their first letters), a class with an offset
(``P-2``, ``BULK+10``), or MAX; in any case of letters.
"""

from muleteer.errors import UsageError

FLASH = 32
PRIORITY = 96
NORMAL = 160
BULK = 224
MAX = 255

_CLASSES = (("F", FLASH), ("P", PRIORITY), ("N", NORMAL), ("B", BULK))
_BASES = {
    "F": FLASH,
    "FLASH": FLASH,
    "P": PRIORITY,
    "PRIORITY": PRIORITY,
    "N": NORMAL,
    "NORMAL": NORMAL,
    "B": BULK,
    "BULK": BULK,
    "MAX": MAX,
}
_ABOVE = 32  # a class reaches 32 up and 31 down, so the four classes share out 1 to 256
_BELOW = 31
_DIGITS_MAX = 9  # leading zeros are allowed, a megabyte of them is not


def parse_nice(text: str) -> int:
    """Return the niceness that a person wrote.

    Raises UsageError if it means nothing or lies outside 1 to 255.
    """
    upper = text.upper()
    value = _number(upper.removeprefix("+"))
    if value is None:
        value = _parse_class(upper)
    if not 1 <= value <= MAX:
        raise UsageError(problem=f"{text!r} is no niceness: give 1 to 255, or F, P, N, B, MAX, or like P-2 or B+10")
    return value


def _number(digits: str) -> int | None:
    if digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS_MAX:
        return int(digits)
    return None


def _parse_class(upper: str) -> int:
    """Return the value of a class with or without an offset, 0 if it is none."""
    if upper in _BASES:
        return _BASES[upper]
    for sign, reach in (("+", _ABOVE), ("-", -_BELOW)):
        name, _, offset = upper.partition(sign)
        steps = _number(offset)
        if name in _BASES and steps is not None and steps <= abs(reach):
            return _BASES[name] + (steps if reach > 0 else -steps)
    return 0


def format_nice(nice: int) -> str:
    """Return the niceness as the reference prints it.

    The lowest value of each class (1, 65, 129, 193) and 0 stand as bare numbers: a quirk that scripts see.
    """
    if nice == MAX:
        return "MAX"
    for letter, base in _CLASSES:
        steps = nice - base
        if steps == 0:
            return letter
        if -_BELOW < steps <= _ABOVE:
            return f"{letter}{steps:+d}"
    return str(nice)
