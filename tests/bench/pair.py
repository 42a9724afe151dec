# SPDX-License-Identifier: GPL-3.0-or-later
"""Two nodes in a scratch folder, worked by either program: the same configuration, the same flags."""

from __future__ import annotations

import os
import pathlib
import shutil

VECTORS = pathlib.Path(__file__).parent.parent / "vectors" / "data"
BOB = "M2AS4STFTUVWJ2DAPLQLEXSQN2VHNYUYXX5UDUDG7ZGUDYWLLOPA"
ALICE = "YN77TLTKCL2T5QVJVU4B5V3SM4QBL5IU4HEMDJE6WCP6GGTW4RPQ"


class Pair:
    """alice and bob under `base`, driven by the commands in `commands` (a directory)."""

    def __init__(self, base: str, commands: str) -> None:
        self.base = base
        self.commands = commands

    def fresh(self) -> None:
        """Empty spools and folders."""
        for folder in ("alice", "bob", "stick"):
            shutil.rmtree(f"{self.base}/{folder}", ignore_errors=True)
        for node in ("alice", "bob"):
            for folder in ("spool", "incoming", "freq"):
                os.makedirs(f"{self.base}/{node}/{folder}")
            if not os.path.exists(self.config(node)):  # an old configuration is what users have: ours caches it
                text = (VECTORS / "cfg" / f"{node}.hjson").read_text().replace("/srv/nncp-vec", self.base)
                pathlib.Path(self.config(node)).write_text(text)
                os.utime(self.config(node), (0, 0))
        os.makedirs(self.stick)

    def config(self, node: str) -> str:
        """The node's configuration file."""
        return f"{self.base}/{node}.hjson"

    @property
    def stick(self) -> str:
        """The directory that plays the stick."""
        return f"{self.base}/stick"

    def command(self, node: str, name: str, *args: str) -> list[str]:
        """The argument list that runs `name` as `node`."""
        return [f"{self.commands}/{name}", "-cfg", self.config(node), *args]

    def queued(self) -> str:
        """alice's outbound directory for bob."""
        return f"{self.base}/alice/spool/{BOB}/tx"

    def inbox(self) -> str:
        """bob's inbound directory from alice."""
        return f"{self.base}/bob/spool/{ALICE}/rx"
