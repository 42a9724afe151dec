# SPDX-License-Identifier: GPL-3.0-or-later
"""Notice that somebody queued or removed packets beside us: an ``nncp-file`` in a shell, a cron job, Go's daemon.

One look is one stat for each neighbour: a rename into a directory, or out of it, sets the directory's time. inotify
would save these few microseconds a second and cost a library.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class SpoolWatch:
    """The times of some directories, as of the last look; those that are not there (yet) count too."""

    def __init__(self, directories: Iterable[str]) -> None:
        self._directories = tuple(directories)
        self._times = self._look()

    def changed(self) -> bool:
        """Look; return whether anything is otherwise than at the last look."""
        before, self._times = self._times, self._look()
        return before != self._times

    def _look(self) -> tuple[int, ...]:
        return tuple(_time_of(directory) for directory in self._directories)


def _time_of(directory: str) -> int:
    try:
        return os.stat(directory).st_mtime_ns
    except OSError:  # not there: nothing was ever queued for this neighbour
        return -1
