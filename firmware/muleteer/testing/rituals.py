# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about the order of steps, read off what a fake disk was asked to do.

A step of a ritual that only matters when the power goes, or when two processes meet, leaves no other trace in a flow
that ends well. Each rule returns what breaks it, so a test can say that nothing does, and, with the step taken away,
that something does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muleteer.spool.disk import DIRECTORY
from muleteer.testing.disk_tree import ROOT, Names, Synced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from muleteer.testing.disk import Call, FakeDisk


def unsynced(disk: FakeDisk) -> set[str]:
    """Return the directories, still there, in which names have changed since they were last synced."""
    waiting: set[int] = set()
    for entry in disk.journal:
        if isinstance(entry, Names):
            waiting |= {directory for directory, _, _ in entry.changes}
        elif isinstance(entry, Synced) and not entry.lost:
            waiting.discard(entry.inode)
    return {path for path, inode in _directories(disk, ROOT, "") if inode in waiting}


def outside_lock(disk: FakeDisk, lock: str, concerns: Callable[[Call], bool]) -> list[Call]:
    """Return the calls that change what the lock is there for while it is not held."""
    held = False
    found = []
    for call in disk.story:
        if call.path == lock and call.verb in ("lock", "unlock"):
            held = call.verb == "lock"
        elif call.changes and not held and concerns(call):
            found.append(call)
    return found


def read_from_cache(disk: FakeDisk, under: str) -> list[str]:
    """Return the files below ``under`` that were read without dropping their cache first."""
    dropped: set[str] = set()
    found: dict[str, None] = {}
    for call in disk.story:
        if call.path.startswith(under):
            if call.verb == "open":
                dropped.discard(call.path)
            elif call.verb == "drop_cache":
                dropped.add(call.path)
            elif call.verb == "read" and call.path not in dropped:
                found[call.path] = None
    return list(found)


def not_before(disk: FakeDisk, first: Call, then: Callable[[Call], bool]) -> list[Call]:
    """Return the calls for which ``then`` holds that come before the call ``first`` was made."""
    found = []
    for call in disk.story:
        if (call.verb, call.path) == (first.verb, first.path):
            break
        if then(call):
            found.append(call)
    return found


def not_after(disk: FakeDisk, last: Call, then: Callable[[Call], bool]) -> list[Call]:
    """Return the calls for which ``then`` holds that come after the call ``last`` was made for the last time."""
    places = [at for at, call in enumerate(disk.story) if (call.verb, call.path) == (last.verb, last.path)]
    return [call for call in disk.story[places[-1] + 1 if places else 0 :] if then(call)]


def _directories(disk: FakeDisk, inode: int, path: str) -> Iterator[tuple[str, int]]:
    yield path or "/", inode
    for name, child in disk.inodes[inode].entries.items():
        if disk.inodes[child].kind == DIRECTORY:
            yield from _directories(disk, child, f"{path}/{name}")
