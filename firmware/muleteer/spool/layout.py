# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things lie in an NNCP spool: path arithmetic, no disk.

The names are the reference's (nncp.md section 10); ``muleteer/`` is ours, and the reference's programs pass it over
because it is not a node id.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.formats.ids import NodeId, PacketName

RX, TX, TOSS = "rx", "tx", "toss"
PART, NOCK = ".part", ".nock"
HEAD_SIZE = 172
"""Bytes of a packet's header, which ``hdr/`` holds a copy of."""

DRAFT_PREFIX, DELIVERY_PREFIX, STICK_PREFIX = "nncp", "nncpfile", "nncpxfer"


class Layout:
    """The paths of one spool."""

    __slots__ = ("aside", "ledger", "root", "tmp")

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/") or "/"
        self.tmp = f"{self.root}/tmp"  # noqa: S108 - the spool's own directory
        self.aside = f"{self.root}/muleteer/aside"
        self.ledger = f"{self.root}/muleteer/ledger"

    def node(self, node: NodeId) -> str:
        """Return the directory of one neighbour."""
        return f"{self.root}/{node}"

    def way(self, node: NodeId, way: str) -> str:
        """Return the directory of waiting packets; ``way`` is "rx" or "tx"."""
        return f"{self.root}/{node}/{way}"

    def packet(self, node: NodeId, way: str, name: PacketName) -> str:
        """Return where a packet lies."""
        return f"{self.root}/{node}/{way}/{name}"

    def headers(self, node: NodeId, way: str) -> str:
        """Return the directory with copies of the packets' headers."""
        return f"{self.root}/{node}/{way}/hdr"

    def seen(self, node: NodeId) -> str:
        """Return the directory of marks of packets that were delivered."""
        return f"{self.root}/{node}/rx/seen"

    def lock(self, node: NodeId, what: str) -> str:
        """Return the lock file; ``what`` is "rx", "tx" or "toss"."""
        return f"{self.root}/{node}/{what}.lock"

    def alias(self, name: str) -> str:
        """Return where the convenience link NAME -> ID lies."""
        return f"{self.root}/{name}"

    def aside_of(self, node: NodeId) -> str:
        """Return the directory of one neighbour's set-aside records."""
        return f"{self.aside}/{node}"
