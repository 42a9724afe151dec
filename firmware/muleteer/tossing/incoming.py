# SPDX-License-Identifier: GPL-3.0-or-later
"""Where arriving files go: below a neighbour's incoming directory, under names that never replace anything.

House rules:

1. A stranger's name is a `SafeName`: relative, without ``..``. Below the incoming directory no symbolic link is
   followed, whoever made it and wherever it leads. (The reference compares path strings only, so that a sibling
   ``incoming2`` passes, and follows links.) The incoming directory itself may be a link: the owner wrote its path.
2. A name that is taken becomes NAME.0, NAME.1, ... as in the reference; where that is too long for the file system,
   NAME is cut. How far a name has come is remembered, so that thousands of equal names stay linear.
3. A draft lies in the directory of its file, so that publishing stays within one file system. A draft that a power cut
   left there is removed when this process first delivers there: the packet it came from is still in rx, will be
   delivered again, and to the same directory.
4. So that no sweep takes a stranger's file for a draft, a name that looks like one counts as taken.
"""

from __future__ import annotations

import errno

from muleteer.errors import UnsafeName
from muleteer.formats.safename import COMPONENT_SIZE_MAX
from muleteer.spool.disk import LINK, ensure_dir
from muleteer.spool.draft import Draft
from muleteer.spool.layout import DELIVERY_PREFIX
from muleteer.spool.sweep import is_draft_name, sweep_drafts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from muleteer.formats.safename import SafeName
    from muleteer.spool.port import Disk

REMEMBERED_MAX = 100_000
"""Names whose next number is remembered; beyond it the memory is dropped and found again by trying."""


class Incoming:
    """All incoming directories of this node, during one toss or many."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._ready: set[str] = set()
        self._next: dict[str, int] = {}

    def draft(self, root: str, name: SafeName, guard: AbstractContextManager[None]) -> tuple[Draft, str]:
        """Begin the file `name` below the directory `root`; return its draft and its directory.

        Raises UnsafeName if a link lies on the way. OSError passes through `guard`, also later from the draft.
        """
        with guard:
            directory = self._directory(root, name)
        return Draft(self._disk, directory, prefix=DELIVERY_PREFIX, hashed=False, guard=guard).open(), directory

    def names(self, directory: str, name: SafeName) -> Iterator[str]:
        """Yield the names to try in `directory`, without end; those tried are not tried again later."""
        last = name.parts[-1]
        key = f"{directory}/{last}"
        if len(self._next) > REMEMBERED_MAX:
            self._next.clear()
        while True:
            number = self._next.get(key, -1)
            self._next[key] = number + 1
            if number >= 0:
                yield _numbered(last, number)
            elif not is_draft_name(last, DELIVERY_PREFIX):
                yield last

    def forget(self) -> None:
        """Try all names from the beginning again: deliveries did not come about."""
        self._next.clear()

    def _directory(self, root: str, name: SafeName) -> str:
        directory = root.rstrip("/") or "/"
        if directory not in self._ready:
            ensure_dir(self._disk, directory)
            self._prepare(directory)
        for part in name.parts[:-1]:
            directory = f"{directory.rstrip('/')}/{part}"
            if directory not in self._ready:
                self._make(directory, name)
                self._prepare(directory)
        return directory

    def _make(self, directory: str, name: SafeName) -> None:
        try:
            found = self._disk.stat(directory)
        except FileNotFoundError:
            ensure_dir(self._disk, directory)
            return
        if found.kind == LINK:
            raise UnsafeName(name=str(name), problem="it leads through a symbolic link")
        if not found.is_dir:
            raise NotADirectoryError(errno.ENOTDIR, "not a directory", directory)

    def _prepare(self, directory: str) -> None:
        """Sweep a directory, and see to it that it lasts: whoever made it may have been cut off before that."""
        if len(self._ready) > REMEMBERED_MAX:
            self._ready.clear()
        self._disk.fsync_dir(directory.rpartition("/")[0] or "/")
        if any(is_draft_name(name, DELIVERY_PREFIX) for name in self._disk.listdir(directory)):
            sweep_drafts(self._disk, directory, DELIVERY_PREFIX)
        self._ready.add(directory)


def _numbered(name: str, number: int) -> str:
    suffix = f".{number}"
    raw = name.encode("utf-8", "surrogateescape")[: COMPONENT_SIZE_MAX - len(suffix)]
    return raw.decode("utf-8", "surrogateescape") + suffix
