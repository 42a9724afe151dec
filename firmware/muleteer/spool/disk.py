# SPDX-License-Identifier: GPL-3.0-or-later
"""The real disk: the one module that opens files for writing, renames and deletes.

What each verb promises stands in :mod:`muleteer.spool.port`; here stands how Linux is made to keep it.
"""
# ruff: noqa: D102 - the verbs are described once, in the port

from __future__ import annotations

import _stat as stat
import errno
import fcntl
import posix as os  # os itself takes 0.8 ms to import, at each start of an nncp-* command
import time

from muleteer.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from typing import Self

    from muleteer.spool.port import Buffer
    from muleteer.spool.port import Disk as Disk  # noqa: PLC0414 - who imports a disk finds its types here, too
    from muleteer.spool.port import DiskFile as DiskFile  # noqa: PLC0414
    from muleteer.spool.port import Lock as Lock  # noqa: PLC0414

FILE, DIRECTORY, LINK, OTHER, UNKNOWN = 1, 2, 3, 4, 5
_KINDS = {stat.S_IFREG: FILE, stat.S_IFDIR: DIRECTORY, stat.S_IFLNK: LINK}
_NO_LINKS = frozenset((errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES))
_NO_FILE = frozenset(
    (errno.ENOENT, errno.ELOOP, errno.ENXIO, errno.ENODEV, errno.EACCES, errno.ESPIPE, errno.EISDIR, errno.EINVAL)
)
_RENAME_NOREPLACE = 1
_AT_FDCWD = -100
_SEEK_SET, _SEEK_END = 0, 2


@record
class DirEntry:
    """One name in a directory: ``kind`` is FILE, DIRECTORY, LINK or OTHER; ``mtime`` is Unix time in seconds.

    UNKNOWN is a name that a listing found and that could not be looked at; its size and time are 0.
    """

    name: str
    kind: int
    size: int
    mtime: float

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return self.kind == FILE

    @property
    def is_dir(self) -> bool:
        """Whether it is a directory."""
        return self.kind == DIRECTORY


class RealFile:
    """A descriptor with the verbs of a DiskFile."""

    __slots__ = ("_fd", "_sync")

    def __init__(self, fd: int, *, sync: bool) -> None:
        self._fd = fd
        self._sync = sync

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def read_into(self, view: memoryview) -> int:
        return os.readv(self._fd, [view])

    def write(self, data: Buffer) -> None:
        written = os.write(self._fd, data)
        if written != len(data):
            rest = memoryview(data)[written:]
            while rest:
                rest = rest[os.write(self._fd, rest) :]

    def fsync(self) -> None:
        if self._sync:
            os.fsync(self._fd)

    def drop_cache(self, offset: int = 0, length: int = 0) -> None:
        if self._sync:
            try:
                os.posix_fadvise(self._fd, offset, length, os.POSIX_FADV_DONTNEED)
            except OSError:
                return

    def try_lock(self) -> bool:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def size(self) -> int:
        return os.fstat(self._fd).st_size

    def names(self) -> int:
        return os.fstat(self._fd).st_nlink

    def seek(self, position: int) -> None:
        os.lseek(self._fd, position, _SEEK_SET)

    def fileno(self) -> int:
        return self._fd

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class FileLock:
    """A flock, held until released or until the process ends."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.release()

    def release(self) -> None:
        """Let go; may be repeated."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


class RealDisk:
    """The machine's own file systems. ``sync=False`` skips every fsync (the reference's NNCPNOSYNC)."""

    def __init__(self, *, sync: bool = True) -> None:
        self._sync = sync
        self._serial = 0

    def open_read(self, path: str, *, follow: bool = False) -> RealFile:
        # O_NONBLOCK: opening a FIFO nobody writes to returns at once; it changes nothing for regular files.
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if follow else os.O_NOFOLLOW)
        fd = os.open(path, flags)
        kind = stat.S_IFMT(os.fstat(fd).st_mode)
        if kind != stat.S_IFREG:
            os.close(fd)
            if kind == stat.S_IFDIR:
                raise IsADirectoryError(errno.EISDIR, "is a directory", path)
            raise OSError(errno.EINVAL, "not a regular file", path)
        return RealFile(fd, sync=self._sync)

    def create(self, path: str, mode: int = 0o666) -> RealFile:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        return RealFile(os.open(path, flags, mode), sync=self._sync)

    def append(self, path: str, mode: int = 0o666) -> RealFile:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        return RealFile(os.open(path, flags, mode), sync=self._sync)

    def rename(self, source: str, target: str) -> None:
        os.rename(source, target)

    def publish(self, source: str, target: str) -> None:
        try:
            os.link(source, target, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            _rename_no_replace(source, target)
        else:
            os.unlink(source)

    def unlink(self, path: str) -> None:
        os.unlink(path)

    def mkdir(self, path: str, mode: int = 0o777) -> None:
        os.mkdir(path, mode)

    def rmdir(self, path: str) -> None:
        os.rmdir(path)

    def symlink(self, target: str, path: str) -> None:
        os.symlink(target, path)

    def fsync_dir(self, path: str) -> None:
        if not self._sync:
            return
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        except OSError as error:
            if error.errno != errno.EINVAL:  # some user-space file systems cannot sync a directory: sync everything
                raise
            os.sync()
        finally:
            os.close(fd)

    def listdir(self, path: str) -> list[str]:
        return os.listdir(path)

    def scandir(self, path: str) -> Iterator[DirEntry]:
        with os.scandir(path) as found:
            for entry in found:
                try:
                    described = _describe(entry.name, entry.stat(follow_symlinks=False))
                except FileNotFoundError:  # gone since it was listed: as if it had not been there
                    continue
                except OSError:  # one bad inode shall not hide what comes after it
                    described = DirEntry(entry.name, UNKNOWN, 0, 0.0)
                yield described

    def stat(self, path: str) -> DirEntry:
        return _describe(path.rpartition("/")[2], os.lstat(path))

    def heads(self, directory: str, names: Iterable[str], length: int) -> Iterator[tuple[str, int, bytes]]:
        # The hot loop of every listing: four system calls a packet, relative to the directory. Seeking to the end tells
        # the size for a fifth less than fstat, whose result has twenty fields; what cannot be sought is no file.
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
        base = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for name in names:
                try:
                    fd = os.open(name, flags, dir_fd=base)
                    try:
                        size = os.lseek(fd, 0, _SEEK_END)
                        head = os.pread(fd, length, 0)
                    finally:
                        os.close(fd)
                except OSError as error:
                    if error.errno in _NO_FILE:
                        continue
                    raise
                yield name, size, head
        finally:
            os.close(base)

    def free_bytes(self, path: str) -> int:
        found = os.statvfs(path)
        return found.f_bavail * found.f_frsize

    def lock(self, path: str, *, wait: bool = False) -> FileLock:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError:
            os.close(fd)
            raise
        return FileLock(fd)

    def in_use(self, paths: Collection[str]) -> set[str]:
        from muleteer.spool.holders import held_open  # only the sweep asks

        return held_open(paths)

    def unique(self) -> str:
        # Time since boot, process, counter: none repeats on this machine before the next boot, and a name left over
        # from an earlier boot is met by O_EXCL. (The wall clock may leap and random numbers belong to crypto.)
        self._serial += 1
        return f"{time.monotonic_ns():016x}{os.getpid() & 0xFFFFFFFF:08x}{self._serial & 0xFFFFFFFF:08x}"


def ensure_dir(disk: Disk, path: str) -> None:
    """Make a directory and its missing parents, each durable in its parent before it is used.

    If that fails the directory is removed again: whoever found it the next time would take it for durable, and the
    fsync that could tell otherwise tells an error only once.
    """
    try:
        disk.mkdir(path)
    except FileExistsError:
        return
    except FileNotFoundError:
        parent = path.rpartition("/")[0]
        if not parent:
            raise
        ensure_dir(disk, parent)
        disk.mkdir(path)
    try:
        disk.fsync_dir(path.rpartition("/")[0] or ("/" if path.startswith("/") else "."))
    except OSError:
        _try_to(disk.rmdir, path)
        raise


def _try_to(act: Callable[[str], None], path: str) -> None:
    """Clean up after a disk that failed and may refuse this, too; its first error is what counts."""
    try:
        act(path)
    except OSError:
        return


def read_whole(disk: Disk, path: str, limit: int) -> bytes:
    """Return a small file's bytes, at most ``limit`` of them."""
    with disk.open_read(path) as file:
        buffer = bytearray(min(file.size() + 1, limit))
        view, filled = memoryview(buffer), 0
        while filled < len(buffer) and (count := file.read_into(view[filled:])):
            filled += count
        return bytes(view[:filled])


def _describe(name: str, found: os.stat_result) -> DirEntry:
    return DirEntry(name, _KINDS.get(stat.S_IFMT(found.st_mode), OTHER), found.st_size, found.st_mtime)


def _rename_no_replace(source: str, target: str) -> None:
    """Rename without replacing on file systems without hard links (FAT, exFAT), by renameat2 if the kernel has it."""
    import ctypes  # 5 ms, and only where hard links are missing
    from os import fsencode, path  # see above

    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "renameat2"):
        old, new = fsencode(source), fsencode(target)
        if libc.renameat2(_AT_FDCWD, old, _AT_FDCWD, new, _RENAME_NOREPLACE) == 0:
            return
        code = ctypes.get_errno()
        if code not in (errno.EINVAL, errno.ENOSYS):
            raise OSError(code, os.strerror(code), source, None, target)
    if path.lexists(target):  # the last resort has a gap, but nobody else writes where it is needed
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
    os.rename(source, target)
