# SPDX-License-Identifier: GPL-3.0-or-later
"""An online session between two spools: what moves, what is held, what is healed, what it costs."""

import errno
import threading

import pytest

from muleteer.carriers.exchange import Exchange
from muleteer.carriers.inflow import CHECKS_MAX
from muleteer.carriers.online import OnlineTerms
from muleteer.carriers.online_log import OnlineLog
from muleteer.carriers.online_tally import Tally
from muleteer.carriers.outflow import Outflow
from muleteer.crypto.keys import ExchangeKey
from muleteer.errors import ReplayedGreeting, SpoolError, SpoolFull, SpoolLocked
from muleteer.spool.ack_marks import AckMarks
from muleteer.spool.checker import Checker
from muleteer.spool.disk import RealDisk
from muleteer.spool.layout import RX, TX
from muleteer.spool.part import Part
from muleteer.testing.disk import FakeDisk
from muleteer.testing.disk_tree import Volume
from muleteer.testing.exchanges import OUT_SIZE, Call, Station, name_of, packet
from muleteer.testing.nodes import MemoryLog

BIG = packet(7, 300_000)
PATIENT = OnlineTerms(idle_seconds=1e6, online_seconds=3e6)


@pytest.fixture
def disk():
    return FakeDisk({"/a": Volume(), "/b": Volume()})


@pytest.fixture
def alice(disk):
    return Station.on(disk, "alice", "/a")


@pytest.fixture
def bob(disk):
    return Station.on(disk, "bob", "/b")


@pytest.fixture
def memory_log():
    return MemoryLog()


@pytest.fixture
def other_log():
    return MemoryLog()


@pytest.fixture
def real_ends(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
    return tuple(Station.on(RealDisk(sync=False), name, f"{tmp_path}/{name[0]}") for name in ("alice", "bob"))


def talk(call):
    """Go on with a call that is open, to its end."""
    while call.step():
        pass
    call.here.finish(call.now)
    call.there.finish(call.now)


def opened(*args, **options):
    call = Call(*args, **options)
    call.here.open(call.now)
    call.there.open(call.now)
    return call


def rx_files(disk, station, other):
    """What lies in rx, of any suffix."""
    base = f"{station.spool.layout.way(other.id, RX)}/"
    inside = {path.removeprefix(base): what for path, what in disk.image().items() if path.startswith(base)}
    return {name: what for name, what in inside.items() if "/" not in name and isinstance(what, bytes)}


# ---------------------------------------------------------------------------------------------- what moves


@pytest.mark.parametrize("piece", [1 << 20, 65_000, 1_111])
def test_packets_of_all_sizes_move_both_ways(alice, bob, piece):
    sizes = (172, 400, 65232, 65233, 65536, 65537, 200_000, 1_500_000)
    out = {alice.queue(packet(i, size, nice=10 + i), bob): packet(i, size, nice=10 + i) for i, size in enumerate(sizes)}
    back = {bob.queue(packet(50 + i, size), alice): packet(50 + i, size) for i, size in enumerate(sizes)}
    call = Call(alice, bob, piece=piece).run()
    assert {name: bob.got(name, alice) for name in bob.waiting(RX, alice)} == out
    assert {name: alice.got(name, bob) for name in alice.waiting(RX, bob)} == back
    assert not alice.waiting(TX, bob)
    assert not bob.waiting(TX, alice)
    report = call.here.report
    assert (report.sent, report.received, report.damaged, report.unfinished) == (8, 8, 0, False)
    assert report.sent_bytes == report.received_bytes == sum(sizes)
    assert (report.ended, report.error, report.node, report.established) == ("idle", None, bob.id, True)
    assert (report.wire_in, report.wire_out) == (call.there.report.wire_out, call.there.report.wire_in)


def test_many_small_packets_share_their_syncs(disk, alice, bob):
    names = {alice.queue(packet(i), bob) for i in range(200)}
    disk.settle()
    Call(alice, bob).run()
    assert bob.waiting(RX, alice) == names
    rx = bob.spool.layout.way(alice.id, RX)
    assert 1 <= sum(call.verb == "fsync_dir" and call.path == rx for call in disk.trace) <= 10


def test_large_packets_are_written_and_checked_in_threads(tmp_path, real_ends):
    alice, bob = real_ends
    first, second = packet(1, 3_000_000), packet(2, 2_000_000)
    names = [alice.queue(first, bob), alice.queue(second, bob)]
    rx = tmp_path / "b" / str(alice.id) / "rx"
    rx.mkdir(parents=True)
    (rx / f"{names[0]}.part").write_bytes(first[:1_400_001])
    (rx / f"{names[1]}.part").write_bytes(b"?" * 1_400_001)
    call = opened(alice, bob, PATIENT, PATIENT, thread_bytes=100_000)
    while call.here.report.sent < 2:  # its time is not real, that of the threads is
        assert call.step()
    call.here.finish(call.now)
    call.there.finish(call.now)
    assert [bob.got(name, alice) for name in names] == [first, second]
    assert call.there.report.damaged == 1
    assert not alice.waiting(TX, bob)
    assert sorted(path.name for path in rx.iterdir() if path.is_file()) == sorted(map(str, names))


def test_headers_are_copied_for_the_references_listings(disk, alice, bob):
    names = [alice.queue(packet(1), bob), alice.queue(BIG, bob)]
    disk.put(f"{bob.spool.layout.way(alice.id, RX)}/{names[1]}.part", BIG[:100])
    Call(alice, bob).run()
    headers = bob.spool.layout.headers(alice.id, RX)
    assert disk.image()[f"{headers}/{names[0]}"] == packet(1)[:172]
    assert disk.image()[f"{headers}/{names[1]}"] == BIG[:172]
    assert f"{alice.spool.layout.headers(bob.id, TX)}/{names[0]}" not in disk.image()


def test_a_new_packet_is_announced_within_a_second_of_the_session(disk, alice, bob):
    alice.queue(packet(1), bob)
    call = opened(alice, bob)
    while call.now < 1003:
        call.step()
    disk.now += 3
    late = alice.queue(packet(2), bob)
    back = bob.queue(BIG, alice)
    queued_at = call.now
    while call.now < queued_at + 1.01:
        call.step()
    assert late in bob.waiting(RX, alice)
    assert back in alice.waiting(RX, bob)
    talk(call)


def test_a_packet_that_came_in_the_tick_of_a_look_is_found_by_the_next(alice, bob):
    first = alice.queue(packet(1), bob)
    call = opened(alice, bob, OnlineTerms(idle_seconds=3), OnlineTerms(idle_seconds=3))
    name = alice.queue(packet(3), bob)  # the directory's time looks as it did
    talk(call)
    assert bob.waiting(RX, alice) == {first, name}


def test_a_packet_another_carrier_took_is_passed_over(disk, alice, bob):
    names = [alice.queue(packet(i, 70_000), bob) for i in range(3)]
    call = opened(alice, bob)
    disk.unlink(alice.spool.path(bob.id, TX, names[1]))
    talk(call)
    assert bob.waiting(RX, alice) == {names[0], names[2]}
    assert call.here.report.error is None


def test_an_unreadable_packet_does_not_keep_the_others(disk, alice, bob, memory_log):
    names = [alice.queue(packet(i, 70_000, nice=i + 1), bob) for i in range(3)]
    call = opened(alice, bob, log=memory_log)
    disk.fail(0, errno.EIO, sticky=True, under=alice.spool.path(bob.id, TX, names[0]))
    talk(call)
    disk.heal()
    assert bob.waiting(RX, alice) == {names[1], names[2]}
    assert alice.waiting(TX, bob) == {names[0]}
    assert memory_log.only("sp-file-open").err == "input/output error"


# ---------------------------------------------------------------------------------------------- resumed and healed


def test_a_cut_download_is_resumed_where_it_ended(disk, alice, bob):
    name = alice.queue(BIG, bob)
    first = Call(alice, bob, cut_after=65_448 + 200_000).run()
    assert first.there.report.unfinished
    (part,) = rx_files(disk, bob, alice).items()
    assert part[0] == f"{name}.part"
    assert part[1] == BIG[: len(part[1])]
    assert len(part[1]) > 100_000
    second = Call(alice, bob).run()
    assert bob.got(name, alice) == BIG
    assert second.there.report.wire_in < 300_000 - len(part[1]) + 40_000
    assert rx_files(disk, bob, alice) == {str(name): BIG}


@pytest.mark.parametrize(
    "part",
    [BIG[:100_000] + bytes(1000), BIG[:-1] + b"?", BIG + b"more", bytes(len(BIG))],
    ids=["damaged", "damaged and complete", "too long", "zeros"],
)
def test_a_damaged_part_is_healed_instead_of_stuck_for_ever(disk, alice, bob, part, memory_log):
    name = alice.queue(BIG, bob)
    disk.put(f"{bob.spool.layout.way(alice.id, RX)}/{name}.part", part)
    call = Call(alice, bob, called_log=memory_log).run()
    assert rx_files(disk, bob, alice) == {str(name): BIG}
    assert not alice.waiting(TX, bob)
    told = [event.err for event in memory_log.heard if event.who == "sp-checker"]
    assert told == ["checksum mismatch"] * call.there.report.damaged


def test_a_complete_part_is_not_fetched_again(disk, alice, bob):
    name = alice.queue(BIG, bob)
    disk.put(f"{bob.spool.layout.way(alice.id, RX)}/{name}.part", BIG)
    call = Call(alice, bob).run()
    assert rx_files(disk, bob, alice) == {str(name): BIG}
    assert not alice.waiting(TX, bob)
    assert call.there.report.received == 1
    assert call.there.report.wire_in < 40_000


@pytest.mark.parametrize("nock", [BIG, BIG[:-1] + b"?", BIG[:1000]], ids=["whole", "damaged", "short"])
def test_a_nock_does_not_silence_the_answer_to_an_announcement(disk, alice, bob, nock):
    name = alice.queue(BIG, bob)
    disk.put(f"{bob.spool.layout.way(alice.id, RX)}/{name}.nock", nock)
    Call(alice, bob).run()
    assert rx_files(disk, bob, alice) == {str(name): BIG}
    assert not alice.waiting(TX, bob)


def test_with_nock_nothing_is_checked_nor_confirmed_until_a_session_without(disk, alice, bob):
    names = [alice.queue(BIG, bob), alice.queue(packet(2), bob)]
    call = Call(alice, bob, called_terms=OnlineTerms(nock=True)).run()
    assert rx_files(disk, bob, alice) == {f"{names[0]}.nock": BIG, f"{names[1]}.nock": packet(2)}
    assert alice.waiting(TX, bob) == set(names)
    assert call.there.report.received == 0
    Call(alice, bob, called_terms=OnlineTerms(nock=True)).run()
    assert len(rx_files(disk, bob, alice)) == 2
    Call(alice, bob).run()
    assert rx_files(disk, bob, alice) == {str(names[0]): BIG, str(names[1]): packet(2)}
    assert not alice.waiting(TX, bob)


@pytest.mark.parametrize("size", [400, 300_000])
def test_a_peers_damaged_packet_costs_one_transfer_not_an_endless_row(disk, alice, bob, size, memory_log):
    name = alice.queue(packet(1, size), bob)
    good = alice.queue(packet(2), bob)
    disk.put(alice.spool.path(bob.id, TX, name), packet(1, size)[:-1] + b"?")
    call = Call(alice, bob, called_log=memory_log).run()
    assert call.there.report.damaged == 1
    assert call.there.report.wire_in < 2 * size + 60_000
    assert rx_files(disk, bob, alice) == {str(good): packet(2)}
    assert alice.waiting(TX, bob) == {name}
    assert [event.err for event in memory_log.heard if event.who == "sp-file-bad-checksum"] == ["checksum mismatch"]


def test_what_is_in_rx_is_confirmed_if_it_is_whole_else_fetched(disk, alice, bob):
    here, damaged = alice.queue(packet(1), bob), alice.queue(packet(2), bob)
    rx = bob.spool.layout.way(alice.id, RX)
    disk.put(f"{rx}/{here}", packet(1))
    disk.put(f"{rx}/{damaged}", packet(2)[:-1])
    call = Call(alice, bob).run()
    assert rx_files(disk, bob, alice) == {str(here): packet(1), str(damaged): packet(2)}
    assert not alice.waiting(TX, bob)
    assert call.there.report.received == 1


def test_what_was_delivered_is_confirmed_and_not_fetched(disk, alice, bob):
    name = alice.queue(packet(1), bob)
    disk.put(f"{bob.spool.layout.seen(alice.id)}/{name}")
    call = Call(alice, bob).run()
    assert rx_files(disk, bob, alice) == {}
    assert not alice.waiting(TX, bob)
    assert call.there.report.received == 0


# ---------------------------------------------------------------------------------------------- what the terms allow


@pytest.mark.parametrize("at_home", [True, False], ids=["the sender's", "the receiver's"])
def test_terms_of_either_side_hold_packets_back(alice, bob, at_home):
    urgent, bulk, large = (
        alice.queue(packet(i, size, nice), bob) for i, size, nice in ((1, 400, 32), (2, 400, 224), (3, 5000, 32))
    )
    terms = OnlineTerms(nice=96, size=4096)
    call = Call(alice, bob, terms, OnlineTerms()) if at_home else Call(alice, bob, OnlineTerms(), terms)
    call.run()
    assert bob.waiting(RX, alice) == {urgent}
    assert alice.waiting(TX, bob) == {bulk, large}
    report = (call.here if at_home else call.there).report
    held = {entry.name: (entry.why, entry.way) for entry in report.held}
    assert held == ({bulk: ("nice", "tx"), large: ("size", "tx")} if at_home else {large: ("size", "rx")})
    assert report.held_count == len(held)


@pytest.mark.parametrize(("send", "receive"), [(True, False), (False, True), (False, False)])
def test_directions_may_be_closed(alice, bob, send, receive):
    out, back = alice.queue(packet(1), bob), bob.queue(packet(2), alice)
    Call(alice, bob, OnlineTerms(send=send, receive=receive)).run()
    assert bob.waiting(RX, alice) == ({out} if send else set())
    assert alice.waiting(RX, bob) == ({back} if receive else set())


def test_only_what_was_named_is_asked_for(alice, bob):
    wanted, other = bob.queue(packet(1), alice), bob.queue(packet(2), alice)
    Call(alice, bob, OnlineTerms(only=frozenset((wanted,)))).run()
    assert alice.waiting(RX, bob) == {wanted}
    assert bob.waiting(TX, alice) == {other}


def test_listing_moves_nothing_and_needs_no_lock(disk, alice, bob, memory_log):
    names = [bob.queue(packet(1, nice=32), alice), bob.queue(BIG, alice), bob.queue(packet(3, nice=200), alice)]
    disk.put(f"{alice.spool.layout.way(bob.id, RX)}/{names[1]}.part", BIG[:150_000])
    disk.put(f"{alice.spool.layout.seen(bob.id)}/{names[2]}")
    alice.queue(packet(2), bob)
    with alice.spool.lock(bob.id, RX), alice.spool.lock(bob.id, TX):
        call = Call(alice, bob, OnlineTerms(list_only=True), log=memory_log).run()
    listed = [(entry.name, entry.nice, entry.size) for entry in call.here.report.listed]
    assert listed == [(names[0], 32, 400), (names[1], 96, 300_000), (names[2], 200, 400)]
    assert not bob.waiting(RX, alice)
    assert bob.waiting(TX, alice) == set(names)
    said = [event.message.rpartition(": ")[2] for event in memory_log.heard if event.who.startswith("sp-info-")]
    assert said == ["already seen"]
    assert [event["Offset"] for event in memory_log.heard if event.who == "sp-info"] == ["0", "150000"]


def test_what_the_disk_has_no_room_for_is_not_asked_for_and_told(memory_log):
    disk = FakeDisk({"/a": Volume(), "/b": Volume(capacity=(8 << 20) + 200_000)})
    alice, bob = Station.on(disk, "alice", "/a"), Station.on(disk, "bob", "/b")
    large, small = alice.queue(BIG, bob), alice.queue(packet(1, 1000), bob)
    call = Call(alice, bob, called_log=memory_log).run()
    assert bob.waiting(RX, alice) == {small}
    assert [(entry.name, entry.why) for entry in call.there.report.held] == [(large, "room")]
    assert memory_log.only("sp-info-no-space")["Pkt"] == str(large)


def test_terse_terms_say_little(alice, bob):
    terse = OnlineTerms(padded=False, chunk=1024)
    name = alice.queue(packet(1, 5000), bob)
    call = Call(alice, bob, terse, terse).run()
    assert bob.waiting(RX, alice) == {name}
    report = call.here.report
    assert report.wire_in + report.wire_out < 6500


# ---------------------------------------------------------------------------------------------- who may talk


def test_the_caller_is_told_that_another_program_is_at_work(alice, bob):
    call = Call(alice, bob)
    for what in (RX, TX):
        with alice.spool.lock(bob.id, what), pytest.raises(SpoolLocked):
            call.here.open(call.now)
    for what in (RX, TX):
        alice.spool.lock(bob.id, what).release()  # the failed attempts hold nothing


def test_a_locked_neighbour_is_refused_without_a_word(alice, bob):
    alice.queue(packet(1), bob)
    with bob.spool.lock(alice.id, TX):
        call = Call(alice, bob).run()
    report = call.there.report
    assert (report.ended, report.wire_out, report.established) == ("locked", 0, False)
    assert isinstance(report.error, SpoolLocked)
    assert call.here.report.ended == "eof"
    assert not call.here.report.established
    bob.spool.lock(alice.id, RX).release()
    Call(alice, bob).run()
    assert not alice.waiting(TX, bob)


def test_a_stranger_is_refused_without_a_word(alice, bob):
    call = Call(alice, bob)
    call.there = Exchange(bob.spool, bob.noise, welcome=lambda _noisepub: None, ephemeral=ExchangeKey(bytes(31) + b"1"))
    call.run()
    report = call.there.report
    assert (report.ended, report.wire_out, report.node) == ("refused", 0, None)


def test_both_locks_are_held_while_it_lasts_and_not_after(alice, bob):
    call = opened(alice, bob)
    call.step()
    for station, other in ((alice, bob), (bob, alice)):
        for what in (RX, TX):
            with pytest.raises(SpoolLocked):
                station.spool.lock(other.id, what)
    call.here.close("asked", call.now)
    call.here.finish(call.now)
    call.here.finish(call.now)
    for what in (RX, TX):
        alice.spool.lock(bob.id, what).release()
    assert call.here.report.ended == "asked"
    call.there.finish(call.now)


def test_nothing_may_be_done_before_it_is_open(alice, bob):
    call = Call(alice, bob)
    assert call.here.deadline() is None
    with pytest.raises(ValueError, match="not open"):
        call.here.receive(b"x", 0.0)
    call.here.finish(0.0)


# ---------------------------------------------------------------------------------------------- when the disk fails


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EROFS])
def test_a_failing_disk_ends_the_session_and_the_report_says_why(disk, alice, bob, code):
    name = alice.queue(packet(1), bob)
    call = opened(alice, bob)
    call.step()
    disk.fail(0, code, sticky=True, under="/b")
    talk(call)
    report = call.there.report
    assert report.ended == "disk"
    assert isinstance(report.error, SpoolFull if code == errno.ENOSPC else SpoolError)
    assert alice.waiting(TX, bob) == {name}
    disk.heal()
    Call(alice, bob).run()
    assert bob.waiting(RX, alice) == {name}


def test_an_acknowledgements_mark_leaves_with_it(disk, alice, bob):
    name = alice.queue(packet(1), bob)
    AckMarks(alice.spool).make(bob.id, name)
    Call(alice, bob).run()
    assert AckMarks(alice.spool).of(bob.id) == set()


def test_progress_is_told(alice, bob):
    told = []
    name = alice.queue(packet(1, 1_000_000), bob)
    Call(alice, bob, progress=told.append).run()
    assert told[-1].name == name
    assert (told[-1].way, told[-1].size, told[-1].done) == ("tx", 1_000_000, 1_000_000)
    assert (told[-1].sent_bytes, told[-1].offered_bytes) == (1_000_000, 1_000_000)


def test_words_of_the_log_are_the_references(alice, bob, memory_log, other_log):
    """The records of real nncp-call and nncp-daemon runs (8.8.2), names of nodes aside."""
    large, small = alice.queue(BIG, bob), alice.queue(packet(1, 580, nice=32), bob)
    Call(alice, bob, log=memory_log, called_log=other_log).run()
    node = ("Node", str(bob.id))
    first, *rest = memory_log.heard
    assert first.who == "sp-infos-tx"
    assert first.fields == [("XX", "tx"), node, ("Pkts", "2"), ("Size", "300580")]
    assert first.message == "We have got for bob: 2 packets, 294 KiB"
    assert [event.who for event in rest] == ["sp-done", "sp-done"]
    done = next(event for event in rest if event["Pkt"] == str(small))
    assert done.fields == [node, ("Nice", "255"), ("Type", "done"), ("Pkt", str(small)), ("XX", "tx")]
    assert done.message == f"Packet {small} is sent"
    node = ("Node", str(alice.id))
    assert other_log.whos == ["sp-info", "sp-info", "sp-infos-rx", "sp-file-done", "sp-file-done"]
    info = other_log.heard[0]
    assert info.fields == [node, ("Nice", "255"), ("Type", "info"), ("Pkt", str(small)), ("Size", "580"),
                           ("PktNice", "32"), ("Offset", "0")]  # fmt: skip
    assert info.message == f"Packet {small} (580 B) (nice F): 0%"
    infos = other_log.heard[2]
    assert infos.fields == [("XX", "rx"), node, ("Pkts", "2"), ("Size", "300580")]
    assert infos.message == "alice has got for us: 2 packets, 294 KiB"
    got = next(event for event in other_log.heard[3:] if event["Pkt"] == str(large))
    assert got.fields == [node, ("Nice", "255"), ("Type", "file"), ("XX", "rx"), ("Pkt", str(large)),
                          ("Size", "300000"), ("FullSize", "300000")]  # fmt: skip
    assert got.message == f"Got packet {large} 100% (293 KiB / 293 KiB): done"


def test_an_oddity_of_the_peer_is_logged_once(alice, bob, memory_log):
    """Bob announces a packet, and alice, who gets it, confirms one that was never offered."""
    bob.queue(packet(1), alice)
    call = opened(alice, bob, called_log=memory_log)
    call.step()
    for number in (8, 9):
        call.here._engine.confirm(name_of(packet(number)))
    talk(call)
    odd = [event for event in memory_log.heard if event.who == "sp-process"]
    assert [event.err for event in odd] == ["it confirms a packet that was not offered"]


def test_checks_that_wait_are_few_however_many_packets_come(real_ends):
    alice, bob = real_ends
    names = {alice.queue(packet(number, 70_000), bob) for number in range(40)}
    call = opened(alice, bob, PATIENT, PATIENT, thread_bytes=1000)
    most = 0
    while call.here.report.sent < 40:
        assert call.step()
        most = max(most, call.there._traffic._inflow._checker.waiting)
    assert most <= CHECKS_MAX + 1
    call.here.finish(call.now)
    call.there.finish(call.now)
    assert bob.waiting(RX, alice) == names


def test_what_waits_for_its_check_keeps_no_thread_and_no_buffers(real_ends):
    alice, bob = real_ends
    for number in range(8):
        alice.queue(packet(number, 600_000), bob)
    call = opened(alice, bob, PATIENT, PATIENT, thread_bytes=1000)
    writers = []
    submit = None
    while call.here.report.sent < 8:
        assert call.step()
        inflow = call.there._traffic and call.there._traffic._inflow
        if inflow and submit is None:
            submit = inflow._checker.submit

            def counted(key, job, *, beside, submit=submit):
                writers.append(sum(thread.name == "draft" for thread in threading.enumerate()))
                submit(key, job, beside=beside)

            inflow._checker.submit = counted
    call.here.finish(call.now)
    call.there.finish(call.now)
    assert writers == [0] * 8


def in_the_check(alice, bob, monkeypatch, terms=PATIENT, here=150_000):
    """Resume a packet of which `here` bytes are there; return the call at the moment when bob has begun to check it.

    His check goes on when he is told to finish.
    """
    name = alice.queue(BIG, bob)
    part = Part(bob.spool, alice.id, name, len(BIG)).open()
    part.write(BIG[:here])
    part.put_away()
    gate = threading.Event()
    check, finish = Part._read_beginning, Checker.finish

    def checked(part, stop):
        gate.wait(10)
        return check(part, stop)

    def finished(checker, is_hurried):
        checker._is_hurried = is_hurried
        gate.set()
        finish(checker, is_hurried)

    monkeypatch.setattr(Part, "_read_beginning", checked)
    monkeypatch.setattr(Checker, "finish", finished)
    call = opened(alice, bob, terms, terms, thread_bytes=1000)
    while not call.there.is_checking:
        assert call.step()
    return call


@pytest.mark.parametrize("here", [150_000, len(BIG)])
def test_a_check_that_outlasts_its_session_is_finished_and_not_begun_anew_for_ever(real_ends, monkeypatch, here):
    alice, bob = real_ends
    call = in_the_check(alice, bob, monkeypatch, here=here)
    call.here.eof(call.now)
    call.there.eof(call.now)
    call.there.finish(call.now)
    call.here.finish(call.now)
    assert bob.waiting(RX, alice) == {name_of(BIG)}
    monkeypatch.undo()
    assert Call(alice, bob).run().here.report.sent == 1


@pytest.mark.parametrize("how", ["asked", "given way", "hurried"])
def test_a_check_under_way_gives_way_to_whoever_wants_us_to_stop(real_ends, monkeypatch, how):
    alice, bob = real_ends
    call = in_the_check(alice, bob, monkeypatch)
    if how == "hurried":
        call.there.is_hurried = lambda: True
        call.there.eof(call.now)
    else:
        call.there.close(how, call.now)
    call.there.finish(call.now)
    call.here.finish(call.now)
    assert bob.waiting(RX, alice) == set()
    assert bob.spool.parts(alice.id) == [(name_of(BIG), len(BIG))]


def test_a_session_waits_for_its_own_check(real_ends, monkeypatch):
    alice, bob = real_ends
    call = in_the_check(alice, bob, monkeypatch, OnlineTerms())
    for _ in range(10):
        call.now += 10.1
        call.there.on_deadline(call.now)
    assert not call.there.closed
    call.there.finish(call.now)
    call.here.finish(call.now)


@pytest.mark.parametrize("terms", [OnlineTerms(receive=False), OnlineTerms(list_only=True)], ids=["send", "list"])
def test_who_does_not_receive_leaves_the_downloads_of_another_session_alone(disk, alice, bob, terms):
    name = bob.queue(packet(1), alice)
    started = f"{alice.spool.path(bob.id, RX, name)}.part"
    disk.put(started)  # another process has just created it, and writes
    Call(alice, bob, terms).run()
    assert disk.stat(started).size == 0


def test_what_is_under_way_in_slow_buffers_is_not_hung_up_on(alice, bob):
    """World bug 6: bob's words come late, and alice sent all of the packet again at every call."""
    name = alice.queue(packet(1), bob)
    call = Call(alice, bob)
    call.here.open(call.now)
    call.there.open(call.now)
    out = memoryview(bytearray(OUT_SIZE))
    while not call.there._tally.received:
        call._carry(call.here, call.there, out)
        if not call.there._tally.received:
            call.there.settle(call.now)
            call.here.settle(call.now)
            if not call.there._tally.received:
                call._carry(call.there, call.here, out)
    for _ in range(6):  # what bob says now takes a minute
        call.now += 11
        call.here.on_deadline(call.now)
        call.here.to_send(out, call.now)
    assert not call.here.closed
    call._carry(call.there, call.here, out)
    call.here.finish(call.now)
    call.there.finish(call.now)
    assert name not in alice.waiting(TX, bob)


class Untouched:
    """A purse that nobody opens."""

    def draw(self, wanted):
        raise AssertionError(f"{wanted} bytes were spent")

    give_back = draw


class Recorder:
    """Answers what a call that was recorded says: its first message, again and again."""

    def __init__(self, alice, bob, terms=None):
        call = Call(alice, bob, terms or OnlineTerms())
        call.here.open(call.now)
        out = bytearray(OUT_SIZE)
        self.greeting = bytes(out[: call.here.to_send(memoryview(out), call.now)])
        call.here.finish(call.now)
        self.ends = alice, bob

    def play(self, purse=None):
        """Send it once more; return the exchange that bob answers with, and what he says."""
        call = Call(*self.ends, called_purse=purse)
        call.there.open(call.now)
        call.there.receive(self.greeting, call.now)
        out = bytearray(OUT_SIZE)
        return call, bytes(out[: call.there.to_send(memoryview(out), call.now)])


def test_a_recorded_greeting_holds_no_locks_and_spends_no_budget(alice, bob):
    alice.queue(packet(1), bob)
    recorder = Recorder(alice, bob)
    first, answer = recorder.play()  # whoever holds a message back can deliver it late, once
    assert first.there.established
    assert answer
    first.there.finish(first.now)
    for _ in range(3):
        again, answer = recorder.play(Untouched())
        assert not again.there.established
        assert again.there.closed
        assert isinstance(again.there.report.error, ReplayedGreeting)
        assert answer == b""
        bob.spool.lock(alice.id, RX).release()
        bob.spool.lock(alice.id, TX).release()
        again.there.finish(again.now)
    assert Call(alice, bob).run().here.report.sent == 1


def test_a_disk_that_cannot_remember_greetings_shuts_out_nobody(disk, alice, bob):
    alice.queue(packet(1), bob)
    disk.put(f"{bob.spool.layout.root}/muleteer/greetings")  # a file, where the directory should be
    assert Call(alice, bob).run().here.report.sent == 1


def test_a_session_does_not_remember_all_that_ever_left(real_ends):
    alice, bob = real_ends
    outflow = Outflow(alice.spool, alice.partner(bob, PATIENT), Tally(), OnlineLog(None))
    for number in range(30):
        name = alice.queue(packet(number), bob)
        outflow._mtime = -1.0  # the clock of a file system may be slow
        assert [offer.name for offer in outflow.look()] == [name]
        outflow.confirmed(name)
    assert len(outflow._known) <= 3  # besides packets: directories


class Unwritable:
    """A purse whose accounts cannot be written."""

    def draw(self, wanted):
        raise SpoolFull(path="accounts", needed=str(wanted), free=0)

    def give_back(self, unused):
        pass


def test_a_purse_that_fails_as_it_is_opened_leaves_no_locks(alice, bob):
    alice.queue(packet(1), bob)
    call = Call(alice, bob, purse=Unwritable())
    with pytest.raises(SpoolFull):
        call.here.open(call.now)
    call.here.finish(call.now)
    assert Call(alice, bob).run().here.report.sent == 1


def test_invented_announcements_do_not_fill_the_disk_with_log(memory_log, monkeypatch, alice, bob):
    monkeypatch.setattr("muleteer.carriers.online_log.INFOS_MAX", 3)
    log = OnlineLog(memory_log)
    log.introduce(alice.partner(bob, PATIENT))
    for number in range(9):
        log.info(name_of(packet(number)), 96, 400, 0)
    log.flush()
    assert memory_log.whos == ["sp-info"] * 3 + ["sp-process"]
