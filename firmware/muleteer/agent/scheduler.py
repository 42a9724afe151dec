# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide whom to call, by which carrier, and when. Values in, calls and one deadline out; never does anything itself.

House rules:

1. No call outside a carrier's hours, above its budgets, or to somebody it is not for; forced ones neither.
2. One session per neighbour at a time, whoever began it; at most a carrier's `calls` at once.
3. A call has a reason: somebody asked for it, a timetable (the carrier's, or a `calls` entry of nncp.hjson), or
   something waits that the carrier takes and it may call for that (`call = "when waiting"`, `wake`).
4. Of the carriers with a reason the best goes first (priority, cost, order in the file); the next one follows if it
   fails. A timetable's call goes by a better carrier that calls when something waits anyway, if that is not failing and
   would do all that the call was for. A cheap carrier with all its calls under way is waited for.
5. A line that fails is left alone for a while, twice as long each time, until it works or the world changes: its
   interface comes up, the neighbour announces itself. So is a neighbour that takes nothing of what waits for it.
6. What waits is known from a survey that began after the last session: an older one counts what has gone since.
7. Neighbours that were served longest ago come first.
8. A forced call passes over timetables and waiting, tries each carrier once, best first, and is then forgotten.
9. Timetables: see `muleteer.agent.timetable`. After StopAsked nothing is called.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from muleteer.agent.events import (
    AnswerEnded,
    CallAsked,
    CallEnded,
    CallErrand,
    InterfacesChanged,
    PeerDiscovered,
    SessionBegan,
    SessionProgressed,
    StopAsked,
    SurveyEnded,
)
from muleteer.agent.line_desk import Surroundings
from muleteer.agent.line_status import line_status
from muleteer.agent.neighbour_desk import NeighbourDesk
from muleteer.config.zone import local_offset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from muleteer.agent.budgets import Budgets
    from muleteer.agent.events import Event, Now, Waiting
    from muleteer.agent.line_desk import LineDesk
    from muleteer.agent.lines import NeighbourLines
    from muleteer.agent.status import Line
    from muleteer.config.carrier_rules import CarrierRule, Cost
    from muleteer.config.zone import Offset
    from muleteer.formats.ids import NodeId

LEAP_SECONDS = 5.0  # wall and monotonic time may differ by so much before it is called a leap
LOOK_SECONDS = 300.0  # how late a leap of the wall clock is noticed
WALL_SLACK_SECONDS = 0.01  # a deadline by the wall clock is put so much later: then it is over for certain


class Scheduler:
    """The head for calls: `handle` every event, wake it at `deadline`, do the errands it returns.

    `jitter` gives numbers from 0 to below 1. `budgets` tells what is left to spend; None means that nothing is limited.
    """

    def __init__(
        self,
        rules: Iterable[CarrierRule],
        neighbours: Mapping[NodeId, NeighbourLines],
        jitter: Callable[[], float],
        budgets: Budgets | None = None,
        *,
        offset: Offset = local_offset,
    ) -> None:
        rules = tuple(rules)
        self._around = Surroundings(offset, jitter, budgets)
        self._desks = {node: NeighbourDesk.of(node, facts, rules, self._around) for node, facts in neighbours.items()}
        self._stopping = False
        self._now: Now | None = None  # of the last look
        self._deadline: float | None = None
        self._overtaken = False  # the wall clock has leapt since calls were last placed
        self._lines: tuple[Line, ...] | None = None

    # ------------------------------------------------------------------------------------------ in and out

    def handle(self, event: Event, now: Now) -> tuple[CallErrand, ...]:
        """Take one event (others than those of calls are passed over); return the calls to place now."""
        if isinstance(event, SessionProgressed):
            self._progressed(event)
            return ()
        self._look(now)
        if not (self._take_news(event, now) or self._take_session(event, now) or self._overtaken):
            return ()
        errands = self._place(now)
        if isinstance(event, CallEnded) and event.errand.insist:
            self._forget_unanswered(event, errands)
        return errands

    def _take_news(self, event: Event, now: Now) -> bool:
        """Take what happened around us; return whether it was news of that sort."""
        match event:
            case SurveyEnded():
                rows: dict[NodeId, list[Waiting]] = {node: [] for node in self._desks}
                for row in event.waiting:
                    rows.setdefault(row.node, []).append(row)
                for node, desk in self._desks.items():
                    desk.surveyed(tuple(rows[node]), event.began, now)
            case InterfacesChanged():
                self._around.interfaces = event.interfaces
                for desk in self._desks.values():
                    for line in desk.lines:
                        line.look_around(now)
            case PeerDiscovered() if event.node in self._desks:
                self._desks[event.node].discovered(event, now)
            case CallAsked() if event.node in self._desks:
                self._desks[event.node].ask(event.carrier)
            case StopAsked():
                self._stopping = True
            case _:
                return False
        return True

    def _take_session(self, event: Event, now: Now) -> bool:
        """Take what happened in a session; return whether it was that."""
        match event:
            case SessionBegan():
                self._began(event)
            case CallEnded():
                self._call_ended(event, now)
            case AnswerEnded():
                self._answer_ended(event, now)
            case _:
                return False
        return True

    def deadline(self) -> float | None:
        """Return the monotonic time at which `on_deadline` wants to be called; None: not before the next event."""
        return None if self._stopping else self._deadline

    def on_deadline(self, now: Now) -> tuple[CallErrand, ...]:
        """Do what was put off until now."""
        self._look(now)
        return self._place(now)

    @property
    def lines(self) -> tuple[Line, ...]:
        """Every carrier for every neighbour, as of the last event: neighbours by name, the best carrier first."""
        now = self._now
        if self._lines is None and now is not None:
            desks = sorted(self._desks.values(), key=lambda desk: desk.facts.name)
            shown = [(desk, line) for desk in desks for line in desk.ranked() if desk.shows(line, now)]
            self._lines = tuple(line_status(desk, line, now) for desk, line in shown)
        return self._lines or ()

    @property
    def talking(self) -> bool:
        """Whether a call or a session is under way."""
        return any(desk.sessions for desk in self._desks.values())

    def refusal(self, node: NodeId, carrier: str | None, now: Now) -> str | None:
        """Return why a forced call cannot be placed at all, in words; None if CallAsked would place or queue it."""
        if self._stopping:
            return "the agent is stopping"
        desk = self._desks.get(node)
        if desk is None:
            return "this node is no neighbour"
        self._look(now)
        lines = [line for line in desk.ranked() if carrier in (None, line.rule.name)]
        if not lines:
            return (
                "there is no carrier that could call"
                if carrier is None
                else f"no carrier that calls is named {carrier}"
            )
        if desk.sessions:
            return None
        obstacles = [(line.rule.name, desk.obstacle(line, now)) for line in lines]
        if any(obstacle is None for _, obstacle in obstacles):
            return None
        return "; ".join(f"{name} {obstacle.words}" for name, obstacle in obstacles if obstacle is not None)

    # ------------------------------------------------------------------------------------------ looking

    def _look(self, now: Now) -> None:
        """Take note of the time."""
        last = self._now
        drift = 0.0 if last is None else (now.wall - last.wall) - (now.monotonic - last.monotonic)
        leapt = abs(drift) > LEAP_SECONDS
        for desk in self._desks.values():
            desk.look(now, leapt=leapt)
            if last is None:
                for line in desk.lines:
                    line.look_around(now)
        self._now = now
        self._overtaken |= leapt or last is None
        self._lines = None

    def _line(self, node: NodeId, carrier: str) -> LineDesk | None:
        desk = self._desks.get(node)
        return None if desk is None else desk.line(carrier)

    # ------------------------------------------------------------------------------------------ sessions

    def _progressed(self, event: SessionProgressed) -> None:
        line = self._line(event.node, event.carrier)
        if line is not None and line.talking:
            line.progress = event.progress
            self._lines = None

    def _began(self, event: SessionBegan) -> None:
        desk, line = self._desks.get(event.node), self._line(event.node, event.carrier)
        if desk is None or line is None or not (event.incoming or line.errand):
            return
        line.talking = True
        line.progress = None
        if event.incoming:
            line.answering += 1
            desk.asked = None

    def _call_ended(self, event: CallEnded, now: Now) -> None:
        errand = event.errand
        desk, line = self._desks.get(errand.node), self._line(errand.node, errand.carrier)
        if desk is None or line is None or line.errand is None:
            return
        self._around.under_way[errand.carrier] -= 1
        desk.call_ended(line, event, now, self._around.jitter())

    def _answer_ended(self, event: AnswerEnded, now: Now) -> None:
        desk, line = self._desks.get(event.node), self._line(event.node, event.carrier)
        if desk is not None and line is not None and line.answering:
            desk.answer_ended(line, event, now)

    def _forget_unanswered(self, event: CallEnded, errands: Iterable[CallErrand]) -> None:
        """Forget a forced call that is not followed at once by another one: whoever asked was told that it is over."""
        desk = self._desks.get(event.errand.node)
        if desk is not None and not any(errand.node == event.errand.node for errand in errands):
            desk.asked = None

    # ------------------------------------------------------------------------------------------ calling

    def _place(self, now: Now) -> tuple[CallErrand, ...]:
        if self._stopping:
            return ()
        self._overtaken = False
        free = [desk for desk in self._desks.values() if not desk.sessions]
        free.sort(key=lambda desk: (desk.asked is None, desk.served))
        errands = tuple(errand for desk in free if (errand := self._call(desk, now)) is not None)
        self._deadline = self._next(now)
        self._lines = None
        return errands

    def _call(self, desk: NeighbourDesk, now: Now) -> CallErrand | None:
        for patient in (True, False):
            waits, errand = self._call_by_the_best(desk, now, patient=patient)
            if errand is not None or waits or desk.asked is not None:
                break
        if errand is None and not waits:
            desk.asked = None  # no carrier is left that could be tried
        return errand

    def _call_by_the_best(self, desk: NeighbourDesk, now: Now, *, patient: bool) -> tuple[bool, CallErrand | None]:
        """Return whether there is a carrier that is waited for, and the call if there is one to place."""
        waited_for: Cost | None = None
        for line in desk.ranked():
            reason = desk.reason(line, now, patient=patient)
            if reason is None or line.terms is None or (waited_for is not None and line.terms.cost > waited_for):
                continue
            if self._around.under_way[line.rule.name] < line.terms.calls:
                self._around.under_way[line.rule.name] += 1
                return False, desk.errand(line, reason, now)
            waited_for = line.terms.cost
        return waited_for is not None, None

    def _next(self, now: Now) -> float | None:
        """Return when to look again: at the first thing that waiting alone brings about."""
        times = [time for desk in self._desks.values() for time in desk.times()]
        walls = [wall for desk in self._desks.values() for wall in desk.walls(now)]
        times += [now.monotonic + wall - now.wall + WALL_SLACK_SECONDS for wall in walls if wall > now.wall]
        if walls:
            times.append(now.monotonic + LOOK_SECONDS)
        return min((time for time in times if time > now.monotonic and time < math.inf), default=None)
