# SPDX-License-Identifier: GPL-3.0-or-later
"""Senders of packets that are held in transit are told so, once."""

from __future__ import annotations

import errno
import io
import os
import pathlib

import pytest

from muleteer.agent.allowance import resolve
from muleteer.agent.box import Box
from muleteer.agent.held_notes import NOTES_MAX, PACKETS_MAX, HeldNotes, InTransit, note, to_tell
from muleteer.agent.held_watch import tell
from muleteer.agent.journal import Journal
from muleteer.agent.status import Status
from muleteer.config.appliance import parse_appliance
from muleteer.config.load import load
from muleteer.errors import SpoolError, UnknownPacket
from muleteer.formats.ids import NodeId, PacketName
from muleteer.formats.magic import ENVELOPE
from muleteer.formats.niceness import BULK, FLASH
from muleteer.record import replace
from muleteer.spool.spool import Spool
from muleteer.testing.clock import FakeClock
from muleteer.testing.disk import FakeDisk
from muleteer.testing.nodes import MemoryLog
from muleteer.testing.packets import open_packet, people_from
from muleteer.tossing.submit import Submitter

DATA = pathlib.Path(__file__).parent.parent / "vectors" / "data" / "cfg"
PEOPLE = people_from((DATA / "keys.json").read_text())
DAY = 86400.0


def packet(number, sender=1, age=2 * DAY):
    return InTransit(PacketName(number.to_bytes(32, "big")), NodeId(bytes([sender]) * 32), 1000 * DAY - age)


def test_only_what_waits_long_enough_is_told_of_and_only_once():
    packets = [packet(1), packet(2, age=DAY / 2), packet(3), packet(4, age=-DAY)]
    assert to_tell(packets, {packets[2].name}, 1000 * DAY, DAY) == {packets[0].sender: [packets[0]]}


def test_a_flood_makes_few_notes():
    packets = [packet(number, sender=number % 20) for number in range(5000)]
    found = to_tell(packets, (), 1000 * DAY, DAY)
    assert len(found) == NOTES_MAX
    assert {len(some) for some in found.values()} == {PACKETS_MAX}


def test_those_that_wait_longest_are_told_of_first():
    packets = [packet(number, age=number * DAY) for number in range(2, 200)]
    (some,) = to_tell(packets, (), 1000 * DAY, DAY).values()
    assert some[0] == packets[-1]


class Relay:
    """Alice's box, through which bob sends to carol."""

    def __init__(self):
        self.disk = FakeDisk()
        self.disk.mkdir("/spool")
        self.config = replace(load(str(DATA / "alice.hjson"), {}, places=()), spool="/spool")
        self.spool = Spool("/spool", self.disk)
        self.log = MemoryLog()

    def put(self, number, sender="bob", node="carol"):
        name = PacketName(bytes([number]) * 32)
        ends = self.config.aliases[sender] + self.config.aliases[node]
        data = (ENVELOPE + b"\0\0\0" + bytes([BULK]) + ends).ljust(1000, b"\0")
        self.disk.put(self.spool.path(self.config.aliases[node], "tx", name), data)
        return name

    def tell(self, age=2 * DAY, why=lambda name: f"{name}: 1 KB BULK for carol is held."):
        submitter = Submitter(self.config, self.spool, self.log)
        return HeldNotes("home", self.config, self.spool, submitter, why, DAY).tell(self.disk.now + age)

    def notes(self, node="bob"):
        peer = self.config.aliases[node]
        return [entry for entry in self.spool.entries(peer, "tx") if entry.sender == self.config.me.id]


@pytest.fixture
def relay():
    return Relay()


def test_the_sender_of_a_packet_in_transit_is_told_by_a_small_urgent_note(relay):
    name = relay.put(1)
    assert relay.tell() == 1
    (entry,) = relay.notes()
    assert entry.nice == FLASH
    path = relay.spool.path(relay.config.aliases["bob"], "tx", entry.name)
    opened = open_packet(relay.disk.image()[path], recipient=PEOPLE["bob"], sender=PEOPLE["alice"])
    assert opened.header.path == f"muleteer/held-{name}.txt".encode()
    assert f"{name}: 1 KB BULK for carol is held. It came 2 days ago." in opened.payload.decode()


def test_nobody_is_told_twice(relay):
    relay.put(1)
    assert [relay.tell(), relay.tell(), relay.tell(9 * DAY)] == [1, 0, 0]
    relay.put(2)
    assert relay.tell(9 * DAY) == 1


def test_what_is_not_held_long_enough_is_not_told_of(relay):
    relay.put(1)
    assert relay.tell(DAY / 2) == 0


@pytest.mark.parametrize(("sender", "node"), [("self", "carol"), ("carol", "carol"), ("bob", "self")])
def test_only_packets_in_transit_count(relay, sender, node):
    relay.put(1, sender, node)
    assert relay.tell() == 0


def test_strangers_are_not_told(relay):
    name = relay.put(1)
    path = relay.spool.path(relay.config.aliases["carol"], "tx", name)
    ends = bytes(32) + relay.config.aliases["carol"]
    relay.disk.unlink(path)
    relay.disk.put(path, (ENVELOPE + b"\0\0\0" + bytes([BULK]) + ends).ljust(1000, b"\0"))
    assert relay.tell() == 0


def test_the_memory_of_notes_goes_with_the_packets(relay):
    for number in range(1, 5):
        relay.put(number)
    relay.tell()
    assert len(relay.disk.listdir("/spool/muleteer/told")) == 4
    for number in range(1, 5):
        relay.spool.finish(relay.config.aliases["carol"], "tx", PacketName(bytes([number]) * 32))
    relay.tell()
    assert relay.disk.listdir("/spool/muleteer/told") == []


def test_a_packet_that_went_while_the_note_was_written_does_no_harm(relay):
    relay.put(1)

    def gone(name):
        raise UnknownPacket(packet=name)

    assert relay.tell(why=gone) == 1


def test_a_cut_costs_a_note_and_never_makes_two(relay):
    relay.put(1)
    draft = next(index for index, call in enumerate(told_elsewhere()) if call.path.startswith("/spool/tmp/nncp"))
    relay.disk.fail(draft, errno.EIO, sticky=True)
    with pytest.raises(SpoolError):
        relay.tell()
    relay.disk.heal()
    assert relay.tell() == 0


def told_elsewhere():
    """What a disk is asked for when one note is told."""
    other = Relay()
    other.put(1)
    other.tell()
    return other.disk.trace


def test_the_note_says_what_is_held_and_for_how_long():
    text = note("home", [("ABC: 4.2 MB BULK for cabin waits for a stick.", 3 * DAY), ("DEF: held.", 60)])
    assert text == (
        "2 packets that you sent through home could not go on yet. Nothing is lost.\n\n"
        "ABC: 4.2 MB BULK for cabin waits for a stick. It came 3 days ago.\n\n"
        "DEF: held. It came 1 minute ago.\n"
    )


def test_the_agent_tells_by_its_two_files(tmp_path):
    appliance = parse_appliance(b'[agent]\nname = "home"\n[held]\ntell = true\nafter = "2 h"', "muleteer.toml")
    os.mkdir(tmp_path / "spool")
    config = replace(
        load(str(DATA / "alice.hjson"), {}, places=()), spool=str(tmp_path / "spool"), log=str(tmp_path / "log")
    )
    box = Box(appliance, config, resolve(appliance, config), sync=False)
    carol = config.aliases["carol"]
    os.makedirs(tmp_path / "spool" / str(carol) / "tx")
    name = PacketName(b"\1" * 32)
    path = tmp_path / "spool" / str(carol) / "tx" / str(name)
    path.write_bytes((ENVELOPE + b"\0\0\0" + bytes([BULK]) + config.aliases["bob"] + carol).ljust(1000, b"\0"))
    now = path.stat().st_mtime
    journal = Journal(io.StringIO(), FakeClock(now).wall)
    assert [tell(box, journal, Status("home"), now + hours * 3600) for hours in (1, 3, 3)] == [0, 1, 0]
    (entry,) = box.spool().entries(config.aliases["bob"], "tx")
    packet = path.parents[2] / str(config.aliases["bob"]) / "tx" / str(entry.name)
    opened = open_packet(packet.read_bytes(), recipient=PEOPLE["bob"], sender=PEOPLE["alice"])
    assert "that you sent through home could not go on yet" in opened.payload.decode()
    assert f"{name}: 1 KB BULK for carol waits for a stick" in opened.payload.decode()
