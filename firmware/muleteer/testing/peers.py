# SPDX-License-Identifier: GPL-3.0-or-later
"""Boxes that call each other on the loopback: an agent box, its port, its mail, and whom it may call."""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING, Any

from muleteer.agent.box import Box
from muleteer.agent.status import Line
from muleteer.spool.disk import RealDisk
from muleteer.spool.spool import Spool
from muleteer.testing.agents import AgentBox
from muleteer.testing.nodes import MemoryLog
from muleteer.tossing.submit import Submitter

if TYPE_CHECKING:
    from muleteer.agent.status import Status
    from muleteer.formats.ids import PacketName


class Peer:
    """One box below `root`, made from the JSON of an nncp.hjson; `settle` writes its files, before anything else."""

    def __init__(self, root: str, name: str, hjson: str, rules: str = "") -> None:
        self.name = name
        self.port = free_port()
        self.rules = rules
        self.multicast = False
        self._root = f"{root}/{name}"
        self._config = json.loads(hjson)
        self._files: AgentBox | None = None

    def reaches(self, neighbour: str, address: str, **call: object) -> None:
        """Give a neighbour an address, and an entry in `calls` if anything is said of one."""
        entry = self._config["neigh"][neighbour]
        entry["addrs"] = {"main": address}
        if call:
            entry["calls"] = [call]

    def say(self, **keys: object) -> None:
        """Set keys at the top of nncp.hjson, such as ``mcd-send``."""
        self._config.update({key.replace("_", "-"): value for key, value in keys.items()})

    def settle(self) -> Peer:
        """Write the files."""
        address = f"[::]:{self.port}" if self.multicast else self.address
        hjson, bays = json.dumps(self._config), ("left",)
        self._files = AgentBox(self._root, hjson, self.rules, bays, (address,), multicast=self.multicast)
        return self

    @property
    def files(self) -> AgentBox:
        """The box in the file system."""
        assert self._files is not None, "settle first"
        return self._files

    @property
    def box(self) -> Box:
        """The box as its files describe it."""
        return Box.load(self.files.config, {})

    @property
    def address(self) -> str:
        """Where others may call."""
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What the agent said so far."""
        with open(self.files.log, encoding="utf-8") as log:
            return log.read()

    def send(self, node: str, content: bytes = b"hello", nice: int = 96, name: str = "letter") -> PacketName:
        """Queue a file for a neighbour."""
        rest = [content]

        def read(view: memoryview) -> int:
            size = min(len(view), len(rest[0]))
            view[:size], rest[0] = rest[0][:size], rest[0][size:]
            return size

        config = self.box.config
        submitter: Any = Submitter(config, Spool(config.spool, RealDisk(sync=False)), MemoryLog())
        return submitter.file(config.find(node), nice, read, name)  # type: ignore[no-any-return]

    def letters(self) -> dict[str, bytes]:
        """What was delivered."""
        letters = {}
        for name in sorted(os.listdir(self.files.incoming)):
            with open(f"{self.files.incoming}/{name}", "rb") as file:
                letters[name] = file.read()
        return letters


def line_of(status: Status, neighbour: str, carrier: str = "net") -> Line:
    """Return one line of a status; an agent that has just begun may not have it yet."""
    lines = (line for line in status.lines if (line.neighbour, line.carrier) == (neighbour, carrier))
    return next(lines, Line(carrier, neighbour))


def free_port() -> int:
    """Return a TCP port that nobody had a moment ago."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
