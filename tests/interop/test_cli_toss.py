# SPDX-License-Identifier: GPL-3.0-or-later
"""The words around tossing: flags, exit statuses and what is said; what tossing does is tested with the tosser."""

import fcntl
import os
import select
import shutil
import signal
import subprocess

import pytest
from cli_lab import KEYS, ours, pattern

pytestmark = pytest.mark.interop

ALICE, BOB = KEYS["alice"]["id"], KEYS["bob"]["id"]


@pytest.fixture
def arrived(both):
    """One packet of each kind in bob's rx, some of which fail; the same for both."""
    both.go("file", "alice", "-quiet", "-", "bob:file", stdin=pattern(500))
    both.go("exec", "alice", "-quiet", "bob", "cat")
    both.go("exec", "alice", "-quiet", "-nocompress", "bob", "nosuchhandle", "x")
    both.go("exec", "alice", "-quiet", "bob", "cat", "/nonexistent")
    both.go("freq", "alice", "-quiet", "bob:there", "back")
    both.go("freq", "alice", "-quiet", "bob:nowhere")
    both.go("file", "alice", "-quiet", "-via", "bob", "-", "carol:relayed", stdin=pattern(300))
    both.go("ack", "alice", "-quiet", "-node", "bob", "-pkt", "A" * 52)
    shutil.copytree(both.go.path("alice", "spool", BOB, "tx"), both.go.path("bob", "spool", ALICE, "rx"))
    both.copy_spools()
    both.write("bob/freq/there", b"requested")
    return both


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("-seen",),
        ("-dryrun",),
        ("-quiet",),
        ("-debug",),
        ("-nofile", "-noexec"),
        ("-nofreq", "-notrns", "-noack", "-noarea"),
        ("-nofile", "-nofreq", "-noexec", "-notrns", "-noack"),
        ("-nice", "P"),
        ("-nice", "1"),
        ("-node", "alice"),
        ("-node", "carol"),
        ("-node", ALICE, "word"),
        ("-node", "nobody"),
        ("-nice", "x"),
        ("-cycle", "x"),
        ("-progress", "-noprogress"),
        ("-bogus",),
        ("-help",),
    ],
)
def test_toss(arrived, words):
    go, ours_ = arrived("toss", "bob", *words)
    assert ours_.status == go.status
    assert ours_.out == go.out == b""
    assert ours_.used_wrongly == go.used_wrongly
    assert ours_.notes == go.notes
    key = str
    assert sorted(arrived.ours.records("bob"), key=key) == sorted(arrived.go.records("bob"), key=key)
    assert arrived.ours.tree("bob", "incoming") == arrived.go.tree("bob", "incoming")
    assert len(arrived.ours.packets("bob", "alice", "rx")) == len(arrived.go.packets("bob", "alice", "rx"))


def test_toss_past_a_lock(arrived):
    locks = []
    for lab in (arrived.go, arrived.ours):
        lock = lab.path("bob", "spool", ALICE, "toss.lock").open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
        locks.append(lock)
    assert arrived.same("toss", "bob").status == 0
    for lock in locks:
        lock.close()


def test_toss_in_cycles_until_stopped(arrived):
    """It tosses at once, goes on after failures, sees what arrives later, and ends by the signal that stops it."""
    lab = arrived.ours
    reader, writer = os.pipe()
    words = [*ours("toss"), "-cfg", str(lab.path("bob.hjson")), "-log", f"FD:{writer}", "-quiet", "-cycle", "1"]
    with subprocess.Popen(words, cwd=lab.folder, pass_fds=[writer]) as process:
        os.close(writer)
        read_until(reader, b"Dst: file\n")
        arrived.go("file", "alice", "-quiet", "-", "bob:later", stdin=b"later")
        for packet in arrived.go.packets("alice", "bob", "tx"):
            shutil.copy(packet, lab.path("bob", "spool", "tmp"))
            os.rename(lab.path("bob", "spool", "tmp", packet.name), lab.path("bob", "spool", ALICE, "rx", packet.name))
        read_until(reader, b"Dst: later\n")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == -signal.SIGINT
    os.close(reader)
    assert lab.path("bob", "incoming", "later").read_bytes() == b"later"


def read_until(reader, wanted):
    """Read a log as it is written."""
    seen = b""
    while wanted not in seen:
        assert select.select([reader], [], [], 20)[0], f"{wanted!r} did not come"
        seen += os.read(reader, 65536)


def test_output_nobody_reads_ends_us_quietly(arrived):
    """As any filter: ``nncp-stat -pkt | head -1`` leaves no traceback."""
    lab = arrived.ours
    words = [*ours("stat"), "-cfg", str(lab.path("bob.hjson")), "-pkt"]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(words, cwd=lab.folder, stdout=writer, stderr=subprocess.PIPE, timeout=20, check=False)
    os.close(writer)
    assert done.returncode == -signal.SIGPIPE
    assert done.stderr == b""
