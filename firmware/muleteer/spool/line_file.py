# SPDX-License-Identifier: GPL-3.0-or-later
"""A small memory that grows by lines: appended and synced under a lock, each with its own check, rewritten when worn.

    <magic> <generation>
    <words> <crc>          CRC-32 of what stands before it, 8 hexadecimal digits
    ...

What start-up finds if the power goes: every line that was promised, perhaps followed by a torn one, which does not
check and is passed over; the next writer ends it. When most lines are history the file is rewritten by the ritual, with
a new generation, which tells other processes to read it from the beginning. If the disk refuses to sync a line, the
file is thrown away and written anew with what was known before.
"""

from __future__ import annotations

from binascii import crc32

from muleteer.errors import BadEncoding
from muleteer.spool.batch import Batch
from muleteer.spool.disk import ensure_dir
from muleteer.spool.draft import Draft

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Protocol

    from muleteer.spool.port import DiskFile, Lock
    from muleteer.spool.spool import Spool

    class Memory(Protocol):
        """What the lines say, in memory."""

        def clear(self) -> None:
            """Forget everything."""

        def take(self, words: list[str]) -> None:
            """Take in one line; ValueError or BadEncoding if it is none of ours: it is passed over."""

        def lines(self) -> Iterable[str]:
            """Return the lines, without check, that say all there is to know."""

        def worn(self, lines: int) -> bool:
            """Tell whether a file of so many lines is mostly history."""


_GENERATION_SIZE = 32


class LineFile:
    """One such file. All methods raise SpoolError when the disk fails."""

    def __init__(self, spool: Spool, path: str, magic: str, memory: Memory) -> None:
        self._disk = spool.disk
        self._guard = spool.guard
        self._tmp = spool.layout.tmp
        self._path = path
        self._magic = magic.encode() + b" "
        self._header_size = len(self._magic) + _GENERATION_SIZE + 1
        self._memory = memory
        self._generation = b""
        self._offset = 0
        self._lines = 0

    def read(self) -> None:
        """Take in what was appended since the last look, by us or by another process."""
        with self._guard:
            self._read()

    def append(self, make: Callable[[], Iterable[str]]) -> None:
        """Append the lines that ``make`` returns, which is called with everything read and nobody else at work."""
        with self._guard, self._lock():
            self._read()
            lines = [_seal(line) for line in make()]
            if not lines:
                return
            if not self._is_header(self._generation):
                self._rewrite()
            with self._disk.append(self._path) as file:
                torn = file.size() > self._offset
                file.write((b"\n" if torn else b"") + b"".join(lines))
                self._sync(file)
            self._read()
            if self._memory.worn(self._lines):
                self._rewrite()

    # ------------------------------------------------------------------------------------------ reading

    def _read(self) -> None:
        try:
            file = self._disk.open_read(self._path)
        except FileNotFoundError:
            self._reset(b"")
            return
        with file:
            generation = _read_at(file, 0, self._header_size)
            if generation != self._generation or file.size() < self._offset:
                self._reset(generation)
            if not self._is_header(generation):
                return
            tail = _read_at(file, self._offset, file.size() - self._offset)
        whole = tail.rfind(b"\n") + 1  # what follows may be half a line that another process is writing
        for line in tail[:whole].split(b"\n")[:-1]:
            self._lines += 1
            self._take(line)
        self._offset += whole

    def _reset(self, generation: bytes) -> None:
        self._generation = generation
        self._memory.clear()
        self._offset = self._header_size
        self._lines = 0

    def _take(self, line: bytes) -> None:
        body, _, check = line.rpartition(b" ")
        if check != _crc(body):
            return
        try:
            self._memory.take(body.decode("ascii").split(" "))
        except (BadEncoding, ValueError):
            return

    def _is_header(self, line: bytes) -> bool:
        return len(line) == self._header_size and line.startswith(self._magic) and line.endswith(b"\n")

    # ------------------------------------------------------------------------------------------ writing

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
        lines = [_seal(line) for line in self._memory.lines()]
        directory, _, name = self._path.rpartition("/")
        with Draft(self._disk, self._tmp, hashed=False) as draft, Batch(self._disk) as batch:
            header = self._magic + self._disk.unique().encode() + b"\n"
            draft.open().write(header + b"".join(lines))
            batch.add(draft, directory, name)
        self._read()


def escape(text: str) -> str:
    """Return a name as one word of ASCII: labels of sticks contain anything."""
    return "".join(chr(b) if b in _PLAIN else f"%{b:02X}" for b in text.encode("utf-8", "surrogateescape")) or "%"


def unescape(word: str) -> str:
    """Return what was escaped. Raises ValueError if it is no such word."""
    if word == "%":
        return ""
    first, *rest = word.split("%")
    raw = first.encode() + b"".join(bytes.fromhex(part[:2]) + part[2:].encode() for part in rest)
    return raw.decode("utf-8", "surrogateescape")


_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:")


def _read_at(file: DiskFile, offset: int, size: int) -> bytes:
    file.seek(offset)
    buffer = bytearray(size)
    view, filled = memoryview(buffer), 0
    while filled < size and (count := file.read_into(view[filled:])):
        filled += count
    return bytes(view[:filled])


def _seal(body: str) -> bytes:
    raw = body.encode("ascii")
    return raw + b" " + _crc(raw) + b"\n"


def _crc(body: bytes) -> bytes:
    return b"%08x" % crc32(body)
