# SPDX-License-Identifier: GPL-3.0-or-later
"""Sticks to test with: a scene in memory, and a real directory that behaves like a bad stick.

`StickScene` is one box, its neighbours and one stick on a FakeDisk: what the power-cut and failure loops run on.
`StickDisk` is a real directory with a stick's bad habits: write-protected, small, unable to hold big files, pulled at
the n-th operation, or not giving back what was written.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from muleteer.carriers.stick import Round
from muleteer.carriers.stick_plan import StickAllowance, StickTraits
from muleteer.config.model import Config, Neighbour, Notify, OwnKeys
from muleteer.formats.mth import mth
from muleteer.formats.niceness import NORMAL
from muleteer.spool.aside import Aside
from muleteer.spool.disk import RealDisk, ensure_dir
from muleteer.spool.ledger import Ledger
from muleteer.spool.spool import Spool
from muleteer.spool.sweep import sweep
from muleteer.testing.disk import FakeDisk
from muleteer.testing.disk_tree import FAT, Volume
from muleteer.testing.nodes import MemoryLog
from muleteer.testing.packets import Person, seal
from muleteer.tossing.terms import TossOptions
from muleteer.tossing.tosser import Tosser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from muleteer.carriers.stick_report import RoundResult
    from muleteer.formats.ids import NodeId, PacketName
    from muleteer.spool.disk import DirEntry, RealFile
    from muleteer.spool.port import Buffer, Disk
    from muleteer.tossing.terms import TossReport

SPOOL, STICK, INCOMING = "/spool", "/stick", "/incoming"
HOME, CABIN, FARM, STRANGER = map(Person.named, ("home", "cabin", "farm", "stranger"))
TINY = StickTraits(cluster=512)  # a file system in memory has no clusters; the reserve shall not eat a small one


def put(disk: Disk, path: str, data: bytes) -> None:
    """Make a file with its parents."""
    ensure_dir(disk, path.rpartition("/")[0])
    with disk.create(path) as file:
        file.write(data)


@dataclass(slots=True)
class StickScene:
    """One box called home with two neighbours, and one stick; both on `disk`.

    `acks` are the acknowledgements asked for so far. `known` are the packets that exist in this world, by name.
    """

    disk: FakeDisk = field(default_factory=lambda: FakeDisk({STICK: Volume(FAT)}))
    spool_root: str = SPOOL
    mountpoint: str = STICK
    acks: list[tuple[NodeId, PacketName]] = field(default_factory=list)
    known: dict[PacketName, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ensure_dir(self.disk, self.spool_root)

    @property
    def spool(self) -> Spool:
        """The box's spool, as a process that just started sees it."""
        return Spool(self.spool_root, self.disk)

    @property
    def ledger(self) -> Ledger:
        """The box's ledger."""
        return Ledger(self.spool)

    def on_stick(
        self,
        payload: bytes,
        *,
        sender: Person = CABIN,
        recipient: Person = HOME,
        nice: int = NORMAL,
        base: str = "",
        name: str | None = None,
    ) -> PacketName:
        """Leave a packet on the stick as another box would, under `name` if that is to be wrong; return its hash."""
        packet = seal(payload, sender=sender, recipient=recipient, nice=nice)
        actual = self._exists(packet)
        directory = self.stick_path(recipient, sender, base=base)
        put(self.disk, f"{directory}/{name or actual}", packet)
        self.disk.settle()
        return actual

    def queue(
        self, payload: bytes, *, recipient: Person = CABIN, nice: int = NORMAL, answer: bool = False
    ) -> PacketName:
        """Queue a packet in tx, marked as an acknowledgement if it is an `answer`; return its name."""
        packet = seal(payload, sender=HOME, recipient=recipient, nice=nice)
        if answer:
            put(self.disk, f"{self.spool.layout.way(recipient.id, 'tx')}/ack/{mth(packet)}", b"")
        draft = self.spool.draft()
        draft.write(packet)
        self.spool.commit(draft, recipient.id, "tx")
        self.disk.settle()
        return self._exists(packet)

    def stick_path(self, recipient: Person = CABIN, sender: Person = HOME, *, base: str = "") -> str:
        """Return RECIPIENT/SENDER on the stick."""
        return "/".join(filter(None, (self.mountpoint, base, str(recipient.id), str(sender.id))))

    def lay_out(self, *recipients: Person, base: str = "") -> None:
        """Make the directories of recipients on the stick."""
        for recipient in recipients:
            ensure_dir(self.disk, "/".join(filter(None, (self.mountpoint, base, str(recipient.id)))))
        self.disk.settle()

    def names_on_stick(self, recipient: Person = CABIN, sender: Person = HOME, *, base: str = "") -> list[str]:
        """Return the names in RECIPIENT/SENDER on the stick, in the order in which they were made."""
        try:
            return self.disk.listdir(self.stick_path(recipient, sender, base=base))
        except FileNotFoundError:
            return []

    def round(self, allowance: StickAllowance | None = None, **options: Any) -> Round:
        """Return a round with this stick; `options` are those of `Round`."""
        settings: dict[str, Any] = {
            "runner": "blue",
            "now": self.disk.now,
            "acknowledge": lambda node, name: self.acks.append((node, name)),
            "traits": TINY,
        }
        return Round(
            self.spool,
            self.disk,
            self.ledger,
            HOME.id,
            (CABIN.id, FARM.id),
            allowance or StickAllowance(),
            self.mountpoint,
            **{**settings, **options},
        )

    def run(self, allowance: StickAllowance | None = None, **options: Any) -> RoundResult:
        """Do one whole round."""
        return self.round(allowance, **options).run()

    def after(self, disk: FakeDisk) -> StickScene:
        """Return this world as it stands on another disk: one that survived a cut."""
        scene = StickScene.__new__(StickScene)
        scene.disk, scene.spool_root, scene.mountpoint = disk, self.spool_root, self.mountpoint
        scene.acks, scene.known = [], self.known
        return scene

    def toss(self, *, seen: bool) -> TossReport:
        """Toss what waits, by the real tosser; files land in `INCOMING`."""
        log = MemoryLog()
        return Tosser(_config(self.spool_root), self.spool, Aside(self.spool), log, TossOptions(seen=seen)).toss(
            self.disk.now
        )

    def delivered(self) -> set[bytes]:
        """Return the contents of all files that were delivered."""
        image = self.disk.image()
        return {data for path, data in image.items() if path.startswith(f"{INCOMING}/") and isinstance(data, bytes)}

    def start_up(self) -> None:
        """Do what a box does when it starts: sweep the spool."""
        sweep(self.spool, now=self.disk.now, uptime=0, incoming=[INCOMING])

    def _exists(self, packet: bytes) -> PacketName:
        name = mth(packet)
        self.known[name] = packet
        return name


def _config(spool: str) -> Config:
    """Return the configuration of home."""
    neighbours = {
        person.id: Neighbour(
            name=person.name,
            id=person.id,
            exchpub=person.exchange.public,
            signpub=person.sign.public,
            noisepub=None,
            incoming=INCOMING,
            exec={},
            freq=None,
            via=(),
            addrs={},
            rxrate=0,
            txrate=0,
            onlinedeadline=None,
            maxonlinetime=0,
            calls=(),
        )
        for person in (HOME, CABIN, FARM)
    }
    own = OwnKeys(
        HOME.id, HOME.exchange.public, HOME.exchange.private, HOME.sign.public, HOME.sign.private, bytes(32), bytes(32)
    )
    return Config(
        path="/nncp.hjson",
        spool=spool,
        log="/log",
        umask=None,
        noprogress=True,
        nohdr=False,
        own=own,
        neighbours=neighbours,
        aliases={"self": HOME.id} | {entry.name: entry.id for entry in neighbours.values()},
        notify=Notify(None, None, {}),
        areas={},
        area_aliases={},
        mcd_listen=(),
        mcd_send={},
        yggdrasil_aliases={},
    )


@dataclass(slots=True)
class Habits:
    """What is wrong with a stick. Sizes are in bytes; `pulled_at` counts its operations from 0.

    `forgets` are names whose bytes come back as zeros, as from a stick that pretends to be bigger than it is.
    """

    read_only: bool = False
    capacity: int | None = None
    file_size_max: int | None = None
    pulled_at: int | None = None
    pulled_code: int = errno.EIO
    forgets: set[str] = field(default_factory=set)


class StickDisk(RealDisk):
    """A Disk on real directories with bad habits; `operations` counts what was asked of it."""

    def __init__(self, habits: Habits, directory: str) -> None:
        super().__init__(sync=False)
        self.habits = habits
        self.operations = 0
        self._directory = directory

    def step(self, path: str, *, changes: bool = False) -> None:
        """Count an operation; fail it if the stick is out, or does not let itself be changed."""
        at, self.operations = self.operations, self.operations + 1
        if self.habits.pulled_at is not None and at >= self.habits.pulled_at:
            raise OSError(self.habits.pulled_code, os.strerror(self.habits.pulled_code), path)
        if changes and self.habits.read_only:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    def claim(self, held: int, more: int, path: str) -> None:
        """Fail if a file that holds so many bytes cannot take so many more."""
        if self.habits.file_size_max is not None and held + more > self.habits.file_size_max:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
        if self.habits.capacity is not None and self.used() + more > self.habits.capacity:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    def used(self) -> int:
        """Return the bytes in all files on the stick."""
        found = os.walk(self._directory)
        return sum(os.lstat(os.path.join(above, name)).st_size for above, _, names in found for name in names)

    def open_read(self, path: str, *, follow: bool = False) -> Any:
        """See the port."""
        self.step(path)
        return StickFile(super().open_read(path, follow=follow), self, path)

    def create(self, path: str, mode: int = 0o666) -> Any:
        """See the port."""
        self.step(path, changes=True)
        return StickFile(super().create(path, mode), self, path)

    def rename(self, source: str, target: str) -> None:
        """See the port."""
        self.step(target, changes=True)
        super().rename(source, target)

    def unlink(self, path: str) -> None:
        """See the port."""
        self.step(path, changes=True)
        super().unlink(path)

    def mkdir(self, path: str, mode: int = 0o777) -> None:
        """See the port."""
        self.step(path, changes=True)
        super().mkdir(path, mode)

    def fsync_dir(self, path: str) -> None:
        """See the port."""
        self.step(path, changes=True)
        super().fsync_dir(path)

    def scandir(self, path: str) -> Iterator[DirEntry]:
        """See the port."""
        self.step(path)
        yield from super().scandir(path)

    def stat(self, path: str) -> DirEntry:
        """See the port."""
        self.step(path)
        return super().stat(path)

    def free_bytes(self, path: str) -> int:
        """See the port."""
        self.step(path)
        return super().free_bytes(path) if self.habits.capacity is None else self.habits.capacity - self.used()


class StickFile:
    """An open file of a `StickDisk`."""

    def __init__(self, inner: RealFile, disk: StickDisk, path: str) -> None:
        self._inner = inner
        self._disk = disk
        self._path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._inner.close()

    def __getattr__(self, verb: str) -> Any:
        return getattr(self._inner, verb)

    def read_into(self, view: memoryview) -> int:
        """See the port."""
        self._disk.step(self._path)
        count = self._inner.read_into(view)
        if self._path.rpartition("/")[2] in self._disk.habits.forgets:
            view[:count] = bytes(count)
        return count

    def write(self, data: Buffer) -> None:
        """See the port."""
        self._disk.step(self._path, changes=True)
        self._disk.claim(self._inner.size(), len(data), self._path)
        self._inner.write(data)

    def fsync(self) -> None:
        """See the port."""
        self._disk.step(self._path, changes=True)
        self._inner.fsync()
