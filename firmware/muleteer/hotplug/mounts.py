# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the mount helper to mount, remount and unmount a stick.

The helper (`mount_helper`) is a program of its own because it needs root and the agent must not have it. How it gets
root is the machine's affair: by default it is started directly where we are root already, and otherwise through
``sudo -n``, for which one line in sudoers is enough::

    muleteer ALL=(root) NOPASSWD: /usr/bin/python3 -I -m muleteer.hotplug.mount_helper *

Any other way is a different `command`; device and verb are appended to it. Calls block: mounting takes some hundred
milliseconds, unmounting as long as the stick needs to write what is left.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from muleteer.errors import MountRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

HELPER = ("-I", "-m", "muleteer.hotplug.mount_helper")
MOUNT_SECONDS = 60.0  # a worn stick that is spun up, reset and retried by the kernel takes half of that
UNMOUNT_SECONDS = 600.0  # everything was synced before; this is for a stick that does not keep its word
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
        """Remount for writing. Raises MountRefused, also where the stick is write-protected."""
        if self._mounts.ask("writable", self.device, MOUNT_SECONDS).get("read_only") is not False:
            raise MountRefused(device=self.device, problem="it is write-protected")

    def unmount(self) -> None:
        """Unmount; on return everything is on the stick, and it may be pulled. Raises MountRefused if it is busy."""
        self._mounts.ask("unmount", self.device, UNMOUNT_SECONDS)

    def is_present(self) -> bool:
        """Tell whether the device is still there: the kernel removes its node when it is pulled."""
        return os.path.exists(self.device)


class Mounts:
    """The mounts of this machine's sticks, made by the helper that `command` starts."""

    def __init__(self, command: Sequence[str] | None = None) -> None:
        self._command = tuple(command or default_command())

    def mount(self, device: str) -> Mounted:
        """Mount a stick read-only; one that an earlier agent left mounted is mounted anew. Raises MountRefused."""
        self.ask("unmount", device, UNMOUNT_SECONDS)
        answer = self.ask("mount", device, MOUNT_SECONDS)
        return Mounted(
            device=device,
            path=str(answer["path"]),
            fs_type=str(answer["fs_type"]),
            read_only=bool(answer["read_only"]),
            dirty=bool(answer["dirty"]),
            _mounts=self,
        )

    def ask(self, verb: str, device: str, seconds: float) -> dict[str, Any]:
        """Run the helper once and return its answer. Raises MountRefused for its refusal and for its failure."""
        try:
            done = subprocess.run(  # noqa: S603 - a fixed program, a device path from udev, no shell
                [*self._command, verb, device],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=seconds,
                check=False,
                text=True,
            )
            answer = json.loads(done.stdout[:ANSWER_SIZE_MAX])
        except subprocess.TimeoutExpired as error:
            raise MountRefused(device=device, problem=f"the stick did not answer for {seconds:.0f} seconds") from error
        except OSError as error:
            raise MountRefused(device=device, problem=f"the mount helper does not start: {error.strerror}") from error
        except ValueError as error:
            said = done.stderr.strip().rpartition("\n")[2][:ANSWER_SIZE_MAX]
            raise MountRefused(device=device, problem=f"the mount helper failed: {said}") from error
        if "problem" in answer:
            raise MountRefused(device=device, problem=answer["problem"])
        return dict(answer)
