# SPDX-License-Identifier: GPL-3.0-or-later
"""The sending half of ``nncp-xfer``: from tx to ``DIR/<recipient>/<us>/``."""

from __future__ import annotations

from muleteer.carriers.xfer_desk import GROUP_MAX, copy_rest, read_start, spelled, spelled_node
from muleteer.errors import SpoolError, SpoolLocked
from muleteer.formats.recfile import human_size
from muleteer.formats.safename import show
from muleteer.spool.batch import Batch
from muleteer.spool.draft import Draft
from muleteer.spool.layout import PART, TX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.carriers.xfer_desk import Desk
    from muleteer.formats.ids import NodeId
    from muleteer.spool.spool import Entry

DRAFT_PREFIX = "nncpxfer"


class Sender:
    """Leaves the queued packets of one neighbour at a time."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def run(self, node: NodeId) -> None:
        """Send what waits for `node`, unless another process is doing so. Raises SpoolError when our own disk fails."""
        try:
            lock = self._desk.spool.lock(node, TX)
        except SpoolLocked as error:
            path = str(error.facts["lock"])
            busy = "resource temporarily unavailable"
            self._desk.log.event("lockdir-flock", f"Locking directory: locking {path}", [("Path", path)], busy)
            return
        with lock:
            directory = self._outbound(node)
            if directory:
                self._send(node, directory)

    def _outbound(self, node: NodeId) -> str:
        """Return the directory for what we send to a node, made as the rules allow; empty if there is none."""
        above = f"{self._desk.rules.directory}/{node}"
        directory = f"{above}/{self._desk.rules.own}"
        if self._make(node, above, may=self._desk.rules.mkdir) and self._make(node, directory, may=True):
            return directory
        return ""

    def _make(self, node: NodeId, path: str, *, may: bool) -> bool:
        """Make a directory if it is missing and we may; tell whether something is there now."""
        fields = [("XX", TX), ("Node", str(node)), ("Dir", path)]
        message = f"{self._sent_to(node)}: directory {show(path)}"
        try:
            if self._desk.exists(path):
                return True
        except OSError as error:
            self._desk.fail("xfer-tx", message, fields, "stat", error)
            return False
        try:
            if may:
                self._desk.disk.mkdir(path)
        except OSError as error:
            self._desk.fail("xfer-tx-mkdir", message, fields, "mkdir", error)
            return False
        return may

    def _send(self, node: NodeId, directory: str) -> None:
        node = spelled_node(node)
        fields = [("XX", TX), ("Node", str(node)), ("Dir", directory)]
        try:
            there = set(self._desk.disk.listdir(directory))
        except OSError as error:
            self._desk.fail("xfer-tx", f"{self._sent_to(node)}: directory {show(directory)}", fields, "open", error)
            return
        try:
            with Batch(self._desk.disk, after=self._desk.settle, drafts_max=GROUP_MAX) as batch:
                for entry in self._desk.spool.entries(node, TX):
                    if entry.nice > self._desk.rules.nice:
                        continue
                    departure = _Departure(node, directory, entry, self._sent_to(node))
                    if departure.name not in there:
                        self._send_one(departure, there, batch)
        except OSError as error:
            self._desk.fail("xfer-tx", f"{self._sent_to(node)}: committing", fields, "sync", error)

    def _send_one(self, departure: _Departure, there: set[str], batch: Batch) -> None:
        try:
            draft = self._copy_out(departure)
        except SpoolError as error:  # most likely another program has just dealt with it
            self._desk.well = False
            self._desk.log.event("xfer-tx", f"{departure.message}: opening", departure.fields, str(error))
            return
        except OSError as error:
            # What is written so far stays in the batch: a smaller packet may still find room.
            self._desk.fail("xfer-tx", f"{departure.message}: copying", departure.fields, "write", error)
            return

        def sent() -> None:
            if departure.leftover in there:
                self._desk.disk.unlink(f"{departure.directory}/{departure.leftover}")
            if not self._desk.rules.keep:
                self._desk.spool.finish(departure.node, TX, departure.packet, settle=False)
            self._desk.done("xfer-tx", departure.message, departure.fields)

        batch.add(draft, departure.directory, departure.name, sent)

    def _copy_out(self, departure: _Departure) -> Draft:
        with self._desk.spool.open(departure.node, TX, departure.packet) as file:
            draft = Draft(self._desk.disk, departure.directory, prefix=DRAFT_PREFIX, hashed=False).open()
            try:
                start = read_start(file, departure.size)
                copy_rest(file, draft, start, departure.size, self._desk.watch("Tx", departure.name, departure.size))
                draft.flush()
            except BaseException:
                draft.discard()
                raise
        return draft

    def _sent_to(self, node: NodeId) -> str:
        return f"Packet transfer, sent to {self._desk.rules.names[node]}"


class _Departure:
    """A packet on its way to the medium, and the words for it."""

    __slots__ = ("directory", "fields", "leftover", "message", "name", "node", "packet", "size")

    def __init__(self, node: NodeId, directory: str, entry: Entry, message: str) -> None:
        self.node = node
        self.directory = directory
        self.packet = spelled(entry.name)
        self.name = self.packet.text
        self.size = entry.size
        self.leftover = f"{self.name}{PART}"
        self.fields = [("XX", TX), ("Node", str(node)), ("Pkt", self.name), ("Size", str(entry.size))]
        self.message = f"{message}: {self.name} ({human_size(entry.size)})"
