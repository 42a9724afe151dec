# SPDX-License-Identifier: GPL-3.0-or-later
"""The third node: worked by hand with nncp-* commands, the real Go ones where they are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from muleteer.demo.world import STICK
from muleteer.errors import DemoFailed

if TYPE_CHECKING:
    from muleteer.demo.world import Place

COMMAND_SECONDS = 20.0


def own_commands() -> str:
    """Return the folder of our own nncp-* commands: the one of this interpreter."""
    return os.path.dirname(sys.executable)


def go_commands() -> str | None:
    """Return the folder of the Go NNCP's commands, if it is installed."""
    folders = [f for f in os.environ.get("PATH", os.defpath).split(os.pathsep) if f and f != own_commands()]
    for folder in folders:
        found = shutil.which("nncp-toss", path=folder)
        if found and b"built with go" in _run([found, "-version"], b"").stdout:
            return folder
    return None


class Hand:
    """Types commands at one node."""

    def __init__(self, place: Place, folder: str) -> None:
        self.place = place
        self._folder = folder

    def type(self, name: str, *args: str, stdin: bytes = b"") -> bytes:
        """Run one command as this node and return what it printed; raises DemoFailed if it fails."""
        done = _run([os.path.join(self._folder, name), "-cfg", self.place.nncp, *args], stdin)
        if done.returncode:
            raise DemoFailed(box=self.place.name, step=f"do {name}", log=done.stderr.decode(errors="replace"))
        return done.stdout


class Guest(Hand):
    """The node on the hill: somebody there works the stick with three commands."""

    def __init__(self, place: Place) -> None:
        go = go_commands()
        super().__init__(place, go or own_commands())
        self.is_go = go is not None

    @property
    def program(self) -> str:
        """What works this node, in words."""
        return "the real Go NNCP" if self.is_go else "our own nncp-* commands (Go NNCP is not installed)"

    def trade(self) -> None:
        """Take from the stick, acknowledge, toss, answer, and load the stick."""
        stick = os.path.join(self.place.bay, STICK, "NNCP")  # where a box lays out a blank stick
        self.type("nncp-xfer", "-quiet", "-rx", stick)
        self.type("nncp-ack", "-quiet", "-all")
        self.type("nncp-toss", "-quiet")
        self.type("nncp-file", "-quiet", "-", "home:greeting.txt", stdin=b"All well on the hill.\n")
        self.type("nncp-xfer", "-quiet", "-mkdir", "-tx", stick)


def _run(argv: list[str], stdin: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # noqa: S603 - commands that we name ourselves
        argv, input=stdin, capture_output=True, check=False, timeout=COMMAND_SECONDS
    )
