# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io

import pytest

from muleteer.agent.events import Ending, RoundEnded, StickAppeared, StickVanished, SurveyEnded, TossEnded
from muleteer.agent.journal import VALUE_LENGTH_MAX, Journal
from muleteer.agent.narrator import narrate
from muleteer.agent.status import Problem, RoundSummary
from muleteer.hotplug.recognise import StickFound


def written(act, **options):
    stream = io.StringIO()
    act(Journal(stream, lambda: 1_700_000_000.0, **options))
    return stream.getvalue()


def test_one_event_is_one_line_of_words_and_keys():
    line = written(lambda journal: journal.event("round complete", bay="left", runner="BLUE", received=9, problem=None))
    assert line == "2023-11-14T22:13:20Z round complete bay=left runner=BLUE received=9\n"


def test_the_journal_of_systemd_stamps_itself():
    assert written(lambda journal: journal.event("agent stopped"), stamped=False) == "agent stopped\n"


def test_quiet_drops_events_but_not_alarms():
    def act(journal):
        journal.event("a")
        journal.alarm("b")

    assert written(act, quiet=True, stamped=False) == "b\n"


@pytest.mark.parametrize(
    ("value", "shown"),
    [("two words", '"two words"'), ("\n\x1b[2J", "\\x0a\\x1b[2J"), ('a" b=c', '"a\' b=c"'), (0, "0")],
)
def test_a_strangers_words_cannot_fake_a_line_or_a_key(value, shown):
    assert written(lambda journal: journal.event("x", key=value), stamped=False) == f"x key={shown}\n"


def test_a_value_has_a_limit():
    assert len(written(lambda journal: journal.event("x", key="y" * 9999), stamped=False)) < VALUE_LENGTH_MAX + 10


STICK = StickFound("/dev/sda1", "usb-0:1.1", "vfat", label="BLUE")
SUMMARY = RoundSummary("left", "BLUE", received=2, sent=3)


@pytest.mark.parametrize(
    ("fact", "line"),
    [
        (StickAppeared("left", STICK), "stick appeared bay=left device=/dev/sda1 label=BLUE port=usb-0:1.1\n"),
        (StickVanished("left", "/dev/sda1"), "stick vanished bay=left device=/dev/sda1\n"),
        (
            RoundEnded("left", Ending.COMPLETE, SUMMARY),
            "round complete bay=left runner=BLUE received=2 sent=3\n",
        ),
        (
            RoundEnded("left", Ending.BLEMISHED, SUMMARY, Problem("no room")),
            'round ended with a problem bay=left runner=BLUE received=2 sent=3 problem="no room"\n',
        ),
        (TossEnded(delivered=4), "tossed packets=4\n"),
        (TossEnded(), ""),
        (TossEnded(problem=Problem("spool is full")), 'toss failed problem="spool is full"\n'),
        (SurveyEnded(), ""),
    ],
)
def test_each_fact_is_one_line(fact, line):
    assert written(lambda journal: narrate(journal, fact), stamped=False) == line


def test_a_pull_is_an_event_and_a_blemish_an_alarm():
    def act(journal):
        narrate(journal, RoundEnded("left", Ending.GONE, SUMMARY))
        narrate(journal, RoundEnded("right", Ending.BLEMISHED, SUMMARY))

    assert written(act, quiet=True, stamped=False).startswith("round ended with a problem bay=right")
