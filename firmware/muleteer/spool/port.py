# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk port: the few verbs through which Muleteer touches files.

Everything that must survive a power cut is written with these verbs, so that :class:`muleteer.testing.disk.FakeDisk`
can stand in for the real disk and cut the power before each of them. Reading goes through them too where a flow is to
be tested that way. Paths are ``str``; names made by strangers arrive with ``surrogateescape``.

House rules:

1. Every verb raises plain :class:`OSError`; the caller knows whose disk it was (spool or stick) and says so.
2. Nothing follows a symbolic link in the last part of a path unless asked, and nothing waits: a FIFO, a device or a
   directory where a file should be is an error, not a hang.
3. ``fsync`` that failed is never tried again on the same file: the kernel may have dropped the pages and would report
   success. The file is thrown away. So it is with ``fsync_dir``: names that were to become durable are taken back.

Types only: import it under ``TYPE_CHECKING``. The real disk is :class:`muleteer.spool.disk.RealDisk`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from typing import Protocol, Self

    from muleteer.spool.disk import DirEntry

    Buffer = bytes | bytearray | memoryview

    class DiskFile(Protocol):
        """An open file."""

        def __enter__(self) -> Self: ...
        def __exit__(self, *exc_info: object) -> None: ...
        def read_into(self, view: memoryview) -> int:
            """Fill up to ``len(view)`` bytes, return how many; 0 is the end."""

        def write(self, data: Buffer) -> None:
            """Write all of it."""

        def fsync(self) -> None:
            """Return when the bytes (not the name) would survive a power cut."""

        def drop_cache(self, offset: int = 0, length: int = 0) -> None:
            """Start writing a range back now and forget what is clean; a hint, never fails."""

        def try_lock(self) -> bool:
            """Mark the file as owned by this open descriptor (flock); False when another has it."""

        def size(self) -> int:
            """Return the length in bytes."""

        def names(self) -> int:
            """Return how many names the file has; 0 after it was unlinked."""

        def seek(self, position: int) -> None:
            """Move the read position, in bytes from the start."""

        def fileno(self) -> int:
            """Return the descriptor, for child processes; raises OSError where there is none."""

        def close(self) -> None:
            """Close; may be repeated."""

    class Lock(Protocol):
        """A held flock."""

        def __enter__(self) -> Self: ...
        def __exit__(self, *exc_info: object) -> None: ...
        def release(self) -> None:
            """Let go; may be repeated. The lock file stays behind, as the reference leaves it."""

    class Disk(Protocol):
        """What a disk can do. All verbs raise OSError."""

        def open_read(self, path: str, *, follow: bool = False) -> DiskFile:
            """Open a regular file; anything else is EINVAL or EISDIR, a symbolic link ELOOP unless ``follow``."""

        def create(self, path: str, mode: int = 0o666) -> DiskFile:
            """Create a file that must not exist yet, for writing and reading."""

        def append(self, path: str, mode: int = 0o666) -> DiskFile:
            """Open for appending, created if missing."""

        def rename(self, source: str, target: str) -> None:
            """Give the file another name at once, replacing what had it."""

        def publish(self, source: str, target: str) -> None:
            """Like rename, but never replaces: FileExistsError. The steps may show both names for an instant."""

        def unlink(self, path: str) -> None:
            """Remove a name."""

        def mkdir(self, path: str, mode: int = 0o777) -> None:
            """Make one directory."""

        def rmdir(self, path: str) -> None:
            """Remove an empty directory."""

        def symlink(self, target: str, path: str) -> None:
            """Make a symbolic link."""

        def fsync_dir(self, path: str) -> None:
            """Return when the names in a directory would survive a power cut."""

        def listdir(self, path: str) -> list[str]:
            """Return the names in a directory."""

        def scandir(self, path: str) -> Iterator[DirEntry]:
            """Yield what is in a directory, one at a time, with kind, size and time."""

        def stat(self, path: str) -> DirEntry:
            """Describe one name without following a link."""

        def heads(self, directory: str, names: Iterable[str], length: int) -> Iterator[tuple[str, int, bytes]]:
            """Yield (name, size, first bytes) of those names that are regular files; others are left out."""

        def free_bytes(self, path: str) -> int:
            """Return the room left for us where ``path`` lies."""

        def lock(self, path: str, *, wait: bool = False) -> Lock:
            """Take the flock of a lock file, created if missing; BlockingIOError when another has it."""

        def in_use(self, paths: Collection[str]) -> set[str]:
            """Return those files that a process may be holding open."""

        def unique(self) -> str:
            """Return 32 hexadecimal digits not returned before on this machine since it started."""
