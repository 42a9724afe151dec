# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the errors of a disk become the spool's: the sentence the owner reads instead of an errno."""

from __future__ import annotations

import errno

from muleteer.errors import SpoolError, SpoolFull, SpoolMissing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from muleteer.spool.port import Buffer, Disk, DiskFile

_FULL = frozenset((errno.ENOSPC, errno.EDQUOT))


class SpoolGuard:
    """A ``with`` block that turns OSError into the SpoolError family; may be entered again and nested."""

    __slots__ = ("_disk", "_root")

    def __init__(self, disk: Disk, root: str) -> None:
        self._disk = disk
        self._root = root

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise self.translate(error) from error

    def translate(self, error: OSError) -> SpoolError:
        """Return what to raise for an error of the disk."""
        path = error.filename if isinstance(error.filename, str) else self._root
        problem = error.strerror or str(error)
        if error.errno in _FULL:
            return SpoolFull(path=path, needed="more", free=self._free_bytes())
        if error.errno == errno.ENOENT and not self._root_exists():
            return SpoolMissing(path=self._root, problem=problem)
        return SpoolError(path=path, problem=problem)

    def _free_bytes(self) -> int:
        try:
            return self._disk.free_bytes(self._root)
        except OSError:
            return 0

    def _root_exists(self) -> bool:
        try:
            return self._disk.stat(f"{self._root}/.").is_dir
        except OSError:
            return False


class GuardedFile:
    """An open file of the spool, a DiskFile whose errors are the spool's."""

    # ruff: noqa: D102 - the verbs are described in the port

    __slots__ = ("_file", "_guard")

    def __init__(self, file: DiskFile, guard: SpoolGuard) -> None:
        self._file = file
        self._guard = guard

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()

    def read_into(self, view: memoryview) -> int:
        with self._guard:
            return self._file.read_into(view)

    def write(self, data: Buffer) -> None:
        with self._guard:
            self._file.write(data)

    def fsync(self) -> None:
        with self._guard:
            self._file.fsync()

    def drop_cache(self, offset: int = 0, length: int = 0) -> None:
        self._file.drop_cache(offset, length)

    def try_lock(self) -> bool:
        with self._guard:
            return self._file.try_lock()

    def size(self) -> int:
        with self._guard:
            return self._file.size()

    def names(self) -> int:
        with self._guard:
            return self._file.names()

    def seek(self, position: int) -> None:
        with self._guard:
            self._file.seek(position)

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()
