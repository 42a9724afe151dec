# SPDX-License-Identifier: GPL-3.0-or-later
"""The receiving half of ``nncp-xfer``: from ``DIR/<us>/<sender>/`` into rx.

What is in rx already leaves the medium only if rx has it for good (`spool.arrivals`); else it is taken anew.
"""

from __future__ import annotations

from muleteer.carriers.xfer_desk import GROUP_MAX, copy_rest, read_start, spelled_node
from muleteer.errors import SpoolError
from muleteer.formats.envelope_header import HEADER_SIZE
from muleteer.formats.ids import NodeId, PacketName, is_packet_name
from muleteer.formats.magic import ENVELOPE
from muleteer.formats.recfile import human_size
from muleteer.formats.safename import show
from muleteer.spool.arrivals import Arrivals
from muleteer.spool.batch import Batch
from muleteer.spool.layout import RX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.carriers.xfer_desk import Desk, Fields
    from muleteer.spool.disk import DirEntry
    from muleteer.spool.port import DiskFile

_HEADER_START = ENVELOPE + b"\0\0\0"  # then the niceness


class Receiver:
    """Takes in what is for us from known neighbours."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._arrivals = Arrivals(desk.spool)
        self._waiting: frozenset[str] = frozenset()  # the names in rx, and in seen, of the sender at work
        self._seen: frozenset[str] = frozenset()
        self._again: list[Callable[[], None]] = []  # what to do with those that are in rx, once that is durable

    def run(self) -> None:
        """Take in everything that the rules want. Raises SpoolError when our own disk fails."""
        base = f"{self._desk.rules.directory}/{self._desk.rules.own}"
        fields = [("XX", RX), ("Dir", base)]
        message = "Packet transfer, received from self"
        try:
            if not self._desk.exists(base):
                return
        except OSError as error:
            self._desk.fail("xfer-self-stat", f"{message}: stating", fields, "stat", error)
            return
        try:
            senders = [entry.name for entry in self._desk.disk.scandir(base) if entry.is_dir]
        except OSError as error:
            self._desk.fail("xfer-self-read", f"{message}: reading", fields, "readdirent", error)
            return
        for name in sorted(senders):
            if is_packet_name(name) and NodeId.parse(name) in self._desk.rules.names:
                self._receive_from(base, NodeId.parse(name))

    def _receive_from(self, base: str, sender: NodeId) -> None:
        directory = f"{base}/{sender}"
        name = self._desk.rules.names[sender]
        fields = [("XX", RX), ("Dir", base), ("Node", str(sender))]
        try:
            found = [
                entry for entry in self._desk.disk.scandir(directory) if entry.is_file and is_packet_name(entry.name)
            ]
        except OSError as error:
            self._desk.fail(
                "xfer-rx-read", f"Packet transfer, received from {name}: reading", fields, "readdirent", error
            )
            return
        spool = self._desk.spool
        self._waiting = self._names(spool.layout.way(sender, RX))
        self._seen = self._names(spool.layout.seen(sender))
        sender = spelled_node(sender)
        try:
            with Batch(spool.disk, spool.guard, after=self._desk.settle, drafts_max=GROUP_MAX) as batch:
                for entry in sorted(found, key=lambda entry: entry.name):
                    self._receive_one(_Arrival(sender, name, directory, entry, fields), batch)
        except SpoolError:
            self._arrivals.doubt(sender)
            raise
        self._settle_again(sender)

    def _names(self, directory: str) -> frozenset[str]:
        """Return what is in a directory of the spool: asking once is cheaper than asking for each packet."""
        with self._desk.spool.guard:
            try:
                return frozenset(self._desk.spool.disk.listdir(directory))
            except (FileNotFoundError, NotADirectoryError):
                return frozenset()

    def _settle_again(self, sender: NodeId) -> None:
        """Let what was in rx before leave the medium; it may be there by a rename that no power cut has tested."""
        again, self._again = self._again, []
        if again and not self._arrivals.secure(sender):
            directory = self._desk.spool.layout.way(sender, RX)
            raise SpoolError(path=directory, problem="it could not be synced: its mail stays on the medium")
        for received in again:
            received()
        self._desk.settle()

    def _receive_one(self, arrival: _Arrival, batch: Batch) -> None:
        if arrival.name in self._seen:
            self._desk.log.event("xfer-rx-seen", f"{arrival.message}: packet already seen", arrival.fields)
            self._forget(arrival)
            return
        try:
            with self._desk.disk.open_read(arrival.path) as file:
                self._copy_in(arrival, file, batch)
        except OSError as error:
            self._desk.fail("xfer-rx", arrival.message, arrival.fields, "open", error)

    def _copy_in(self, arrival: _Arrival, file: DiskFile, batch: Batch) -> None:
        start = read_start(file, arrival.size)
        if not self._is_wanted(start):
            return

        def received() -> None:
            self._desk.done("xfer-rx", f"{arrival.message} ({human_size(arrival.size)})", arrival.sized_fields)
            self._forget(arrival)

        if arrival.name in self._waiting and self._arrivals.is_here(arrival.sender, arrival.packet):
            self._again.append(received)
            return
        if self._desk.disk.free_bytes(self._desk.spool.layout.root) <= arrival.size:
            self._complain(arrival, "is not enough space")
            return
        draft = self._desk.spool.draft()
        try:
            copy_rest(file, draft, start, arrival.size, self._desk.watch("Rx", arrival.path, arrival.size))
            if draft.finish_writing() != arrival.packet:
                self._complain(arrival, "checksum mismatch")
                draft.discard()
                return
        except BaseException:
            draft.discard()
            raise
        self._desk.spool.commit(draft, arrival.sender, RX, batch=batch, then=received)

    def _is_wanted(self, head: bytes) -> bool:
        """Tell whether this begins like a packet that is urgent enough."""
        return len(head) >= HEADER_SIZE and head.startswith(_HEADER_START) and 1 <= head[11] <= self._desk.rules.nice

    def _forget(self, arrival: _Arrival) -> None:
        if self._desk.rules.keep:
            return
        try:
            self._desk.disk.unlink(arrival.path)
        except OSError as error:
            self._desk.fail("xfer-rx-remove", f"{arrival.message}: removing", arrival.fields, "remove", error)

    def _complain(self, arrival: _Arrival, err: str) -> None:
        self._desk.well = False
        message = f"{arrival.message} ({human_size(arrival.size)})"
        self._desk.log.event("xfer-rx", message, arrival.sized_fields, err)


class _Arrival:
    """A packet on the medium, and the words for it."""

    __slots__ = ("fields", "message", "name", "packet", "path", "sender", "size")

    def __init__(self, sender: NodeId, name: str, directory: str, entry: DirEntry, fields: Fields) -> None:
        self.sender = sender
        self.name = entry.name
        self.packet = PacketName.parse(entry.name)
        self.path = f"{directory}/{entry.name}"
        self.size = entry.size
        self.fields = [*fields, ("File", show(self.path))]
        self.message = f"Packet transfer, received from {name}: {show(self.path)}"

    @property
    def sized_fields(self) -> Fields:
        return [*self.fields, ("Size", str(self.size))]
