# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

from muleteer.agent.report import page
from muleteer.agent.status import Bay, BayState, Phase, Problem, Progress, Queue, RoundSummary, Status
from muleteer.agent.survey import NeighbourFacts, WayFacts

NOW = 1_700_000_000.0
LAST = RoundSummary("left", "BLUE", NOW - 130, 9, 4_200_000, 14, 9_000_000, waiting=2, refused=1)
STATUS = Status(
    name="home",
    node="ABC",
    version="0.1.0",
    started=NOW - 7300,
    bays=(
        Bay("left", BayState.SAFE, "BLUE", last=LAST),
        Bay("right", BayState.WORKING, "RED", Progress(Phase.SENDING, 3, 14, 1_000_000, 9_000_000, 70)),
        Bay("third"),
    ),
    queue=(Queue("stick", 14, 9_100_000, 96), Queue("", 1, 700_000_000, 224)),
    waiting_toss=3,
    delivered=12,
    set_aside=1,
    travelling=5,
    problems=(Problem("runner RED is overdue", "nothing is lost", NOW - 3600),),
)
NEIGHBOURS = (NeighbourFacts("cabin", "ID", WayFacts(3, 1000), WayFacts(15, 709_100_000)),)
PAGE = """\
home · Muleteer 0.1.0 · up 2 hours
node ABC

Bays
  left   safe to pull          BLUE  last round: in 9 (4.2 MB), out 14 (9 MB), 2 waiting, 1 refused, 2 minutes ago
  right  at work: DO NOT PULL  RED   sending 3/14 packets, 1 MB of 9 MB, 1 minute left
  third  empty

Waiting to go
  by stick                                 14 packets  9.1 MB  most urgent PRIORITY
  held: above the limits of every carrier  1 packet    700 MB  most urgent BULK

Neighbours
  cabin  for it 15 (709 MB)  from it 3 (1 KB)

Packets
  2 packets came in, not tossed yet
  5 packets on runners, kept until acknowledged
  12 packets tossed since the agent started

Look at this
  runner RED is overdue (1 hour ago): nothing is lost
"""


def test_the_page_of_a_busy_box():
    assert page(STATUS, NEIGHBOURS, NOW, agent_runs=True) == PAGE


def test_without_an_agent_the_page_says_so_and_shows_no_bays():
    text = page(Status(name="home"), (), NOW, agent_runs=False)
    assert "no agent runs: this is straight from the spool" in text
    assert "Bays" not in text
    assert "nothing" in text


def test_a_problem_in_a_bay_stands_below_it():
    bay = Bay("left", BayState.PULLED, "BLUE", last=LAST, problem=Problem("BLUE was pulled", "put it back"))
    text = page(replace(STATUS, bays=(bay,)), (), NOW, agent_runs=True)
    assert "left  pulled too early: PUT IT BACK  BLUE  last round: in 9 (4.2 MB)" in text
    assert "\n    BLUE was pulled: put it back\n" in text


def test_the_details_of_a_problem_are_told_and_nobody_is_sent_in_a_circle():
    problem = Problem(
        "2 packets set aside", "kept and tried again: see `muleteer status`", NOW - 60, ("No handle.\x1b",)
    )
    text = page(replace(STATUS, problems=(problem,)), (), NOW, agent_runs=True)
    assert text.endswith("  2 packets set aside (1 minute ago): kept and tried again\n    No handle.\\x1b\n")


def test_a_stick_that_is_still_mounted_is_told_in_capitals():
    bay = Bay("left", BayState.STUCK, "BLUE", problem=Problem("still mounted", "do not pull"))
    assert "left  still mounted: DO NOT PULL  BLUE" in page(replace(STATUS, bays=(bay,)), (), NOW, agent_runs=True)


def test_words_of_strangers_are_harmless_on_the_page():
    bay = Bay("left", BayState.FOREIGN, "\x1b[2J\x07")
    text = page(replace(STATUS, bays=(bay,)), (), NOW, agent_runs=True)
    assert "\x1b" not in text
    assert "\x07" not in text


def test_a_clock_that_went_back_shows_no_negative_age():
    assert "a moment ago" in page(STATUS, (), NOW - 1000, agent_runs=True)
