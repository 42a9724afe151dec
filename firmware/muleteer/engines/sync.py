# SPDX-License-Identifier: GPL-3.0-or-later
"""NNCP's online protocol: one session between two neighbours, either role.

Theory of operation. Each side announces its packets, most urgent first (INFO); the other asks for those that it wants
(FREQ), gets them in pieces (FILE) and says when it has one durably (DONE). There is no goodbye: who has nothing to say
for a while hangs up.

=========  =========  ==========  ==============================================================================
state      event      new state   what happens
=========  =========  ==========  ==============================================================================
IDLE       STARTED    GREETING    (initiator) our greeting with our announcements goes out: Noise message 1
GREETING   CALLED     KNOWN       (responder) message 1 is there: `PeerKnown`, the owner accepts or refuses
KNOWN      ACCEPTED   CARRYING    (responder) our greeting goes out: message 2; then the peer's counts
GREETING   ANSWERED   CARRYING    (initiator) message 2 is there
any        HUNG_UP    CLOSED      by either side, a deadline, an error: `Closed`
=========  =========  ==========  ==============================================================================

House rules:

1. Nothing is sent but by `to_send`, nothing told but by `next_event`; what raises is a mistake of the owner.
2. Of message 1 only announcements count: anybody may have recorded it (the reference deletes packets by it).
3. A peer's oddity is dropped and counted, its lie about sizes costs it the packet, its broken frame the session.
4. What is remembered of a peer is bounded: announcements by the terms, requests by our offers, frames by their size.
"""

from __future__ import annotations

from muleteer.engines.sync_channel import OVERHEAD, Channel
from muleteer.engines.sync_events import EARLY, ENDED_BY_ERROR, EOF, Closed, Established, PeerKnown, Strange
from muleteer.engines.sync_messages import (
    INFO_SIZE,
    Chunk,
    Done,
    Freq,
    Halt,
    Info,
    Ping,
    pack_done,
    pack_freq,
    parse,
)
from muleteer.engines.sync_offered import Offered
from muleteer.engines.sync_outbox import GREETING_INFOS_MAX, Outbox, greeting_payload
from muleteer.engines.sync_pace import Pace, within_reason
from muleteer.engines.sync_timing import Timing
from muleteer.engines.sync_wanted import Wanted
from muleteer.errors import PeerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterable
    from typing import TypeAlias

    from muleteer.crypto.keys import ExchangeKey
    from muleteer.engines.sync_events import Event
    from muleteer.engines.sync_messages import Message
    from muleteer.engines.sync_terms import Offer, SyncTerms
    from muleteer.errors import MuleteerError
    from muleteer.formats.ids import PacketName

    Buffer: TypeAlias = bytes | bytearray | memoryview
    Source: TypeAlias = Callable[[PacketName, int, memoryview], int]
else:
    from _collections import deque  # collections itself takes 2 ms to import

IDLE, GREETING, KNOWN, CARRYING, CLOSED = "idle", "greeting", "known", "carrying", "closed"
STARTED, CALLED, ACCEPTED, ANSWERED, HUNG_UP = "started", "called", "accepted", "answered", "hung up"

_TABLE = {
    (IDLE, STARTED): GREETING,
    (GREETING, CALLED): KNOWN,
    (KNOWN, ACCEPTED): CARRYING,
    (GREETING, ANSWERED): CARRYING,
    **{(state, HUNG_UP): CLOSED for state in (IDLE, GREETING, KNOWN, CARRYING, CLOSED)},
}


class SyncEngine:
    """One session of the online protocol.

    `source(name, offset, view)` fills `view` with bytes of an offered packet and returns how many; fewer than asked is
    allowed, 0 says that the packet is gone: it is not sent. What it raises comes out of `to_send`, and nothing is lost.

    Drain `next_event` after every call of `receive`, `on_deadline`, `eof` and `to_send`; call `to_send` whenever the
    link takes bytes. All times are monotonic seconds.

    Attributes: `state`; `established` (both sides can talk); `wire_in` and `wire_out` (bytes so far); `oddities` (how
    often each kind of `Strange` happened).
    """

    __slots__ = (
        *("_act_on", "_channel", "_early", "_events", "_greeting", "_initiator", "_is_brief", "_offered", "_outbox"),
        *("_pace", "_paused", "_terms", "_timing", "_wanted"),
        *("established", "oddities", "state", "wire_in", "wire_out"),
    )

    def __init__(
        self,
        *,
        initiator: bool,
        static: ExchangeKey,
        peer: bytes | None,
        ephemeral: ExchangeKey,
        terms: SyncTerms,
        now: float,
        source: Source,
    ) -> None:
        self.state = IDLE if initiator else GREETING
        self.established = False
        self.wire_in = self.wire_out = 0
        self.oddities: dict[str, int] = {}
        self._initiator = initiator
        self._channel = Channel(initiator, static, ephemeral, peer)
        self._greeting: bytes | None = None
        self._is_brief = False  # the caller greeted without padding: it pays for each byte, and would for ours, too
        self._early: list[Message] = []
        self._events: deque[Event] = deque()
        self._outbox = Outbox()
        self._terms = terms = within_reason(terms)
        self._offered = Offered(terms, source)
        self._wanted = Wanted(terms)
        self._timing = Timing(terms, now, patient=initiator)
        self._pace = Pace(terms, now)
        self._paused = False
        self._act_on: dict[type[Message], Callable[..., Event | None]] = {
            Info: self._wanted.on_info,
            Freq: self._offered.on_freq,
            Done: self._offered.on_done,
            Halt: self._offered.on_halt,
        }

    # ------------------------------------------------------------------------------------------ the owner's decisions

    def start(self, offers: Iterable[Offer]) -> None:
        """Initiator, before anything else: greet the peer and offer these packets."""
        self._move(STARTED)
        self._greet_with(offers)

    def accept(self, terms: SyncTerms, offers: Iterable[Offer]) -> None:
        """Responder, as the answer to `PeerKnown`: talk on these terms and offer these packets.

        Nothing happens if the session broke meanwhile; `Closed` tells.
        """
        if self.state == CLOSED:
            return
        self._move(ACCEPTED)
        self._agree(terms)
        self._greet_with(offers)
        self.established = True
        self._tell(Established())
        early, self._early = self._early, []
        for message in early:
            self._act(message)

    def refuse(self, reason: str) -> None:
        """Responder, as the other answer to `PeerKnown`: close with `reason`; the peer only sees that we hang up."""
        self._close(reason, None)

    def offer(self, offers: Iterable[Offer]) -> None:
        """Offer more packets; those that were offered before are ignored, confirmed ones too."""
        self._outbox.announce(self._offered.add(offers))

    def request(self, name: PacketName, offset: int) -> None:
        """Ask for an announced packet from `offset` on. Raises ValueError if it was not announced or is shorter."""
        self._wanted.open(name, offset)
        self._outbox.reply(pack_freq(name, offset))

    def confirm(self, name: PacketName) -> None:
        """Say that we have a packet, durably."""
        self._wanted.drop(name)
        self._outbox.reply(pack_done(name))

    def close(self, reason: str) -> None:
        """Hang up; what was not given out is not sent."""
        self._close(reason, None)

    # ------------------------------------------------------------------------------------------ what happens

    def receive(self, data: Buffer, now: float) -> None:
        """Take bytes from the link. Views in events are valid until the next call of this or of `on_deadline`.

        In pieces of 128 KiB everything stays in the processor's cache; more is copied nowhere either.
        """
        if self.state == CLOSED:
            return
        self.wire_in += len(data)
        self._timing.heard(now)
        self._channel.feed(data)
        self._read(now)

    @property
    def hungry(self) -> bool:
        """Whether to read from the link; False only with `rx_rate`, until the next deadline."""
        return not self._paused

    def eof(self, now: float) -> None:  # noqa: ARG002 - as all that happens
        """Learn that the stream has ended."""
        self._close(EOF, None)

    def next_event(self) -> Event | None:
        """Return what happened, in order; None if all was told."""
        return self._events.popleft() if self._events else None

    @property
    def peer(self) -> bytes:
        """The public key of the other end, b"" until it is known."""
        return self._channel.peer

    @property
    def unfinished(self) -> bool:
        """Whether something that was requested is not here, or something the peer asked for is not sent."""
        return self._wanted.unfinished or len(self._offered) > 0

    @property
    def quiet_since(self) -> float:
        """When anything but PING was last said or heard."""
        return self._timing.quiet_since

    def linger(self, now: float) -> None:
        """Take note that bytes given out earlier have not reached the peer: the session is not idle yet."""
        self._timing.quiet_since = now

    def deadline(self) -> float | None:
        """Return when `on_deadline` or `to_send` has something to do even if nothing happens; None for never."""
        if self.state == GREETING:
            return self._timing.greeting_end()[0]
        if self.state != CARRYING:
            return None
        busy = self._is_busy()
        times = [self._timing.end(busy=busy, awaiting=self._offered.awaiting)[0]]
        if self._paused:
            times.append(self._pace.may_read_at())
        if not self._outbox.ping and (ping := self._timing.next_ping()) is not None:
            times.append(ping)
        if (
            busy
            and not self._timing.under_way
            and (wake_up := self._pace.next_send(self._timing.last_sent_at)) is not None
        ):
            times.append(wake_up)
        return min(times)

    def on_deadline(self, now: float) -> None:
        """Let time pass: hang up, ping, go on reading. Harmless when nothing is due."""
        if self._paused and self._pace.may_read(now):
            self._channel.rewind()
            self._read(now)
        if self.state == GREETING:
            end, why = self._timing.greeting_end()
        elif self.state == CARRYING:
            end, why = self._timing.end(busy=self._is_busy(), awaiting=self._offered.awaiting)
            if self._timing.ping_due(now):
                self._outbox.ping = True
        else:
            return
        if now >= end:
            self._close(why, None)

    # ------------------------------------------------------------------------------------------ sending

    def to_send(self, out: memoryview, now: float) -> int:
        """Fill `out` with whole frames and return the bytes; 0 if there is nothing to send now.

        Replies and announcements go first, then file data, the most urgent packet first. Frames are cut to fit `out`,
        so a small one keeps a budget to the byte; only the greeting needs up to FRAME_MAX. On a slow link `out`
        should be small too: what is in it is not overtaken any more. Call it again when the bytes are on the link;
        until then the session does not count as idle. Raises what `source` raises.
        """
        self._timing.gone(now)
        at = 0
        while size := self._next_frame(out[at:], now):
            at += size
        return at

    def _next_frame(self, out: memoryview, now: float) -> int:
        if self._greeting is not None:
            return self._send_greeting(self._greeting, out, now)
        if not self._channel.is_open or not self._pace.may_send(now):
            return 0
        room = min(len(out) - OVERHEAD, self._pace.payload_max) & ~3
        if room <= 0:
            return 0
        payload, size, said = self._channel.scratch(room), 0, True
        if self._outbox:
            size, said = self._outbox.fill(payload)
        elif self._pace.may_send_file(now) and (size := self._offered.fill(payload, alone=self._pace.alone)):
            self._pace.sent_file(now)
        return self._given(self._channel.seal(payload[:size], out), now, said=said) if size else 0

    def _given(self, size: int, now: float, *, said: bool) -> int:
        self.wire_out += size
        self._pace.sent(size, now)
        self._timing.sent(now, said=said)
        return size

    def _greet_with(self, offers: Iterable[Offer]) -> None:
        self.offer(offers)
        padded = self._terms.padded and not self._is_brief
        infos = self._outbox.take_infos(GREETING_INFOS_MAX if padded else self._pace.payload_max // INFO_SIZE)
        self._greeting = greeting_payload(infos, padded=padded)

    def _send_greeting(self, payload: bytes, out: memoryview, now: float) -> int:
        if len(out) < self._channel.greeting_size(len(payload)):
            return 0
        try:
            size = self._channel.greet(payload, out)
        except PeerError as unusable:
            self._close(ENDED_BY_ERROR, unusable)
            return 0
        self._greeting = None
        return self._given(size, now, said=True)

    # ------------------------------------------------------------------------------------------ receiving

    def _read(self, now: float) -> None:
        channel, pace = self._channel, self._pace
        whole = said = self._paused = False
        try:
            while pace.may_read(now):
                payload = channel.next_payload()
                if payload is None:
                    break
                said = self._hear(parse(payload)) or said
                whole = True
                pace.was_read(now)
            else:
                channel.keep()
                self._paused = True
        except PeerError as broken:
            self._close(ENDED_BY_ERROR, broken)
            return
        self._timing.read(now, whole=whole, said=said, piece=channel.has_piece)

    def _hear(self, messages: list[Message]) -> bool:
        """Act on the messages of a payload; tell whether there was anything but PING."""
        if self.state == GREETING:
            if not self._initiator:
                self._hear_caller(messages)
                return True
            self._move(ANSWERED)
            self.established = True
            self._tell(Established())
        said = False
        for message in messages:
            said = self._act(message) or said
        return said

    def _hear_caller(self, messages: list[Message]) -> None:
        self._move(CALLED)
        self._early = [message for message in messages if type(message) is Info]
        self._is_brief = not any(type(message) is Halt for message in messages)
        self._tell(PeerKnown(self.peer, self._channel.peer_ephemeral))
        if any(type(message) in (Freq, Chunk, Done) for message in messages):
            self._tell(Strange(EARLY))

    def _act(self, message: Message) -> bool:
        if type(message) is Chunk:
            for event in self._wanted.on_chunk(message):
                self._tell(event)
        elif type(message) is Ping:
            return False
        else:
            told = self._act_on[type(message)](message)
            if told is not None:
                self._tell(told)
        return True

    # ------------------------------------------------------------------------------------------ small parts

    def _tell(self, event: Event) -> None:
        if type(event) is Strange:
            self.oddities[event.what] = count = self.oddities.get(event.what, 0) + 1
            if count > 1:
                return
        self._events.append(event)

    def _move(self, event: str) -> None:
        after = _TABLE.get((self.state, event))
        if after is None:
            raise ValueError(f"a session that is {self.state} cannot be {event}")
        self.state = after

    def _agree(self, terms: SyncTerms) -> None:
        self._terms = terms = within_reason(terms)
        self._pace.agree(terms, self._timing.heard_at)
        for part in (self._offered, self._wanted, self._timing):
            part.agree(terms)

    def _is_busy(self) -> bool:
        return self._outbox.waits or len(self._offered) > 0

    def _close(self, reason: str, error: MuleteerError | None) -> None:
        if self.state == CLOSED:
            return
        self._move(HUNG_UP)
        self._greeting = None
        self._paused = False
        self._channel.close()
        self._tell(Closed(reason, error))
