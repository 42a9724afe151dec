# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell whether a packet is in rx for good, so that the copy it came from may go.

A name in rx proves little by itself: its bytes may be damaged, it may be there by a rename that no power cut has
tested, and the fsync that was to make that rename durable may have failed. The last is the treacherous one: a kernel
that failed to write a directory back reports it once, forgets, and says "done" to the next fsync. So

* a packet counts only if it hashes to its name (`is_here`) and its directory was synced after that (`secure`);
* where a sync of an rx directory failed, the directory is *doubted*: nothing in it counts until it has been emptied.
  What comes again is then written anew, over what is there, which makes a new rename that a new fsync can prove.

Doubt outlives the process, as the kernel's lost pages do: it is an empty file SPOOL/muleteer/doubt/NODE/rx, removed
when it is asked about while rx is empty. A restart of the machine ends the reason for it, but not the mark; that costs
a copy, no packet.
"""

from __future__ import annotations

from muleteer.errors import SpoolError, SpoolMissing
from muleteer.formats.ids import is_packet_name
from muleteer.spool.check import is_sound
from muleteer.spool.disk import ensure_dir
from muleteer.spool.layout import RX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.formats.ids import NodeId, PacketName
    from muleteer.spool.spool import Spool


class Arrivals:
    """What is in the rx directories of one spool. Methods raise SpoolError when the disk fails, unless they say no."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._doubted: dict[NodeId, bool] = {}
        self._failed: set[NodeId] = set()

    def is_here(self, node: NodeId, name: PacketName) -> bool:
        """Tell whether rx has the very packet, in a directory that is not doubted; a copy nobody can read is none."""
        if not self._spool.has(node, RX, name) or self.is_doubted(node):
            return False
        try:
            return is_sound(self._spool, node, RX, name)
        except SpoolMissing:
            raise
        except SpoolError:
            return False

    def secure(self, node: NodeId) -> bool:
        """Sync an rx directory; False, and the directory doubted, if that fails or has failed since we were made."""
        if node in self._failed:
            return False
        try:
            self._spool.disk.fsync_dir(self._spool.layout.way(node, RX))
        except FileNotFoundError:
            return True  # nothing was ever there
        except OSError:
            self.doubt(node)
            return False
        return True

    def is_doubted(self, node: NodeId) -> bool:
        """Tell whether a sync of this rx directory failed while what it had then may still be in it."""
        if node not in self._doubted:
            with self._spool.guard:
                self._doubted[node] = self._has_mark(node)
        return self._doubted[node]

    def doubt(self, node: NodeId) -> None:
        """Note that a sync of an rx directory may have failed."""
        self._doubted[node] = True
        self._failed.add(node)
        disk, mark = self._spool.disk, self._mark(node)
        try:
            ensure_dir(disk, mark.rpartition("/")[0])
            disk.create(mark).close()
        except OSError:  # marked already; or this disk takes nothing more, and no round will get by it
            return

    def _has_mark(self, node: NodeId) -> bool:
        disk = self._spool.disk
        try:
            disk.stat(self._mark(node))
        except FileNotFoundError:
            return False
        try:
            if any(map(is_packet_name, disk.listdir(self._spool.layout.way(node, RX)))):
                return True
        except FileNotFoundError:
            pass
        disk.unlink(self._mark(node))
        return False

    def _mark(self, node: NodeId) -> str:
        return f"{self._spool.layout.root}/muleteer/doubt/{node}/rx"
