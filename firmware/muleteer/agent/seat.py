# SPDX-License-Identifier: GPL-3.0-or-later
"""Give a round the ground to stand on: a stick's files at a path, and the way to give them back.

A simulated stick is a directory and needs nothing mounted; a real one is mounted read-only by the mount helper, made
writable when the round asks for it, and unmounted for real.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Protocol

from muleteer.carriers.stick_plan import StickTraits
from muleteer.errors import MountRefused, RunnerGone

if TYPE_CHECKING:
    from muleteer.hotplug.mounts import Mounts
    from muleteer.hotplug.recognise import StickFound

BUSY_PAUSES = (0.2, 0.5, 1.0, 2.0)  # seconds between two tries to unmount a busy stick


class Seat(Protocol):
    """A stick, ready for its round."""

    @property
    def path(self) -> str:
        """Where its files are."""

    @property
    def traits(self) -> StickTraits:
        """What its file system can do."""

    def present(self) -> bool:
        """Tell whether it is still plugged in."""

    def make_writable(self) -> None:
        """Allow writing. Raises CarrierError."""

    def release(self) -> None:
        """Unmount; on return it is safe to pull. Raises MountRefused if it cannot be unmounted (yet)."""


class DirectorySeat:
    """A simulated stick. Raises RunnerGone (from the constructor) if it is not there any more."""

    def __init__(self, stick: StickFound) -> None:
        self.path = stick.directory or stick.device
        self.traits = StickTraits.of(stick.fs_type)
        identity = self._identity()
        if identity is None:
            raise RunnerGone(runner=stick.label)
        self._first_identity = identity

    def present(self) -> bool:
        """Tell whether the same directory is still there."""
        return self._identity() == self._first_identity

    def make_writable(self) -> None:
        """Do nothing: a directory is what it is."""

    def release(self) -> None:
        """Do nothing: there is nothing to unmount."""

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_dev, found.st_ino


class MountedSeat:
    """A real stick, mounted by the helper. Raises MountRefused (from the constructor)."""

    def __init__(self, stick: StickFound, mounts: Mounts) -> None:
        self._mounted = mounts.mount(stick.device)
        self.path = self._mounted.path
        self.traits = StickTraits.of(self._mounted.fs_type)
        self.present = self._mounted.is_present
        self.make_writable = self._mounted.make_writable

    def release(self) -> None:
        """Unmount; a program that looks at a stick, as desktops do, is given some seconds to let go of it."""
        for pause in BUSY_PAUSES:
            try:
                self._mounted.unmount()
            except MountRefused:
                if not self._mounted.is_present():
                    raise
                time.sleep(pause)
            else:
                return
        self._mounted.unmount()


def take_seat(stick: StickFound, mounts: Mounts) -> Seat:
    """Return the seat for a stick. Raises MountRefused, or RunnerGone."""
    return DirectorySeat(stick) if stick.directory is not None else MountedSeat(stick, mounts)
