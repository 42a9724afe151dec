# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import pathlib

import pytest

from muleteer.agent.allowance import resolve
from muleteer.agent.events import Waiting
from muleteer.agent.inquiry import Inquiry
from muleteer.agent.status import Line, LineState, Queue, Status
from muleteer.agent.survey import Surveyor
from muleteer.config.appliance import parse_appliance
from muleteer.config.load import load
from muleteer.errors import AmbiguousPacket, DeliveryFailed, UnknownPacket
from muleteer.formats.ids import PacketName
from muleteer.formats.magic import ENVELOPE
from muleteer.formats.niceness import BULK, NORMAL, PRIORITY
from muleteer.record import replace
from muleteer.spool.aside import Aside
from muleteer.spool.disk import RealDisk
from muleteer.spool.ledger import Ledger
from muleteer.spool.spool import Spool

ALICE = pathlib.Path(__file__).parent.parent / "vectors" / "data" / "cfg" / "alice.hjson"
NOW = 1_700_000_000.0
DAY = 86400.0


class Home:
    """A spool in which packets of any niceness and size can be put, and those who look at it."""

    def __init__(self, root: str) -> None:
        os.mkdir(root)
        self.config = replace(load(str(ALICE), {}, places=()), spool=root)
        self.spool = Spool(root, RealDisk(sync=False))
        self.aside, self.ledger = Aside(self.spool), Ledger(self.spool)
        self.rules("")

    def rules(self, text):
        appliance = parse_appliance(text.encode(), "muleteer.toml")
        self.rules_now = resolve(appliance, self.config)
        self.lines = tuple(appliance.lines.values())

    def config_with(self, node, **changes):
        peer = replace(self.config.find(node), **changes)
        return replace(self.config, neighbours=self.config.neighbours | {peer.id: peer})

    def put(self, number, node="bob", way="tx", nice=NORMAL, size=1000):
        name = PacketName(bytes([number]) * 32)
        peer, me = self.config.aliases[node], self.config.me.id
        directory = self.spool.layout.way(peer, way)
        os.makedirs(directory, exist_ok=True)
        ends = me + peer if way == "tx" else peer + me
        with open(f"{directory}/{name}", "wb") as file:
            file.write((ENVELOPE + b"\0\0\0" + bytes([nice]) + ends).ljust(size, b"\0"))
        return name

    def survey(self):
        looks = (self.config, self.rules_now, self.spool, self.aside, self.ledger, self.lines)
        return Surveyor(*looks).survey(NOW)

    def why(self, packet, status=None):
        looks = (self.config, self.rules_now, self.spool, self.aside, self.ledger, self.lines)
        return Inquiry(*looks).why(packet, status, NOW)


@pytest.fixture
def home(tmp_path):
    return Home(str(tmp_path / "spool"))


def test_an_empty_spool_has_nothing(home):
    survey = home.survey()
    assert (survey.queue, survey.neighbours, survey.problems) == ((), (), ())
    assert (survey.waiting_toss, survey.set_aside, survey.travelling) == (0, 0, 0)


def test_the_queue_is_counted_by_the_first_carrier_that_takes_a_packet(home):
    home.rules(
        '[carrier.thin]\nnice = "PRIORITY"\n'
        '[carrier.stick]\nsize = "5 KB"\n[bay.b]\ncarrier = "stick"\ndirectory = "/b"'
    )
    home.put(1, nice=PRIORITY, size=9000)
    home.put(2, nice=NORMAL)
    home.put(3, node="carol", nice=BULK, size=2000)
    home.put(4, nice=BULK, size=9000)
    assert home.survey().queue == (
        Queue("thin", 1, 9000, PRIORITY),
        Queue("stick", 2, 3000, NORMAL),
        Queue("", 1, 9000, BULK),
    )


def test_what_no_stick_takes_is_counted_by_the_first_carrier_that_calls_for_it(home):
    home.rules(
        '[carrier.stick]\nnice = "PRIORITY"\n[carrier.cell]\nkind = "net"\nsize = "1 KB"\ncost = "dear"\n'
        '[carrier.lan]\nkind = "net"\nsize = "5 KB"\n[carrier.lan.night]\nhours = "01:00-06:00"\nsize = "9 KB"\n'
    )
    home.config = home.config_with("bob", addrs={"main": "10.0.0.1:5400"})
    home.put(1, nice=PRIORITY, size=900)
    home.put(2, nice=BULK, size=900)
    home.put(3, nice=BULK, size=9000)
    home.put(4, nice=BULK, size=9001)
    home.put(5, node="carol", nice=BULK, size=900)
    assert home.survey().queue == (
        Queue("stick", 1, 900, PRIORITY),
        Queue("lan", 2, 9900, BULK),
        Queue("", 2, 9901, BULK),
    )


def test_the_queue_counts_what_a_carriers_sticks_take_at_some_time(home):
    home.rules(
        '[carrier.in]\nkind = "stick"\ndirection = "rx"\n'
        '[carrier.stick]\nnice = "PRIORITY"\nhours = "01:00-06:00"\nneighbour = "bob"\n'
        '[carrier.stick.sunday]\ndays = "Sun"\nnice = "BULK"\nsize = "5 KB"\n'
    )
    home.put(1, nice=BULK, size=900)
    home.put(2, nice=BULK, size=9000)
    name = str(home.put(3, node="carol", size=900))
    assert home.survey().queue == (Queue("stick", 1, 900, BULK), Queue("", 2, 9900, NORMAL))
    sentence = home.why(name, Status("home", time_sure=False))
    assert "is held: carrier in takes only what comes in; carrier stick is not for carol." in sentence


def test_what_waits_is_told_by_neighbour_and_niceness_with_what_travels(home):
    home.rules("[neighbour.bob]\nacknowledges = true")
    bob, carol = home.config.aliases["bob"], home.config.aliases["carol"]
    home.ledger.carried("blue", bob, [home.put(1, size=500)], NOW - DAY)
    home.put(2, size=700)
    home.put(3, nice=BULK, size=900)
    home.put(4, node="carol")
    home.put(5, node="self")
    home.put(6, way="rx")
    assert set(home.survey().waiting) == {
        Waiting(bob, NORMAL, 2, 500, 1200),
        Waiting(bob, BULK, 1, 900, 900),
        Waiting(carol, NORMAL, 1, 1000, 1000),
    }


def test_why_tells_of_lines(home):
    home.rules('[carrier.lan]\nkind = "net"\n[carrier.stick]\nnice = "FLASH"')
    home.config = home.config_with("bob", addrs={"main": "10.0.0.1:5400"})
    name = home.put(1)
    lines = (Line("lan", "bob", LineState.WAITING, next_call=NOW + 120), Line("lan", "carol", LineState.TALKING))
    assert home.why(str(name), Status("home", lines=lines)) == (
        f"{name}: 1 KB NORMAL for bob waits for lan: lan calls in 2 minutes; "
        "carrier stick takes only FLASH or more urgent."
    )


def test_packets_to_ourselves_wait_for_no_carrier(home):
    home.put(1, node="self")
    survey = home.survey()
    assert survey.queue == ()
    assert survey.neighbours[0].tx.packets == 1


def test_both_ways_of_each_neighbour_are_counted(home):
    home.put(1, size=500)
    home.put(2, way="rx", size=700)
    home.put(3, way="rx", size=800)
    survey = home.survey()
    (bob,) = survey.neighbours
    assert (bob.name, bob.tx.packets, bob.tx.size, bob.rx.packets, bob.rx.size) == ("bob", 1, 500, 2, 1500)
    assert survey.waiting_toss == 2


def test_a_copy_on_its_way_does_not_wait_until_it_is_overdue(home):
    home.rules('[neighbour.bob]\nacknowledges = true\noverdue = "14 d"')
    bob = home.config.aliases["bob"]
    home.ledger.carried("blue", bob, [home.put(1)], NOW - 3 * DAY)
    home.ledger.carried("red", bob, [home.put(2)], NOW - 15 * DAY)
    survey = home.survey()
    assert survey.travelling == 1
    assert survey.queue[0].packets == 1
    (problem,) = survey.problems
    assert (problem.what, problem.details) == ("a runner is overdue with 1 packet", ("red: 1 packet",))


def test_what_was_set_aside_is_one_problem_and_its_reasons_are_details(home):
    bob = home.config.aliases["bob"]
    for number, reason in ((1, "No handle."), (2, "No handle."), (3, "Damaged\x1b.")):
        home.aside.note(bob, home.put(number, way="rx"), reason, NOW - number)
    survey = home.survey()
    assert survey.set_aside == 3
    (problem,) = survey.problems
    assert (problem.what, problem.since) == ("3 packets set aside", NOW - 3)
    assert problem.details == ("2 packets: No handle.", "1 packet: Damaged\\x1b.")


def test_the_panel_showed_everybody_names_of_neighbours_and_files(home):
    home.rules('[neighbour.bob]\nacknowledges = true\noverdue = "1 d"')
    bob = home.config.aliases["bob"]
    reason = str(DeliveryFailed(name="/srv/secret.pdf", sender="bob", problem="it is full"))
    home.aside.note(bob, home.put(1, way="rx"), reason, NOW)
    home.ledger.carried("SECRET", bob, [home.put(2)], NOW - 15 * DAY)
    problems = home.survey().problems
    assert len(problems) == 2
    for problem in problems:
        for name in ("secret", "SECRET", "bob"):
            assert name not in problem.what + problem.remedy
    assert reason in problems[1].details[0], "who asks for the status is told"


def test_why_finds_a_packet_by_the_beginning_of_its_name(home):
    name = home.put(1)
    home.put(200)
    sentence = home.why(str(name)[:4].lower())
    assert sentence.startswith(f"{name}: 1 KB NORMAL for bob waits for a stick: carrier stick takes everything;")


def test_why_tells_of_copies_and_reasons(home):
    home.rules("[neighbour.bob]\nacknowledges = true")
    bob = home.config.aliases["bob"]
    home.ledger.carried("blue", bob, [home.put(1)], NOW - 3 * DAY)
    home.aside.note(bob, home.put(9, way="rx"), "No handle.", NOW - 10)
    assert "left on runner blue 3 days ago" in home.why(str(PacketName(b"\1" * 32)))
    assert "set aside after 1 attempt, next one in 50 s: No handle." in home.why(str(PacketName(b"\x09" * 32)))


@pytest.mark.parametrize("packet", ["", "  ", "ZZZZ", "../../etc/passwd", "\x1b[2J"])
def test_an_unknown_packet_is_a_clear_error(home, packet):
    home.put(1)
    with pytest.raises(UnknownPacket, match="No packet here is called") as caught:
        home.why(packet)
    assert str(caught.value).isprintable()


def test_an_ambiguous_beginning_shows_how_the_names_go_on(home):
    for number in (8, 9, 10, 11, 12):  # "BAE...", "BEE...", ...
        home.put(number)
    with pytest.raises(AmbiguousPacket, match="5 packets here begin with 'B'") as caught:
        home.why("B")
    assert str(PacketName(b"\x08" * 32))[:12] in str(caught.value)
