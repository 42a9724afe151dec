# SPDX-License-Identifier: GPL-3.0-or-later
"""One stick as a round holds it: its disk, where it is mounted, and what an OSError of it means.

| errno                                   | means                               | a round then                    |
|-----------------------------------------|-------------------------------------|---------------------------------|
| ENODEV ENXIO ESTALE ENOTCONN ENOMEDIUM  | GONE: pulled                        | ends: RunnerGone                |
| any, and the mount point is not there   | GONE: pulled                        | ends: RunnerGone                |
| EROFS                                   | READ_ONLY: switch, kernel's doubt   | reads on, writes no more        |
| ENOSPC EDQUOT EFBIG                     | FULL: no room for this one          | holds the packet, tries smaller |
| ENOENT                                  | VANISHED: this name is not there    | goes on                         |
| the others (EIO, ELOOP, EACCES ...)     | BAD: this file, this sector         | goes on, `FAULTS_MAX` times     |

EIO is the difficult one: a stick that is pulled says it as well as one with a bad sector. One bad sector must not
keep all other packets from travelling, so EIO alone does not end a round; the caller's `present` (is the device node
still there?) decides at once, and a stick that only ever fails is given up after `FAULTS_MAX` times.
"""

from __future__ import annotations

import errno
import os
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, cast

from muleteer.errors import RunnerFailed, RunnerGone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from muleteer.spool.disk import Disk

FAULTS_MAX = 16  # input/output errors borne in one round: each may take the kernel 30 s of retries

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


class Fault(Enum):
    """What an error of a stick means for the round."""

    GONE = auto()
    READ_ONLY = auto()
    FULL = auto()
    VANISHED = auto()
    BAD = auto()


def fault_of(error: OSError) -> Fault:
    """Return what an error means by its errno alone."""
    if error.errno in GONE_CODES:
        return Fault.GONE
    if error.errno == errno.EROFS:
        return Fault.READ_ONLY
    if error.errno in FULL_CODES:
        return Fault.FULL
    if error.errno == errno.ENOENT:
        return Fault.VANISHED
    return Fault.BAD


class Medium:
    """A mounted stick. `present` says whether it is still plugged in, where somebody can know that better than we."""

    def __init__(self, disk: Disk, mountpoint: str, runner: str, present: Callable[[], bool] | None = None) -> None:
        self.mountpoint = mountpoint.rstrip("/")
        self.disk = cast("Disk", _Fence(disk, self.mountpoint))
        self.runner = runner
        self._present = present
        self._faults = 0

    def path(self, *parts: str) -> str:
        """Return the path of something on the stick; empty parts are left out."""
        return "/".join((self.mountpoint, *filter(None, parts)))

    def shown(self, path: str) -> str:
        """Return a path relative to the stick, for people (not yet escaped)."""
        return path.removeprefix(self.mountpoint).lstrip("/")

    def meaning(self, error: OSError) -> Fault:
        """Say what an error means for the round.

        Raises RunnerGone if the stick is not there any more, RunnerFailed if it has failed too often.
        """
        fault = fault_of(error)
        if fault is Fault.GONE or not self.is_present():
            raise RunnerGone(runner=self.runner) from error
        if fault is Fault.BAD:
            self._faults += 1
            if self._faults > FAULTS_MAX:
                raise RunnerFailed(
                    runner=self.runner, problem=f"{self._faults} errors, the last: {error.strerror}"
                ) from error
        return fault

    def is_present(self) -> bool:
        """Tell whether the stick is still plugged in, as far as can be known."""
        if self._present is not None and not self._present():
            return False
        try:
            return self.disk.stat(self.mountpoint).is_dir
        except OSError:
            return False

    def kind(self, path: str) -> int | None:
        """Return the kind of what lies at a path, without following a link; None if nothing does or nobody can tell."""
        try:
            return self.disk.stat(path).kind
        except OSError as error:
            self.meaning(error)
            return None

    def free_bytes(self) -> int:
        """Return the room left on the stick; 0 if it cannot be told."""
        try:
            return self.disk.free_bytes(self.mountpoint)
        except OSError as error:
            self.meaning(error)
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
        """Make what happened in these directories durable, as far as they can be synced."""
        for directory in directories:
            try:
                self.disk.fsync_dir(directory)
            except OSError as error:
                self.meaning(error)


class _Fence:
    """A disk on which the mount point and what is above it cannot be made.

    Whoever writes durably makes missing directories, parents included. On a stick that was just pulled this would
    make the mount point anew on our own disk, and the packets would land in it.
    """

    def __init__(self, disk: Disk, mountpoint: str) -> None:
        self._disk = disk
        self._mountpoint = mountpoint

    def __getattr__(self, verb: str) -> Any:
        return getattr(self._disk, verb)

    def mkdir(self, path: str, mode: int = 0o777) -> None:
        if not path.startswith(f"{self._mountpoint}/"):
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), path)
        self._disk.mkdir(path, mode)
