# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the line of a key in an Hjson or TOML text.

Neither library tells where a value stood, and "line 12" is what turns a complaint into a correction. These scanners run
only when there is a complaint. They are tolerant: of odd texts they know less, they never fail, and a key that they did
not find is reported at the line of the section around it.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from muleteer.config.complaints import KeyPath

_STRING = r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
_GAP = re.compile(r"(?:[\s,]+|#[^\n]*|//[^\n]*|/\*.*?(?:\*/|\Z))*", re.DOTALL)
_HJSON_KEY = re.compile(rf"({_STRING}|[^\s:,{{}}\[\]]+)(?:[\s]*):")
_HJSON_VALUE = re.compile(
    rf"'''.*?(?:'''|\Z)|{_STRING}|(?:-?[\d.]+(?:[eE][-+]?\d+)?|true|false|null)[ \t]*(?=[,}}\]\n\r#/]|\Z)|[^\n]*",
    re.DOTALL,
)
_TOML_PART = rf"(?:{_STRING}|[A-Za-z0-9_-]+)"
_TOML_DOTTED = rf"{_TOML_PART}(?:[ \t]*\.[ \t]*{_TOML_PART})*"
_TOML_LINE = re.compile(rf"[ \t]*(?:\[[ \t]*({_TOML_DOTTED})[ \t]*\]|({_TOML_DOTTED})[ \t]*=)")
_TOML_FENCE = re.compile(r'"""|\'\'\'')


class Lines:
    """The lines of all keys found in one text."""

    def __init__(self, found: Iterator[tuple[KeyPath, int]]) -> None:
        self._exact: dict[KeyPath, int] = {}
        self._folded: dict[KeyPath, int] = {}
        for path, line in found:
            self._exact[path] = line
            self._folded[_folded(path)] = line

    def of(self, path: KeyPath) -> int | None:
        """Return the line of a key, or of the nearest section around it, or None; of a key written twice, the last."""
        for length in range(len(path), 0, -1):
            near = path[:length]
            line = self._exact.get(near) or self._folded.get(_folded(near))
            if line:
                return line
        return None


def hjson_lines(text: str) -> Lines:
    """Find all keys and list elements of an Hjson text."""
    return Lines(_hjson(text))


def toml_lines(text: str) -> Lines:
    """Find all tables and keys of a TOML text, except those inside inline tables."""
    return Lines(_toml(text))


def _folded(path: KeyPath) -> KeyPath:
    return tuple(part if isinstance(part, int) else part.lower() for part in path)


class _Place:
    """An open brace or bracket: the path before it, and in a list the index of the next element."""

    def __init__(self, path: KeyPath, *, is_list: bool) -> None:
        self.path = path
        self.next = 0 if is_list else None


def _hjson(text: str) -> Iterator[tuple[KeyPath, int]]:
    at = _skip(_GAP, text, 0)
    at += text.startswith("{", at)
    open_places = [_Place((), is_list=False)]
    while (at := _skip(_GAP, text, at)) < len(text):
        place = open_places[-1]
        if text[at] in "}]":
            at += 1
            del open_places[max(1, len(open_places) - 1) :]
            continue
        line = text.count("\n", 0, at) + 1
        if place.next is None:
            key = _HJSON_KEY.match(text, at)
            if not key:
                at = _next_line(text, at)
                continue
            path: KeyPath = (*place.path, _unquoted(key[1]))
            at = _skip(_GAP, text, key.end())
        else:
            path = (*place.path, place.next)
            place.next += 1
        yield path, line
        if text.startswith(("{", "["), at):
            open_places.append(_Place(path, is_list=text[at] == "["))
            at += 1
        else:
            at = max(_skip(_HJSON_VALUE, text, at), at + 1)


def _toml(text: str) -> Iterator[tuple[KeyPath, int]]:
    table: KeyPath = ()
    fence = ""
    seen: set[KeyPath] = set()
    for number, line in enumerate(text.split("\n"), 1):
        match = None if fence else _TOML_LINE.match(line)
        if match:
            table = _parts(match[1]) if match[1] else table
            path = table if match[1] else (*table, *_parts(match[2]))
            # [a.b] makes [a], too, unless that has a line of its own already.
            around = [path[:length] for length in range(1, len(path)) if path[:length] not in seen]
            seen.update(around, [path])
            yield from ((place, number) for place in [*around, path])
        for mark in _TOML_FENCE.findall(line):
            # A fence opens only where none is open, and only its own kind closes it.
            fence = mark if not fence else "" if mark == fence else fence


def _parts(dotted: str) -> KeyPath:
    return tuple(_unquoted(part) for part in re.findall(_TOML_PART, dotted))


def _unquoted(key: str) -> str:
    return key[1:-1] if key[:1] in ('"', "'") and len(key) > 1 else key


def _skip(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at


def _next_line(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1
