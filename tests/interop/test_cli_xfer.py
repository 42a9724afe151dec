# SPDX-License-Identifier: GPL-3.0-or-later
"""nncp-xfer beside the real one: the same directories, records, leftovers and exit statuses."""

import fcntl
import os
import shutil
import subprocess

import pytest
from cli_lab import KEYS, ours, pattern

pytestmark = pytest.mark.interop

ALICE, BOB, CAROL = (KEYS[name]["id"] for name in ("alice", "bob", "carol"))


@pytest.fixture
def queued(both):
    """Some packets of alice's for bob and carol, and a stick; the same for both."""
    both.write("small", pattern(500))
    both.write("large", pattern(300_000))
    for nice, file in (("F", "small"), ("P", "large"), ("B", "small")):
        both.go("file", "alice", "-quiet", "-nice", nice, file, f"bob:{nice}-{file}")
    both.go("file", "alice", "-quiet", "small", "carol:c")
    for lab in (both.go, both.ours):
        lab.path("stick").mkdir()
    both.copy_spools()
    both.go.path("alice", "log").unlink()
    return both


@pytest.fixture
def carried(queued):
    """The same with everything on the stick, put there by Go."""
    queued.go("xfer", "alice", "-quiet", "-mkdir", "stick")
    shutil.rmtree(queued.ours.path("stick"))
    shutil.copytree(queued.go.path("stick"), queued.ours.path("stick"))
    return queued


def compare(both, node):
    assert both.ours.tree("stick") == both.go.tree("stick")
    trees = [[line for line in lab.tree(node, "spool") if "/hdr" not in line] for lab in (both.ours, both.go)]
    assert trees[0] == trees[1]
    key = str
    assert sorted(both.ours.records(node), key=key) == sorted(both.go.records(node), key=key)


@pytest.mark.parametrize(
    "words",
    [
        ("stick",),
        ("-mkdir", "stick"),
        ("-mkdir", "-keep", "stick"),
        ("-mkdir", "-tx", "stick"),
        ("-mkdir", "-rx", "stick"),
        ("-mkdir", "-nice", "P", "stick"),
        ("-mkdir", "-nice", "1", "stick"),
        ("-mkdir", "-node", "bob", "stick"),
        ("-mkdir", "-node", CAROL, "stick/"),
        ("-mkdir", "-quiet", "./stick/../stick"),
        ("-mkdir", "-debug", "stick"),
        ("nosuchdir",),
        ("-mkdir", "nosuchdir"),
        ("small",),
        (),
        ("stick", "stick"),
        ("-rx", "-tx", "stick"),
        ("-node", "nobody", "stick"),
        ("-nice", "Z", "stick"),
        ("-progress", "-noprogress", "stick"),
        ("-bogus",),
    ],
)
def test_send(queued, words):
    queued.same("xfer", "alice", *words)
    compare(queued, "alice")


def test_send_twice_leaves_what_is_there(queued):
    queued.same("xfer", "alice", "-mkdir", "-keep", "stick")
    assert not queued.same("xfer", "alice", "-mkdir", "stick").notes
    compare(queued, "alice")
    assert len(queued.ours.packets("alice", "bob", "tx")) == 3


def test_send_removes_a_stale_part(queued):
    for lab in (queued.go, queued.ours):
        there = lab.path("stick", BOB, ALICE)
        there.mkdir(parents=True)
        (there / (lab.packets("alice", "bob", "tx")[0].name + ".part")).write_bytes(b"half")
    queued.same("xfer", "alice", "stick")
    compare(queued, "alice")


def test_send_past_a_lock(queued):
    locks = []
    for lab in (queued.go, queued.ours):
        lock = lab.path("alice", "spool", BOB, "tx.lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
        locks.append(lock)
    assert queued.same("xfer", "alice", "-mkdir", "stick").status == 0
    compare(queued, "alice")
    for lock in locks:
        lock.close()


@pytest.mark.parametrize(
    "words",
    [
        ("stick",),
        ("-rx", "stick"),
        ("-rx", "-keep", "stick"),
        ("-tx", "stick"),
        ("-nice", "P", "stick"),
        ("-node", "alice", "-rx", "stick"),
        ("-node", "carol", "-rx", "stick"),
        ("-quiet", "stick"),
        ("-debug", "stick"),
        ("-mkdir", "stick"),
    ],
)
def test_receive(carried, words):
    carried.same("xfer", "bob", *words)
    compare(carried, "bob")
    for lab in (carried.go, carried.ours):
        assert lab("check", "bob").status == 0


def test_receive_what_is_here_already(carried):
    carried.same("xfer", "bob", "-keep", "stick")
    carried.same("xfer", "bob", "stick")
    compare(carried, "bob")


def test_receive_repairs_a_damaged_packet(carried):
    carried.same("xfer", "bob", "-keep", "stick")
    for lab in (carried.go, carried.ours):
        packet = lab.packets("bob", "alice", "rx")[0]
        data = bytearray(packet.read_bytes())
        data[-1] ^= 1
        packet.write_bytes(data)
    carried.same("xfer", "bob", "-rx", "stick")
    assert carried.same("check", "bob").status == 0


def test_receive_what_was_seen(carried):
    for lab in (carried.go, carried.ours):
        seen = lab.path("bob", "spool", ALICE, "rx", "seen")
        seen.mkdir(parents=True)
        for packet in lab.path("stick", BOB, ALICE).iterdir():
            (seen / packet.name).touch()
    carried.same("xfer", "bob", "-keep", "stick")
    compare(carried, "bob")
    carried.same("xfer", "bob", "stick")
    compare(carried, "bob")


def test_receive_damage(carried):
    for lab in (carried.go, carried.ours):
        packets = sorted(lab.path("stick", BOB, ALICE).iterdir())
        with packets[0].open("ab") as file:
            file.write(b"!")
        packets[1].rename(packets[1].with_name("B" * 51 + "A"))
    assert carried.same("xfer", "bob", "stick").status == 1
    compare(carried, "bob")


def test_receive_passes_over_rubbish(carried):
    for lab in (carried.go, carried.ours):
        here = lab.path("stick", BOB, ALICE)
        (here / "README").write_bytes(b"hello")
        (here / ("A" * 52)).write_bytes(b"short")
        (here / ("C" * 51 + "A")).write_bytes(bytes(1000))
        (here / ("D" * 51 + "A")).mkdir()
        (lab.path("stick", BOB, "A" * 52)).mkdir()
        (lab.path("stick", BOB, CAROL)).mkdir()
        (lab.path("stick", BOB, "file")).write_bytes(b"")
    carried.same("xfer", "bob", "stick")
    compare(carried, "bob")


def test_receive_is_not_led_astray_by_links_and_pipes(carried):
    """Here the real one follows the link, and would wait for the pipe for ever."""
    here = carried.ours.path("stick", BOB, ALICE)
    os.symlink("/etc/passwd", here / ("A" * 52))
    os.mkfifo(here / ("C" * 51 + "A"))
    assert carried.ours("xfer", "bob", "stick").status == 0
    assert sorted(path.name for path in here.iterdir()) == ["A" * 52, "C" * 51 + "A"]


def test_without_private_keys(carried):
    for lab in (carried.go, carried.ours):
        lab.path("min.hjson").write_bytes(lab("cfgmin", "bob").out)
    carried.same("xfer", "", "-cfg", "min.hjson", "-quiet", "stick")
    compare(carried, "bob")
    assert len(carried.ours.packets("bob", "alice", "rx")) == 3


@pytest.mark.parametrize("sender", ["go", "ours"])
def test_sticks_go_both_ways(queued, sender):
    """What one leaves on a stick the other takes, tosses and is content with."""
    labs = {"go": queued.go, "ours": queued.ours}
    lab = labs.pop(sender)
    (other,) = labs.values()
    assert lab("xfer", "alice", "-mkdir", "stick").status == 0
    shutil.rmtree(other.path("stick"))
    shutil.copytree(lab.path("stick"), other.path("stick"))
    assert other("xfer", "bob", "stick").status == 0
    assert other("check", "bob").status == 0
    assert len(other.packets("bob", "alice", "rx")) == 3
    assert not list(other.path("stick", BOB, ALICE).iterdir())
    assert queued.go("toss", "bob", "-spool", str(other.path("bob", "spool"))).status == 0
    assert (queued.go.path("bob", "incoming", "P-large")).read_bytes() == pattern(300_000)


def test_a_full_stick_is_one_error_and_loses_nothing(queued):
    """A file-size limit stands for a full stick: the large packet cannot be written, the others are."""
    lab = queued.ours
    words = [*ours("xfer"), "-cfg", str(lab.path("alice.hjson")), "-mkdir", "stick"]
    done = subprocess.run(
        ["/bin/sh", "-c", 'ulimit -f 100; trap "" XFSZ; exec "$@"', "sh", *words],
        cwd=lab.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "ERROR Packet transfer, sent to bob" in done.stderr
    kept = [path for path in lab.packets("alice", "bob", "tx") if path.stat().st_size > 200_000]
    assert len(kept) == 1 == len(lab.packets("alice", "bob", "tx"))
    assert not list(lab.path("stick").rglob("nncpxfer*"))
