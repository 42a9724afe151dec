# SPDX-License-Identifier: GPL-3.0-or-later
"""Which runner carries a copy of which packet in tx, and since when.

Where a neighbour acknowledges, its packets stay in tx after they went out on a stick; the ledger keeps us from loading
the same packet on each stick that comes by, and tells when a runner is overdue and the next one should carry it again.
Losing it would cost copies, never mail, so it is kept simple:

SPOOL/muleteer/ledger is a text of lines, appended and synced under ``ledger.lock``; each ends in the CRC-32 of what
stands before it. Lines that do not check (a torn tail) are passed over.

    muleteer-ledger 1 <generation>
    + <since> <NODE> <PKT> <runner> <crc>        a copy of PKT, for NODE, left on this runner
    - <PKT> <crc>                                PKT is no longer in tx

When most lines are history the file is rewritten by the ritual, with a new generation, which tells other processes to
read it from the beginning.
"""

from __future__ import annotations

from binascii import crc32

from muleteer.errors import BadEncoding
from muleteer.formats.ids import NodeId, PacketName
from muleteer.record import record
from muleteer.spool.batch import Batch
from muleteer.spool.disk import ensure_dir
from muleteer.spool.draft import Draft

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from muleteer.spool.port import DiskFile, Lock
    from muleteer.spool.spool import Spool

COPIES_MAX = 8  # runners remembered per packet; older ones have long been superseded
PACKETS_MAX = 100_000  # 13 MB of ledger; a longer queue forgets its oldest entries and loads those again
RUNNER_MAX = 64
_HISTORY_MAX = 256
_MAGIC = b"muleteer-ledger 1 "
_HEADER_SIZE = len(_MAGIC) + 32 + 1


@record
class Carried:
    """One copy: ``since`` is Unix time in seconds."""

    runner: str
    node: NodeId
    name: PacketName
    since: int


class Ledger:
    """The ledger of one spool. All methods raise SpoolError when the disk fails."""

    def __init__(self, spool: Spool) -> None:
        self._disk = spool.disk
        self._guard = spool.guard
        self._tmp = spool.layout.tmp
        self._path = spool.layout.ledger
        self._copies: dict[PacketName, list[Carried]] = {}
        self._generation = b""
        self._offset = 0
        self._lines = 0

    def carried(self, runner: str, node: NodeId, names: Iterable[PacketName], now: float) -> None:
        """Record that the runner left with copies of these packets of ``node``; durable on return."""
        self._append([_plus(Carried(runner[:RUNNER_MAX], node, name, int(now))) for name in names])

    def forget(self, names: Iterable[PacketName]) -> None:
        """Record that these packets are no longer in tx (acknowledged, removed); durable on return."""
        with self._guard:
            self._read()
        self._append([_seal(f"- {name}") for name in names if name in self._copies])

    def where(self, name: PacketName) -> list[Carried]:
        """Return the copies of a packet, the latest last."""
        with self._guard:
            self._read()
        return list(self._copies.get(name, ()))

    def names(self) -> list[PacketName]:
        """Return the packets that some runner carries."""
        with self._guard:
            self._read()
        return list(self._copies)

    def overdue(self, now: float, seconds: float, node: NodeId | None = None) -> list[Carried]:
        """Return the latest copy of each packet (of ``node``) that left longer ago than ``seconds``.

        A copy that left in the future, because the clock was wrong then or is now, counts as overdue: one copy too
        many is better than a packet that waits for the year 2099.
        """
        with self._guard:
            self._read()
        latest = (copies[-1] for copies in self._copies.values())
        return [copy for copy in latest if (node is None or copy.node == node) and not 0 <= now - copy.since <= seconds]

    def tidy(self, keep: Iterable[PacketName]) -> int:
        """Forget every packet that is not in ``keep``, and rewrite the file if that made it mostly history."""
        wanted = set(keep)
        gone = [name for name in self.names() if name not in wanted]
        if gone:
            self.forget(gone)
        return len(gone)

    # ------------------------------------------------------------------------------------------ reading

    def _read(self) -> None:
        """Take in what was appended since the last look, by us or by another process."""
        try:
            file = self._disk.open_read(self._path)
        except FileNotFoundError:
            self._reset(b"")
            return
        with file:
            generation = _read_at(file, 0, _HEADER_SIZE)
            if generation != self._generation or file.size() < self._offset:
                self._reset(generation)
            if not _is_header(generation):
                return
            tail = _read_at(file, self._offset, file.size() - self._offset)
        whole = tail.rfind(b"\n") + 1  # what follows may be half a line that another process is writing
        for line in tail[:whole].split(b"\n")[:-1]:
            self._lines += 1
            self._apply(line)
        self._offset += whole

    def _reset(self, generation: bytes) -> None:
        self._generation = generation
        self._copies = {}
        self._offset = _HEADER_SIZE
        self._lines = 0

    def _apply(self, line: bytes) -> None:
        body, _, check = line.rpartition(b" ")
        if check != _crc(body):
            return
        match body.decode("ascii").split(" "):
            case ["+", since, node, name, runner]:
                try:
                    copy = Carried(_unescape(runner), NodeId.parse(node), PacketName.parse(name), int(since))
                except (BadEncoding, ValueError):
                    return
                copies = [old for old in self._copies.pop(copy.name, ()) if old.runner != copy.runner]
                self._copies[copy.name] = [*copies[1 - COPIES_MAX :], copy]
            case ["-", name]:
                self._copies.pop(PacketName.parse(name), None)

    # ------------------------------------------------------------------------------------------ writing

    def _append(self, lines: list[bytes]) -> None:
        if not lines:
            return
        with self._guard, self._lock():
            self._read()
            if not _is_header(self._generation):
                self._rewrite()
            with self._disk.append(self._path) as file:
                torn = file.size() > self._offset
                file.write((b"\n" if torn else b"") + b"".join(lines))
                self._sync(file)
            self._read()
            if self._lines > 2 * len(self._copies) + _HISTORY_MAX or len(self._copies) > PACKETS_MAX:
                self._rewrite()

    def _sync(self, file: DiskFile) -> None:
        """Sync what was appended; if that fails, throw the file away and write anew what was known before."""
        try:
            file.fsync()
        except OSError as error:
            try:
                self._rewrite()
            except OSError:  # the disk refuses this, too: its first error is what counts
                raise error from None
            raise

    def _lock(self) -> Lock:
        ensure_dir(self._disk, self._path.rpartition("/")[0])
        return self._disk.lock(f"{self._path}.lock", wait=True)

    def _rewrite(self) -> None:
        newest = list(self._copies.values())[-PACKETS_MAX:]
        lines = [_plus(copy) for copies in newest for copy in copies]
        directory, _, name = self._path.rpartition("/")
        with Draft(self._disk, self._tmp, hashed=False) as draft, Batch(self._disk) as batch:
            header = _MAGIC + self._disk.unique().encode() + b"\n"
            draft.open().write(header + b"".join(lines))
            batch.add(draft, directory, name)
        self._read()


def _is_header(line: bytes) -> bool:
    return len(line) == _HEADER_SIZE and line.startswith(_MAGIC) and line.endswith(b"\n")


def _read_at(file: DiskFile, offset: int, size: int) -> bytes:
    file.seek(offset)
    buffer = bytearray(size)
    view, filled = memoryview(buffer), 0
    while filled < size and (count := file.read_into(view[filled:])):
        filled += count
    return bytes(view[:filled])


def _plus(copy: Carried) -> bytes:
    return _seal(f"+ {copy.since} {copy.node} {copy.name} {_escape(copy.runner)}")


def _seal(body: str) -> bytes:
    raw = body.encode("ascii")
    return raw + b" " + _crc(raw) + b"\n"


def _crc(body: bytes) -> bytes:
    return b"%08x" % crc32(body)


def _escape(runner: str) -> str:
    """Return the runner's name as one word of ASCII: labels of sticks contain anything."""
    return "".join(chr(b) if b in _PLAIN else f"%{b:02X}" for b in runner.encode("utf-8", "surrogateescape")) or "%"


def _unescape(word: str) -> str:
    if word == "%":
        return ""
    first, *rest = word.split("%")
    raw = first.encode() + b"".join(bytes.fromhex(part[:2]) + part[2:].encode() for part in rest)
    return raw.decode("utf-8", "surrogateescape")


_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:")
