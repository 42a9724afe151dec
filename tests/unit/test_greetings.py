# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls that came before are remembered, within bounds."""

from muleteer.formats.ids import NodeId
from muleteer.spool import greetings
from muleteer.spool.greetings import Greetings
from muleteer.spool.spool import Spool
from muleteer.testing.disk import FakeDisk
from muleteer.testing.disk_tree import Volume

ALICE, BOB = NodeId(bytes(range(32))), NodeId(bytes(range(1, 33)))


def key(number):
    return number.to_bytes(4, "big") * 8


def test_a_greeting_is_new_once_for_each_neighbour_and_over_restarts():
    disk = FakeDisk({"/spool": Volume()})
    assert Greetings(Spool("/spool", disk)).is_new(ALICE, key(1))
    known = Greetings(Spool("/spool", disk))
    assert not known.is_new(ALICE, key(1))
    assert known.is_new(BOB, key(1))
    assert known.is_new(ALICE, key(2))


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(greetings, "KEPT_MAX", 10)
    disk = FakeDisk({"/spool": Volume()})
    known = Greetings(Spool("/spool", disk))
    for number in range(1, 200):
        assert known.is_new(ALICE, key(number))
        assert not any(known.is_new(ALICE, key(each)) for each in range(max(1, number - 9), number + 1))
        assert disk.stat(f"/spool/muleteer/greetings/{ALICE}").size <= 20 * 16
    assert disk.listdir("/spool/muleteer/greetings") == [str(ALICE)]


def test_a_torn_tail_hides_nothing_that_comes_after_it():
    disk = FakeDisk({"/spool": Volume()})
    known = Greetings(Spool("/spool", disk))
    known.is_new(ALICE, key(1))
    with disk.append(f"/spool/muleteer/greetings/{ALICE}") as file:
        file.write(b"torn")
    assert known.is_new(ALICE, key(2))
    assert not known.is_new(ALICE, key(2))
    assert not known.is_new(ALICE, key(1))
