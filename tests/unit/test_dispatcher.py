# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest

from muleteer.agent.allowance import Admission
from muleteer.agent.bays import SHOWN, TABLE, Place, Sign
from muleteer.agent.dispatcher import PATIENCE_SECONDS, TRIES_MAX, WAITING_STICKS_MAX, Dispatcher
from muleteer.agent.events import (
    Ending,
    Now,
    RoundEnded,
    RoundErrand,
    RoundProgressed,
    RoundStuck,
    SpoolChanged,
    StickAppeared,
    StickVanished,
    StopAsked,
    SurveyEnded,
    SurveyErrand,
    TossDue,
    TossEnded,
    TossErrand,
    TroubleChanged,
)
from muleteer.agent.status import BayState, Phase, Problem, Progress, Queue, RoundSummary, Status
from muleteer.carriers.stick_plan import StickAllowance
from muleteer.hotplug.recognise import StickFound

BLUE = StickFound("/dev/sda1", "usb-0:1.1", "vfat", label="BLUE")
RED = StickFound("/dev/sdb1", "usb-0:1.2", "vfat", label="RED")


class Desk:
    """A dispatcher, and what was asked of it so far, in few words."""

    def __init__(self, *bays: str) -> None:
        self.head = Dispatcher(bays or ("left", "right"), self.admit, Status(name="home"))
        self.closed, self.until = None, None
        self.time = 1000.0

    def admit(self, _bay, stick, now):
        closed = self.closed is not None and (self.until is None or now.wall < self.until)
        return Admission(stick.label, StickAllowance(), self.closed if closed else None, self.until)

    def __call__(self, event):
        return self.head.handle(event, self.now)

    @property
    def now(self):
        return Now(wall=1.7e9 + self.time, monotonic=self.time)

    def wait(self, seconds):
        self.time += seconds
        return self.head.on_deadline(self.now)

    def bay(self, name="left"):
        return next(bay for bay in self.head.status.bays if bay.name == name)

    def settle(self):
        """End the toss and the survey that every desk begins with."""
        self(SpoolChanged())
        self(TossEnded())
        self(SurveyEnded())
        self(SurveyEnded())
        assert self.head.idle
        return self

    def begin(self, stick=BLUE, bay="left"):
        return self(StickAppeared(bay, stick))

    def end(self, ending=Ending.COMPLETE, bay="left", runner="BLUE", **summary):
        problem = summary.pop("problem", None)
        return self(RoundEnded(bay, ending, RoundSummary(bay=bay, runner=runner, **summary), problem))


@pytest.fixture
def desk():
    return Desk().settle()


def kinds(errands):
    return [type(errand) for errand in errands]


def test_the_first_event_starts_the_toss_and_the_survey_that_a_cut_may_have_left():
    assert kinds(Desk()(SpoolChanged())) == [TossErrand, SurveyErrand]


def test_a_stick_gets_its_round_and_the_bay_says_do_not_pull(desk):
    (errand,) = desk.begin()
    assert isinstance(errand, RoundErrand)
    assert (errand.bay, errand.stick, errand.runner) == ("left", BLUE, "BLUE")
    assert desk.bay().state is BayState.WORKING
    assert desk.bay().progress == Progress()
    assert desk.head.status.working


def test_the_end_of_a_round_is_safe_and_starts_a_toss_if_something_came(desk):
    desk.begin()
    assert kinds(desk.end(received=3)) == [TossErrand, SurveyErrand]
    assert desk.bay().state is BayState.SAFE
    assert desk.bay().progress is None
    assert desk.bay().last.received == 3
    assert desk.head.status.last_round == desk.bay().last
    assert desk.head.status.tossing


def test_a_round_that_took_nothing_starts_no_toss(desk):
    desk.begin()
    assert kinds(desk.end(sent=3)) == [SurveyErrand]


def test_safe_stays_until_the_stick_is_out(desk):
    desk.begin()
    desk.end()
    desk(SpoolChanged())
    assert desk.begin() == ()
    assert desk.bay().state is BayState.SAFE
    desk(StickVanished("left", BLUE.device))
    assert desk.bay().state is BayState.EMPTY
    assert desk.bay().runner == ""
    assert kinds(desk.begin()) == [RoundErrand]


def test_a_stick_pulled_in_the_middle_is_asked_back_and_completes(desk):
    desk.begin()
    desk(StickVanished("left", BLUE.device))
    assert desk.bay().state is BayState.PULLED
    assert "put it back" in desk.bay().problem.remedy
    desk.end(Ending.GONE, complete=False)
    assert desk.bay().state is BayState.PULLED
    assert desk.bay().problem.details == ("it was BLUE",)
    assert kinds(desk.begin()) == [RoundErrand]
    assert desk.bay().state is BayState.WORKING
    assert desk.bay().problem is None
    desk.end()
    assert desk.bay().state is BayState.SAFE
    assert desk.head.status.problems == ()


def test_a_runner_that_never_came_back_stays_a_problem_of_the_box_when_another_is_in(desk):
    desk.begin()
    desk.end(Ending.GONE)
    desk(StickVanished("left", BLUE.device))
    assert desk.head.status.problems == ()  # the bay says it
    desk.begin(RED)
    desk.end(runner="RED")
    (problem,) = desk.head.status.problems
    assert problem.what.startswith("a stick was pulled")
    assert problem.details == ("it was BLUE",)
    assert problem.since == desk.now.wall


def test_the_round_may_notice_the_pull_before_the_bay_does(desk):
    desk.begin()
    desk.end(Ending.GONE)
    assert desk.bay().state is BayState.PULLED
    desk(StickVanished("left", BLUE.device))
    assert desk.wait(PATIENCE_SECONDS + 1) == ()
    assert desk.bay().state is BayState.PULLED


def test_a_bad_contact_is_tried_again_but_not_for_ever(desk):
    desk.begin()
    rounds = 1
    desk.end(Ending.GONE)
    while (deadline := desk.head.deadline()) is not None:
        desk.end(Ending.GONE) if desk.wait(deadline - desk.time) else None
        rounds += 1
    assert rounds == TRIES_MAX
    assert desk.bay().state is BayState.PULLED


def test_a_stick_pulled_in_the_instant_it_became_safe_leaves_an_empty_bay(desk):
    desk.begin()
    desk(StickVanished("left", BLUE.device))
    desk.end(Ending.COMPLETE)
    assert desk.bay().state is BayState.EMPTY


def test_a_stick_put_back_before_its_round_noticed_waits_for_that_round(desk):
    desk.begin()
    desk(StickVanished("left", BLUE.device))
    assert desk.begin() == ()
    assert desk.bay().state is BayState.WORKING  # do not pull: something is in, and its round is to come
    assert RoundErrand in kinds(desk.end(Ending.GONE))
    assert desk.bay().state is BayState.WORKING
    desk.end()
    assert desk.bay().state is BayState.SAFE


def test_two_bays_work_at_the_same_time(desk):
    desk.begin(BLUE, "left")
    assert kinds(desk.begin(RED, "right")) == [RoundErrand]
    desk.end(bay="left")
    assert (desk.bay("left").state, desk.bay("right").state) == (BayState.SAFE, BayState.WORKING)


def test_a_second_stick_in_a_bay_waits_for_the_first_to_go(desk):
    desk.begin(BLUE)
    assert desk.begin(RED) == ()
    desk.end()
    assert desk.bay().runner == "BLUE"
    (errand,) = desk(StickVanished("left", BLUE.device))
    assert errand.stick == RED


def test_a_waiting_stick_that_goes_is_forgotten(desk):
    desk.begin(BLUE)
    desk.begin(RED)
    desk(StickVanished("left", RED.device))
    desk.end()
    assert desk(StickVanished("left", BLUE.device)) == ()
    assert desk.bay().state is BayState.EMPTY


def test_a_hub_full_of_sticks_is_bounded(desk):
    for n in range(50):
        desk.begin(replace(BLUE, device=f"s{n}"))
    assert len(desk.head._desks["left"].waiting) == WAITING_STICKS_MAX


def test_a_foreign_stick_is_left_alone_and_counts_as_no_round(desk):
    desk.begin()
    desk.end(Ending.FOREIGN)
    assert desk.bay().state is BayState.FOREIGN
    assert desk.bay().last is None
    assert desk.head.status.last_round is None


def test_a_blemished_round_shows_its_problem_until_the_stick_is_out(desk):
    desk.begin()
    desk.end(Ending.BLEMISHED, problem=Problem("it is write-protected", "slide its lock"))
    assert desk.bay().state is BayState.ATTENTION
    assert desk.bay().problem.what == "it is write-protected"
    desk(StickVanished("left", BLUE.device))
    assert desk.bay().problem is None


def test_progress_is_shown_while_working_only(desk):
    desk.begin()
    progress = Progress(Phase.SENDING, 2, 9)
    desk(RoundProgressed("left", progress))
    assert desk.bay().progress == progress
    desk.end()
    desk(RoundProgressed("left", progress))  # a late one
    assert desk.bay().progress is None


def test_one_toss_at_a_time_and_what_comes_meanwhile_gets_one_more(desk):
    assert kinds(desk(TossDue())) == [TossErrand]
    assert desk(TossDue()) == ()
    assert desk(TossDue()) == ()
    assert kinds(desk(TossEnded(delivered=2))) == [TossErrand, SurveyErrand]
    assert kinds(desk(TossEnded(delivered=1))) == []
    assert kinds(desk(SurveyEnded())) == [SurveyErrand]
    assert desk.head.status.delivered == 3
    assert not desk.head.status.tossing


def test_who_asks_for_a_toss_insists_and_the_next_one_does_not(desk):
    assert desk(TossDue(insist=True)) == (TossErrand(insist=True),)
    desk(TossDue())
    assert desk(TossEnded())[0] == TossErrand(insist=False)


def test_what_acknowledgements_retired_is_counted_to_the_round_that_brought_them(desk):
    desk.begin()
    desk.end(received=2)
    desk(TossEnded(delivered=2, retired=5))
    assert desk.bay().last.acknowledged == 5
    assert desk.head.status.last_round.acknowledged == 5


def test_a_packet_set_aside_is_tried_again_when_due(desk):
    desk(TossDue())
    desk(TossEnded(retry_in=60))
    desk(SurveyEnded())
    assert desk.head.deadline() == desk.time + 60
    assert desk.wait(59) == ()
    assert kinds(desk.wait(1)) == [TossErrand]
    assert desk.head.deadline() is None


def test_the_survey_fills_the_queue_and_the_problems(desk):
    queue = (Queue("stick", 2, 2000, 96),)
    aside = Problem("1 packet is set aside")
    desk(SpoolChanged())
    desk(SurveyEnded(queue, 4, problems=(aside,)))
    status = desk.head.status
    assert (status.queue, status.waiting_toss, status.problems) == (queue, 4, (aside,))


def test_a_large_spool_is_not_counted_at_every_change(desk):
    desk(SpoolChanged())
    desk(SurveyEnded(rest=10))
    assert desk(SpoolChanged()) == ()
    assert desk.head.deadline() == desk.time + 10
    assert desk.wait(9) == ()
    assert kinds(desk.wait(1)) == [SurveyErrand]
    desk(SurveyEnded())
    assert kinds(desk(SpoolChanged())) == [SurveyErrand]


def test_after_a_stop_nothing_is_started_and_what_runs_comes_to_its_end(desk):
    desk.begin()
    assert desk(StopAsked()) == ()
    assert not desk.head.idle
    assert desk.begin(RED, "right") == ()
    assert desk.bay("right").state is BayState.EMPTY
    assert desk.end(Ending.BROKEN_OFF, received=1) == ()
    assert desk.head.idle
    assert desk.head.deadline() is None


def test_safe_is_entered_from_the_end_of_a_round_only():
    assert {key for key, place in TABLE.items() if SHOWN[place] is BayState.SAFE} == {
        (Place.WORKING, Sign.COMPLETE),
        (Place.STUCK, Sign.COMPLETE),
    }


def test_no_sign_of_a_stick_that_is_still_mounted_leads_to_where_pulling_is_safe():
    harmless = (BayState.EMPTY, BayState.SAFE, BayState.ATTENTION, BayState.FOREIGN)
    for (_, sign), place in TABLE.items():
        if sign in (Sign.STILL_MOUNTED, Sign.LEFT_MOUNTED):
            assert SHOWN[place] not in harmless


STUCK = Problem("still mounted", "do not pull it")


def test_a_refused_unmount_was_told_as_safe_to_pull(desk):
    desk.begin()
    desk(RoundStuck("left", STUCK))
    assert desk.bay().state is BayState.STUCK
    assert desk.bay().problem == STUCK
    assert not desk.head.idle, "the round goes on trying"
    desk(RoundProgressed("left", Progress(Phase.UNMOUNTING)))
    assert desk.bay().state is BayState.STUCK
    desk.end(sent=2)
    assert desk.bay().state is BayState.SAFE
    assert desk.bay().problem is None


def test_an_earlier_trouble_is_shown_after_the_stick_is_unmounted_not_before(desk):
    desk.begin()
    desk(RoundStuck("left", STUCK))
    assert desk.bay().problem == STUCK
    desk.end(Ending.BLEMISHED, problem=Problem("it failed"))
    assert desk.bay().state is BayState.ATTENTION
    assert desk.bay().problem.what == "it failed"


def test_a_stick_pulled_while_it_was_stuck_is_asked_back(desk):
    desk.begin()
    desk(RoundStuck("left", STUCK))
    desk(StickVanished("left", BLUE.device))
    desk(RoundStuck("left", STUCK))  # a late one
    assert desk.bay().state is BayState.PULLED
    desk.end(Ending.GONE)
    assert desk.bay().state is BayState.PULLED


def test_an_agent_that_stops_beside_a_stuck_stick_ends_and_says_so_to_the_last(desk):
    desk.begin()
    desk(RoundStuck("left", STUCK))
    desk(StopAsked())
    assert not desk.head.idle
    desk.end(Ending.STUCK, problem=STUCK)
    assert desk.head.idle
    assert desk.bay().state is BayState.STUCK
    assert desk.bay().problem == STUCK


NOT_NOW = Problem("not now: carrier stick is used 01:00-06:00", "leave it in, and its round begins by itself")


@pytest.fixture
def early(desk):
    """A desk outside the carrier's hours, which begin in a minute; a stick is in and was left untouched."""
    desk.closed, desk.until = NOT_NOW, desk.now.wall + 60
    (errand,) = desk.begin()
    assert errand.not_now == NOT_NOW
    assert desk.bay().state is BayState.WORKING, "it is mounted"
    desk.end(Ending.NOT_NOW, problem=NOT_NOW)
    desk(SurveyEnded())
    return desk


def test_outside_its_hours_a_stick_may_be_pulled_and_it_is_said_why_nothing_happens(early):
    bay = early.bay()
    assert (bay.state, bay.runner, bay.problem, bay.waits) == (BayState.ATTENTION, "BLUE", NOT_NOW, True)
    assert bay.last is None
    assert early.head.status.last_round is None
    assert early.head.idle


def test_when_the_hours_begin_the_round_does_so_by_itself(early):
    deadline = early.head.deadline()
    assert early.time + 60 < deadline < early.time + 61
    assert early.wait(59) == ()
    (errand,) = early.wait(deadline - early.time)
    assert (errand.stick, errand.not_now) == (BLUE, None)
    assert early.bay().state is BayState.WORKING
    assert early.bay().problem is None
    early.end(sent=1)
    assert (early.bay().state, early.bay().waits) == (BayState.SAFE, False)
    early(SurveyEnded())
    assert early.head.deadline() is None


def test_when_the_time_becomes_sure_the_round_begins(early):
    early.until = None
    early(TroubleChanged("time", Problem("the time is not sure")))
    assert early.head.deadline() is None
    assert early.bay().problem == NOT_NOW
    early.closed = None
    assert kinds(early(TroubleChanged("time", None))) == [RoundErrand]


def test_hours_that_changed_are_told(early):
    early.closed = Problem("not now: carrier stick is used at other hours")
    early(SpoolChanged())
    assert early.bay().problem == early.closed


def test_a_stick_that_is_pulled_while_it_waits_for_its_hours_interrupts_nothing(early):
    early(StickVanished("left", BLUE.device))
    assert (early.bay().state, early.bay().waits) == (BayState.EMPTY, False)
    assert early.head.status.problems == ()
    assert early.head.deadline() is None
    assert early.wait(100) == ()


def test_a_stick_that_is_pulled_while_it_is_found_too_early_interrupts_nothing(desk):
    desk.closed = NOT_NOW
    desk.begin()
    desk(StickVanished("left", BLUE.device))
    desk.end(Ending.NOT_NOW, problem=NOT_NOW)
    assert desk.bay().state is BayState.EMPTY
    assert desk.head.status.problems == ()


def test_after_a_stop_no_hours_begin(early):
    early(StopAsked())
    assert early.wait(100) == ()
    assert early.bay().state is BayState.ATTENTION


def test_every_place_is_reached_and_left():
    assert set(TABLE.values()) == set(Place)
    assert {place for place, _ in TABLE} == set(Place)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_a_bay_has_at_most_one_round_and_no_event_is_a_surprise(seed):
    chance = random.Random(seed)
    desk = Desk("left")
    rounds = 0
    inside: list[StickFound] = []
    for step in itertools.count():
        match chance.randrange(7):
            case 0:
                stick = replace(BLUE, device=str(step))
                inside.append(stick)
                errands = desk.begin(stick)
            case 1 if inside:
                errands = desk(StickVanished("left", inside.pop(chance.randrange(len(inside))).device))
            case 2 if rounds:
                rounds -= 1
                errands = desk.end(chance.choice(list(Ending)), received=chance.randrange(2))
            case 3:
                errands = desk.wait(chance.randrange(9))
            case 4 if desk.head._toss.running:
                errands = desk(TossEnded(retry_in=chance.choice([None, 5])))
            case 5 if desk.head._survey.running:
                errands = desk(SurveyEnded())
            case 6 if rounds:
                errands = desk(RoundStuck("left", STUCK))
            case _:
                errands = desk(SpoolChanged())
        rounds += kinds(errands).count(RoundErrand)
        assert rounds <= 1
        assert not (rounds and desk.bay().state in (BayState.SAFE, BayState.EMPTY))
        assert rounds or desk.bay().state is not BayState.WORKING
        if step > 2000:
            return
