# SPDX-License-Identifier: GPL-3.0-or-later
"""Which carrier reaches whom, and on what terms; what a call's end means; how long to wait."""

from __future__ import annotations

from dataclasses import replace

import pytest

from muleteer.agent.backoff import Backoff
from muleteer.agent.lines import (
    NeighbourLines,
    addresses_of,
    answer_terms,
    carrier_of,
    ceilings,
    chunk_of,
    covers,
    online_terms,
)
from muleteer.agent.outcome import Outcome, is_brief, outcome_of
from muleteer.agent.watched_exchange import CUT_OFF
from muleteer.carriers.online import CHUNK_MAX, OnlineTerms
from muleteer.config.carrier_rules import (
    NET,
    PIPE,
    Budget,
    CarrierMatch,
    CarrierRule,
    CarrierTerms,
    Period,
    Variant,
    Window,
)
from muleteer.config.zone import utc_offset
from muleteer.errors import LinkFailed
from muleteer.formats.niceness import FLASH, MAX, PRIORITY
from muleteer.hotplug.interfaces import Interface
from muleteer.record import replace as changed
from muleteer.testing.switchboard import Fate, node_of, report_of

NOW = 1_800_000_000.0  # 08:00 UTC
CABIN = NeighbourLines(
    "cabin", {"lan": "10.0.0.1:5400", "wan": "[2001:db8::1]:5400", "ssh": "|ssh cabin"}, onlinedeadline=30
)
ANY = CarrierRule("any", NET)
LAN = CarrierRule("lan", NET, match=CarrierMatch(interface=("eth*",)))
USB = CarrierRule("usb", NET, match=CarrierMatch(udev=(("ID_BUS", "usb"),)))
TOR = CarrierRule("tor", NET, proxy="socks5://127.0.0.1:9050")
SSH = CarrierRule("ssh", PIPE)


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        (ANY, ["lan", "wan"]),
        (SSH, ["ssh"]),
        (CarrierRule("lan", NET, match=CarrierMatch(address=("lan",))), ["lan"]),
        (CarrierRule("six", NET, match=CarrierMatch(address=("[2001:*",))), ["wan"]),
        (CarrierRule("none", NET, match=CarrierMatch(address=("x",))), []),
    ],
)
def test_a_carrier_calls_the_addresses_that_are_its_own(rule, names):
    assert addresses_of(rule, CABIN) == tuple(CABIN.addrs[name] for name in names)


@pytest.mark.parametrize(
    ("rules", "interface", "name"),
    [
        ((ANY, LAN), Interface("eth0", up=True), "lan"),
        ((ANY, LAN), Interface("wlan0", up=True), "any"),
        ((LAN,), Interface("wlan0", up=True), None),
        ((LAN,), None, None),
        ((TOR, ANY), None, "any"),
        ((LAN, USB), Interface("enx", up=True, properties=(("ID_BUS", "usb"),)), "usb"),
        ((SSH,), Interface("eth0", up=True), None),
    ],
)
def test_an_incoming_session_belongs_to_a_carrier_by_its_interface(rules, interface, name):
    found = carrier_of(rules, interface)
    assert (found and found.name) == name


def test_an_incoming_pipe_belongs_to_the_pipes():
    assert carrier_of((ANY, SSH), None, pipe=True) is SSH


def test_sessions_are_answered_on_the_carriers_terms():
    rule = CarrierRule("cell", NET, FLASH, 64_000, terms=CarrierTerms(online_s=60, rate=500, terse=True))
    terms = answer_terms(rule, CABIN, NOW, True, utc_offset)
    assert (terms.nice, terms.size, terms.padded, terms.chunk) == (FLASH, 64_000, False, 2000)
    assert (terms.idle_seconds, terms.online_seconds, terms.bytes_rate) == (30, 60, 500)
    assert terms.frame_seconds > OnlineTerms().frame_seconds


@pytest.mark.parametrize(
    "rule",
    [
        CarrierRule("net", NET, terms=CarrierTerms(answer=False)),
        CarrierRule("net", NET, neighbours=frozenset({"hut"})),
        CarrierRule("net", NET, window=Window(hours=((0, 60),))),
    ],
)
def test_who_is_not_answered(rule):
    assert answer_terms(rule, CABIN, NOW, True, utc_offset) is None


def test_a_session_that_is_answered_ends_where_a_rule_becomes_tighter():
    evening = Variant("evening", Window(hours=((540, 600),)), None, (("nice", PRIORITY),))
    assert answer_terms(replace(ANY, variants=(evening,)), CABIN, NOW, True, utc_offset).online_seconds == 3600


@pytest.mark.parametrize(
    ("given", "idle"), [(CarrierTerms(), 30), (CarrierTerms(idle_s=5), 5), (CarrierTerms(idle_s=500), 500)]
)
def test_the_carriers_word_on_idling_goes_before_the_neighbours(given, idle):
    assert online_terms(given, CABIN).idle_seconds == idle


@pytest.mark.parametrize(
    ("rate", "terse", "chunk"),
    [(None, False, CHUNK_MAX), (None, True, 8192), (10**6, False, CHUNK_MAX), (1000, False, 4000), (10, True, 1024)],
)
def test_a_chunk_is_through_before_a_real_peer_loses_patience(rate, terse, chunk):
    assert chunk_of(CarrierTerms(rate=rate, terse=terse)) == chunk


@pytest.mark.parametrize(
    ("changes", "covered"),
    [
        ({}, True),
        ({"nice": 10}, False),
        ({"size": 10}, False),
        ({"send": False}, False),
        ({"receive": False}, False),
        ({"nock": True}, False),
        ({"online_seconds": 5.0}, True),
    ],
)
def test_what_a_session_must_have_done_to_stand_for_another(changes, covered):
    assert covers(changed(OnlineTerms(), **changes), OnlineTerms()) is covered


@pytest.mark.parametrize(
    ("given", "most"),
    [
        (CarrierTerms(), None),
        (CarrierTerms(size=500), 500),
        (CarrierTerms(budgets=(Budget(10**9, Period.DAY, "x"),), size=500), 500),
        (CarrierTerms(budgets=(Budget(5 * 10**6, Period.DAY, "x"),)), (5 * 10**6 - 80_000) * 65232 // 65312),
        (CarrierTerms(budgets=(Budget(600_000, Period.HOUR, "x"), Budget(10**9, Period.DAY, "x"))), 557_757),
        (CarrierTerms(budgets=(Budget(1000, Period.DAY, "x"),)), 0),
    ],
)
def test_what_would_use_up_more_than_a_whole_budget_is_not_taken(given, most):
    assert online_terms(given, CABIN).size == most


def test_a_small_budget_is_not_spent_on_padding():
    assert not online_terms(CarrierTerms(budgets=(Budget(50_000, Period.DAY, "x"),)), CABIN).padded
    assert online_terms(CarrierTerms(budgets=(Budget(10**7, Period.DAY, "x"),)), CABIN).padded


def test_ceilings_in_words():
    assert ceilings(CarrierTerms()) == "everything"
    assert ceilings(CarrierTerms(nice=FLASH, size=64_000)) == "up to 64 KB, FLASH or more urgent"
    assert ceilings(CarrierTerms(size=64 << 10)) == "up to 64 KiB"  # as it was written, not 66 KB
    assert ceilings(CarrierTerms(budgets=(Budget(599_999, Period.DAY, "x"),))) == "up to 557 KB"
    assert ceilings(CarrierTerms(nice=MAX, receive=False)) == "what goes out"


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"established": False, "ended": "locked"}, Outcome.LOCKED),
        ({"established": False, "ended": "disk"}, Outcome.LOCKED),
        ({"established": False, "ended": "error"}, Outcome.FAILED),
        ({"established": False, "ended": "eof", "error": None}, Outcome.FAILED),
        ({"ended": "error"}, Outcome.FAILED),
        ({"ended": "error", "sent": 1}, Outcome.BROKEN),
        ({"ended": "error", "wire_out": 200_000}, Outcome.BROKEN),
        ({"ended": "idle", "error": None}, Outcome.IDLE),
        ({"ended": "eof", "error": None, "received": 1}, Outcome.MOVED),
        ({"ended": "time", "error": None, "received": 1}, Outcome.CUT_SHORT),
        ({"ended": "idle", "error": None, "wire_in": 200_000}, Outcome.CUT_SHORT),
        ({"ended": "budget", "error": None}, Outcome.SPENT),
    ],
)
def test_what_a_calls_end_means(changes, outcome):
    report = report_of(node_of("cabin"), Fate(broken=True), 0, 0)
    found = outcome_of(changed(report, **changes), OnlineTerms())
    assert found is outcome
    assert found.talked == (outcome not in (Outcome.LOCKED, Outcome.FAILED))


def test_an_idle_short_greeting_to_a_peer_that_pads_its_answer_is_idle_and_not_cut_short():
    brief = OnlineTerms(padded=False)
    idle = changed(report_of(node_of("cabin"), Fate(), 0, 0), wire_in=32_700, wire_out=108)
    assert outcome_of(idle, brief) is Outcome.IDLE
    assert outcome_of(changed(idle, error=LinkFailed(address="x", problem="gone")), brief) is Outcome.FAILED
    assert outcome_of(changed(idle, ended=CUT_OFF), brief) is Outcome.FAILED
    assert not is_brief(idle, brief)
    assert is_brief(changed(idle, wire_in=60), brief)
    assert not is_brief(changed(idle, wire_in=60), OnlineTerms())


def test_waits_double_up_to_the_longest_and_are_out_of_step():
    wait = Backoff()
    waits = []
    for jitter in (0.5, 0.5, 0.5, 0.0, 0.999, 0.5, 0.5):
        wait.fail(100.0, 60, 1000, jitter)
        waits.append(wait.until - 100)
    assert waits == pytest.approx([60, 120, 240, 384, 1151.6, 1000, 1000], rel=0.001)
    assert wait.holds(1099)
    wait.reset()
    assert not wait.holds(100)
    wait.rest(100, 5)
    assert (wait.until, wait.failures) == (105, 0)


def test_a_million_failures_overflow_nothing():
    wait = Backoff(failures=10**6)
    wait.fail(0.0, 60, 3600, 0.5)
    assert wait.until == 3600
