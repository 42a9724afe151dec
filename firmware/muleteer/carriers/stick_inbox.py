# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be packets for us in one OUR-ID/SENDER directory of a stick.

The listing is read as a stream; a name that is no packet's costs a comparison and a counter, never memory, so any
amount of junk can stand before, between and behind the good packets. What has a packet's name is opened and must begin
with a header that is addressed to us; only such candidates are remembered, `PAGE_MAX` at a time. More than that are
taken page by page (and are urgent-first within each page only).

What our sender's program has not finished writing (``nncpxfer...``, ``....part``) is its own business, and no fault.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from muleteer.carriers import stick_layout
from muleteer.carriers.stick_layout import DRAFT_PREFIX, listing
from muleteer.carriers.stick_medium import Fault
from muleteer.carriers.stick_patience import Patience
from muleteer.errors import OldPacket, PeerError
from muleteer.formats.envelope_header import HEADER_SIZE, EnvelopeHeader
from muleteer.formats.ids import NodeId, PacketName, is_packet_name
from muleteer.spool.disk import DIRECTORY, FILE, LINK, UNKNOWN, read_whole
from muleteer.spool.layout import PART

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from muleteer.carriers.stick_medium import Medium
    from muleteer.carriers.stick_report import Refusals
    from muleteer.spool.disk import DirEntry

    IsKnown = Callable[[NodeId, PacketName], bool]

_REASONS = {
    DIRECTORY: stick_layout.IS_DIRECTORY,
    LINK: stick_layout.IS_LINK,
    UNKNOWN: stick_layout.UNREADABLE,
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something on the stick that may be a packet for us: its place, name and header are right, its content unknown.

    `sender` is the neighbour in whose directory it lies; a relayed packet's header names its author instead. With
    `known` its header was not read (and `nice` is 0), because a packet of this name has been here before.
    """

    path: str
    sender: NodeId
    name: PacketName
    size: int
    nice: int
    known: bool = False

    @property
    def directory(self) -> str:
        """Where it lies."""
        return self.path.rpartition("/")[0]


class Inbox:
    """One OUR-ID/SENDER directory.

    `is_known` tells by sender and name what need not be read; `start` varies the order in which a failing stick is
    tried.
    """

    def __init__(
        self,
        medium: Medium,
        directory: str,
        sender: NodeId,
        own: NodeId,
        refusals: Refusals,
        is_known: IsKnown,
        start: int = 0,
    ) -> None:
        self._medium = medium
        self._directory = directory
        self._sender = sender
        self._own = own
        self._refusals = refusals
        self._is_known = is_known
        self._start = start

    def candidates(self) -> Iterator[Candidate]:
        """Yield what may be packets, in the order of the directory as long as that can be read."""
        named = (entry for entry in listing(self._medium, self._directory) if self._is_named_well(entry))
        while part := list(islice(named, stick_layout.PAGE_MAX)):
            patience = Patience(part, self._start)
            for entry in patience:
                candidate = self._candidate(entry, patience)
                if candidate is not None:
                    yield candidate
            if patience.untried:
                self._give_up(patience.untried, named)
                return

    def _is_named_well(self, entry: DirEntry) -> bool:
        """Tell whether it has a packet's name and could be one; what else it is is counted."""
        if not is_packet_name(entry.name):
            if entry.kind == FILE and (entry.name.startswith(DRAFT_PREFIX) or entry.name.endswith(PART)):
                self._refusals.unfinished += 1
            else:
                self._refuse(entry, stick_layout.NO_PACKET_NAME)
            return False
        if entry.kind != FILE:
            self._refuse(entry, _REASONS.get(entry.kind, stick_layout.IS_SPECIAL))
        elif entry.size < HEADER_SIZE:
            self._refuse(entry, stick_layout.TOO_SHORT)
        else:
            return True
        return False

    def _candidate(self, entry: DirEntry, patience: Patience[DirEntry]) -> Candidate | None:
        name = PacketName.parse(entry.name)
        known = self._is_known(self._sender, name)
        nice = 0 if known else self._nice_of(entry, patience)
        if nice is None:
            return None
        return Candidate(f"{self._directory}/{entry.name}", self._sender, name, entry.size, nice, known)

    def _nice_of(self, entry: DirEntry, patience: Patience[DirEntry]) -> int | None:
        """Read a packet's header; None (and a refusal) if it is none, or not for us."""
        try:
            head = read_whole(self._medium.disk, f"{self._directory}/{entry.name}", HEADER_SIZE)
        except OSError as error:
            fault = self._medium.meaning(error, patient=True)
            if fault is Fault.BAD:
                patience.failed()
            if fault is not Fault.VANISHED:
                self._refuse(entry, stick_layout.UNREADABLE)
            return None
        patience.worked()
        self._medium.worked()
        try:
            header = EnvelopeHeader.unpack(head)
        except OldPacket:
            self._refuse(entry, stick_layout.OLD_PACKET)
            return None
        except PeerError:
            self._refuse(entry, stick_layout.NO_PACKET)
            return None
        if header.recipient != self._own:
            self._refuse(entry, stick_layout.NOT_FOR_US)
            return None
        return header.nice

    def _give_up(self, untried: list[DirEntry], rest: Iterator[DirEntry]) -> None:
        for entry in untried:
            self._refuse(entry, stick_layout.NOT_TRIED)
        for entry in rest:
            self._refuse(entry, stick_layout.NOT_TRIED)
        self._medium.report("one packet after the other could not be read, and what lies between was not tried")

    def _refuse(self, entry: DirEntry, reason: str) -> None:
        self._refusals.add(self._medium.shown(f"{self._directory}/{entry.name}"), reason)
