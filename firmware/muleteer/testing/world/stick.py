# SPDX-License-Identifier: GPL-3.0-or-later
"""Sticks in bays, and the mount port of one box on its fake disk.

A stick's files live on the disk of the box in which it is mounted, and in the stick itself otherwise. Pulling a mounted
one leaves on it what survives a cut at that operation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from muleteer.errors import MountRefused, StillMounted
from muleteer.hotplug.recognise import StickFound
from muleteer.spool.layout import STICK_PREFIX
from muleteer.spool.sweep import is_draft_name
from muleteer.testing.disk_tree import FAT, Volume
from muleteer.testing.survivors import loose

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from muleteer.testing.world.disk import Contents, WorldDisk
    from muleteer.testing.world.timeline import Timeline

FS_TYPE = "vfat"
BASE = "/media"
MOUNT_SECONDS, UNMOUNT_SECONDS = 1.0, 0.5


@dataclass(slots=True)
class Stick:
    """One stick; `contents` are out of date while it is mounted somewhere."""

    label: str
    capacity: int
    flushes: bool = True
    protected: bool = False
    contents: Contents = field(default_factory=dict)
    device: str = ""
    loose: list[str] = field(default_factory=list)  # what was not durable when it was unmounted last


class Bays:
    """The bays of one box, and what is in them whether it runs or not."""

    def __init__(self, bays: tuple[str, ...]) -> None:
        self.inside: dict[str, Stick | None] = dict.fromkeys(bays)
        self._inserted = 0
        self._ports = {bay: f"port-{number}" for number, bay in enumerate(bays)}

    def insert(self, bay: str, stick: Stick) -> StickFound:
        """Put a stick into an empty bay; return what udev tells."""
        if self.inside[bay] is not None:
            raise ValueError(f"{bay} is taken")
        self._inserted += 1
        stick.device = f"/dev/sd{chr(97 + self._inserted % 26)}{self._inserted}"
        self.inside[bay] = stick
        return self.found(bay, stick)

    def found(self, bay: str, stick: Stick) -> StickFound:
        """Return what udev tells of a stick."""
        return StickFound(stick.device, self._ports[bay], FS_TYPE, stick.label)

    def pull(self, bay: str) -> Stick:
        """Take out what is in a bay; if it is mounted, `Mounts.lose` it."""
        stick = self.inside[bay]
        if stick is None:
            raise ValueError(f"{bay} is empty")
        self.inside[bay] = None
        return stick

    def present(self, device: str) -> Stick | None:
        """Return the stick that is plugged in as a device."""
        return next((stick for stick in self.inside.values() if stick is not None and stick.device == device), None)

    def free(self) -> str | None:
        """Return an empty bay."""
        return next((bay for bay, stick in self.inside.items() if stick is None), None)


class Mounts:
    """The mounts of a box from its start to its end; the verbs are those of `hotplug.mounts`.

    `busy` says how often unmounting is to be refused.
    """

    def __init__(
        self, bays: Bays, disk: WorldDisk, timeline: Timeline, chance: random.Random, busy: Callable[[], int]
    ) -> None:
        self.mounted: dict[str, Stick] = {}
        self._bays = bays
        self._disk = disk
        self._timeline = timeline
        self._chance = chance
        self._busy = busy

    def mount(self, device: str) -> Mounted:
        """Mount a stick read-only. Raises MountRefused."""
        self._take(MOUNT_SECONDS)
        stick = self._bays.present(device)
        if stick is None:
            raise MountRefused(device=device, problem="it is not there")
        if device in self.mounted:
            self.unmount(device)
        self._disk.mount(self.place(stick), Volume(FAT, stick.capacity, read_only=True), stick.contents)
        self.mounted[device] = stick
        return Mounted(self, stick, self._busy())

    def unmount(self, device: str) -> None:
        """Unmount a stick, if it is mounted."""
        self._take(UNMOUNT_SECONDS)
        stick = self.mounted.get(device)
        if stick is not None:
            stick.loose = [change for change in loose(self._disk, self.place(stick)) if not _is_litter(change)]
            self._eject(stick, None if stick.flushes else self._chance)

    def make_writable(self, stick: Stick) -> None:
        """Let a mounted stick be written. Raises MountRefused."""
        self._take(0.0)
        if stick.protected or stick.device not in self.mounted:
            raise MountRefused(device=stick.device, problem="it is write-protected")
        self._disk.volumes[self.place(stick)].read_only = False

    def lose(self, stick: Stick) -> None:
        """Note that a stick is out; what it holds now is a matter of luck if it was mounted."""
        if stick.device in self.mounted:
            self._eject(stick, self._chance)

    def lose_all(self) -> None:
        """Let the power go: nothing is mounted any more."""
        for stick in list(self.mounted.values()):
            self._eject(stick, self._chance)

    def place(self, stick: Stick) -> str:
        """Return where a stick is, or would be, mounted."""
        return f"{BASE}/{stick.device.rpartition('/')[2]}"

    def is_in(self, stick: Stick) -> bool:
        """Tell whether a stick is still plugged in."""
        return self._bays.present(stick.device) is stick

    def _eject(self, stick: Stick, chance: random.Random | None) -> None:
        del self.mounted[stick.device]
        stick.contents = self._disk.eject(self.place(stick), chance)

    def _take(self, seconds: float) -> None:
        self._disk.require_power()
        self._timeline.elapse(seconds)
        self._disk.require_power()


def _is_litter(change: str) -> bool:
    """Tell whether a change concerns a draft alone: if it is undone, the next round sweeps it."""
    return " -> " not in change and is_draft_name(change.rpartition("/")[2], STICK_PREFIX)


class Mounted:
    """A mounted stick, as the mount helper's client returns it."""

    fs_type = FS_TYPE

    def __init__(self, mounts: Mounts, stick: Stick, busy: int) -> None:
        self.path = mounts.place(stick)
        self.device = stick.device
        self._mounts = mounts
        self._stick = stick
        self._busy = busy

    def make_writable(self) -> None:
        """See `hotplug.mounts`."""
        self._mounts.make_writable(self._stick)

    def unmount(self) -> None:
        """See `hotplug.mounts`. Raises StillMounted."""
        if self._busy > 0 and self.is_present():
            self._busy -= 1
            raise StillMounted(device=self.device, problem="somebody looks at it")
        self._mounts.unmount(self.device)

    def is_present(self) -> bool:
        """See `hotplug.mounts`."""
        return self._mounts.is_in(self._stick)
