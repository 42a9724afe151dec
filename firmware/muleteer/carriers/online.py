# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of an online session: whom we talk to, what may be carried, what it may cost, and how it went.

Values only. The carrier rules make an :class:`OnlineTerms`, the agent's budgets a :class:`Purse`,
:class:`muleteer.carriers.exchange.Exchange` a :class:`SessionReport`.
"""

from __future__ import annotations

from muleteer.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from muleteer.errors import MuleteerError
    from muleteer.formats.ids import NodeId, PacketName

    class Purse(Protocol):
        """What may still be spent on the wire; the granted part is written down before it is used."""

        def draw(self, wanted: int) -> int:
            """Return how many of `wanted` bytes are granted, durably; fewer means that the budget is exhausted."""

        def give_back(self, unused: int) -> None:
            """Return what was granted and not used."""

    class Log(Protocol):
        """Takes one event of the session, in the reference's words."""

        def event(self, who: str, message: str, fields: list[tuple[str, str]], err: str | None = None) -> None:
            """Record that something happened, or with `err` that it failed."""

        def events(self, those: list[tuple[str, str, list[tuple[str, str]]]]) -> None:
            """Record what happened together: who, message, fields."""


HELD_MAX = 100
"""Packets that a report names as held; more are only counted."""

LISTED_MAX = 100_000
"""Packets that a report lists or names as confirmed."""

CHUNK_MAX = 65232
"""Bytes of a packet that one frame carries at most (nncp.md section 15)."""

BY_NICE, BY_SIZE, BY_BUDGET, BY_ROOM = "nice", "size", "budget", "room"
"""Why a packet was held."""

LOCKED, REFUSED, BUDGET, DISK = "locked", "refused", "budget", "disk"
"""How a session ended, beside the engine's own reasons (idle, time, silence, eof, error, asked)."""


@record
class OnlineTerms:
    """What one session may carry and how. Times in seconds, sizes in bytes; 0 is "no limit" for times and rates.

    `size` is a ceiling for each packet, both ways. `only` asks for just those packets, `list_only` for none.
    `rx_rate` and `tx_rate` count packets a second as the reference does, `bytes_rate` is ours: bytes a second that we
    put on the wire. `padded=False` and a small `chunk` suit slow or dear links.
    """

    nice: int = 255
    size: int | None = None
    send: bool = True
    receive: bool = True
    list_only: bool = False
    only: frozenset[PacketName] | None = None
    nock: bool = False
    padded: bool = True
    chunk: int = CHUNK_MAX
    idle_seconds: float = 10.0
    online_seconds: float = 0.0
    frame_seconds: float = 10.0
    rx_rate: int = 0
    tx_rate: int = 0
    bytes_rate: int = 0


@record
class Partner:
    """The neighbour at the other end: who it is, what it is called here, and what may be done with it."""

    node: NodeId
    name: str
    noisepub: bytes
    terms: OnlineTerms
    purse: Purse | None = None


@record
class Held:
    """A packet that was not carried, and why: BY_NICE, BY_SIZE, BY_BUDGET or BY_ROOM; `way` is "tx" or "rx"."""

    name: PacketName
    nice: int
    size: int
    why: str
    way: str = "tx"


@record
class Listed:
    """A packet that the other side offers (for `-list`)."""

    name: PacketName
    nice: int
    size: int


@record
class SessionProgress:
    """How far one packet is: `way` is "rx" or "tx", `done` of `size` bytes; then the bytes of the whole session."""

    way: str
    name: PacketName
    size: int
    done: int
    received_bytes: int
    expected_bytes: int
    sent_bytes: int
    offered_bytes: int


@record
class SessionReport:
    """How a session went; it may be asked for at any time.

    `received` packets are durable here; `sent` ones were confirmed by the other side and are gone here: `confirmed` are
    their names, the first `LISTED_MAX`. `wire_in` and `wire_out` count all bytes on the link. `unfinished`: something
    was still to be sent or received at the end. `ended` is empty while it lasts. `damaged` packets did not hash to
    their names and were thrown away.
    """

    node: NodeId | None
    established: bool
    received: int
    received_bytes: int
    sent: int
    sent_bytes: int
    wire_in: int
    wire_out: int
    held: tuple[Held, ...]
    held_count: int
    listed: tuple[Listed, ...]
    unfinished: bool
    ended: str
    error: MuleteerError | None
    damaged: int
    confirmed: tuple[PacketName, ...] = ()
