# SPDX-License-Identifier: GPL-3.0-or-later
"""Two exchanges that talk without a link: for unit, crash and property tests, deterministic to the byte."""

from __future__ import annotations

import itertools
from collections.abc import Iterator  # noqa: TC003 - dataclasses look at annotations
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from muleteer.carriers.exchange import Exchange
from muleteer.carriers.online import OnlineTerms, Partner
from muleteer.crypto.hashes import blake2b_256
from muleteer.crypto.keys import ExchangeKey
from muleteer.formats.ids import NodeId, PacketName
from muleteer.formats.magic import ENVELOPE
from muleteer.formats.mth import mth
from muleteer.spool.disk import read_whole
from muleteer.spool.layout import RX, TX
from muleteer.spool.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.carriers.online import Log, Purse, SessionProgress
    from muleteer.spool.port import Disk

OUT_SIZE = 136 << 10
STEPS_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Station:
    """One end: a node, its noise key, its spool."""

    name: str
    id: NodeId
    noise: ExchangeKey
    spool: Spool

    @classmethod
    def on(cls, disk: Disk, name: str, root: str) -> Station:
        """Return the station of that name, always with the same keys."""
        key = blake2b_256(b"noise " + name.encode())
        return cls(name, NodeId(blake2b_256(key)), ExchangeKey(key), Spool(root, disk))

    def queue(self, packet: bytes, to: Station) -> PacketName:
        """Put a packet into tx."""
        with self.spool.draft() as draft:
            draft.write(packet)
            return self.spool.commit(draft, to.id, TX)

    def waiting(self, way: str, other: Station) -> set[PacketName]:
        """Return the packets in "rx" or "tx"."""
        return {entry.name for entry in self.spool.entries(other.id, way)}

    def got(self, name: PacketName, sender: Station) -> bytes:
        """Return a packet in rx."""
        return read_whole(self.spool.disk, self.spool.path(sender.id, RX, name), 1 << 30)

    def partner(self, other: Station, terms: OnlineTerms, purse: Purse | None = None) -> Partner:
        """Return the other one as we know it."""
        return Partner(other.id, other.name, other.noise.public, terms, purse)


def packet(number: int, size: int = 400, nice: int = 96) -> bytes:
    """Return bytes that begin as a packet does; the spool and the protocol look no further."""
    header = ENVELOPE + bytes((0, 0, 0, nice)) + bytes((number % 251,)) * 64 + number.to_bytes(4, "big") + bytes(92)
    body = bytes((number * 31 + i * 7 + i // 256) % 256 for i in range(min(size, 1 << 16)))
    return (header + body * (size // max(1, len(body)) + 1))[:size]


def name_of(data: bytes) -> PacketName:
    """Return what a packet is called."""
    return mth(data)


@dataclass(slots=True)
class Call:
    """A call from one station to another, stepped by hand. `now` is the time of both."""

    caller: Station
    called: Station
    terms: OnlineTerms = field(default_factory=OnlineTerms)
    called_terms: OnlineTerms = field(default_factory=OnlineTerms)
    purse: Purse | None = None
    called_purse: Purse | None = None
    log: Log | None = None
    called_log: Log | None = None
    progress: Callable[[SessionProgress], None] | None = None
    thread_bytes: int | None = None
    now: float = 1000.0
    piece: int = OUT_SIZE
    cut_after: int | None = None
    """Bytes that cross before the link breaks."""
    crossed: int = 0
    serial: int = field(init=False)
    """No two calls have the same ephemeral keys: nodes remember them."""
    serials: ClassVar[Iterator[int]] = itertools.count()
    here: Exchange = field(init=False)
    there: Exchange = field(init=False)

    def __post_init__(self) -> None:
        """Make both exchanges, not open."""
        self.serial = next(Call.serials)
        self.here = Exchange(
            self.caller.spool,
            self.caller.noise,
            partner=self.caller.partner(self.called, self.terms, self.purse),
            ephemeral=self._ephemeral(b"caller"),
            log=self.log,
            progress=self.progress,
            thread_bytes=self.thread_bytes,
        )
        self.there = Exchange(
            self.called.spool,
            self.called.noise,
            welcome=self.welcome,
            ephemeral=self._ephemeral(b"called"),
            log=self.called_log,
            thread_bytes=self.thread_bytes,
        )

    def welcome(self, noisepub: bytes) -> Partner | None:
        """Know the caller."""
        if noisepub != self.caller.noise.public:
            return None
        return self.called.partner(self.caller, self.called_terms, self.called_purse)

    def run(self) -> Call:
        """Talk until both are done, and finish."""
        self.here.open(self.now)
        self.there.open(self.now)
        try:
            for _ in range(STEPS_MAX):
                if not self.step():
                    break
            else:
                raise AssertionError("the call does not come to an end")
        finally:
            self.here.finish(self.now)
            self.there.finish(self.now)
        return self

    def step(self) -> bool:
        """Move what there is to move, or else let time pass; False when both are closed."""
        out = memoryview(bytearray(OUT_SIZE))
        moved = False
        for source, target in ((self.here, self.there), (self.there, self.here)):
            moved = self._carry(source, target, out) or moved
        if moved:
            return True
        self.here.settle(self.now)
        self.there.settle(self.now)
        if self._has_said(out):
            return True
        deadlines = [at for at in (self.here.deadline(), self.there.deadline()) if at is not None]
        if not deadlines:
            return not (self.here.closed and self.there.closed)
        self.now = max(self.now, min(deadlines))
        self.here.on_deadline(self.now)
        self.there.on_deadline(self.now)
        return True

    def _has_said(self, out: memoryview) -> bool:
        return any(
            [self._carry(self.here, self.there, out), self._carry(self.there, self.here, out)],
        )

    def _carry(self, source: Exchange, target: Exchange, out: memoryview) -> bool:
        count = source.to_send(out, self.now)
        if self.cut_after is not None and self.crossed + count > self.cut_after:
            rest = max(0, self.cut_after - self.crossed)
            self.crossed += rest
            if rest:
                target.receive(bytes(out[:rest]), self.now)
            source.eof(self.now)
            target.eof(self.now)
            return False
        for at in range(0, count, self.piece):
            target.receive(bytes(out[at : min(count, at + self.piece)]), self.now)
        self.crossed += count
        if source.closed and not target.closed:
            target.eof(self.now)
        return count > 0

    def _ephemeral(self, side: bytes) -> ExchangeKey:
        return ExchangeKey(blake2b_256(side + self.serial.to_bytes(8, "big")))
