# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk in memory that remembers what a power cut would leave.

:class:`FakeDisk` has every verb of the port (:mod:`muleteer.spool.port`) and passes the same contract suite as the real
disk. Besides, it

* records every change in :attr:`FakeDisk.journal`, from which :mod:`.crash` builds what may survive a cut;
* counts every verb that may fail in :attr:`FakeDisk.trace`, and fails the n-th one on request (:meth:`FakeDisk.fail`),
  or takes a volume away before it (:meth:`FakeDisk.pull`);
* tells everything that was asked of it in :attr:`FakeDisk.story`, hints and released locks included: for rules about
  the order of steps (:mod:`.rituals`);
* holds several volumes of two personalities: JOURNALLED keeps changes of names in order and has hard links (ext4);
  FAT promises no order before an fsync and has neither hard nor symbolic links (what a stick is).

A file's bytes survive for certain once it was synced, a name once its directory was. As with Linux, an fsync that
failed tells it once, and what it should have made durable may be gone: a later one that succeeds makes only that
durable which was written, or named, after the failure.

Files named in :attr:`FakeDisk.lies` are written to a medium that keeps nothing: they read well until the cache is
dropped, and as zeros from then on.
"""

from __future__ import annotations

import dataclasses
import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from muleteer.spool.disk import DIRECTORY, FILE, LINK, OTHER
from muleteer.testing.disk_file import FakeFile, FakeLock
from muleteer.testing.disk_tree import FAT, Inode, Mark, Synced, Tree, Volume

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from muleteer.spool.disk import DirEntry


_FILE_VERBS = ("read", "write", "fsync", "size")


class Call(NamedTuple):
    """One verb, as it was called: ``changes`` tells whether it would change the disk."""

    verb: str
    path: str
    changes: bool


@dataclass(slots=True)
class _Fault:
    at: int
    code: int
    sticky: bool
    under: str


class FakeDisk(Tree):
    """A disk in memory. ``volumes`` maps mount points (made at once) to file systems; "/" is JOURNALLED by default.

    Set :attr:`now` for the times of files, :attr:`held` for files that some other process has open.
    """

    def __init__(self, volumes: Mapping[str, Volume] | None = None) -> None:
        super().__init__(volumes)
        self.held: set[str] = set()
        self.trace: list[Call] = []
        self.story: list[Call] = []
        self.lies: set[str] = set()
        self.base: dict[int, Inode] = {}
        self._flocks: dict[int, object] = {}
        self._fault: _Fault | None = None
        self._pull: tuple[int, str] | None = None
        self._serial = 0
        self.settle()

    # ------------------------------------------------------------------------------------------ control

    def settle(self) -> None:
        """Make everything durable and forget how it came about: the flow under test begins here."""
        self.base = {number: inode.copy() for number, inode in self.inodes.items()}
        self.journal.clear()
        self.trace.clear()
        self.story.clear()

    def mark(self, text: str) -> None:
        """Note in the journal that the flow has promised something; a checker asks what was promised before the cut."""
        self.journal.append(Mark(text))

    def fail(self, at: int, code: int, *, sticky: bool = False, under: str = "/") -> None:
        """Fail the verb with index ``at`` in the trace with this errno, and if ``sticky`` each one after it.

        A sticky EROFS or ENOSPC fails only verbs that change something. Only paths below ``under`` fail.
        """
        self._fault = _Fault(at, code, sticky, under)

    def heal(self) -> None:
        """End what :meth:`fail` began."""
        self._fault = None

    def pull(self, at: int, mount: str) -> None:
        """Unplug a volume before the verb with index ``at``: its mount point vanishes, its open files fail."""
        self._pull = (at, mount)

    def restart(self) -> None:
        """Let the program end, with its locks, and another begin; the machine goes on with its caches and doubts."""
        self._flocks.clear()

    def __deepcopy__(self, _memo: object) -> FakeDisk:
        """Return a disk with the same on it, all of it settled, for another flow; quickly."""
        disk = self.reborn({number: inode.copy() for number, inode in self.inodes.items()})
        disk.settle()
        return disk

    def reborn(self, inodes: dict[int, Inode]) -> FakeDisk:
        """Return this machine's disk after a restart that found ``inodes``: no locks, no open files, serials anew."""
        disk = type(self)()
        disk.volumes = {mount: dataclasses.replace(volume) for mount, volume in self.volumes.items()}
        disk.now = self.now
        disk.inodes = inodes
        disk.next_inode = max(inodes) + 1
        disk.base = {}  # to act on it and cut again, settle() first
        return disk

    def put(self, path: str, data: bytes | None = b"") -> None:
        """Make a file with its parents, durable at once; None makes a FIFO. For building a scene."""
        parent, name = self.make_parents(path)
        kind = OTHER if data is None else FILE
        self.link(parent, name, self.new(kind, parent, bytearray(data or b"")))
        self.settle()

    # ------------------------------------------------------------------------------------------ the port

    def open_read(self, path: str, *, follow: bool = False) -> FakeFile:
        """See the port."""
        inode = self.find(path, follow=follow)
        self.step("open", path, inode)
        kind = self.inodes[inode].kind
        if kind != FILE:
            code = {DIRECTORY: errno.EISDIR, LINK: errno.ELOOP}.get(kind, errno.EINVAL)
            raise OSError(code, os.strerror(code), path)
        return FakeFile(self, inode, path)

    def create(self, path: str, mode: int = 0o666) -> FakeFile:  # noqa: ARG002 - modes are not modelled
        """See the port."""
        parent, name, inode = self.resolve(path)
        self.step("create", path, parent, changes=True)
        if inode is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        return FakeFile(self, self.add(f"create {path}", parent, name, FILE), path)

    def append(self, path: str, mode: int = 0o666) -> FakeFile:  # noqa: ARG002
        """See the port."""
        parent, name, inode = self.resolve(path, follow=True)
        self.step("append", path, parent, changes=True)
        if inode is None:
            inode = self.add(f"create {path}", parent, name, FILE)
        return FakeFile(self, inode, path, position=len(self.inodes[inode].data))

    def rename(self, source: str, target: str) -> None:
        """See the port."""
        old, old_name, inode = self.resolve(source)
        new, new_name, replaced = self.resolve(target)
        self.step("rename", target, new, changes=True)
        if inode is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), source)
        if self.inodes[old].volume != self.inodes[new].volume:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), source)
        if replaced is not None and self.inodes[replaced].kind == DIRECTORY:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), target)
        self.change(f"rename {source} -> {target}", (new, new_name, inode), (old, old_name, None))

    def publish(self, source: str, target: str) -> None:
        """See the port. Where there are hard links it is link and unlink, and a cut may come between the two."""
        old, old_name, inode = self.resolve(source)
        new, new_name, taken = self.resolve(target)
        self.step("publish", target, new, changes=True)
        if inode is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), source)
        if taken is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
        if self.inodes[old].volume != self.inodes[new].volume:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), source)
        if self.volumes[self.inodes[new].volume].personality == FAT:
            self.change(f"rename {source} -> {target}", (new, new_name, inode), (old, old_name, None))
            return
        self.change(f"link {source} -> {target}", (new, new_name, inode))
        self.step("unlink", source, old, changes=True)
        self.change(f"unlink {source}", (old, old_name, None))

    def unlink(self, path: str) -> None:
        """See the port."""
        parent, name, inode = self.resolve(path)
        self.step("unlink", path, parent, changes=True)
        if inode is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        if self.inodes[inode].kind == DIRECTORY:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        self.change(f"unlink {path}", (parent, name, None))

    def mkdir(self, path: str, mode: int = 0o777) -> None:  # noqa: ARG002
        """See the port."""
        parent, name, inode = self.resolve(path)
        self.step("mkdir", path, parent, changes=True)
        if inode is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        self.add(f"mkdir {path}", parent, name, DIRECTORY)

    def rmdir(self, path: str) -> None:
        """See the port."""
        parent, name, inode = self.resolve(path)
        self.step("rmdir", path, parent, changes=True)
        found = self.directory(inode, path)
        if found.entries:
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), path)
        self.change(f"rmdir {path}", (parent, name, None))

    def symlink(self, target: str, path: str) -> None:
        """See the port."""
        parent, name, inode = self.resolve(path)
        self.step("symlink", path, parent, changes=True)
        if inode is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        if self.volumes[self.inodes[parent].volume].personality == FAT:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), path)
        self.add(f"symlink {path}", parent, name, LINK, target)

    def fsync_dir(self, path: str) -> None:
        """See the port."""
        inode = self.find(path, follow=True)
        self.directory(inode, path)
        try:
            self.step("fsync_dir", path, inode, changes=True)
        except OSError:
            self.journal.append(Synced(f"failed fsync_dir {path}", inode, lost=True))
            raise
        self.journal.append(Synced(f"fsync_dir {path}", inode))

    def listdir(self, path: str) -> list[str]:
        """See the port."""
        inode = self.find(path, follow=True)
        self.step("listdir", path, inode)
        return list(self.directory(inode, path).entries)

    def scandir(self, path: str) -> Iterator[DirEntry]:
        """See the port."""
        inode = self.find(path, follow=True)
        self.step("scandir", path, inode)
        for name, child in list(self.directory(inode, path).entries.items()):
            yield self.describe(name, child)

    def stat(self, path: str) -> DirEntry:
        """See the port."""
        inode = self.find(path)
        self.step("stat", path, inode)
        return self.describe(path.rpartition("/")[2], inode)

    def heads(self, directory: str, names: Iterable[str], length: int) -> Iterator[tuple[str, int, bytes]]:
        """See the port."""
        inode = self.find(directory, follow=True)
        self.step("open", directory, inode)
        entries = self.directory(inode, directory).entries
        for name in names:
            child = entries.get(name)
            if child is not None and self.inodes[child].kind == FILE:
                self.step("read", f"{directory}/{name}", child)
                data = self.inodes[child].data
                yield name, len(data), bytes(data[:length])

    def free_bytes(self, path: str) -> int:
        """See the port."""
        inode = self.find(path, follow=True)
        self.step("free_bytes", path, inode)
        return self.free(self.inodes[inode].volume)

    def lock(self, path: str, *, wait: bool = False) -> FakeLock:
        """See the port. Waiting for a lock that is held would last for ever: RuntimeError."""
        parent, name, inode = self.resolve(path)
        self.step("lock", path, parent, changes=True)
        if inode is None:
            inode = self.add(f"create {path}", parent, name, FILE)
        held = FakeLock(self, path)
        if not self.flock(inode, held):
            if wait:
                raise RuntimeError(f"deadlock: {path} is held by this program")
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN), path)
        return held

    def in_use(self, paths: Collection[str]) -> set[str]:
        """See the port."""
        return self.held.intersection(paths)

    def unique(self) -> str:
        """See the port. Counts from 1 after each start, so that names left over from before are met."""
        self._serial += 1
        return f"{self._serial:032x}"

    # ------------------------------------------------------------------------------------------ for files and locks

    def step(self, verb: str, path: str, inode: int, *, changes: bool = False) -> None:
        """Count a verb; raise what :meth:`fail` asked for, or EROFS on a volume that is read-only."""
        index = len(self.trace)
        call = Call(verb, path, changes)
        self.trace.append(call)
        self.story.append(call)
        self._lose_volume(index, call, inode)
        fault = self._fault
        if fault and (index == fault.at or (fault.sticky and index > fault.at)) and path.startswith(fault.under):
            selective = fault.sticky and fault.code in (errno.EROFS, errno.ENOSPC)
            if changes or not selective:
                raise OSError(fault.code, os.strerror(fault.code), path)
        if changes and self.volumes[self.inodes[inode].volume].read_only:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    def tell(self, verb: str, path: str) -> None:
        """Note in the story what cannot fail."""
        self.story.append(Call(verb, path, changes=False))

    def forget(self, inode: int, path: str) -> None:
        """Drop a file's cache; what has not been synced stays in it."""
        found = self.inodes[inode]
        if path.rpartition("/")[2] in self.lies and not found.dirty:
            found.data[:] = bytes(len(found.data))

    def claim(self, inode: int, size: int, path: str) -> None:
        """Raise ENOSPC unless ``size`` more bytes fit on the volume."""
        if size > self.free(self.inodes[inode].volume):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    def flock(self, inode: int, owner: object) -> bool:
        """Give the flock of an inode to ``owner``; False when another has it."""
        return self._flocks.setdefault(inode, owner) is owner

    def unflock(self, owner: object) -> bool:
        """Take back what ``owner`` has locked; False if that is nothing."""
        before = len(self._flocks)
        self._flocks = {inode: other for inode, other in self._flocks.items() if other is not owner}
        return len(self._flocks) < before

    def _lose_volume(self, index: int, call: Call, inode: int) -> None:
        """Do what :meth:`pull` asked for; from then on no path leads to the volume, and no open file answers."""
        if self._pull is None or index < self._pull[0]:
            return
        mount = self._pull[1]
        parent, name, there = self.resolve(mount)
        if there is not None and self.inodes[there].volume == mount:
            self.link(parent, name, None)
        if self.inodes[inode].volume == mount:
            code = errno.ENODEV if call.verb in _FILE_VERBS else errno.ENOENT
            raise OSError(code, os.strerror(code), call.path)
