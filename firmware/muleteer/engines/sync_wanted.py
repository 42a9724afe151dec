# SPDX-License-Identifier: GPL-3.0-or-later
"""What the peer has for us: what it announced, what we asked for, and whether the data that comes is that."""

from __future__ import annotations

from muleteer.engines.sync_events import (
    EMPTY_PIECE,
    IMPOSSIBLE_SIZE,
    MORE_THAN_ANNOUNCED,
    NOT_REQUESTED,
    OTHER_OFFSET,
    TOO_MANY,
    Announced,
    Finished,
    Listed,
    Strange,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.engines.sync_events import Event
    from muleteer.engines.sync_messages import Chunk, Info
    from muleteer.engines.sync_terms import SyncTerms
    from muleteer.formats.ids import PacketName

SIZE_MAX = (1 << 63) - 1
"""Bytes of a packet: what a file system can hold."""


class Wanted:
    """The peer's packets in one session; at most `SyncTerms.announcements_max` are remembered."""

    __slots__ = ("_open", "_sizes", "_spoiled", "_terms")

    def __init__(self, terms: SyncTerms) -> None:
        self._terms = terms
        self._sizes: dict[PacketName, int] = {}
        self._open: dict[PacketName, int] = {}  # the next offset of what was requested and is not whole
        self._spoiled = False

    @property
    def unfinished(self) -> bool:
        """Something that was requested did not come, or not as announced."""
        return bool(self._open) or self._spoiled

    def agree(self, terms: SyncTerms) -> None:
        """Go on with these terms."""
        self._terms = terms

    def on_info(self, info: Info) -> Event | None:
        """Remember what is announced, if the terms allow it; what was announced before says nothing new."""
        terms = self._terms
        if terms.list_only:
            allowed = True
        else:
            allowed = terms.receive and info.nice <= terms.nice and (terms.only is None or info.name in terms.only)
        if not allowed or info.name in self._sizes:
            return None
        if info.size > SIZE_MAX:
            return Strange(IMPOSSIBLE_SIZE)
        if len(self._sizes) >= terms.announcements_max:
            return Strange(TOO_MANY)
        self._sizes[info.name] = info.size
        return (Listed if terms.list_only else Announced)(info.name, info.nice, info.size)

    def open(self, name: PacketName, offset: int) -> None:
        """Expect a packet from `offset` on. Raises ValueError if it was not announced or is shorter."""
        if not 0 <= offset <= self._sizes.get(name, -1):
            raise ValueError(f"{name} was not announced with as much as {offset} bytes")
        self._open[name] = offset

    def drop(self, name: PacketName) -> None:
        """Expect nothing more of a packet."""
        self._open.pop(name, None)

    def on_chunk(self, chunk: Chunk) -> tuple[Event, ...]:
        """Return what the owner is to learn of these bytes; only what continues a request counts."""
        name, offset, count = chunk.name, chunk.offset, len(chunk.data)
        expected = self._open.get(name)
        if expected is None:
            return (Strange(NOT_REQUESTED),)
        if offset != expected:
            return (Strange(OTHER_OFFSET),)
        end, size = offset + count, self._sizes[name]
        if end > size:
            del self._open[name]
            self._spoiled = True
            return (Strange(MORE_THAN_ANNOUNCED),)
        if end < size:
            self._open[name] = end
            return (chunk,) if count else (Strange(EMPTY_PIECE),)
        del self._open[name]
        return (chunk, Finished(name)) if count else (Finished(name),)
