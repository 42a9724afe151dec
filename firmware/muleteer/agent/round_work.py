# SPDX-License-Identifier: GPL-3.0-or-later
"""Do one round in its thread: mount, the carrier's round, unmount; and say how it ended.

What a round can meet becomes its ending: a pulled stick (an event), a failing one, a mount that was refused, our own
disk, a configuration that lets no acknowledgement be sent. The file system is unmounted in every case, and nothing but
that makes the bay safe to pull.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muleteer.agent.acknowledging import RoundAcknowledger
from muleteer.agent.events import Ending, RoundEnded
from muleteer.agent.pace import Pace
from muleteer.agent.seat import take_seat
from muleteer.agent.status import Phase, Problem, Progress, RoundSummary
from muleteer.agent.toss_log import TossLog
from muleteer.carriers.stick import Round
from muleteer.carriers.stick_report import Hold, RoundResult
from muleteer.errors import CarrierError, MountRefused, MuleteerError, RunnerGone

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from muleteer.agent.box import Box
    from muleteer.agent.clock import Clock
    from muleteer.agent.events import RoundErrand
    from muleteer.agent.journal import Journal
    from muleteer.agent.seat import Seat
    from muleteer.carriers.stick_report import Advance
    from muleteer.hotplug.mounts import Mounts


class RoundWork:
    """One round; `run` does it and never raises but for a bug. Errors met become the ending's problem."""

    def __init__(
        self,
        box: Box,
        mounts: Mounts,
        clock: Clock,
        journal: Journal,
        errand: RoundErrand,
        report: Callable[[Progress], None],
        stop: threading.Event,
    ) -> None:
        self._box = box
        self._mounts = mounts
        self._clock = clock
        self._journal = journal
        self._errand = errand
        self._report = report
        self._stop = stop
        self._log = TossLog(box.config, box.disk(), journal)
        self._pace = Pace(clock.monotonic)
        self._result = RoundResult()
        self._error: MuleteerError | None = None

    def run(self) -> RoundEnded:
        """Do the round and return its end."""
        try:
            seat = take_seat(self._errand.stick, self._mounts)
        except CarrierError as error:
            self._error = error
            return self._ended()
        try:
            self._carry(seat)
        except MuleteerError as error:
            self._error = error
        finally:
            self._release(seat)
        self._tell_refusals()
        return self._ended()

    def _carry(self, seat: Seat) -> None:
        spool = self._box.spool()
        acknowledger = RoundAcknowledger(self._box.config, spool, self._log, self._box.rules.silent)
        work = Round(
            spool,
            self._box.disk(),
            self._box.ledger(spool),
            self._box.own.id,
            self._box.config.neighbours.keys(),
            self._errand.allowance,
            seat.path,
            runner=self._errand.runner,
            now=self._clock.wall(),
            acknowledge=acknowledger.acknowledge,
            acknowledged=acknowledger.flush,
            traits=seat.traits,
            report=self._advanced,
            present=seat.present,
            make_writable=seat.make_writable,
            stop=self._stop.is_set,
        )
        self._result = work.result
        work.run()

    def _release(self, seat: Seat) -> None:
        self._report(Progress(Phase.UNMOUNTING))
        try:
            seat.release()
        except MountRefused as error:
            self._error = self._error or error

    def _advanced(self, advance: Advance) -> None:
        self._report(self._pace.progress(advance))

    def _tell_refusals(self) -> None:
        keys = {"bay": self._errand.bay, "runner": self._errand.runner}
        for refusal in self._result.refusals.listed:
            self._journal.event("refused", where=refusal.where, reason=refusal.reason, **keys)
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
        if isinstance(self._error, RunnerGone):
            return Ending.GONE
        if self._error is not None or self._result.problems:
            return Ending.BLEMISHED
        if self._result.foreign:
            return Ending.FOREIGN
        return Ending.COMPLETE if self._result.complete else Ending.BROKEN_OFF

    def _problem(self) -> Problem | None:
        since = self._clock.wall()
        error = self._error or next(iter(self._result.problems), None)
        if error is not None:
            return problem_of(error, since)
        if self._result.refused:
            return _refused_problem(self._result, since)
        if not self._result.complete:
            remedy = "pull it, or leave it in: its round completes at the next start"
            return Problem("the agent was stopped in the middle of its round", remedy, since)
        return None


def problem_of(error: MuleteerError, since: float) -> Problem:
    """Return an error as what to show: its last sentence is what to do about it."""
    what, stop, remedy = str(error).removesuffix(".").rpartition(". ")
    return Problem(what, remedy, since) if stop else Problem(remedy, "", since)


def _refused_problem(result: RoundResult, since: float) -> Problem:
    reason, count = max(result.refusals.by_reason.items(), key=lambda item: item[1])
    others = f", and {result.refused - count} for other reasons" if result.refused > count else ""
    what = f"{result.refused} on it refused: {reason} ({count}){others}"
    return Problem(what, "everything else was taken; the log names each", since)
