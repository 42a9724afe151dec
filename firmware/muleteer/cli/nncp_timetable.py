# SPDX-License-Identifier: GPL-3.0-or-later
"""When to place which call: the `calls` of the configuration as one timetable. Pure: wall time comes in.

House rules:

1. An entry whose time has come is *due* once; until its call has ended, its further times pass unused.
2. One call to a neighbour at a time: an entry that comes due meanwhile waits for its next time.
3. When the clock leaps forward, what was missed comes due once; when it leaps back, times are worked out anew from
   there, and what the clock shows a second time may be called a second time.
4. An expression that names no time any more drops its entry.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from muleteer.config.cron import Cron
    from muleteer.config.model import Call, Neighbour

LEAP_SECONDS = 2.0
"""How far the clock may go back before that is a leap."""


class Entry:
    """One call of one neighbour; `at` is when (Unix time) it is due next, None while it is at work or dropped."""

    __slots__ = ("at", "call", "cron", "index", "is_calling", "neighbour")

    def __init__(self, neighbour: Neighbour, index: int, call: Call, cron: Cron) -> None:
        self.neighbour = neighbour
        self.index = index
        self.call = call
        self.cron = cron
        self.at: float | None = None
        self.is_calling = False

    def __str__(self) -> str:
        return f"{self.neighbour.name} node, call {self.index}"


class Timetable:
    """The entries and their times. `wall` is Unix time."""

    def __init__(self, entries: Iterable[Entry], wall: float) -> None:
        self._entries = list(entries)
        self._wall = wall
        for entry in self._entries:
            entry.at = entry.cron.next(wall)

    def take_dropped(self) -> list[Entry]:
        """Remove and return the entries that will never be due again."""
        dropped = [entry for entry in self._entries if entry.at is None and not entry.is_calling]
        self._entries = [entry for entry in self._entries if entry not in dropped]
        return dropped

    @property
    def is_empty(self) -> bool:
        """Whether nothing will ever be due again."""
        return not self._entries

    def next_at(self) -> float | None:
        """Return when the next entry is due; None while all are at work."""
        return min((entry.at for entry in self._entries if entry.at is not None), default=None)

    def due(self, wall: float) -> list[Entry]:
        """Return the entries to call now; tell `ended` when a call is over."""
        if wall < self._wall - LEAP_SECONDS:
            for entry in self._entries:
                if not entry.is_calling:
                    entry.at = entry.cron.next(wall)
        self._wall = wall
        calling = {entry.neighbour.id for entry in self._entries if entry.is_calling}
        found = []
        for entry in self._entries:
            if entry.at is None or entry.at > wall:
                continue
            if entry.neighbour.id in calling:
                entry.at = entry.cron.next(wall)
                continue
            calling.add(entry.neighbour.id)
            entry.at = None
            entry.is_calling = True
            found.append(entry)
        return found

    def ended(self, entry: Entry, wall: float) -> None:
        """Note that a call is over."""
        entry.is_calling = False
        entry.at = entry.cron.next(wall)
