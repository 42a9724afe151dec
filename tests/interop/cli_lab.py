# SPDX-License-Identifier: GPL-3.0-or-later
"""A laboratory for comparing our ``nncp-*`` commands with the real ones: the same words, side by side."""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).parent.parent.parent
VECTORS = ROOT / "tests" / "vectors" / "data"
KEYS = json.loads((VECTORS / "cfg" / "keys.json").read_text())["nodes"]
NODES = ("alice", "bob", "carol", "dave")

START = (
    "import sys; sys.path[:0] = sys.argv[1].split(':'); del sys.argv[1]; "
    "from muleteer.cli.nncp import start; start(sys.argv[1:])"
)
OUR_PATH = f"{ROOT / 'firmware'}:{sysconfig.get_path('purelib')}"
USAGE = re.compile(r"^(NNCP version|Flags )", re.MULTILINE)


def ours(command: str) -> list[str]:
    """The words that start our command as the launcher does."""
    return [sys.executable, "-I", "-S", "-c", START, OUR_PATH, f"nncp-{command}"]


def theirs(command: str) -> list[str]:
    return [f"/usr/bin/nncp-{command}"]


PROGRAMS = {"go": theirs, "ours": ours}


@dataclass(frozen=True)
class Outcome:
    """What a script can notice of a run."""

    status: int
    out: bytes
    err: str

    @property
    def used_wrongly(self) -> bool:
        return bool(USAGE.search(self.err))

    @property
    def lines(self) -> list[str]:
        """Standard output and error without what differs by nature: times, ids, folders, our own words for failures."""
        return tidy(self.out.decode("utf-8", "surrogateescape"))

    @property
    def notes(self) -> list[str]:
        """The lines with a time stamp on standard error, sorted: events."""
        return sorted(line for line in tidy(self.err) if line.startswith("TIME "))


def tidy(text: str) -> list[str]:
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text)
    for node in NODES:
        text = text.replace(KEYS[node]["id"], f"<{node}>")
    text = re.sub(r"\b[A-Z2-7]{52}\b", "<PKT>", text)
    text = re.sub(r"[^\s:]*/(?=(go|ours)/)", "", text)
    text = re.sub(r"\b(go|ours)/", "LAB/", text)
    return text.splitlines()


class Lab:
    """Four nodes in a folder, worked on by one program."""

    def __init__(self, folder: pathlib.Path, who: str) -> None:
        self.folder = folder / who
        self.who = who
        for node in NODES:
            for part in ("spool", "incoming", "freq"):
                (self.folder / node / part).mkdir(parents=True)
            text = (VECTORS / "cfg" / f"{node}.hjson").read_text()
            (self.folder / f"{node}.hjson").write_text(text.replace("/srv/nncp-vec", str(self.folder)))

    def path(self, *parts: str) -> pathlib.Path:
        return self.folder.joinpath(*parts)

    def __call__(
        self, command: str, node: str, *words: str, stdin: bytes = b"", env: dict[str, str] | None = None
    ) -> Outcome:
        """Run a command for a node; `{lab}` in the words is this laboratory's folder."""
        flags = ["-cfg", str(self.folder / f"{node}.hjson")] if node else []
        given = [word.replace("{lab}", str(self.folder)) for word in words]
        done = subprocess.run(
            [*PROGRAMS[self.who](command), *flags, *given],
            input=stdin,
            capture_output=True,
            cwd=self.folder,
            timeout=60,
            check=False,
            env={"PATH": "/usr/bin:/bin", "TZ": "UTC", "HOME": str(self.folder), **(env or {})},
        )
        return Outcome(done.returncode, done.stdout, done.stderr.decode("utf-8", "surrogateescape"))

    def packets(self, node: str, neighbour: str, way: str) -> list[pathlib.Path]:
        folder = self.folder / node / "spool" / KEYS[neighbour]["id"] / way
        return sorted(path for path in folder.glob("*") if re.fullmatch("[A-Z2-7]{52}", path.name))

    def tree(self, *parts: str) -> list[str]:
        """Every path below a folder with packet names made alike, and without what only one program keeps.

        That is our own corner, and the marks of acknowledgements in tx/ack, which the real one makes from 8.9 on.
        """
        base = self.folder.joinpath(*parts)
        found = [str(path.relative_to(base)) for path in base.rglob("*") if not {"muleteer", "ack"} & set(path.parts)]
        return sorted(line for text in found for line in tidy(text))

    def records(self, node: str) -> list[dict[str, str]]:
        """The log's records, tidied, without their times."""
        log = self.folder / node / "log"
        text = log.read_text() if log.exists() else ""
        blocks = [block for block in "\n".join(tidy(text)).split("\n\n") if block.strip()]
        pairs = [dict(line.split(": ", 1) for line in block.strip().splitlines() if ": " in line) for block in blocks]
        return [{key: value for key, value in pair.items() if key != "When"} for pair in pairs]


class Both:
    """The same steps in two laboratories."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.go = Lab(folder, "go")
        self.ours = Lab(folder, "ours")

    def __call__(self, command: str, node: str, *words: str, **more: object) -> tuple[Outcome, Outcome]:
        return self.go(command, node, *words, **more), self.ours(command, node, *words, **more)

    def same(self, command: str, node: str, *words: str, **more: object) -> Outcome:
        """Run both and require what a script can notice to be equal; return ours."""
        go, ours_ = self(command, node, *words, **more)
        assert ours_.status == go.status, (go, ours_)
        assert ours_.lines == go.lines
        assert ours_.notes == go.notes
        assert ours_.used_wrongly == go.used_wrongly, (go.err, ours_.err)
        if "-debug" not in words:  # it shows what goes on inside, which differs
            assert bool(ours_.err) == bool(go.err), (go.err, ours_.err)
        return ours_

    def write(self, name: str, data: bytes) -> None:
        for lab in (self.go, self.ours):
            lab.path(name).parent.mkdir(parents=True, exist_ok=True)
            lab.path(name).write_bytes(data)

    def copy_spools(self) -> None:
        """Give both the same spools: those of Go (whose packets differ in each run)."""
        for node in NODES:
            shutil.rmtree(self.ours.path(node, "spool"))
            shutil.copytree(self.go.path(node, "spool"), self.ours.path(node, "spool"), symlinks=True)


def pattern(size: int) -> bytes:
    return bytes((7 * i + i // 251) % 256 for i in range(size))
