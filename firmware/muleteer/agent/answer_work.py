# SPDX-License-Identifier: GPL-3.0-or-later
"""Answer one incoming connection in its thread: find out by which carrier it came, and carry one session.

Unknown callers, and those that are not welcome now, are cut at once; a few words a minute are said of it.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from muleteer.agent.events import AnswerEnded
from muleteer.agent.exchanges import summary_of
from muleteer.agent.retired import forget_copies
from muleteer.agent.session_log import SessionLog, SessionRecords
from muleteer.agent.trouble import log_problem
from muleteer.carriers.stream import run
from muleteer.crypto.keys import ExchangeKey
from muleteer.errors import SpoolError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from muleteer.agent.box import Box
    from muleteer.agent.clock import Clock
    from muleteer.agent.events import Event
    from muleteer.agent.exchanges import Answer, Reception
    from muleteer.agent.journal import Journal
    from muleteer.carriers.link import SocketLink
    from muleteer.carriers.listener import Door, Guest
    from muleteer.carriers.stream import WakeFlag
    from muleteer.hotplug.interfaces import Interface

MAPPED = "::ffff:"  # how an IPv4 address looks on a socket for both


class AnswerWork:
    """Answers for one agent; `run` may be at work in several threads."""

    def __init__(
        self,
        box: Box,
        reception: Reception,
        clock: Clock,
        journal: Journal,
        door: Door,
        tell: Callable[[Event], None],
        stop: WakeFlag,
    ) -> None:
        self._box = box
        self._reception = reception
        self._clock = clock
        self._journal = journal
        self._door = door
        self._tell = tell
        self._stop = stop
        self.interfaces: tuple[Interface, ...] = ()  # as they are now; replaced whole by the agent's loop

    def run(self, link: SocketLink, guest: Guest) -> None:
        """Carry the session to its end; the link is closed then."""
        interface = interface_of(link, self.interfaces)
        rule = self._reception.carrier_of(interface)
        if rule is None:
            link.close()
            self._remark(link.name, "no carrier takes calls by this interface")
            return
        log = SessionLog(self._box.config, self._box.disk(), self._journal, self._clock.wall_ns)
        answer = self._reception.answering(
            rule,
            self._box.spool(),
            self._box.own,
            ephemeral=ExchangeKey.generate(),
            tell=self._tell,
            log=log,
            cut_off=lambda: interface is not None and self.has_gone(interface.name),
        )
        began = self._clock.monotonic()
        try:
            self._carry(link, guest, answer, log)
        except SpoolError as error:
            self._journal.alarm("a caller could not be answered", address=link.name, problem=str(error))
            return
        finally:
            answer.close(self._clock.monotonic() - began)
        self._ended(link.name, rule.name, answer, log)

    def has_gone(self, interface: str) -> bool:
        """Return whether an interface is not up any more; for any thread."""
        known = self.interfaces
        return bool(known) and not any(one.up and one.name == interface for one in known)

    def _carry(self, link: SocketLink, guest: Guest, answer: Answer, log: SessionLog) -> None:
        records: SessionRecords | None = None

        def known() -> None:
            nonlocal records
            guest.known()
            if answer.partner is not None:
                neighbour = self._box.config.neighbours[answer.partner.node]
                records = SessionRecords(log, neighbour, self._clock.monotonic, incoming=True)
                records.started(link.name)

        report = run(link, answer.exchange, self._stop, began=known)
        if records is not None:
            records.finished(report)

    def _ended(self, address: str, carrier: str, answer: Answer, log: SessionLog) -> None:
        report, node = answer.exchange.report, answer.exchange.begun
        summary = summary_of(report, self._clock.wall(), incoming=True)
        if node is None:
            self._remark(address, summary.said)
            return
        if report.sent:
            forget_copies(self._box, node, self._journal, report.confirmed)
        self._tell(AnswerEnded(node, carrier, report, summary, log_problem(log.problem)))

    def _remark(self, address: str, problem: str) -> None:
        if self._door.may_remark(address, self._clock.monotonic()):
            self._journal.event("caller turned away", address=address, problem=problem)


def interface_of(link: SocketLink, interfaces: Iterable[Interface]) -> Interface | None:
    """Return the interface by which a connection came in, or None if it is not known (any more)."""
    try:
        with socket.socket(fileno=socket.dup(link.readable_fd)) as twin:
            where = twin.getsockname()
    except OSError:
        return None
    return interface_at(str(where[0]), interfaces)


def interface_at(address: str, interfaces: Iterable[Interface]) -> Interface | None:
    """Return the interface that has this local address: "10.0.0.2", "fe80::1%eth0"; None: none has."""
    host, _, zone = address.removeprefix(MAPPED).partition("%")
    return next((i for i in interfaces if host in i.addresses and zone in ("", i.name)), None)
