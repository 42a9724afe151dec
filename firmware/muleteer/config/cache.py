# SPDX-License-Identifier: GPL-3.0-or-later
"""Remember parsed configurations in RAM, so that a command need not import an Hjson parser to read eight lines.

A cold load costs some 15 ms, three times a whole command of the Go peer; a remembered one well under 1 ms.

What is remembered holds the node's private keys, and `marshal` must never read what a stranger wrote. Hence:

1. Only directories that are ours alone (owner = effective user, mode 0700, no symbolic link) in a file system that
   lives in RAM (tmpfs, ramfs): a power cut forgets the keys. (Swap may take them to a disk, as it may take the memory
   of any process that holds them; our image has none.) Elsewhere: no cache, silently.
2. Only regular files of ours, mode 0600, opened without following links, with the length they claim and the right key.
   They are renamed into place when whole; a checksum would cost more (importing binascii: 0.4 ms) than all the rest.
3. The key holds everything that tells that nothing changed: the configuration's path, device, inode, size, mtime, ctime
   (so also its owner and mode), our own version and Python's. One file per path and Python: an edit replaces what it
   outdates. What belongs to no configuration any more goes when FILES_MAX newer ones have come.
4. A configuration changed less than two seconds ago is not remembered: another edit could hide behind the same
   time stamp (FAT counts in two-second steps). "Now" is the time stamp of the cache file itself.

The files here are written in place of `spool.disk`, as nothing durable is meant: any damage is one cold load.
"""

from __future__ import annotations

import _stat as stat
import marshal
import posix as os  # os itself takes 0.8 ms to import
import sys

from muleteer import __version__
from muleteer.config.compiled import FORMAT, to_config, to_plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from muleteer.config.model import Config

SIZE_MAX = 4 << 20
"""Bytes: a configuration with 10,000 neighbours is below it."""
YOUNG_NS = 2_000_000_000
FILES_MAX = 64
"""Configurations that are kept; those of tests and experiments would pile up otherwise."""

_PREFIX = "nncp-"
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def directories(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return where to look, best first; each must then still prove to be ours."""
    session = environ.get("XDG_RUNTIME_DIR", "")
    fixed = ("/run/muleteer/cache", f"/dev/shm/muleteer-{os.geteuid()}")  # noqa: S108 - ownership is checked
    return (f"{session}/muleteer", *fixed) if session.startswith("/") else fixed


def recall(path: str, status: os.stat_result, places: tuple[str, ...]) -> Config | None:
    """Return the configuration remembered for this path in this state, or None."""
    for place in places:
        try:
            directory = os.open(place, _DIRECTORY)
        except OSError:
            continue
        try:
            data = _read_ours(directory, _file_name(path))
        except OSError:
            continue
        finally:
            os.close(directory)
        if data and (plain := _unpack(data, _key(path, status))):
            return to_config(plain)
    return None


def remember(config: Config, status: os.stat_result, places: tuple[str, ...]) -> bool:
    """Keep a configuration for the next command in the first directory that is fit; tell whether one was."""
    tree: Any = (_key(config.path, status), to_plain(config))
    body = marshal.dumps(tree)
    data = len(body).to_bytes(4, "big") + body
    if len(data) > SIZE_MAX:
        return False
    return any(_write(place, _file_name(config.path), data, status) for place in places)


def _key(path: str, status: os.stat_result) -> tuple[object, ...]:
    who = (FORMAT, __version__, sys.hexversion, sys.implementation.name)
    when = (status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return (*who, os.getcwd() if path[:1] != "/" else "", path, status.st_dev, status.st_ino, *when)


def _file_name(path: str) -> str:
    # FNV-1a. Paths that collide push each other out; the key inside tells them apart. Two versions of Python on one
    # machine do not push each other out.
    code = 0x811C9DC5
    for byte in path.encode("utf-8", "surrogatepass"):
        code = (code ^ byte) * 0x01000193 & 0xFFFFFFFF
    return f"{_PREFIX}{code:08x}-{sys.hexversion:08x}"


def _is_ours(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & 0o077


def _read_ours(directory: int, name: str) -> bytes | None:
    if not _is_ours(os.fstat(directory)):
        return None
    # O_NONBLOCK: a FIFO under this name must not hold us up before we see that it is one.
    file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=directory)
    try:
        status = os.fstat(file)
        if not (stat.S_ISREG(status.st_mode) and _is_ours(status) and status.st_nlink == 1):
            return None
        return os.read(file, status.st_size) if status.st_size <= SIZE_MAX else None
    finally:
        os.close(file)


def _unpack(data: bytes, key: tuple[object, ...]) -> object:
    if len(data) != 4 + int.from_bytes(data[:4], "big"):
        return None
    try:
        found, plain = marshal.loads(data[4:])  # noqa: S302 - rule 2: ours and whole
    except (EOFError, ValueError, TypeError):
        return None
    return plain if found == key else None


def _write(place: str, name: str, data: bytes, status: os.stat_result) -> bool:
    """Write one cache file, whole or not at all; False if the place is unfit or the configuration too young."""
    try:
        directory = _open_private(place)
        if directory < 0:
            return False
        try:
            return _replace(directory, name, data, status)
        finally:
            os.close(directory)
    except OSError:
        return False


def _open_private(place: str) -> int:
    """Open (or lay out) a directory that is ours alone and in RAM; -1 if it is not."""
    above = os.stat(place.rpartition("/")[0])
    # Who owns the directory above, or may rename in it, could put another directory of ours in this one's place.
    if above.st_uid not in (0, os.geteuid()) or (above.st_mode & 0o022 and not above.st_mode & stat.S_ISVTX):
        return -1
    if not _in_ram(above.st_dev):
        return -1
    _make_directory(place)
    directory = os.open(place, _DIRECTORY)
    status = os.fstat(directory)
    if _is_ours(status) and status.st_dev == above.st_dev:
        return directory
    os.close(directory)
    return -1


def _make_directory(place: str) -> None:
    try:  # noqa: SIM105 - contextlib costs 2 ms on the path of every command
        os.mkdir(place, 0o700)
    except FileExistsError:
        pass  # most likely ours, of an earlier command


def _in_ram(device: int) -> bool:
    number = f"{os.major(device)}:{os.minor(device)}"
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
        for line in mounts:
            # 36 35 0:25 / /dev/shm rw,nosuid shared:1 - tmpfs tmpfs rw   (proc(5): the type follows the lone hyphen)
            left, _, right = line.partition(" - ")
            if left.split()[2] == number:
                return right.split()[0] in ("tmpfs", "ramfs")
    return False


def _replace(directory: int, name: str, data: bytes, status: os.stat_result) -> bool:
    draft = f"{name}.{os.getpid()}"
    try:
        file = os.open(draft, _NEW, 0o600, dir_fd=directory)
    except FileExistsError:
        os.unlink(draft, dir_fd=directory)  # of a killed command that had our process id; the next load remembers
        return False
    try:
        whole = os.write(file, data) == len(data)
        now = os.fstat(file).st_ctime_ns
        if whole and now - max(status.st_mtime_ns, status.st_ctime_ns) > YOUNG_NS:
            os.rename(draft, name, src_dir_fd=directory, dst_dir_fd=directory)
            _forget_oldest(directory)
            return True
        os.unlink(draft, dir_fd=directory)
        return False
    finally:
        os.close(file)


def _forget_oldest(directory: int) -> None:
    names = [name for name in os.listdir(directory) if name.startswith(_PREFIX)]
    if len(names) <= FILES_MAX:
        return
    try:
        aged = sorted((os.stat(name, dir_fd=directory, follow_symlinks=False).st_mtime_ns, name) for name in names)
        for _, name in aged[:-FILES_MAX]:
            os.unlink(name, dir_fd=directory)
    except OSError:
        return  # another command is at it, too
