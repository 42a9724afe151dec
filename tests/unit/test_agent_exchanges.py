# SPDX-License-Identifier: GPL-3.0-or-later
"""The exchanges of a call and of its answer, without sockets: what is told, who is welcome, what it costs."""

from __future__ import annotations

import pathlib

import pytest

from muleteer.agent.budgets import Budgets
from muleteer.agent.events import CallErrand, Now, SessionBegan, SessionProgressed
from muleteer.agent.exchanges import Reception, calling, summary_of, unreached
from muleteer.agent.outcome import Outcome, outcome_of
from muleteer.agent.watched_exchange import QUIET_SECONDS
from muleteer.carriers.online import LOCKED, OnlineTerms
from muleteer.config.appliance import parse_appliance
from muleteer.config.load import load
from muleteer.crypto.keys import ExchangeKey
from muleteer.errors import LinkFailed, SpoolLocked
from muleteer.hotplug.interfaces import Interface
from muleteer.record import replace
from muleteer.spool.layout import RX, TX
from muleteer.testing.nodes import Node

CFG = pathlib.Path(__file__).parent.parent / "vectors" / "data" / "cfg"
NOW = Now(1.8e9, 1000.0)
LO = Interface("lo", up=True, addresses=("127.0.0.1",))


class Party:
    """One side: a node, its rules, and what its session told."""

    def __init__(self, root, name, rules=""):
        config = load(str(CFG / f"{name}.hjson"), {})
        spool = root / name
        spool.mkdir()
        self.node = Node(replace(config, spool=str(spool)))
        self.rules = tuple(parse_appliance(rules.encode(), "muleteer.toml").lines.values())
        self.budgets = Budgets()
        self.told = []

    @property
    def own(self):
        return self.node.config.own

    def neighbour(self, name):
        return self.node.config.find(name)

    def send(self, to, size=1000):
        rest = [bytes(size)]

        def read(view):
            count = min(len(view), len(rest[0]))
            view[:count], rest[0] = rest[0][:count], rest[0][count:]
            return count

        return self.node.submit.file(self.neighbour(to), 96, read, "letter")

    def calls(self, name, idle=1.0, give_way=lambda: False, cut_off=lambda: False):
        neighbour = self.neighbour(name)
        errand = CallErrand(neighbour.id, "net", (), OnlineTerms(idle_seconds=idle), "asked for")
        return calling(
            errand,
            neighbour,
            self.node.spool,
            self.own,
            ephemeral=ExchangeKey.generate(),
            purse=self.budgets.purse_for(self.rules[0], name, lambda: NOW),
            tell=self.told.append,
            log=self.node.log,
            give_way=give_way,
            cut_off=cut_off,
            thread_bytes=None,
        )

    def answers(self, reception=None):
        reception = reception or Reception.of(self.rules, self.node.config.neighbours, self.budgets, lambda: NOW)
        return reception.answering(
            reception.carrier_of(LO),
            self.node.spool,
            self.own,
            ephemeral=ExchangeKey.generate(),
            tell=self.told.append,
            log=self.node.log,
            thread_bytes=None,
        )


def carry(caller, called, now=1000.0):
    """Drive two exchanges against each other until both are over."""
    both = (caller, called)
    for exchange in both:
        exchange.open(now)
    while any(not exchange.closed for exchange in both):
        if not (hand_over(caller, called, now) or hand_over(called, caller, now)):
            now = let_pass([exchange for exchange in both if not exchange.closed], now)
    for exchange in both:
        exchange.finish(now)
    return now


def hand_over(sender, receiver, now):
    out = memoryview(bytearray(1 << 19))
    count = 0 if sender.closed else sender.to_send(out, now)
    if receiver.closed:
        return 0
    if count:
        receiver.receive(bytes(out[:count]), now)
    elif sender.closed:
        receiver.eof(now)
    return count


def let_pass(exchanges, now):
    for exchange in exchanges:
        exchange.settle(now)
    deadlines = [deadline for exchange in exchanges if (deadline := exchange.deadline()) is not None]
    now = max(now, min(deadlines, default=now))
    for exchange in exchanges:
        exchange.on_deadline(now)
    return now


@pytest.fixture
def alice(tmp_path):
    return Party(tmp_path, "alice")


@pytest.fixture
def bob(tmp_path):
    return Party(tmp_path, "bob")


def kinds(told):
    return [type(event) for event in told]


def test_both_sides_tell_that_it_began_how_far_it_is_and_what_it_brought(alice, bob):
    packet, back = alice.send("bob"), bob.send("alice", 500_000)
    caller, answer = alice.calls("bob"), bob.answers()
    carry(caller, answer.exchange)
    answer.close(1.0)
    assert alice.told[0] == SessionBegan(alice.neighbour("bob").id, "net", incoming=False)
    assert bob.told[0] == SessionBegan(bob.neighbour("alice").id, "net", incoming=True)
    for party in (alice, bob):
        assert set(kinds(party.told[1:])) == {SessionProgressed}
    last = alice.told[-1].progress
    assert (last.received, last.sent) == (1, 1)
    assert (caller.report.confirmed, answer.exchange.report.confirmed) == ((packet,), (back,))
    assert last.received_bytes == last.receiving_total > 500_000
    summary = summary_of(caller.report, 5.0, incoming=False)
    assert (summary.established, summary.complete, summary.received, summary.sent) == (True, True, 1, 1)
    assert bob.node.spool.has(bob.neighbour("alice").id, RX, packet)
    assert alice.node.spool.has(alice.neighbour("bob").id, RX, back)
    assert caller.begun == alice.neighbour("bob").id
    assert answer.partner.name == "alice"


def test_a_session_that_stays_on_line_gives_way_to_a_stick_that_waits_but_not_before_its_mail_is_over(tmp_path, alice):
    """A session of hours held the lock of its neighbour's queue, and what only a stick may carry never went."""
    bob = Party(tmp_path, "bob", '[carrier.net]\ninterface = "*"\nidle = "1 h"')
    alice.send("bob", 300_000)
    caller, answer = alice.calls("bob", idle=3600.0, give_way=lambda: True), bob.answers()
    ended = carry(caller, answer.exchange, now=1000.0)
    assert caller.report.sent == 1
    assert QUIET_SECONDS <= ended - 1000.0 <= QUIET_SECONDS + 2
    summary = summary_of(caller.report, 5.0, incoming=False)
    assert (summary.said, summary.complete) == ("a stick waited for its turn", True)


def test_a_session_whose_interface_went_down_ends_instead_of_keeping_urgent_mail_for_minutes(tmp_path, alice):
    """FLASH waited for two minutes behind a session over a cable that was out, with another carrier at hand."""
    alice.send("bob", 1000)
    caller = alice.calls("bob", idle=3600.0, cut_off=lambda: True)
    bob = Party(tmp_path, "bob", '[carrier.net]\ninterface = "*"\nidle = "1 h"')
    carry(caller, bob.answers().exchange)
    assert summary_of(caller.report, 5.0, incoming=False).said == "its interface went down"
    assert outcome_of(caller.report, OnlineTerms()) is Outcome.BROKEN  # so other carriers follow at once


def test_a_stranger_is_refused_and_nothing_is_told(alice, bob):
    reception = Reception.of(bob.rules, {}, bob.budgets, lambda: NOW)
    caller, answer = alice.calls("bob"), bob.answers(reception)
    carry(caller, answer.exchange)
    assert answer.exchange.begun is None
    assert alice.told == bob.told == []
    assert summary_of(answer.exchange.report, 5.0, incoming=True).said == "the caller is not welcome"


def test_out_of_hours_nobody_is_welcome(tmp_path, alice):
    bob = Party(tmp_path, "bob", '[carrier.net]\ninterface = "*"\ncron = "0 0 1 1 * 1999"')
    caller, answer = alice.calls("bob"), bob.answers()
    carry(caller, answer.exchange)
    assert not caller.established
    assert bob.told == []


def test_who_answers_keeps_to_the_carriers_ceiling_and_budget(tmp_path, alice):
    bob = Party(tmp_path, "bob", '[carrier.net]\ninterface = "*"\nsize = "100 KB"\nbudget = "1 MB/day"')
    alice.send("bob", 200_000)
    small = alice.send("bob", 50_000)
    caller, answer = alice.calls("bob"), bob.answers()
    carry(caller, answer.exchange)
    answer.close(3.0)
    report = answer.exchange.report
    assert (report.received, report.held_count) == (1, 1)
    assert bob.node.spool.has(bob.neighbour("alice").id, RX, small)
    assert summary_of(report, 5.0, incoming=True).held == 1
    spent = 1_000_000 - bob.budgets.bytes_left(bob.rules[0].terms, NOW.wall).left
    assert spent >= report.wire_in + report.wire_out > 100_000


def test_a_neighbour_with_whom_somebody_is_on_line_already_cannot_be_called(alice):
    with alice.node.spool.lock(alice.neighbour("bob").id, TX), pytest.raises(SpoolLocked):
        alice.calls("bob").open(1000.0)


def test_a_call_that_reached_nobody_is_reported_too():
    error = LinkFailed(address="bob:5400", problem="no route to host")
    report = unreached(b"\0" * 32, error)
    summary = summary_of(report, 5.0, incoming=False)
    assert not summary.established
    assert summary.said == "no connection to bob:5400: no route to host"
    assert summary_of(unreached(b"\0" * 32, None, LOCKED), 5.0, incoming=False).said.startswith("another session")
