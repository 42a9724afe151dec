# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls over loopback: Go on both ends, mixed, and ours on both, each with what both processes cost.

A session ends only when both sides have been silent for a while, so what is timed is the work: from the start of
``nncp-call`` until the caller's queue is empty, which is when the last packet was confirmed. Peaks are the kernel's
VmHWM of each process; CPU is that of both processes until they were ended.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from measure import median_of
from pair import BOB

if TYPE_CHECKING:
    from collections.abc import Callable

    from pair import Pair

MIB = 1 << 20
PATIENCE_SECONDS = 600.0
MIXES = (("go", "go"), ("go", "ours"), ("ours", "go"), ("ours", "ours"))


@dataclass(frozen=True)
class Talk:
    """One session: seconds of wall clock, CPU of caller and answerer, peak resident KiB of both."""

    wall: float
    call_cpu: float
    answer_cpu: float
    call_kib: int
    answer_kib: int


def talks(
    work: str, amount: float, unit: str, pairs: dict[str, Pair], prepare: Callable[[Pair], None], repeat: int
) -> list[str]:
    """Run every mix of caller and answerer in turn, `repeat` times; return the rows of a Markdown table."""
    found: dict[tuple[str, str], list[Talk]] = {mix: [] for mix in MIXES}
    for _ in range(repeat):
        for caller, answerer in MIXES:
            prepare(pairs[caller])
            found[caller, answerer].append(_talk(pairs[caller], pairs[caller].commands, pairs[answerer].commands))
    medians = {mix: median_of(Talk, runs) for mix, runs in found.items()}
    go = medians["go", "go"]
    rows = []
    for (caller, answerer), talk in medians.items():
        row = (
            f"| {work} | {caller} | {answerer} | {talk.wall:.2f} | **{go.wall / talk.wall:.2f}** | "
            f"{amount / talk.wall:.0f} {unit} | {talk.call_cpu:.2f} + {talk.answer_cpu:.2f} | "
            f"{talk.call_kib / 1024:.1f} + {talk.answer_kib / 1024:.1f} |"
        )
        print(row, flush=True)
        rows.append(row)
    return rows


def header() -> list[str]:
    """Return the head of the table."""
    return [
        "| work | caller | answerer | wall s | **Go-Go/this** | rate | CPU s (caller + answerer) | peak MiB |",
        "|---|---|---|---|---|---|---|---|",
    ]


def idle(commands: dict[str, list[list[str]]], seconds: float) -> list[str]:
    """Start each program set, let it rest, and return rows with what its processes hold resident and burn."""
    rows = ["| at rest | resident MiB | private MiB | CPU s in " + f"{seconds:.0f} s |", "|---|---|---|---|"]
    for name, argvs in commands.items():
        pids = [_spawn(argv) for argv in argvs]
        time.sleep(3.0)  # started, and what start-up needed given back
        before = sum(_cpu_now(pid) for pid in pids)
        time.sleep(seconds)
        burnt = sum(_cpu_now(pid) for pid in pids) - before
        resident = sum(_memory(pid, "VmRSS") for pid in pids) / 1024
        private = sum(_private_kib(pid) for pid in pids) / 1024
        for pid in pids:
            _end(pid)
        rows.append(f"| {name} | {resident:.1f} | {private:.1f} | {burnt:.2f} |")
        print(rows[-1], flush=True)
    return rows


def _talk(pair: Pair, calling: str, answering: str) -> Talk:
    port = _free_port()
    daemon = _spawn([f"{answering}/nncp-daemon", "-cfg", pair.config("bob"), "-quiet", "-bind", f"127.0.0.1:{port}"])
    _wait_port(port)
    began = time.perf_counter()
    config = pair.config("alice")
    caller = _spawn([f"{calling}/nncp-call", "-cfg", config, "-quiet", "bob", f"127.0.0.1:{port}"])
    queue = pair.queued()
    deadline = began + PATIENCE_SECONDS
    while any(len(name) == len(BOB) for name in os.listdir(queue)):
        if time.perf_counter() > deadline:
            raise SystemExit(f"{calling}/nncp-call did not deliver to {answering}/nncp-daemon")
        time.sleep(0.005)
    wall = time.perf_counter() - began
    peaks = [_memory(pid, "VmHWM") for pid in (caller, daemon)]
    cpus = [_end(pid) for pid in (caller, daemon)]
    return Talk(wall, cpus[0], cpus[1], peaks[0], peaks[1])


def _spawn(argv: list[str]) -> int:
    with open(os.devnull, "r+b") as null:
        actions = [(os.POSIX_SPAWN_DUP2, null.fileno(), descriptor) for descriptor in (0, 1, 2)]
        return os.posix_spawn(argv[0], argv, os.environ, file_actions=actions)


def _end(pid: int) -> float:
    """End a process; return the CPU seconds it took."""
    os.kill(pid, signal.SIGKILL)  # a process that ended by itself waits for its parent, us, and may be killed, too
    _, _, usage = os.wait4(pid, 0)
    return usage.ru_utime + usage.ru_stime


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _wait_port(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            time.sleep(0.1)
            return
    raise SystemExit("the daemon does not listen")


def _memory(pid: int, key: str) -> int:
    try:
        with open(f"/proc/{pid}/status") as file:
            return next((int(line.split()[1]) for line in file if line.startswith(key)), 0)
    except FileNotFoundError:
        return 0


def _private_kib(pid: int) -> int:
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Private_"))


def _cpu_now(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
