# SPDX-License-Identifier: GPL-3.0-or-later
"""A directory as one stream: a PAX tar, made while it is read, in bounded memory.

As the reference makes it: directories first, then regular files, names relative to the parent, times kept, fixed modes
(0777 and 0666, the receiver's umask decides), and nothing else: no links, no devices, no owners.
"""

from __future__ import annotations

import os
import tarfile

from muleteer.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from muleteer.spool.port import Disk, DiskFile

_BLOCK = 512
_END = bytes(2 * _BLOCK)


class Archive:
    """The tar stream of ``directory``; a `read` that fills views, 0 at the end.

    Raises OSError if the directory or a file cannot be read, UsageError if a file shrinks meanwhile.
    """

    def __init__(self, disk: Disk, directory: str) -> None:
        self._disk = disk
        directory = directory.rstrip("/") or "/"
        self._parent, _, self._name = directory.rpartition("/")
        self._base = directory
        self._pieces = self._headers()
        self._head = memoryview(b"")
        self._file: DiskFile | None = None
        self._left = 0  # bytes of the open file that its header promised

    def read(self, view: memoryview) -> int:
        """Fill the start of `view`; return how much."""
        while not self._head:
            if self._left:
                return self._read_file(view)
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._head = memoryview(piece)
        size = min(len(view), len(self._head))
        view[:size] = self._head[:size]
        self._head = self._head[size:]
        return size

    def close(self) -> None:
        """Close the file that is being read; may be repeated."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _read_file(self, view: memoryview) -> int:
        if self._file is None:
            raise ValueError("no file is open")
        got = self._file.read_into(view[: self._left])
        if not got:
            raise UsageError(problem=f"a file in {self._base} became shorter while it was read")
        self._left -= got
        if not self._left:
            self.close()
        return got

    def _headers(self) -> Iterator[bytes]:
        """Yield headers, padding and the end; a file's content comes from `_read_file` after its header."""
        files: list[tuple[str, str]] = []
        for path, name in self._walk(self._base, self._name, files):
            yield _header(f"{name}/", os.lstat(path), 0)
        for path, name in files:
            file = self._disk.open_read(path)
            found = os.fstat(file.fileno())
            self._file, self._left = file, found.st_size
            yield _header(name, found, found.st_size)
            if found.st_size == 0:
                self.close()
            elif padding := -found.st_size % _BLOCK:
                yield bytes(padding)
        yield _END

    def _walk(self, path: str, name: str, files: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
        """Yield the directories; put the regular files in `files`."""
        waiting = [(path, name)]
        while waiting:
            path, name = waiting.pop()
            yield path, name
            below = []
            for entry in sorted(self._disk.scandir(path), key=lambda entry: entry.name):
                if entry.is_dir:
                    below.append((f"{path}/{entry.name}", f"{name}/{entry.name}"))
                elif entry.is_file:
                    files.append((f"{path}/{entry.name}", f"{name}/{entry.name}"))
            waiting.extend(reversed(below))


def _header(name: str, found: os.stat_result, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
    info.mode = 0o777 if name.endswith("/") else 0o666
    info.mtime = found.st_mtime
    info.size = size
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
