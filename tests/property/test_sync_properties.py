# SPDX-License-Identifier: GPL-3.0-or-later
"""Two engines under any offers, limits, interleaving, fragmentation and cuts; and one engine against anything."""

from hypothesis import given, settings
from hypothesis import strategies as st

from muleteer.crypto.keys import ExchangeKey
from muleteer.engines.sync import CLOSED
from muleteer.engines.sync_channel import FRAME_MAX, Channel
from muleteer.engines.sync_events import ENDED_BY_ERROR, Closed
from muleteer.engines.sync_messages import HALT, PING, close_file, file_size, pack_done, pack_freq, pack_info
from muleteer.engines.sync_terms import SyncTerms
from muleteer.formats.ids import PacketName
from muleteer.testing.sync_pair import SyncBox, SyncPair

SIZES = st.one_of(st.integers(0, 2000), st.sampled_from([65_231, 65_232, 65_233, 130_464, 150_000]))
NICES = st.integers(1, 255)


def name(number):
    return PacketName(number.to_bytes(32, "big"))


class Watched(SyncBox):
    """Checks at every read for sending that nothing more urgent was waiting."""

    def source(self, packet, offset, view):
        queued = self.engine._offered._queue._by_name
        assert queued[packet].nice == min(entry.nice for entry in queued.values())
        return super().source(packet, offset, view)


@st.composite
def boxes(draw):
    pair = []
    for seed in (1, 2):
        packets = draw(st.lists(st.tuples(NICES, SIZES), max_size=6))
        first = seed * 100
        outgoing = {
            name(first + i): (nice, bytes([first + i]) * size if size < 100_000 else bytes(size))
            for i, (nice, size) in enumerate(packets)
        }
        only = draw(st.none() | st.sets(st.integers(100, 206), max_size=4))
        terms = SyncTerms(
            nice=draw(st.just(255) | NICES),
            send=draw(st.sampled_from([True, True, False])),
            receive=draw(st.sampled_from([True, True, False])),
            only=None if only is None else frozenset(map(name, only)),
            padded=draw(st.booleans()),
            chunk=draw(st.sampled_from([65_232, 65_232, 700, 4096, 30_001])),
            tx_rate=draw(st.sampled_from([0, 0, 0, 50])),
            bytes_rate=draw(st.sampled_from([0, 0, 0, 50_000])),
            rx_rate=draw(st.sampled_from([0, 0, 0, 50])),
        )
        pair.append(Watched(seed, outgoing=outgoing, terms=terms))
    return pair


def allowed(sender, receiver):
    ours, theirs = sender.terms, receiver.terms
    if not (ours.send and theirs.receive):
        return {}
    ceiling = min(ours.nice, theirs.nice)
    return {
        packet: data
        for packet, (nice, data) in sender.outgoing.items()
        if nice <= ceiling and (theirs.only is None or packet in theirs.only)
    }


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["left sends", "right sends", "left gets", "right gets", "time"]),
        st.one_of(st.integers(1, 200), st.integers(1, FRAME_MAX), st.just(4 * FRAME_MAX)),
    ),
    max_size=30,
)


def play(line, steps):
    sides = {"left": line.left, "right": line.right}
    for step, count in steps:
        side, _, what = step.partition(" ")
        if step == "time":
            line.tick(count % 8 / 8)
        elif what == "sends":
            line.send(sides[side], max(count, 1000))
        elif sides[side].engine.hungry:
            line.deliver(sides[side], count)


def keeps_its_word(before, after_sender, receiver):
    """What arrived is some of what was allowed, unchanged; what was confirmed has arrived."""
    for packet, data in receiver.incoming.items():
        assert before[packet] == data
    for packet, part in receiver.parts.items():
        assert before[packet].startswith(bytes(part))
    gone = [packet for packet in before if packet not in after_sender.outgoing]
    assert all(packet in receiver.incoming for packet in gone)


@settings(max_examples=60, deadline=None)
@given(boxes(), STEPS)
def test_what_moves_is_what_is_offered_and_allowed(pair, steps):
    left, right = pair
    forth, back = allowed(left, right), allowed(right, left)
    line = SyncPair(left, right)
    play(line, steps)
    line.run()
    assert right.incoming == forth
    assert left.incoming == back
    for box, moved in ((left, forth), (right, back)):
        assert not moved.keys() & box.outgoing.keys()
        assert box.engine.oddities == {}
        assert not box.engine.unfinished
        assert box.ending.error is None


@settings(max_examples=60, deadline=None)
@given(boxes(), st.lists(STEPS, min_size=1, max_size=3), st.booleans())
def test_cut_anywhere_and_resumed(pair, sessions, turned):
    left, right = pair
    forth, back = allowed(left, right), allowed(right, left)
    for steps in sessions:
        line = SyncPair(right, left) if turned else SyncPair(left, right)
        play(line, steps)
        line.cut()
        keeps_its_word(forth, left, right)
        keeps_its_word(back, right, left)
        turned = not turned
    SyncPair(left, right).run()
    assert right.incoming == forth
    assert left.incoming == back
    assert not forth.keys() & left.outgoing.keys()
    assert not back.keys() & right.outgoing.keys()
    assert left.engine.oddities == right.engine.oddities == {}


NUMBERS = st.sampled_from([1, 2, 3, 100, 101])
OFFSETS = st.one_of(st.integers(0, 130), st.sampled_from([100, 101, 2**32, 2**63, 2**64 - 1]))


def file(number, offset, size):
    view = memoryview(bytearray(file_size(size)))
    close_file(view, name(number), offset, size)
    return bytes(view)


MESSAGES = st.one_of(
    st.builds(lambda nice, size, n: pack_info(nice, size, name(n)), st.integers(0, 256), OFFSETS, NUMBERS),
    st.builds(lambda n, offset: pack_freq(name(n), offset), NUMBERS, OFFSETS),
    st.builds(file, NUMBERS, OFFSETS, st.integers(0, 120)),
    st.builds(lambda n: pack_done(name(n)), NUMBERS),
    st.sampled_from([HALT, PING]),
    st.sampled_from([HALT, PING]),
    st.binary(max_size=8),
)
PAYLOADS = st.lists(MESSAGES, max_size=8).map(b"".join) | st.binary(max_size=200)


@settings(max_examples=150, deadline=None)
@given(
    st.booleans(),
    PAYLOADS,
    st.lists(st.tuples(PAYLOADS, st.sampled_from([0, 0, 0, 0, 0, 1, 2]), st.booleans()), max_size=12),
)
def test_nothing_that_a_peer_says_breaks_it(calls, greeting, said):
    box = SyncBox(1, outgoing={name(n): (n, bytes(n)) for n in (1, 2, 100)}, terms=SyncTerms(padded=False))
    key = ExchangeKey(b"k" * 32)
    channel = Channel(calls, key, ExchangeKey(b"e" * 32), box.key.public if calls else None)
    engine = box.session(0.0, None if calls else key.public)
    out = memoryview(bytearray(70_000))

    def hears():
        total = 0
        while count := engine.to_send(out, 0.0):
            total += count
            assert total < 1_000_000
            box.drain()
            channel.feed(out[:count])
            while channel.next_payload() is not None:
                pass
        box.drain()

    hears()
    engine.receive(out[: channel.greet(greeting, out)], 0.0)
    box.drain()
    hears()
    for payload, damage, drained in said:
        if engine.state == CLOSED:
            break
        if damage == 1:
            frame = bytearray(payload)
        else:
            frame = bytearray(len(payload) + 28 + 3)
            frame = frame[: channel.seal(memoryview(payload), memoryview(frame))]
            if damage == 2:
                frame[-5] ^= 1
        engine.receive(frame, 0.0)
        if drained:
            box.drain()
            hears()
    box.drain()
    assert all(data == bytes(len(data)) for data in box.incoming.values())
    if engine.state == CLOSED:
        assert isinstance(box.events[-1], Closed)
        assert box.events[-1].reason == ENDED_BY_ERROR
        assert engine.to_send(out, 0.0) == 0
    else:
        patience = 60.0 if engine._offered.awaiting else 10.0  # seconds: a ping comes first
        assert engine.deadline() <= patience or box.engine.unfinished


@settings(max_examples=150, deadline=None)
@given(st.booleans(), st.lists(st.binary(max_size=300), max_size=5), st.booleans())
def test_nothing_that_a_stranger_says_breaks_it(calls, pieces, polite):
    box = SyncBox(1)
    engine = box.session(0.0, None if calls else ExchangeKey(b"k" * 32).public)
    engine.to_send(memoryview(bytearray(70_000)), 0.0)
    for number, piece in enumerate(pieces):
        head = b"NNCPS\0\0\x01" + len(piece).to_bytes(4, "big") if polite and not number else b""
        engine.receive(head + piece, 0.0)
        box.drain()
    assert not engine.established
    assert len(box.events) <= 1
    engine.on_deadline(200.0)
    assert engine.state == CLOSED
