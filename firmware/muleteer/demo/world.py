# SPDX-License-Identifier: GPL-3.0-or-later
"""The scratch world of the demonstration: three nodes with fresh keys, who know each other, and a stick."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

from muleteer.config.model import OwnKeys
from muleteer.config.write import new_keys
from muleteer.formats.ids import b32encode
from muleteer.spool.disk import RealDisk, ensure_dir

NODES = ("home", "cabin", "hill")
STICK = "BLUE"
"""The stick's label: in a simulated bay, its folder's name."""


@dataclass(frozen=True, slots=True)
class Place:
    """One node's folders."""

    root: str
    name: str

    @property
    def folder(self) -> str:
        """Everything of this node."""
        return os.path.join(self.root, self.name)

    def at(self, *parts: str) -> str:
        """A path inside the node's folder."""
        return os.path.join(self.folder, *parts)

    @property
    def nncp(self) -> str:
        """Its nncp.hjson."""
        return self.at("nncp.hjson")

    @property
    def toml(self) -> str:
        """Its muleteer.toml."""
        return self.at("muleteer.toml")

    @property
    def socket(self) -> str:
        """Where its agent listens."""
        return self.at("agent.sock")

    @property
    def bay(self) -> str:
        """The directory that stands for its bay."""
        return self.at("bay")


class World:
    """Builds the folders under `root`."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.keys: dict[str, OwnKeys] = {name: new_keys() for name in NODES}
        self.places = {name: Place(root, name) for name in NODES}
        self.pocket = os.path.join(root, "pocket")
        self._disk = RealDisk(sync=False)

    def build(self) -> None:
        """Make folders and configurations."""
        for place in self.places.values():
            for folder in ("spool", "incoming", "shelf", "bay"):
                ensure_dir(self._disk, place.at(folder))
            self.write(place.nncp, json.dumps(self._nncp(place), indent=2).encode())
            self.write(place.toml, self._toml(place).encode())
        ensure_dir(self._disk, os.path.join(self.pocket, STICK))

    def write(self, path: str, data: bytes) -> str:
        """Write a new file, readable by its owner alone, and return its path."""
        with self._disk.create(path, 0o600) as file:
            file.write(data)
        return path

    def carry(self, source: str, target: str) -> None:
        """Move the stick from one folder (a bay or the pocket) into another: a pull, or an insertion."""
        self._disk.rename(os.path.join(source, STICK), os.path.join(target, STICK))

    def _nncp(self, place: Place) -> dict[str, object]:
        return {
            "spool": place.at("spool"),
            "log": place.at("log"),
            "noprogress": True,
            "self": _texts(self.keys[place.name], OwnKeys.__match_args__),
            "neigh": {
                "self": _texts(self.keys[place.name], PUBLIC),
                **{name: self._neighbour(place, name) for name in NODES if name != place.name},
            },
        }

    def _neighbour(self, place: Place, name: str) -> dict[str, object]:
        neighbour: dict[str, object] = {
            **_texts(self.keys[name], PUBLIC),
            "incoming": place.at("incoming"),
            "freq": {"path": place.at("shelf")},
            "exec": {"letter": ["/bin/sh", "-c", 'cat >> "$0"', place.at("mailbox")]},
        }
        if (place.name, name) == ("home", "hill"):
            neighbour["via"] = ["cabin"]
        return neighbour

    def _toml(self, place: Place) -> str:
        others = [name for name in NODES if name != place.name]
        lines = [
            f"nncp = {json.dumps(place.nncp)}",
            "[agent]",
            f'name = "{place.name}"',
            f"socket = {json.dumps(place.socket)}",
            "listen = []",  # these two meet by stick alone
            "multicast = false",
            "[bay.left]",
            f"directory = {json.dumps(place.bay)}",
            "[runner.blue]",
            'label = "BLUE"',
            "initialise = true",
        ]
        for name in others:  # hill may be a Go node, which acknowledges only when somebody types nncp-ack
            lines += [f"[neighbour.{name}]", f"acknowledges = {'false' if name == 'hill' else 'true'}"]
        lines += ["[panel]", f"png = {json.dumps(place.at('frames'))}"]
        return "\n".join(lines) + "\n"


PUBLIC = ("id", "exchpub", "signpub", "noisepub")


def _texts(keys: OwnKeys, names: tuple[str, ...]) -> dict[str, str]:
    return {name: b32encode(getattr(keys, name)) for name in names}
