# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person or a file request sends: standard input, a regular file, or a directory as one archive."""

from __future__ import annotations

import posix as os  # os itself takes 0.8 ms to import

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from muleteer.spool.port import Disk

STDIN = "-"
_STDIN_FD = 0


class Source:
    """An open source: `read(view)` fills views, 0 at the end; `size` is in bytes, None if unknown beforehand."""

    __slots__ = ("_close", "is_archive", "read", "size")

    def __init__(
        self,
        read: Callable[[memoryview], int],
        size: int | None,
        close: Callable[[], None] | None = None,
        *,
        is_archive: bool = False,
    ) -> None:
        self.read = read
        self.size = size
        self.is_archive = is_archive
        self._close = close

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._close is not None:
            self._close()


def open_source(disk: Disk, path: str) -> Source:
    """Open `path`, following links, or standard input for ``-``. Raises OSError; devices and FIFOs are refused."""
    if path == STDIN:
        return Source(lambda view: os.readv(_STDIN_FD, [view]), None)
    try:
        file = disk.open_read(path, follow=True)
    except IsADirectoryError:
        from muleteer.tossing.archive import Archive  # tarfile costs 20 ms

        archive = Archive(disk, path)
        return Source(archive.read, None, archive.close, is_archive=True)
    return Source(file.read_into, file.size(), file.close)
