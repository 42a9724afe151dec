# SPDX-License-Identifier: GPL-3.0-or-later
"""Our tossing against the real nncp-*: every kind of packet both ways, mixed routes, and the same log records."""

import json
import os
import subprocess
import sys

import pytest
from go_node import PEOPLE, GoNode

from muleteer.config.load import load
from muleteer.formats.mth import mth
from muleteer.formats.packet import FILE, FREQ, PlainHeader
from muleteer.formats.recfile import parse_records
from muleteer.spool.layout import TX
from muleteer.testing.nodes import Node
from muleteer.testing.packets import pattern, reader, seal

pytestmark = pytest.mark.interop


class Pair:
    """The four people, each worked by the real NNCP or by us, on one and the same spool."""

    def __init__(self, root):
        self.go = {name: GoNode(name, root) for name in PEOPLE}
        for name, node in self.go.items():
            (node.root / "freq").mkdir()
            (root / name / "incoming").mkdir(exist_ok=True)
        self.us = {name: Node(load(str(node.config), {}, ())) for name, node in self.go.items()}

    def carry(self, sender, recipient):
        """Move packets between spools as sticks do."""
        packets = self.go[sender].outgoing(recipient)
        for packet in packets:
            self.go[recipient].receive(packet, sender)
        return packets

    def toss(self, name, who):
        """Toss with the program `who`; everything must be taken."""
        if who == "go":
            self.go[name].run("toss", "-quiet")
        else:
            assert self.us[name].toss().failed == 0

    def log(self, name):
        """The records in the real one's log, without their times."""
        path = self.go[name].root / "log"
        records = list(parse_records(path.read_bytes().splitlines(keepends=True))) if path.exists() else []
        return [[field for field in record if field[0] != "When"] for record in records]


@pytest.fixture
def pair(tmp_path):
    return Pair(tmp_path)


SIZES = [0, 11, 130_780, 130_781, 130_796, 130_797, 262_128, 1_300_000]


@pytest.mark.parametrize("size", SIZES)
def test_our_files_are_taken(pair, size):
    pair.us["alice"].submit.file(
        pair.us["alice"].neighbour("bob"), 100, reader(pattern(size)), "sub/f", minsize=size // 2
    )
    pair.carry("alice", "bob")
    pair.go["bob"].run("check")
    pair.toss("bob", "go")
    assert (pair.go["bob"].incoming / "sub" / "f").read_bytes() == pattern(size)


@pytest.mark.parametrize("size", SIZES)
def test_their_files_are_taken(pair, size, tmp_path):
    (tmp_path / "f").write_bytes(pattern(size))
    pair.go["alice"].run("file", "-minsize", "200", str(tmp_path / "f"), "bob:sub/f")
    pair.carry("alice", "bob")
    pair.toss("bob", "ours")
    assert (pair.go["bob"].incoming / "sub" / "f").read_bytes() == pattern(size)


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("size", [0, 50, 1_500_000])
@pytest.mark.parametrize(("sender", "tosser"), [("go", "ours"), ("ours", "go")])
def test_exec(pair, size, compress, sender, tosser):
    body = os.urandom(size)
    if sender == "go":
        flags = [] if compress else ["-nocompress"]
        pair.go["alice"].run("exec", "-replynice", "77", *flags, "bob", "dump", "a b", "", "c", stdin=body)
    else:
        node = pair.us["alice"]
        args = (node.neighbour("bob"), 96, 77, "dump", ["a b", "", "c"], reader(body))
        node.submit.exec(*args, compress=compress)
    pair.carry("alice", "bob")
    pair.toss("bob", tosser)
    (ran,) = pair.go["bob"].ran()
    assert ran == f"a b||c|{PEOPLE['alice'].id}|77|".encode() + body


@pytest.mark.parametrize("asker", ["go", "ours"])
def test_freq_of_a_file_and_a_directory(pair, asker):
    answerer = "ours" if asker == "go" else "go"
    tree = pair.go["bob"].root / "freq" / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub" / "f").write_bytes(pattern(3000))
    (tree / "sub" / "link").symlink_to("f")
    for source, target in (("tree/sub/f", "one"), ("tree", "two.tar")):
        if asker == "go":
            pair.go["alice"].run("freq", f"bob:{source}", target)
        else:
            pair.us["alice"].submit.freq(pair.us["alice"].neighbour("bob"), 100, 120, source, target)
    pair.carry("alice", "bob")
    pair.toss("bob", answerer)
    pair.carry("bob", "alice")
    pair.toss("alice", asker)
    incoming = pair.go["alice"].incoming
    assert (incoming / "one").read_bytes() == pattern(3000)
    listed = subprocess.run(["tar", "tf", str(incoming / "two.tar")], capture_output=True, check=True)
    assert [name.rstrip("/") for name in listed.stdout.decode().split()] == ["tree", "tree/sub", "tree/sub/f"]
    assert not listed.stderr


def test_our_archives_hold_what_theirs_hold(pair):
    tree = pair.go["bob"].root / "freq" / "tree"
    (tree / "b" / "c").mkdir(parents=True)
    (tree / "a").write_bytes(pattern(700))
    (tree / "b" / "ü").write_bytes(b"")
    for number, path in enumerate([tree / "a", tree / "b" / "ü", tree / "b" / "c", tree / "b", tree]):
        os.utime(path, ns=(0, 1_700_000_000_000_000_000 + number * 1_250_000_000))
    for name in ("go", "ours"):
        pair.us["alice"].submit.freq(pair.us["alice"].neighbour("bob"), 100, 120, "tree", f"{name}.tar")
        pair.carry("alice", "bob")
        pair.toss("bob", name)
        pair.carry("bob", "alice")
    pair.toss("alice", "ours")
    ours, theirs = (pair.go["alice"].incoming / f"{name}.tar" for name in ("ours", "go"))
    lists = [
        subprocess.run(["tar", "--full-time", "-tvf", str(path)], capture_output=True, check=True).stdout
        for path in (ours, theirs)
    ]
    assert lists[0].replace(b"/\n", b"\n") == lists[1]  # directories have no slash in theirs


def test_acks_both_ways(pair):
    ours = pair.us["alice"].submit.file(pair.us["alice"].neighbour("bob"), 100, reader(b"x"), "f")
    pair.go["bob"].run("ack", "-node", "alice", "-pkt", str(ours))
    pair.carry("bob", "alice")
    assert pair.us["alice"].toss().retired == (ours,)

    theirs = pair.us["bob"].submit.file(pair.us["bob"].neighbour("alice"), 100, reader(b"x"), "f")
    pair.us["alice"].submit.ack(pair.us["alice"].neighbour("bob"), 100, theirs)
    pair.carry("alice", "bob")
    pair.toss("bob", "go")
    assert not pair.us["bob"].spool.has(PEOPLE["alice"].id, TX, theirs)


@pytest.mark.parametrize("programs", [("go", "ours", "go", "ours"), ("ours", "go", "ours", "go")])
@pytest.mark.parametrize("size", [100, 1_500_000])
def test_mixed_routes_of_three_hops(pair, programs, size, tmp_path):
    body = pattern(size)
    (tmp_path / "f").write_bytes(body)
    if programs[0] == "go":
        pair.go["alice"].run("file", "-via", "bob,carol", "-minsize", "50", str(tmp_path / "f"), "dave:far")
    else:
        node = pair.us["alice"]
        via = (PEOPLE["bob"].id, PEOPLE["carol"].id)
        node.submit.path(node.neighbour("dave"), 100, str(tmp_path / "f"), "far", minsize=50 << 10, via=via)
    for (sender, recipient), program in zip(
        [("alice", "bob"), ("bob", "carol"), ("carol", "dave")], programs[1:], strict=True
    ):
        pair.carry(sender, recipient)
        pair.toss(recipient, program)
    assert (pair.go["dave"].incoming / "far").read_bytes() == body


def test_the_estimated_padding_of_routes_is_theirs(pair, tmp_path):
    (tmp_path / "f").write_bytes(b"x" * 100)
    sizes = []
    for program in ("go", "ours"):
        if program == "go":
            pair.go["alice"].run("file", "-via", "bob,carol", "-minsize", "200", str(tmp_path / "f"), "dave:far")
        else:
            node = pair.us["alice"]
            via = (PEOPLE["bob"].id, PEOPLE["carol"].id)
            node.submit.path(node.neighbour("dave"), 224, str(tmp_path / "f"), "far", minsize=200 << 10, via=via)
        (packet,) = pair.go["alice"].outgoing("bob")
        sizes.append(len(packet))
    assert sizes[0] == sizes[1] == 204_832


def test_our_relay_wraps_for_its_own_route_as_theirs_does(pair):
    """Not in the fact sheet's verified part: a relay whose next hop has a `via` of its own."""
    opened = {}
    for program in ("go", "ours"):
        config = pair.go["bob"].config
        text = config.read_text()
        if '"via"' not in text:
            config.write_text(text.replace('"carol": {', '"carol": {"via": ["dave"],', 1))
        pair.us["bob"] = Node(load(str(config), {}, ()))
        alice = pair.us["alice"]
        alice.submit.file(alice.neighbour("carol"), 100, reader(b"far"), program, via=(PEOPLE["bob"].id,))
        pair.carry("alice", "bob")
        pair.toss("bob", program)
        pair.carry("bob", "dave")
        pair.toss("dave", "ours" if program == "go" else "go")
        pair.carry("dave", "carol")
        pair.toss("carol", program)
        opened[program] = (pair.go["carol"].incoming / program).read_bytes()
    assert opened == {"go": b"far", "ours": b"far"}


# ---------------------------------------------------------------------------------------------- log records


def scrubbed(record, root):
    """A record without what differs by nature: packet names that ephemeral keys decide."""
    return [(name, "NEW" if name == "NewPkt" else value.replace(str(root), "ROOT")) for name, value in record]


def test_records_of_sending_are_theirs(tmp_path):
    (tmp_path / "in.bin").write_bytes(pattern(131_000))
    records = {}
    for program in ("go", "ours"):
        pair = Pair(tmp_path / program)
        hash_ = mth(b"some packet")
        if program == "go":
            go = pair.go["alice"]
            go.run("file", "-nice", "B+3", str(tmp_path / "in.bin"), "bob:a/../dir//n")
            go.run("file", "-", "dave:x", stdin=b"x")
            go.run("exec", "-replynice", "77", "-nocompress", "bob", "dump", "a b", "", "c", stdin=b"body")
            go.run("freq", "-replynice", "94", "bob:some/../dir/file", "dst/a/../n")
            go.run("ack", "-node", "bob", "-pkt", str(hash_))
            found = pair.log("alice")
        else:
            node = pair.us["alice"]
            bob, dave, send = node.neighbour("bob"), node.neighbour("dave"), node.submit
            send.path(bob, 227, str(tmp_path / "in.bin"), "a/../dir//n")
            send.file(dave, 224, reader(b"x"), "x")
            send.exec(bob, 96, 77, "dump", ["a b", "", "c"], reader(b"body"), compress=False)
            send.freq(bob, 160, 94, "some/../dir/file", "dst/a/../n")
            send.ack(bob, 160, hash_)
            found = in_memory(node)
        records[program] = [
            [field for field in scrubbed(record, tmp_path / program) if field[0] != "Pkt" or record[1][1] == "ack"]
            for record in found
        ]
    assert len(records["go"]) == 5
    assert records["ours"] == records["go"]


def in_memory(node):
    return [
        [*([("Err", e.err)] if e.err is not None else []), ("Who", e.who), *e.fields, ("Msg", e.message)]
        for e in node.log.heard
    ]


def test_records_of_tossing_are_theirs(tmp_path):
    """One of each kind that can be refused or taken, tossed by both: the same records, whatever their order."""
    alice, bob = PEOPLE["alice"], PEOPLE["bob"]

    def sealed(kind, path, payload=b"", recipient=bob):
        return seal(payload, sender=alice, recipient=recipient, header=PlainHeader(kind, 77, path), nice=100)

    inner = seal(b"x", sender=alice, recipient=PEOPLE["carol"])
    packets = [
        sealed(FILE, b"sub/plain", b"x" * 2000),
        sealed(FILE, b"../up", b"x"),
        sealed(FILE, b"/abs", b"x"),
        sealed(FREQ, b"there", b"back/there"),
        sealed(FREQ, b"missing", b"back"),
        sealed(FREQ, b"../up", b"back"),
        sealed(5, b"good\0a\0", b"body"),
        sealed(5, b"fail\0x", b"body"),
        sealed(5, b"gone", b"body"),
        sealed(5, b"nope\0x", b"body"),
        sealed(4, bytes(PEOPLE["carol"].id), inner),
        sealed(4, bytes(32), inner),
        sealed(7, bytes(range(32))),
        b"JUNK!\0\0\6" + (100).to_bytes(4, "big") + bytes(388),
    ]
    records = {}
    for program in ("go", "ours"):
        pair = Pair(tmp_path / program)
        go = pair.go["bob"]
        (go.root / "freq" / "there").write_bytes(b"served")
        handles = {
            "good": ["/bin/true"],
            "fail": ["/bin/sh", "-c", "echo out; echo err >&2; exit 3"],
            "gone": ["/nonexistent"],
        }
        text = go.config.read_text()

        config = json.loads(text)
        config["neigh"]["alice"]["exec"] = handles
        go.config.write_text(json.dumps(config))
        node = pair.us["bob"] = Node(load(str(go.config), {}, ()))
        for packet in packets:
            go.receive(packet, "alice")
        if program == "go":
            with pytest.raises(subprocess.CalledProcessError):
                go.run("toss", "-quiet")
            found = pair.log("bob")
        else:
            node.toss()
            found = in_memory(node)
        records[program] = sorted(
            [field for field in scrubbed(record, tmp_path / program) if field[0] != "Pkt" or record[-1][1][0] != "F"]
            for record in found
        )
    ours, theirs = records["ours"], records["go"]
    assert [record for record in ours if record not in theirs] == [record for record in theirs if record not in ours]


def test_a_spool_worked_by_both_in_turn(pair, tmp_path):
    for turn, program in enumerate(["ours", "go"] * 3):
        node = pair.us["alice"]
        if program == "ours":
            node.submit.file(node.neighbour("bob"), 100, reader(b"%d" % turn), "f")
        else:
            (tmp_path / "f").write_bytes(b"%d" % turn)
            pair.go["alice"].run("file", str(tmp_path / "f"), "bob:f")
        pair.carry("alice", "bob")
        pair.toss("bob", "go" if turn % 3 else "ours")
    names = sorted(path.name for path in pair.go["bob"].incoming.iterdir())
    assert names == ["f", "f.0", "f.1", "f.2", "f.3", "f.4"]
    pair.go["bob"].run("stat")
    assert not pair.go["bob"].waiting("alice")
    assert sys.version_info
