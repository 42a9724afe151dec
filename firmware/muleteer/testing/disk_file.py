# SPDX-License-Identifier: GPL-3.0-or-later
"""Open files and held locks of the fake disk."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Self

from muleteer.testing.disk_tree import Synced, Written

if TYPE_CHECKING:
    from muleteer.spool.port import Buffer
    from muleteer.testing.disk import FakeDisk


class FakeFile:
    """An open file of a FakeDisk."""

    def __init__(self, disk: FakeDisk, inode: int, path: str, *, position: int = 0) -> None:
        self._disk = disk
        self._inode = inode
        self._path = path
        self._position = position
        self._open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def read_into(self, view: memoryview) -> int:
        """See the port."""
        self._step("read")
        found = self._disk.inodes[self._inode].data[self._position : self._position + len(view)]
        view[: len(found)] = found
        self._position += len(found)
        return len(found)

    def write(self, data: Buffer) -> None:
        """See the port. A write that fails has written the first half."""
        raw = bytes(data)
        try:
            self._step("write", changes=True)
            self._disk.claim(self._inode, len(raw), self._path)
        except OSError as error:
            if error.errno != errno.EROFS and self._inode in self._disk.inodes:
                self._put(raw[: len(raw) // 2])
            raise
        self._put(raw)

    def fsync(self) -> None:
        """See the port."""
        try:
            self._step("fsync", changes=True)
        except OSError:
            self._disk.journal.append(Synced(f"failed fsync {self._path}", self._inode, lost=True))
            raise
        finally:
            if self._inode in self._disk.inodes:
                self._disk.inodes[self._inode].dirty = False  # also when it failed: the kernel will not try again
        self._disk.journal.append(Synced(f"fsync {self._path}", self._inode))

    def drop_cache(self, offset: int = 0, length: int = 0) -> None:  # noqa: ARG002 - a file is dropped whole
        """See the port. Only what is synced is dropped; then a medium that lies is found out."""
        self._disk.tell("drop_cache", self._path)
        self._disk.forget(self._inode, self._path)

    def try_lock(self) -> bool:
        """See the port."""
        return self._disk.flock(self._inode, self)

    def size(self) -> int:
        """See the port."""
        self._step("size")
        return len(self._disk.inodes[self._inode].data)

    def names(self) -> int:
        """See the port."""
        return self._disk.inodes[self._inode].names

    def seek(self, position: int) -> None:
        """See the port."""
        self._position = position

    def fileno(self) -> int:
        """See the port."""
        raise OSError(errno.ENOTTY, "a fake file has no descriptor", self._path)

    def close(self) -> None:
        """See the port."""
        self._open = False
        self._disk.unflock(self)

    def _step(self, verb: str, *, changes: bool = False) -> None:
        if not self._open:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF), self._path)
        self._disk.step(verb, self._path, self._inode, changes=changes)

    def _put(self, raw: bytes) -> None:
        inode = self._disk.inodes[self._inode]
        inode.data[self._position : self._position + len(raw)] = raw
        inode.mtime = self._disk.now
        inode.dirty = True
        self._disk.journal.append(Written(f"write {self._path}", self._inode, self._position, raw))
        self._position += len(raw)


class FakeLock:
    """A held flock of a FakeDisk."""

    def __init__(self, disk: FakeDisk, path: str) -> None:
        self._disk = disk
        self._path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.release()

    def release(self) -> None:
        """See the port."""
        if self._disk.unflock(self):
            self._disk.tell("unlock", self._path)
