# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a packet waits where carriers call: in one sentence, with what would move it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from muleteer.agent.lines import NeighbourLines
from muleteer.agent.outlook import ever, outlooks
from muleteer.agent.status import Bay, Line, LineState
from muleteer.agent.why import Copy, PacketFacts, World, why
from muleteer.config.carrier_rules import NET, CarrierMatch, CarrierRule, CarrierTerms, Variant, Window
from muleteer.config.cron import parse
from muleteer.config.zone import utc_offset
from muleteer.formats.niceness import BULK, FLASH, MAX, NORMAL, PRIORITY

NOW = 1_800_000_000.0  # 08:00 UTC
DAY = 86400.0
CABIN = NeighbourLines("cabin", {"main": "10.0.0.1:5400"})
LETTER = PacketFacts("tx", "cabin", NORMAL, 4200)
FILM = PacketFacts("tx", "cabin", BULK, 4_200_000)
STICK = CarrierRule("stick", "stick", MAX, None)
LAN = CarrierRule("lan", NET, match=CarrierMatch(interface=("eth*",)))
CELL = CarrierRule("cell", NET, FLASH, 64_000)
NIGHT = Variant("night", Window(hours=((60, 360),)), None, (("nice", MAX), ("size", None)))


def world(packet, *rules, lines=(), sticks=(), sure=True, neighbour=CABIN, **changes):
    found = outlooks(rules, neighbour, packet.nice, packet.size, NOW, sure, utc_offset)
    return World(
        now=NOW,
        carriers=sticks,
        bays=(Bay("left"),),
        carrier_of_bay=(("left", "stick"),),
        outlooks=found,
        lines=lines,
        **changes,
    )


def line(carrier="lan", state=LineState.WAITING, **changes):
    return Line(carrier, "cabin", state, **changes)


SPENT = line(state=LineState.EXHAUSTED, budget=5_000_000, budget_left=12_000, budget_per="day")


def told(packet, *rules, **options):
    return why(packet, world(packet, *rules, **options)).partition(" for cabin ")[2]


def test_the_sentence_of_the_handbook():
    lines = (
        line("lan", LineState.DOWN, said="has no interface up (eth*)", seen=NOW - 2 * DAY),
        line("cell", LineState.IDLE),
    )
    sentence = why(FILM, world(FILM, LAN, CELL, lines=lines, sticks=(STICK,)))
    assert sentence == (
        "4.2 MB BULK for cabin waits for lan or a stick: lan has no interface up (eth*), cabin last seen 2 days ago; "
        "cell takes only up to 64 KB, FLASH or more urgent; carrier stick takes everything; "
        "no stick was seen since the agent started."
    )


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (line(state=LineState.TALKING), "may go now: lan is on line with cabin."),
        (line(state=LineState.CALLING), "is about to go: lan is calling cabin."),
        (line(next_call=NOW + 250), "waits for lan: lan calls in 4 minutes."),
        (
            line(next_call=NOW + 250, said="the last 3 calls failed"),
            "waits for lan: lan calls in 4 minutes (the last 3 calls failed).",
        ),
        (line(next_call=NOW - 1), "waits for lan: lan calls in a moment."),
        (line(), "waits for lan: lan is about to call."),
        (
            replace(SPENT, next_call=NOW + 7000),
            "waits for lan: lan has 12 KB of 5 MB left today, next call in 1 hour.",
        ),
        (
            line(state=LineState.EXHAUSTED, said="has used up its 36 s of air an hour"),
            "waits for lan: lan has used up its 36 s of air an hour.",
        ),
    ],
)  # fmt: skip
def test_what_a_line_is_doing_about_it(shown, words):
    assert told(LETTER, LAN, lines=(shown,)) == words


def test_a_session_under_way_takes_nothing_that_its_carrier_takes_only_later():
    night = replace(CELL, variants=(NIGHT,))
    on_line = line("cell", state=LineState.TALKING)
    assert told(FILM, night, lines=(on_line,)) == "waits for cell: cell takes it in 17 hours."


def test_a_carrier_that_takes_it_later_says_when():
    night = replace(CELL, variants=(NIGHT,))
    assert told(FILM, night, lines=(line("cell"),)) == "waits for cell: cell takes it in 17 hours."
    closed = replace(LAN, window=Window(hours=((600, 660),)))
    down = line("lan", LineState.DOWN, said="is outside its hours")
    assert told(FILM, closed, lines=(down,)) == "waits for lan: lan takes it in 2 hours."


def test_while_the_time_is_not_sure_hours_cannot_be_told():
    closed = replace(LAN, window=Window(hours=((600, 660),)))
    assert told(FILM, closed, sure=False) == "waits for a call: lan has hours, and the time is not sure."


def test_what_no_carrier_takes_is_held():
    assert told(FILM, CELL, sticks=(replace(STICK, nice=PRIORITY),)) == (
        "is held: carrier stick takes only PRIORITY or more urgent; cell takes only up to 64 KB, FLASH or more urgent. "
        "Raise one of these limits in muleteer.toml, or add a carrier that takes more."
    )


def test_one_direction_is_said():
    inward = CarrierRule("lan", NET, terms=CarrierTerms(send=False))
    assert "is held: lan takes only what comes in. Raise" in told(LETTER, inward)


def test_a_stick_that_does_not_take_it_is_named_beside_the_line_that_does():
    sentence = told(FILM, LAN, lines=(line(next_call=NOW + 60),), sticks=(replace(STICK, nice=PRIORITY),))
    assert sentence == "waits for lan: lan calls in 1 minute; carrier stick takes only PRIORITY or more urgent."


def test_a_carrier_that_never_calls_says_who_may():
    quiet = CarrierRule("net", NET, terms=CarrierTerms(when_waiting=False), implicit=True)
    assert told(LETTER, quiet, lines=(line("net", LineState.IDLE),)) == (
        "waits for a call: net does not call by itself: `muleteer call cabin` does, or cabin calls."
    )


def test_carriers_for_others_and_without_an_address_are_not_mentioned():
    others = replace(CELL, name="others", neighbours=frozenset({"hut"}))
    nowhere = replace(LAN, name="nowhere", match=CarrierMatch(address=("x",)))
    assert told(LETTER, others, nowhere, sticks=(STICK,)).startswith("waits for a stick: carrier stick")


def test_a_copy_that_travels_may_go_by_line_too():
    sentence = told(LETTER, LAN, lines=(line(next_call=NOW + 60),), copies=(Copy("blue", NOW - DAY),))
    assert sentence == "left on runner blue 1 day ago; lan calls in 1 minute."


def test_without_an_agent_nobody_calls():
    assert told(LETTER, LAN, agent_runs=False) == (
        "waits for lan: lan takes it; no agent runs, so nobody calls: start `muleteer agent`."
    )


def test_a_timetable_counts_as_calling():
    slow = CarrierRule("wan", NET, terms=CarrierTerms(when_waiting=False, crons=(parse("0 3 * * *"),)))
    (found,) = outlooks((slow,), CABIN, NORMAL, 10, NOW, True, utc_offset)
    assert found.calls


def test_the_best_carrier_comes_first():
    rules = (CELL, replace(LAN, terms=CarrierTerms(priority=1)))
    found = outlooks(rules, CABIN, FLASH, 10, NOW, True, utc_offset)
    assert [one.carrier for one in found] == ["lan", "cell"]


@pytest.mark.parametrize(
    ("rule", "ceilings"),
    [
        (LAN, [(MAX, float("inf"))]),
        (replace(CELL, variants=(NIGHT,)), [(FLASH, 64_000), (MAX, float("inf"))]),
        (replace(LAN, neighbours=frozenset({"hut"})), []),
        (CarrierRule("net", NET, terms=CarrierTerms(when_waiting=False)), []),
        (CarrierRule("net", NET, terms=CarrierTerms(when_waiting=False, wake=FLASH)), [(FLASH, float("inf"))]),
        (CarrierRule("net", NET, terms=CarrierTerms(send=False)), []),
        (replace(LAN, match=CarrierMatch(address=("x",))), []),
    ],
)
def test_under_which_ceilings_a_carrier_may_ever_call(rule, ceilings):
    assert ever(rule, CABIN) == ceilings
