# SPDX-License-Identifier: GPL-3.0-or-later
"""One stick as a round holds it: its disk, where it is mounted, and what an OSError of it means.

| errno                                   | means                               | a round then                    |
|-----------------------------------------|-------------------------------------|---------------------------------|
| ENODEV ENXIO ESTALE ENOTCONN ENOMEDIUM  | GONE: pulled                        | ends: RunnerGone                |
| any, and the mount point is not there   | GONE: pulled                        | ends: RunnerGone                |
| EROFS                                   | READ_ONLY: switch, kernel's doubt   | reads on, writes no more        |
| ENOSPC EDQUOT EFBIG                     | FULL: no room for this one          | holds the packet, tries smaller |
| ENOENT                                  | VANISHED: this name is not there    | goes on                         |
| EISDIR ENOTDIR ELOOP EACCES ...         | BLOCKED: not a file of ours         | goes on                         |
| the others (EIO ...)                    | BAD: this file, this sector         | goes on, `FAULTS_MAX` in a row  |

EIO is the difficult one: a stick that is pulled says it as well as one with a bad sector. One bad sector must not
keep all other packets from travelling, so EIO alone does not end a round; the caller's `present` (is the device node
still there?) decides at once. A stick that fails `FAULTS_MAX` times in a row is given up; where many files are read,
`stick_patience` says when.

**A sync that failed is final for its directory.** The kernel reports a lost write once; the next fsync of the same
directory says "done", and the write is lost all the same. So the medium remembers each directory in which one failed
(the directory's own, or that of a file in it), and `is_doubtful` says so for what lies in it and below it until the
stick is mounted anew. What lies there may be on the stick; nobody may act as if it were.
"""

from __future__ import annotations

import errno
import os
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Self, cast

from muleteer.errors import RunnerFailed, RunnerGone
from muleteer.formats.safename import show
from muleteer.spool.disk import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from muleteer.errors import MuleteerError
    from muleteer.spool.disk import Disk, DiskFile

FAULTS_MAX = 16  # input/output errors in a row: each may take the kernel 30 s of retries

GONE_CODES = frozenset(
    (
        errno.ENODEV,
        errno.ENXIO,
        errno.ESTALE,
        errno.ENOTCONN,
        errno.ENOMEDIUM,
        errno.ESHUTDOWN,
        errno.EREMOTEIO,
    )
)
FULL_CODES = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
BLOCKED_CODES = frozenset(
    (
        errno.EISDIR,
        errno.ENOTDIR,
        errno.EEXIST,
        errno.ENOTEMPTY,
        errno.ELOOP,
        errno.EACCES,
        errno.EPERM,
        errno.EINVAL,
        errno.ENAMETOOLONG,
    )
)


class Fault(Enum):
    """What an error of a stick means for the round."""

    GONE = auto()
    READ_ONLY = auto()
    FULL = auto()
    VANISHED = auto()
    BLOCKED = auto()
    BAD = auto()


_FAULTS = {
    **dict.fromkeys(GONE_CODES, Fault.GONE),
    **dict.fromkeys(FULL_CODES, Fault.FULL),
    **dict.fromkeys(BLOCKED_CODES, Fault.BLOCKED),
    errno.EROFS: Fault.READ_ONLY,
    errno.ENOENT: Fault.VANISHED,
}


def fault_of(error: OSError) -> Fault:
    """Return what an error means by its errno alone."""
    return _FAULTS.get(error.errno or 0, Fault.BAD)


def _unheard(_problem: MuleteerError) -> None:
    return None


class Medium:
    """A mounted stick.

    `present` says whether it is still plugged in, where somebody can know that better than we. `problem` hears of
    what a person should know.
    """

    def __init__(
        self,
        disk: Disk,
        mountpoint: str,
        runner: str,
        present: Callable[[], bool] | None = None,
        problem: Callable[[MuleteerError], None] = _unheard,
    ) -> None:
        self.mountpoint = mountpoint.rstrip("/")
        self.runner = runner
        self._doubtful: set[str] = set()
        self.disk = cast("Disk", _Fence(disk, self.mountpoint, self._doubtful))
        self._present = present
        self._problem = problem
        self._row = 0
        self._is_reported = False

    @property
    def is_flawed(self) -> bool:
        """Whether something on it may have been hidden from us, or undone: the round is not whole."""
        return self._is_reported or bool(self._doubtful)

    def path(self, *parts: str) -> str:
        """Return the path of something on the stick; empty parts are left out."""
        return "/".join((self.mountpoint, *filter(None, parts)))

    def shown(self, path: str) -> str:
        """Return a path relative to the stick, for people (not yet escaped)."""
        return path.removeprefix(self.mountpoint).lstrip("/")

    # ------------------------------------------------------------------------------------------ errors

    def meaning(self, error: OSError, *, patient: bool = False) -> Fault:
        """Say what an error means for the round. `patient`: the caller counts failures in a row itself.

        Raises RunnerGone if the stick is not there any more, RunnerFailed if it has failed too often.
        """
        fault = fault_of(error)
        if fault is Fault.GONE or not self.is_present():
            raise RunnerGone(runner=self.runner) from error
        if fault is Fault.BAD:
            self._row += not patient
            if self._row > FAULTS_MAX:
                problem = f"{self._row} errors in a row, the last: {error.strerror}"
                raise RunnerFailed(runner=self.runner, problem=problem) from error
        return fault

    def worked(self) -> None:
        """Note that a file was read or written well."""
        self._row = 0

    def trouble(self, what: str, error: OSError) -> Fault:
        """Report an error that may have hidden or undone something; say what it means, as `meaning` does."""
        fault = self.meaning(error)
        self.report(f"{show(what)}: {error.strerror}")
        return fault

    def report(self, problem: str) -> None:
        """Tell a person of a failure, and that the round is not whole."""
        self._is_reported = True
        self._problem(RunnerFailed(runner=self.runner, problem=problem))

    def is_present(self) -> bool:
        """Tell whether the stick is still plugged in, as far as can be known."""
        if self._present is not None and not self._present():
            return False
        try:
            return self.disk.stat(self.mountpoint).is_dir
        except OSError:
            return False

    def is_doubtful(self, directory: str) -> bool:
        """Tell whether a sync failed in a directory or above it: nothing in it can be proven in this round."""
        return any(f"{directory}/".startswith(f"{place}/") for place in self._doubtful)

    # ------------------------------------------------------------------------------------------ verbs

    def kind(self, path: str) -> int | None:
        """Return the kind of what lies at a path, without following a link; None if nothing does.

        UNKNOWN, and a problem, if the stick cannot tell.
        """
        try:
            return self.disk.stat(path).kind
        except NotADirectoryError:
            return None
        except OSError as error:
            if fault_of(error) is Fault.VANISHED and self.is_present():
                return None
            self.trouble(f"{self.shown(path)} cannot be looked at", error)
            return UNKNOWN

    def free_bytes(self) -> int:
        """Return the room left on the stick; 0 if it cannot be told."""
        try:
            return self.disk.free_bytes(self.mountpoint)
        except OSError as error:
            self.trouble("its free room cannot be told", error)
            return 0

    def remove(self, path: str) -> Fault | None:
        """Remove a file; None if it is gone now, else what stood in the way."""
        try:
            self.disk.unlink(path)
        except OSError as error:
            fault = self.meaning(error)
            return None if fault is Fault.VANISHED else fault
        return None

    def sync(self, directories: Iterable[str]) -> None:
        """Make what happened in these directories durable; what cannot be is reported."""
        for directory in directories:
            if self.is_doubtful(directory):
                self.report(f"{show(self.shown(directory)) or 'its root'} could not be synced")
                continue
            try:
                self.disk.fsync_dir(directory)
            except OSError as error:
                if fault_of(error) is not Fault.VANISHED or not self.is_present():
                    self.trouble(f"{self.shown(directory) or 'its root'} cannot be synced", error)


class _Fence:
    """A disk on which the mount point and what is above it cannot be made, and which remembers syncs that failed.

    Whoever writes durably makes missing directories, parents included. On a stick that was just pulled this would
    make the mount point anew on our own disk, and the packets would land in it.
    """

    def __init__(self, disk: Disk, mountpoint: str, doubtful: set[str]) -> None:
        self._disk = disk
        self._mountpoint = mountpoint
        self._doubtful = doubtful

    def __getattr__(self, verb: str) -> Any:
        return getattr(self._disk, verb)

    def mkdir(self, path: str, mode: int = 0o777) -> None:
        if not path.startswith(f"{self._mountpoint}/"):
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), path)
        self._disk.mkdir(path, mode)

    def open_read(self, path: str, *, follow: bool = False) -> _FencedFile:
        return _FencedFile(self._disk.open_read(path, follow=follow), path.rpartition("/")[0], self._doubtful)

    def create(self, path: str, mode: int = 0o666) -> _FencedFile:
        return _FencedFile(self._disk.create(path, mode), path.rpartition("/")[0], self._doubtful)

    def fsync_dir(self, path: str) -> None:
        try:
            self._disk.fsync_dir(path)
        except FileNotFoundError:
            raise
        except OSError:
            self._doubtful.add(path)
            raise


class _FencedFile:
    """An open file: a failed fsync of it is remembered against its directory."""

    def __init__(self, file: DiskFile, directory: str, doubtful: set[str]) -> None:
        self._file = file
        self._directory = directory
        self._doubtful = doubtful

    def __getattr__(self, verb: str) -> Any:
        return getattr(self._file, verb)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()

    def fsync(self) -> None:
        try:
            self._file.fsync()
        except OSError:
            self._doubtful.add(self._directory)
            raise
