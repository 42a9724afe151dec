# SPDX-License-Identifier: GPL-3.0-or-later
"""The receiving half of ``nncp-xfer``: from ``DIR/<us>/<sender>/`` into rx."""

from __future__ import annotations

from muleteer.carriers.xfer_desk import copy_rest
from muleteer.formats.envelope_header import HEADER_SIZE
from muleteer.formats.ids import NodeId, PacketName, is_packet_name
from muleteer.formats.magic import ENVELOPE
from muleteer.formats.recfile import human_size
from muleteer.formats.safename import show
from muleteer.spool.check import is_sound
from muleteer.spool.layout import RX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.carriers.xfer_desk import Desk, Fields
    from muleteer.spool.batch import Batch
    from muleteer.spool.disk import DirEntry
    from muleteer.spool.port import DiskFile

_HEADER_START = ENVELOPE + b"\0\0\0"  # then the niceness


class Receiver:
    """Takes in what is for us from known neighbours."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

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
        with self._desk.spool.batch() as batch:
            for entry in sorted(found, key=lambda entry: entry.name):
                self._receive_one(_Arrival(sender, name, directory, entry, fields), batch)

    def _receive_one(self, arrival: _Arrival, batch: Batch) -> None:
        if self._desk.spool.is_seen(arrival.sender, arrival.packet):
            self._desk.log.event("xfer-rx-seen", f"{arrival.message}: packet already seen", arrival.fields)
            self._forget(arrival)
            return
        try:
            with self._desk.disk.open_read(arrival.path) as file:
                self._copy_in(arrival, file, batch)
        except OSError as error:
            self._desk.fail("xfer-rx", arrival.message, arrival.fields, "open", error)

    def _copy_in(self, arrival: _Arrival, file: DiskFile, batch: Batch) -> None:
        buffer = memoryview(bytearray(HEADER_SIZE))
        head = bytes(buffer[: file.read_into(buffer)])
        if not self._is_wanted(head):
            return

        def received() -> None:
            self._desk.log.event("xfer-rx", f"{arrival.message} ({human_size(arrival.size)})", arrival.sized_fields)
            self._forget(arrival)

        if self._is_here(arrival):
            received()
            return
        if self._desk.disk.free_bytes(self._desk.spool.layout.root) <= arrival.size:
            self._complain(arrival, "is not enough space")
            return
        draft = self._desk.spool.draft()
        try:
            copy_rest(file, draft, head, self._desk.watch("Rx", arrival.path, arrival.size))
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
        return len(head) == HEADER_SIZE and head.startswith(_HEADER_START) and 1 <= head[11] <= self._desk.rules.nice

    def _is_here(self, arrival: _Arrival) -> bool:
        """Tell whether the very same packet is in rx already; a damaged one there is to be replaced."""
        path = self._desk.spool.path(arrival.sender, RX, arrival.packet)
        try:
            known = self._desk.disk.stat(path)
        except OSError:
            return False
        return (
            known.is_file
            and known.size == arrival.size
            and is_sound(self._desk.spool, arrival.sender, RX, arrival.packet)
        )

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

    __slots__ = ("fields", "message", "packet", "path", "sender", "size")

    def __init__(self, sender: NodeId, name: str, directory: str, entry: DirEntry, fields: Fields) -> None:
        self.sender = sender
        self.packet = PacketName.parse(entry.name)
        self.path = f"{directory}/{entry.name}"
        self.size = entry.size
        self.fields = [*fields, ("File", show(self.path))]
        self.message = f"Packet transfer, received from {name}: {show(self.path)}"

    @property
    def sized_fields(self) -> Fields:
        return [*self.fields, ("Size", str(self.size))]
