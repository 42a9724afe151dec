# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import itertools

import pytest
from panel_cases import CASES, FOUR, box, line, safe, talking

from muleteer.agent.status import Bay, BayState, LineState, Problem
from muleteer.panel.lamps import (
    DIP,
    DOUBLE,
    FAST,
    MEANINGS,
    OFF,
    PATTERNS,
    SLOW,
    STEADY,
    WINK,
    Lamp,
    lamps,
    next_change_ms,
)


def by_lamp(status, bays=("left",)):
    return {(lit.lamp, lit.bay): lit.pattern for lit in lamps(status, bays)}


@pytest.mark.parametrize(
    ("state", "pattern"),
    [
        (BayState.EMPTY, OFF),
        (BayState.WORKING, FAST),
        (BayState.STUCK, FAST),
        (BayState.SAFE, STEADY),
        (BayState.ATTENTION, DOUBLE),
        (BayState.FOREIGN, WINK),
        (BayState.PULLED, DOUBLE),
    ],
)
def test_each_state_of_a_bay_has_its_rhythm(state, pattern):
    assert by_lamp(box(Bay("left", state)))[Lamp.PULL, "left"] is pattern


def test_without_an_agent_no_lamp_claims_anything():
    lit = by_lamp(None)
    assert lit == {
        (Lamp.POWER, ""): SLOW,
        (Lamp.WORKING, ""): OFF,
        (Lamp.ATTENTION, ""): DOUBLE,
        (Lamp.PULL, "left"): SLOW,
    }


def test_a_lamp_of_a_bay_the_agent_does_not_know_is_unknown():
    assert by_lamp(box(safe()), ["left", "attic"])[Lamp.PULL, "attic"] is SLOW


def test_attention_is_lit_for_problems_and_for_bays_that_need_a_hand():
    assert by_lamp(box())[Lamp.ATTENTION, ""] is OFF
    assert by_lamp(box(problems=(Problem("x"),)))[Lamp.ATTENTION, ""] is DOUBLE
    assert by_lamp(box(Bay("left", BayState.PULLED)))[Lamp.ATTENTION, ""] is DOUBLE
    assert by_lamp(box(Bay("left", BayState.STUCK)))[Lamp.ATTENTION, ""] is DOUBLE
    assert by_lamp(box(Bay("left", BayState.FOREIGN)))[Lamp.ATTENTION, ""] is OFF


def test_working_is_lit_while_tossing_too():
    assert by_lamp(CASES["idle-tossing"])[Lamp.WORKING, ""] is STEADY


def test_working_is_steady_during_a_session_and_pull_lamps_know_nothing_of_it():
    lit = by_lamp(box(safe(), lines=(talking(),)))
    assert lit[Lamp.WORKING, ""] is STEADY
    assert lit[Lamp.PULL, "left"] is STEADY
    assert by_lamp(box(lines=(talking(),)))[Lamp.PULL, "left"] is OFF


@pytest.mark.parametrize("state", [state for state in LineState if state is not LineState.TALKING])
def test_a_line_that_carries_nothing_lights_no_lamp(state):
    lit = by_lamp(box(lines=(line(state=state),)))
    assert lit[Lamp.WORKING, ""] is OFF
    assert lit[Lamp.ATTENTION, ""] is OFF


def test_no_two_rhythms_are_alike():
    assert len({pattern.steps for pattern in PATTERNS}) == len({pattern.name for pattern in PATTERNS}) == len(PATTERNS)


def test_every_rhythm_of_every_lamp_is_documented_and_used():
    assert {pattern for _, pattern in MEANINGS} == set(PATTERNS)
    states = [box(Bay("left", state)) for state in BayState]
    shown = {(lit.lamp, lit.pattern) for status in (*states, None) for lit in lamps(status, ["left"])}
    assert shown == set(MEANINGS)


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.name)
def test_the_next_change_is_the_first_one(pattern):
    for now in range(1_000_000, 1_000_000 + 2 * pattern.period_ms, 37):
        later = itertools.takewhile(
            lambda ms, now=now: pattern.lit(ms) is pattern.lit(now), range(now, now + 3 * pattern.period_ms)
        )
        same = len(list(later))
        expected = None if same == 3 * pattern.period_ms else now + same
        assert pattern.next_change_ms(now) == expected


def test_the_panel_sleeps_until_the_first_lamp_changes():
    lit = lamps(box(*FOUR), [bay.name for bay in FOUR])
    assert next_change_ms(lit, 1000) == 1125
    assert next_change_ms([one for one in lit if one.pattern is STEADY], 1000) is None


def test_a_heart_beat_goes_on_for_ever():
    assert DIP.lit(0)
    assert not DIP.lit(1950)
    assert DIP.next_change_ms(10**15) is not None
