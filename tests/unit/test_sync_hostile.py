# SPDX-License-Identifier: GPL-3.0-or-later
"""A peer with good keys and bad manners, and strangers with neither."""

import tracemalloc

import pytest

from muleteer.crypto.keys import ExchangeKey
from muleteer.engines.sync import CARRYING, CLOSED, GREETING
from muleteer.engines.sync_channel import Channel
from muleteer.engines.sync_events import (
    BEYOND_THE_END,
    CONFIRMED_STRANGER,
    EARLY,
    EMPTY_PIECE,
    ENDED_BY_ERROR,
    IDLE,
    IMPOSSIBLE_SIZE,
    MORE_THAN_ANNOUNCED,
    NOT_OFFERED,
    NOT_REQUESTED,
    OTHER_OFFSET,
    SILENCE,
    TOO_MANY,
    Announced,
    Chunk,
    Closed,
    Confirmed,
    Finished,
    Strange,
)
from muleteer.engines.sync_messages import HALT, PING, close_file, file_size, pack_done, pack_freq, pack_info
from muleteer.engines.sync_terms import SyncTerms
from muleteer.errors import BadEncoding, BadFrame, BadGreeting
from muleteer.formats.ids import PacketName
from muleteer.testing.sync_pair import SyncBox


def name(number):
    return PacketName(number.to_bytes(32, "big"))


def file(number, offset, data):
    view = memoryview(bytearray(file_size(len(data))))
    view[48 : 48 + len(data)] = data
    close_file(view, name(number), offset, len(data))
    return bytes(view)


class Rogue:
    """A peer that says what the test wants; the box under test has packet 1 (100 bytes)."""

    def __init__(self, *, calls=True, greeting=b"", **terms):
        self.box = SyncBox(1, outgoing={name(1): (9, b"a" * 100)}, terms=SyncTerms(padded=False, **terms))
        key = ExchangeKey(b"rogue 32" * 4)
        self.channel = Channel(calls, key, ExchangeKey(b"ephemera" * 4), self.box.key.public if calls else None)
        self.box.session(0.0, None if calls else key.public)
        self.now = 0.0
        if not calls:
            self.hear()
        self.wire(self.greet(greeting))
        self.hear()

    def greet(self, payload):
        out = bytearray(200_000)
        return bytes(out[: self.channel.greet(payload, memoryview(out))])

    def wire(self, data):
        self.box.engine.receive(data, self.now)
        self.box.drain()

    def frame(self, payload):
        out = bytearray(len(payload) + 64)
        return bytes(out[: self.channel.seal(memoryview(payload), memoryview(out))])

    def say(self, *messages):
        self.wire(self.frame(b"".join(messages)))

    def hear(self):
        """Everything the box says now, as payloads."""
        out = bytearray(500_000)
        count = self.box.engine.to_send(memoryview(out), self.now)
        assert self.box.engine.to_send(memoryview(out)[count:], self.now) == 0  # it knows now that all is on the link
        self.box.drain()
        self.channel.feed(out[:count])
        heard = []
        while (payload := self.channel.next_payload()) is not None:
            heard.append(bytes(payload))
        return heard

    def told(self, kind):
        return [event for event in self.box.events if isinstance(event, kind)]

    def oddities(self):
        assert [one.what for one in self.told(Strange)] == list(self.box.engine.oddities)
        return self.box.engine.oddities


@pytest.fixture(params=[True, False], ids=["it calls", "it is called"])
def rogue(request):
    return Rogue(calls=request.param)


def test_asking_beyond_the_end_brings_nothing_and_does_not_loop(rogue):
    rogue.say(pack_freq(name(1), 101), pack_freq(name(1), 1 << 63), pack_freq(name(1), (1 << 64) - 1))
    assert rogue.hear() == []
    assert rogue.oddities() == {BEYOND_THE_END: 3}
    rogue.say(pack_freq(name(1), 100))
    assert rogue.hear() == [file(1, 100, b"")]


def test_asking_for_what_was_not_offered(rogue):
    rogue.box.outgoing[name(2)] = (9, b"secret")
    rogue.say(pack_freq(name(2), 0))
    assert rogue.hear() == []
    assert rogue.oddities() == {NOT_OFFERED: 1}


def test_confirming_what_was_not_offered_deletes_nothing(rogue):
    rogue.box.outgoing[name(2)] = (9, b"secret")
    rogue.say(pack_done(name(2)), pack_done(name(3)))
    assert rogue.told(Confirmed) == []
    assert rogue.oddities() == {CONFIRMED_STRANGER: 2}


def test_confirming_twice(rogue):
    rogue.say(pack_done(name(1)), pack_done(name(1)))
    rogue.say(pack_done(name(1)))
    assert rogue.told(Confirmed) == [Confirmed(name(1))]
    assert rogue.oddities() == {}


def test_data_that_nobody_asked_for(rogue):
    rogue.say(file(5, 0, b"x"))
    rogue.box.act = lambda _: None
    rogue.say(pack_info(9, 1, name(5)), file(5, 0, b"x"))
    assert rogue.told(Chunk) == []
    assert rogue.oddities() == {NOT_REQUESTED: 2}


def test_data_from_elsewhere_is_dropped_and_the_right_one_taken(rogue):
    rogue.say(pack_info(9, 8, name(5)))
    rogue.say(
        file(5, 4, b"xxxx"), file(5, 1 << 63, b"x"), file(5, 0, b"good"), file(5, 0, b"evil"), file(5, 4, b"good")
    )
    assert rogue.box.incoming == {name(5): b"goodgood"}
    assert rogue.oddities() == {OTHER_OFFSET: 3}


def test_more_than_announced_costs_the_packet(rogue):
    rogue.say(pack_info(9, 8, name(5)))
    rogue.say(file(5, 0, b"12345678A"), file(5, 0, b"12345678"))
    assert rogue.box.incoming == {}
    assert rogue.told(Finished) == []
    assert rogue.oddities() == {MORE_THAN_ANNOUNCED: 1, NOT_REQUESTED: 1}
    assert rogue.box.engine.unfinished


def test_empty_pieces_do_not_loop(rogue):
    rogue.say(pack_info(9, 8, name(5)))
    rogue.say(*[file(5, 0, b"")] * 1000)
    assert rogue.told(Chunk) == []
    assert rogue.oddities() == {EMPTY_PIECE: 1000}


def test_an_announcement_counts_once(rogue):
    rogue.say(*[pack_info(9, 8, name(5))] * 1000)
    rogue.say(pack_info(1, 800, name(5)))
    assert rogue.told(Announced) == [Announced(name(5), 9, 8)]
    assert rogue.hear() == [pack_freq(name(5), 0)]


def test_sizes_that_no_disk_has(rogue):
    rogue.say(pack_info(9, 1 << 63, name(5)), pack_info(9, (1 << 64) - 1, name(6)))
    assert rogue.told(Announced) == []
    assert rogue.oddities() == {IMPOSSIBLE_SIZE: 2}


def test_announcements_are_bounded():
    rogue = Rogue(announcements_max=100)
    for first in range(0, 5000, 500):
        rogue.say(*[pack_info(9, 8, name(n + 10)) for n in range(first, first + 500)])
    assert len(rogue.told(Announced)) == 100
    assert rogue.oddities() == {TOO_MANY: 4900}
    assert b"".join(rogue.hear()) == b"".join(pack_freq(name(n + 10), 0) for n in range(100))


def test_asking_again_and_again_queues_once(rogue):
    rogue.say(*[pack_freq(name(1), 0)] * 1000)
    assert rogue.hear() == [file(1, 0, b"a" * 100)]


def test_halt_and_asking_in_turns_leave_nothing_behind(rogue):
    for _ in range(50):
        rogue.say(*[pack_freq(name(1), 3), HALT] * 500)
    assert rogue.hear() == []
    assert not rogue.box.engine.unfinished


def test_a_flood_takes_no_memory(rogue):
    payload = (pack_freq(name(1), 101) + pack_done(name(7)) + file(7, 0, b"x" * 100) + PING + HALT) * 200
    frames = [rogue.frame(payload) for _ in range(30)]
    for frame in frames[:5]:
        rogue.wire(frame)
    tracemalloc.start()
    try:
        for frame in frames[5:]:
            rogue.wire(frame)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 2 * len(payload)


@pytest.mark.parametrize("kind", [pack_freq(name(1), 0), pack_done(name(1)), file(1, 0, b"x")])
def test_a_recorded_greeting_can_announce_and_nothing_else(kind):
    # The reference deletes a packet that message 1 confirms, and anybody can have recorded one.
    rogue = Rogue(greeting=pack_info(9, 8, name(5)) + kind + HALT)
    assert rogue.box.outgoing.keys() == {name(1)}
    assert rogue.oddities() == {EARLY: 1}
    assert rogue.told(Announced) == [Announced(name(5), 9, 8)]
    assert not rogue.told(Confirmed)


def ended(rogue, kind):
    (closed,) = rogue.told(Closed)
    assert closed.reason == ENDED_BY_ERROR
    assert isinstance(closed.error, kind)
    assert rogue.box.engine.state == CLOSED
    assert rogue.box.events[-1] == closed
    assert rogue.hear() == []
    assert rogue.box.engine.deadline() is None


def test_unknown_messages_end_it(rogue):
    rogue.say(pack_info(9, 8, name(5)), b"\0\0\0\x06")
    ended(rogue, BadEncoding)
    assert rogue.told(Announced) == []


def test_cut_messages_end_it(rogue):
    rogue.say(pack_info(9, 8, name(5))[:-4])
    ended(rogue, BadEncoding)


@pytest.mark.parametrize("at", [12, 30, -1])
def test_a_changed_frame_ends_it(rogue, at):
    frame = bytearray(rogue.frame(PING * 10))
    frame[at] ^= 1
    rogue.wire(frame)
    ended(rogue, BadFrame)


def test_a_repeated_or_missing_frame_ends_it(rogue):
    first, second = rogue.frame(PING), rogue.frame(HALT)
    rogue.wire(first)
    assert rogue.box.engine.state == CARRYING
    rogue.wire(first + second)
    ended(rogue, BadFrame)


def test_what_is_no_frame_ends_it(rogue):
    rogue.wire(b"GET / HTTP/1.0\r\n\r\n")
    ended(rogue, BadFrame)


def test_a_message_shorter_than_its_tag_ends_it(rogue):
    rogue.wire(b"NNCPS\0\0\x01\0\0\0\x04abcd")
    ended(rogue, BadFrame)


def stranger(first):
    box = SyncBox(1)
    box.session(0.0, None)
    box.engine.receive(first, 0.0)
    box.drain()
    return box


@pytest.mark.parametrize(
    ("first", "kind"),
    [
        (b"SSH-2.0-OpenSSH_9.9\r\n", BadFrame),
        (b"NNCPS\0\0\x01\0\0\0\0", BadGreeting),
        (b"NNCPS\0\0\x01\0\0\0\x60" + bytes(96), BadGreeting),
        (b"NNCPS\0\0\x01\0\0\0\x60" + b"\x42" * 96, BadGreeting),
        (b"NNCPS\0\0\x01\xff\xff\xff\xff", BadFrame),
    ],
)
def test_strangers_are_cut_at_once(first, kind):
    box = stranger(first)
    assert box.ending.reason == ENDED_BY_ERROR
    assert isinstance(box.ending.error, kind)
    assert not box.engine.established


def test_a_caller_for_another_node_is_cut():
    caller = SyncBox(2)
    caller.session(0.0, ExchangeKey(b"somebody" * 4).public)
    out = bytearray(70_000)
    count = caller.engine.to_send(memoryview(out), 0.0)
    assert isinstance(stranger(out[:count]).ending.error, BadGreeting)


def test_a_caller_that_goes_on_before_it_is_answered_is_cut():
    box = SyncBox(1)
    box.session(0.0, None)
    channel = Channel(True, ExchangeKey(b"k" * 32), ExchangeKey(b"e" * 32), box.key.public)
    out = bytearray(70_000)
    frame = bytes(out[: channel.greet(b"", memoryview(out))])
    box.engine.receive(frame * 2, 0.0)
    box.drain()
    assert isinstance(box.ending.error, BadFrame)


def test_one_that_answers_before_it_is_called_is_cut():
    box = SyncBox(1)
    box.session(0.0, ExchangeKey(b"k" * 32).public)
    box.engine.receive(b"NNCPS\0\0\x01\0\0\0\x30" + bytes(48), 0.0)
    box.drain()
    assert isinstance(box.ending.error, BadFrame)


def test_a_worthless_key_in_our_own_configuration_is_said():
    box = SyncBox(1)
    box.session(0.0, bytes(32))
    assert box.engine.to_send(memoryview(bytearray(70_000)), 0.0) == 0
    box.drain()
    assert isinstance(box.ending.error, BadGreeting)


def test_a_stranger_that_drips_gets_ten_seconds():
    box = SyncBox(1)
    box.session(0.0, None)
    wire = b"NNCPS\0\0\x01\0\0\x80\0" + bytes(100)
    now = 0.0
    while box.engine.state == GREETING:
        box.engine.receive(wire[int(now) : int(now) + 1], now)
        now = min(now + 1.0, box.engine.deadline())
        box.engine.on_deadline(now)
        box.drain()
    assert now == 10.0
    assert box.ending == Closed(SILENCE, None)


def test_a_peer_that_drips_a_frame_is_cut_in_the_end(rogue):
    wire = rogue.frame(bytes(60_000))
    start = rogue.now
    for byte in range(1000):
        rogue.wire(wire[byte : byte + 1])
        if rogue.box.engine.state == CLOSED:
            break
        rogue.now += 1.0
        rogue.box.engine.on_deadline(rogue.now)
        rogue.box.drain()
        rogue.hear()
    assert rogue.now - start == 120.0
    assert rogue.told(Closed) == [Closed(SILENCE, None)]


@pytest.mark.parametrize("payload", [b"", PING])
def test_frames_without_content_do_not_keep_the_line(rogue, payload):
    while rogue.box.engine.state == CARRYING:
        rogue.say(payload)
        rogue.now += 1.0
        rogue.box.engine.on_deadline(rogue.now)
        rogue.box.drain()
        if rogue.box.engine.state == CARRYING:
            rogue.hear()
    assert rogue.now == 10.0
    assert rogue.told(Closed) == [Closed(IDLE, None)]
