# SPDX-License-Identifier: GPL-3.0-or-later
"""One node of the test vectors, run by the real NNCP in a folder of its own."""

from __future__ import annotations

import json
import pathlib
import subprocess

from muleteer.formats.mth import mth
from muleteer.testing.packets import people_from

DATA = pathlib.Path(__file__).parent.parent / "vectors" / "data"
PEOPLE = people_from((DATA / "cfg" / "keys.json").read_text())
DUMP = '{ printf "%s|" "$@" "$NNCP_SENDER" "$NNCP_NICE"; /bin/cat; } > ROOT/ran.$$'


class GoNode:
    """The real NNCP with the keys of one of the four people."""

    def __init__(self, name: str, root: pathlib.Path) -> None:
        self.person = PEOPLE[name]
        self.root = root / name
        self.spool = self.root / "spool"
        self.incoming = self.root / "incoming"
        self.spool.mkdir(parents=True)
        self.incoming.mkdir()
        config = json.loads(
            (DATA / "cfg" / f"{name}.hjson").read_text().replace(f"/srv/nncp-vec/{name}", str(self.root))
        )
        for neighbour in config["neigh"].values():
            neighbour["exec"] = {"dump": ["/bin/sh", "-c", DUMP.replace("ROOT", str(self.root)), "dump"]}
        self.config = self.root / "nncp.hjson"
        self.config.write_text(json.dumps(config))

    def run(self, command: str, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run ``nncp-COMMAND``; raises CalledProcessError if it fails."""
        return subprocess.run(
            [f"/usr/bin/nncp-{command}", "-cfg", str(self.config), *words],
            input=stdin,
            capture_output=True,
            check=True,
            timeout=60,
        )

    def receive(self, packet: bytes, sender: str) -> pathlib.Path:
        """Put a packet where the real one has what it received."""
        path = self.spool / str(PEOPLE[sender].id) / "rx" / str(mth(packet))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(packet)
        return path

    def waiting(self, sender: str) -> list[str]:
        """The packets that it did not want."""
        return [path.name for path in (self.spool / str(PEOPLE[sender].id) / "rx").iterdir() if len(path.name) == 52]

    def outgoing(self, recipient: str) -> list[bytes]:
        """Take what it queued for a neighbour."""
        queued = []
        for path in sorted((self.spool / str(PEOPLE[recipient].id) / "tx").glob("[A-Z2-7]*")):
            queued.append(path.read_bytes())
            assert str(mth(queued[-1])) == path.name
            path.unlink()
        return queued

    def ran(self) -> list[bytes]:
        """What the exec handle ``dump`` got: its arguments, sender and niceness, and its standard input."""
        return [path.read_bytes() for path in sorted(self.root.glob("ran.*"))]
