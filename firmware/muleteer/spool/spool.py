# SPDX-License-Identifier: GPL-3.0-or-later
"""The spool: packets that wait, by neighbour and direction, byte for byte as the reference's programs keep them.

Both may work in one spool at once. What keeps them apart is what keeps two of theirs apart: a packet appears by rename
and is never changed; ``toss.lock`` and ``tx.lock`` give one process a neighbour's rx or tx to work through.

Sources: nncp.md sections 10 (names, locks, order of steps) and 20 (seen).
"""

from __future__ import annotations

import errno

from muleteer.errors import SpoolLocked, SpoolMissing
from muleteer.formats.ids import NodeId, PacketName, is_packet_name
from muleteer.formats.magic import ENVELOPE
from muleteer.record import record
from muleteer.spool.disk import ensure_dir
from muleteer.spool.guard import GuardedFile, SpoolGuard
from muleteer.spool.layout import HEAD_SIZE, NOCK, PART, RX, Layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from muleteer.spool.batch import Batch
    from muleteer.spool.draft import Draft
    from muleteer.spool.port import Disk, DiskFile, Lock

# Magic, then the niceness as a 4-byte number whose upper three bytes must be zero: what every packet begins with.
_BEGINNING = ENVELOPE + b"\0\0\0"
_OWN_NAMES = frozenset(("tmp", "muleteer"))


@record
class Entry:
    """A waiting packet, as its own (not yet verified) header describes it."""

    name: PacketName
    nice: int
    size: int
    sender: NodeId
    recipient: NodeId


class Spool:
    """The spool in directory ``root``. ``headers=False`` writes no ``hdr/`` copies (the reference's ``nohdr``).

    All methods raise SpoolError or a subclass when the disk fails.
    """

    def __init__(self, root: str, disk: Disk, *, headers: bool = True) -> None:
        self.layout = Layout(root)
        self.disk = disk
        self.guard = SpoolGuard(disk, self.layout.root)
        self._headers = headers
        self._unsettled: dict[str, None] = {}
        self._buffers: list[bytearray] = []

    def check(self) -> None:
        """Raise SpoolMissing unless the spool directory is there."""
        root = self.layout.root
        try:
            found = self.disk.stat(f"{root}/.")
        except OSError as error:
            raise SpoolMissing(path=root, problem=error.strerror) from error
        if not found.is_dir:
            raise SpoolMissing(path=root, problem="not a directory")

    # ------------------------------------------------------------------------------------------ in and out

    def draft(self, *, hashed: bool = True) -> Draft:
        """Begin a packet: return an open draft in SPOOL/tmp."""
        from muleteer.spool.draft import Draft  # with blake3 behind it (over 1 ms); looking needs none

        return Draft(self.disk, self.layout.tmp, guard=self.guard, hashed=hashed, pool=self._buffers).open()

    def batch(self) -> Batch:
        """Begin a group commit; give it to :meth:`commit`."""
        from muleteer.spool.batch import Batch  # see above

        return Batch(self.disk, self.guard, after=self.settle)

    def commit(
        self,
        draft: Draft,
        node: NodeId,
        way: str,
        *,
        header: bytes | None = None,
        alias: str | None = None,
        batch: Batch | None = None,
        then: Callable[[], None] | None = None,
    ) -> PacketName:
        """Turn a written draft into a packet of ``node``, in "rx" or "tx"; return its name, the hash of its bytes.

        On return the packet survives a power cut; with ``batch``, from the moment ``then`` runs. ``header`` is copied
        to hdr/ (default: the draft's own beginning); ``alias`` is the neighbour's name, for the convenience link.
        """
        name = draft.finish_writing()
        head = header or draft.head

        def committed() -> None:
            if alias:
                self.link_alias(node, alias)
            if self._headers and len(head) == HEAD_SIZE:
                self._write_header(node, way, name, head)
            if then is not None:
                then()

        group = batch or self.batch()
        group.add(draft, self.layout.way(node, way), name, committed)
        if batch is None:
            group.flush()
        return name

    def finish(self, node: NodeId, way: str, name: PacketName, *, seen: bool = False, settle: bool = True) -> None:
        """Remove a packet that has been dealt with, first leaving a mark if ``seen``; it may be gone already.

        With ``settle=False`` the removal becomes durable at the next :meth:`settle`: a power cut before that brings
        the packet back, and it is delivered again.
        """
        directory = self.layout.way(node, way)
        with self.guard:
            if seen:
                self._mark_seen(node, name)
            self._remove(f"{directory}/{name}")
            self._remove(f"{directory}/hdr/{name}")
        self._unsettled[directory] = None
        if settle:
            self.settle()

    def settle(self) -> None:
        """Make removals durable, marks before them; a batch does it at the end of each commit.

        If it fails, a power cut may undo removals: those packets are delivered, or sent, again.
        """
        with self.guard:
            while self._unsettled:
                directory = list(self._unsettled)[0]  # noqa: RUF015 - at once: rounds in other threads add to it
                self._unsettled.pop(directory, None)
                try:
                    self.disk.fsync_dir(directory)
                except FileNotFoundError:
                    continue

    # ------------------------------------------------------------------------------------------ looking

    def nodes(self) -> list[NodeId]:
        """Return the nodes that have a directory in the spool."""
        with self.guard:
            found = self.disk.scandir(self.layout.root)
            return [NodeId.parse(entry.name) for entry in found if entry.is_dir and is_packet_name(entry.name)]

    def entries(
        self, node: NodeId, way: str, *, strange: Callable[[PacketName, int], None] | None = None
    ) -> list[Entry]:
        """Return the waiting packets, most urgent (lowest niceness) first, then by name.

        What is named like a packet but begins otherwise is left out and passed to ``strange`` with its size; links,
        directories and FIFOs are passed over. The header is read from the packet, not from hdr/: that costs the same
        number of system calls and cannot disagree with the packet.
        """
        by_nice: list[list[Entry]] = [[] for _ in range(256)]
        nodes: dict[bytes, NodeId] = {}
        for name, size, head in self._heads(node, way):
            if len(head) == HEAD_SIZE and head.startswith(_BEGINNING):
                sender, recipient = _node(nodes, head[12:44]), _node(nodes, head[44:76])
                by_nice[head[11]].append(Entry(PacketName.parse(name), head[11], size, sender, recipient))
            elif strange is not None:
                strange(PacketName.parse(name), size)
        return [entry for entries in by_nice for entry in entries]

    def tally(self, node: NodeId, way: str) -> dict[int, tuple[int, int]]:
        """Return how many packets, and how many bytes, wait under each niceness; half the work of :meth:`entries`."""
        found: dict[int, tuple[int, int]] = {}
        for _, size, head in self._heads(node, way):
            if len(head) == HEAD_SIZE and head.startswith(_BEGINNING):
                count, total = found.get(head[11], (0, 0))
                found[head[11]] = (count + 1, total + size)
        return found

    def parts(self, node: NodeId) -> list[tuple[PacketName, int]]:
        """Return unfinished downloads and how many bytes of each are here."""
        return self._suffixed(node, PART)

    def nocks(self, node: NodeId) -> list[tuple[PacketName, int]]:
        """Return complete downloads whose hash has not been checked, and their sizes."""
        return self._suffixed(node, NOCK)

    def has(self, node: NodeId, way: str, name: PacketName) -> bool:
        """Tell whether the packet waits here."""
        return self._is_file(self.path(node, way, name))

    def is_seen(self, node: NodeId, name: PacketName) -> bool:
        """Tell whether the packet was marked as delivered."""
        return self._is_file(f"{self.layout.seen(node)}/{name}")

    def path(self, node: NodeId, way: str, name: PacketName) -> str:
        """Return where the packet lies."""
        return self.layout.packet(node, way, name)

    def open(self, node: NodeId, way: str, name: PacketName) -> DiskFile:
        """Open a packet for reading; a link, directory or FIFO in its place is a SpoolError, as is none at all."""
        with self.guard:
            return GuardedFile(self.disk.open_read(self.path(node, way, name)), self.guard)

    # ------------------------------------------------------------------------------------------ sharing

    def lock(self, node: NodeId, what: str) -> Lock:
        """Take a neighbour's "toss", "tx" or "rx" lock now, until released; SpoolLocked if another process has it."""
        path = self.layout.lock(node, what)
        with self.guard:
            ensure_dir(self.disk, self.layout.way(node, RX))  # the reference makes it here, too
            try:
                return self.disk.lock(path)
            except BlockingIOError as error:
                raise SpoolLocked(lock=path) from error

    def link_alias(self, node: NodeId, alias: str) -> None:
        """Make the convenience link SPOOL/NAME -> SPOOL/ID; if that fails nobody misses it."""
        if alias in _OWN_NAMES or "/" in alias:
            return
        try:
            self.disk.symlink(self.layout.node(node), self.layout.alias(alias))
        except OSError:
            return

    # ------------------------------------------------------------------------------------------ inside

    def _heads(self, node: NodeId, way: str) -> Iterator[tuple[str, int, bytes]]:
        """Yield name, size and first bytes of the files that are named like packets, by name."""
        directory = self.layout.way(node, way)
        with self.guard:
            try:
                names = [name for name in self.disk.listdir(directory) if is_packet_name(name)]
            except (FileNotFoundError, NotADirectoryError):
                return
            names.sort()
            yield from self.disk.heads(directory, names, HEAD_SIZE)

    def _write_header(self, node: NodeId, way: str, name: PacketName, head: bytes) -> None:
        """Copy the header to hdr/ for the reference's listings; a cache, so neither synced nor missed on failure."""
        directory = self.layout.headers(node, way)
        from muleteer.spool.draft import Draft  # see above

        with Draft(self.disk, self.layout.tmp, hashed=False) as draft:
            try:
                draft.open()
                draft.write(head)
                ensure_dir(self.disk, directory)
                draft.rename_to(f"{directory}/{name}")
            except OSError:
                return

    def _mark_seen(self, node: NodeId, name: PacketName) -> None:
        directory = self.layout.seen(node)
        ensure_dir(self.disk, directory)
        try:
            self.disk.create(f"{directory}/{name}").close()
        except FileExistsError:
            return
        self._unsettled[directory] = None

    def _remove(self, path: str) -> None:
        try:
            self.disk.unlink(path)
        except (FileNotFoundError, NotADirectoryError):
            return

    def _is_file(self, path: str) -> bool:
        with self.guard:
            try:
                return self.disk.stat(path).is_file
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.ENOTDIR):
                    return False
                raise

    def _suffixed(self, node: NodeId, suffix: str) -> list[tuple[PacketName, int]]:
        directory = self.layout.way(node, RX)
        found = []
        with self.guard:
            try:
                names = sorted(name for name in self.disk.listdir(directory) if name.endswith(suffix))
            except (FileNotFoundError, NotADirectoryError):
                return []
            for name in names:  # few: looking at each file, as a scandir would, takes as long as a whole listing
                stem = name.removesuffix(suffix)
                try:
                    if is_packet_name(stem) and (entry := self.disk.stat(f"{directory}/{name}")).is_file:
                        found.append((PacketName.parse(stem), entry.size))
                except FileNotFoundError:
                    continue
        return found


def _node(known: dict[bytes, NodeId], raw: bytes) -> NodeId:
    """Return one object per node: ten thousand packets of one neighbour share it."""
    node = known.get(raw)
    if node is None:
        node = known[raw] = NodeId(raw)
    return node
