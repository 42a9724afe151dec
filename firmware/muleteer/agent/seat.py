# SPDX-License-Identifier: GPL-3.0-or-later
"""Give a round the ground to stand on: a stick's files at a path, and the way to give them back.

A simulated stick is a directory and needs nothing mounted; a real one is mounted read-only by the mount helper, made
writable when the round asks for it, and unmounted for real.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from muleteer.carriers.stick_plan import StickTraits
from muleteer.errors import RunnerGone

if TYPE_CHECKING:
    from muleteer.hotplug.mounts import Mounts
    from muleteer.hotplug.recognise import StickFound


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
        """Unmount; on return it is safe to pull. Raises StillMounted if it cannot be unmounted yet: try again."""


class DirectorySeat:
    """A simulated stick: a directory, or a link to where somebody has mounted one.

    A link is followed once, here: the round's paths lead through no link, and the stick is gone as soon as either the
    link or what it leads to is. Raises RunnerGone (from the constructor) if it is not there any more.
    """

    def __init__(self, stick: StickFound) -> None:
        self._entry = stick.directory or stick.device
        self.path = os.path.realpath(self._entry)
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
            found = os.stat(self._entry)
        except OSError:
            return None
        return found.st_dev, found.st_ino


class MountedSeat:
    """A real stick, mounted by the helper. Raises MountRefused or StillMounted (from the constructor)."""

    def __init__(self, stick: StickFound, mounts: Mounts) -> None:
        self._mounted = mounts.mount(stick.device)
        self.path = self._mounted.path
        self.traits = StickTraits.of(self._mounted.fs_type)
        self.present = self._mounted.is_present
        self.make_writable = self._mounted.make_writable
        self.release = self._mounted.unmount


class LeftoverSeat:
    """A real stick that could not be mounted for its round but is, or may be, mounted all the same. It has no files."""

    def __init__(self, stick: StickFound, mounts: Mounts) -> None:
        self._device = stick.device
        self._mounts = mounts

    def present(self) -> bool:
        """Tell whether it is still plugged in."""
        return os.path.exists(self._device)

    def release(self) -> None:
        """Unmount it. Raises StillMounted."""
        self._mounts.unmount(self._device)


def take_seat(stick: StickFound, mounts: Mounts) -> Seat:
    """Return the seat for a stick. Raises MountRefused, StillMounted or RunnerGone."""
    return DirectorySeat(stick) if stick.directory is not None else MountedSeat(stick, mounts)
