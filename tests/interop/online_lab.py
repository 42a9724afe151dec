# SPDX-License-Identifier: GPL-3.0-or-later
"""A laboratory for online sessions: alice calls, bob's daemon answers, each of them the real program or ours."""

from __future__ import annotations

import io
import json
import os
import pathlib
import select
import shlex
import signal
import socket
import subprocess
import time
from contextlib import contextmanager

import pytest
from cli_lab import KEYS, NODES, PROGRAMS, VECTORS, tidy

from muleteer.config.load import load
from muleteer.formats.ids import NodeId
from muleteer.spool.disk import RealDisk
from muleteer.spool.spool import Spool
from muleteer.testing.nodes import MemoryLog
from muleteer.tossing.submit import Submitter

PAIRS = (("ours", "go"), ("go", "ours"), ("ours", "ours"))
"""Who calls and who answers, wherever ours takes part."""

PAIR = pytest.mark.parametrize(("caller", "answerer"), PAIRS, ids=["-calls-".join(pair) for pair in PAIRS])

SECONDS = 60
"""How long anything may take before a test gives up."""

ENVIRON = {"PATH": "/usr/local/bin:/usr/bin:/bin", "TZ": "UTC", "NNCPNOSYNC": "1"}


class OnlineLab:
    """Alice, bob and others in a folder, their spools and their programs."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.prefix: list[str] = []
        self.net = "/proc/net"
        for node in NODES:
            for part in ("spool", "incoming", "freq"):
                (folder / node / part).mkdir(parents=True)
            text = (VECTORS / "cfg" / f"{node}.hjson").read_text()
            self.path(f"{node}.hjson").write_text(text.replace("/srv/nncp-vec", str(folder)))

    def path(self, *parts: str) -> pathlib.Path:
        return self.folder.joinpath(*parts)

    def change(self, node: str, change) -> None:
        """Change a node's configuration: `change` gets it as dictionaries."""
        config = json.loads(self.path(f"{node}.hjson").read_text())
        change(config)
        self.path(f"{node}.hjson").write_text(json.dumps(config))

    # ------------------------------------------------------------------------------------------ packets

    def spool(self, node: str) -> Spool:
        return Spool(str(self.path(node, "spool")), RealDisk(sync=False))

    def queue(self, sender: str, recipient: str, *sizes: int, nice: int = 96) -> list[str]:
        """Queue files of these payload sizes; return the packets' names."""
        config = load(str(self.path(f"{sender}.hjson")), {}, ())
        submitter = Submitter(config, self.spool(sender), MemoryLog())
        to = config.find(recipient)
        names = []
        for number, size in enumerate(sizes):
            read = io.BytesIO(os.urandom(size)).readinto
            names.append(str(submitter.file(to, nice, read, f"{sender}-{nice}-{number}")))
        return names

    def packets(self, node: str, neighbour: str, way: str) -> set[str]:
        entries = self.spool(node).entries(NodeId.parse(KEYS[neighbour]["id"]), way)
        return {str(entry.name) for entry in entries}

    def here(self, node: str, neighbour: str, way: str, name: str) -> pathlib.Path:
        return self.path(node, "spool", KEYS[neighbour]["id"], way, name)

    def check(self, node: str) -> None:
        """Have the real nncp-check verify every packet of a node."""
        self.run("go", "check", node)

    # ------------------------------------------------------------------------------------------ programs

    def words(self, who: str, command: str, node: str, *words: str) -> list[str]:
        return [*self.prefix, *PROGRAMS[who](command), "-cfg", str(self.path(f"{node}.hjson")), *words]

    def script(self, who: str, command: str, node: str, *words: str) -> str:
        """Return a script that starts a command: a word that any shell understands."""
        path = self.path(f"{who}-{command}-{node}")
        path.write_text(f"#!/bin/sh\nNNCPNOSYNC=1 exec {shlex.join(self.words(who, command, node, *words))}\n")
        path.chmod(0o755)
        return str(path)

    def run(self, who: str, command: str, node: str, *words: str, status: int | None = 0, **environ: str) -> str:
        """Run a command; return what it said to people, tidied."""
        done = subprocess.run(
            self.words(who, command, node, *words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=self.folder,
            timeout=SECONDS,
            check=False,
            env=ENVIRON | environ,
        )
        said = "\n".join(tidy(done.stderr.decode("utf-8", "surrogateescape")))
        assert status in (None, done.returncode), (done.returncode, said)
        return said

    def call(self, who: str, *flags: str, at: str = "", to: str = "bob", status: int | None = 0, **environ: str) -> str:
        """Have alice call bob, with a short patience; return what was said. `at` is the address."""
        words = ["-onlinedeadline", "1", *flags, to, *([at] if at else [])]
        return self.run(who, "call", "alice", *words, status=status, **environ)

    @contextmanager
    def program(self, who: str, command: str, node: str, *words: str, **environ: str):
        """Have a program run in the background; it is stopped by SIGTERM at the end, its words are in NODE.err."""
        with self.path(f"{node}.err").open("ab") as err:
            process = subprocess.Popen(
                self.words(who, command, node, *words),
                stdin=subprocess.DEVNULL,
                stderr=err,
                cwd=self.folder,
                env=ENVIRON | {"NNCPDEADLINE": "1"} | environ,
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(SECONDS)

    @contextmanager
    def daemon(self, who: str, *words: str, node: str = "bob", host: str = "127.0.0.1", **environ: str):
        """Run a daemon that listens to a free port; gives its address."""
        address = f"{host}:{free_port()}"
        with self.program(who, "daemon", node, "-bind", address, *words, **environ) as process:
            wait_until(lambda: process.poll() is not None or is_open(address, self.net))
            assert process.poll() is None, self.said(node)
            yield address

    def said(self, node: str) -> str:
        """What a program in the background said, tidied."""
        return "\n".join(tidy(self.path(f"{node}.err").read_text("utf-8", "surrogateescape")))

    def records(self, node: str) -> list[dict[str, str]]:
        """The records of a node's log."""
        log = self.path(node, "log")
        blocks = (log.read_text() if log.exists() else "").split("\n\n")
        return [dict(line.split(": ", 1) for line in block.strip().splitlines() if ": " in line) for block in blocks]

    def whos(self, node: str) -> list[str]:
        return [record["Who"] for record in self.records(node) if "Who" in record]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def is_open(address: str, net: str = "/proc/net") -> bool:
    """Whether somebody listens there; asked of the kernel, as a connection would be a caller."""
    port = f":{int(address.rpartition(':')[2]):04X}"
    tables = [pathlib.Path(f"{net}/{name}").read_text() for name in ("tcp", "tcp6")]
    lines = [line.split() for table in tables for line in table.splitlines()[1:]]
    return any(words[1].endswith(port) and words[3] == "0A" for words in lines)


def wait_until(true) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        select.select([], [], [], 0.01)
