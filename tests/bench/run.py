# SPDX-License-Identifier: GPL-3.0-or-later
"""Benchmarks against the real NNCP in the same run: ``make bench``.

Each case is run in turn by Go and by us, several times, on a fresh pair of nodes; the table gives medians and
Go's wall time divided by ours. With root rights the durable cases run on an ext4 of their own (a loop mount), so
that fsync means something; otherwise in ``--folder``.
"""

from __future__ import annotations

import argparse
import atexit
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from calls import header, idle, talks
from huge import commands, rounds
from measure import Cost, Row, median, run, table, total
from pair import Pair

if TYPE_CHECKING:
    from collections.abc import Callable

OURS = os.path.dirname(sys.executable)
MIB = 1 << 20


def random_file(path: str, size: int) -> str:
    """A file of random bytes, made once."""
    if not os.path.exists(path) or os.path.getsize(path) != size:
        with open(path, "wb") as out:
            out.writelines(os.urandom(min(MIB, size - offset)) for offset in range(0, size, MIB))
    return path


def text_file(path: str, size: int) -> str:
    """Log-like text that compresses as logs do."""
    words = random.Random(7)
    with open(path, "w") as out:
        while out.tell() < size:
            out.write(
                "".join(
                    f"2026-11-20T{words.randrange(24):02}:{words.randrange(60):02} host{words.randrange(9)} "
                    f"daemon[{words.randrange(9999)}]: session {words.randrange(1 << 40):x} closed\n"
                    for _ in range(5000)
                )
            )
    return path


class Bench:
    """The cases: each is a preparation (not timed) and a timed job, for either program."""

    def __init__(self, args: argparse.Namespace, folder: str) -> None:
        self.args = args
        self.folder = folder
        self.pairs = {
            "go": Pair(f"{folder}/go", os.path.dirname(shutil.which("nncp-file", path=args.path) or "")),
            "ours": Pair(f"{folder}/ours", OURS),
        }
        self.big = random_file(f"{folder}/big.bin", args.big_mib * MIB)
        self.small = random_file(f"{folder}/small.bin", 1024)
        self.rows: list[Row] = []

    def case(self, name: str, job: Callable[[Pair, bool], Cost], prepare: Callable[[Pair], None], repeat: int) -> None:
        """Time `job` for both programs, interleaved."""
        if self.args.only and self.args.only not in name:
            return
        costs: dict[str, list[Cost]] = {"go": [], "ours": []}
        for _ in range(repeat):
            for who, pair in self.pairs.items():
                prepare(pair)
                costs[who].append(job(pair, False))
        peaks = {}
        for who, pair in self.pairs.items():
            prepare(pair)
            peaks[who] = job(pair, True).rss_kib
        go, ours = (replace(median(costs[who]), rss_kib=peaks[who]) for who in ("go", "ours"))
        row = Row(name, go, ours)
        self.rows.append(row)
        print(f"{name:55} Go/ours {row.ratio:5.2f}   peak {row.ours.rss_kib / 1024:.1f} MiB", flush=True)

    # ------------------------------------------------------------------------------------------ preparations

    def fresh(self, pair: Pair) -> None:
        pair.fresh()

    def queued_big(self, pair: Pair) -> None:
        pair.fresh()
        run(pair.command("alice", "nncp-file", "-quiet", self.big, "bob:big.bin"))

    def big_on_stick(self, pair: Pair) -> None:
        self.queued_big(pair)
        run(pair.command("alice", "nncp-xfer", "-quiet", "-mkdir", "-tx", pair.stick))

    def big_in_rx(self, pair: Pair) -> None:
        self.big_on_stick(pair)
        run(pair.command("bob", "nncp-xfer", "-quiet", "-rx", pair.stick))

    def queued_many(self, pair: Pair, *, same: bool = False, count: int | None = None) -> None:
        """Many small packets, made by us in both cases: the maker is not what is timed."""
        pair.fresh()
        source = f"{self.folder}/many"
        count = count or self.args.many
        if not os.path.isdir(source) or len(os.listdir(source)) != count:
            shutil.rmtree(source, ignore_errors=True)
            os.makedirs(source)
            for i in range(count):
                random_file(f"{source}/f{i:05}.bin", 1024)
        ours = Pair(pair.base, OURS)
        if same:
            for i in range(count):
                run(ours.command("alice", "nncp-file", "-quiet", f"{source}/f{i:05}.bin", "bob:same.bin"))
        else:
            names = [f"{source}/{name}" for name in sorted(os.listdir(source))]
            run([f"{OURS}/muleteer", "send", "--nncp", pair.config("alice"), *names, "bob:"])

    def many_on_stick(self, pair: Pair) -> None:
        self.queued_many(pair)
        run(Pair(pair.base, OURS).command("alice", "nncp-xfer", "-quiet", "-mkdir", "-tx", pair.stick))

    def many_in_rx(self, pair: Pair) -> None:
        self.many_on_stick(pair)
        run(Pair(pair.base, OURS).command("bob", "nncp-xfer", "-quiet", "-rx", pair.stick))

    def same_in_rx(self, pair: Pair) -> None:
        self.queued_many(pair, same=True)
        os.makedirs(os.path.dirname(pair.inbox()), exist_ok=True)
        os.rename(pair.queued(), pair.inbox())

    def text_queued(self, pair: Pair) -> None:
        pair.fresh()
        run(pair.command("alice", "nncp-exec", "-quiet", "bob", "cat"), self.text)
        os.makedirs(os.path.dirname(pair.inbox()), exist_ok=True)
        os.rename(pair.queued(), pair.inbox())

    # ------------------------------------------------------------------------------------------ the table

    def startup(self) -> None:
        self.pairs["go"].fresh()
        self.pairs["ours"].fresh()
        self.case(
            "no-op: nncp-stat, empty spool",
            lambda p, peak: run(p.command("alice", "nncp-stat"), peak=peak),
            lambda _: None,
            40,
        )
        one = lambda p, peak: run(p.command("alice", "nncp-file", "-quiet", self.small, "bob:x"), peak=peak)  # noqa: E731
        self.case("one nncp-file of 1 KiB", one, lambda _: None, 30)

    def large(self) -> None:
        n, mib = self.args.repeat, self.args.big_mib
        file = lambda p, peak: run(p.command("alice", "nncp-file", "-quiet", self.big, "bob:big.bin"), peak=peak)  # noqa: E731
        self.case(f"nncp-file {mib} MiB", file, self.fresh, n)
        check = lambda p, peak: run(p.command("alice", "nncp-check", "-quiet"), peak=peak)  # noqa: E731
        self.case(f"nncp-check {mib} MiB", check, self.queued_big, n)
        xfer = lambda p, peak: run(p.command("alice", "nncp-xfer", "-quiet", "-mkdir", "-tx", p.stick), peak=peak)  # noqa: E731
        self.case(f"nncp-xfer -tx {mib} MiB", xfer, self.queued_big, n)
        take = lambda p, peak: run(p.command("bob", "nncp-xfer", "-quiet", "-rx", p.stick), peak=peak)  # noqa: E731
        self.case(f"nncp-xfer -rx {mib} MiB", take, self.big_on_stick, n)
        self.case(
            f"nncp-toss {mib} MiB",
            lambda p, peak: run(p.command("bob", "nncp-toss", "-quiet"), peak=peak),
            self.big_in_rx,
            n,
        )

    def text_exec(self) -> None:
        size = self.args.text_mib
        self.text = text_file(f"{self.folder}/text.log", size * MIB)
        pack = lambda p, peak: run(p.command("alice", "nncp-exec", "-quiet", "bob", "cat"), self.text, peak=peak)  # noqa: E731
        self.case(f"nncp-exec {size} MiB text", pack, self.fresh, self.args.repeat)
        toss = lambda p, peak: run(p.command("bob", "nncp-toss", "-quiet"), peak=peak)  # noqa: E731
        self.case("nncp-toss of that exec", toss, self.text_queued, self.args.repeat)
        os.unlink(self.text)

    def many(self) -> None:
        n, count = self.args.repeat, self.args.many
        self.case(f"{count} nncp-file processes (ours: one `muleteer send`)", self.send_many, self.fresh, max(1, n - 2))
        xfer = lambda p, peak: run(p.command("alice", "nncp-xfer", "-quiet", "-mkdir", "-tx", p.stick), peak=peak)  # noqa: E731
        self.case(f"nncp-xfer -tx {count} x 1 KiB", xfer, self.queued_many, n)
        take = lambda p, peak: run(p.command("bob", "nncp-xfer", "-quiet", "-rx", p.stick), peak=peak)  # noqa: E731
        self.case(f"nncp-xfer -rx {count} x 1 KiB", take, self.many_on_stick, n)
        toss = lambda p, peak: run(p.command("bob", "nncp-toss", "-quiet"), peak=peak)  # noqa: E731
        self.case(f"nncp-toss {count} x 1 KiB", toss, self.many_in_rx, n)
        check = lambda p, peak: run(p.command("alice", "nncp-check", "-quiet"), peak=peak)  # noqa: E731
        self.case(f"nncp-check {count} x 1 KiB", check, self.queued_many, n)

    def send_many(self, pair: Pair, peak: bool) -> Cost:  # noqa: FBT001 - a job like the others
        source = f"{self.folder}/many"
        names = [f"{source}/{name}" for name in sorted(os.listdir(source))]
        if pair.commands == OURS:
            return run([f"{OURS}/muleteer", "send", "--nncp", pair.config("alice"), *names, "bob:"], peak=peak)
        return total([run(pair.command("alice", "nncp-file", "-quiet", name, "bob:"), peak=peak) for name in names])

    def listing(self) -> None:
        count = self.args.listed
        for pair in self.pairs.values():
            self.queued_many(pair, count=count)
            run(pair.command("alice", "nncp-stat"))  # both have their hdr/ now
        self.case(
            f"nncp-stat, {count} packets",
            lambda p, peak: run(p.command("alice", "nncp-stat"), peak=peak),
            lambda _: None,
            10,
        )
        shutil.rmtree(f"{self.folder}/many")

    def calls(self) -> list[str]:
        n, mib, count = self.args.repeat, self.args.big_mib, self.args.many
        print("\n".join(header()), flush=True)
        rows = talks(f"{mib} MiB", mib, "MiB/s", self.pairs, self.queued_big, n)
        rows += talks(f"{count} x 1 KiB", count, "packets/s", self.pairs, self.queued_many, n)
        return ["", *header(), *rows, "", *self.resting()]

    def resting(self) -> list[str]:
        """What waits for calls and makes them: Go's two programs, and our one agent."""
        pair = self.pairs["ours"]
        pair.fresh()
        go = self.pairs["go"]
        config, rules = f"{pair.base}/calling.hjson", f"{pair.base}/calling.toml"
        with open(pair.config("alice")) as file:
            text = file.read()
        calls = '"addrs": {"lan": "127.0.0.1:9"}, "calls": [{"cron": "0 0 1 1 *"}], "freq": {'
        with open(config, "w") as file:
            file.write(text.replace('"freq": {', calls, 1))
        with open(rules, "w") as file:
            file.write(f'nncp = "{config}"\n[agent]\nsocket = "{pair.base}/alice.sock"\nlisten = ["127.0.0.1:0"]\n')
        return idle(
            {
                "nncp-daemon + nncp-caller (Go)": [
                    [f"{go.commands}/nncp-daemon", "-cfg", config, "-quiet", "-bind", "127.0.0.1:0"],
                    [f"{go.commands}/nncp-caller", "-cfg", config, "-quiet"],
                ],
                "nncp-daemon + nncp-caller (ours)": [
                    [f"{OURS}/nncp-daemon", "-cfg", config, "-quiet", "-bind", "127.0.0.1:0"],
                    [f"{OURS}/nncp-caller", "-cfg", config, "-quiet"],
                ],
                "muleteer agent": [[f"{OURS}/muleteer", "agent", "-c", rules]],
            },
            10.0,
        )

    def equal_names(self) -> None:
        count = self.args.many
        toss = lambda p, peak: run(p.command("bob", "nncp-toss", "-quiet"), peak=peak)  # noqa: E731
        self.case(f"nncp-toss {count} x 1 KiB, all of one name", toss, self.same_in_rx, 1)


def ext4_folder(size_mib: int) -> str | None:
    """Mount a fresh ext4 in a loop file; None without the rights for it."""
    if os.geteuid():
        return None
    image = tempfile.mktemp(prefix="muleteer-bench-", suffix=".img", dir=os.environ.get("TMPDIR", "/var/tmp"))
    mount = tempfile.mkdtemp(prefix="muleteer-bench-")
    with open(image, "wb") as out:
        out.truncate(size_mib * MIB)
    made = subprocess.run(["mke2fs", "-q", "-t", "ext4", image], check=False).returncode == 0
    if not made or subprocess.run(["mount", "-o", "loop,noatime", image, mount], check=False).returncode:
        os.unlink(image)
        return None
    atexit.register(lambda: (subprocess.run(["umount", mount], check=False), os.unlink(image), os.rmdir(mount)))
    return mount


def main() -> None:
    """Run the chosen cases and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("--only", default="", help="only cases whose name contains this")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--big-mib", type=int, default=1024)
    parser.add_argument("--text-mib", type=int, default=256)
    parser.add_argument("--huge-mib", type=int, default=2048)
    parser.add_argument("--many", type=int, default=2000)
    parser.add_argument("--listed", type=int, default=10000)
    parser.add_argument("--folder", help="work here instead of an ext4 loop mount")
    parser.add_argument("--tmpfs", action="store_true", help="work in /dev/shm")
    parser.add_argument("--path", default="/usr/bin:/usr/local/bin", help="where the Go commands are")
    args = parser.parse_args()
    if args.quick:
        args.big_mib, args.text_mib, args.huge_mib, args.many, args.listed, args.repeat = 32, 8, 64, 50, 200, 2
    base = "/dev/shm" if args.tmpfs else args.folder or ext4_folder(args.big_mib * 12 + args.huge_mib * 5) or "."
    folder = tempfile.mkdtemp(prefix="muleteer-bench-", dir=base)
    bench = Bench(args, folder)
    print(f"in {base}: {os.statvfs(base).f_bfree * os.statvfs(base).f_frsize >> 30} GiB free, {os.cpu_count()} CPUs\n")
    try:
        for pair in bench.pairs.values():
            bench.queued_many(pair)
        time.sleep(3)  # a configuration that changed just now is not cached yet
        for group in (bench.startup, bench.large, bench.text_exec, bench.many, bench.listing, bench.equal_names):
            group()
        print(f"\n{table(bench.rows)}\n")
        if not args.only or "call".startswith(args.only):
            print("\n".join(bench.calls()))
        if not args.only:
            print(f"One packet of {args.huge_mib} MiB:\n\n| step | peak resident | speed |\n|---|---|---|")
            huge = random_file(f"{folder}/huge.bin", args.huge_mib * MIB)
            for carry in (commands, rounds):
                for line in carry(bench.pairs["ours"], huge, args.huge_mib):
                    print(line, flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
