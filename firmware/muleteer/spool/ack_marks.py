# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell which packets in tx are acknowledgements: nobody acknowledges those, so none is waited for.

They are sealed for their recipient, so their own sender cannot tell them from letters once they are queued. Whoever
queues one therefore marks it, as NNCP 8.9 and later do: by an empty file SPOOL/NODE/tx/ack/PACKET, made before the
packet appears. Without it a neighbour that acknowledges would leave our acknowledgements in tx for ever, to travel anew
each time they are overdue. If one is lost with its stick, the packet it was for comes again, and is acknowledged again.

A mark without a packet means nothing: its packet may be about to appear. One that a cut left is swept at start-up.
"""

from __future__ import annotations

from muleteer.formats.ids import PacketName, is_packet_name
from muleteer.spool.disk import ensure_dir
from muleteer.spool.layout import TX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from muleteer.formats.ids import NodeId
    from muleteer.spool.spool import Spool


class AckMarks:
    """The marks in one spool. All methods raise SpoolError when the disk fails."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def of(self, node: NodeId) -> set[PacketName]:
        """Return which packets in the tx of a node are acknowledgements."""
        with self._spool.guard:
            try:
                names = self._spool.disk.listdir(self._directory(node))
            except (FileNotFoundError, NotADirectoryError):
                return set()
        return {PacketName.parse(name) for name in names if is_packet_name(name)}

    def make(self, node: NodeId, name: PacketName) -> None:
        """Mark a packet that is about to appear in the tx of a node as an acknowledgement."""
        with self._spool.guard:
            ensure_dir(self._spool.disk, self._directory(node))
            try:
                self._spool.disk.create(f"{self._directory(node)}/{name}").close()
            except FileExistsError:
                return

    def clear(self, node: NodeId, names: Iterable[PacketName]) -> None:
        """Remove the marks of packets that left; a cut may bring one back, which means nothing without its packet."""
        with self._spool.guard:
            for name in names:
                try:
                    self._spool.disk.unlink(f"{self._directory(node)}/{name}")
                except FileNotFoundError:
                    continue

    def _directory(self, node: NodeId) -> str:
        return f"{self._spool.layout.way(node, TX)}/ack"
