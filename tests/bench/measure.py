# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a program once and say what it cost: wall, CPU, peak resident memory.

A child's peak as the kernel tells it begins with what its parent had when it forked, some 17 MiB of Python here. So
peaks are taken in runs of their own, through GNU time, which is a megabyte and forks once more.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

T = TypeVar("T", bound=Any)


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


GNU_TIME = shutil.which("time")


def run(argv: list[str], stdin: str = os.devnull, *, peak: bool = False) -> Cost:
    """Run `argv` and return its cost; ends the benchmark if it fails. With `peak` the times are GNU time's, too."""
    if not peak:
        return _run(argv, stdin)
    if GNU_TIME is None:
        raise SystemExit("Missing: GNU time, which tells peaks of memory. Install it: sudo apt-get install time")
    with tempfile.NamedTemporaryFile("r") as told:
        cost = _run([GNU_TIME, "-f", "%M", "-o", told.name, *argv], stdin)
        return replace(cost, rss_kib=int(told.read()))


def _run(argv: list[str], stdin: str) -> Cost:
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
    if code:
        raise SystemExit(f"{' '.join(argv)[:200]} ended with {code}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, 0)


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


def median_of(kind: type[T], runs: list[T]) -> T:
    """The median of each field of some values of one dataclass by itself."""
    return kind(*(statistics.median(getattr(run, field.name) for run in runs) for field in fields(kind)))


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
