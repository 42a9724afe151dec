# SPDX-License-Identifier: GPL-3.0-or-later
"""Closed and full standard streams: the mail goes its way as with the real commands, and the exit status tells it."""

import shutil
import subprocess

import pytest
from cli_lab import KEYS, PROGRAMS

pytestmark = pytest.mark.interop

ALICE, BOB = KEYS["alice"]["id"], KEYS["bob"]["id"]
COMMANDS = {
    "file": ("alice", "file", "f", "bob:x"),
    "file from stdin": ("alice", "file", "-", "bob:x"),
    "exec": ("alice", "exec", "bob", "cat", "x"),
    "freq": ("alice", "freq", "bob:x"),
    "toss": ("bob", "toss"),
    "toss quietly": ("bob", "toss", "-quiet"),
    "ack": ("bob", "ack", "-all"),
    "check": ("bob", "check"),
    "stat": ("bob", "stat", "-pkt"),
    "hash": ("", "hash"),
    "hash of a file": ("", "hash", "-file", "f", "-progress"),
    "log": ("alice", "log"),
    "cfgmin": ("alice", "cfgmin"),
    "cfgnew": ("", "cfgnew"),
    "pkt": ("bob", "pkt"),
    "pkt -dump": ("bob", "pkt", "-dump"),
    "version": ("", "stat", "-version"),
    "usage": ("alice", "exec", "bob"),
}
READING_STDIN = ("file from stdin", "exec")  # there the real ones read whatever file was opened first, some for ever


@pytest.fixture
def arrived(both):
    """A file and a call in bob's rx, and something in alice's log."""
    both.go("file", "alice", "-quiet", "-", "bob:in", stdin=b"abc")
    both.go("exec", "alice", "-quiet", "bob", "cat", stdin=b"abc")
    shutil.copytree(both.go.path("alice", "spool", BOB, "tx"), both.go.path("bob", "spool", ALICE, "rx"))
    both.copy_spools()
    shutil.copy(both.go.path("alice", "log"), both.ours.path("alice", "log"))
    both.write("f", b"hello")
    return both


def run(lab, redirection, node, command, *words):
    """Run through a shell, as a script or a service manager would; return the status, output and error."""
    flags = ["-cfg", str(lab.path(f"{node}.hjson"))] if node else []
    argv = ["sh", "-c", f'exec "$@" {redirection}', "sh", *PROGRAMS[lab.who](command), *flags, *words]
    given = lab.packets("bob", "alice", "rx")[0] if command == "pkt" else lab.path("f")
    env = {"PATH": "/usr/bin:/bin", "TZ": "UTC", "HOME": str(lab.folder)}
    with given.open("rb") as stdin:
        return subprocess.run(argv, stdin=stdin, capture_output=True, cwd=lab.folder, env=env, timeout=60, check=False)


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", ">&-", ">/dev/full", ">&- 2>&-", "0<&-"])
@pytest.mark.parametrize("what", COMMANDS)
def test_a_closed_or_full_stream_changed_status_and_effect(arrived, what, redirection):
    if redirection == "0<&-" and what in READING_STDIN:
        missing_input(arrived.ours, *COMMANDS[what])
        return
    go = run(arrived.go, redirection, *COMMANDS[what])
    ours_ = run(arrived.ours, redirection, *COMMANDS[what])
    assert ours_.returncode == go.returncode
    assert b"Traceback" not in ours_.stderr
    assert bool(ours_.stdout) == bool(go.stdout)
    for node, neighbour in (("alice", "bob"), ("bob", "alice")):
        for way in ("rx", "tx"):
            queues = [sorted(p.stat().st_size for p in lab.packets(node, neighbour, way)) for lab in both_of(arrived)]
            assert queues[0] == queues[1]
        assert arrived.ours.tree(node, "incoming") == arrived.go.tree(node, "incoming")
        assert len(arrived.ours.records(node)) == len(arrived.go.records(node))


def both_of(both):
    return both.go, both.ours


def missing_input(lab, *command):
    """What is missing is not sent as empty."""
    before = lab.packets("alice", "bob", "tx")
    done = run(lab, "0<&-", *command)
    assert done.returncode == 1
    assert b"bad file descriptor" in done.stderr.lower()
    assert lab.packets("alice", "bob", "tx") == before
    assert list(lab.path("alice", "spool", "tmp").glob("*")) == []


@pytest.mark.parametrize("what", ["stat", "hash", "log", "cfgmin", "cfgnew", "version"])
def test_output_that_is_lost_is_told_in_one_sentence(arrived, what):
    done = run(arrived.ours, ">/dev/full", *COMMANDS[what])
    assert done.stderr.count(b"\n") == 1
    assert done.stderr.endswith(b": standard output is incomplete: no space left on device\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("-quiet", "-log", "FD:9"), False),
        (("-quiet", "-log", "/nonexistent/x"), True),
        (("-log", "/nonexistent/x"), True),
    ],
)
def test_a_log_that_cannot_be_written_was_called_a_broken_spool(arrived, words, told):
    go, ours_ = arrived("file", "alice", *words, "f", "bob:x")
    assert ours_.status == go.status == 0
    assert bool(ours_.err) == bool(go.err)
    assert ("the mail goes on" in ours_.err) == told
    assert "spool" not in ours_.err.replace("/spool", "")


def test_a_request_for_everything_arrives_as_a_tar(arrived):
    arrived.write("bob/freq/one", b"1")
    for lab in both_of(arrived):
        assert lab("freq", "alice", "bob:.").status == 0
        shutil.rmtree(lab.path("bob", "spool", ALICE, "rx"))
        shutil.copytree(lab.path("alice", "spool", BOB, "tx"), lab.path("bob", "spool", ALICE, "rx"))
        assert lab("toss", "bob", "-nofile", "-noexec").status == 0
        shutil.copytree(lab.path("bob", "spool", ALICE, "tx"), lab.path("alice", "spool", BOB, "rx"))
        assert lab("toss", "alice").status == 0
    listed = subprocess.run(
        ["tar", "tf", arrived.ours.path("alice", "incoming", "bob.tar")], capture_output=True, check=True
    )
    assert b"freq/one" in listed.stdout


def test_many_packets_with_few_descriptors(arrived):
    lab = arrived.ours
    for number in range(60):
        assert arrived.go("file", "alice", "-quiet", "-", f"bob:{number}", stdin=b"x").status == 0
    for packet in arrived.go.packets("alice", "bob", "tx"):
        shutil.copy(packet, lab.path("bob", "spool", ALICE, "rx"))
    words = [*PROGRAMS["ours"]("toss"), "-cfg", str(lab.path("bob.hjson")), "-quiet"]
    done = subprocess.run(["sh", "-c", 'ulimit -n 40; exec "$@"', "sh", *words], cwd=lab.folder, check=False)
    assert done.returncode == 0
    assert len(lab.tree("bob", "incoming")) == 61
