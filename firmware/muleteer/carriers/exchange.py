# SPDX-License-Identifier: GPL-3.0-or-later
"""One online session between a link and the spool, without the link.

The engine (`engines.sync`) knows the protocol and no files, `traffic` knows the spool and no protocol; here they meet.
The loop that owns the socket hands in what arrived and asks what to send::

    exchange = Exchange(spool, static, partner=partner, ephemeral=ephemeral, log=log)   # we call; welcome=... to answer
    exchange.open(now)                       # SpoolLocked, SpoolError
    try:
        while not exchange.closed:
            count = exchange.to_send(out, now)            # write out[:count] to the link
            ...  exchange.receive(data, now)              # or exchange.eof(now); not while exchange.hungry is False
            ...  exchange.settle(now)                     # whenever nothing is readable
            ...  exchange.on_deadline(now)                # when now >= exchange.deadline()
    finally:
        exchange.finish(now)
    exchange.report

What the peer or the disk does wrong is never raised after `open`: it closes the session, and the report says why. A
failing disk ends it, because nothing can be promised any more; what is durable by then stays, what is not is asked for
again in the next one.

The line may be gone before a large download is checked, as a peer hangs up after ten quiet seconds. `finish` then goes
on with it (close the link before, if `is_checking`), unless `is_hurried()`.
"""

from __future__ import annotations

from muleteer.carriers.online import BUDGET, DISK, LOCKED, REFUSED, SessionReport
from muleteer.carriers.online_log import OnlineLog
from muleteer.carriers.online_tally import Tally
from muleteer.carriers.traffic import Traffic
from muleteer.engines.sync import SyncEngine
from muleteer.engines.sync_events import ASKED, ENDED_BY_ERROR, EOF, IDLE, SILENCE, TIME, Closed, PeerKnown
from muleteer.engines.sync_terms import SyncTerms
from muleteer.errors import ReplayedGreeting, SpoolError, SpoolLocked
from muleteer.spool.draft import THREAD_BYTES
from muleteer.spool.greetings import Greetings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.carriers.online import Log, OnlineTerms, Partner, SessionProgress
    from muleteer.crypto.keys import ExchangeKey
    from muleteer.engines.sync_events import Event
    from muleteer.errors import MuleteerError
    from muleteer.formats.ids import PacketName
    from muleteer.spool.port import Buffer
    from muleteer.spool.spool import Spool

    Welcome = Callable[[bytes], "Partner | None"]

WATCH_SECONDS = 1.0
"""How often to look for new packets in tx."""

POLL_SECONDS = 0.05
"""How often to look for the outcome of a check that runs in a thread."""

PROGRESS_SECONDS = 0.2
"""How often to tell how far things are."""

_NEVER = float("inf")
_PATIENT = frozenset((IDLE, EOF, SILENCE, TIME, ENDED_BY_ERROR, BUDGET))  # nobody waits for this session to end
_ALWAYS_HERE = 1 << 62


class Exchange:
    """A session with one neighbour. Give `partner` to call it, or `welcome` to answer whoever calls.

    `welcome` turns the caller's noise key into a partner, None refuses. `static` is our noise key, `ephemeral` a fresh
    one. `log` must not raise. Everything is synchronous and runs in one thread; packets above `thread_bytes` are hashed
    and written in threads of their own (None: never, for the simulator). Whoever calls must have greeted within
    `frame_seconds`.
    """

    def __init__(
        self,
        spool: Spool,
        static: ExchangeKey,
        *,
        partner: Partner | None = None,
        welcome: Welcome | None = None,
        ephemeral: ExchangeKey,
        log: Log | None = None,
        progress: Callable[[SessionProgress], None] | None = None,
        thread_bytes: int | None = THREAD_BYTES,
        frame_seconds: float = 10.0,
    ) -> None:
        self.partner = partner
        self._spool = spool
        self._static = static
        self._welcome = welcome
        self._ephemeral = ephemeral
        self._log = OnlineLog(log)
        self._progress = progress
        self._frame_seconds = frame_seconds
        self._thread_bytes = _ALWAYS_HERE if thread_bytes is None else thread_bytes
        self._tally = Tally()
        self._engine: SyncEngine | None = None
        self._traffic: Traffic | None = None
        self._ended = ""
        self._error: MuleteerError | None = None
        self._disk_guard = _DiskGuard(self)
        self._has_told = False
        self._watch_at = self._poll_at = self._progress_at = _NEVER
        self.is_hurried: Callable[[], bool] = _never
        """Whether `finish` shall leave the checks that are under way to the next session; asked now and then."""

    # ------------------------------------------------------------------------------------------ begin and end

    def open(self, now: float) -> None:
        """Take the locks and prepare the first message (caller), or get ready for it (called).

        Raises SpoolLocked if another process is at work on this neighbour, SpoolError if the spool cannot be read or
        what the first message costs cannot be noted. `finish` is to be called even then.
        """
        partner = self.partner
        self._engine = engine = SyncEngine(
            initiator=partner is not None,
            static=self._static,
            peer=partner.noisepub if partner else None,
            ephemeral=self._ephemeral,
            terms=_sync_terms(partner.terms) if partner else SyncTerms(frame_seconds=self._frame_seconds),
            now=now,
            source=self._read,
        )
        self._progress_at = now
        if partner is not None:
            traffic = self._meet(partner, engine)
            offers = traffic.open()
            self._traffic = traffic
            if traffic.afford(len(offers)):
                engine.start(offers)
            else:
                self.close(BUDGET, now)

    def close(self, reason: str, now: float) -> None:  # noqa: ARG002 - as all that happens
        """End the session for a reason of ours; `finish` is still to be called."""
        self.end(reason, None)
        if self._engine is not None:
            self._engine.close(reason)

    def finish(self, now: float) -> None:
        """Make durable what has arrived, close all files, let go of the locks; may be repeated. Never raises."""
        self.close(ASKED, now)
        if self._traffic is not None:
            failure = self._traffic.close(self.is_hurried if self._ended in _PATIENT else _always)
            self._error = self._error or failure
        self._log.flush()
        self._tell_progress(now, at_once=True)

    # ------------------------------------------------------------------------------------------ what happens

    def receive(self, data: Buffer, now: float) -> None:
        """Take bytes that arrived."""
        if not self.closed:
            with self._disk_guard:
                is_paid = self._traffic is None or self._traffic.spend(len(data))
                self._engine_of().receive(data, now)
                self._drain()
                if not is_paid:
                    self.close(BUDGET, now)
                self._look_after(now)

    def eof(self, now: float) -> None:
        """Say that the other side hung up."""
        if not self.closed:
            with self._disk_guard:
                self._engine_of().eof(now)
                self._drain()

    def to_send(self, out: memoryview, now: float) -> int:
        """Fill `out` (136 KiB or more) with what is to be sent now; return how many bytes, 0 for nothing."""
        count = 0
        traffic = self._traffic
        if not self.closed and traffic is not None:
            engine = self._engine_of()
            with self._disk_guard:
                count = engine.to_send(out[: traffic.room(len(out), is_greeting=not engine.wire_out)], now)
                traffic.spend(count)
                self._drain()
                if traffic.is_withdrawn and not count and not traffic.is_receiving:
                    self.close(BUDGET, now)
                self._tell_progress(now)
        return count

    def settle(self, now: float) -> None:
        """Make durable and confirm what has arrived; the loop calls it when nothing more is readable."""
        if not self.closed and self._traffic is not None:
            with self._disk_guard:
                self._traffic.settle()
                self._look_after(now)

    @property
    def hungry(self) -> bool:
        """Whether to read from the link; False only with `rx_rate`, until the next deadline."""
        return self._engine is None or self._engine.hungry

    def linger(self, now: float) -> None:
        """Take note that bytes sent earlier have not reached the other side: the session is not idle yet."""
        if self._engine is not None:
            self._engine.linger(now)

    def deadline(self) -> float | None:
        """Return when :meth:`on_deadline` wants to be called (monotonic seconds), None for never."""
        if self.closed or self._engine is None:
            return None
        engine = self._engine.deadline()
        at = min(self._watch_at, self._poll_at, _NEVER if engine is None else engine)
        return at if at < _NEVER else None

    def on_deadline(self, now: float) -> None:
        """Do what is due: pings, limits, new packets in tx, checks that are done."""
        if self.closed:
            return
        engine = self._engine_of()
        with self._disk_guard:
            traffic = self._traffic
            if traffic is not None and traffic.is_checking:
                engine.linger(now)  # the outcome is still to be said
            engine.on_deadline(now)
            self._drain()
            if traffic is not None and not self.closed:
                if now >= self._poll_at:
                    traffic.settle()
                if now >= self._watch_at:
                    self._watch_at = now + WATCH_SECONDS
                    engine.offer(traffic.look())
            self._look_after(now)

    # ------------------------------------------------------------------------------------------ how it goes

    @property
    def established(self) -> bool:
        """Whether the other side has proved who it is."""
        return self._engine is not None and self._engine.established

    @property
    def closed(self) -> bool:
        """Whether the session is over."""
        return bool(self._ended)

    @property
    def is_checking(self) -> bool:
        """Whether checks are under way which `finish` would wait for."""
        return self._traffic is not None and self._traffic.is_checking

    @property
    def report(self) -> SessionReport:
        """How it went, or goes so far."""
        engine, tally = self._engine, self._tally
        return SessionReport(
            node=self.partner.node if self.partner else None,
            established=self.established,
            received=tally.received,
            received_bytes=tally.received_bytes,
            sent=tally.sent,
            sent_bytes=tally.sent_bytes,
            wire_in=engine.wire_in if engine else 0,
            wire_out=engine.wire_out if engine else 0,
            held=tuple(tally.held),
            held_count=tally.held_count,
            listed=tuple(tally.listed),
            unfinished=self._is_unfinished(),
            ended=self._ended,
            error=self._error,
            damaged=tally.damaged,
            confirmed=tuple(tally.confirmed),
        )

    # ------------------------------------------------------------------------------------------ the engine's events

    def _drain(self) -> None:
        """Act on what the engine tells."""
        engine = self._engine_of()
        while (event := engine.next_event()) is not None:
            self._act_on(event)

    def _act_on(self, event: Event) -> None:
        if isinstance(event, Closed):
            self.end(event.reason, event.error)
        elif isinstance(event, PeerKnown):
            self._admit(event)
        elif self._traffic is not None:
            self._traffic.act_on(event)

    def _admit(self, caller: PeerKnown) -> None:
        """Answer a caller, or hang up on it."""
        engine = self._engine_of()
        partner = self._welcome(caller.noisepub) if self._welcome else None
        if partner is None:
            engine.refuse(REFUSED)
            return
        self.partner = partner
        if not Greetings(self._spool).is_new(partner.node, caller.ephemeral):
            self._error = ReplayedGreeting()
            engine.refuse(REFUSED)
            return
        traffic = self._meet(partner, engine)
        try:
            offers = traffic.open()
        except SpoolLocked as locked:
            self._error = locked
            engine.refuse(LOCKED)
            return
        self._traffic = traffic
        if traffic.afford(len(offers), engine.wire_in):
            engine.accept(_sync_terms(partner.terms), offers)
        else:
            engine.refuse(BUDGET)

    def _meet(self, partner: Partner, engine: SyncEngine) -> Traffic:
        return Traffic(self._spool, partner, engine, self._tally, self._log, thread_bytes=self._thread_bytes)

    # ------------------------------------------------------------------------------------------ now and then

    def _look_after(self, now: float) -> None:
        """Do what is to be done after each change."""
        traffic = self._traffic
        if traffic is None or not self.established:
            return
        if not self._has_told:
            self._has_told = True
            self._watch_at = now + WATCH_SECONDS
            self._log.announced(self._tally.announced, self._tally.announced_bytes)
        self._poll_at = now + POLL_SECONDS if traffic.is_checking else _NEVER
        self._log.flush()
        self._tell_progress(now)

    def _read(self, name: PacketName, offset: int, view: memoryview) -> int:
        return self._traffic.read(name, offset, view) if self._traffic is not None else 0

    def _tell_progress(self, now: float, *, at_once: bool = False) -> None:
        if self._progress is not None and (at_once or now >= self._progress_at):
            self._progress_at = now + PROGRESS_SECONDS
            progress = self._tally.take_progress()
            if progress is not None:
                self._progress(progress)

    def _is_unfinished(self) -> bool:
        traffic, engine = self._traffic, self._engine
        if traffic is not None and (traffic.is_withdrawn or traffic.is_receiving):
            return True
        return engine is not None and engine.unfinished

    def end(self, reason: str, error: MuleteerError | None) -> None:
        """Note how it ended; the first reason counts. For the exchange's own use."""
        self._ended = self._ended or reason
        self._error = self._error or error

    def _engine_of(self) -> SyncEngine:
        if self._engine is None:
            raise ValueError("the exchange is not open")
        return self._engine


class _DiskGuard:
    """A ``with`` block in which a failing disk ends the session instead of raising."""

    __slots__ = ("_exchange",)

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, SpoolError):
            self._exchange.end(DISK, error)
            return True
        return False


def _never() -> bool:
    return False


def _always() -> bool:
    return True


def _sync_terms(terms: OnlineTerms) -> SyncTerms:
    return SyncTerms(
        nice=terms.nice,
        send=terms.send,
        receive=terms.receive,
        list_only=terms.list_only,
        only=terms.only,
        padded=terms.padded,
        chunk=terms.chunk,
        idle_seconds=terms.idle_seconds,
        online_seconds=terms.online_seconds,
        frame_seconds=terms.frame_seconds,
        rx_rate=terms.rx_rate,
        tx_rate=terms.tx_rate,
        bytes_rate=terms.bytes_rate,
    )
