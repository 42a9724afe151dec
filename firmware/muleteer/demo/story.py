# SPDX-License-Identifier: GPL-3.0-or-later
"""The play: what is sent, where the stick goes, and what must have arrived at the end."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from muleteer.crypto.entropy import random_bytes
from muleteer.demo.box import Box
from muleteer.demo.guest import Guest, Hand, own_commands

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from muleteer.demo.world import World

PHOTO_SIZE = 16 << 20
LETTER = b"From: ann@home\nTo: bea@cabin\nSubject: snow\n\nThe pass is open again. Send the almanac!\n"
ALMANAC = b"Sun and moon for the high pass.\n" * 200


class Stage(Protocol):
    """Where the play is seen."""

    def narrate(self, line: str) -> None:
        """Say what happens next."""

    def pause(self, seconds: float) -> None:
        """Leave time to look, if anybody looks."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One thing that should have arrived, and whether it did, byte for byte."""

    what: str
    way: str
    path: str
    whole: bool


class Story:
    """Plays on `stage`; `play` returns what arrived."""

    def __init__(self, world: World, stage: Stage) -> None:
        self.world = world
        self.stage = stage
        self.guest = Guest(world.places["hill"])
        self.photo = random_bytes(PHOTO_SIZE)

    def play(self, raise_curtain: Callable[[Sequence[Box]], None]) -> list[Arrival]:
        """Run both boxes, carry the stick around, and look at what arrived."""
        with ExitStack() as stack:
            self.stage.narrate("Two boxes are switched on.")
            home, cabin = (stack.enter_context(Box(self.world.places[name])) for name in ("home", "cabin"))
            raise_curtain((home, cabin))
            self._queue()
            self._visit(home, "The stick goes into the bay at home: it is loaded.")
            self._visit(cabin, "It is carried to the cabin: everything for it comes off, acknowledgements go on.")
            self._visit(cabin, "Next trip. The cabin loads what it has prepared since: the almanac, the hill's packet.")
            self._visit_hill()
            self._visit(home, "And home again: acknowledgements, the almanac, a greeting from the hill.")
            return self._arrivals()

    def _queue(self) -> None:
        hand = Hand(self.world.places["home"], own_commands())
        photo = self.world.write(os.path.join(self.world.root, "photo.raw"), self.photo)
        self.world.write(self.world.places["cabin"].at("shelf", "almanac.txt"), ALMANAC)
        self.stage.narrate("At home: photo and letter for the cabin, a photo for the hill, a request for the almanac.")
        hand.type("nncp-file", "-quiet", photo, "cabin:pictures/photo.raw")
        hand.type("nncp-exec", "-quiet", "cabin", "letter", "bea@cabin", stdin=LETTER)
        hand.type("nncp-file", "-quiet", "-nice", "PRIORITY", photo, "hill:photo.raw")
        hand.type("nncp-freq", "-quiet", "cabin:almanac.txt", "almanac.txt")
        self.stage.pause(3)

    def _visit(self, box: Box, line: str) -> None:
        self.stage.narrate(line)
        self.world.carry(self.world.pocket, box.place.bay)
        box.wait_round()
        self.stage.pause(3)
        self.world.carry(box.place.bay, self.world.pocket)
        box.wait_empty()
        self.stage.pause(0.5)

    def _visit_hill(self) -> None:
        self.stage.narrate(f"On the hill, {self.guest.program} works the stick.")
        bay = self.guest.place.bay
        self.world.carry(self.world.pocket, bay)
        self.guest.trade()
        self.world.carry(bay, self.world.pocket)
        self.stage.pause(1)

    def _arrivals(self) -> list[Arrival]:
        home, cabin, hill = (self.world.places[name] for name in ("home", "cabin", "hill"))
        expected = [
            ("photo for the cabin", "home > stick > cabin", cabin.at("incoming", "pictures", "photo.raw"), self.photo),
            ("letter for the cabin (exec)", "home > stick > cabin", cabin.at("mailbox"), LETTER),
            ("photo for the hill (relayed)", "home > cabin > hill", hill.at("incoming", "photo.raw"), self.photo),
            ("almanac, requested by home", "cabin > stick > home", home.at("incoming", "almanac.txt"), ALMANAC),
            ("greeting from the hill", "hill > stick > home", home.at("incoming", "greeting.txt"), None),
        ]
        return [Arrival(what, way, path, _is_whole(path, data)) for what, way, path, data in expected]

    def unacknowledged(self) -> int:
        """Count home's packets for the cabin that still wait for an acknowledgement."""
        cabin = str(self.world.keys["cabin"].id)
        queue = self.world.places["home"].at("spool", cabin, "tx")
        return sum(len(name) == 52 for name in os.listdir(queue)) if os.path.isdir(queue) else 0


def _is_whole(path: str, data: bytes | None) -> bool:
    try:
        with open(path, "rb") as file:
            found = file.read()
    except OSError:
        return False
    return bool(found) if data is None else found == data
