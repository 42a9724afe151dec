# SPDX-License-Identifier: GPL-3.0-or-later
"""Do one round in its thread: mount, the carrier's round, unmount; and say how it ended.

Outside its carrier's hours a stick is mounted and unmounted: only so is it known that it may be pulled.

What a round can meet becomes its ending: a pulled stick (an event), a failing one, a mount that was refused, our own
disk, a configuration that lets no acknowledgement be sent. The file system is unmounted in every case, nothing but that
makes the bay safe to pull, and the round does not end before (but for a stick that is out, or an agent that stops).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from muleteer.agent.acknowledging import RoundAcknowledger
from muleteer.agent.events import Ending, RoundEnded
from muleteer.agent.giving_back import give_back
from muleteer.agent.pace import Pace
from muleteer.agent.seat import LeftoverSeat, take_seat
from muleteer.agent.status import Phase, Problem, Progress, RoundSummary
from muleteer.agent.toss_log import TossLog
from muleteer.agent.trouble import LOG_FAILED, problem_of
from muleteer.agent.turns import WAIT_SECONDS_MAX, wait_for_turn
from muleteer.agent.wording import packets_words
from muleteer.carriers.stick import Round
from muleteer.carriers.stick_report import Hold, RoundResult
from muleteer.errors import CarrierError, MountRefused, MuleteerError, RunnerGone, StillMounted
from muleteer.tossing.steady_log import SteadyLog

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection

    from muleteer.agent.box import Box
    from muleteer.agent.clock import Clock
    from muleteer.agent.events import RoundErrand
    from muleteer.agent.giving_back import Given
    from muleteer.agent.journal import Journal
    from muleteer.agent.seat import Seat
    from muleteer.carriers.stick_plan import StickAllowance
    from muleteer.carriers.stick_report import Advance
    from muleteer.formats.ids import NodeId
    from muleteer.hotplug.mounts import Mounts
    from muleteer.spool.spool import Spool


class RoundWork:
    """One round; `run` does it and never raises but for a bug. Errors met become the ending's problem."""

    def __init__(
        self,
        box: Box,
        mounts: Mounts,
        clock: Clock,
        journal: Journal,
        errand: RoundErrand,
        report: Callable[[Progress | Problem], None],
        stop: threading.Event,
    ) -> None:
        self._box = box
        self._mounts = mounts
        self._clock = clock
        self._journal = journal
        self._errand = errand
        self._report = report
        self._stop = stop
        self._log = SteadyLog(TossLog(box.config, box.disk(), journal, clock.wall_ns))
        self._pace = Pace(clock.monotonic)
        self._result = RoundResult()
        self._error: MuleteerError | None = None
        self._left: StillMounted | None = None  # why it is mounted at the end of it all

    def run(self) -> RoundEnded:
        """Do the round and return its end."""
        stick = self._errand.stick
        try:
            seat = take_seat(stick, self._mounts)
        except StillMounted as error:
            self._error = error
            self._release(LeftoverSeat(stick, self._mounts))
        except CarrierError as error:
            self._error = error
        else:
            try:
                if self._errand.not_now is None:
                    self._carry(seat)
            except MuleteerError as error:
                self._error = error
            finally:
                self._release(seat)
        self._tell_refusals()
        return self._ended()

    def _carry(self, seat: Seat) -> None:
        spool = self._box.spool()
        work = self._round(spool, seat, self._errand.allowance)
        self._result = work.result
        work.run()
        deadline = self._clock.monotonic() + WAIT_SECONDS_MAX
        while (nodes := self._locked()) and self._may_go_on(spool, seat, nodes, deadline):
            again = self._round(spool, seat, replace(self._errand.allowance, carry=nodes), writable=True)
            try:
                again.run()
            finally:
                _add(self._result, again.result, nodes)

    def _locked(self) -> frozenset[NodeId]:
        """Return whose packets wait because somebody else is at work on their queue."""
        return frozenset(held.node for held in self._result.held if held.hold is Hold.LOCKED)

    def _may_go_on(self, spool: Spool, seat: Seat, nodes: frozenset[NodeId], deadline: float) -> bool:
        """Wait until the queues that were locked are free; return whether they are."""
        self._report(Progress(Phase.WAITING, 0, sum(held.node in nodes for held in self._result.held)))

        def go_on() -> bool:
            return seat.present() and not self._stop.is_set()

        return wait_for_turn(spool, nodes, go_on, deadline, self._clock.monotonic, self._clock.sleep)

    def _round(self, spool: Spool, seat: Seat, allowance: StickAllowance, *, writable: bool = False) -> Round:
        acknowledger = RoundAcknowledger(
            self._box.config, spool, self._log, self._box.rules.silent, self._errand.allowance
        )
        return Round(
            spool,
            self._box.disk(),
            self._box.ledger(spool),
            self._box.own.id,
            self._box.config.neighbours.keys(),
            allowance,
            seat.path,
            runner=self._errand.runner,
            now=self._clock.wall(),
            acknowledge=acknowledger.acknowledge,
            acknowledged=acknowledger.flush,
            traits=seat.traits,
            report=self._advanced,
            present=seat.present,
            make_writable=None if writable else seat.make_writable,
            stop=self._stop.is_set,
        )

    def _release(self, seat: Given) -> None:
        self._report(Progress(Phase.UNMOUNTING))
        self._left = give_back(seat, self._stop.is_set, self._tell_stuck, self._clock.monotonic, self._clock.sleep)
        if self._left is not None and not seat.present():
            self._error = RunnerGone(runner=self._errand.runner)
            self._left = None

    def _tell_stuck(self, error: StillMounted) -> None:
        self._journal.alarm("still mounted", bay=self._errand.bay, runner=self._errand.runner, problem=str(error))
        self._report(problem_of(error, self._clock.wall()))

    def _advanced(self, advance: Advance) -> None:
        self._report(self._pace.progress(advance))

    def _tell_refusals(self) -> None:
        keys = {"bay": self._errand.bay, "runner": self._errand.runner}
        if self._result.swept:
            self._journal.event("litter of ours taken off", **keys, files=self._result.swept)
        for refusal in self._result.refusals.listed:
            self._journal.event("refused", where=refusal.where, reason=refusal.reason, **keys)
        if self._log.problem:
            self._journal.alarm(LOG_FAILED, problem=self._log.problem, **keys)
        for error in self._result.problems:
            self._journal.alarm("trouble in a round", problem=str(error), **keys)

    def _ended(self) -> RoundEnded:
        result, errand = self._result, self._errand
        summary = RoundSummary(
            bay=errand.bay,
            runner=errand.runner,
            ended=self._clock.wall(),
            received=result.received,
            received_bytes=result.received_bytes,
            sent=result.sent,
            sent_bytes=result.sent_bytes,
            waiting=sum(held.hold is not Hold.TRAVELS for held in result.held),
            refused=result.refused,
            complete=result.complete and self._error is None,
        )
        return RoundEnded(errand.bay, self._ending(), summary, self._problem())

    def _ending(self) -> Ending:
        if self._left is not None:
            return Ending.STUCK
        gone = isinstance(self._error, RunnerGone)
        if self._errand.not_now is not None and (gone or self._error is None):
            return Ending.NOT_NOW  # who pulls it then has interrupted nothing
        return Ending.GONE if gone else self._ending_while_in()

    def _ending_while_in(self) -> Ending:
        if self._error is not None or self._result.problems:
            return Ending.BLEMISHED
        if self._result.foreign:
            return Ending.FOREIGN
        if not self._result.complete:
            return Ending.BROKEN_OFF
        return Ending.BLEMISHED if self._locked() else Ending.COMPLETE

    def _problem(self) -> Problem | None:
        since = self._clock.wall()
        error = self._left or self._error or next(iter(self._result.problems), None)
        if isinstance(error, StillMounted) and self._left is None:  # it was, and kept its round from happening
            error = MountRefused(**error.facts)
        if error is not None:
            return problem_of(error, since)
        if self._errand.not_now is not None:
            return self._errand.not_now
        if not self._result.complete:
            return _unfinished_problem(since, stopped=self._stop.is_set())
        if self._locked():
            return self._locked_problem(since)
        return _refused_problem(self._result, since) if self._result.refused else None

    def _locked_problem(self, since: float) -> Problem:
        count = sum(held.hold is Hold.LOCKED for held in self._result.held)
        names = self._box.config.neighbours
        what = f"{packets_words(count)} stayed here: another stick or program was at work on their queue"
        queues = (names[node].name for node in sorted(self._locked()))
        return Problem(what, "put it in again when that is done", since, tuple(f"the queue for {q}" for q in queues))


def _add(result: RoundResult, more: RoundResult, nodes: Collection[NodeId]) -> None:
    """Add to a round what it did when it was its turn at the queues of `nodes`."""
    result.held = [held for held in result.held if held.node not in nodes or held.hold is not Hold.LOCKED]
    result.held += [held for held in more.held if held.node in nodes]
    result.locked = more.locked
    result.complete &= more.complete
    for count in ("received", "received_bytes", "sent", "sent_bytes", "sent_again", "retired", "kept", "swept"):
        setattr(result, count, getattr(result, count) + getattr(more, count))
    for problem in more.problems:
        result.problem(problem)


def _unfinished_problem(since: float, *, stopped: bool) -> Problem:
    if stopped:
        remedy = "pull it, or leave it in: its round completes at the next start"
        return Problem("the agent was stopped in the middle of its round", remedy, since)
    return Problem("the round did not come to its end", "put it in again: nothing is lost", since)


def _refused_problem(result: RoundResult, since: float) -> Problem:
    reason, count = max(result.refusals.by_reason.items(), key=lambda item: item[1])
    others = f", and {result.refused - count} for other reasons" if result.refused > count else ""
    what = f"{result.refused} on it refused: {reason} ({count}){others}"
    return Problem(what, "everything else was taken; the log names each", since)
