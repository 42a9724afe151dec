# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated bay: a directory that stands for a bay, in which a subdirectory that appears is an insertion.

It serves the demonstration, the tests, and a trial on a laptop: a symbolic link to where the desktop has mounted a
stick is as good as a subdirectory. The stick's label is the subdirectory's name. Prepare a stick elsewhere (or under a
name that begins with a dot) and move it in: what appears is taken as it is.

The directory is looked at every `POLL_SECONDS` instead of through inotify, which the standard library does not have;
a listing of a handful of names costs microseconds.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import trio

from muleteer.hotplug.events import Inserted, Pulled
from muleteer.hotplug.recognise import DIRECTORY, StickFound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from muleteer.hotplug.events import HotplugEvent

POLL_SECONDS = 0.1
STICKS_MAX = 16  # subdirectories looked at; a bay holds one stick, a laptop's desktop a few


class DirectoryBay:
    """One simulated bay."""

    def __init__(self, path: str, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._path = path
        self._poll_seconds = poll_seconds
        self._inside: dict[str, tuple[int, int]] = {}

    def poll(self) -> list[HotplugEvent]:
        """Look once and say what has changed since the last look: removals first."""
        now = self._look()
        gone = [path for path, identity in self._inside.items() if now.get(path) != identity]
        new = [path for path, identity in now.items() if self._inside.get(path) != identity]
        self._inside = now
        return [*(Pulled(path) for path in gone), *(Inserted(_stick(path)) for path in new)]

    async def events(self) -> AsyncIterator[HotplugEvent]:
        """Say first what is in already, then what changes; never ends by itself."""
        while True:
            for event in self.poll():
                yield event
            await trio.sleep(self._poll_seconds)

    def _look(self) -> dict[str, tuple[int, int]]:
        try:
            names = sorted(name for name in os.listdir(self._path) if not name.startswith("."))
        except OSError:  # the bay itself is not there (yet): nothing is in it
            return {}
        found: dict[str, tuple[int, int]] = {}
        for path in (os.path.join(self._path, name) for name in names):
            if len(found) < STICKS_MAX and os.path.isdir(path):
                identity = _identity(path)
                if identity is not None:
                    found[path] = identity
        return found


def _identity(path: str) -> tuple[int, int] | None:
    try:
        facts = os.stat(path)
    except OSError:  # moved away between the listing and now
        return None
    return facts.st_dev, facts.st_ino


def _stick(path: str) -> StickFound:
    return StickFound(device=path, port="", fs_type=DIRECTORY, label=os.path.basename(path), directory=path)
