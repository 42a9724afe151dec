# SPDX-License-Identifier: GPL-3.0-or-later
"""The synchronous side of the agent: what the runner's threads do. No trio here.

Nothing raises but for a bug: what an errand can meet is in the event it returns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muleteer.agent.budgets import Budgets
from muleteer.agent.call_work import CallWork
from muleteer.agent.events import Now, SurveyEnded, TossEnded
from muleteer.agent.round_work import RoundWork
from muleteer.agent.toss_log import TossLog
from muleteer.agent.trouble import log_problem, problem_of
from muleteer.errors import MuleteerError, SpoolError
from muleteer.hotplug.mounts import Mounts
from muleteer.spool.aside import Aside
from muleteer.tossing.terms import TossOptions
from muleteer.tossing.tosser import Tosser

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from muleteer.agent.box import Box
    from muleteer.agent.clock import Clock
    from muleteer.agent.events import CallEnded, CallErrand, Event, RoundEnded, RoundErrand, TossErrand
    from muleteer.agent.journal import Journal
    from muleteer.agent.runner import ProgressSlot
    from muleteer.carriers.stream import WakeFlag
    from muleteer.tossing.terms import TossReport

REST_FACTOR = 20.0  # a survey may take 5 % of one core, however large the spool is
REST_SECONDS_MIN = 0.05  # below that a survey costs nothing worth saving
LOCKED_SECONDS = 30.0  # until a neighbour's packets are looked at again that another process was tossing
RETRY_SECONDS_MIN = 1.0  # a packet that is due now, and failed now, is not tried in a loop
TROUBLE_SECONDS = 60.0  # until a look at a spool that failed is taken again


class BoxWorks:
    """The errands of one box."""

    def __init__(
        self,
        box: Box,
        clock: Clock,
        journal: Journal,
        mounts: Mounts | None = None,
        *,
        budgets: Budgets | None = None,
        now: Callable[[], Now] | None = None,
        give_way: Callable[[], bool] = lambda: False,
        has_gone: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._give_way = give_way
        self._has_gone = has_gone
        self._budgets = budgets or Budgets()
        self._now = now or (lambda: Now(clock.wall(), clock.monotonic()))
        self._box = box
        self._clock = clock
        self._journal = journal
        self._mounts = mounts or Mounts()
        self._log = TossLog(box.config, box.disk(), journal, clock.wall_ns)

    def round(self, errand: RoundErrand, report: ProgressSlot, stop: threading.Event) -> RoundEnded:
        """Do a whole round."""
        return RoundWork(self._box, self._mounts, self._clock, self._journal, errand, report.put, stop).run()

    def toss(self, errand: TossErrand, stop: threading.Event) -> TossEnded:
        """Toss what waits in rx."""
        box, now = self._box, self._clock.wall()
        spool = box.spool()
        rules = box.appliance.toss
        options = TossOptions(
            seen=rules.seen,
            respect_backoff=not errand.insist,
            path=rules.path,
            time_limit_s=rules.time_limit_s,
            stop=stop.is_set,
        )
        try:
            report = Tosser(box.config, spool, Aside(spool), self._log, options).toss(now)
            box.ledger(spool).retire(report.retired)
        except MuleteerError as error:
            return TossEnded(problem=problem_of(error, now), retry_in=TROUBLE_SECONDS)
        return TossEnded(
            report.delivered,
            len(report.retired),
            self._retry_in(report, now),
            log_problem(report.log_problem, now),
        )

    def _retry_in(self, report: TossReport, now: float) -> float | None:
        locked = LOCKED_SECONDS if report.locked else None
        due = None if report.next_try is None else max(RETRY_SECONDS_MIN, report.next_try - now)
        return min((seconds for seconds in (locked, due) if seconds is not None), default=None)

    def call(self, errand: CallErrand, tell: Callable[[Event], None], stop: WakeFlag) -> CallEnded:
        """Place a call."""
        box, clock, journal = self._box, self._clock, self._journal
        return CallWork(
            box, self._budgets, clock, self._now, journal, errand, tell, stop, self._give_way, self._has_gone
        ).run()

    def survey(self) -> SurveyEnded:
        """Count the spool."""
        began, now = self._clock.monotonic(), self._clock.wall()
        try:
            survey = self._box.surveyor().survey(now)
        except SpoolError as error:
            self._journal.alarm("the spool cannot be read", problem=str(error))
            return SurveyEnded(problems=(problem_of(error, now),), retry_in=TROUBLE_SECONDS)
        rest = (self._clock.monotonic() - began) * REST_FACTOR
        return SurveyEnded(
            survey.queue,
            survey.waiting_toss,
            survey.set_aside,
            survey.travelling,
            survey.problems,
            rest if rest > REST_SECONDS_MIN * REST_FACTOR else 0.0,
            waiting=survey.waiting,
            began=began,
        )
