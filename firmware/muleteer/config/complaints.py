# SPDX-License-Identifier: GPL-3.0-or-later
"""Collect everything that is wrong with a file, so that its owner corrects it in one go."""

from __future__ import annotations

from muleteer.errors import ConfigError, ConfigErrors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    KeyPath = tuple[str | int, ...]

COMPLAINTS_MAX = 20
"""More than a screen of complaints helps nobody; the rest comes after these are corrected."""

_BARE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_*")


class Complaints:
    """The complaints about one file. `line_of` finds the line of a key path, or None."""

    def __init__(self, file: str, line_of: Callable[[KeyPath], int | None]) -> None:
        self._file = file
        self._line_of = line_of
        self._found: list[tuple[KeyPath, str, str]] = []

    def add(self, path: KeyPath, problem: str, remedy: str) -> None:
        """Note that the value at `path` is wrong; `problem` and `remedy` are as in ConfigError."""
        self._found.append((path, problem, remedy))

    def concern(self, path: KeyPath) -> bool:
        """Tell whether anything at or above `path` was complained of: its absence needs no second complaint."""
        return any(path[: len(found)] == found for found, _, _ in self._found)

    def raise_if_any(self) -> None:
        """Raise what was noted.

        Raises:
            ConfigError: one complaint.
            ConfigErrors: several, in the order of their lines.

        """
        errors = [self._error(*found) for found in self._found[:COMPLAINTS_MAX]]
        if not errors:
            return
        if len(errors) == 1:
            raise errors[0]
        errors.sort(key=lambda error: (error.facts["line"] is None, error.facts["line"]))
        rest = len(self._found) - len(errors)
        lines = [str(error) for error in errors] + ([f"... and {rest} more."] if rest else [])
        raise ConfigErrors(complaints="\n".join(lines), errors=errors)

    def _error(self, path: KeyPath, problem: str, remedy: str) -> ConfigError:
        line = self._line_of(path)
        where = f"{self._file}: {show_path(path)}" if path else self._file
        return ConfigError(where=f"{where} (line {line})" if line else where, problem=problem, remedy=remedy, line=line)


def show_path(path: KeyPath) -> str:
    """Write a key path as people do: `neigh.bob.calls[0].cron`, with quotes around keys that hold dots or spaces."""
    shown = ""
    for part in path:
        if isinstance(part, int):
            shown += f"[{part}]"
        else:
            shown += ("." if shown else "") + (part if part and set(part) <= _BARE else show_value(part))
    return shown


def show_value(value: object) -> str:
    """Quote a value of the file for a message: escaped, cut where it gets long. Never do so with a secret key."""
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:56]}..."


def suggestion(word: str, known: list[str]) -> str:
    """Return "Did you mean ...?" for a near miss, or else the list of what is known."""
    from difflib import get_close_matches  # only when something is wrong

    near = get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return f"Did you mean `{near[0]}`?" if near else f"Known here: {', '.join(sorted(known))}."
