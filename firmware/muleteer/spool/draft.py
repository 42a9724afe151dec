# SPDX-License-Identifier: GPL-3.0-or-later
"""The ritual, first half: a file that is not yet entitled to its name.

A draft is a temporary file whose bytes are hashed while they are written. What start-up finds if the power goes:

    ====================================  =============================  ==============================
    the power went                        found                          done about it (``sweep``)
    ====================================  =============================  ==============================
    while writing, or before the rename   SPOOL/tmp/nncp<hex>, torn      removed: nothing was promised
    after the rename, before the          either of the two names        the draft is removed; a packet
    directory was synced                                                 under its name is whole: kept
    after the directory was synced        the final name                 nothing
    ====================================  =============================  ==============================

The order that makes this so: write, hash, fsync the file, rename, fsync the directory, only then delete the source.
The second half of it (from fsync on) stands in :mod:`.batch`, for one draft and for many.

While a draft is being written its owner holds a flock on it: a sweep at the same moment sees that and leaves it.

Small drafts are written where they are given. Past THREAD_BYTES a worker thread hashes and writes, so that sealing and
writing overlap (x1.4 for 1 GiB on two cores); at most three buffers are ever in flight, which bounds the memory.
"""

from __future__ import annotations

import errno

from muleteer.formats.mth import MthHasher
from muleteer.spool.disk import ensure_dir
from muleteer.spool.layout import DRAFT_PREFIX, HEAD_SIZE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import Self

    from muleteer.formats.ids import PacketName
    from muleteer.spool.overlap import Overlap
    from muleteer.spool.port import Buffer, Disk, DiskFile

BUFFER_SIZE = 172 + 4 * 131088
"""Bytes of a lent buffer: what ``formats.sealer`` hands over at once (a test compares; importing it costs start-up)."""

THREAD_BYTES = 1 << 20
WRITEBACK_BYTES = 8 << 20
POOLED_MAX = 2
_TRIES = 100


class NoGuard:
    """Lets OSError through as it is; the spool passes its own guard instead."""

    __slots__ = ()

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc_info: object) -> None:
        return None


class Draft:
    """A temporary file in ``directory``; :meth:`open` creates it, leaving the ``with`` block discards it.

    It is not discarded if it has its name by then, or if a batch has taken it over.
    ``hashed=False`` saves the hash where no packet is written. Errors of the disk pass through ``guard``. ``pool``
    keeps buffers for the next draft: clearing a new one costs more than writing a small packet.
    """

    def __init__(
        self,
        disk: Disk,
        directory: str,
        *,
        prefix: str = DRAFT_PREFIX,
        hashed: bool = True,
        guard: AbstractContextManager[None] | None = None,
        thread_bytes: int = THREAD_BYTES,
        mode: int = 0o666,
        pool: list[bytearray] | None = None,
    ) -> None:
        self.size = 0
        self.head = b""
        self.path = ""
        self._disk = disk
        self._directory = directory
        self._prefix = prefix
        self._guard = guard or NoGuard()
        self._mode = mode
        self._thread_bytes = thread_bytes
        self._hasher = MthHasher() if hashed else None
        self._file: DiskFile | None = None
        self._handed_over = False
        self._given = 0
        self._pushed_out = 0
        self._pool = [] if pool is None else pool
        self._worker: Overlap | None = None
        self._partial: memoryview | None = None
        self._filled = 0

    def open(self) -> Self:
        """Create the temporary file, and its directory if that is missing."""
        with self._guard:
            for _ in range(_TRIES):
                file = self._try_create()
                if file:
                    self._file = file
                    return self
            raise FileExistsError(errno.EEXIST, "no free name for a draft", self._directory)

    def _try_create(self) -> DiskFile | None:
        self.path = f"{self._directory}/{self._prefix}{self._disk.unique()}"
        try:
            file = self._disk.create(self.path, self._mode)
        except FileNotFoundError:
            ensure_dir(self._disk, self._directory)
            return None
        except FileExistsError:
            return None
        # A sweep may have come between: then it holds the lock, or the name is gone already. Take another.
        if file.try_lock() and file.names():
            return file
        file.close()
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if not self._handed_over:
            self.discard()

    def hand_over(self) -> None:
        """Say that a batch looks after the draft now: leaving the ``with`` block no longer discards it."""
        self._handed_over = True

    def take(self) -> memoryview:
        """Lend a buffer of BUFFER_SIZE bytes to fill; hand the filled part back by :meth:`give`."""
        if self._worker:
            with self._guard:
                return self._worker.take()
        return memoryview(self._pool.pop() if self._pool else bytearray(BUFFER_SIZE))

    def give(self, view: memoryview) -> None:
        """Append the beginning of a buffer lent by :meth:`take`; it belongs to the draft again."""
        with self._guard:
            self._push_partial()
            self._give(view)

    def write(self, data: Buffer) -> None:
        """Append bytes; ``data`` is the caller's again on return."""
        with self._guard:
            if self._partial is None and self._given + len(data) <= self._thread_bytes:
                self._given += len(data)
                self._consume(memoryview(data))
            else:
                self._copy_in(memoryview(data))

    def flush(self) -> None:
        """Return when everything given has been handed to the file system (which is not yet durable)."""
        with self._guard:
            self._push_partial()
            worker, self._worker = self._worker, None
            if worker:
                worker.finish()

    def finish_writing(self) -> PacketName:
        """Return the hash of all that was written: the name a packet must have."""
        self.flush()
        if self._hasher is None:
            raise ValueError("a draft without a hash has no name")
        return self._hasher.digest()

    def start_sync(self) -> None:
        """Let the device begin to write, so that many drafts' fsyncs wait for each other's writing only once."""
        self._opened().drop_cache(self._pushed_out)

    def sync(self) -> None:
        """Make the bytes durable. Raises plain OSError: :mod:`.batch` is the caller."""
        self._opened().fsync()

    def rename_to(self, path: str) -> None:
        """Give the draft its final name, replacing an equal packet. The draft is closed."""
        self._disk.rename(self.path, path)
        self._close()

    def publish_to(self, path: str) -> None:
        """Give the draft its final name; FileExistsError if it is taken, and then the draft remains one."""
        self._disk.publish(self.path, path)
        self._close()

    def discard(self) -> None:
        """Remove the draft if it has not got its name yet; may be repeated."""
        worker, self._worker = self._worker, None
        if worker:
            worker.abandon()
        if self._file:
            try:
                self._disk.unlink(self.path)
            except OSError:  # the disk that made us give up may refuse this too: the next sweep removes it
                pass
            finally:
                self._close()

    def _opened(self) -> DiskFile:
        if self._file is None:
            raise ValueError("the draft is not open")
        return self._file

    def _close(self) -> None:
        file, self._file = self._file, None
        if file:
            file.close()

    def _give(self, view: memoryview) -> None:
        self._given += len(view)
        if self._worker is None and self._given > self._thread_bytes:
            from muleteer.spool.overlap import Overlap  # threads only for large drafts

            self._worker = Overlap(self._consume, BUFFER_SIZE)
        if self._worker:
            self._worker.give(view)
            return
        self._consume(view)
        if isinstance(view.obj, bytearray) and len(self._pool) < POOLED_MAX:
            self._pool.append(view.obj)

    def _copy_in(self, data: memoryview) -> None:
        while data:
            if self._partial is None:
                self._partial, self._filled = self.take(), 0
            count = min(len(data), len(self._partial) - self._filled)
            self._partial[self._filled : self._filled + count] = data[:count]
            self._filled += count
            data = data[count:]
            if self._filled == len(self._partial):
                self._push_partial()

    def _push_partial(self) -> None:
        partial, self._partial = self._partial, None
        if partial is not None:
            self._give(partial[: self._filled])

    def _consume(self, view: memoryview) -> None:
        """Hash and write; runs in the worker once there is one."""
        if len(self.head) < HEAD_SIZE:
            self.head += bytes(view[: HEAD_SIZE - len(self.head)])
        if self._hasher:
            self._hasher.update(view)
        file = self._opened()
        file.write(view)
        self.size += len(view)
        if self.size - self._pushed_out >= WRITEBACK_BYTES:
            # Writing back early keeps the last fsync short and the page cache of a small machine for others.
            file.drop_cache(self._pushed_out, self.size - self._pushed_out)
            self._pushed_out = self.size
