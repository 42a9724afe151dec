# SPDX-License-Identifier: GPL-3.0-or-later
"""The downloads of one online session that have an open file.

A peer sends its packets one after the other, and one that is more urgent may come between; so few files are open at
once. Should a peer spread its bytes over a hundred packets, those written longest ago are closed and opened again, and
cost one more reading when they are whole.
"""

from __future__ import annotations

from muleteer.errors import SpoolError
from muleteer.spool.part import Part

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.formats.ids import NodeId, PacketName
    from muleteer.spool.spool import Spool

PARTS_MAX = 4
"""Downloads with an open file: each may have a thread and three buffers."""


class Incoming:
    """A packet that was announced. `offset` is where this session began with it, `received` how much of it is here."""

    __slots__ = ("name", "nice", "offset", "received", "size")

    def __init__(self, name: PacketName, nice: int, size: int) -> None:
        self.name = name
        self.nice = nice
        self.size = size
        self.offset = 0
        self.received = 0


class Downloads:
    """Open parts of packets from one node. Methods raise SpoolError when the disk fails."""

    def __init__(self, spool: Spool, node: NodeId, thread_bytes: int) -> None:
        self._spool = spool
        self._node = node
        self._thread_bytes = thread_bytes
        self._open: dict[PacketName, Part] = {}  # the one written last at the end

    def write(self, incoming: Incoming, at: int, data: memoryview) -> None:
        """Append bytes to a packet of which `at` are here."""
        part = self._open.pop(incoming.name, None) or self._begin(incoming, at)
        self._open[incoming.name] = part
        part.write(data)

    def take(self, incoming: Incoming) -> Part:
        """Return the part of a packet whose last byte came; it is the caller's, open."""
        return self._open.pop(incoming.name, None) or self._begin(incoming, incoming.received)

    def old(self, incoming: Incoming, suffix: str) -> Part:
        """Return the part, not open, of a packet that an earlier session has downloaded; it is the caller's."""
        name, size = incoming.name, incoming.size
        return Part(self._spool, self._node, name, size, size, suffix=suffix, thread_bytes=self._thread_bytes)

    def put_all_away(self) -> None:
        """Close all, one after the other also when the disk fails: what it could not write is missing in the file."""
        while self._open:
            _, part = self._open.popitem()
            try:
                part.put_away()
            except SpoolError:
                continue

    def _begin(self, incoming: Incoming, at: int) -> Part:
        while len(self._open) >= PARTS_MAX:
            self._open.pop(next(iter(self._open))).put_away()
        name, size = incoming.name, incoming.size
        return Part(self._spool, self._node, name, size, at, thread_bytes=self._thread_bytes).open()
