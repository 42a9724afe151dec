# SPDX-License-Identifier: GPL-3.0-or-later
"""Two engines of the online protocol and a wire between them, stepped by hand in invented time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from muleteer.crypto.keys import ExchangeKey
from muleteer.engines.sync import CLOSED, SyncEngine
from muleteer.engines.sync_channel import FRAME_MAX
from muleteer.engines.sync_events import Announced, Closed, Confirmed, Finished, PeerKnown
from muleteer.engines.sync_messages import Chunk
from muleteer.engines.sync_terms import Offer, SyncTerms

if TYPE_CHECKING:
    from muleteer.engines.sync_events import Event
    from muleteer.formats.ids import PacketName


@dataclass
class SyncBox:
    """An owner of engines that keeps its packets in memory and takes whatever is announced.

    `outgoing` maps names to niceness and bytes; `parts` and `incoming` are what came, incomplete and whole, and last
    over sessions.
    """

    seed: int
    outgoing: dict[PacketName, tuple[int, bytes]] = field(default_factory=dict)
    parts: dict[PacketName, bytearray] = field(default_factory=dict)
    incoming: dict[PacketName, bytes] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    arrival: list[PacketName] = field(default_factory=list)
    sizes: dict[PacketName, int] = field(default_factory=dict)
    sessions: int = 0
    terms: SyncTerms = field(default_factory=SyncTerms)

    @property
    def key(self) -> ExchangeKey:
        """Its static key, made of the seed."""
        return ExchangeKey(bytes([self.seed, 1]) * 16)

    def offers(self) -> list[Offer]:
        """All it has, as it comes."""
        return [Offer(name, nice, len(data)) for name, (nice, data) in self.outgoing.items()]

    def session(self, now: float, peer: bytes | None) -> SyncEngine:
        """Begin a session, to `peer` or (None) as the one that is called."""
        self.sessions += 1
        ephemeral = ExchangeKey(bytes([self.seed, 2, self.sessions % 256, self.sessions // 256]) * 8)
        self.engine = SyncEngine(
            initiator=peer is not None,
            static=self.key,
            peer=peer,
            ephemeral=ephemeral,
            terms=self.terms,
            now=now,
            source=self.source,
        )
        if peer is not None:
            self.engine.start(self.offers())
        return self.engine

    def source(self, name: PacketName, offset: int, view: memoryview) -> int:
        """Read bytes of a packet."""
        _, data = self.outgoing.get(name, (0, b""))
        piece = data[offset : offset + len(view)]
        view[: len(piece)] = piece
        return len(piece)

    def drain(self) -> None:
        """Act on all events."""
        while (event := self.engine.next_event()) is not None:
            if isinstance(event, Chunk):
                assert event.offset == len(self.parts[event.name])
                self.parts[event.name] += event.data
                event = Chunk(event.name, event.offset, memoryview(bytes(event.data)))
            self.events.append(event)
            self.act(event)

    def act(self, event: Event) -> None:
        """Take what is announced, keep what is whole, forget what the peer has."""
        engine = self.engine
        match event:
            case PeerKnown():
                engine.accept(self.terms, self.offers())
            case Announced(name, _, size) if name in self.incoming:
                engine.confirm(name)
            case Announced(name, _, size):
                self.sizes[name] = size
                engine.request(name, len(self.parts.setdefault(name, bytearray())))
            case Finished(name):
                self.incoming[name] = bytes(self.parts.pop(name))
                self.arrival.append(name)
                engine.confirm(name)
            case Confirmed(name):
                del self.outgoing[name]

    @property
    def ending(self) -> Closed | None:
        """How the last session ended."""
        last = self.events[-1] if self.events else None
        return last if isinstance(last, Closed) else None


class SyncPair:
    """A session of two boxes: `left` calls, `right` is called. Each has a wire to the other, on which bytes wait."""

    def __init__(self, left: SyncBox, right: SyncBox, now: float = 0.0) -> None:
        self.left = left
        self.right = right
        self.now = now
        self.wires = {id(left): bytearray(), id(right): bytearray()}
        right.session(now, None)
        left.session(now, right.key.public)

    def other(self, box: SyncBox) -> SyncBox:
        """The one at the other end."""
        return self.right if box is self.left else self.left

    def send(self, box: SyncBox, room: int = FRAME_MAX) -> int:
        """Let a box put up to `room` bytes on its wire; return how many it did."""
        out = bytearray(room)
        count = box.engine.to_send(memoryview(out), self.now)
        box.drain()
        self.wires[id(box)] += out[:count]
        return count

    def deliver(self, box: SyncBox, count: int | None = None) -> int:
        """Give a box the next `count` bytes (None: all) that the other one sent; return how many there were."""
        wire = self.wires[id(self.other(box))]
        data = bytes(wire[:count])
        del wire[: len(data)]
        if data:
            box.engine.receive(data, self.now)
            box.drain()
        return len(data)

    def tick(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        for box in (self.left, self.right):
            box.engine.on_deadline(self.now)
            box.drain()

    def settle(self) -> None:
        """Carry bytes until both have nothing to say now."""
        while sum(self.send(box) + self.deliver(self.other(box)) for box in (self.left, self.right)):
            pass

    def run(self) -> None:
        """Carry bytes and let time pass until both sides have hung up."""
        while not all(box.engine.state == CLOSED for box in (self.left, self.right)):
            self.settle()
            times = [at for box in (self.left, self.right) if (at := box.engine.deadline()) is not None]
            self.tick(max(0.0, min(times) - self.now) if times else 0.0)
            if not times:
                self.cut()

    def cut(self) -> None:
        """End both streams."""
        for box in (self.left, self.right):
            box.engine.eof(self.now)
            box.drain()
