# SPDX-License-Identifier: GPL-3.0-or-later
"""What an online session does once it knows the neighbour: both directions, the locks and the purse.

From the moment that `open` has taken the locks until `close` has let them go, no other program carries this neighbour's
packets.
"""

from __future__ import annotations

from muleteer.carriers.inflow import Inflow
from muleteer.carriers.online import CHUNK_MAX
from muleteer.carriers.outflow import Outflow
from muleteer.carriers.spending import FRAME_EXTRA, ROOM_MIN, Spending
from muleteer.engines.sync_events import Announced, Confirmed, Finished, Listed, Strange
from muleteer.engines.sync_messages import Chunk
from muleteer.errors import SpoolError
from muleteer.spool.layout import RX, TX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.carriers.inflow import Asker
    from muleteer.carriers.online import Partner
    from muleteer.carriers.online_log import OnlineLog
    from muleteer.carriers.online_tally import Tally
    from muleteer.engines.sync_events import Event
    from muleteer.engines.sync_terms import Offer
    from muleteer.formats.ids import PacketName
    from muleteer.spool.port import Lock
    from muleteer.spool.spool import Spool

SPENT_AT_ONCE = 1 << 16
"""Bytes that are drawn from a purse, and given out, at once: the longest frame fits."""


class Traffic:
    """One neighbour's packets in one session. Methods raise SpoolError when our own disk fails."""

    def __init__(
        self, spool: Spool, partner: Partner, asker: Asker, tally: Tally, log: OnlineLog, *, thread_bytes: int
    ) -> None:
        self._spool = spool
        self._partner = partner
        self._tally = tally
        self._log = log
        self._locks: list[Lock] = []
        self._spending = Spending(partner.purse, partner.terms.chunk)
        self._outflow = Outflow(spool, partner, tally, log)
        self._inflow = Inflow(spool, partner, asker, self._spending, tally, log, thread_bytes=thread_bytes)
        self.is_withdrawn = False

    def open(self) -> list[Offer]:
        """Take the locks that the terms need, and return what waits for the neighbour. Raises SpoolLocked."""
        terms, node = self._partner.terms, self._partner.node
        try:
            for what, is_wanted in ((RX, terms.receive), (TX, terms.send)):
                if is_wanted and not terms.list_only:
                    self._locks.append(self._spool.lock(node, what))
            self._log.introduce(self._partner)
            self._inflow.open()
            offers = self._outflow.look()
        except SpoolError:
            self._let_go()
            raise
        self._log.offered(len(offers), self._tally.offered_bytes)
        return offers

    def afford(self, offers: int, heard: int = 0) -> bool:
        """Tell whether the purse pays for the first messages; `heard` bytes of them may be here already."""
        return self._spending.begin(self._partner.terms, offers, heard)

    def look(self) -> list[Offer]:
        """Return what waits for the neighbour and was not offered yet."""
        return self._outflow.look()

    def read(self, name: PacketName, offset: int, view: memoryview) -> int:
        """Fill `view` with a packet's bytes, see `Outflow.read`."""
        return self._outflow.read(name, offset, view)

    def act_on(self, event: Event) -> None:
        """Do what the other side's doing asks for."""
        if isinstance(event, Chunk):
            self._inflow.arrived(event)
        elif isinstance(event, Finished):
            self._inflow.finished(event)
        elif isinstance(event, Announced):
            self._inflow.announced(event)
        elif isinstance(event, Confirmed):
            self._outflow.confirmed(event.name)
        elif isinstance(event, Listed):
            self._inflow.listed(event)
        elif isinstance(event, Strange):
            self._log.strange(event.what)

    def settle(self) -> None:
        """Make durable what came and what left, and confirm what came."""
        self._outflow.settle()
        self._inflow.settle()

    @property
    def is_checking(self) -> bool:
        """Whether `settle` is to be called soon, as checks are under way."""
        return self._inflow.is_checking

    @property
    def is_receiving(self) -> bool:
        """Whether packets were asked for that are not confirmed yet."""
        return self._inflow.unfinished

    # ------------------------------------------------------------------------------------------ what it costs

    def room(self, size: int, *, is_greeting: bool) -> int:
        """Return how many bytes the engine may put out at once.

        On a link with small frames that is two of them: what was put out cannot be overtaken by something urgent.
        """
        chunk, spending = self._partner.terms.chunk, self._spending
        if chunk < CHUNK_MAX and not is_greeting:
            size = min(size, 2 * (chunk + FRAME_EXTRA))
        if not spending.is_limited:
            return size
        if not self.is_withdrawn:
            room = spending.room(min(size, SPENT_AT_ONCE))
            if room >= ROOM_MIN or is_greeting or not spending.is_exhausted:
                return room
            self.is_withdrawn = True
            self._outflow.withdraw()
        return min(size, spending.last_words())

    def spend(self, count: int) -> bool:
        """Pay for bytes that crossed the link; False if the purse is overdrawn."""
        self._spending.spend(count)
        return not self._spending.is_overdrawn

    def close(self, is_hurried: Callable[[], bool]) -> SpoolError | None:
        """Make durable what is whole, close files, let go of the locks; return what failed first, if anything.

        Takes as long as the checks that are under way, but for `is_hurried()`.
        """
        steps: list[Callable[[], None]] = [
            self._outflow.settle,
            lambda: self._inflow.close(is_hurried),
            self._outflow.close,
            self._spending.close,
            self._let_go,
        ]
        failure = None
        for step in steps:
            try:
                step()
            except SpoolError as error:
                failure = failure or error
        return failure

    def _let_go(self) -> None:
        while self._locks:
            self._locks.pop().release()
