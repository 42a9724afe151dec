# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from muleteer.crypto.keys import ExchangeKey
from muleteer.engines.sync import CARRYING, CLOSED, GREETING, KNOWN, SyncEngine
from muleteer.engines.sync_channel import FRAME_MAX
from muleteer.engines.sync_events import (
    ASKED,
    EOF,
    IDLE,
    SILENCE,
    TIME,
    Announced,
    Chunk,
    Closed,
    Established,
    Finished,
    Listed,
    PeerKnown,
)
from muleteer.engines.sync_terms import Offer, SyncTerms
from muleteer.formats.ids import PacketName
from muleteer.testing.sync_pair import SyncBox, SyncPair


def name(number):
    return PacketName(number.to_bytes(32, "big"))


def body(number, size):
    return bytes([number % 251]) * size


def pair(left=(), right=(), *, start=True, **terms):
    """Two boxes; `left` and `right` are (number, nice, size) of what they have."""
    boxes = [SyncBox(seed, terms=SyncTerms(**terms)) for seed in (1, 2)]
    for box, packets in zip(boxes, (left, right), strict=True):
        box.outgoing = {name(number): (nice, body(number, size)) for number, nice, size in packets}
    return SyncPair(*boxes) if start else boxes


def bodies(*packets):
    return {name(number): body(number, size) for number, _, size in packets}


LEFT = [(1, 100, 3000), (2, 50, 200_000), (3, 255, 0)]
RIGHT = [(10, 7, 65_232), (11, 7, 65_233), (12, 1, 1)]


def test_both_ways_at_once():
    line = pair(LEFT, RIGHT)
    line.run()
    assert line.right.incoming == bodies(*LEFT)
    assert line.left.incoming == bodies(*RIGHT)
    for box in (line.left, line.right):
        assert box.outgoing == {}
        assert box.ending == Closed(IDLE, None)
        assert box.engine.oddities == {}
        assert not box.engine.unfinished
    assert line.left.engine.wire_out == line.right.engine.wire_in
    assert line.right.engine.wire_out == line.left.engine.wire_in
    assert line.right.arrival == [name(2), name(1), name(3)]


def test_the_events_of_a_responder_in_order():
    line = pair([(1, 9, 10)])
    line.settle()
    kinds = [type(event) for event in line.right.events]
    assert kinds == [PeerKnown, Established, Announced, Chunk, Finished]
    assert line.right.events[0].noisepub == line.left.key.public == line.right.engine.peer
    assert line.left.engine.peer == line.right.key.public


@pytest.mark.parametrize(("padded", "sizes"), [(True, (32_772, 32_700)), (False, (156, 60))])
def test_sizes_of_the_greetings(padded, sizes):
    line = pair([(1, 9, 10)], padded=padded)
    assert line.send(line.left) == sizes[0]
    line.deliver(line.right)
    assert line.right.engine.state == CARRYING
    greeting = bytearray(FRAME_MAX)
    size = line.right.engine.to_send(memoryview(greeting), line.now)
    assert size == sizes[1] + 72  # and the frame that asks for the packet


def test_announcements_that_find_no_room_in_the_greeting_follow():
    packets = [(number, 9, 10) for number in range(1500)]
    line = pair(packets)
    out = memoryview(bytearray(FRAME_MAX))
    assert line.left.engine.to_send(out, 0.0) == FRAME_MAX
    line.wires[id(line.left)] += out
    line.run()
    assert line.right.incoming == bodies(*packets)


def test_a_terse_greeting_is_no_longer_than_other_frames():
    line = pair([(number, 9, 10) for number in range(500)], padded=False, chunk=1000)
    frames = []
    while count := line.send(line.left, 1116):
        frames.append(count)
        line.deliver(line.right)
        line.send(line.right)
        line.deliver(line.left)
    assert max(frames) == frames[0] == 12 + 96 + 21 * 48
    line.run()
    assert len(line.right.incoming) == 500


def test_half_a_file_head_of_room_is_none():
    line = pair([(1, 9, 5000)])
    line.settle()
    line.left.engine.offer([Offer(name(9), 9, 9)])
    for room in (0, 1, 27, 28, 31, 60, 75):
        assert line.send(line.left, room) == 0
    assert line.send(line.left, 76) == 76


def test_the_greeting_waits_for_room():
    line = pair()
    assert line.send(line.left, 32_747) == 0
    assert line.send(line.left, 32_748) == 32_748


def test_file_frames_are_cut_to_the_room():
    line = pair([(1, 9, 5000)])
    line.send(line.left)
    line.deliver(line.right)
    line.send(line.right)
    line.deliver(line.left)
    sizes = []
    while count := line.send(line.left, 1003):
        sizes.append(count)
    assert sizes == [1000] * 5 + [28 + 48 + 5000 - 5 * 924]
    line.deliver(line.right)
    assert line.right.incoming == bodies((1, 9, 5000))


def test_an_urgent_packet_passes_the_large_one_that_is_on_its_way():
    line = pair([(1, 200, 1_000_000)])
    for _ in range(6):
        line.send(line.left)
        line.deliver(line.right)
        line.send(line.right)
        line.deliver(line.left)
    line.left.outgoing[name(2)] = (10, body(2, 100))
    line.left.engine.offer(line.left.offers())
    line.run()
    assert line.right.arrival == [name(2), name(1)]


@pytest.mark.parametrize("kept", [0, 1, 65_232, 199_999, 200_000])
def test_resumed_where_the_last_session_stopped(kept):
    line = pair([(1, 9, 200_000)])
    line.right.parts[name(1)] = bytearray(body(1, 200_000)[:kept])
    line.run()
    assert line.right.incoming == bodies((1, 9, 200_000))
    assert sum(len(event.data) for event in line.right.events if isinstance(event, Chunk)) == 200_000 - kept
    assert line.left.outgoing == {}


def test_what_is_here_already_is_confirmed_and_not_sent():
    line = pair([(1, 9, 100_000)])
    line.right.incoming = bodies((1, 9, 100_000))
    line.run()
    assert line.left.outgoing == {}
    assert line.left.engine.wire_out < 40_000


def test_ceilings_hold_on_both_sides():
    left, right = pair([(1, 9, 10), (2, 100, 10)], [(3, 100, 10), (4, 9, 10)], start=False)
    left.terms = SyncTerms(nice=50)
    line = SyncPair(left, right)
    line.run()
    assert right.incoming == bodies((1, 9, 10))
    assert left.incoming == bodies((4, 9, 10))


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(("terms", "sends", "takes"), [({"send": False}, 0, 1), ({"receive": False}, 1, 0)])
def test_one_way_only(side, terms, sends, takes):
    boxes = pair([(1, 9, 10)], [(2, 9, 10)], start=False)
    limited, other = boxes if side == "left" else boxes[::-1]
    limited.terms = SyncTerms(**terms)
    SyncPair(*boxes).run()
    assert len(other.incoming) == sends
    assert len(limited.incoming) == takes


def test_only_the_packets_that_are_wanted():
    left, right = pair([], RIGHT, start=False)
    left.terms = SyncTerms(only=frozenset([name(11)]))
    SyncPair(left, right).run()
    assert set(left.incoming) == {name(11)}


def test_a_list_shows_all_and_moves_nothing():
    left, right = pair([(1, 9, 10)], RIGHT, start=False)
    left.terms = SyncTerms(list_only=True, nice=3)
    SyncPair(left, right).run()
    listed = [event for event in left.events if isinstance(event, Listed)]
    assert [(one.nice, one.size) for one in listed] == [(1, 1), (7, 65_232), (7, 65_233)]
    assert left.incoming == right.incoming == {}


def test_idle_sessions_end_after_their_time():
    line = pair(idle_seconds=4.0)
    line.run()
    assert line.now == 4.0
    assert line.left.ending == line.right.ending == Closed(IDLE, None)


def test_time_on_line():
    line = pair(online_seconds=3.0)
    line.run()
    assert line.now == 3.0
    assert line.left.ending == Closed(TIME, None)


def test_pings_keep_a_quiet_line_and_a_dead_one_is_noticed():
    line = pair(idle_seconds=1000.0)
    for _ in range(200):
        line.settle()
        line.tick(1.0)
    assert line.left.engine.state == CARRYING
    sent = line.left.engine.wire_out
    for _ in range(119):
        line.send(line.left)
        line.tick(1.0)
    assert line.left.engine.wire_out - sent in (32, 64)
    for _ in range(122):
        line.tick(1.0)
    assert line.left.ending == Closed(SILENCE, None)


def test_a_deadline_is_never_in_the_past_when_all_is_done():
    line = pair([(1, 9, 100_000)], idle_seconds=500.0, bytes_rate=9000, online_seconds=300.0)
    for _ in range(10_000):
        line.settle()
        times = [at for box in (line.left, line.right) if (at := box.engine.deadline()) is not None]
        if not times:
            break
        assert min(times) > line.now
        line.tick(min(times) - line.now)
    else:
        pytest.fail("it does not end")
    assert line.right.incoming == bodies((1, 9, 100_000))


@pytest.mark.parametrize("rate", [2000, 10_000])
def test_bytes_per_second(rate):
    size = 20 * rate
    line = pair([(1, 9, size)], bytes_rate=rate, padded=False)
    line.run()
    assert line.right.incoming == bodies((1, 9, size))
    assert 16 <= line.now - 10.0 <= 24
    assert line.left.ending == Closed(IDLE, None)


def test_file_frames_per_second():
    line = pair([(number, 9, 10) for number in range(12)], tx_rate=4)
    line.run()
    assert len(line.right.incoming) == 12
    assert line.now == pytest.approx(10.0 + 11 / 4)


def test_read_frames_per_second():
    left, right = pair([(number, 9, 70_000) for number in range(3)], start=False)
    right.terms = SyncTerms(rx_rate=2, idle_seconds=10.0)
    line = SyncPair(left, right)
    seen = []
    while not all(box.engine.state == CLOSED for box in (left, right)):
        for box in (left, right):
            while line.send(box):
                pass
            if line.other(box).engine.hungry:
                line.deliver(line.other(box))
        seen.append(line.now)
        line.tick(0.25)
    assert right.incoming == bodies(*[(number, 9, 70_000) for number in range(3)])
    assert right.engine.oddities == {}
    assert seen[-1] >= 3.5  # the greeting and six pieces, two in a second


def test_packets_that_come_during_the_session():
    line = pair([(1, 9, 10)])
    line.settle()
    line.right.outgoing[name(5)] = (3, body(5, 500))
    line.right.engine.offer(line.right.offers())
    line.left.outgoing[name(6)] = (3, body(6, 500))
    line.left.engine.offer(line.left.offers())
    line.run()
    assert line.left.incoming == bodies((5, 3, 500))
    assert line.right.incoming == bodies((1, 9, 10), (6, 3, 500))


def test_a_refused_caller_sees_only_the_end():
    line = pair([(1, 9, 10)])
    line.right.act = lambda _: None
    line.send(line.left)
    line.deliver(line.right)
    assert line.right.engine.state == KNOWN
    assert line.right.engine.deadline() is None
    line.right.engine.refuse("unknown")
    line.right.drain()
    assert line.right.ending == Closed("unknown", None)
    assert line.send(line.right) == 0
    line.cut()
    assert line.left.ending == Closed(EOF, None)
    assert not line.left.engine.established


def test_a_caller_that_says_nothing_is_cut():
    line = pair(frame_seconds=6.0)
    for _ in range(6):
        assert line.right.engine.state == GREETING
        line.wires[id(line.left)] += b"NNCPS\0\0\x01\0\0\x10\0"[:1]
        line.tick(1.0)
    assert line.right.ending == Closed(SILENCE, None)


def test_quiet_since_the_last_word():
    line = pair()
    line.settle()
    line.tick(3.0)
    line.left.engine.offer([Offer(name(9), 9, 9)])
    line.settle()
    line.tick(1.0)
    line.settle()
    assert line.left.engine.quiet_since == line.right.engine.quiet_since == 3.0


def test_unfinished_while_something_is_open():
    line = pair([(1, 9, 200_000)])
    for box in (line.left, line.right):
        assert not box.engine.unfinished
    line.send(line.left)
    line.deliver(line.right)
    line.send(line.right)
    line.deliver(line.left)
    assert line.left.engine.unfinished
    assert line.right.engine.unfinished
    line.cut()
    assert line.left.engine.unfinished
    assert line.right.engine.unfinished


def test_closing_by_hand():
    line = pair([(1, 9, 10)])
    line.settle()
    line.left.engine.close(ASKED)
    line.left.engine.close("again")
    line.left.drain()
    assert line.left.ending == Closed(ASKED, None)
    assert [type(event) for event in line.left.events].count(Closed) == 1
    assert line.left.engine.deadline() is None
    assert line.send(line.left) == 0
    line.left.engine.receive(b"anything", 5.0)
    line.left.engine.on_deadline(1e9)
    assert line.left.engine.next_event() is None


def test_mistakes_of_the_owner_are_refused():
    engine = SyncBox(1).session(0.0, ExchangeKey(b"x" * 32).public)
    with pytest.raises(ValueError, match="cannot be started"):
        engine.start([])
    with pytest.raises(ValueError, match="cannot be accepted"):
        engine.accept(SyncTerms(), [])
    with pytest.raises(ValueError, match="not announced"):
        engine.request(name(1), 0)
    with pytest.raises(ValueError, match="public key"):
        SyncEngine(
            initiator=True,
            static=ExchangeKey(b"a" * 32),
            peer=None,
            ephemeral=ExchangeKey(b"b" * 32),
            terms=SyncTerms(),
            now=0.0,
            source=lambda *_: 0,
        )


def test_a_request_beyond_the_end_is_refused():
    line = pair([(1, 9, 10)])
    line.right.act = lambda event: line.right.engine.accept(SyncTerms(), []) if isinstance(event, PeerKnown) else None
    line.settle()
    with pytest.raises(ValueError, match="11 bytes"):
        line.right.engine.request(name(1), 11)
    with pytest.raises(ValueError, match="-1 bytes"):
        line.right.engine.request(name(1), -1)


def test_what_the_disk_refuses_comes_out_and_the_session_goes_on():
    line = pair([(1, 9, 10), (2, 9, 10)])
    good, line.left.engine._offered._source = line.left.engine._offered._source, broken
    with pytest.raises(OSError, match="disk"):
        line.settle()
    line.left.engine._offered._source = good
    line.run()
    assert line.right.incoming == bodies((1, 9, 10), (2, 9, 10))


def broken(*_):
    raise OSError(5, "the disk")


def test_a_packet_that_is_gone_is_not_sent_and_the_rest_is():
    line = pair([(1, 9, 70_000), (2, 10, 10)])
    line.left.outgoing[name(1)] = (9, b"")  # it was 70,000 bytes when it was offered
    line.run()
    assert line.right.incoming == bodies((2, 10, 10))
    assert line.right.engine.unfinished
    assert not line.left.engine.unfinished


def test_offers_come_sorted_whatever_their_order():
    line = pair([(number, 250 - number, 10) for number in range(40)])
    line.settle()
    announced = [event.nice for event in line.right.events if isinstance(event, Announced)]
    assert announced == sorted(announced)
    line.left.engine.offer([Offer(name(99), 5, 1)])
    assert line.left.engine.state == CARRYING


def test_who_greets_briefly_is_answered_briefly():
    boxes = pair([(1, 9, 10)], start=False, padded=True)
    boxes[0].terms = SyncTerms(padded=False)
    line = SyncPair(*boxes)
    assert line.send(line.left) == 156
    line.deliver(line.right)
    assert line.send(line.right) == 60 + 72  # with the frame that asks for the packet
