# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a program once and say what it cost: wall, CPU, peak resident memory."""

from __future__ import annotations

import os
import statistics
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """One run: seconds of wall clock, seconds of CPU (children included), peak resident KiB."""

    wall: float
    cpu: float
    rss_kib: int


@dataclass(frozen=True)
class Row:
    """Medians of both programs over the same interleaved repetitions."""

    name: str
    go: Cost
    ours: Cost
    unit: str = ""

    @property
    def ratio(self) -> float:
        """Go's wall divided by ours: above 1 we are ahead."""
        return self.go.wall / self.ours.wall


def run(argv: list[str], stdin: str = os.devnull, *, status: int = 0) -> Cost:
    """Run `argv` and return its cost.

    The peak is the child's own: a fork inherits the parent's resident size until it execs, so the parent must be
    smaller than what it measures; `posix_spawn` (vfork) avoids even that.
    """
    with open(stdin, "rb") as source, open(os.devnull, "wb") as sink:
        actions = [
            (os.POSIX_SPAWN_DUP2, source.fileno(), 0),
            (os.POSIX_SPAWN_DUP2, sink.fileno(), 1),
            (os.POSIX_SPAWN_DUP2, sink.fileno(), 2),
        ]
        start = time.perf_counter()
        pid = os.posix_spawn(argv[0], argv, os.environ, file_actions=actions)
        _, waited, usage = os.wait4(pid, 0)
        wall = time.perf_counter() - start
    code = os.waitstatus_to_exitcode(waited)
    if code != status:
        raise SystemExit(f"{' '.join(argv)[:200]} ended with {code}, not {status}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)


def total(costs: list[Cost]) -> Cost:
    """Add up runs that make one job: times add, the peak is the largest."""
    return Cost(sum(c.wall for c in costs), sum(c.cpu for c in costs), max(c.rss_kib for c in costs))


def median(costs: list[Cost]) -> Cost:
    """The median of each figure by itself."""
    return Cost(
        statistics.median(c.wall for c in costs),
        statistics.median(c.cpu for c in costs),
        int(statistics.median(c.rss_kib for c in costs)),
    )


def table(rows: list[Row]) -> str:
    """A Markdown table of the rows."""
    lines = [
        "| work | Go wall | ours wall | **Go/ours** | Go CPU | ours CPU | Go peak | ours peak |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.name} | {seconds(row.go.wall)} | {seconds(row.ours.wall)} | **{row.ratio:.2f}** "
        f"| {seconds(row.go.cpu)} | {seconds(row.ours.cpu)} | {mib(row.go)} | {mib(row.ours)} |"
        for row in rows
    ]
    return "\n".join(lines)


def seconds(value: float) -> str:
    """Milliseconds below a second, else seconds."""
    return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.2f} s"


def mib(cost: Cost) -> str:
    """The peak in MiB."""
    return f"{cost.rss_kib / 1024:.1f} MiB"
