# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the exchange of one session, for a call and for an answered one, and say in values how it went.

No sockets, threads or trio here: the agent's workers drive these exchanges over links, the world simulator through the
air. `Reception` is thread-safe: it holds frozen rules only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from muleteer.agent.lines import NeighbourLines, answer_terms, carrier_of
from muleteer.agent.status import SessionSummary
from muleteer.agent.watched_exchange import CUT_OFF, GIVEN_WAY, WatchedExchange
from muleteer.carriers.online import BUDGET, DISK, LOCKED, REFUSED, Partner, SessionReport
from muleteer.engines.sync_events import ASKED, ENDED_BY_ERROR, EOF, IDLE, SILENCE, TIME
from muleteer.errors import LinkFailed, SpoolError
from muleteer.spool.draft import THREAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from muleteer.agent.budgets import Budgets, SessionPurse
    from muleteer.agent.events import CallErrand, Event, Now
    from muleteer.carriers.online import Log
    from muleteer.config.carrier_rules import CarrierRule
    from muleteer.config.model import Neighbour, OwnKeys
    from muleteer.crypto.keys import ExchangeKey
    from muleteer.errors import MuleteerError
    from muleteer.formats.ids import NodeId
    from muleteer.hotplug.interfaces import Interface
    from muleteer.spool.spool import Spool

__all__ = ["UNREACHED", "Answer", "Reception", "WatchedExchange", "calling", "summary_of", "unreached"]

UNREACHED = "unreached"  # how a call ended whose addresses could not even be connected

WORDS = {
    IDLE: "nothing more was to be done",
    EOF: "the other side hung up",
    TIME: "its time was over",
    SILENCE: "the other side fell silent",
    ASKED: "broken off: the agent stops",
    LOCKED: "another session or program is at work on this neighbour",
    REFUSED: "the caller is not welcome",
    BUDGET: "the budget is used up",
    DISK: "our own disk failed",
    ENDED_BY_ERROR: "the other side broke the protocol",
    UNREACHED: "nobody answered",
    GIVEN_WAY: "a stick waited for its turn",
    CUT_OFF: "its interface went down",
}
"""How sessions end, for people."""


def calling(
    errand: CallErrand,
    neighbour: Neighbour,
    spool: Spool,
    own: OwnKeys,
    *,
    ephemeral: ExchangeKey,
    purse: SessionPurse | None,
    tell: Callable[[Event], None],
    log: Log | None = None,
    give_way: Callable[[], bool] = lambda: False,
    cut_off: Callable[[], bool] = lambda: False,
    thread_bytes: int | None = THREAD_BYTES,
) -> WatchedExchange:
    """Return the exchange of a call, to be opened. The neighbour must have a noisepub."""
    terms = errand.terms if purse is None else purse.within(errand.terms)
    partner = Partner(errand.node, neighbour.name, neighbour.noisepub or b"", terms, purse)
    return WatchedExchange(
        spool,
        own,
        errand.carrier,
        tell,
        ephemeral=ephemeral,
        partner=partner,
        log=log,
        give_way=give_way,
        cut_off=cut_off,
        thread_bytes=thread_bytes,
    )


@dataclass(frozen=True, slots=True)
class Reception:
    """Who may call in, by which carrier and on what terms. `now` may be called in any thread."""

    rules: tuple[CarrierRule, ...]
    callers: Mapping[bytes, Neighbour]  # by noisepub
    budgets: Budgets
    now: Callable[[], Now]
    give_way: Callable[[], bool]

    @classmethod
    def of(
        cls,
        rules: tuple[CarrierRule, ...],
        neighbours: Mapping[NodeId, Neighbour],
        budgets: Budgets,
        now: Callable[[], Now],
        give_way: Callable[[], bool] = lambda: False,
    ) -> Reception:
        """Return a reception for those of the neighbours that can call: they have a noisepub."""
        return cls(rules, {n.noisepub: n for n in neighbours.values() if n.noisepub}, budgets, now, give_way)

    def carrier_of(self, interface: Interface | None, *, pipe: bool = False) -> CarrierRule | None:
        """Return the rule for whoever comes in by this interface; None: nobody may."""
        return carrier_of(self.rules, interface, pipe=pipe)

    def answering(
        self,
        rule: CarrierRule,
        spool: Spool,
        own: OwnKeys,
        *,
        ephemeral: ExchangeKey,
        tell: Callable[[Event], None],
        log: Log | None = None,
        cut_off: Callable[[], bool] = lambda: False,
        thread_bytes: int | None = THREAD_BYTES,
    ) -> Answer:
        """Return the answer to one incoming connection: open its exchange, and close the answer at the end."""
        return Answer(
            self, rule, spool, own, ephemeral=ephemeral, tell=tell, log=log, cut_off=cut_off, thread_bytes=thread_bytes
        )


class Answer:
    """One incoming connection: `exchange` is its session, `partner` who it is, once known."""

    def __init__(
        self,
        reception: Reception,
        rule: CarrierRule,
        spool: Spool,
        own: OwnKeys,
        *,
        ephemeral: ExchangeKey,
        tell: Callable[[Event], None],
        log: Log | None,
        cut_off: Callable[[], bool],
        thread_bytes: int | None,
    ) -> None:
        self._reception = reception
        self._rule = rule
        self._purse: SessionPurse | None = None
        self.partner: Partner | None = None
        self.exchange = WatchedExchange(
            spool,
            own,
            rule.name,
            tell,
            ephemeral=ephemeral,
            welcome=self._welcome,
            log=log,
            give_way=reception.give_way,
            cut_off=cut_off,
            thread_bytes=thread_bytes,
        )

    def close(self, seconds: float) -> None:
        """Give back what was not spent of the budget; the session was on line for so many seconds."""
        if self._purse is not None:
            self._purse.close(seconds)

    def _welcome(self, noisepub: bytes) -> Partner | None:
        neighbour = self._reception.callers.get(noisepub)
        if neighbour is None:
            return None
        now = self._reception.now()
        terms = answer_terms(self._rule, NeighbourLines.of(neighbour), now.wall, now.sure)
        if terms is None:
            return None
        try:
            purse = self._reception.budgets.purse_for(self._rule, neighbour.name, self._reception.now)
        except SpoolError:  # the disk: what is spent could not be written down
            return None
        self._purse = purse
        within = terms if purse is None else purse.within(terms)
        self.partner = Partner(neighbour.id, neighbour.name, noisepub, within, purse)
        return self.partner


def summary_of(report: SessionReport, wall: float, *, incoming: bool) -> SessionSummary:
    """Return a session's end in the status's words; `wall` is when it ended."""
    return SessionSummary(
        ended=wall,
        incoming=incoming,
        established=report.established,
        received=report.received,
        received_bytes=report.received_bytes,
        sent=report.sent,
        sent_bytes=report.sent_bytes,
        wire=report.wire_in + report.wire_out,
        held=report.held_count,
        complete=report.established and not report.unfinished,
        said=_words(report),
    )


def _words(report: SessionReport) -> str:
    if isinstance(report.error, LinkFailed):
        return f"no connection to {report.error.facts.get('address')}: {report.error.facts.get('problem')}"
    if report.error is not None:
        return str(report.error)
    # There is no goodbye: of two that are done, one hangs up first.
    is_done = report.ended == EOF and report.established and not report.unfinished
    return "the other side was done" if is_done else WORDS.get(report.ended, report.ended)


def unreached(node: NodeId, error: MuleteerError | None, ended: str = UNREACHED) -> SessionReport:
    """Return the report of a call that came to no session."""
    return SessionReport(
        node=node,
        established=False,
        received=0,
        received_bytes=0,
        sent=0,
        sent_bytes=0,
        wire_in=0,
        wire_out=0,
        held=(),
        held_count=0,
        listed=(),
        unfinished=False,
        ended=ended,
        error=error,
        damaged=0,
    )
