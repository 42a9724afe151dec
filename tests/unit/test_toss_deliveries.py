# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of packet from alice to bob, in one process; and every reason why one is set aside."""

import io
import os
import tarfile

import pytest
from toss_lab import PEOPLE, carry, file_packet, files, make_node, reason, sealed

from muleteer.config.model import Freq
from muleteer.errors import NotYetSupported, PacketTooBig, UsageError
from muleteer.formats.ids import PacketName
from muleteer.formats.mth import mth
from muleteer.formats.packet import ACK, AREA, FREQ, TRNS, PlainHeader
from muleteer.record import replace
from muleteer.spool.layout import RX, TX
from muleteer.testing.packets import pattern, reader


@pytest.fixture
def alice(tmp_path):
    return make_node("alice", tmp_path)


@pytest.fixture
def bob(tmp_path):
    return make_node("bob", tmp_path)


@pytest.fixture
def incoming(tmp_path):
    return tmp_path / "bob" / "incoming"


# ---------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("size", [0, 1, 130_780, 130_781, 1_100_000, 3_000_000])
def test_a_file_arrives_whole(alice, bob, incoming, size):
    body = pattern(size)
    alice.submit.file(alice.neighbour("bob"), 100, reader(body, 50_000), "sub/dir/name", source="x")
    carry(alice, bob)
    report = bob.toss()
    assert (report.delivered, report.failed) == (1, 0)
    assert files(incoming) == {"sub/dir/name": body}
    assert bob.waiting("alice") == []
    assert bob.log.only("rx").message.startswith("Got file sub/dir/name (")


def test_a_source_path_gives_name_and_log(alice, bob, incoming, tmp_path):
    (tmp_path / "letter.txt").write_text("hello\n")
    alice.submit.path(alice.neighbour("bob"), 224, str(tmp_path / "letter.txt"))
    event = alice.log.only("tx")
    assert event.message == f"File {tmp_path}/letter.txt (282 B) is sent to bob:letter.txt"
    assert event["Size"] == "282"
    assert [name for name, _ in event.fields] == ["Type", "Node", "Nice", "Src", "Dst", "Size", "Pkt"]
    assert bob.receive(*alice.take("bob"), "alice") == PacketName.parse(event["Pkt"])
    bob.toss()
    assert files(incoming) == {"letter.txt": b"hello\n"}


def test_a_directory_goes_as_a_tar_without_links(alice, bob, incoming, tmp_path):
    tree = tmp_path / "tree"
    (tree / "b" / "c").mkdir(parents=True)
    (tree / "a.bin").write_bytes(pattern(1000))
    (tree / "b" / "empty").write_bytes(b"")
    (tree / "b" / "exact").write_bytes(pattern(1024))
    (tree / "link").symlink_to("/etc/passwd")
    os.mkfifo(tree / "fifo")
    alice.submit.path(alice.neighbour("bob"), 224, str(tree) + "/")
    carry(alice, bob)
    bob.toss()
    with tarfile.open(fileobj=io.BytesIO(files(incoming)["tree.tar"])) as tar:
        members = {member.name: member for member in tar.getmembers()}
        assert list(members) == ["tree", "tree/b", "tree/b/c", "tree/a.bin", "tree/b/empty", "tree/b/exact"]
        assert members["tree"].mode == 0o777
        assert members["tree/a.bin"].mode == 0o666
        assert members["tree/a.bin"].mtime == pytest.approx((tree / "a.bin").stat().st_mtime, abs=1e-3)
        assert tar.extractfile("tree/b/exact").read() == pattern(1024)


def test_taken_names_get_numbers_and_nothing_is_replaced(bob, incoming):
    (incoming / "name").write_bytes(b"mine")
    (incoming / "name.1").write_bytes(b"mine, too")
    for body in (b"first", b"second", b"third"):
        bob.receive(file_packet(payload=body), "alice")
    bob.toss()
    found = files(incoming)
    assert (found.pop("name"), found.pop("name.1")) == (b"mine", b"mine, too")
    assert found.keys() == {"name.0", "name.2", "name.3"}
    assert set(found.values()) == {b"first", b"second", b"third"}


def test_a_directory_of_the_name_counts_as_taken(bob, incoming):
    (incoming / "name").mkdir()
    bob.receive(file_packet(), "alice")
    bob.toss()
    assert files(incoming) == {"name.0": b"body"}


def test_a_long_name_is_cut_for_its_number(bob, incoming):
    name = b"x" * 255
    for body in (b"1", b"2"):
        bob.receive(file_packet(name, body), "alice")
    assert bob.toss().failed == 0
    assert files(incoming).keys() == {"x" * 255, "x" * 253 + ".0"}


def test_a_name_like_our_drafts_is_never_given(bob, incoming):
    """A sweep would take the file for a draft that a power cut left, and remove it."""
    name = "nncpfile" + "0" * 32
    bob.receive(file_packet(name.encode(), b"body"), "alice")
    bob.toss()
    assert files(incoming) == {f"{name}.0": b"body"}


def test_equal_names_cost_one_try_each(bob, incoming, monkeypatch):
    tries = []
    publish = bob.disk.publish
    monkeypatch.setattr(bob.disk, "publish", lambda *paths: (tries.append(paths), publish(*paths)))
    for number in range(200):
        bob.receive(file_packet(payload=b"%d" % number), "alice")
    assert bob.toss().delivered == 200
    assert len(files(incoming)) == 200
    assert len(tries) <= 201


def test_a_file_for_nobody_is_refused(bob):
    bob.change("alice", incoming=None)
    name = bob.receive(file_packet(), "alice")
    assert bob.toss().failed == 1
    assert "not accepted" in reason(bob, name)
    event = bob.log.only("rx-no-incoming")
    assert event.err == "incoming is not allowed"
    assert event.message == f"Tossing file alice/{name} (4 B): name"


@pytest.mark.parametrize(
    ("path", "who"),
    [
        (b"../up", "rx-traversal"),
        (b"a/../../up", "rx-traversal"),
        (b"/etc/passwd", "rx-non-rel"),
        (b"", "rx-traversal"),
        (b".", "rx-traversal"),
        (b"a\0b", "rx-traversal"),
        (b"../incoming2/x", "rx-traversal"),
    ],
)
def test_names_that_leave_are_refused(bob, incoming, path, who):
    (incoming.parent / "incoming2").mkdir()
    name = bob.receive(file_packet(path), "alice")
    assert bob.toss().failed == 1
    assert bob.log.whos == [who]
    assert bob.waiting("alice") == [name]
    assert files(incoming.parent / "incoming2") == files(incoming) == {}
    text = bob.log.heard[0].message + reason(bob, name)
    assert "\x1b" not in text
    assert "\n" not in text


def test_links_below_incoming_lead_nowhere(bob, incoming, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (incoming / "link").symlink_to(outside)
    (incoming / "dir").mkdir()
    (incoming / "inside").symlink_to("dir")
    names = [bob.receive(file_packet(path), "alice") for path in (b"link/x", b"inside/x")]
    assert bob.toss().failed == 2
    assert all("symbolic link" in reason(bob, name) for name in names)
    assert files(outside) == files(incoming) == {}


def test_a_link_of_the_name_itself_is_not_followed(bob, incoming, tmp_path):
    target = tmp_path / "precious"
    (incoming / "name").symlink_to(target)
    bob.receive(file_packet(), "alice")
    bob.toss()
    assert not target.exists()
    assert (incoming / "name.0").read_bytes() == b"body"


def test_incoming_itself_may_be_a_link_and_missing_parts_are_made(bob, tmp_path):
    real = tmp_path / "real"
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    bob.change("alice", incoming=f"{tmp_path}/link/new/")
    bob.receive(file_packet(b"a//b/./c"), "alice")
    assert bob.toss().delivered == 1
    assert files(real) == {"new/a/b/c": b"body"}


def test_a_bad_directory_sets_aside_its_packets_only(bob, incoming):
    (incoming / "file").write_bytes(b"")
    bad = bob.receive(file_packet(b"file/x", nice=1), "alice")
    bob.receive(file_packet(b"good", nice=2), "alice")
    report = bob.toss()
    assert (report.delivered, report.failed) == (1, 1)
    assert "not a directory" in reason(bob, bad)
    assert set(files(incoming)) == {"file", "good"}


# ---------------------------------------------------------------------------------------------- requests


def test_a_requested_file_goes_back_with_the_asked_niceness(alice, bob, tmp_path):
    (tmp_path / "bob" / "freq" / "dir").mkdir()
    (tmp_path / "bob" / "freq" / "dir" / "f").write_bytes(pattern(500))
    alice.submit.freq(alice.neighbour("bob"), 35, 94, "some/../dir/f", "got/a/../f")
    assert alice.log.only("tx").message == "File request from bob:dir/f to got/f is sent"
    carry(alice, bob)
    assert bob.toss().delivered == 1
    assert bob.log.whos == ["tx", "rx"]
    assert bob.log.only("rx").message == "Got file request dir/f to alice"
    (answer,) = bob.take("alice")
    assert answer[11] == 94
    alice.receive(answer, "bob")
    alice.toss()
    assert files(tmp_path / "alice" / "incoming") == {"got/f": pattern(500)}


def test_a_request_for_what_is_not_there_waits_until_it_is(alice, bob, tmp_path):
    alice.submit.freq(alice.neighbour("bob"), 35, 94, "f", "f")
    (name,) = carry(alice, bob)
    assert bob.toss().failed == 1
    assert bob.log.only("rx-tx").err == f"stat {tmp_path}/bob/freq/f: no such file or directory"
    assert "not there" in reason(bob, name)
    (tmp_path / "bob" / "freq" / "f").write_bytes(b"now")
    assert bob.toss().delivered == 1
    assert bob.aside.all() == []


@pytest.mark.parametrize("path", [b"../f", b"/f", b"a/../../f", b""])
def test_requests_cannot_leave_the_freq_directory(bob, tmp_path, path):
    (tmp_path / "bob" / "f").write_bytes(b"secret")
    name = bob.receive(sealed(PlainHeader(FREQ, 94, path), b"f"), "alice")
    assert bob.toss().failed == 1
    assert bob.waiting("alice") == [name]
    assert bob.take("alice") == []


def test_requests_need_a_freq_path(bob):
    bob.change("alice", freq=None)
    bob.receive(sealed(PlainHeader(FREQ, 94, b"f"), b"f"), "alice")
    bob.toss()
    assert bob.log.only("rx-no-freq").err == "freqing is not allowed"


def test_freq_limits_hold(bob, tmp_path):
    (tmp_path / "bob" / "freq" / "f").write_bytes(pattern(5000))
    request = sealed(PlainHeader(FREQ, 94, b"f"), b"f")
    bob.change("alice", freq=Freq(f"{tmp_path}/bob/freq", minsize=9000))
    bob.receive(request, "alice")
    bob.toss()
    (answer,) = bob.take("alice")
    assert len(answer) == 9000
    bob.change("alice", freq=Freq(f"{tmp_path}/bob/freq", maxsize=4000))
    bob.receive(request, "alice")
    assert bob.toss().failed == 1
    assert bob.log.only("rx-tx").err == "Too big than allowed"
    bob.change("alice", freq=Freq(f"{tmp_path}/bob/freq", chunked=1024))
    assert bob.toss().failed == 1
    assert "not yet supported" in reason(bob, mth(request))
    bob.change("alice", freq=Freq(f"{tmp_path}/bob/freq", chunked=5000))
    assert bob.toss().delivered == 1


def test_a_fifo_is_not_served(bob, tmp_path):
    os.mkfifo(tmp_path / "bob" / "freq" / "f")
    bob.receive(sealed(PlainHeader(FREQ, 94, b"f"), b"f"), "alice")
    assert bob.toss().failed == 1


# ---------------------------------------------------------------------------------------------- relays and acks


@pytest.mark.parametrize("size", [10, 2_000_000])
def test_three_hops(tmp_path, size):
    alice, bob, carol, dave = (make_node(name, tmp_path) for name in ("alice", "bob", "carol", "dave"))
    body = pattern(size)
    alice.submit.file(alice.neighbour("dave"), 100, reader(body), "viafile", minsize=5000)
    carry(alice, bob, "alice", "bob")
    assert bob.toss().delivered == 1
    assert bob.log.whos == ["tx", "rx"]
    assert bob.log.only("tx").message.startswith("Transitional packet to carol (")
    carry(bob, carol, "bob", "carol")
    assert carol.toss().delivered == 1
    carry(carol, dave, "carol", "dave")
    assert dave.toss().delivered == 1
    assert files(tmp_path / "dave" / "incoming") == {"viafile": body}


@pytest.mark.parametrize("size", [10, 2_000_000])
def test_a_relay_with_its_own_route_wraps_again(tmp_path, size):
    alice, bob, carol, dave = (make_node(name, tmp_path) for name in ("alice", "bob", "carol", "dave"))
    bob.change("carol", via=(dave.id,))
    alice.submit.file(alice.neighbour("carol"), 100, reader(pattern(size)), "f", via=(bob.id,))
    carry(alice, bob)
    assert bob.toss().delivered == 1
    assert bob.take("carol") == []
    carry(bob, dave, "bob", "dave")
    assert dave.toss().delivered == 1
    carry(dave, carol, "dave", "carol")
    assert carol.toss().delivered == 1
    assert files(tmp_path / "carol" / "incoming") == {"f": pattern(size)}


def test_a_packet_queued_for_one_node_is_wrapped_for_another_way(tmp_path):
    alice, bob = (make_node(name, tmp_path) for name in ("alice", "bob"))
    alice.submit.file(alice.neighbour("carol"), 100, reader(b"x"), "f")
    (packet,) = alice.take("carol")
    alice.submit.trns(alice.neighbour("carol"), 77, reader(packet), via=(bob.id,))
    (wrapped,) = alice.take("bob")
    assert wrapped[11] == 77
    bob.receive(wrapped, "alice")
    bob.toss()
    assert bob.take("carol") == [packet]


def test_a_relay_to_ourselves_is_tossed_next_time(alice, bob, incoming):
    inner = file_packet()
    bob.receive(sealed(PlainHeader(TRNS, 0, bytes(bob.id)), inner), "alice")
    assert bob.toss().delivered == 1
    assert bob.toss().delivered == 1
    assert files(incoming) == {"name": b"body"}


def test_relays_to_strangers_and_of_junk_are_refused(bob):
    stranger = bob.receive(sealed(PlainHeader(TRNS, 0, bytes(32)), file_packet()), "alice")
    junk = bob.receive(sealed(PlainHeader(TRNS, 0, bytes(PEOPLE["carol"].id)), b"junk" * 100), "alice")
    short = bob.receive(sealed(PlainHeader(TRNS, 0, b"carol"), file_packet()), "alice")
    assert bob.toss().failed == 3
    assert bob.log.only("rx-unknown").err == "unknown node"
    assert "not a neighbour" in reason(bob, stranger)
    assert "not an encrypted packet" in reason(bob, junk)
    assert "32 bytes" in reason(bob, short)
    assert bob.take("carol") == []


def test_an_acknowledgement_retires_the_packet_of_its_sender_only(alice, bob):
    kept = bob.submit.file(bob.neighbour("alice"), 100, reader(b"x"), "f")
    other = bob.submit.file(bob.neighbour("carol"), 100, reader(b"x"), "f")
    for name in (kept, other):
        alice.submit.ack(alice.neighbour("bob"), 160, name)
    carry(alice, bob)
    report = bob.toss()
    assert report.retired == (kept,)
    assert report.delivered == 2
    assert not bob.spool.has(alice.id, TX, kept)
    assert bob.spool.has(PEOPLE["carol"].id, TX, other)
    assert bob.log.heard[-1].message.startswith("Got ACK packet from alice of ")


def test_what_this_version_does_not_know_waits(bob):
    area = bob.receive(sealed(PlainHeader(AREA, 0, bytes(32)), b"x"), "alice")
    odd = bob.receive(sealed(PlainHeader(99, 0, b""), b"x"), "alice")
    malformed = bob.receive(sealed(PlainHeader(ACK, 0, b"short")), "alice")
    assert bob.toss().failed == 3
    assert "not yet supported" in reason(bob, area)
    assert "99" in reason(bob, odd)
    assert "32 bytes" in reason(bob, malformed)


# ---------------------------------------------------------------------------------------------- sending


def test_what_cannot_be_sent_leaves_nothing(alice, tmp_path):
    node, send = alice.neighbour("bob"), alice.submit
    with pytest.raises(UsageError, match="Relative destination"):
        send.file(node, 1, reader(b""), "/abs")
    with pytest.raises(UsageError, match="destination filename"):
        send.path(node, 1, "-")
    with pytest.raises(UsageError, match="255"):
        send.file(node, 1, reader(b""), "x" * 256)
    with pytest.raises(UsageError, match="Relative source"):
        send.freq(node, 1, 1, "/abs", "x")
    with pytest.raises(NotYetSupported):
        send.path(node, 1, str(tmp_path / "alice" / "nncp.json"), chunked=10)
    with pytest.raises(FileNotFoundError):
        send.path(node, 1, str(tmp_path / "nowhere"))
    with pytest.raises(PacketTooBig):
        send.file(node, 1, reader(pattern(3_000_000)), "x", maxsize=2_000_000, via=(PEOPLE["carol"].id,))
    with pytest.raises(PacketTooBig):
        send.file(node, 1, reader(b"x" * 5000), "x", maxsize=4000, size_known=5000)
    assert alice.take("bob") == alice.take("carol") == []
    assert os.listdir(f"{alice.config.spool}/tmp") == []
    assert [event.err for event in alice.log.heard] == ["Too big than allowed"] * 2


def test_a_source_that_fails_in_the_middle_leaves_nothing(alice):
    def failing(view):
        raise OSError(5, "input/output error")

    for via in ((), (PEOPLE["carol"].id, PEOPLE["dave"].id)):
        with pytest.raises(OSError, match="input/output"):
            alice.submit.file(alice.neighbour("bob"), 1, failing, "x", via=via)
        with pytest.raises(OSError, match="input/output"):
            alice.submit.exec(alice.neighbour("bob"), 1, 1, "h", [], failing, via=via)
    assert os.listdir(f"{alice.config.spool}/tmp") == []


def test_configurations_without_keys_say_so(alice):
    alice.config = replace(alice.config, own=None)
    with pytest.raises(UsageError, match="no private keys"):
        alice.submit.ack(alice.neighbour("bob"), 1, PacketName(bytes(32)))
    with pytest.raises(UsageError, match="no private keys"):
        alice.toss()


def test_rx_of_the_relay_names_the_originator(alice, bob, tmp_path):
    carol = make_node("carol", tmp_path)
    alice.submit.file(alice.neighbour("carol"), 100, reader(b"x"), "f", via=(bob.id,))
    carry(alice, bob)
    bob.toss()
    (name,) = carry(bob, carol, "bob", "carol")
    assert carol.spool.has(bob.id, RX, name)
    carol.toss()
    assert carol.log.only("rx").message == "Got file f (1 B) from alice"
