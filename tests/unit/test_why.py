# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest

from muleteer.agent.status import Bay, BayState, RoundSummary
from muleteer.agent.why import Copy, PacketFacts, SetAside, World, why
from muleteer.config.appliance import RunnerRule
from muleteer.config.carrier_rules import CarrierRule, CarrierTerms, Variant, Window
from muleteer.config.zone import utc_offset
from muleteer.formats.niceness import BULK, MAX, NORMAL, PRIORITY

NOW = 1_700_000_000.0
DAY = 86400.0
LETTER = PacketFacts("tx", "cabin", NORMAL, 4200)
FILM = PacketFacts("tx", "cabin", BULK, 700_000_000)
STICK = CarrierRule("stick", "stick", MAX, None)
THIN = CarrierRule("stick", "stick", PRIORITY, 100_000_000)
EMPTY = World(now=NOW, carriers=(STICK,), bays=(Bay("left"),), carrier_of_bay=(("left", "stick"),))


def runner(name="blue", nice=MAX, size=None, carry=None):
    return RunnerRule(name, name.upper(), None, None, nice, size, carry, initialise=False)


def test_what_may_go_waits_for_a_stick():
    sentence = why(LETTER, EMPTY)
    assert sentence == (
        "4.2 KB NORMAL for cabin waits for a stick: carrier stick takes everything; "
        "no stick was seen since the agent started."
    )


def test_the_last_stick_seen_is_named():
    seen = Bay("left", last=RoundSummary("left", "blue", ended=NOW - 7300))
    assert "the last stick seen was blue, 2 hours ago" in why(LETTER, replace(EMPTY, bays=(seen,)))


def test_a_stick_at_work_is_named():
    working = Bay("left", BayState.WORKING, runner="blue")
    assert "blue in bay left is at work now" in why(LETTER, replace(EMPTY, bays=(working,)))


def test_bays_of_other_carriers_do_not_count():
    other = Bay("dock", BayState.WORKING, runner="blue")
    world = replace(EMPTY, bays=(other,), carrier_of_bay=(("dock", "courier"),))
    assert "no bay is of such a carrier" in why(LETTER, world)


def test_the_rule_that_holds_it_is_named_with_its_limits():
    sentence = why(FILM, replace(EMPTY, carriers=(THIN,)))
    assert (
        "700 MB BULK for cabin is held: carrier stick takes only up to 100 MB, PRIORITY or more urgent. Raise"
        in sentence
    )


def test_a_fatter_carrier_takes_it_though_a_thin_one_holds_it():
    fat = CarrierRule("courier", "stick", MAX, None)
    sentence = why(FILM, replace(EMPTY, carriers=(THIN, fat), carrier_of_bay=(("left", "courier"),)))
    assert "carrier courier takes everything" in sentence
    assert "carrier stick" not in sentence


def test_runners_that_would_not_take_it_are_named_with_their_reason():
    rules = (runner("blue", PRIORITY), runner("red", carry=("town",)), runner("green"))
    sentence = why(LETTER, replace(EMPTY, runners=rules))
    assert "but not runner blue (it takes only PRIORITY or more urgent)" in sentence
    assert "but not runner red (it carries for town)" in sentence
    assert "green" not in sentence


def test_a_runner_may_carry_for_nobody():
    assert "it carries for nobody" in why(LETTER, replace(EMPTY, runners=(runner(carry=()),)))


def test_without_a_carrier_it_is_held_for_ever():
    assert "names no carrier" in why(LETTER, replace(EMPTY, carriers=()))


def test_a_copy_on_its_way_is_told_with_runner_and_time():
    copies = (Copy("red", NOW - 9 * DAY), Copy("blue", NOW - 3 * DAY))
    sentence = why(LETTER, replace(EMPTY, copies=copies, overdue_seconds=14 * DAY))
    assert "left on runner blue (and 1 more) 3 days ago and is kept here until it is acknowledged" in sentence
    assert "within 11 days" in sentence


def test_an_overdue_copy_goes_again():
    sentence = why(LETTER, replace(EMPTY, copies=(Copy("blue", NOW - 15 * DAY),), overdue_seconds=14 * DAY))
    assert "that is overdue, so the next runner takes it again" in sentence


def test_a_copy_for_a_neighbour_that_does_not_acknowledge_travels():
    assert why(LETTER, replace(EMPTY, copies=(Copy("blue", NOW),))).endswith("left on runner blue a moment ago.")


def test_what_was_set_aside_is_told_with_reason_attempts_and_next_try():
    packet = replace(LETTER, way="rx")
    aside = SetAside("The exec handle 'mail' failed.", attempts=3, next_try=NOW + 240)
    sentence = why(packet, replace(EMPTY, aside=aside))
    assert "NORMAL from cabin is set aside after 3 attempts, next one in 4 minutes: The exec handle" in sentence
    assert "1 attempt, next one is due" in why(packet, replace(EMPTY, aside=SetAside("x", 1, NOW)))


@pytest.mark.parametrize(
    ("tossing", "agent_runs", "words"),
    [(True, True, "is being tossed now"), (False, True, "waits for the next toss."), (False, False, "nncp-toss")],
)
def test_what_came_in_waits_for_the_toss(tossing, agent_runs, words):
    world = replace(EMPTY, tossing=tossing, agent_runs=agent_runs)
    assert words in why(replace(LETTER, way="rx"), world)


def test_without_an_agent_the_advice_is_to_start_one():
    assert "start `muleteer agent`" in why(LETTER, replace(EMPTY, bays=(Bay("left"),), agent_runs=False))


NIGHTLY = replace(STICK, window=Window(hours=((60, 360),)))  # NOW is 22:13 UTC


def sticks(*rules, **changes):
    world = replace(EMPTY, carriers=rules, offset=utc_offset, **changes)
    return why(LETTER, world).partition(" for cabin ")[2]


def test_a_carrier_outside_its_hours_takes_it_later():
    assert sticks(NIGHTLY).startswith("waits for a stick: carrier stick takes it in 2 hours; no stick was seen")


def test_a_stick_that_waits_for_its_hours_is_named():
    waiting = Bay("left", BayState.ATTENTION, "blue", waits=True)
    assert sticks(NIGHTLY, bays=(waiting,)).endswith("takes it in 2 hours; blue in bay left waits for its hours.")


def test_hours_are_nothing_without_the_time():
    assert "carrier stick has hours, and the time is not sure;" in sticks(NIGHTLY, sure=False)
    night = Variant("night", NIGHTLY.window, None, (("nice", MAX),))
    thin = CarrierRule("stick", "stick", PRIORITY, None, variants=(night,))
    assert "waits for a stick: carrier stick has hours, and the time is not sure;" in sticks(thin, sure=False)


def test_variants_count_for_those_they_are_for():
    fat = Variant("fat", Window(), frozenset({"cabin"}), (("nice", MAX), ("size", None)))
    thin = CarrierRule("stick", "stick", PRIORITY, 100)
    assert "carrier stick takes everything" in sticks(replace(thin, variants=(fat,)))
    assert sticks(replace(thin, variants=(replace(fat, neighbours=frozenset({"hut"})),))).startswith("is held")
    tight = replace(fat, changes=(("nice", PRIORITY),))
    assert "carrier stick takes only PRIORITY or more urgent." in sticks(replace(STICK, variants=(tight,)))


def test_a_carrier_that_loads_nothing_or_not_for_this_neighbour_does_not_take_it():
    assert "is held: carrier stick takes only what comes in." in sticks(replace(STICK, terms=CarrierTerms(send=False)))
    others = replace(STICK, neighbours=frozenset({"hut"}))
    assert "is held: carrier stick is not for cabin." in sticks(others)
