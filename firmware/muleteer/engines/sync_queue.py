# SPDX-License-Identifier: GPL-3.0-or-later
"""What a peer asked for and was not yet sent: most urgent first, then in the order of asking."""

from __future__ import annotations

from heapq import heappop, heappush

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.formats.ids import PacketName


class Sending:
    """A packet on its way: `offset` is the next byte, `size` where it ends."""

    __slots__ = ("live", "name", "nice", "offset", "size")

    def __init__(self, name: PacketName, nice: int, offset: int, size: int) -> None:
        self.name = name
        self.nice = nice
        self.offset = offset
        self.size = size
        self.live = True


class SendQueue:
    """At most one entry per packet; the first may change whenever something is put in."""

    __slots__ = ("_by_name", "_count", "_heap")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Sending]] = []
        self._by_name: dict[PacketName, Sending] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._by_name)

    def put(self, name: PacketName, nice: int, offset: int, size: int) -> None:
        """Queue a packet from `offset` on. One that is queued already keeps its place and goes on from there."""
        queued = self._by_name.get(name)
        if queued is not None:
            queued.offset = offset
            return
        self._by_name[name] = entry = Sending(name, nice, offset, size)
        self._count += 1
        heappush(self._heap, (nice, self._count, entry))

    def first(self) -> Sending | None:
        """Return what is to be sent next."""
        while self._heap:
            entry = self._heap[0][2]
            if entry.live:
                return entry
            heappop(self._heap)
        return None

    def drop(self, name: PacketName) -> None:
        """Forget a packet, if it is queued."""
        entry = self._by_name.pop(name, None)
        if entry is not None:
            entry.live = False

    def clear(self) -> None:
        """Forget all."""
        self._heap.clear()
        self._by_name.clear()
