# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a packet in rx could not be processed, and when to try it again.

The packet itself stays in rx, where the reference's programs see it, too; only the reason is ours. A record is one
small file, SPOOL/muleteer/aside/<NODE>/<PKT>, written by the ritual: after a power cut it is there or it is not, and a
missing record only means that the packet is tried again at once. A record whose packet is gone (processed by the
reference's toss) is removed by the sweep.

    muleteer-aside 1
    first: 1700000000       Unix time of the first failure
    last: 1700000060        ... and of the latest
    tries: 2
    reason: one line for people

    output of the failed exec handle, if any: the last OUTPUT_MAX bytes
"""

from __future__ import annotations

from muleteer.formats.ids import NodeId, PacketName, is_packet_name
from muleteer.record import record
from muleteer.spool.batch import Batch
from muleteer.spool.disk import read_whole
from muleteer.spool.draft import Draft
from muleteer.spool.layout import RX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.spool.spool import Spool

OUTPUT_MAX = 64 << 10
REASON_MAX = 500
RECORD_MAX = OUTPUT_MAX + 4096
RETRY_FIRST_SECONDS = 60
RETRY_LAST_SECONDS = 6 * 3600
_MAGIC = b"muleteer-aside 1\n"


@record
class Note:
    """One packet that waits in rx because it could not be processed. Times are Unix seconds."""

    node: NodeId
    name: PacketName
    reason: str
    first: float
    last: float
    tries: int
    output: bytes

    @property
    def due_at(self) -> float:
        """When to try again: a minute after the first failure, then twice as long each time, up to six hours."""
        doublings = min(self.tries - 1, 30)
        return self.last + min(RETRY_FIRST_SECONDS << doublings, RETRY_LAST_SECONDS)

    def is_due(self, now: float) -> bool:
        """Tell whether to try now; yes also when the clock has gone back behind the failure."""
        return now >= self.due_at or now < self.last


class Aside:
    """The set-aside records of one spool. All methods raise SpoolError when the disk fails."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._disk = spool.disk
        self._layout = spool.layout

    def note(self, node: NodeId, name: PacketName, reason: str, now: float, output: bytes = b"") -> Note:
        """Record one more failure, durably, and return the record. ``reason`` must be fit for a screen."""
        before = self.get(node, name)
        after = Note(
            node=node,
            name=name,
            reason=" ".join(reason.split())[:REASON_MAX],
            first=before.first if before else now,
            last=now,
            tries=before.tries + 1 if before else 1,
            output=output[-OUTPUT_MAX:],
        )
        with Draft(self._disk, self._layout.tmp, hashed=False, guard=self._spool.guard) as draft:
            draft.open().write(_pack(after))
            with Batch(self._disk, self._spool.guard) as batch:
                batch.add(draft, self._layout.aside_of(node), name)
        return after

    def get(self, node: NodeId, name: PacketName) -> Note | None:
        """Return the record of a packet, None if there is none (or none that can be read)."""
        with self._spool.guard:
            try:
                data = read_whole(self._disk, f"{self._layout.aside_of(node)}/{name}", RECORD_MAX)
            except (FileNotFoundError, NotADirectoryError):
                return None
        return _unpack(node, name, data)

    def all(self) -> list[Note]:
        """Return every record whose packet still waits, the oldest failure first."""
        notes = [
            note
            for node, name in self.records()
            if self._spool.has(node, RX, name) and (note := self.get(node, name)) is not None
        ]
        return sorted(notes, key=lambda note: note.first)

    def due(self, now: float) -> list[Note]:
        """Return the records whose packets should be tried again now."""
        return [note for note in self.all() if note.is_due(now)]

    def clear(self, node: NodeId, name: PacketName) -> None:
        """Forget a packet that has been processed; there need not be a record."""
        with self._spool.guard:
            try:
                self._disk.unlink(f"{self._layout.aside_of(node)}/{name}")
            except (FileNotFoundError, NotADirectoryError):
                return

    def records(self) -> list[tuple[NodeId, PacketName]]:
        """Return the packets that have a record, whether or not they still wait."""
        return [
            (NodeId.parse(node), PacketName.parse(name))
            for node in self._names(self._layout.aside)
            for name in self._names(f"{self._layout.aside}/{node}")
        ]

    def _names(self, directory: str) -> list[str]:
        with self._spool.guard:
            try:
                return sorted(name for name in self._disk.listdir(directory) if is_packet_name(name))
            except (FileNotFoundError, NotADirectoryError):
                return []


def _pack(note: Note) -> bytes:
    fields = f"first: {note.first:.0f}\nlast: {note.last:.0f}\ntries: {note.tries}\nreason: {note.reason}\n\n"
    return _MAGIC + fields.encode("utf-8", "backslashreplace") + note.output


def _unpack(node: NodeId, name: PacketName, data: bytes) -> Note | None:
    """Return what a record says, None if it is damaged: then the packet is simply tried again."""
    head, _, output = data.partition(b"\n\n")
    if not head.startswith(_MAGIC):
        return None
    try:
        lines = (line.partition(": ") for line in head[len(_MAGIC) :].decode().split("\n"))
        fields = {key: value for key, _, value in lines}
        return Note(
            node=node,
            name=name,
            reason=fields["reason"],
            first=float(fields["first"]),
            last=float(fields["last"]),
            tries=max(1, int(fields["tries"])),
            output=output,
        )
    except (KeyError, ValueError):
        return None
