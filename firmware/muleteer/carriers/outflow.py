# SPDX-License-Identifier: GPL-3.0-or-later
"""The sending half of an online session: from tx, to whoever the neighbour's key proves to be there.

A packet leaves tx only when the other side has confirmed that it is durable there. New packets are noticed by the time
of the directory: one look a second, which costs a system call while nothing happens.
"""

from __future__ import annotations

from muleteer.carriers.online import BY_BUDGET, BY_NICE, BY_SIZE
from muleteer.carriers.xfer_desk import Spelled
from muleteer.engines.sync_terms import Offer
from muleteer.formats.ids import PacketName, is_packet_name
from muleteer.formats.magic import ENVELOPE
from muleteer.spool.ack_marks import AckMarks
from muleteer.spool.layout import HEAD_SIZE, TX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.carriers.online import Partner
    from muleteer.carriers.online_log import OnlineLog
    from muleteer.carriers.online_tally import Tally
    from muleteer.spool.port import DiskFile
    from muleteer.spool.spool import Spool

_BEGINNING = ENVELOPE + b"\0\0\0"  # then the niceness


class Outflow:
    """What waits for one neighbour, as this session's terms allow. Methods raise SpoolError when our own disk fails."""

    def __init__(self, spool: Spool, partner: Partner, tally: Tally, log: OnlineLog) -> None:
        self._spool = spool
        self._node = partner.node
        self._terms = partner.terms
        self._tally = tally
        self._log = log
        self._directory = spool.layout.way(partner.node, TX)
        self._known: set[str] = set()
        self._offers: dict[PacketName, Offer] = {}  # what the other side may still ask for
        self._mtime = -1.0
        self._look_again = True
        self._marks = AckMarks(spool)
        self._acks: set[PacketName] = set()
        self._is_withdrawn = False
        self._gone: list[PacketName] = []
        self._file: DiskFile | None = None
        self._reading: PacketName | None = None
        self._position = 0

    def look(self) -> list[Offer]:
        """Return what may be offered and was not before, the most urgent first."""
        terms = self._terms
        if not terms.send or terms.list_only or self._is_withdrawn or not self._is_changed():
            return []
        found = [offer for offer in self._new() if self._is_allowed(offer)]
        found.sort(key=lambda offer: (offer.nice, offer.name))
        for offer in found:
            self._offers[offer.name] = offer
            self._tally.offered_bytes += offer.size
        self._tally.offered += len(found)
        if found:
            self._acks = self._marks.of(self._node)
        return found

    def read(self, name: PacketName, offset: int, view: memoryview) -> int:
        """Fill `view` with a packet's bytes from `offset` on; 0 if they cannot be had: it is passed over."""
        filled = 0
        if self._is_withdrawn:
            return 0
        try:
            file = self._open(name)
            if offset != self._position:
                file.seek(offset)
            while filled < len(view) and (count := file.read_into(view[filled:])):
                filled += count
        except FileNotFoundError:  # another carrier took it
            filled = 0
        except OSError as error:  # one packet that cannot be read shall not keep all others waiting
            self._log.unreadable(name, (error.strerror or str(error)).lower())
            filled = 0
        if not filled:
            self._close_file()
        self._position = offset + filled
        self._tally.move(TX, name, self._offers[name].size, self._position)
        return filled

    def confirmed(self, name: PacketName) -> None:
        """The other side has it for good: it leaves tx, durably so at the next `settle`."""
        offer = self._offers.pop(name)
        if name == self._reading:
            self._close_file()
        self._spool.finish(self._node, TX, name, settle=False)
        self._gone.append(name)
        self._tally.confirm(name, offer.size)
        self._log.sent(name)

    def withdraw(self) -> None:
        """Hold for want of budget what was not confirmed: nothing more is read of it."""
        self._is_withdrawn = True
        for offer in self._offers.values():
            self._tally.hold(offer.name, offer.nice, offer.size, BY_BUDGET, TX)

    def settle(self) -> None:
        """Make durable that packets have left."""
        if self._gone:
            gone, self._gone = self._gone, []
            self._spool.settle()
            if self._acks:
                self._marks.clear(self._node, self._acks.intersection(gone))

    def close(self) -> None:
        """Close what is open."""
        self._close_file()

    def _is_changed(self) -> bool:
        """Tell whether names may have come since the last look.

        What comes in the same tick of the file system's clock as a look does not change the time any more: so after
        each change there is one more look.
        """
        with self._spool.guard:
            try:
                mtime = self._spool.disk.stat(self._directory).mtime
            except FileNotFoundError:
                return False
        is_new, before = mtime != self._mtime, self._look_again
        self._mtime, self._look_again = mtime, is_new
        return is_new or before

    def _new(self) -> list[Offer]:
        """Return the packets that were not seen before."""
        disk = self._spool.disk
        with self._spool.guard:
            try:
                listed = disk.listdir(self._directory)
            except (FileNotFoundError, NotADirectoryError):
                return []
            new = [text for text in listed if text not in self._known]
            self._known = set(listed)  # what has left is forgotten: a session may last for months
            names = sorted(text for text in new if is_packet_name(text))
            found = disk.heads(self._directory, names, HEAD_SIZE)
            return [
                Offer(_spelled(text), head[11], size)
                for text, size, head in found
                if len(head) == HEAD_SIZE and head.startswith(_BEGINNING)
            ]

    def _is_allowed(self, offer: Offer) -> bool:
        terms = self._terms
        why = BY_NICE if offer.nice > terms.nice else ""
        if terms.size is not None and offer.size > terms.size:
            why = BY_SIZE
        if why:
            self._tally.hold(offer.name, offer.nice, offer.size, why, TX)
        return not why

    def _open(self, name: PacketName) -> DiskFile:
        if self._file is None or name != self._reading:
            self._close_file()
            self._file = self._spool.disk.open_read(f"{self._directory}/{name}")
            self._reading = name
            self._position = 0
        return self._file

    def _close_file(self) -> None:
        file, self._file, self._reading = self._file, None, None
        if file is not None:
            file.close()


def _spelled(text: str) -> PacketName:
    name = Spelled(PacketName.parse(text))
    name.text = text
    return name
