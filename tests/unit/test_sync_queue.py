# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from muleteer.engines.sync_events import BEYOND_THE_END, CONFIRMED_STRANGER, NOT_OFFERED, Confirmed, Strange
from muleteer.engines.sync_messages import Done, Freq, Halt, parse
from muleteer.engines.sync_offered import Offered
from muleteer.engines.sync_queue import SendQueue
from muleteer.engines.sync_terms import Offer, SyncTerms
from muleteer.formats.ids import PacketName


def name(number):
    return PacketName(number.to_bytes(32, "big"))


def order(queue):
    found = []
    while (entry := queue.first()) is not None:
        found.append(int.from_bytes(entry.name, "big"))
        queue.drop(entry.name)
    return found


def test_most_urgent_first_then_in_the_order_of_asking():
    # The reference puts the first entry last: nncp.md, 15
    queue = SendQueue()
    for number, nice in enumerate([100, 50, 100, 200, 50, 1]):
        queue.put(name(number), nice, 0, 10)
    assert len(queue) == 6
    assert order(queue) == [5, 1, 4, 0, 2, 3]
    assert len(queue) == 0


def test_an_urgent_one_passes_what_is_half_sent():
    queue = SendQueue()
    queue.put(name(1), 200, 0, 10)
    queue.first().offset = 5
    queue.put(name(2), 10, 0, 10)
    assert order(queue) == [2, 1]


def test_asked_for_twice_is_sent_once():
    queue = SendQueue()
    queue.put(name(1), 5, 0, 10)
    queue.put(name(1), 5, 7, 10)
    assert len(queue) == 1
    assert queue.first().offset == 7


def test_dropped_and_cleared():
    queue = SendQueue()
    for number in range(3):
        queue.put(name(number), number, 0, 10)
    queue.drop(name(0))
    queue.drop(name(9))
    assert queue.first().name == name(1)
    queue.clear()
    assert queue.first() is None
    assert len(queue) == 0


BODIES = {name(1): b"a" * 10, name(2): b"b" * 700, name(3): b"c" * 2000, name(4): b""}


def offered(bodies=BODIES, source=None, **terms):
    def read(packet, offset, view):
        piece = bodies[packet][offset : offset + len(view)]
        view[: len(piece)] = piece
        return len(piece)

    ours = Offered(SyncTerms(**terms), source or read)
    ours.add([Offer(packet, 5, len(data)) for packet, data in bodies.items()])
    return ours


def payloads(ours, size=65_280, *, alone=False):
    """The FILEs of each payload as (number, offset, bytes)."""
    found = []
    while True:
        view = memoryview(bytearray(size))
        filled = ours.fill(view, alone=alone)
        if not filled:
            return found
        found.append([(int.from_bytes(c.name, "big"), c.offset, len(c.data)) for c in parse(view[:filled])])


def ask(ours, *numbers, offset=0):
    for number in numbers:
        assert ours.on_freq(Freq(name(number), offset)) is None


def test_whole_small_packets_share_a_payload():
    ours = offered()
    ask(ours, 1, 2, 4, 3)
    assert payloads(ours) == [[(1, 0, 10), (2, 0, 700), (4, 0, 0), (3, 0, 2000)]]


def test_but_not_if_each_has_to_be_alone():
    ours = offered()
    ask(ours, 1, 2)
    assert payloads(ours, alone=True) == [[(1, 0, 10)], [(2, 0, 700)]]


def test_pieces_of_larger_ones_share_nothing():
    ours = offered(chunk=1000)
    ask(ours, 1, 3, 2)
    assert payloads(ours) == [[(1, 0, 10)], [(3, 0, 1000)], [(3, 1000, 1000)], [(2, 0, 700)]]


def test_resumed_ones_share_nothing():
    ours = offered()
    ask(ours, 2, offset=100)
    ask(ours, 1)
    assert payloads(ours) == [[(2, 100, 600)], [(1, 0, 10)]]


def test_pieces_are_cut_to_the_room_but_not_to_crumbs():
    ours = offered()
    ask(ours, 3)
    assert payloads(ours, 48 + 511) == []
    assert payloads(ours, 48 + 600) == [[(3, 0, 600)], [(3, 600, 600)], [(3, 1200, 600)], [(3, 1800, 200)]]


def test_at_the_end_there_is_one_empty_file():
    ours = offered()
    ask(ours, 3, offset=2000)
    assert payloads(ours) == [[(3, 2000, 0)]]


def test_beyond_the_end_there_is_nothing():
    ours = offered()
    assert ours.on_freq(Freq(name(3), 2001)) == Strange(BEYOND_THE_END)
    assert payloads(ours) == []


def test_strangers_are_not_sent():
    ours = offered()
    assert ours.on_freq(Freq(name(9), 0)) == Strange(NOT_OFFERED)
    assert ours.on_done(Done(name(9))) == Strange(CONFIRMED_STRANGER)


def test_confirmed_is_said_once_and_ends_the_sending():
    ours = offered()
    ask(ours, 3)
    assert ours.on_done(Done(name(3))) == Confirmed(name(3))
    assert ours.on_done(Done(name(3))) is None
    assert payloads(ours) == []
    assert ours.on_freq(Freq(name(3), 0)) is None
    assert payloads(ours) == []
    assert ours.add([Offer(name(3), 5, 2000)]) == []


def test_halt_empties_the_queue_and_it_can_be_asked_again():
    ours = offered()
    ask(ours, 1, 2, 3)
    ours.on_halt(Halt())
    assert len(ours) == 0
    ask(ours, 1)
    assert payloads(ours) == [[(1, 0, 10)]]


def test_a_packet_that_is_gone_is_passed_over():
    bodies = dict(BODIES)
    ours = offered(bodies)
    ask(ours, 1, 3, 2)
    bodies[name(3)] = b""
    assert payloads(ours) == [[(1, 0, 10), (2, 0, 700)]]
    assert len(ours) == 0


def test_short_reads_go_on_where_they_stopped():
    def source(packet, offset, view):
        count = min(len(view), 3)
        view[:count] = BODIES[packet][offset : offset + count]
        return count

    ours = offered(source=source)
    ask(ours, 1)
    assert payloads(ours) == [[(1, 0, 3)], [(1, 3, 3)], [(1, 6, 3)], [(1, 9, 1)]]


def test_what_the_disk_refuses_is_not_lost():
    fail = [name(2)]

    def source(packet, offset, view):
        if packet in fail:
            raise OSError(5, "the disk")
        view[:] = BODIES[packet][offset : offset + len(view)]
        return len(view)

    ours = offered(source=source)
    ask(ours, 1, 2)
    with pytest.raises(OSError, match="the disk"):
        payloads(ours)
    fail.clear()
    assert sorted(number for payload in payloads(ours) for number, *_ in payload) == [1, 2]


@pytest.mark.parametrize("terms", [{"send": False}, {"list_only": True}, {"nice": 4}])
def test_terms_that_offer_nothing(terms):
    ours = Offered(SyncTerms(**terms), lambda *_: 0)
    assert ours.add([Offer(name(1), 5, 1)]) == []
    assert ours.on_freq(Freq(name(1), 0)) == Strange(NOT_OFFERED)


def test_offers_are_announced_most_urgent_first_and_once():
    ours = Offered(SyncTerms(nice=200), lambda *_: 0)
    first = [Offer(name(n), nice, 1) for n, nice in ((1, 100), (2, 201), (3, 50), (4, 200))]
    assert [offer.nice for offer in ours.add(first)] == [50, 100, 200]
    assert [offer.nice for offer in ours.add([*first, Offer(name(9), 9, 9)])] == [9]
