# SPDX-License-Identifier: GPL-3.0-or-later
"""One spool, two programs: each reads what the other writes, and their locks exclude each other."""

import os
import pathlib
import re
import subprocess

import pytest

from muleteer.errors import SpoolLocked
from muleteer.formats.ids import NodeId, PacketName
from muleteer.formats.mth import mth
from muleteer.spool.disk import RealDisk
from muleteer.spool.spool import Spool
from muleteer.spool.sweep import sweep

pytestmark = pytest.mark.interop

VECTORS = pathlib.Path(__file__).parent.parent / "vectors" / "data"
ALICE = NodeId.parse("YN77TLTKCL2T5QVJVU4B5V3SM4QBL5IU4HEMDJE6WCP6GGTW4RPQ")
BOB = NodeId.parse("M2AS4STFTUVWJ2DAPLQLEXSQN2VHNYUYXX5UDUDG7ZGUDYWLLOPA")
PACKETS = ("file-0", "file-11", "file-130797")


class Node:
    """A node of the vectors, moved below a directory of the test, and the reference's programs run as it."""

    def __init__(self, name, home, **replacements):
        self.spool_path = f"{home}/spool"
        self.incoming = f"{home}/incoming"
        os.makedirs(self.spool_path)
        os.makedirs(self.incoming)
        text = (VECTORS / "cfg" / f"{name}.hjson").read_text().replace(f"/srv/nncp-vec/{name}", str(home))
        for old, new in replacements.items():
            text = text.replace(f'"/bin/{old}"', new)
        self.config = f"{home}/nncp.hjson"
        pathlib.Path(self.config).write_text(text)
        self.spool = Spool(self.spool_path, RealDisk())

    def command(self, program, *arguments):
        return [f"/usr/bin/nncp-{program}", "-cfg", self.config, *arguments]

    def run(self, program, *arguments, status=0, **options):
        command = self.command(program, *arguments)
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, **options)
        assert done.returncode == status, done.stderr
        return done

    def take(self, *packets):
        """Put packets of the vectors into rx by our ritual, as a group."""
        with self.spool.batch() as batch:
            for packet in packets:
                with self.spool.draft() as draft:
                    draft.write((VECTORS / "packets" / f"{packet}.pkt").read_bytes())
                    self.spool.commit(draft, ALICE, "rx", batch=batch, alias="alice")


@pytest.fixture
def bob(tmp_path):
    return Node("bob", tmp_path / "bob")


@pytest.fixture
def alice(tmp_path):
    return Node("alice", tmp_path / "alice")


def tree(root):
    """Every path with its mode, and a link's target; names that contain a time are masked."""
    found = {}
    for at, directories, files in os.walk(root):
        for name in (*directories, *files):
            path = os.path.join(at, name)
            what = os.readlink(path) if os.path.islink(path) else oct(os.lstat(path).st_mode)
            found[os.path.relpath(path, root)] = what
    return found


def test_the_reference_lists_checks_and_tosses_what_we_committed(bob):
    bob.take(*PACKETS)
    stat = bob.run("stat", "-pkt").stdout
    for packet in PACKETS:
        name = mth((VECTORS / "packets" / f"{packet}.pkt").read_bytes())
        assert f"\trx {name} " in stat
    assert re.search(r"Rx:.*3 pkts", stat)
    bob.run("check")
    bob.run("toss", "-seen")
    assert sorted(os.listdir(f"{bob.incoming}/dir")) == ["name.bin", "name.bin.0", "name.bin.1"]
    assert bob.spool.entries(ALICE, "rx") == []
    assert all(
        bob.spool.is_seen(ALICE, mth((VECTORS / "packets" / f"{packet}.pkt").read_bytes())) for packet in PACKETS
    )


def test_the_references_spool_is_listed_as_it_lists_it_itself(alice):
    for nice, size in ((32, 100), (200, 5), (96, 140_000)):
        alice.run("file", "-nice", str(nice), "-", "bob:file", input="x" * size)
    listed = set(re.findall(r"\ttx (\w+) .*\(nice: (\S+)\)", alice.run("stat", "-pkt").stdout))
    found = alice.spool.entries(BOB, "tx")
    assert [entry.nice for entry in found] == [32, 96, 200]
    assert {str(entry.name) for entry in found} == {name for name, _ in listed}
    assert {(entry.sender, entry.recipient) for entry in found} == {(ALICE, BOB)}
    for entry in found:
        path = alice.spool.path(BOB, "tx", entry.name)
        assert entry.size == os.path.getsize(path)
        assert mth(pathlib.Path(path).read_bytes()) == entry.name


def test_our_commit_leaves_the_same_tree_as_the_references(alice, tmp_path):
    alice.run("file", "-", "bob:file", input="x")
    entry = alice.spool.entries(BOB, "tx")[0]
    data = pathlib.Path(alice.spool.path(BOB, "tx", entry.name)).read_bytes()
    ours = Spool(str(tmp_path / "ours"), RealDisk())
    os.mkdir(tmp_path / "ours")
    with ours.draft() as draft:
        draft.write(data)
        ours.commit(draft, BOB, "tx", alias="bob")
    expected = {path: what.replace("/alice/spool", "/ours") for path, what in tree(alice.spool_path).items()}
    assert tree(tmp_path / "ours") == expected


def test_our_finish_is_the_references(bob, tmp_path):
    """Both tossed with -seen: the same marks stay behind, and nothing else."""
    other = Node("bob", tmp_path / "other")
    for node in (bob, other):
        node.take("file-11")
    bob.run("toss", "-seen", "-node", "alice")
    with other.spool.lock(ALICE, "toss"):
        for entry in other.spool.entries(ALICE, "rx"):
            other.spool.finish(ALICE, "rx", entry.name, seen=True)
    assert set(tree(other.spool_path)) == set(tree(bob.spool_path))


def test_our_toss_lock_keeps_the_reference_out(bob):
    bob.take("file-11")
    with bob.spool.lock(ALICE, "toss"):
        skipped = bob.run("toss")
        assert "alice" in skipped.stderr or "flock" in skipped.stderr or "unavailable" in skipped.stderr
        assert os.listdir(bob.incoming) == []
        assert len(bob.spool.entries(ALICE, "rx")) == 1
    bob.run("toss")
    assert len(bob.spool.entries(ALICE, "rx")) == 0


def test_our_tx_lock_keeps_the_references_xfer_out(alice, tmp_path):
    alice.run("file", "-", "bob:file", input="x")
    stick = tmp_path / "stick"
    stick.mkdir()
    with alice.spool.lock(BOB, "tx"):
        alice.run("xfer", "-tx", "-mkdir", "-node", "bob", str(stick))
        assert len(alice.spool.entries(BOB, "tx")) == 1
    alice.run("xfer", "-tx", "-mkdir", "-node", "bob", str(stick))
    assert alice.spool.entries(BOB, "tx") == []


def test_the_references_toss_lock_keeps_us_out(tmp_path):
    """The real nncp-toss is held in the middle of its work by an exec handle that waits for a word."""
    fifo = tmp_path / "fifo"
    ready = tmp_path / "ready"
    os.mkfifo(fifo)
    os.mkfifo(ready)
    bob = Node("bob", tmp_path / "bob", cat=f'"/bin/sh", "-c", "echo > {ready}; read x < {fifo}"')
    bob.take("exec")
    with subprocess.Popen(bob.command("toss"), stderr=subprocess.DEVNULL) as toss:
        ready.read_text()
        with pytest.raises(SpoolLocked):
            bob.spool.lock(ALICE, "toss")
        bob.spool.lock(ALICE, "tx").release()
        fifo.write_text("go\n")
        assert toss.wait(30) == 0
    bob.spool.lock(ALICE, "toss").release()
    assert bob.spool.entries(ALICE, "rx") == []


def test_the_sweep_leaves_the_references_draft_at_work_alone(alice, tmp_path):
    """The real nncp-file waits for the rest of its input while we sweep, and the clock has just leapt by a year."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    left_over = f"{alice.spool_path}/tmp/nncp18e9c863e39e8620"
    os.mkdir(f"{alice.spool_path}/tmp")
    pathlib.Path(left_over).write_bytes(b"torn")
    with subprocess.Popen(
        alice.command("file", "-", "bob:file"), stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as at_work:
        at_work.stdin.write(b"x" * 300_000)
        at_work.stdin.flush()
        while len(os.listdir(f"{alice.spool_path}/tmp")) < 2:
            assert at_work.poll() is None
        year = os.stat(left_over).st_mtime + 365 * 86400
        assert sweep(alice.spool, now=year, uptime=60).drafts == 1
        assert not os.path.exists(left_over)
        at_work.stdin.close()
        assert at_work.wait(30) == 0
    assert len(alice.spool.entries(BOB, "tx")) == 1
    alice.run("check")


def test_a_torn_header_copy_is_swept_before_the_reference_believes_it(bob):
    """A power cut may tear hdr/, which nobody syncs, and the reference trusts it more than the packet."""
    bob.take("file-11")
    entry = bob.spool.entries(ALICE, "rx")[0]
    copy = pathlib.Path(f"{bob.spool_path}/{ALICE}/rx/hdr/{entry.name}")
    copy.write_bytes(bytes(172))
    assert str(entry.name) not in bob.run("stat", "-pkt").stdout
    assert sweep(bob.spool, now=0, uptime=0).headers == 1
    assert str(entry.name) in bob.run("stat", "-pkt").stdout
    bob.run("toss")
    assert bob.spool.entries(ALICE, "rx") == []


def test_the_reference_passes_over_what_is_ours(bob):
    """SPOOL/muleteer and our drafts neither show in its listings nor disturb it; nncp-rm -tmp removes our drafts."""
    bob.take("file-11")
    aside = pathlib.Path(bob.spool_path, "muleteer", "aside", str(ALICE))
    aside.mkdir(parents=True)
    (aside / str(PacketName(bytes(32)))).write_bytes(b"x")
    draft = bob.spool.draft()
    draft.write(b"x")
    assert "muleteer" not in bob.run("stat", "-pkt").stdout
    bob.run("check")
    bob.run("toss")
    bob.run("rm", "-tmp")
    assert os.listdir(f"{bob.spool_path}/tmp") == []
    draft.discard()
    assert (aside / str(PacketName(bytes(32)))).exists()
