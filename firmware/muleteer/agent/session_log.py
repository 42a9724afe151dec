# SPDX-License-Identifier: GPL-3.0-or-later
"""Write what sessions do into both logs: all of it into the one that ``nncp-log`` reads, of it the mail into our own.

A log that cannot be written ends no session, as it stops no toss; `SessionLog.problem` says why it has gaps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muleteer.agent.trouble import LOG_FAILED
from muleteer.carriers.call_log import CallLog
from muleteer.spool.logbook import Logbook
from muleteer.tossing.steady_log import SteadyLog

if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.agent.journal import Journal
    from muleteer.carriers.online import SessionReport
    from muleteer.config.model import Config, Neighbour
    from muleteer.errors import MuleteerError
    from muleteer.spool.port import Disk

MAIL = frozenset({"sp-file-done", "sp-checker-done", "sp-done"})  # a packet has arrived, here or there
SAID_ELSEWHERE = frozenset({"calling", "call-started", "call-finished"})  # by the narrator, in other words


class SessionLog:
    """The log of one session, in its thread. It never raises."""

    def __init__(self, config: Config, disk: Disk, journal: Journal, now_ns: Callable[[], int]) -> None:
        self._logbook = SteadyLog(Logbook(config.log, disk, now_ns))
        self._journal = journal
        self._is_told = False

    @property
    def problem(self) -> str:
        """Why NNCP's log has gaps; empty: it has none."""
        return self._logbook.problem

    def event(self, who: str, message: str, fields: list[tuple[str, str]], err: str | None = None) -> None:
        """Take one event; `err` tells that it failed, and how."""
        self._tell(who, message, fields, err)
        self._logbook.event(who, message, fields, err)
        self._tell_problem()

    def events(self, those: list[tuple[str, str, list[tuple[str, str]]]]) -> None:
        """Take what happened together (who, message, fields), by one write to the log file."""
        for who, message, fields in those:
            self._tell(who, message, fields, None)
        self._logbook.events(those)
        self._tell_problem()

    def _tell(self, who: str, message: str, fields: list[tuple[str, str]], err: str | None) -> None:
        if who in MAIL if err is None else who not in SAID_ELSEWHERE:
            keys = dict(reversed(fields))
            self._journal.event(message, packet=keys.get("Pkt"), neighbour=keys.get("Node"), problem=err)

    def _tell_problem(self) -> None:
        if self.problem and not self._is_told:
            self._is_told = True
            self._journal.alarm(LOG_FAILED, problem=self.problem)


class SessionRecords:
    """The records of a session with a neighbour as a whole; see `CallLog`."""

    def __init__(
        self, log: SessionLog, neighbour: Neighbour, monotonic: Callable[[], float], *, incoming: bool
    ) -> None:
        self._log = CallLog(log, neighbour.id, neighbour.name, incoming=incoming)
        self._monotonic = monotonic
        self._address = ""
        self._began = 0.0

    def started(self, address: str) -> None:
        """Write that the other side has proven who it is."""
        self._address, self._began = address, self._monotonic()
        self._log.started(address)

    def failed(self, address: str, error: MuleteerError | None) -> None:
        """Write that an address led to no session."""
        self._log.failed(address, error)

    def finished(self, report: SessionReport) -> None:
        """Write how the session went that was started, if one was."""
        if self._address:
            self._log.finished(self._address, report, self._monotonic() - self._began)
