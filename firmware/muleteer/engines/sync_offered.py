# SPDX-License-Identifier: GPL-3.0-or-later
"""What we have for the peer: what was offered, what it asked for, and the FILE messages made of it."""

from __future__ import annotations

from muleteer.engines.sync_events import BEYOND_THE_END, CONFIRMED_STRANGER, NOT_OFFERED, Confirmed, Strange
from muleteer.engines.sync_messages import FILE_HEAD_SIZE, close_file, file_size
from muleteer.engines.sync_queue import SendQueue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeAlias

    from muleteer.engines.sync_messages import Done, Freq, Halt
    from muleteer.engines.sync_queue import Sending
    from muleteer.engines.sync_terms import Offer, SyncTerms
    from muleteer.formats.ids import PacketName

    Source: TypeAlias = Callable[[PacketName, int, memoryview], int]

SHRUNK_MIN = 512
"""Data bytes below which a FILE is not cut only because the output is short; the rest of a packet may be smaller."""


class Offered:
    """The packets offered in one session. `source` is described in `sync.SyncEngine`."""

    __slots__ = ("_offers", "_queue", "_source", "_terms", "_unconfirmed")

    def __init__(self, terms: SyncTerms, source: Source) -> None:
        self._terms = terms
        self._source = source
        self._offers: dict[PacketName, Offer | None] = {}  # None: confirmed
        self._queue = SendQueue()
        self._unconfirmed: set[PacketName] = set()  # sent to the end

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def awaiting(self) -> bool:
        """Something was sent to its end, and the peer has not said that it has it."""
        return bool(self._unconfirmed)

    def agree(self, terms: SyncTerms) -> None:
        """Go on with these terms."""
        self._terms = terms

    def add(self, offers: Iterable[Offer]) -> list[Offer]:
        """Return those that are new and allowed, most urgent first: they are to be announced."""
        if not self._terms.send or self._terms.list_only:
            return []
        new = []
        for offer in offers:
            if offer.nice <= self._terms.nice and offer.name not in self._offers:
                self._offers[offer.name] = offer
                new.append(offer)
        new.sort(key=_niceness)
        return new

    def on_freq(self, freq: Freq) -> Strange | None:
        """Queue what the peer asks for; beyond the end there is nothing (the reference floods the link then)."""
        offer = self._offers.get(freq.name)
        if offer is None:
            return None if freq.name in self._offers else Strange(NOT_OFFERED)
        if freq.offset > offer.size:
            return Strange(BEYOND_THE_END)
        self._unconfirmed.discard(offer.name)
        self._queue.put(offer.name, offer.nice, freq.offset, offer.size)
        return None

    def on_done(self, done: Done) -> Confirmed | Strange | None:
        """Forget what the peer has."""
        offer = self._offers.get(done.name)
        if offer is None:
            return None if done.name in self._offers else Strange(CONFIRMED_STRANGER)
        self._offers[offer.name] = None
        self._queue.drop(offer.name)
        self._unconfirmed.discard(offer.name)
        return Confirmed(offer.name)

    def on_halt(self, halt: Halt) -> None:  # noqa: ARG002 - as all that a peer says
        """Forget what the peer asked for."""
        self._queue.clear()

    def fill(self, view: memoryview, *, alone: bool) -> int:
        """Put FILE messages into `view` and return their bytes.

        One, as the reference sends them; but packets that are whole in one FILE share the payload unless `alone`.
        """
        taken: list[Sending] = []
        at = 0
        try:
            while (entry := self._queue.first()) is not None:
                room = len(view) - at
                shared = not alone and self._is_small(entry, room)
                if not self._fits(entry, room) or (at and not shared):
                    break
                at += self._put(entry, view[at:], self._planned(entry, room))
                if at and not shared:
                    break
                taken.append(entry)
        except BaseException:
            for entry in taken:  # they are not on their way: the payload they stand in is given up
                self._unconfirmed.discard(entry.name)
                self._queue.put(entry.name, entry.nice, 0, entry.size)
            raise
        return at

    def _put(self, entry: Sending, view: memoryview, wanted: int) -> int:
        count = 0
        if wanted:
            count = self._source(entry.name, entry.offset, view[FILE_HEAD_SIZE : FILE_HEAD_SIZE + wanted])
            if not count:
                self._queue.drop(entry.name)
                return 0
        size = close_file(view, entry.name, entry.offset, count)
        entry.offset += count
        if entry.offset >= entry.size:
            self._queue.drop(entry.name)
            self._unconfirmed.add(entry.name)
        return size

    def _planned(self, entry: Sending, room: int) -> int:
        return min(entry.size - entry.offset, self._terms.chunk, (room - FILE_HEAD_SIZE) & ~3)

    def _fits(self, entry: Sending, room: int) -> bool:
        return self._planned(entry, room) >= min(entry.size - entry.offset, self._terms.chunk, SHRUNK_MIN)

    def _is_small(self, entry: Sending, room: int) -> bool:
        return not entry.offset and entry.size <= self._terms.chunk and file_size(entry.size) <= room


def _niceness(offer: Offer) -> int:
    return offer.nice
