# SPDX-License-Identifier: GPL-3.0-or-later
"""An exchange that the agent can follow: it tells events, gives way to a stick, and ends when its interface goes down.

A link may stay on line for hours with nothing to carry, and holds the locks of its neighbour's queues all the time.
What is too big for it waits for a stick; when one is in, the link must let go, or the stick would go away empty. And
TCP notices only after minutes that a cable is out or a modem gone; what is urgent would wait for that instead of going
by another carrier.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from muleteer.agent.events import SessionBegan, SessionProgressed
from muleteer.agent.status import SessionProgress
from muleteer.carriers.exchange import Exchange
from muleteer.crypto.keys import ExchangeKey
from muleteer.spool.draft import THREAD_BYTES
from muleteer.spool.layout import RX

if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.agent.events import Event
    from muleteer.carriers.online import Log, Partner
    from muleteer.carriers.online import SessionProgress as PacketProgress
    from muleteer.config.model import OwnKeys
    from muleteer.formats.ids import NodeId, PacketName
    from muleteer.spool.port import Buffer
    from muleteer.spool.spool import Spool

QUIET_SECONDS = 2.0  # after which a session gives way
GIVEN_WAY = "given way"
CUT_OFF = "cut off"
PROGRESS_SECONDS = 0.2  # between two reports of one session: a lamp and a bar need no more


class WatchedExchange(Exchange):
    """An exchange that tells when it has begun and, now and then, how far it is, and that gives way.

    `tell` is called in the session's thread and must not block. While `give_way()` says that somebody waits for the
    neighbours' locks, a session that moves nothing ends; so does one that `cut_off()` says has lost its interface.
    `partner` and `welcome` are as of `Exchange`.
    """

    def __init__(
        self,
        spool: Spool,
        own: OwnKeys,
        carrier: str,
        tell: Callable[[Event], None],
        *,
        ephemeral: ExchangeKey,
        partner: Partner | None = None,
        welcome: Callable[[bytes], Partner | None] | None = None,
        log: Log | None = None,
        give_way: Callable[[], bool] = lambda: False,
        cut_off: Callable[[], bool] = lambda: False,
        thread_bytes: int | None = THREAD_BYTES,
    ) -> None:
        self._witness = _Witness(tell, carrier, incoming=partner is None)
        self._give_way = give_way
        self._cut_off = cut_off
        super().__init__(
            spool,
            ExchangeKey(own.noiseprv),
            partner=partner,
            welcome=welcome,
            ephemeral=ephemeral,
            log=log,
            progress=self._witness.note,
            thread_bytes=thread_bytes,
        )

    @property
    def begun(self) -> NodeId | None:
        """With whom the session is that was told to have begun; None: none was."""
        return self._witness.begun

    def receive(self, data: Buffer, now: float) -> None:
        """As of `Exchange`."""
        super().receive(data, now)
        self._witness.look(self, now)

    def to_send(self, out: memoryview, now: float) -> int:
        """As of `Exchange`."""
        count = super().to_send(out, now)
        self._witness.look(self, now)
        return count

    def on_deadline(self, now: float) -> None:
        """As of `Exchange`."""
        super().on_deadline(now)
        self._witness.look(self, now)
        if self._witness.quiet_seconds(now) >= QUIET_SECONDS:
            if self._cut_off():
                self.close(CUT_OFF, now)
            elif self._give_way():
                self.close(GIVEN_WAY, now)

    def finish(self, now: float) -> None:
        """As of `Exchange`."""
        super().finish(now)
        self._witness.look(self, math.inf)


class _Witness:
    """Looks at an exchange and tells what is new."""

    def __init__(self, tell: Callable[[Event], None], carrier: str, *, incoming: bool) -> None:
        self._tell = tell
        self._carrier = carrier
        self._incoming = incoming
        self._come, self._gone = _Way(), _Way()
        self._told = SessionProgress()  # without its `wire`: pings are no news
        self._again_at = -math.inf
        self._wire = 0
        self._moved_at: float | None = None
        self.begun: NodeId | None = None

    def note(self, packet: PacketProgress) -> None:
        if packet.way == RX:
            self._come.note(packet, packet.received_bytes, packet.expected_bytes)
        else:
            self._gone.note(packet, packet.sent_bytes, packet.offered_bytes)

    def look(self, exchange: Exchange, now: float) -> None:
        if self.begun is None:
            if exchange.partner is not None and exchange.established:
                self.begun = exchange.partner.node
                self._tell(SessionBegan(self.begun, self._carrier, self._incoming))
        elif now >= self._again_at:
            self._again_at = now + PROGRESS_SECONDS
            report = exchange.report
            wire = report.wire_in + report.wire_out
            if wire != self._wire or self._moved_at is None:
                self._wire, self._moved_at = wire, now
            news = SessionProgress(
                report.received,
                self._come.moved,
                report.sent,
                self._gone.moved,
                self._come.total,
                self._gone.total,
            )
            if news != self._told:
                self._told = news
                self._tell(SessionProgressed(self.begun, self._carrier, replace(news, wire=wire)))

    def quiet_seconds(self, now: float) -> float:
        """Return for how long nothing has moved; 0 before it began."""
        return 0.0 if self._moved_at is None else now - self._moved_at


class _Way:
    """How far one direction is: whole packets, and the part that has come of the one that moves now."""

    def __init__(self) -> None:
        self._name: PacketName | None = None
        self._whole_before = 0  # bytes of whole packets when the present one began to move
        self.moved = 0
        self.total = 0

    def note(self, packet: PacketProgress, whole: int, total: int) -> None:
        """Take what an exchange says: `whole` bytes of packets that are over, `total` of all that was agreed on."""
        if packet.name != self._name:
            self._name, self._whole_before = packet.name, whole
        part = packet.done if whole == self._whole_before else 0  # else it is among the whole ones by now
        self.moved, self.total = min(whole + part, max(total, whole)), total
