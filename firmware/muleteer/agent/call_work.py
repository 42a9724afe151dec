# SPDX-License-Identifier: GPL-3.0-or-later
"""Do one call in its thread: the addresses in turn, one session, and say how it ended.

Never raises but for a bug: what a call can meet is in the report of its end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muleteer.agent.events import CallEnded
from muleteer.agent.exchanges import calling, summary_of, unreached
from muleteer.agent.retired import forget_copies
from muleteer.agent.session_log import SessionLog, SessionRecords
from muleteer.agent.trouble import log_problem
from muleteer.carriers.call import place_call
from muleteer.carriers.online import DISK, LOCKED
from muleteer.crypto.keys import ExchangeKey
from muleteer.errors import MuleteerError, SpoolError, SpoolLocked

if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.agent.box import Box
    from muleteer.agent.budgets import Budgets, SessionPurse
    from muleteer.agent.clock import Clock
    from muleteer.agent.events import CallErrand, Event, Now
    from muleteer.agent.journal import Journal
    from muleteer.agent.watched_exchange import WatchedExchange
    from muleteer.carriers.online import SessionReport
    from muleteer.carriers.stream import WakeFlag


class CallWork:
    """One call; `run` places it."""

    def __init__(
        self,
        box: Box,
        budgets: Budgets,
        clock: Clock,
        now: Callable[[], Now],
        journal: Journal,
        errand: CallErrand,
        tell: Callable[[Event], None],
        stop: WakeFlag,
        give_way: Callable[[], bool] = lambda: False,
        has_gone: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._box = box
        self._budgets = budgets
        self._clock = clock
        self._now = now
        self._journal = journal
        self._errand = errand
        self._neighbour = box.config.neighbours[errand.node]
        self._log = SessionLog(box.config, box.disk(), journal, clock.wall_ns)
        self._records = SessionRecords(self._log, self._neighbour, clock.monotonic, incoming=False)
        self._tell = tell
        self._stop = stop
        self._give_way = give_way
        self._has_gone = has_gone
        self._error: MuleteerError | None = None
        self._connected_at: float | None = None

    def run(self) -> CallEnded:
        """Place the call and return its end."""
        try:
            report = self._with_purse()
        except SpoolLocked as error:
            report = unreached(self._errand.node, error, LOCKED)
        except SpoolError as error:
            report = unreached(self._errand.node, error, DISK)
        self._records.finished(report)
        if report.sent:
            forget_copies(self._box, self._errand.node, self._journal, report.confirmed)
        summary = summary_of(report, self._clock.wall(), incoming=False)
        return CallEnded(self._errand, report, summary, log_problem(self._log.problem))

    def _with_purse(self) -> SessionReport:
        errand = self._errand
        purse = self._budgets.purse_for(self._box.appliance.lines[errand.carrier], self._neighbour.name, self._now)
        try:
            report = place_call(
                errand.addresses,
                lambda: self._exchange(purse),
                interface=errand.interface,
                proxy=errand.proxy,
                stop=self._stop,
                began=self._records.started,
                failed=self._failed,
            )
        finally:
            if purse is not None:
                began = self._connected_at
                purse.close(0.0 if began is None else self._clock.monotonic() - began)
        return report or unreached(errand.node, self._error)

    def _exchange(self, purse: SessionPurse | None) -> WatchedExchange:
        if self._connected_at is None:
            self._connected_at = self._clock.monotonic()
        return calling(
            self._errand,
            self._neighbour,
            self._box.spool(),
            self._box.own,
            ephemeral=ExchangeKey.generate(),
            purse=purse,
            tell=self._tell,
            log=self._log,
            give_way=self._give_way,
            cut_off=lambda: self._errand.interface is not None and self._has_gone(self._errand.interface),
        )

    def _failed(self, address: str, error: MuleteerError | None) -> None:
        self._error = error
        self._records.failed(address, error)
        self._journal.event(
            "no session",
            neighbour=self._neighbour.name,
            carrier=self._errand.carrier,
            address=address,
            problem=None if error is None else str(error),
        )
