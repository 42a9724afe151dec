# SPDX-License-Identifier: GPL-3.0-or-later
"""What a round acknowledges."""

import pytest
from toss_lab import carry, make_node

from muleteer.agent.acknowledging import RoundAcknowledger
from muleteer.carriers.stick_plan import StickAllowance, StickTerms
from muleteer.formats.ids import PacketName
from muleteer.testing.packets import reader


@pytest.fixture
def alice(tmp_path):
    return make_node("alice", tmp_path)


@pytest.fixture
def bob(tmp_path):
    return make_node("bob", tmp_path)


def acknowledged(node, sender, name, silent=(), allowance=None):
    """Ask for one acknowledgement and return the sender's queue afterwards."""
    acknowledger = RoundAcknowledger(node.config, node.spool, node.log, silent, allowance)
    acknowledger.acknowledge(sender, name)
    assert node.spool.entries(sender, "tx") == []
    acknowledger.flush()
    return node.spool.entries(sender, "tx")


def test_a_packet_that_was_tossed_long_ago_and_comes_again_got_no_acknowledgement(alice, bob):
    """Its sender has not had the first one, and would keep the packet for ever."""
    alice.submit.file(alice.neighbour("bob"), 50, reader(b"x"), "f")
    (name,) = carry(alice, bob)
    bob.toss(seen=True)
    assert len(acknowledged(bob, alice.id, name)) == 1


def test_one_whose_packet_is_gone_is_urgent_enough_for_the_stick_by_the_terms_of_its_neighbour(alice, bob):
    alice.submit.file(alice.neighbour("bob"), 50, reader(b"x"), "f")
    (name,) = carry(alice, bob)
    bob.toss(seen=True)
    allowance = StickAllowance(special={alice.id: StickTerms(nice=90)})
    (ack,) = acknowledged(bob, alice.id, name, allowance=allowance)
    assert ack.nice == 90


def test_an_acknowledgement_and_what_a_silent_neighbour_sent_get_none(alice, bob):
    bob.submit.ack(bob.neighbour("alice"), 160, PacketName(bytes(32)))
    (name,) = carry(bob, alice, "bob", "alice")
    assert acknowledged(alice, bob.id, name) == []
    alice.submit.file(alice.neighbour("bob"), 50, reader(b"x"), "f")
    (name,) = carry(alice, bob)
    assert acknowledged(bob, alice.id, name, silent={alice.id}) == []
