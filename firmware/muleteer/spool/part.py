# SPDX-License-Identifier: GPL-3.0-or-later
"""An unfinished download: the ritual for packets that come in pieces, over several sessions if need be.

The bytes so far lie in rx/<PKT>.part; its length is where the next session resumes (nncp.md sections 10 and 15). What a
session finds there, after a cut or not, and what is done about it:

    =====================================  ==========================================================================
    found                                  done
    =====================================  ==========================================================================
    .part shorter than the packet          resumed behind its last byte. It may hold zeros or lack its end after a
                                           power cut; the hash of the whole tells, see below
    .part as long as the packet            nothing is asked for: checked at once
    .part longer than the packet           removed, fetched from the start
    complete, and hashes to its name       fsync, rename to the packet's name, fsync of the directory, only then DONE
    complete, but hashes to another name   removed, fetched from the start; once in a session, so that a peer with a
                                           damaged packet costs one transfer, not an endless row of them
    complete, but its fsync fails          removed: a later fsync would report success for bytes that are gone
    .nock (complete, never checked)        checked as above. The reference stays silent about such a packet for ever
                                           once its hash is wrong; here it is removed and fetched
    the packet itself                      DONE, if it hashes to its name and its directory can be synced
    =====================================  ==========================================================================

What arrives is hashed while it is written, from wherever the session began; only what was there before is read once
more, at the end. So a download in one go is never read back.
"""

from __future__ import annotations

from muleteer.formats.mth import MthHasher
from muleteer.spool.disk import ensure_dir
from muleteer.spool.draft import THREAD_BYTES, Draft
from muleteer.spool.layout import HEAD_SIZE, NOCK, PART, RX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from muleteer.formats.ids import NodeId, PacketName
    from muleteer.spool.port import Disk, DiskFile
    from muleteer.spool.spool import Spool

_PIECE = 1 << 19


class Part(Draft):
    """The download of one packet of `total` bytes, of which `offset` are here already.

    A draft whose temporary name is the .part, so that it is committed like any other (`Spool.commit`) once `check` has
    said yes. Unlike one it is not discarded when the session ends: `put_away` keeps it for the next. `suffix` is NOCK
    for a complete download that was never checked. Raises SpoolError when the disk fails.
    """

    def __init__(
        self,
        spool: Spool,
        node: NodeId,
        name: PacketName,
        total: int,
        offset: int = 0,
        *,
        suffix: str = PART,
        thread_bytes: int = THREAD_BYTES,
    ) -> None:
        self._rx = spool.layout.way(node, RX)
        super().__init__(spool.disk, self._rx, guard=spool.guard, thread_bytes=thread_bytes)
        self.name = name
        self.total = total
        self.offset = offset
        self.size = offset
        self.path = f"{self._rx}/{name}{suffix}"
        self._prefix_hasher = self._hasher = MthHasher(offset)
        self._pushed_out = offset
        self._is_sound = self._is_durable = self._is_named = False

    def open(self) -> Self:
        """Open the file, or create it if there is nothing to resume."""
        with self._guard:
            if self.offset:
                self._file = self._disk.append(self.path)
                self.head = self._read_head()
            else:
                self._file = self._create()
        return self

    def put_away(self) -> None:
        """Close the file and keep what is there."""
        try:
            self.flush()
        finally:
            self._close()

    def check(self, stop: Callable[[], bool] | None = None, *, sync: bool = True) -> bool | None:
        """Tell whether the download is whole and hashes to its name, and if so make its bytes durable.

        Takes as long as it takes to read what was there before, and to sync; may run in another thread while nobody
        else touches the download. None if `stop` said so in the middle. With `sync=False` its batch makes it durable.
        """
        self.flush()
        with self._guard:
            file = self._opened()
            if file.size() != self.total or not file.names():  # somebody shortened or removed it
                return False
            if not self._read_beginning(stop):
                return None
            if self._prefix_hasher.missing or self.finish_writing() != self.name:
                return False
            self._is_sound = True
            if sync:
                self._make_durable()
            return True

    def set_aside(self) -> None:
        """Leave a complete download unchecked, as .nock, durably."""
        self.flush()
        with self._guard:
            self._make_durable()
            self._disk.rename(self.path, f"{self._rx}/{self.name}{NOCK}")
            self._close()
            self._disk.fsync_dir(self._rx)

    def start_sync(self) -> None:
        """See `Draft`; nothing to do if `check` has synced it."""
        if not self._is_durable:
            super().start_sync()

    def sync(self) -> None:
        """See `Draft`; nothing to do if `check` has synced it. Raises ValueError if there was no check."""
        if not self._is_sound:
            raise ValueError("the download has not been checked")
        if not self._is_durable:
            super().sync()

    def rename_to(self, path: str) -> None:
        """See `Draft`."""
        super().rename_to(path)
        self._is_named = True

    def discard(self) -> None:
        """Remove it unless it has its final name; may be repeated."""
        was_open = self._file is not None
        super().discard()
        if not was_open and not self._is_named:
            discard_download(self._disk, self.path)

    def _make_durable(self) -> None:
        file = self._opened()
        file.drop_cache(self._pushed_out)
        try:
            file.fsync()
        except OSError:
            self.discard()
            raise
        self._is_durable = True

    def _create(self) -> DiskFile:
        """Begin anew; what has the name is of no use."""
        discard_download(self._disk, self.path)
        try:
            return self._disk.create(self.path)
        except FileNotFoundError:
            ensure_dir(self._disk, self._rx)
            return self._disk.create(self.path)

    def _read_head(self) -> bytes:
        with self._disk.open_read(self.path) as file:
            view = memoryview(bytearray(min(self.offset, HEAD_SIZE)))
            return bytes(view[: file.read_into(view)])

    def _read_beginning(self, stop: Callable[[], bool] | None) -> bool:
        """Hash what was there before this session; False if `stop` said so."""
        hasher = self._prefix_hasher
        if not hasher.missing:
            return True
        buffer = memoryview(bytearray(min(_PIECE, hasher.missing)))
        with self._disk.open_read(self.path) as file:
            while count := file.read_into(buffer[: hasher.missing]):
                hasher.prepend(buffer[:count])
                if stop is not None and stop():
                    return False
        return True


def discard_download(disk: Disk, path: str) -> None:
    """Remove a .part or .nock as well as the disk lets us: whoever finds it again will check it."""
    try:
        disk.unlink(path)
    except OSError:
        return
