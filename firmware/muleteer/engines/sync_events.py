# SPDX-License-Identifier: GPL-3.0-or-later
"""What a `sync.SyncEngine` tells its owner. All are frozen values; `Chunk` lends a view, see there."""

from __future__ import annotations

from muleteer.engines.sync_messages import Chunk  # noqa: TC001 - a message that is passed on as an event
from muleteer.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from muleteer.errors import MuleteerError
    from muleteer.formats.ids import PacketName

IDLE = "idle"
"""Nobody said anything but PING for `SyncTerms.idle_seconds`: the usual end of a session."""

TIME = "time"
"""`SyncTerms.online_seconds` are over."""

SILENCE = "silence"
"""No byte came for 120 s, or a message was not whole in its time."""

EOF = "eof"
"""The stream ended: the usual end too, whoever is idle first hangs up."""

ENDED_BY_ERROR = "error"
"""The peer sent what cannot be right; `Closed.error` says what."""

ASKED = "asked"
"""The owner hung up (`SyncEngine.close` may be given any other word)."""


NOT_OFFERED = "it asks for a packet that was not offered"
BEYOND_THE_END = "it asks for bytes beyond the end of a packet"
CONFIRMED_STRANGER = "it confirms a packet that was not offered"
NOT_REQUESTED = "it sends data that nobody asked for"
OTHER_OFFSET = "it sends data from another place than asked for"
EMPTY_PIECE = "it sends empty pieces"
MORE_THAN_ANNOUNCED = "it sends more of a packet than it announced"
IMPOSSIBLE_SIZE = "it announces a packet of an impossible size"
TOO_MANY = "it announces more packets than are remembered"
EARLY = "its first message holds more than announcements"


@record
class PeerKnown:
    """The first message came (responder only): answer with `SyncEngine.accept` or `SyncEngine.refuse`.

    The message may be a recorded one, sent again by anybody; only what the peer says after it proves its presence.
    `ephemeral` is in no two messages but copies.
    """

    noisepub: bytes
    ephemeral: bytes


@record
class Established:
    """Both sides have what they need to talk."""


@record
class Announced:
    """The peer has this packet for us, of `size` bytes. Answer with `SyncEngine.request`, `confirm`, or not at all."""

    name: PacketName
    nice: int
    size: int


@record
class Listed:
    """The peer has this packet for us, but the terms say to list only."""

    name: PacketName
    nice: int
    size: int


@record
class Finished:
    """All bytes of a request are in. Comes after its last `Chunk`, or alone if none was missing."""

    name: PacketName


@record
class Confirmed:
    """The peer has this packet, which was offered in this session. Comes once."""

    name: PacketName


@record
class Strange:
    """The peer did something odd, which was dropped. Comes once per kind; `SyncEngine.oddities` counts them."""

    what: str


@record
class Closed:
    """The session is over; nothing comes after this. `reason` is a constant of here, or what `close` was given."""

    reason: str
    error: MuleteerError | None


if TYPE_CHECKING:
    Event: TypeAlias = PeerKnown | Established | Announced | Listed | Chunk | Finished | Confirmed | Strange | Closed
