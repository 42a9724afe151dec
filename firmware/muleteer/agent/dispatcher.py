# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide what to do next: events and the time in, errands, status and one deadline out. Never does anything itself.

House rules:

1. One errand a bay; bays work at the same time. One toss at a time, one survey at a time.
2. A request for a toss or a survey that comes while one runs is kept, and one more follows: what came in meanwhile
   may have been missed by the one that runs.
3. A round that took something in is followed by a toss; every round and every toss is followed by a survey. So is a
   session; and a long one has what it brought so far tossed while it lasts.
4. A bay holds one stick. A second one that appears in it (a second partition, a hub) waits for the first to go.
5. A bay at whose stick unmounting is refused says so until that has succeeded: no earlier trouble hides it.
6. After StopAsked nothing is started; what runs comes to its end.
7. A stick that goes in outside its carrier's hours is left untouched; if it is still in when these begin, or the time
   becomes sure, its round begins by itself. What holds when a round begins counts until it ends.
8. Calls are decided by another head (`calls`), which is told every event.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, assert_never

from muleteer.agent.bays import ENDED, SHOWN, Place, Sign, next_place
from muleteer.agent.events import (
    AnswerEnded,
    CallAsked,
    CallEnded,
    Ending,
    Errand,
    Event,
    InterfacesChanged,
    Now,
    PeerDiscovered,
    RoundEnded,
    RoundErrand,
    RoundProgressed,
    RoundStuck,
    SessionBegan,
    SessionProgressed,
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
from muleteer.agent.no_calls import NoCalls
from muleteer.agent.status import Bay, Progress, Status
from muleteer.agent.troubles import Troubles, pulled_problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from muleteer.agent.allowance import Admission
    from muleteer.agent.no_calls import Calls
    from muleteer.agent.status import Problem
    from muleteer.formats.ids import NodeId
    from muleteer.hotplug.recognise import StickFound

PATIENCE_SECONDS = 3.0  # how long the kernel may take to tell us that a stick is out after it stopped to answer
TRIES_MAX = 3  # rounds begun anew with a stick that keeps dropping out while it is in
WAITING_STICKS_MAX = 8  # in one bay: a hub full of them; more are not noticed
WALL_SLACK_SECONDS = 0.01  # a deadline by the wall clock is put so much later: then it is over for certain
TOSS_SECONDS = 2.0  # between what a session brings and its toss: much comes at once, and one toss costs a look


@dataclass(slots=True)
class _BayDesk:
    """What the dispatcher remembers of one bay."""

    place: Place = Place.EMPTY
    stick: StickFound | None = None
    runner: str = ""
    running: bool = False  # a round
    waiting: dict[str, StickFound] = field(default_factory=dict)
    patience_until: float | None = None
    look_at: float | None = None  # monotonic, while WAITING: whether its carrier's hours have begun
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

    `admit` says what becomes of a stick that is in a bay; see `muleteer.agent.allowance`. `calls` decides
    about calls; see `muleteer.agent.scheduler`.
    """

    def __init__(
        self,
        bays: Iterable[str],
        admit: Callable[[str, StickFound, Now], Admission],
        status: Status,
        calls: Calls | None = None,
    ) -> None:
        self._calls: Calls = calls or NoCalls()
        self._troubles = Troubles()
        self._received: dict[NodeId, int] = {}  # packets that the present session with a node has brought so far
        self._admit = admit
        self._desks = {bay: _BayDesk() for bay in bays}
        self._toss = _Serial(wanted=True)  # what a cut left in rx
        self._insist = False  # the next toss is one that somebody asked for
        self._survey = _Serial(wanted=True)
        self._stopping = False
        self._status = replace(status, bays=tuple(Bay(name=bay) for bay in self._desks))

    @property
    def status(self) -> Status:
        """The box as of the last event."""
        return self._status

    @property
    def idle(self) -> bool:
        """True while no errand runs, and no session."""
        rounds = any(desk.running for desk in self._desks.values())
        return not (self._toss.running or self._survey.running or rounds or self._calls.talking)

    @property
    def stopping(self) -> bool:
        """True after StopAsked."""
        return self._stopping

    def deadline(self) -> float | None:
        """Return the monotonic time at which `on_deadline` wants to be called; None: not before the next event."""
        if self._stopping:
            return None
        times = [self._toss.due, self._survey.due]
        times += [time for desk in self._desks.values() for time in (desk.patience_until, desk.look_at)]
        return min((time for time in (*times, self._calls.deadline()) if time is not None), default=None)

    def on_deadline(self, now: Now) -> tuple[Errand, ...]:
        """Do what was put off until now."""
        errands: list[Errand] = []
        for bay, desk in self._desks.items():
            if desk.patience_until is not None and desk.patience_until <= now.monotonic:
                errands += self._move(bay, Sign.PATIENCE_OVER, now)
        errands += self._look_at_hours(now)
        for serial in (self._toss, self._survey):
            if serial.due is not None and serial.due <= now.monotonic:
                serial.due = None
                serial.wanted = True
        errands += self._start_serial(now)
        called_at = self._calls.deadline()
        if called_at is not None and called_at <= now.monotonic and not self._stopping:
            errands += self._calls.on_deadline(now)
        self._sum_up(now)
        return tuple(errands)

    def handle(self, event: Event, now: Now) -> tuple[Errand, ...]:
        """Take one event; return what is to be done now."""
        errands: list[Errand] = []
        match event:
            case StickAppeared() | StickVanished() | RoundProgressed() | RoundStuck() | RoundEnded():
                errands += self._at_bay(event, now)
            case SpoolChanged() | TossDue() | TossEnded() | SurveyEnded():
                self._at_spool(event, now)
            case SessionProgressed() | CallEnded() | AnswerEnded():
                self._after_session(event, now)
            case InterfacesChanged() | PeerDiscovered() | CallAsked() | SessionBegan():
                pass  # all for the calls
            case TroubleChanged():
                self._troubles.standing(event.source, event.problem, now.wall)
            case StopAsked():
                self._stopping = True
            case _:
                assert_never(event)
        errands += self._look_at_hours(now)
        errands += self._start_serial(now)
        errands += self._calls.handle(event, now)
        self._sum_up(now)
        return tuple(errands)

    # ------------------------------------------------------------------------------------------ bays

    def _at_bay(
        self, event: StickAppeared | StickVanished | RoundProgressed | RoundStuck | RoundEnded, now: Now
    ) -> list[Errand]:
        match event:
            case StickAppeared():
                return self._appeared(event, now)
            case StickVanished():
                return self._vanished(event, now)
            case RoundEnded():
                return self._round_ended(event, now)
            case _:
                self._news(event, now)
                return []

    def _appeared(self, event: StickAppeared, now: Now) -> list[Errand]:
        desk = self._desks[event.bay]
        if desk.stick is not None:
            if event.stick.device != desk.stick.device and len(desk.waiting) < WAITING_STICKS_MAX:
                desk.waiting[event.stick.device] = event.stick
            return []
        desk.stick = event.stick
        desk.tries = 0
        return self._move(event.bay, Sign.APPEARED, now)

    def _vanished(self, event: StickVanished, now: Now) -> list[Errand]:
        desk = self._desks[event.bay]
        if desk.stick is None or desk.stick.device != event.device:
            desk.waiting.pop(event.device, None)
            return []
        desk.stick = None
        errands = self._move(event.bay, Sign.VANISHED, now)
        if desk.waiting:
            device = next(iter(desk.waiting))
            errands += self._appeared(StickAppeared(event.bay, desk.waiting.pop(device)), now)
        return errands

    def _look_at_hours(self, now: Now) -> list[Errand]:
        """Begin the rounds for which the hours of their carriers have come."""
        errands: list[Errand] = []
        for bay, desk in self._desks.items():
            if desk.place is not Place.WAITING or desk.stick is None or self._stopping:
                continue
            found = self._admit(bay, desk.stick, now)
            if found.not_now is None:
                desk.tries = 0
                errands += self._move(bay, Sign.HOURS_BEGIN, now)
                continue
            wait = None if found.until is None else found.until - now.wall + WALL_SLACK_SECONDS
            desk.look_at = None if wait is None else now.monotonic + wait
            self._set_problem(bay, found.not_now)
        return errands

    def _move(self, bay: str, sign: Sign, now: Now) -> list[Errand]:
        desk = self._desks[bay]
        before, desk.place = desk.place, next_place(desk.place, sign)
        desk.patience_until = desk.look_at = None
        begins = desk.place is Place.WORKING and before is not Place.WORKING
        errands = self._begin(bay, desk, desk.stick, now) if begins and desk.stick is not None else []
        self._show(bay, desk, changed=desk.place is not before)
        return errands

    def _begin(self, bay: str, desk: _BayDesk, stick: StickFound, now: Now) -> list[Errand]:
        if self._stopping:
            desk.place = Place.EMPTY
            return []
        desk.tries += 1
        desk.running = True
        found = self._admit(bay, stick, now)
        desk.runner = found.runner
        return [RoundErrand(bay, stick, found.runner, found.allowance, found.not_now)]

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
                waits=desk.place is Place.WAITING,
            )
        )
        if desk.place in (Place.LEAVING, Place.PULLED, Place.LOST):
            self._set_problem(bay, pulled_problem(desk.runner))

    def _news(self, event: RoundProgressed | RoundStuck, now: Now) -> None:
        bay, desk = event.bay, self._desks[event.bay]
        if isinstance(event, RoundStuck):
            self._move(bay, Sign.STILL_MOUNTED, now)
            if desk.place is Place.STUCK:
                self._set_problem(bay, event.problem)
        elif desk.place is Place.WORKING:
            self._status = self._status.with_bay(replace(self._bay(bay), progress=event.progress))

    def _round_ended(self, event: RoundEnded, now: Now) -> list[Errand]:
        bay, desk = event.bay, self._desks[event.bay]
        desk.running = False
        errands = self._move(bay, ENDED[event.ending], now)
        self._remember(event, now)
        if desk.place is Place.LOST:
            if desk.tries < TRIES_MAX:
                desk.patience_until = now.monotonic + PATIENCE_SECONDS
        elif desk.place in (Place.SAFE, Place.ATTENTION, Place.WAITING, Place.FOREIGN, Place.MOUNTED):
            self._set_problem(bay, event.problem)
        self._toss.wanted |= event.summary.received > 0
        self._survey.wanted = True
        return errands

    def _remember(self, event: RoundEnded, now: Now) -> None:
        summary = event.summary
        if event.ending in (Ending.FOREIGN, Ending.NOT_NOW):
            return
        if event.ending is Ending.GONE:
            self._troubles.lost(summary.runner, now.wall)
        elif event.ending is Ending.COMPLETE:
            self._troubles.found(summary.runner)
        self._status = replace(self._status.with_bay(replace(self._bay(event.bay), last=summary)), last_round=summary)

    def _bay(self, bay: str) -> Bay:
        return next(shown for shown in self._status.bays if shown.name == bay)

    def _set_problem(self, bay: str, problem: Problem | None) -> None:
        self._status = self._status.with_bay(replace(self._bay(bay), problem=problem))

    # ------------------------------------------------------------------------------------------ toss and survey

    def _at_spool(self, event: SpoolChanged | TossDue | TossEnded | SurveyEnded, now: Now) -> None:
        match event:
            case SpoolChanged():
                self._survey.wanted = True
            case TossDue(insist):
                self._toss.wanted = True
                self._insist |= insist
            case TossEnded():
                self._toss_ended(event, now)
            case SurveyEnded():
                self._survey_ended(event, now)

    def _after_session(self, event: SessionProgressed | CallEnded | AnswerEnded, now: Now) -> None:
        if isinstance(event, SessionProgressed):
            if event.progress.received > self._received.get(event.node, 0):
                self._received[event.node] = event.progress.received
                self._toss.due = min(self._toss.due or math.inf, now.monotonic + TOSS_SECONDS)
            return
        node = event.errand.node if isinstance(event, CallEnded) else event.node
        self._received.pop(node, None)
        self._troubles.session_log(event.problem, now.wall)
        self._toss.wanted |= event.report.received > 0
        self._survey.wanted = True

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
        self._troubles.toss(event.problem, now.wall)
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
        self._troubles.survey(event.problems)
        self._status = replace(
            self._status,
            queue=event.queue,
            waiting_toss=event.waiting_toss,
            set_aside=event.set_aside,
            travelling=event.travelling,
        )

    def _sum_up(self, now: Now) -> None:
        problems = self._troubles.shown(self._status.bays)
        self._status = replace(self._status, problems=problems, lines=self._calls.lines, time_sure=now.sure)
