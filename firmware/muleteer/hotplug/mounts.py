# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the mount helper to mount, remount and unmount a stick.

The helper (`mount_helper`) is a program of its own because it needs root and the agent must not have it. How it gets
root is the machine's affair: by default it is started directly where we are root already, and otherwise through
``sudo -n``, for which one line in sudoers is enough (interpreter and package must belong to root, all the way up)::

    muleteer ALL=(root) NOPASSWD: /opt/muleteer/bin/python3 -I -m muleteer.hotplug.mount_helper *

Any other way is a different `command`; device and verb are appended to it.

Calls block, and a helper is never ended from here: it may be writing to the stick (unmounting does), a child of sudo
is not ours to signal, and one that hangs in the kernel heeds no signal. Whoever asks is told after some seconds that
the helper is still at work, and asks again: the same helper is then waited for, and no second one is started beside it.

Whether a stick is mounted is not a matter of belief: after each attempt to unmount, the kernel's list of mounts is
read, and a stick is given free only when neither its device nor its place is on it.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from muleteer.errors import MountRefused, StillMounted

if TYPE_CHECKING:
    from collections.abc import Sequence

HELPER = ("-I", "-m", "muleteer.hotplug.mount_helper")
BASE = "/run/muleteer-bays"  # the helper's own: where it mounts
MOUNTINFO = "/proc/self/mountinfo"
PATIENCE_SECONDS = 10.0  # until one call says that the helper is still at work; a FAT stick is mounted in one
ANSWER_SIZE_MAX = 4096  # characters; the helper's longest sentence has 200


def default_command() -> tuple[str, ...]:
    """Return how the helper is started unless somebody says otherwise."""
    command = (sys.executable, *HELPER)
    return command if os.geteuid() == 0 else ("sudo", "-n", *command)


@dataclass(frozen=True, slots=True)
class Mounted:
    """A stick that is mounted at `path`: read-only, until `make_writable`. `dirty`: it was not unmounted last time."""

    device: str
    path: str
    fs_type: str
    read_only: bool
    dirty: bool
    _mounts: Mounts = field(repr=False)

    def make_writable(self) -> None:
        """Mount for writing, however long that takes. Raises MountRefused, also where the stick is write-protected."""
        if self._mounts.ask("writable", self.device, None).get("read_only") is not False:
            raise MountRefused(device=self.device, problem="it is write-protected")

    def unmount(self) -> None:
        """Unmount; on return everything is on the stick, and it may be pulled. Raises StillMounted: ask again."""
        self._mounts.unmount(self.device)

    def is_present(self) -> bool:
        """Tell whether the device is still there: the kernel removes its node when it is pulled."""
        return os.path.exists(self.device)


class Mounts:
    """The mounts of this machine's sticks, made by the helper that `command` starts.

    May be used by several threads at once, each with a device of its own.
    """

    def __init__(
        self,
        command: Sequence[str] | None = None,
        *,
        base: str = BASE,
        mountinfo: str = MOUNTINFO,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._command = tuple(command or default_command())
        self._base = base
        self._mountinfo = mountinfo
        self._patience_seconds = patience_seconds
        self._at_work: dict[str, subprocess.Popen[str]] = {}  # by device

    def mount(self, device: str) -> Mounted:
        """Mount a stick read-only; one that an earlier agent left mounted is mounted anew.

        Raises MountRefused: it is not mounted, StillMounted: it is or may be.
        """
        self.unmount(device)
        answer = self.ask("mount", device, self._patience_seconds)
        return Mounted(
            device=device,
            path=str(answer["path"]),
            fs_type=str(answer["fs_type"]),
            read_only=bool(answer["read_only"]),
            dirty=bool(answer["dirty"]),
            _mounts=self,
        )

    def unmount(self, device: str) -> None:
        """Unmount a stick; on return it is not mounted by anybody. Raises StillMounted: ask again."""
        problem = "another program has mounted it too"
        try:
            self.ask("unmount", device, self._patience_seconds)
        except MountRefused as refusal:
            problem = str(refusal.facts["problem"])
        if self._is_mounted(device):
            raise StillMounted(device=device, problem=problem)

    def ask(self, verb: str, device: str, seconds: float | None) -> dict[str, Any]:
        """Run the helper once and return its answer.

        Raises MountRefused for its refusal and for its failure, StillMounted if it works for longer than `seconds`.
        """
        if device in self._at_work:
            self._await(self._at_work[device], device, seconds)  # its answer is nobody's any more
        try:
            helper = subprocess.Popen(  # noqa: S603 - a fixed program, a device path from udev, no shell
                [*self._command, verb, device],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        except OSError as error:
            raise MountRefused(device=device, problem=f"the mount helper does not start: {error.strerror}") from error
        said, complaint = self._await(helper, device, seconds)
        try:
            answer = dict(json.loads(said[:ANSWER_SIZE_MAX]))
        except (ValueError, TypeError) as error:
            last = complaint.strip().rpartition("\n")[2][:ANSWER_SIZE_MAX]
            raise MountRefused(device=device, problem=f"the mount helper failed: {last}") from error
        if "problem" in answer:
            raise MountRefused(device=device, problem=answer["problem"])
        return answer

    def _await(self, helper: subprocess.Popen[str], device: str, seconds: float | None) -> tuple[str, str]:
        self._at_work[device] = helper
        try:
            said = helper.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise StillMounted(device=device, problem="the stick takes long to answer") from error
        del self._at_work[device]
        return said

    def _is_mounted(self, device: str) -> bool:
        place = f"{self._base}/{os.path.basename(device)}"
        number = _number(device)
        with open(self._mountinfo, encoding="utf-8", errors="replace") as mounts:
            return any(fields[2] == number or fields[4] == place for fields in map(str.split, mounts))


def _number(device: str) -> str | None:
    """Return a block device's number as the kernel writes it, "8:1"; None if it is not there."""
    try:
        facts = os.stat(device)
    except OSError:
        return None
    return f"{os.major(facts.st_rdev)}:{os.minor(facts.st_rdev)}" if stat.S_ISBLK(facts.st_mode) else None
