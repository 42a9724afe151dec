# SPDX-License-Identifier: GPL-3.0-or-later
"""One huge packet through every step: sealed, carried by command and by the agent's round, checked, tossed."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from measure import run

from muleteer.agent.control_client import ControlClient
from muleteer.agent.status import BayState
from muleteer.errors import AgentUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pair import Pair

PATIENCE_SECONDS = 600


def commands(pair: Pair, huge: str, mib: int) -> Iterator[str]:
    """Carry it by the commands; yield a table row for each step."""
    pair.fresh()
    steps = [
        ("seal (nncp-file)", pair.command("alice", "nncp-file", "-quiet", huge, "bob:huge.bin")),
        ("carry out (nncp-xfer -tx)", pair.command("alice", "nncp-xfer", "-quiet", "-mkdir", "-tx", pair.stick)),
        ("carry in (nncp-xfer -rx)", pair.command("bob", "nncp-xfer", "-quiet", "-rx", pair.stick)),
        ("check (nncp-check)", pair.command("bob", "nncp-check", "-quiet")),
        ("toss (nncp-toss)", pair.command("bob", "nncp-toss", "-quiet")),
    ]
    for name, argv in steps:
        cost = run(argv, peak=True)
        yield f"| {name} | {cost.rss_kib / 1024:.1f} MiB | {mib / cost.wall:.0f} MiB/s |"
    _compare(pair, huge)


def rounds(pair: Pair, huge: str, mib: int) -> Iterator[str]:
    """Carry it by two agents and one stick; yield a table row for each."""
    pair.fresh()
    run(pair.command("alice", "nncp-file", "-quiet", huge, "bob:huge.bin"))
    os.mkdir(f"{pair.stick}/NNCP")
    for node, name in (("alice", "agent: load and read back"), ("bob", "agent: take in, then toss")):
        seconds, peak_kib = _visit(pair, node)
        yield f"| {name} | {peak_kib / 1024:.1f} MiB | {mib / seconds:.0f} MiB/s |"
    _compare(pair, huge)


def _visit(pair: Pair, node: str) -> tuple[float, int]:
    """Put the stick into this node's bay until its agent is done; return seconds and the agent's peak in KiB."""
    bay, socket = f"{pair.base}/{node}/bay", f"{pair.base}/{node}/sock"
    os.mkdir(bay)
    rules = pathlib.Path(pair.base, f"{node}.toml")
    rules.write_text(
        f'nncp = "{pair.config(node)}"\n[agent]\nsocket = "{socket}"\nlisten = []\n[bay.left]\ndirectory = "{bay}"\n'
    )
    argv = [sys.executable, "-m", "muleteer.cli.main", "agent", "--quiet", "--config", str(rules)]
    agent = subprocess.Popen(argv)
    try:
        client = _connected(socket)
        start = time.perf_counter()
        os.rename(pair.stick, f"{bay}/stick")
        for status in client.watch():
            if status.bays[0].state is BayState.SAFE and not status.working and not status.waiting_toss:
                break
            if time.perf_counter() - start > PATIENCE_SECONDS or status.bays[0].state is BayState.ATTENTION:
                raise SystemExit(f"{node}'s round did not end well: {status.bays[0]}")
        seconds = time.perf_counter() - start
        os.rename(f"{bay}/stick", pair.stick)
        told = pathlib.Path(f"/proc/{agent.pid}/status").read_text()
    finally:
        agent.terminate()
        agent.wait()
    found = re.search(r"VmHWM:\s+(\d+) kB", told)
    return seconds, int(found[1]) if found else 0


def _connected(socket: str) -> ControlClient:
    client = ControlClient(socket)
    deadline = time.monotonic() + 20
    while True:
        try:
            client.open()
        except AgentUnreachable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return client


def _compare(pair: Pair, huge: str) -> None:
    if subprocess.run(["cmp", huge, f"{pair.base}/bob/incoming/huge.bin"], check=False).returncode:
        raise SystemExit("the huge packet arrived damaged")
