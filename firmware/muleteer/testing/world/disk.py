# SPDX-License-Identifier: GPL-3.0-or-later
"""The fake disk of one running box: operations take time, sticks come and go, and traps wait at an operation.

A `Trap` counts the operations on a volume down and then does something there: cuts the power, pulls the stick, fails
the operation. After the power was cut every operation raises `PowerCut`, which no code of ours catches, so that what
was running ends where it was.

Time passes between two operations, never inside one, and other acts happen then (`timeline`); so operations are atomic,
as they are in a kernel. While somebody holds a lock for which others would wait, nothing happens in between.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from muleteer.spool.disk import DIRECTORY, FILE
from muleteer.testing.disk import FakeDisk
from muleteer.testing.disk_tree import Inode, Names, Synced, Volume, Written
from muleteer.testing.survivors import draw

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from muleteer.spool.disk import DirEntry
    from muleteer.testing.disk_file import FakeFile, FakeLock
    from muleteer.testing.world.timeline import Timeline

Contents = dict[str, bytes | None]
"""What is on a stick: a path below its root ("NNCP/x") to a file's bytes, or None for a directory."""

SLOW = {"fsync": 4e-3, "fsync_dir": 4e-3, "write": 2e-4}  # seconds, on a memory card
QUICK = 2e-5
STICK_FACTOR = 8.0
PLENTY = 1 << 40  # bytes


class PowerCut(BaseException):
    """The box has no power any more: whatever ran on it has ended."""


@dataclass(slots=True)
class Trap:
    """Do `spring`, which may raise OSError, at the `count`-th operation on the volume at `mount` (None: on any)."""

    mount: str | None
    count: int
    spring: Callable[[], None]


class WorldDisk(FakeDisk):
    """See the module. `timeline` None stands still (a disk that is looked at and not at work)."""

    def __init__(self, volumes: Mapping[str, Volume] | None = None, timeline: Timeline | None = None) -> None:
        super().__init__(volumes)
        self.timeline = timeline
        self.traps: list[Trap] = []
        self.dead = False
        self.operations = 0
        self.named: Callable[[str], None] = _unheard
        self.wall: Callable[[], float] = lambda: self.now
        self._debt = 0.0
        self._holding: list[FakeLock] = []

    # ------------------------------------------------------------------------------------------ time and traps

    def pause(self) -> None:
        """Let the time of the last operation pass."""
        debt, self._debt = self._debt, 0.0
        if self.timeline is not None and not self.dead:
            self.timeline.elapse(debt)
            self.now = self.wall()

    def step(self, verb: str, path: str, inode: int, *, changes: bool = False) -> None:
        """Count an operation, let traps spring."""
        if verb in ("read", "write", "fsync", "size"):
            self.pause()
        self.require_power()
        volume = self._volume_of(inode, path)
        self.operations += 1
        self._debt += SLOW.get(verb, QUICK) * (STICK_FACTOR if volume != "/" else 1.0)
        if self.traps:
            self._count_down(volume)
            self.require_power()
            self._volume_of(inode, path)
        super().step(verb, path, inode, changes=changes)

    def require_power(self) -> None:
        """Raise PowerCut after that."""
        if self.dead:
            raise PowerCut

    def _volume_of(self, inode: int, path: str) -> str:
        found = self.inodes.get(inode)
        if found is None:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), path)
        return found.volume

    def _count_down(self, volume: str) -> None:
        for trap in [trap for trap in self.traps if trap.mount in (None, volume)]:
            trap.count -= 1
            if trap.count <= 0 and trap in self.traps:
                self.traps.remove(trap)
                trap.spring()

    # ------------------------------------------------------------------------------------------ power and sticks

    def cut(self, chance: random.Random) -> WorldDisk:
        """Cut the power now; return the disk as the next start finds it, without sticks: `eject` those first."""
        survivor = self.reborn(draw(self, chance))
        self.dead = True
        survivor.settle()
        survivor.timeline = self.timeline
        return survivor

    def reborn(self, inodes: dict[int, Inode]) -> WorldDisk:
        """See the fake disk."""
        disk = super().reborn(inodes)
        if not isinstance(disk, WorldDisk):
            raise TypeError(type(disk))
        return disk

    def mount(self, place: str, volume: Volume, contents: Contents) -> None:
        """Put a stick's file system at a place, all of it durable."""
        if place in self.volumes:
            raise ValueError(f"{place} is taken")
        self.volumes[place] = volume
        parent, name = self.make_parents(place)
        root = self._graft(DIRECTORY, parent, place)
        made = {"": root}
        for path, data in sorted(contents.items()):
            above, _, last = path.rpartition("/")
            inode = made[path] = self._graft(DIRECTORY if data is None else FILE, root, place, data or b"")
            self.inodes[made[above]].entries[last] = inode
            self.inodes[inode].names = 1
        for inode in made.values():
            self.base[inode] = self.inodes[inode].copy()
        self.link(parent, name, root)
        self._keep(parent)

    def eject(self, place: str, chance: random.Random | None) -> Contents:
        """Take a stick away; return what is on it: all of it if it was unmounted, else (`chance`) what survived."""
        inodes = self.inodes if chance is None else draw(self, chance, (place,))
        parent, name, root = self.resolve(place)
        if root is None:
            raise ValueError(f"nothing is at {place}")
        contents: Contents = {}
        _collect(inodes, root, "", contents)
        self.link(parent, name, None)
        self._keep(parent)
        gone = {number for number, inode in self.inodes.items() if inode.volume == place}
        self.journal = [entry for entry in self.journal if not _concerns(entry, place, gone)]
        for number in gone:
            del self.inodes[number]
            self.base.pop(number, None)
        del self.volumes[place]
        self.disarm(place)
        return contents

    def disarm(self, place: str) -> None:
        """Take away the traps of a volume."""
        self.traps = [trap for trap in self.traps if trap.mount != place]

    def write_back(self) -> None:
        """Make everything durable, as a kernel does on its own after half a minute; forget files without names.

        After a sync that failed it does nothing: what was lost then may be found missing at any later cut.
        """
        if any(isinstance(entry, Synced) and entry.lost for entry in self.journal):
            return
        touched: set[int] = set()
        for entry in self.journal:
            if isinstance(entry, Names):
                touched.update(directory for directory, _, _ in entry.changes)
                touched.update(inode for _, _, inode in entry.changes if inode is not None)
            elif isinstance(entry, Written):
                touched.add(entry.inode)
        for number in touched:
            inode = self.inodes.get(number)
            if inode is not None and inode.names:
                self.base[number] = inode.copy()
        for number in [number for number, inode in self.inodes.items() if not inode.names]:
            del self.inodes[number]
            self.base.pop(number, None)
        self.journal.clear()
        self.trace.clear()
        self.story.clear()

    def limit(self, mount: str, room: int | None) -> None:
        """Leave so many bytes of room on a volume; None: plenty."""
        volume = self.volumes[mount]
        volume.capacity = PLENTY
        volume.capacity = PLENTY if room is None else PLENTY - self.free(mount) + room

    def _graft(self, kind: int, parent: int, volume: str, data: bytes = b"") -> int:
        inode = self.new(kind, parent, bytearray(data))
        self.inodes[inode].volume = volume
        return inode

    def _keep(self, directory: int) -> None:
        """Have a change of mount points survive: they are no names on the disk."""
        entries = self.inodes[directory].entries
        self.base[directory] = replace(self.base[directory], entries=dict(entries))

    # ------------------------------------------------------------------------------------------ the port

    def change(self, text: str, *changes: tuple[int, str, int | None]) -> None:
        """Tell who wants to know of new names."""
        super().change(text, *changes)
        self.named(text)

    def open_read(self, path: str, *, follow: bool = False) -> FakeFile:
        """See the port."""
        self.pause()
        return super().open_read(path, follow=follow)

    def create(self, path: str, mode: int = 0o666) -> FakeFile:
        """See the port."""
        self.pause()
        return super().create(path, mode)

    def append(self, path: str, mode: int = 0o666) -> FakeFile:
        """See the port."""
        self.pause()
        return super().append(path, mode)

    def rename(self, source: str, target: str) -> None:
        """See the port."""
        self.pause()
        super().rename(source, target)

    def publish(self, source: str, target: str) -> None:
        """See the port."""
        self.pause()
        super().publish(source, target)

    def unlink(self, path: str) -> None:
        """See the port."""
        self.pause()
        super().unlink(path)

    def mkdir(self, path: str, mode: int = 0o777) -> None:
        """See the port."""
        self.pause()
        super().mkdir(path, mode)

    def fsync_dir(self, path: str) -> None:
        """See the port."""
        self.pause()
        super().fsync_dir(path)

    def listdir(self, path: str) -> list[str]:
        """See the port."""
        self.pause()
        return super().listdir(path)

    def scandir(self, path: str) -> Iterator[DirEntry]:
        """See the port."""
        self.pause()
        return super().scandir(path)

    def stat(self, path: str) -> DirEntry:
        """See the port."""
        self.pause()
        return super().stat(path)

    def heads(self, directory: str, names: Iterable[str], length: int) -> Iterator[tuple[str, int, bytes]]:
        """See the port."""
        self.pause()
        return super().heads(directory, list(names), length)

    def lock(self, path: str, *, wait: bool = False) -> FakeLock:
        """See the port. A lock that others wait for is held without a pause, so nobody ever has to."""
        self.pause()
        lock = super().lock(path, wait=wait)
        if wait and self.timeline is not None:
            self.timeline.hold()
            self._holding.append(lock)
        return lock

    def unflock(self, owner: object) -> bool:
        """See the fake disk."""
        if any(owner is lock for lock in self._holding) and self.timeline is not None:
            self._holding = [lock for lock in self._holding if lock is not owner]
            self.timeline.release()
        return super().unflock(owner)


def _unheard(_text: str) -> None:
    return None


def _concerns(entry: object, place: str, inodes: set[int]) -> bool:
    if isinstance(entry, Names):
        return entry.volume == place
    return isinstance(entry, Written | Synced) and entry.inode in inodes


def _collect(inodes: Mapping[int, Inode], inode: int, path: str, found: Contents) -> None:
    for name, child in sorted(inodes[inode].entries.items()):
        below = f"{path}/{name}" if path else name
        is_directory = inodes[child].kind == DIRECTORY
        found[below] = None if is_directory else bytes(inodes[child].data)
        if is_directory:
            _collect(inodes, child, below, found)
