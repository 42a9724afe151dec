# SPDX-License-Identifier: GPL-3.0-or-later
"""What a session may do, and what is offered in it."""

from __future__ import annotations

from muleteer.formats.niceness import MAX
from muleteer.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.formats.ids import PacketName

CHUNK_MAX = 65232
"""Data bytes of one FILE message: 65,280 of payload less 48 of head, as the reference cuts them."""


@record
class SyncTerms:
    """The terms of one session. Durations are in seconds, 0 for the rates and `online_seconds` means no limit.

    `nice`: less urgent packets are not offered, the peer's are ignored (unless `list_only`).
    `only`: of the peer's packets just these.
    `padded`: the handshake as long as the reference makes it; real peers take a bare one as well. Who greets us with a
    bare one is answered in kind.
    `chunk`: data bytes of one FILE message; on slow links small, as a frame must cross within the peer's 10 s. It
    bounds all other frames too.
    `idle_seconds`: hang up when nothing but PING was heard or said for so long and nothing is queued.
    `frame_seconds`: the peer's first message must be whole by then.
    `rx_rate`, `tx_rate`: frames per second that are read, FILE frames per second that are sent (as the reference).
    `bytes_rate`: bytes per second that we put on the link.
    `announcements_max`: announcements that are remembered; what a peer announces beyond is dropped.
    """

    nice: int = MAX
    send: bool = True
    receive: bool = True
    list_only: bool = False
    only: frozenset[PacketName] | None = None
    padded: bool = True
    chunk: int = CHUNK_MAX
    idle_seconds: float = 10.0
    online_seconds: float = 0.0
    frame_seconds: float = 10.0
    rx_rate: int = 0
    tx_rate: int = 0
    bytes_rate: int = 0
    announcements_max: int = 100_000


@record
class Offer:
    """A packet that waits for the peer: its name, niceness and size in bytes."""

    name: PacketName
    nice: int
    size: int
