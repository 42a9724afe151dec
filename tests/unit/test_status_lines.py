# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines in the status: over JSON and back, and in words."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from muleteer.agent.line_words import last_words, limits_words, line_words, summary_words
from muleteer.agent.report import page
from muleteer.agent.status import Line, LineState, SessionProgress, SessionSummary, Status

NOW = 1_700_000_000.0
SUMMARY = SessionSummary(
    ended=NOW - 7200,
    established=True,
    received=3,
    received_bytes=1_200_000,
    held=2,
    complete=True,
    said="nothing more was to be done",
)
FAILED = SessionSummary(ended=NOW - 60, said="nobody answered")
TALKING = Line(
    "lan",
    "cabin",
    LineState.TALKING,
    since=NOW - 30,
    incoming=True,
    progress=SessionProgress(1, 400_000, 0, 0, 9_000_000, 0, 410_000),
    last=SUMMARY,
)
SPENT = Line(
    "cell",
    "cabin",
    LineState.WAITING,
    next_call=NOW + 300,
    budget=5_000_000,
    budget_left=12_000,
    last=FAILED,
    said="FLASH only",
    takes="up to 64 KB",
    budget_per="day",
    metered=True,
)


def test_lines_go_over_json_and_come_back():
    status = Status("home", lines=(TALKING, SPENT), time_sure=False)
    assert Status.from_json(status.to_json()) == status
    assert status.working


def test_a_status_of_an_agent_without_lines_can_still_be_read():
    raw = json.loads(Status("home").to_json())
    for key in ("lines", "time_sure"):
        del raw[key]
    assert Status.from_json(json.dumps(raw)) == Status("home")


@pytest.mark.parametrize("spoilt", [{"state": "asleep"}, {"progress": {"nonsense": 1}}, {"surprise": 1}])
def test_a_line_that_is_none_is_refused(spoilt):
    raw = json.loads(Status("home", lines=(TALKING,)).to_json())
    raw["lines"][0].update(spoilt)
    with pytest.raises((ValueError, TypeError, KeyError)):
        Status.from_json(json.dumps(raw))


def test_what_a_line_does_in_words():
    assert line_words(TALKING) == "on line, it called us, in 1 (400 KB of 9 MB), out nothing"
    assert line_words(SPENT) == "waiting: FLASH only"
    spent = replace(SPENT, state=LineState.EXHAUSTED, said="has used up its budget of 5 MB a day")
    assert line_words(spent) == "has used up its budget of 5 MB a day"
    assert limits_words(SPENT, NOW) == "takes up to 64 KB; metered; next call in 5 minutes; 12 KB of 5 MB a day left"
    assert last_words(SPENT, NOW) == "last 1 minute ago: no session: nobody answered"
    assert last_words(replace(SPENT, last=None), NOW) == ""
    assert summary_words(SUMMARY) == "in 3 (1.2 MB), out nothing, 2 packets held; nothing more was to be done"


def test_a_strangers_words_in_a_line_are_escaped():
    assert "\x1b" not in line_words(Line("lan", "cabin", said="\x1b[2J"))
    assert "\x1b" not in summary_words(SessionSummary(said="\x1b[2J"))


def test_the_page_shows_the_lines_and_that_the_time_is_unsure():
    text = page(Status("home", lines=(TALKING, SPENT), time_sure=False), (), NOW, agent_runs=True)
    assert text.startswith("home · time unsure\n")
    lines = text[text.index("Lines\n") :].splitlines()
    assert lines[1:6] == [
        "  cabin  by lan   on line, it called us, in 1 (400 KB of 9 MB), out nothing",
        f"      {last_words(TALKING, NOW)}",
        "  cabin  by cell  waiting: FLASH only",
        f"      {limits_words(SPENT, NOW)}",
        f"      {last_words(SPENT, NOW)}",
    ]
