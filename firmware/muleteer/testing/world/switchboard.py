# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls and answers of one box's agent over the links of the world, as `call_work` and `answer_work` do them.

Everything above the sockets is the agent's own: purses, terms, exchanges, receptions, summaries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muleteer.agent.events import AnswerEnded, CallEnded
from muleteer.agent.exchanges import Reception, calling, summary_of, unreached
from muleteer.agent.retired import forget_copies
from muleteer.agent.session_log import SessionLog
from muleteer.agent.trouble import log_problem
from muleteer.carriers.online import DISK, LOCKED
from muleteer.crypto.keys import ExchangeKey
from muleteer.errors import LinkFailed, MuleteerError, SpoolError, SpoolLocked
from muleteer.testing.world.session import WorldSession

if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.agent.budgets import SessionPurse
    from muleteer.agent.events import CallErrand
    from muleteer.agent.exchanges import WatchedExchange
    from muleteer.agent.journal import Journal
    from muleteer.carriers.online import SessionReport
    from muleteer.formats.ids import NodeId
    from muleteer.hotplug.interfaces import Interface
    from muleteer.testing.world.agent import WorldAgent
    from muleteer.testing.world.links import End
    from muleteer.testing.world.timeline import Timeline

    Moved = Callable[[WorldSession, int, int], None]
    Dial = Callable[[str, str | None, Callable[[End | None], None]], None]


class Switchboard:
    """Places and takes the calls of one agent. `dial(address, interface, got)` connects, or gives None."""

    def __init__(self, agent: WorldAgent, journal: Journal, timeline: Timeline, dial: Dial, moved: Moved) -> None:
        self.sessions: list[WorldSession] = []
        self.agent = agent
        self.journal = journal
        self.dial = dial
        self._timeline = timeline
        self._moved = moved
        box = agent.box
        self._reception = Reception.of(box.lines, box.config.neighbours, agent.budgets, agent.now, agent.gives_way)

    def hang_up(self) -> None:
        """Have every session end: the agent stops."""
        for session in list(self.sessions):
            session.wake()

    def call(self, errand: CallErrand) -> None:
        """Place a call."""
        _Call(self, errand).begin()

    def answer(self, end: End, interface: Interface) -> None:
        """Take a call that came in by an interface."""
        agent = self.agent
        rule = self._reception.carrier_of(interface)
        if rule is None or agent.stopping:
            end.close()
            return
        log = self.log()
        answer = self._reception.answering(
            rule,
            agent.box.spool(),
            agent.box.own,
            ephemeral=ExchangeKey.generate(),
            tell=agent.tell,
            log=log,
            thread_bytes=None,
        )
        began = agent.power.clock.monotonic()

        def ended(report: SessionReport) -> None:
            answer.close(agent.power.clock.monotonic() - began)
            node = answer.exchange.begun
            summary = summary_of(report, agent.clock.wall(), incoming=True)
            if node is None:
                self.journal.event("caller turned away", problem=summary.said)
                return
            self.tidy(report, node)
            agent.tell(AnswerEnded(node, rule.name, report, summary, log_problem(log.problem)))

        try:
            self.start(answer.exchange, end, rule.name, ended)
        except SpoolError as error:
            answer.close(0.0)
            self.journal.alarm("a caller could not be answered", problem=str(error))

    def start(self, exchange: WatchedExchange, end: End, carrier: str, ended: Callable[[SessionReport], None]) -> None:
        """Begin a session. Raises what `Exchange.open` does."""

        def over(report: SessionReport) -> None:
            self.sessions.remove(session)
            ended(report)

        session = WorldSession(self.agent, exchange, end, carrier, self._timeline, over, self._moved)
        self.sessions.append(session)
        try:
            session.open()
        except MuleteerError:
            self.sessions.remove(session)
            raise

    def log(self) -> SessionLog:
        """Return where a session writes what it does."""
        agent = self.agent
        return SessionLog(agent.box.config, agent.power.disk, self.journal, agent.clock.wall_ns)

    def tidy(self, report: SessionReport, node: NodeId) -> None:
        """Tidy the ledger after a session."""
        if report.sent:
            forget_copies(self.agent.box, node, self.journal, report.confirmed)


class _Call:
    """One call: the addresses in turn, one session, one end."""

    def __init__(self, board: Switchboard, errand: CallErrand) -> None:
        self._board = board
        self._agent = board.agent
        self._errand = errand
        self._neighbour = board.agent.box.config.neighbours[errand.node]
        self._addresses = list(errand.addresses)
        self._purse: SessionPurse | None = None
        self._report: SessionReport | None = None
        self._error: MuleteerError | None = None
        self._connected_at: float | None = None
        self._log = board.log()

    def begin(self) -> None:
        """Open the purse and dial."""
        rule = self._agent.box.appliance.lines[self._errand.carrier]
        try:
            self._purse = self._agent.budgets.purse_for(rule, self._neighbour.name, self._agent.now)
        except SpoolError as error:
            self._end(unreached(self._errand.node, error, DISK))
            return
        self._next()

    def _next(self) -> None:
        if self._addresses and not self._agent.stopping:
            self._board.dial(self._addresses.pop(0), self._errand.interface, self._got)
        else:
            self._end(self._report or unreached(self._errand.node, self._error))

    def _got(self, end: End | None) -> None:
        if not self._agent.powered:
            if end is not None:
                end.abandon()
            return
        if end is None:
            self._error = LinkFailed(address=self._errand.carrier, problem="no answer")
            self._next()
            return
        if self._connected_at is None:
            self._connected_at = self._agent.power.clock.monotonic()
        self._agent.perform(lambda: self._talk(end))

    def _talk(self, end: End) -> None:
        errand, agent = self._errand, self._agent
        exchange = calling(
            errand,
            self._neighbour,
            agent.box.spool(),
            agent.box.own,
            ephemeral=ExchangeKey.generate(),
            purse=self._purse,
            tell=agent.tell,
            log=self._log,
            give_way=agent.gives_way,
            thread_bytes=None,
        )
        try:
            self._board.start(exchange, end, errand.carrier, self._talked)
        except SpoolLocked as error:
            self._end(unreached(errand.node, error, LOCKED))
        except SpoolError as error:
            self._end(unreached(errand.node, error, DISK))

    def _talked(self, report: SessionReport) -> None:
        self._report = report
        if report.established:
            self._end(report)
        else:
            self._next()

    def _end(self, report: SessionReport) -> None:
        clock = self._agent.power.clock
        if self._purse is not None:
            self._purse.close(0.0 if self._connected_at is None else clock.monotonic() - self._connected_at)
        self._board.tidy(report, self._errand.node)
        summary = summary_of(report, self._agent.clock.wall(), incoming=False)
        self._agent.finished(self._errand, CallEnded(self._errand, report, summary, log_problem(self._log.problem)))
