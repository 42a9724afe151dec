# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import pathlib

from muleteer.agent.events import (
    AnswerEnded,
    CallEnded,
    CallErrand,
    InterfacesChanged,
    SessionBegan,
    SessionProgressed,
    TroubleChanged,
)
from muleteer.agent.exchanges import unreached
from muleteer.agent.journal import Journal
from muleteer.agent.narrator import narrate
from muleteer.agent.status import Problem, SessionProgress, SessionSummary
from muleteer.carriers.online import OnlineTerms
from muleteer.config.load import load
from muleteer.formats.ids import NodeId
from muleteer.hotplug.interfaces import Interface

CONFIG = load(str(pathlib.Path(__file__).parent.parent / "vectors" / "data" / "cfg" / "alice.hjson"), {})
BOB = CONFIG.find("bob").id
ERRAND = CallErrand(BOB, "cell", ("bob:5400",), OnlineTerms(), "FLASH waits")
GOOD = SessionSummary(established=True, received=3, held=1, wire=9000, said="the other side hung up")
BAD = SessionSummary(said="nobody answered")


def said(*facts, quiet=False):
    stream = io.StringIO()
    journal = Journal(stream, lambda: 0.0, stamped=False, quiet=quiet)
    for fact in facts:
        narrate(journal, fact, CONFIG)
    return stream.getvalue().splitlines()


def test_a_call_is_told_from_its_reason_to_its_end():
    report = unreached(BOB, None)
    told = said(
        ERRAND,
        SessionBegan(BOB, "cell", incoming=False),
        SessionProgressed(BOB, "cell", SessionProgress(received=1)),
        CallEnded(ERRAND, report, GOOD),
        CallEnded(ERRAND, report, BAD),
        AnswerEnded(BOB, "lan", report, GOOD),
    )
    end = 'received=3 sent=0 wire=9000 held=1 why="the other side hung up"'
    assert told == [
        'calling neighbour=bob carrier=cell why="FLASH waits"',
        'session began neighbour=bob carrier=cell who="we called"',
        f"session ended neighbour=bob carrier=cell {end}",
        'call failed neighbour=bob carrier=cell why="nobody answered"',
        f"session ended neighbour=bob carrier=lan {end}",
    ]


def test_a_node_without_a_name_is_told_by_its_id():
    unknown = NodeId(bytes(32))
    assert f"neighbour={unknown}" in said(SessionBegan(unknown, "cell", incoming=True))[0]


def test_interfaces_and_troubles():
    up, down = Interface("eth0", up=True), Interface("wwan0", up=False)
    assert said(InterfacesChanged((up, down)), InterfacesChanged((down,))) == [
        "interfaces up=eth0",
        "interfaces up=none",
    ]
    trouble = TroubleChanged("time", Problem("the time is not sure"))
    assert said(trouble, TroubleChanged("time", None), ERRAND, quiet=True) == [
        'the time is not sure source=time problem="the time is not sure"'
    ]
