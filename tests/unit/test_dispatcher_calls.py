# SPDX-License-Identifier: GPL-3.0-or-later
"""The dispatcher and the head that decides about calls: who is told what, and what follows from sessions."""

from __future__ import annotations

from muleteer.agent.dispatcher import TOSS_SECONDS, Dispatcher
from muleteer.agent.events import (
    AnswerEnded,
    CallAsked,
    CallEnded,
    CallErrand,
    InterfacesChanged,
    Now,
    SessionBegan,
    SessionProgressed,
    SpoolChanged,
    StopAsked,
    SurveyEnded,
    SurveyErrand,
    TossEnded,
    TossErrand,
    TroubleChanged,
)
from muleteer.agent.exchanges import summary_of, unreached
from muleteer.agent.status import Line, LineState, Problem, SessionProgress, SessionSummary, Status
from muleteer.agent.trouble import LOG_FAILED, log_problem
from muleteer.carriers.online import OnlineTerms
from muleteer.formats.ids import NodeId
from muleteer.record import replace

BOB = NodeId(bytes(32))
ERRAND = CallErrand(BOB, "net", ("bob:5400",), OnlineTerms(), "PRIORITY waits")
NOBODY = unreached(BOB, None)


class FakeCalls:
    """Hears everything, calls when told to."""

    def __init__(self):
        self.heard = []
        self.answers = []
        self.due = None
        self.lines = ()
        self.talking = False

    def handle(self, event, now):
        self.heard.append(event)
        return self.answers.pop(0) if self.answers else ()

    def deadline(self):
        return self.due

    def on_deadline(self, now):
        self.due = None
        return (ERRAND,)


class Head(Dispatcher):
    def __init__(self):
        self.calls = FakeCalls()
        super().__init__((), lambda *_: ("", None), Status("home"), self.calls)
        self(SpoolChanged())
        self(TossEnded())
        self(SurveyEnded())
        self(SurveyEnded())
        self.calls.heard.clear()

    def __call__(self, event, monotonic=100.0, *, sure=True):
        return self.handle(event, Now(1.7e9 + monotonic, monotonic, sure))


def kinds(errands):
    return [type(errand) for errand in errands]


def ended(received=0, problem=None):
    report = replace(NOBODY, received=received, established=True)
    return CallEnded(ERRAND, report, summary_of(report, 1.7e9, incoming=False), problem)


def test_the_calls_are_told_every_event_and_their_errands_are_done():
    head = Head()
    head.calls.answers = [(ERRAND,), ()]
    assert head(CallAsked(BOB)) == (ERRAND,)
    assert head(InterfacesChanged(())) == ()
    head(TroubleChanged("time", None))
    head(SurveyEnded())
    assert kinds(head.calls.heard) == [CallAsked, InterfacesChanged, TroubleChanged, SurveyEnded]


def test_the_earliest_deadline_is_the_calls_and_only_then_they_are_woken():
    head = Head()
    head.calls.due = 250.0
    assert head.deadline() == 250.0
    assert head.on_deadline(Now(0, 249.0)) == ()
    assert head.on_deadline(Now(0, 250.0)) == (ERRAND,)
    assert head.deadline() is None


def test_a_session_that_brought_something_is_followed_by_a_toss_and_every_one_by_a_survey():
    assert kinds(Head()(ended(received=2))) == [TossErrand, SurveyErrand]
    assert kinds(Head()(ended())) == [SurveyErrand]
    report = replace(NOBODY, received=1)
    answer = AnswerEnded(BOB, "net", report, SessionSummary(incoming=True))
    assert kinds(Head()(answer)) == [TossErrand, SurveyErrand]


def test_what_a_long_session_has_brought_is_tossed_while_it_lasts():
    head = Head()

    def progressed(received, monotonic):
        return head(SessionProgressed(BOB, "net", SessionProgress(received=received)), monotonic)

    assert progressed(0, 100.0) == ()
    assert head.deadline() is None
    assert progressed(1, 100.0) == ()
    assert progressed(9, 101.0) == ()
    assert head.deadline() == 100.0 + TOSS_SECONDS
    assert kinds(head.on_deadline(Now(0, 102.0))) == [TossErrand]
    assert kinds(head(TossEnded(), 103.0)) == [SurveyErrand]
    assert progressed(9, 103.0) == ()
    assert head.deadline() is None
    head(ended())
    progressed(1, 104.0)  # of the next session
    assert head.deadline() == 104.0 + TOSS_SECONDS


def test_the_box_is_idle_only_when_nobody_is_on_line():
    head = Head()
    assert head.idle
    head.calls.talking = True
    assert not head.idle


def test_while_stopping_nobody_is_woken_to_call():
    head = Head()
    head.calls.due = 50.0
    head(StopAsked())
    assert head.deadline() is None
    assert head.on_deadline(Now(0, 300.0)) == ()
    assert kinds(head.calls.heard) == [StopAsked]


def test_the_status_shows_the_lines_and_whether_the_time_is_sure():
    head = Head()
    head.calls.lines = (Line("net", "bob", LineState.TALKING),)
    head(SessionBegan(BOB, "net", incoming=False), sure=False)
    assert head.status.lines == head.calls.lines
    assert head.status.working
    assert not head.status.time_sure


def test_a_trouble_stays_until_it_is_over_and_keeps_the_time_it_began():
    head = Head()
    head(TroubleChanged("time", Problem("the time is not sure")), 100.0)
    head(TroubleChanged("time", Problem("the time is not sure")), 200.0)
    (problem,) = head.status.problems
    assert (problem.what, problem.since) == ("the time is not sure", 1.7e9 + 100.0)
    head(TroubleChanged("listen :5400", Problem("the port is taken", since=5.0)), 300.0)
    assert [problem.since for problem in head.status.problems] == [1.7e9 + 100.0, 5.0]
    head(TroubleChanged("time", None))
    assert [problem.what for problem in head.status.problems] == ["the port is taken"]


def test_a_session_log_that_cannot_be_written_is_a_problem_until_a_session_writes_it_again():
    head = Head()
    full = log_problem("disk full")
    head(ended(problem=full))
    assert [(problem.what, problem.details) for problem in head.status.problems] == [(LOG_FAILED, ("disk full",))]
    head(ended(problem=full), 200.0)
    assert [problem.since for problem in head.status.problems] == [1.7e9 + 100.0]
    head(TossEnded(problem=full), 300.0)
    assert len(head.status.problems) == 1  # the same is not said twice
    head(TossEnded(), 400.0)
    head(AnswerEnded(BOB, "net", NOBODY, SessionSummary(incoming=True)), 500.0)
    assert head.status.problems == ()
