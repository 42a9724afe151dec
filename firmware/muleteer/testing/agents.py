# SPDX-License-Identifier: GPL-3.0-or-later
"""Real agents on simulated bays: a box in a directory, its process, and a hand that puts sticks in and pulls them.

Start-up is mostly imports. Where a test starts hundreds of agents, a `Nursery` imports once and forks each of them:
still a process of its own, which `kill -9` ends like any other.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Self

from muleteer.agent.control_client import ControlClient
from muleteer.agent.status import BayState
from muleteer.errors import AgentUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.agent.status import Status

PATIENCE_SECONDS = 60.0
FORKING = """
import os, signal, sys
import muleteer.agent.agent, muleteer.agent.box, muleteer.agent.works, muleteer.cli.agent, muleteer.cli.main
import muleteer.crypto.aead, muleteer.crypto.keys, muleteer.carriers.stick, muleteer.tossing.tosser
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    child = os.fork()
    if not child:
        config, log = line.split()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 2)
        os.dup2(2, 1)
        os._exit(muleteer.cli.main.main(["agent", "-c", config]))
    print(child, flush=True)
"""


class AgentBox:
    """A box below `root`, made from an nncp.hjson (its paths are replaced) and more lines of muleteer.toml.

    It listens only where `listen` says: many of them run on one machine at once. Nor does it use multicast.
    """

    def __init__(
        self,
        root: str,
        hjson: str,
        rules: str = "",
        bays: tuple[str, ...] = ("left",),
        listen: tuple[str, ...] = (),
        *,
        multicast: bool = False,
    ) -> None:
        self.root = root
        self.spool, self.incoming = f"{root}/spool", f"{root}/incoming"
        self.socket, self.config, self.nncp = f"{root}/agent.sock", f"{root}/muleteer.toml", f"{root}/nncp.hjson"
        self.log = f"{root}/agent.log"
        for directory in (self.spool, self.incoming, *(self.bay(bay) for bay in bays)):
            os.makedirs(directory)
        paths = {"spool": self.spool, "log": f"{root}/log", "incoming": self.incoming}
        for key, path in paths.items():
            hjson = re.sub(rf'"{key}": "[^"]*"', f'"{key}": "{path}"', hjson)
        lines = [f'nncp = "{self.nncp}"', "[agent]", f'socket = "{self.socket}"', f'name = "{os.path.basename(root)}"']
        lines += [f"listen = {json.dumps(listen)}", f"multicast = {json.dumps(multicast)}"]
        for bay in bays:
            lines += [f"[bay.{bay}]", f'directory = "{self.bay(bay)}"']
        _write(self.nncp, hjson)
        _write(self.config, "\n".join([*lines, rules, ""]))

    def bay(self, bay: str = "left") -> str:
        """Return the directory that stands for a bay."""
        return f"{self.root}/bays/{bay}"

    def insert(self, stick: str, bay: str = "left") -> str:
        """Move a stick into a bay; return its path there."""
        inside = f"{self.bay(bay)}/{os.path.basename(stick)}"
        os.rename(stick, inside)
        return inside

    def link(self, stick: str, bay: str = "left") -> str:
        """Put a link to a stick into a bay, as one does whose desktop has mounted it; return the link's path."""
        inside = f"{self.bay(bay)}/{os.path.basename(stick)}"
        os.symlink(stick, inside)
        return inside

    def status(self) -> Status:
        """Ask the agent. Raises AgentUnreachable."""
        with ControlClient(self.socket) as client:
            return client.status()

    def wait(self, until: Callable[[Status], bool], seconds: float = PATIENCE_SECONDS) -> Status:
        """Watch the agent until a status is as wanted; one that just starts is waited for. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        status: Status | None = None
        while (left := deadline - time.monotonic()) > 0:
            try:
                with ControlClient(self.socket) as client:
                    client.start_watch()
                    while (status := client.next_status(left) or status) is not None:
                        if until(status):
                            return status
                        left = max(0.001, deadline - time.monotonic())
                        if time.monotonic() > deadline:
                            break
            except AgentUnreachable:
                time.sleep(0.01)
        raise TimeoutError(f"the last status was {status}")


class RunningAgent:
    """One agent process."""

    def __init__(self, pid: int, process: subprocess.Popen[bytes] | None = None) -> None:
        self.pid = pid
        self._process = process

    def kill(self) -> None:
        """End it at once, as a pulled plug does, and wait until it is gone."""
        self._signal(signal.SIGKILL)

    def stop(self) -> int | None:
        """Ask it to stop and wait until it has; return its exit status where it can be known (not of a forked one)."""
        self._signal(signal.SIGTERM)
        return None if self._process is None else self._process.returncode

    def _signal(self, number: signal.Signals) -> None:
        gone = os.pidfd_open(self.pid)
        try:
            signal.pidfd_send_signal(gone, number)
            _wait_readable(gone)
        finally:
            os.close(gone)
        if self._process is not None:
            self._process.wait()


class Nursery:
    """Starts agents; ``with`` ends what is left of them."""

    def __init__(self) -> None:
        self._forking: subprocess.Popen[bytes] | None = None
        self._running: list[RunningAgent] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for agent in self._running:
            try:
                agent.kill()
            except ProcessLookupError:
                continue
        if self._forking is not None:
            self._forking.communicate(timeout=PATIENCE_SECONDS)

    def start(self, box: AgentBox) -> RunningAgent:
        """Start an agent as its user does: a new process from nothing."""
        command = [sys.executable, "-m", "muleteer.cli.main", "agent", "-c", box.config]
        with open(box.log, "ab") as log:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_environment()
            )
        return self._noted(RunningAgent(process.pid, process))

    def fork(self, box: AgentBox) -> RunningAgent:
        """Start an agent from a process that has imported everything already."""
        if self._forking is None:
            command = [sys.executable, "-c", FORKING]
            self._forking = subprocess.Popen(  # noqa: S603 - our own interpreter
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment()
            )
        told, answer = self._forking.stdin, self._forking.stdout
        assert told is not None
        assert answer is not None
        told.write(f"{box.config} {box.log}\n".encode())
        told.flush()
        return self._noted(RunningAgent(int(answer.readline())))

    def _noted(self, agent: RunningAgent) -> RunningAgent:
        self._running.append(agent)
        return agent


def at_rest(status: Status) -> bool:
    """Tell whether a box has done everything it can: no round, no toss, and every stick may be pulled."""
    resting = (BayState.EMPTY, BayState.SAFE, BayState.ATTENTION, BayState.FOREIGN)
    return (
        not status.tossing
        and status.waiting_toss <= status.set_aside
        and all(bay.state in resting for bay in status.bays)
    )


def _environment() -> dict[str, str]:
    import muleteer  # only for its path

    source = os.path.dirname(os.path.dirname(muleteer.__file__))
    return {**os.environ, "PYTHONPATH": source}


def _wait_readable(descriptor: int) -> None:
    import select  # rare

    if not select.select([descriptor], [], [], PATIENCE_SECONDS)[0]:
        raise TimeoutError("the agent does not end")


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
