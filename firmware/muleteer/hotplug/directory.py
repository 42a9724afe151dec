# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated bay: a directory that stands for a bay, in which a subdirectory that appears is an insertion.

It serves the demonstration, the tests, and a trial on a laptop: a symbolic link to where the desktop has mounted a
stick is as good as a subdirectory. The stick's label is the subdirectory's name. Prepare a stick elsewhere (or under a
name that begins with a dot) and move it in: what appears is taken as it is.

The directory is looked at every `POLL_SECONDS` instead of through inotify, which the standard library does not have.
One look is a stat of it and of each name in it; names are listed anew only while its time changes, and once more after
that, because two changes within one tick of the kernel's clock leave the same time.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import trio

from muleteer.hotplug.events import Inserted, Pulled
from muleteer.hotplug.recognise import DIRECTORY, StickFound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from muleteer.hotplug.events import HotplugEvent

POLL_SECONDS = 0.25
STICKS_MAX = 16  # subdirectories looked at; a bay holds one stick, a laptop's desktop a few
NAMES_MAX = 64  # looked at again and again: also what is no stick now, such as a link to where one will be mounted


class DirectoryBay:
    """One simulated bay."""

    def __init__(self, path: str, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._path = path
        self._poll_seconds = poll_seconds
        self._inside: dict[str, tuple[int, int]] = {}
        self._names: list[str] = []
        self._time: int | None = None
        self._settled = False

    def poll(self) -> list[HotplugEvent]:
        """Look once and say what has changed since the last look: removals first."""
        now = self._look()
        gone = [path for path, identity in self._inside.items() if now.get(path) != identity]
        new = [path for path, identity in now.items() if self._inside.get(path) != identity]
        self._inside = now
        self._settled &= not (gone or new)
        return [*(Pulled(path) for path in gone), *(Inserted(_stick(path)) for path in new)]

    async def events(self) -> AsyncIterator[HotplugEvent]:
        """Say first what is in already, then what changes; never ends by itself."""
        while True:
            for event in self.poll():
                yield event
            await trio.sleep(self._poll_seconds)

    def _look(self) -> dict[str, tuple[int, int]]:
        self._list()
        found: dict[str, tuple[int, int]] = {}
        for path in (os.path.join(self._path, name) for name in self._names):
            identity = _identity(path)
            if identity is not None and len(found) < STICKS_MAX:
                found[path] = identity
        return found

    def _list(self) -> None:
        """Read the names anew, unless they are known to be the same."""
        try:
            time = os.stat(self._path).st_mtime_ns
            if time == self._time and self._settled:
                return
            names = sorted(name for name in os.listdir(self._path) if not name.startswith("."))[:NAMES_MAX]
        except OSError:  # the bay itself is not there (yet): nothing is in it
            self._time, self._names = None, []
            return
        self._settled = time == self._time
        self._time, self._names = time, names


def _identity(path: str) -> tuple[int, int] | None:
    """Return what tells one directory from another; None if it is none, or not there."""
    try:
        facts = os.stat(path)
    except OSError:
        return None
    return (facts.st_dev, facts.st_ino) if stat.S_ISDIR(facts.st_mode) else None


def _stick(path: str) -> StickFound:
    return StickFound(device=path, port="", fs_type=DIRECTORY, label=os.path.basename(path), directory=path)
