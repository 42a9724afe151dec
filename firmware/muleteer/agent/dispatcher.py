# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide what to do next: events and the time in, errands, status and one deadline out. Never does anything itself.

House rules:

1. One errand a bay; bays work at the same time. One toss at a time, one survey at a time.
2. A request for a toss or a survey that comes while one runs is kept, and one more follows: what came in meanwhile
   may have been missed by the one that runs.
3. A round that took something in is followed by a toss; every round and every toss is followed by a survey.
4. A bay holds one stick. A second one that appears in it (a second partition, a hub) waits for the first to go.
5. A bay at whose stick unmounting is refused says so until that has succeeded: no earlier trouble hides it.
6. After StopAsked nothing is started; what runs comes to its end.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, assert_never

from muleteer.agent.bays import SHOWN, Place, Sign, next_place
from muleteer.agent.events import (
    Ending,
    Errand,
    Event,
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
)
from muleteer.agent.status import Bay, BayState, Problem, Progress, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from muleteer.carriers.stick_plan import StickAllowance
    from muleteer.hotplug.recognise import StickFound

PATIENCE_SECONDS = 3.0  # how long the kernel may take to tell us that a stick is out after it stopped to answer
TRIES_MAX = 3  # rounds begun anew with a stick that keeps dropping out while it is in
WAITING_STICKS_MAX = 8  # in one bay: a hub full of them; more are not noticed
PROBLEMS_MAX = 16  # shown at once; a person reads the first

SIGNS = {
    Ending.COMPLETE: Sign.COMPLETE,
    Ending.BLEMISHED: Sign.BLEMISHED,
    Ending.FOREIGN: Sign.NOT_OURS,
    Ending.GONE: Sign.GONE,
    Ending.BROKEN_OFF: Sign.BLEMISHED,
    Ending.STUCK: Sign.LEFT_MOUNTED,
}


@dataclass(slots=True)
class _BayDesk:
    """What the dispatcher remembers of one bay."""

    place: Place = Place.EMPTY
    stick: StickFound | None = None
    runner: str = ""
    running: bool = False  # a round
    waiting: dict[str, StickFound] = field(default_factory=dict)
    patience_until: float | None = None
    tries: int = 0


@dataclass(slots=True)
class _Serial:
    """An errand of which one runs at a time: rule 2 and its retry."""

    running: bool = False
    wanted: bool = False
    due: float | None = None  # monotonic: wanted from then on
    not_before: float = 0.0  # monotonic


class Dispatcher:
    """The agent's head: `handle` every event, `status` after it, wake it at `deadline`.

    `admit` says what a stick in a bay may carry, and under which name; see `muleteer.agent.allowance`.
    """

    def __init__(
        self, bays: Iterable[str], admit: Callable[[str, StickFound], tuple[str, StickAllowance]], status: Status
    ) -> None:
        self._admit = admit
        self._desks = {bay: _BayDesk() for bay in bays}
        self._toss = _Serial(wanted=True)  # what a cut left in rx
        self._insist = False  # the next toss is one that somebody asked for
        self._survey = _Serial(wanted=True)
        self._lost: dict[str, Problem] = {}  # runner -> pulled in the middle, and not seen since
        self._toss_problem: Problem | None = None
        self._survey_problems: tuple[Problem, ...] = ()
        self._stopping = False
        self._status = replace(status, bays=tuple(Bay(name=bay) for bay in self._desks))

    @property
    def status(self) -> Status:
        """The box as of the last event."""
        return self._status

    @property
    def idle(self) -> bool:
        """True while no errand runs."""
        return not (self._toss.running or self._survey.running or any(desk.running for desk in self._desks.values()))

    @property
    def stopping(self) -> bool:
        """True after StopAsked."""
        return self._stopping

    def deadline(self) -> float | None:
        """Return the monotonic time at which `on_deadline` wants to be called; None: not before the next event."""
        if self._stopping:
            return None
        times = [self._toss.due, self._survey.due, *(desk.patience_until for desk in self._desks.values())]
        return min((time for time in times if time is not None), default=None)

    def on_deadline(self, now: Now) -> tuple[Errand, ...]:
        """Do what was put off until now."""
        errands: list[Errand] = []
        for bay, desk in self._desks.items():
            if desk.patience_until is not None and desk.patience_until <= now.monotonic:
                errands += self._move(bay, Sign.PATIENCE_OVER)
        for serial in (self._toss, self._survey):
            if serial.due is not None and serial.due <= now.monotonic:
                serial.due = None
                serial.wanted = True
        errands += self._start_serial(now)
        self._gather_problems()
        return tuple(errands)

    def handle(self, event: Event, now: Now) -> tuple[Errand, ...]:
        """Take one event; return what is to be done now."""
        errands: list[Errand] = []
        match event:
            case StickAppeared():
                errands += self._appeared(event)
            case StickVanished():
                errands += self._vanished(event)
            case RoundProgressed() | RoundStuck():
                self._news(event)
            case RoundEnded():
                errands += self._round_ended(event, now)
            case SpoolChanged():
                self._survey.wanted = True
            case TossDue():
                self._toss.wanted = True
                self._insist |= event.insist
            case TossEnded():
                self._toss_ended(event, now)
            case SurveyEnded():
                self._survey_ended(event, now)
            case StopAsked():
                self._stopping = True
            case _:
                assert_never(event)
        errands += self._start_serial(now)
        self._gather_problems()
        return tuple(errands)

    # ------------------------------------------------------------------------------------------ bays

    def _appeared(self, event: StickAppeared) -> list[Errand]:
        desk = self._desks[event.bay]
        if desk.stick is not None:
            if event.stick.device != desk.stick.device and len(desk.waiting) < WAITING_STICKS_MAX:
                desk.waiting[event.stick.device] = event.stick
            return []
        desk.stick = event.stick
        desk.tries = 0
        return self._move(event.bay, Sign.APPEARED)

    def _vanished(self, event: StickVanished) -> list[Errand]:
        desk = self._desks[event.bay]
        if desk.stick is None or desk.stick.device != event.device:
            desk.waiting.pop(event.device, None)
            return []
        desk.stick = None
        errands = self._move(event.bay, Sign.VANISHED)
        if desk.waiting:
            device = next(iter(desk.waiting))
            errands += self._appeared(StickAppeared(event.bay, desk.waiting.pop(device)))
        return errands

    def _move(self, bay: str, sign: Sign) -> list[Errand]:
        desk = self._desks[bay]
        before, desk.place = desk.place, next_place(desk.place, sign)
        desk.patience_until = None
        begins = desk.place is Place.WORKING and before is not Place.WORKING
        errands = self._begin(bay, desk, desk.stick) if begins and desk.stick is not None else []
        self._show(bay, desk, changed=desk.place is not before)
        return errands

    def _begin(self, bay: str, desk: _BayDesk, stick: StickFound) -> list[Errand]:
        if self._stopping:
            desk.place = Place.EMPTY
            return []
        desk.tries += 1
        desk.running = True
        desk.runner, allowance = self._admit(bay, stick)
        return [RoundErrand(bay, stick, desk.runner, allowance)]

    def _show(self, bay: str, desk: _BayDesk, *, changed: bool) -> None:
        shown = self._bay(bay)
        state = SHOWN[desk.place]
        working = desk.place is Place.WORKING
        self._status = self._status.with_bay(
            replace(
                shown,
                state=state,
                runner="" if desk.place is Place.EMPTY else desk.runner,
                progress=(Progress() if changed else shown.progress) if working else None,
                problem=None if desk.place in (Place.EMPTY, Place.WORKING, Place.CHANGING) else shown.problem,
            )
        )
        if desk.place in (Place.LEAVING, Place.PULLED, Place.LOST):
            self._set_problem(bay, _pulled_problem(desk.runner))

    def _news(self, event: RoundProgressed | RoundStuck) -> None:
        bay, desk = event.bay, self._desks[event.bay]
        if isinstance(event, RoundStuck):
            self._move(bay, Sign.STILL_MOUNTED)
            if desk.place is Place.STUCK:
                self._set_problem(bay, event.problem)
        elif desk.place is Place.WORKING:
            self._status = self._status.with_bay(replace(self._bay(bay), progress=event.progress))

    def _round_ended(self, event: RoundEnded, now: Now) -> list[Errand]:
        bay, desk = event.bay, self._desks[event.bay]
        sign = SIGNS[event.ending]
        desk.running = False
        errands = self._move(bay, sign)
        self._remember(event, now)
        if desk.place is Place.LOST:
            if desk.tries < TRIES_MAX:
                desk.patience_until = now.monotonic + PATIENCE_SECONDS
        elif desk.place in (Place.SAFE, Place.ATTENTION, Place.FOREIGN, Place.MOUNTED):
            self._set_problem(bay, event.problem)
        self._toss.wanted |= event.summary.received > 0
        self._survey.wanted = True
        return errands

    def _remember(self, event: RoundEnded, now: Now) -> None:
        summary = event.summary
        if event.ending is Ending.FOREIGN:
            return
        if event.ending is Ending.GONE:
            self._lost.pop(summary.runner, None)
            self._lost[summary.runner] = replace(_pulled_problem(summary.runner), since=now.wall)
            while len(self._lost) > PROBLEMS_MAX:
                self._lost.pop(next(iter(self._lost)))
        elif event.ending is Ending.COMPLETE:
            self._lost.pop(summary.runner, None)
        self._status = replace(self._status.with_bay(replace(self._bay(event.bay), last=summary)), last_round=summary)

    def _bay(self, bay: str) -> Bay:
        return next(shown for shown in self._status.bays if shown.name == bay)

    def _set_problem(self, bay: str, problem: Problem | None) -> None:
        self._status = self._status.with_bay(replace(self._bay(bay), problem=problem))

    # ------------------------------------------------------------------------------------------ toss and survey

    def _start_serial(self, now: Now) -> list[Errand]:
        errands: list[Errand] = []
        if self._ready(self._toss, now):
            errands.append(TossErrand(self._insist))
            self._insist = False
            self._status = replace(self._status, tossing=True)
        if self._ready(self._survey, now):
            errands.append(SurveyErrand())
        return errands

    def _ready(self, serial: _Serial, now: Now) -> bool:
        if self._stopping or serial.running or not serial.wanted:
            return False
        if now.monotonic < serial.not_before:
            serial.due = serial.not_before
            return False
        serial.running, serial.wanted = True, False
        return True

    def _toss_ended(self, event: TossEnded, now: Now) -> None:
        self._toss.running = False
        self._toss.due = None if event.retry_in is None else now.monotonic + event.retry_in
        self._toss_problem = event.problem and replace(event.problem, since=now.wall)
        self._survey.wanted = True
        self._status = replace(self._status, tossing=False, delivered=self._status.delivered + event.delivered)
        if event.retired:
            self._count_acknowledged(event.retired)

    def _count_acknowledged(self, retired: int) -> None:
        """Add to the last round what its acknowledgements retired: that is known only after the toss."""
        last = self._status.last_round
        if last is None:
            return
        counted = replace(last, acknowledged=last.acknowledged + retired)
        bays = tuple(replace(bay, last=counted) if bay.last == last else bay for bay in self._status.bays)
        self._status = replace(self._status, bays=bays, last_round=counted)

    def _survey_ended(self, event: SurveyEnded, now: Now) -> None:
        self._survey.running = False
        self._survey.not_before = now.monotonic + event.rest
        self._survey.due = None if event.retry_in is None else now.monotonic + event.retry_in
        self._survey_problems = event.problems
        self._status = replace(
            self._status,
            queue=event.queue,
            waiting_toss=event.waiting_toss,
            set_aside=event.set_aside,
            travelling=event.travelling,
        )

    def _gather_problems(self) -> None:
        first = () if self._toss_problem is None else (self._toss_problem,)
        shown = {bay.runner for bay in self._status.bays if bay.state in (BayState.PULLED, BayState.WORKING)}
        lost = (problem for runner, problem in self._lost.items() if runner not in shown)  # its bay says it already
        problems = (*first, *lost, *self._survey_problems)
        self._status = replace(self._status, problems=problems[:PROBLEMS_MAX])


def _pulled_problem(runner: str) -> Problem:
    return Problem(
        what="a stick was pulled in the middle of its round",
        remedy="put it back: nothing is lost, the round completes",
        details=(f"it was {runner}",) if runner else (),
    )
