# SPDX-License-Identifier: GPL-3.0-or-later
"""Remember what was taken from a place that cannot be cleaned: a write-protected stick brings it again and again.

An empty file SPOOL/muleteer/taken/NODE/PACKET says: this packet was durable in rx once, and its source is still out
there. It is never a seen mark (those say *delivered*, and a toss drops what bears one), so it may be made while the
packet still waits in rx. Whoever finds the packet at its source again asks rx first, and the mark only where rx has no
such packet: then it was tossed, or its owner removed it.

At most `TAKEN_MAX` marks are kept for each neighbour; the oldest quarter makes room. A mark that was dropped, or lost
with the power, costs one delivery more, never one less.
"""

from __future__ import annotations

from muleteer.spool.disk import ensure_dir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.formats.ids import NodeId, PacketName
    from muleteer.spool.spool import Spool

TAKEN_MAX = 20_000  # an inode each; a stick of 2 GiB that is full of letters


class Taken:
    """The marks in one spool. All methods raise SpoolError when the disk fails."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._counts: dict[NodeId, int] = {}
        self._unsettled: set[NodeId] = set()

    def has(self, node: NodeId, name: PacketName) -> bool:
        """Tell whether a packet bears a mark."""
        with self._spool.guard:
            try:
                return self._spool.disk.stat(f"{self._directory(node)}/{name}").is_file
            except (FileNotFoundError, NotADirectoryError):
                return False

    def mark(self, node: NodeId, name: PacketName) -> None:
        """Mark a packet that is durable in rx; the mark is durable at the next :meth:`settle`."""
        directory = self._directory(node)
        with self._spool.guard:
            ensure_dir(self._spool.disk, directory)
            self._make_room(node, directory)
            try:
                self._spool.disk.create(f"{directory}/{name}").close()
            except FileExistsError:
                return
        self._counts[node] += 1
        self._unsettled.add(node)

    def settle(self) -> None:
        """Make new marks durable."""
        with self._spool.guard:
            while self._unsettled:
                self._spool.disk.fsync_dir(self._directory(self._unsettled.pop()))

    def _make_room(self, node: NodeId, directory: str) -> None:
        disk = self._spool.disk
        if node not in self._counts:
            self._counts[node] = len(disk.listdir(directory))
        if self._counts[node] < TAKEN_MAX:
            return
        found = sorted((entry.mtime, entry.name) for entry in disk.scandir(directory))
        old = found[: len(found) - TAKEN_MAX * 3 // 4]
        for _, name in old:
            disk.unlink(f"{directory}/{name}")
        self._counts[node] = len(found) - len(old)

    def _directory(self, node: NodeId) -> str:
        return f"{self._spool.layout.root}/muleteer/taken/{node}"
