# SPDX-License-Identifier: GPL-3.0-or-later
"""The multicast announcement: "this node listens here". One UDP datagram, not authenticated (nncp.md section 16)."""

from __future__ import annotations

from muleteer.errors import BadEncoding
from muleteer.formats.ids import NodeId
from muleteer.formats.magic import DISCOVERY, MAGIC_SIZE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Buffer: TypeAlias = bytes | bytearray | memoryview

ANNOUNCEMENT_SIZE = MAGIC_SIZE + 32
"""Bytes of an announcement."""

GROUP = "ff02::4e4e:4350"
"""The IPv6 multicast group, of link scope."""

PORT = 5400
"""The UDP port that announcements are sent to."""


def pack_announcement(node: NodeId) -> bytes:
    """Return the datagram by which `node` announces itself; its source port tells where it listens."""
    return DISCOVERY + node


def parse_announcement(datagram: Buffer) -> NodeId:
    """Return who announces itself. Raises BadEncoding for anything but exactly an announcement."""
    if len(datagram) != ANNOUNCEMENT_SIZE:
        raise BadEncoding(problem=f"an announcement of {len(datagram)} bytes")
    if bytes(datagram[:MAGIC_SIZE]) != DISCOVERY:
        raise BadEncoding(problem="not an announcement of this version")
    return NodeId(bytes(datagram[MAGIC_SIZE:]))
