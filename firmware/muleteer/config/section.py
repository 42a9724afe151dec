# SPDX-License-Identifier: GPL-3.0-or-later
"""Take the values out of one TOML table, complaining of what is wrong and of what nobody asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from muleteer.config.check import NICE_REMEDY
from muleteer.config.complaints import Complaints, show_value, suggestion
from muleteer.config.units import DURATION_REMEDY, SIZE_REMEDY, parse_duration, parse_size
from muleteer.errors import BadCron, UsageError
from muleteer.formats.niceness import parse_nice

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from muleteer.config.complaints import KeyPath

T = TypeVar("T")
V = TypeVar("V")

NAME_SIZE_MAX = 32
"""Characters of a name that the panel shows."""

_KINDS: dict[type, tuple[str, str]] = {
    str: ("a text is wanted", "Put it in double quotes"),
    bool: ("true or false is wanted", "Write true or false, without quotes"),
    int: ("a whole number is wanted", "Write digits only, without quotes"),
    list: ("a list is wanted", 'Write ["first", "second"] with brackets'),
    dict: ("a table is wanted", "Write its keys below a [table] line"),
}


class Section:
    """One table. Ask for all its keys, then call `finish`, which complains of the keys that were not asked for."""

    def __init__(self, table: dict[str, Any], path: KeyPath, complaints: Complaints) -> None:
        self._table = table
        self._asked: list[str] = []
        self._complaints = complaints
        self.path = path

    def complain(self, key: str | None, problem: str, remedy: str) -> None:
        """Complain of the value of a key, or of the whole table if `key` is None."""
        end = "" if remedy.endswith(("?", ".")) else "."
        self._complaints.add((*self.path, key) if key is not None else self.path, problem, remedy + end)

    def finish(self) -> None:
        """Complain of unknown keys, with the nearest known one."""
        for key in self.unknown():
            self._complaints.add((*self.path, key), "nothing is known by this name", suggestion(key, self._asked))

    def refuse(self, key: str, problem: str, remedy: str) -> None:
        """Complain that a key stands here at all; `finish` will not do so again."""
        self._asked.append(key)
        self.complain(key, problem, remedy)

    def unknown(self) -> list[str]:
        """Return the keys that are there and were not asked for until now."""
        return [key for key in self._table if key not in self._asked]

    def value(self, key: str, kind: type[T], default: T) -> T:
        """Return a value of one type, or the default if it is absent (or wrong, which is complained of)."""
        self._asked.append(key)
        value = self._table.get(key)
        if value is None:
            return default
        if isinstance(value, kind) and isinstance(value, bool) == (kind is bool):
            return value
        wanted, remedy = _KINDS[kind]
        shown = "a table" if isinstance(value, dict) else "a list" if isinstance(value, list) else show_value(value)
        self.complain(key, f"{shown} stands where {wanted}", remedy)
        return default

    def text(self, key: str, default: str) -> str:
        """Return a text that is not empty and holds no control characters."""
        return self.optional_text(key) or default

    def optional_text(self, key: str) -> str | None:
        """Return such a text, or None if it is absent."""
        text = self.value(key, str, "\0")
        if text == "\0":
            return None
        if text and text.isprintable():
            return text
        self.complain(key, f"{show_value(text)} is no text that can be used", "Write letters, digits and spaces")
        return None

    def choice(self, key: str, choices: list[str], default: str) -> str:
        """Return one of a closed set of words."""
        text = self.text(key, default)
        if text in choices:
            return text
        self.complain(key, f"{show_value(text)} is not possible here", suggestion(text, choices))
        return default

    def path_text(self, key: str) -> str | None:
        """Return an absolute path, or None if it is absent."""
        text = self.optional_text(key)
        if text is not None and not text.startswith("/"):
            self.complain(key, f"{show_value(text)} is no absolute path", "Begin it with `/`")
            return None
        return text

    def nice(self, key: str, default: int) -> int:
        """Return a niceness, written as a text or a bare number."""
        if isinstance(self._table.get(key), int):
            number = self.value(key, int, default)
            return self._parsed(key, str(number), parse_nice, NICE_REMEDY, "niceness", default)
        return self._parsed(key, self.optional_text(key), parse_nice, NICE_REMEDY, "niceness", default)

    def size(self, key: str) -> int | None:
        """Return a size in bytes, or None if it is absent."""
        return self._parsed(key, self._amount(key, SIZE_REMEDY), parse_size, SIZE_REMEDY, "size", None)

    def seconds(self, key: str, default: int) -> int:
        """Return a duration in seconds."""
        text = self._amount(key, DURATION_REMEDY)
        return self._parsed(key, text, parse_duration, DURATION_REMEDY, "duration", default)

    def texts(self, key: str) -> tuple[str, ...] | None:
        """Return a list of texts, or None if it is absent."""
        items = self.value(key, list, [])
        for index, item in enumerate(items):
            if not isinstance(item, str):
                path = (*self.path, key, index)
                self._complaints.add(
                    path, f"{show_value(item)} stands where a text is wanted", "Put it in double quotes."
                )
        return tuple(item for item in items if isinstance(item, str)) if key in self._table else None

    def words(self, key: str) -> tuple[str, ...]:
        """Return a text, or a list of texts, as a tuple; empty if it is absent."""
        if isinstance(self._table.get(key), list):
            if not self._table[key]:
                self.complain(key, "the list is empty", "Write something in it, or leave the whole line out")
            return self.texts(key) or ()
        text = self.optional_text(key)
        return () if text is None else (text,)

    def parsed(self, key: str, parse: Callable[[str], T], remedy: str, noun: str) -> tuple[T, ...]:
        """Return what a text, or each of a list of texts, means; what is no `noun` is complained of."""
        if type(self._table.get(key)) in (int, float):
            self._asked.append(key)
            self.complain(key, f"{self._table[key]} is no {noun}", remedy)
            return ()
        found = [self._parsed(key, text, parse, remedy, noun, None) for text in self.words(key)]
        return tuple(one for one in found if one is not None)

    def table(self, key: str) -> Section:
        """Return the table under a key; an absent one is empty."""
        return Section(self.value(key, dict, {}), (*self.path, key), self._complaints)

    def tables(self, key: str) -> Iterator[tuple[str, Section]]:
        """Return the tables under a key by the names that the owner gave them."""
        named = self.table(key)
        for name in named:
            named.check_name(name)
            yield name, named.table(name)

    def other_tables(self, keys: Collection[str]) -> Iterator[tuple[str, Section]]:
        """Return the tables in this one whose names are none of its keys, by the names that the owner gave them."""
        for name in [name for name, value in self._table.items() if isinstance(value, dict) and name not in keys]:
            self.check_name(name)
            yield name, self.table(name)

    def check_name(self, name: str) -> None:
        """Complain of a name that the panel could not show."""
        if not name.isprintable() or not 0 < len(name) <= NAME_SIZE_MAX:
            self.complain(name, "this name cannot be shown", f"Choose one of at most {NAME_SIZE_MAX} letters")

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def _amount(self, key: str, remedy: str) -> str | None:
        if type(self._table.get(key)) in (int, float):
            self._asked.append(key)
            self.complain(key, f"{self._table[key]} has no unit", remedy)
            return None
        return self.optional_text(key)

    def _parsed(
        self, key: str, text: str | None, parse: Callable[[str], V], remedy: str, noun: str, default: T
    ) -> V | T:
        if text is None:
            return default
        try:
            return parse(text)
        except (ValueError, UsageError) as error:
            reason = f": {error.facts['problem']}" if isinstance(error, BadCron) else ""
            self.complain(key, f"{show_value(text)} is no {noun}{reason}", remedy)
            return default
