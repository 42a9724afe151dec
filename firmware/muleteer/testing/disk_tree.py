# SPDX-License-Identifier: GPL-3.0-or-later
"""The inside of the fake disk: volumes, inodes, names, and the journal of what changed."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from muleteer.spool.disk import DIRECTORY, FILE, LINK, DirEntry

if TYPE_CHECKING:
    from collections.abc import Mapping

JOURNALLED, FAT = "journalled", "fat"
LINKS_MAX = 40
ROOT = 0


@dataclass(slots=True)
class Volume:
    """One file system; ``read_only`` may be changed at any time."""

    personality: str = JOURNALLED
    capacity: int = 1 << 40
    read_only: bool = False


@dataclass(slots=True)
class Inode:
    """A file, directory, symbolic link or something else."""

    kind: int
    volume: str
    mtime: float
    data: bytearray = field(default_factory=bytearray)
    entries: dict[str, int] = field(default_factory=dict)
    target: str = ""
    names: int = 0
    dirty: bool = False

    def copy(self) -> Inode:
        """Return an independent copy."""
        return Inode(
            self.kind, self.volume, self.mtime, bytearray(self.data), dict(self.entries), self.target, self.names
        )

    def __deepcopy__(self, _memo: object) -> Inode:
        """Return :meth:`copy`: by itself ``copy.deepcopy`` takes forty times as long, and half a crash test with it."""
        return self.copy()


@dataclass(frozen=True, slots=True)
class Names:
    """Journal: names changed together. Each change is (directory, name, inode or None)."""

    text: str
    volume: str
    changes: tuple[tuple[int, str, int | None], ...]


@dataclass(frozen=True, slots=True)
class Written:
    """Journal: bytes were appended to (or put into) a file."""

    text: str
    inode: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Synced:
    """Journal: a file or directory was synced; ``lost`` when that failed: its unsynced bytes or names may be gone."""

    text: str
    inode: int
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """Journal: the flow under test reached a point where it has promised something."""

    text: str


Record = Names | Written | Synced | Mark


Image = dict[str, bytes | str | None]
"""Every path with a file's bytes, a link's target, or None for a directory."""


class Tree:
    """Inodes under a root; every change of names goes through :meth:`change` into the journal."""

    def __init__(self, volumes: Mapping[str, Volume] | None) -> None:
        self.volumes: dict[str, Volume] = {"/": Volume(), **(volumes or {})}
        self.now = 1_700_000_000.0
        self.inodes: dict[int, Inode] = {ROOT: Inode(DIRECTORY, "/", self.now, names=1)}
        self.journal: list[Record] = []
        self.next_inode = ROOT + 1
        for mount in sorted(self.volumes):
            if mount != "/":
                self._mount(mount)

    def image(self) -> Image:
        """Return every path with a file's bytes, a link's target, or None for a directory."""
        found: Image = {}
        self._collect(ROOT, "", found)
        return found

    def resolve(self, path: str, *, follow: bool = False, depth: int = 0) -> tuple[int, str, int | None]:
        """Return the directory, the last name in it, and what has that name."""
        if depth > LINKS_MAX:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        parts = [part for part in path.split("/") if part not in ("", ".")] or ["."]
        plain = self._walk(parts, follow=follow)
        if plain is not None:
            return plain
        stack = [ROOT]
        for position, name in enumerate(parts):
            parent = self.directory(stack[-1], path)
            child = stack[-1] if name == "." else parent.entries.get(name)
            last = position == len(parts) - 1
            if name == "..":
                stack = stack[:-1] or [ROOT]
                continue
            if child is not None and self.inodes[child].kind == LINK and (follow or not last):
                above = "/" + "/".join(parts[:position])
                target = os.path.join(above, self.inodes[child].target)
                rest = "/".join([target, *parts[position + 1 :]])
                return self.resolve(rest, follow=follow, depth=depth + 1)
            if last:
                return stack[-1], name, child
            if child is None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            stack.append(child)
        return stack[-1], ".", stack[-1]

    def _walk(self, parts: list[str], *, follow: bool) -> tuple[int, str, int | None] | None:
        """Resolve the ordinary path: directories all the way, no link; None if it is not that easy."""
        inode, inodes = ROOT, self.inodes
        for name in parts[:-1]:
            child = inodes[inode].entries.get(name)
            if child is None or inodes[child].kind != DIRECTORY:
                return None
            inode = child
        last = parts[-1]
        found = inodes[inode].entries.get(last)
        if last in (".", "..") or (follow and found is not None and inodes[found].kind == LINK):
            return None
        return inode, last, found

    def find(self, path: str, *, follow: bool = False) -> int:
        """Return what has a path; FileNotFoundError."""
        _, _, inode = self.resolve(path, follow=follow)
        if inode is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return inode

    def directory(self, inode: int | None, path: str) -> Inode:
        """Return an inode that must be a directory; NotADirectoryError."""
        if inode is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        found = self.inodes[inode]
        if found.kind != DIRECTORY:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        return found

    def describe(self, name: str, inode: int) -> DirEntry:
        """Return what scandir and stat tell."""
        found = self.inodes[inode]
        return DirEntry(name, found.kind, len(found.data), found.mtime)

    def new(self, kind: int, parent: int, data: bytearray | None = None, target: str = "") -> int:
        """Make an inode without a name."""
        inode, self.next_inode = self.next_inode, self.next_inode + 1
        volume = self.inodes[parent].volume
        self.inodes[inode] = Inode(kind, volume, self.now, data if data is not None else bytearray(), target=target)
        return inode

    def add(self, text: str, parent: int, name: str, kind: int, target: str = "") -> int:
        """Make an inode with a name."""
        inode = self.new(kind, parent, target=target)
        self.change(text, (parent, name, inode))
        return inode

    def change(self, text: str, *changes: tuple[int, str, int | None]) -> None:
        """Change names together and journal it."""
        for directory, name, inode in changes:
            self.link(directory, name, inode)
            self.inodes[directory].mtime = self.now
        self.journal.append(Names(text, self.inodes[changes[0][0]].volume, changes))

    def link(self, directory: int, name: str, inode: int | None) -> None:
        """Change one name, without the journal; None removes it."""
        entries = self.inodes[directory].entries
        replaced = entries.pop(name, None)
        if replaced is not None:
            self.inodes[replaced].names -= 1
        if inode is not None:
            entries[name] = inode
            self.inodes[inode].names += 1

    def free(self, volume: str) -> int:
        """Return the bytes left on a volume."""
        used = sum(len(inode.data) for inode in self.inodes.values() if inode.volume == volume and inode.names > 0)
        return max(0, self.volumes[volume].capacity - used)

    def _collect(self, inode: int, path: str, found: dict[str, bytes | str | None]) -> None:
        for name, child in sorted(self.inodes[inode].entries.items()):
            node = self.inodes[child]
            below = f"{path}/{name}"
            found[below] = bytes(node.data) if node.kind == FILE else node.target if node.kind == LINK else None
            if node.kind == DIRECTORY:
                self._collect(child, below, found)

    def make_parents(self, path: str) -> tuple[int, str]:
        """Make the directories above a path, without the journal; return the last one and the last name."""
        *parents, name = [part for part in path.split("/") if part]
        inode = ROOT
        for part in parents:
            entries = self.inodes[inode].entries
            if part not in entries:
                self.link(inode, part, self.new(DIRECTORY, inode))
            inode = entries[part]
        return inode, name

    def _mount(self, path: str) -> None:
        parent, name = self.make_parents(path)
        inode = self.new(DIRECTORY, parent)
        self.inodes[inode].volume = path
        self.link(parent, name, inode)
