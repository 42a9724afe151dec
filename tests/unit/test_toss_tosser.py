# SPDX-License-Identifier: GPL-3.0-or-later
"""The toss as a whole: order, groups, locks, retries, replays, dry runs, and packets that are not what they say."""

import errno
import os

import pytest
from toss_lab import PEOPLE, carry, file_packet, files, make_node, reason, sealed

from muleteer.errors import SpoolError, SpoolMissing
from muleteer.formats.ids import PacketName
from muleteer.formats.mth import mth
from muleteer.formats.packet import EXEC_FAT, FILE, FREQ, PlainHeader
from muleteer.spool.ack_marks import AckMarks
from muleteer.spool.layout import TOSS
from muleteer.testing.packets import pattern, reader, seal
from muleteer.tossing.acks import Acknowledger
from muleteer.tossing.incoming import Incoming
from muleteer.tossing.records import tossed_size


@pytest.fixture
def alice(tmp_path):
    return make_node("alice", tmp_path)


@pytest.fixture
def bob(tmp_path):
    return make_node("bob", tmp_path)


@pytest.fixture
def incoming(tmp_path):
    return tmp_path / "bob" / "incoming"


def test_the_most_urgent_first_across_neighbours(bob):
    for sender, nice in (("alice", 200), ("carol", 100), ("alice", 50), ("dave", 150)):
        bob.receive(file_packet(b"f%d" % nice, sender=sender, nice=nice), sender)
    bob.toss()
    assert [event["Dst"] for event in bob.log.heard] == ["f50", "f100", "f150", "f200"]


def test_limits_by_niceness_node_and_kind(bob, incoming):
    bob.receive(file_packet(b"urgent", nice=10), "alice")
    bob.receive(file_packet(b"lazy", nice=200), "alice")
    bob.receive(file_packet(b"carols", sender="carol", nice=10), "carol")
    report = bob.toss(nice=10, nodes=frozenset([PEOPLE["alice"].id]))
    assert report.delivered == 1
    assert files(incoming).keys() == {"urgent"}
    report = bob.toss(skip=frozenset([FILE]))
    assert (report.delivered, report.failed) == (0, 0)
    assert bob.toss().delivered == 2
    assert len(bob.log.heard) == 3


def test_a_dry_run_changes_nothing_but_says_everything(bob, incoming, tmp_path):
    bob.change("alice", exec={"x": ("/bin/sh", "-c", f"touch {tmp_path}/ran")})
    packets = [
        file_packet(b"sub/f"),
        sealed(PlainHeader(EXEC_FAT, 77, b"x")),
        sealed(PlainHeader(FREQ, 77, b"f"), b"f"),
        file_packet(b"../up"),
        sealed(PlainHeader(4, 0, bytes(PEOPLE["carol"].id)), file_packet()),
    ]
    names = {bob.receive(packet, "alice") for packet in packets}
    report = bob.toss(dry_run=True)
    assert (report.failed, report.delivered) == (1, 0)
    assert sorted(bob.log.whos) == ["rx", "rx", "rx", "rx", "rx-traversal"]
    assert set(bob.waiting("alice")) == names
    assert bob.aside.all() == []
    assert files(incoming) == {}
    assert not (tmp_path / "ran").exists()
    assert not (incoming / "sub").exists()
    assert os.listdir(f"{bob.config.spool}/tmp") == []


def test_seen_marks_make_a_replay_harmless(bob, incoming):
    packet = file_packet()
    name = bob.receive(packet, "alice")
    assert bob.toss(seen=True).delivered == 1
    assert bob.spool.is_seen(PEOPLE["alice"].id, name)
    bob.receive(packet, "alice")
    report = bob.toss(seen=True)
    assert (report.delivered, report.repeated) == (1, 1)
    assert bob.waiting("alice") == []
    assert files(incoming) == {"name": b"body"}
    bob.receive(packet, "alice")
    assert bob.toss().delivered == 1  # without -seen nobody asks, as in the reference
    assert files(incoming) == {"name": b"body", "name.0": b"body"}


def damaged(kind):
    good = file_packet(payload=pattern(300_000))
    flipped = bytearray(good)
    match kind:
        case "signature":
            flipped[150] ^= 1
        case "first block":
            flipped[300] ^= 1
        case "last block":
            flipped[-1] ^= 1
        case "cut":
            return good[:-5000]
        case "longer":
            return good + b"x"
        case "header only":
            return good[:172]
        case "forged sender":
            return seal(b"", sender=PEOPLE["carol"], recipient=PEOPLE["bob"])[:12] + good[12:]
    return bytes(flipped)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("signature", "signature"),
        ("first block", "Block 0"),
        ("last block", "Block 2"),
        ("cut", "Block 2"),
        ("longer", "Block 2"),
        ("header only", "block 0"),
    ],
)
def test_damaged_packets_are_set_aside_and_leave_nothing(bob, incoming, kind, words):
    name = bob.receive(damaged(kind), "alice")
    good = bob.receive(file_packet(b"good", nice=255), "alice")
    report = bob.toss()
    assert (report.delivered, report.failed) == (1, 1)
    assert words in reason(bob, name)
    assert bob.waiting("alice") == [name]
    assert files(incoming) == {"good": b"body"}
    assert good not in bob.waiting("alice")


def test_strangers_and_packets_for_others(bob):
    stranger = seal(b"x", sender=PEOPLE["carol"].named("mallory"), recipient=PEOPLE["bob"])
    other = file_packet(recipient="carol")
    names = [bob.receive(packet, "alice") for packet in (stranger, other)]
    assert bob.toss().failed == 2
    assert bob.log.only("rx-open").err == "unknown node"
    assert "not a neighbour" in reason(bob, names[0])
    assert "not for this node" in reason(bob, names[1])


def test_a_wrong_name_is_not_delivered(bob, incoming):
    name = bob.receive(file_packet(payload=pattern(2_000_000)), "alice", mth(b"something else"))
    assert bob.toss().failed == 1
    assert "hashes to" in reason(bob, name)
    assert files(incoming) == {}


def test_junk_named_like_packets_is_reported_and_passed_over(bob, incoming):
    junk = [bob.receive(data, "alice") for data in (b"", b"junk", b"NNCPE\0\0\5" + bytes(400))]
    rx = f"{bob.config.spool}/{PEOPLE['alice'].id}/rx"
    os.mkfifo(f"{rx}/{mth(b'fifo')}")
    os.symlink("/etc/passwd", f"{rx}/{mth(b'link')}")
    os.mkdir(f"{rx}/{mth(b'directory')}")
    bob.receive(file_packet(), "alice")
    report = bob.toss()
    assert (report.delivered, report.failed, report.strange) == (1, 0, 3)
    assert bob.log.whos == ["job", "job", "job", "rx"]
    assert all("none" in reason(bob, name) for name in junk)
    assert files(incoming) == {"name": b"body"}


def test_a_failed_packet_waits_longer_each_time_for_the_agent_but_not_for_a_person(bob):
    bob.receive(file_packet(b"../up"), "alice")
    assert bob.toss(respect_backoff=True).next_try == bob.now + 60
    assert len(bob.log.heard) == 1
    report = bob.toss(respect_backoff=True)
    assert (report.failed, report.next_try) == (0, bob.now + 60)
    assert len(bob.log.heard) == 1
    assert bob.toss().failed == 1
    bob.now += 119
    assert bob.toss(respect_backoff=True).failed == 0
    bob.now += 1
    assert bob.toss(respect_backoff=True).failed == 1
    assert bob.toss(respect_backoff=True).next_try == bob.now + 240


def test_what_another_process_tosses_is_left_to_it(bob, incoming):
    bob.receive(file_packet(), "alice")
    bob.receive(file_packet(b"carols", sender="carol"), "carol")
    with bob.spool.lock(PEOPLE["alice"].id, TOSS):
        report = bob.toss()
    assert (report.delivered, report.locked, report.failed) == (1, 1, 0)
    event = bob.log.only("lockdir-flock")
    path = f"{bob.config.spool}/{PEOPLE['alice'].id}/toss.lock"
    assert event.message == f"Locking directory: locking {path}"
    assert event.err == "resource temporarily unavailable"
    assert files(incoming).keys() == {"carols"}
    assert bob.toss().delivered == 1


def test_a_packet_that_vanished_is_nobodys_fault(bob, incoming, monkeypatch):
    name = bob.receive(file_packet(), "alice")
    lock = bob.spool.lock

    def slow_lock(node, what):
        bob.spool.finish(node, "rx", name)
        return lock(node, what)

    monkeypatch.setattr(bob.spool, "lock", slow_lock)
    report = bob.toss()
    assert (report.delivered, report.failed) == (0, 0)
    assert bob.log.heard == []


def test_stop_is_asked_between_packets(bob, incoming):
    for number in range(5):
        bob.receive(file_packet(b"%d" % number), "alice")
    asked = iter([False, False, True])
    assert bob.toss(stop=lambda: next(asked)).delivered == 2
    assert len(files(incoming)) == 2


def test_groups_are_committed_with_few_syncs(bob, incoming, monkeypatch):
    monkeypatch.setattr("muleteer.tossing.group.GROUP_MAX", 64)
    synced = []
    monkeypatch.setattr(bob.disk, "fsync_dir", synced.append)
    for number in range(130):
        bob.receive(file_packet(b"%d" % number), "alice")
    synced.clear()
    assert bob.toss().delivered == 130
    assert synced.count(str(incoming)) == 3


@pytest.mark.parametrize("count", [1, 10, 200])
def test_a_failing_group_blames_only_the_guilty(bob, incoming, monkeypatch, count):
    """With 200 packets some groups are committed in a thread."""
    monkeypatch.setattr("muleteer.tossing.group.GROUP_MAX", 64)
    guilty = count // 2
    for number in range(count):
        bob.receive(file_packet(b"%d" % number), "alice")
    publish = bob.disk.publish

    def full(source, target):
        if target.endswith(f"/{guilty}"):
            raise OSError(errno.ENOSPC, "no space left on device", target)
        publish(source, target)

    monkeypatch.setattr(bob.disk, "publish", full)
    report = bob.toss()
    assert (report.delivered, report.failed) == (count - 1, 1)
    assert {name.split(".")[0] for name in files(incoming)} == {str(n) for n in range(count) if n != guilty}
    assert bob.log.whos.count("rx") == count - 1
    assert "no space left" in bob.aside.all()[0].reason
    monkeypatch.undo()
    assert bob.toss().delivered == 1


def test_a_full_incoming_directory_does_not_stop_requests(alice, bob, tmp_path, monkeypatch):
    (tmp_path / "bob" / "freq" / "f").write_bytes(b"x")
    bob.receive(file_packet(payload=pattern(2_000_000), nice=1), "alice")
    bob.receive(sealed(PlainHeader(FREQ, 77, b"f"), b"f"), "alice")
    create = bob.disk.create

    def full(path, mode=0o666):
        if "/bob/incoming/" in path:
            raise OSError(errno.ENOSPC, "no space left on device", path)
        return create(path, mode)

    monkeypatch.setattr(bob.disk, "create", full)
    report = bob.toss()
    assert (report.delivered, report.failed) == (1, 1)
    assert len(bob.take("alice")) == 1


@pytest.mark.parametrize("count", [3, 150])
def test_a_broken_spool_ends_the_toss(bob, monkeypatch, count):
    for number in range(count):
        bob.receive(file_packet(b"%d" % number), "alice")
    unlink = bob.disk.unlink

    def broken(path):
        if "/rx/" in path:
            raise OSError(errno.EROFS, "read-only file system", path)
        unlink(path)

    monkeypatch.setattr(bob.disk, "unlink", broken)
    with pytest.raises(SpoolError):
        bob.toss()
    assert len(bob.waiting("alice")) == count
    assert os.listdir(f"{bob.config.spool}/tmp") == []
    assert bob.aside.all() == []


def test_a_missing_spool_is_said(bob):
    bob.spool.layout.root += "/nowhere"
    with pytest.raises(SpoolMissing):
        bob.toss()


def test_a_log_that_fails_stops_no_mail(bob, incoming):
    def failing(*_args):
        raise SpoolError(path="/log", problem="disk full")

    bob.log = type("Log", (), {"event": staticmethod(failing), "events": staticmethod(failing)})()
    bob.receive(file_packet(), "alice")
    report = bob.toss()
    assert (report.delivered, report.failed) == (1, 0)
    assert "disk full" in report.log_problem
    assert files(incoming) == {"name": b"body"}


def test_drafts_left_by_a_power_cut_are_swept_where_the_packet_goes_again(bob, incoming):
    (incoming / "sub").mkdir()
    left = incoming / "sub" / ("nncpfile" + "ab" * 16)
    left.write_bytes(b"torn")
    theirs = incoming / "sub" / "nncpfile18e9c811d5483138"
    theirs.write_bytes(b"the reference's, maybe at work")
    bob.receive(file_packet(b"sub/f"), "alice")
    bob.toss()
    assert files(incoming) == {"sub/f": b"body", f"sub/{theirs.name}": theirs.read_bytes()}


def test_memory_of_names_is_bounded(bob, incoming, monkeypatch):
    monkeypatch.setattr("muleteer.tossing.incoming.REMEMBERED_MAX", 3)
    for number in range(20):
        bob.receive(file_packet(b"d%d/%d" % (number, number % 7)), "alice")
    assert bob.toss().delivered == 20
    assert len(files(incoming)) == 20
    assert isinstance(Incoming(bob.disk), Incoming)


@pytest.mark.parametrize(("size", "expected"), [(491, 11), (5120, 4640), (512_000, 511_472), (132_096, 131_600)])
def test_sizes_in_the_log_are_the_reference_s(size, expected):
    """Taken from records of the real nncp-toss: payload and padding."""
    assert tossed_size(size) == expected


def test_junk_in_rx_waits_its_turn_as_packets_do(alice):
    """Noted anew at every toss, its tries and the log would grow without end."""
    bob = alice.neighbour("bob").id
    with alice.spool.draft() as draft:
        draft.write(b"junk" * 100)
        junk = alice.spool.commit(draft, bob, "rx")
    for _ in range(3):
        alice.toss(respect_backoff=True)
    note = alice.aside.get(bob, junk)
    assert note is not None
    assert note.tries == 1
    assert alice.log.whos.count("job") == 1
    alice.now += 7 * 3600
    alice.toss(respect_backoff=True)
    assert alice.aside.get(bob, junk).tries == 2


# ---------------------------------------------------------------------------------------------- acknowledging


def test_acknowledgements_retire_and_are_not_acknowledged(alice, bob):
    sent = alice.submit.file(alice.neighbour("bob"), 50, reader(b"x"), "f")
    lazy = alice.submit.file(alice.neighbour("bob"), 250, reader(b"x"), "g")
    packets = [bytes(packet) for packet in alice.take("bob")]
    for packet in packets:
        bob.receive(packet, "alice")
        with alice.spool.draft() as draft:
            draft.write(packet)
            alice.spool.commit(draft, bob.id, "tx")
    acknowledger = Acknowledger(bob.config, bob.spool, bob.submit)
    assert acknowledger.acknowledge(alice.id, sent)
    assert acknowledger.acknowledge(alice.id, lazy)
    assert bob.log.heard[0].message == f"ACK to alice of {sent} is sent"
    acks = bob.take("alice")
    assert [ack[11] for ack in acks] == [50, 160]
    names = [alice.receive(ack, "bob") for ack in acks]
    theirs = Acknowledger(alice.config, alice.spool, alice.submit)
    assert [theirs.acknowledge(bob.id, name) for name in names] == [None, None]
    assert set(alice.toss().retired) == {sent, lazy}
    assert alice.take("bob") == []


def test_a_relay_hears_that_the_acknowledgement_it_carried_has_arrived(alice, bob):
    """It cannot know what it carries, and would keep it for ever."""
    bob.submit.ack(bob.neighbour("alice"), 160, PacketName(bytes(32)))
    (ack,) = bob.take("alice")
    carol = alice.neighbour("carol")
    for relay, heard in ((bob.id, False), (carol.id, True)):
        with alice.spool.draft() as draft:
            draft.write(bytes(ack))
            name = alice.spool.commit(draft, relay, "rx")
        theirs = Acknowledger(alice.config, alice.spool, alice.submit, relayed=True)
        assert (theirs.acknowledge(relay, name) is not None) is heard
    assert Acknowledger(alice.config, alice.spool, alice.submit).acknowledge(carol.id, name) is None


def test_an_acknowledgement_is_marked_as_one_before_it_appears(alice, bob):
    """Nobody acknowledges it: unmarked it would wait in tx for ever."""
    with alice.spool.batch() as batch:
        name = alice.submit.ack(alice.neighbour("bob"), 160, PacketName(bytes(32)), batch=batch)
        assert AckMarks(alice.spool).of(bob.id) == {name}
        assert not alice.spool.has(bob.id, "tx", name)
        assert alice.log.heard == [], "logged before it is durable"
    assert alice.spool.has(bob.id, "tx", name)
    assert alice.log.only("tx")["NewPkt"] == str(name)


def test_junk_is_not_acknowledged(alice, bob):
    packets = [
        damaged("signature"),
        damaged("first block"),
        b"short",
        file_packet(recipient="carol"),
        seal(b"x", sender=PEOPLE["carol"].named("mallory"), recipient=PEOPLE["bob"]),
    ]
    names = [bob.receive(packet, "alice") for packet in packets]
    acknowledger = Acknowledger(bob.config, bob.spool, bob.submit, nice=200)
    assert [acknowledger.acknowledge(alice.id, name) for name in names] == [None] * 5
    assert bob.take("alice") == []
    carry(bob, alice, "bob", "alice")
