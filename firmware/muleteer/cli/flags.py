# SPDX-License-Identifier: GPL-3.0-or-later
"""The flag syntax of Go's programs, which scripts that call ``nncp-*`` rely on.

``-x v``, ``-x=v`` and ``--x`` mean the same; a switch takes its value only after ``=``; flags end at the first word
that is none, or after ``--``; a single ``-`` is a word. Numbers may be written 0x1f, 0o17, 017, 0b1 or 1_000.
argparse differs in each of these points, and costs 10 ms.
"""

from __future__ import annotations

from muleteer.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Value = bool | int | str

SWITCH = "switch"
TEXT = "string"
INT = "int"
UINT = "uint"

_TRUE = ("1", "t", "T", "true", "TRUE", "True")
_FALSE = ("0", "f", "F", "false", "FALSE", "False")
_RANGE = {INT: (-(1 << 63), (1 << 63) - 1), UINT: (0, (1 << 64) - 1)}


class BadFlag(Exception):
    """The command line cannot be meant; str() is the sentence for the user, empty if he asked for help."""


@record
class Flag:
    """One flag of a command. `default` also tells what an absent flag means."""

    name: str
    kind: str
    default: Value
    help: str


@record
class Given:
    """A parsed command line: what the flags say, and the words after them."""

    flags: dict[str, Value]
    words: tuple[str, ...]

    def on(self, name: str) -> bool:
        """Return whether a switch is set; a switch the command does not have is not set."""
        return bool(self.flags.get(name))

    def text(self, name: str) -> str:
        """Return a text flag; empty if the command does not have it."""
        return str(self.flags.get(name, ""))

    def number(self, name: str) -> int:
        """Return a number flag."""
        return int(self.flags[name])


def parse(table: Sequence[Flag], argv: Sequence[str]) -> Given:
    """Split a command line (without the command's name) into flags and words.

    Raises:
        BadFlag: an unknown flag, a missing or malformed value, or a request for help.

    """
    kinds = {flag.name: flag.kind for flag in table}
    values = {flag.name: flag.default for flag in table}
    at = 0
    while at < len(argv):
        word = argv[at]
        if len(word) < 2 or word[0] != "-":
            break
        at += 1
        if word == "--":
            break
        name, equals, value = word[2 if word[1] == "-" else 1 :].partition("=")
        kind = _kind_of(kinds, name, word, empty=not name)
        if kind == SWITCH:
            values[name] = _switch(name, value) if equals else True
            continue
        if not equals:
            if at == len(argv):
                raise BadFlag(f"flag needs an argument: -{name}")
            value, at = argv[at], at + 1
        values[name] = value if kind == TEXT else _number(name, kind, value)
    return Given(values, tuple(argv[at:]))


def _kind_of(kinds: dict[str, str], name: str, word: str, *, empty: bool) -> str:
    if empty or name[0] == "-":
        raise BadFlag(f"bad flag syntax: {word}")
    kind = kinds.get(name)
    if kind is None:
        raise BadFlag("" if name in ("h", "help") else f"flag provided but not defined: -{name}")
    return kind


def _switch(name: str, value: str) -> bool:
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise BadFlag(f'invalid boolean value "{value}" for -{name}: parse error')


def _number(name: str, kind: str, value: str) -> int:
    low, high = _RANGE[kind]
    try:
        number = _int(value)
    except ValueError:
        number = None
    if number is None or (kind == UINT and value[0] in "+-"):
        raise BadFlag(f'invalid value "{value}" for flag -{name}: parse error')
    if not low <= number <= high:
        raise BadFlag(f'invalid value "{value}" for flag -{name}: value out of range')
    return number


def _int(value: str) -> int:
    if value != value.strip() or not value.isascii():
        raise ValueError(value)
    digits = value.lstrip("+-").replace("_", "")
    if len(digits) > 1 and digits[0] == "0" and digits.isdigit():  # 017 is octal in Go and an error in Python
        return int(value.replace("_", ""), 8)
    return int(value, 0)
