# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions on a budget: never a byte above it, and what did not fit goes on in the next one."""

import pytest

from muleteer.carriers.online import OnlineTerms
from muleteer.carriers.spending import SLACK, Spending
from muleteer.errors import SpoolError
from muleteer.spool.layout import RX, TX
from muleteer.testing.disk import FakeDisk
from muleteer.testing.disk_tree import Volume
from muleteer.testing.exchanges import Call, Station, packet

TERSE = OnlineTerms(padded=False, chunk=1024)


class Allowance:
    """A purse that counts."""

    def __init__(self, limit):
        self.limit = limit
        self.granted = 0

    def draw(self, wanted):
        assert wanted > 0
        given = min(wanted, self.limit - self.granted)
        self.granted += given
        return given

    def give_back(self, unused):
        assert 0 < unused <= self.granted
        self.granted -= unused


@pytest.fixture
def ends():
    disk = FakeDisk({"/a": Volume(), "/b": Volume()})
    return Station.on(disk, "alice", "/a"), Station.on(disk, "bob", "/b")


def wire(exchange):
    return exchange.report.wire_in + exchange.report.wire_out


@pytest.mark.parametrize("terms", [TERSE, OnlineTerms()], ids=["terse", "padded"])
@pytest.mark.parametrize("ours", [True, False], ids=["the caller's", "the called one's"])
@pytest.mark.parametrize("limit", [300, 2_000, 5_000, 20_000, 66_000, 70_000, 100_000, 200_000, 400_000])
@pytest.mark.parametrize("direction", ["out", "back", "both"])
def test_no_session_costs_more_than_its_purse_holds(ends, terms, ours, limit, direction):
    alice, bob = ends
    for number, size in enumerate((400, 9_000, 40_000, 80_000)):
        if direction != "back":
            alice.queue(packet(number, size, nice=50 + number), bob)
        if direction != "out":
            bob.queue(packet(10 + number, size, nice=50 + number), alice)
    purse = Allowance(limit)
    call = Call(alice, bob, terms, terms, **({"purse": purse} if ours else {"called_purse": purse})).run()
    limited = call.here if ours else call.there
    heard = limited.report.wire_in if not limited.report.established else 0  # the first message of a caller is free
    assert wire(limited) - heard <= limit
    assert purse.granted == min(wire(limited), limit)
    assert limited.report.ended in ("budget", "idle", "eof")
    if limited.report.ended == "budget":
        assert alice.waiting(TX, bob) or bob.waiting(TX, alice)


def test_a_large_packet_crosses_a_dear_link_over_several_days(ends):
    alice, bob = ends
    name = alice.queue(packet(1, 60_000), bob)
    days = 0
    while alice.waiting(TX, bob):
        purse = Allowance(20_000)
        call = Call(alice, bob, TERSE, TERSE, purse=purse).run()
        assert wire(call.here) <= 20_000
        days += 1
        if alice.waiting(TX, bob):
            report = call.here.report
            assert (report.ended, report.unfinished) == ("budget", True)
            assert [(held.name, held.why, held.way) for held in report.held] == [(name, "budget", "tx")]
    assert days in (4, 5)
    assert bob.waiting(RX, alice) == {name}


def test_what_the_purse_does_not_pay_for_is_not_asked_for(ends):
    alice, bob = ends
    small, large = bob.queue(packet(1, 2_000), alice), bob.queue(packet(2, 50_000), alice)
    purse = Allowance(20_000)
    call = Call(alice, bob, TERSE, TERSE, purse=purse).run()
    assert alice.waiting(RX, bob) == {small}
    assert [(held.name, held.why, held.way) for held in call.here.report.held] == [(large, "budget", "rx")]
    assert call.here.report.ended == "idle"
    assert purse.granted == wire(call.here)


def test_the_last_bytes_still_confirm_what_came(ends):
    """The purse is empty from sending, but what was asked for is received and confirmed."""
    alice, bob = ends
    back = bob.queue(packet(1, 9_000, nice=200), alice)
    alice.queue(packet(2, 90_000, nice=10), bob)
    call = Call(alice, bob, TERSE, TERSE, purse=Allowance(40_000)).run()
    assert call.here.report.ended == "budget"
    assert alice.waiting(RX, bob) == {back}
    assert not bob.waiting(TX, alice)


def test_a_purse_that_cannot_be_written_ends_the_session(ends):
    alice, bob = ends
    alice.queue(packet(1, 90_000), bob)

    class Broken(Allowance):
        def draw(self, wanted):
            if self.granted:
                raise SpoolError(path="accounts", problem="broken")
            return super().draw(wanted)

    call = Call(alice, bob, TERSE, TERSE, purse=Broken(1 << 20)).run()
    assert call.here.report.ended == "disk"
    assert isinstance(call.here.report.error, SpoolError)


def test_an_unlimited_session_asks_nobody():
    spending = Spending()
    assert spending.begin(OnlineTerms(), 10)
    assert spending.reserve(1 << 40)
    assert spending.room(1 << 20) == 1 << 20
    assert not spending.is_limited
    spending.close()


def test_a_request_that_is_refused_costs_the_purse_one_question():
    purse = Allowance(10_000)
    spending = Spending(purse, 1024)
    assert spending.begin(TERSE, 0)
    granted = purse.granted
    assert not spending.reserve(100_000)
    assert purse.granted == granted
    purse.draw = None  # not asked again
    assert not spending.reserve(100_000)
    assert not spending.reserve(1 << 40)
    del purse.draw
    assert spending.reserve(1_000)
    assert purse.granted >= granted + 1_000 - SLACK
    spending.close()
    spending.close()
    assert purse.granted == 0
