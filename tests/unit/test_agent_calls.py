# SPDX-License-Identifier: GPL-3.0-or-later
"""Two real agents on the loopback: they call, answer, toss, and say what they do."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

from muleteer.agent.status import BayState, LineState
from muleteer.agent.trouble import LOG_FAILED
from muleteer.errors import AgentUnreachable, CallRefused, UsageError
from muleteer.testing.agents import Nursery, at_rest
from muleteer.testing.peers import Peer, line_of

CFG = pathlib.Path(__file__).parent.parent / "vectors" / "data" / "cfg"
NET = '[carrier.net]\ninterface = "lo"\nidle = "1 s"'


@pytest.fixture
def agents():
    with Nursery() as nursery:
        yield nursery


@pytest.fixture
def alice(tmp_path):
    return Peer(tmp_path, "alice", (CFG / "alice.hjson").read_text(), NET)


@pytest.fixture
def bob(tmp_path):
    return Peer(tmp_path, "bob", (CFG / "bob.hjson").read_text())


def test_mail_goes_both_ways_in_one_call_as_soon_as_something_waits(agents, alice, bob):
    alice.reaches("bob", bob.address)
    alice.settle()
    bob.settle()
    bob.send("alice", b"dear Alice", name="answer")
    for peer in (bob, alice):
        agents.start(peer.files)
        peer.files.wait(at_rest)
    alice.send("bob", b"dear Bob")
    alice.files.wait(lambda status: status.delivered == 1)
    bob.files.wait(lambda status: status.delivered == 1)
    assert bob.letters() == {"letter": b"dear Bob"}
    assert alice.letters() == {"answer": b"dear Alice"}
    status = alice.files.wait(lambda status: line_of(status, "bob").last is not None)
    last = line_of(status, "bob").last
    assert (last.established, last.complete, last.received, last.sent, last.incoming) == (True, True, 1, 1, False)
    status = bob.files.wait(lambda status: line_of(status, "alice").last is not None)
    assert line_of(status, "alice").last.incoming
    assert "session ended neighbour=bob carrier=net received=1 sent=1" in alice.log
    assert 'session began neighbour=alice carrier=net who="they called"' in bob.log


def test_a_session_whose_log_could_not_be_written_died_of_it(agents, alice, bob):
    alice.reaches("bob", bob.address)
    for peer in (alice.settle(), bob.settle()):
        os.mkdir(f"{peer.files.root}/log")  # as good as a full disk
    alice.send("bob", b"dear Bob")
    bob.send("alice", b"dear Alice", name="answer")
    for peer in (bob, alice):
        agents.start(peer.files)
    for peer, other in ((alice, "bob"), (bob, "alice")):
        status = peer.files.wait(lambda status, other=other: status.delivered == 1 and line_of(status, other).last)
        last = line_of(status, other).last
        assert (last.received, last.sent, last.said != "our own disk failed") == (1, 1, True)
        assert [problem.what for problem in status.problems] == [LOG_FAILED]
    assert bob.letters() == {"letter": b"dear Bob"}
    assert alice.letters() == {"answer": b"dear Alice"}


def call(peer, *words):
    command = [sys.executable, "-m", "muleteer.cli.main", "call", "-c", peer.files.config, *words]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environ)


def test_muleteer_call_has_a_neighbour_called_and_shows_how_it_went(agents, alice, bob):
    alice.rules += '\ncall = "never"'
    alice.reaches("bob", bob.address)
    for peer in (alice.settle(), bob.settle()):
        agents.start(peer.files)
        peer.files.wait(at_rest)
    alice.send("bob", b"dear Bob")
    done = call(alice, "bob")
    assert (done.returncode, done.stdout) == (
        0,
        "bob by net: in nothing, out 1 (488 bytes); nothing more was to be done\n",
    ), done.stderr
    assert "bob by net: calling" in done.stderr
    assert "bob by net: on line" in done.stderr


def test_a_call_that_cannot_be_is_refused_in_words_with_a_status_of_its_own(agents, alice, bob):
    alice.reaches("bob", bob.address)
    alice.settle()
    assert call(alice, "bob").returncode == AgentUnreachable.exit_code
    agents.start(alice.files)
    alice.files.wait(at_rest)
    unknown, pigeon = call(alice, "zoe"), call(alice, "bob", "--via", "pigeon")
    assert (unknown.returncode, unknown.stderr) == (UsageError.exit_code, "muleteer call: unknown node\n")
    assert (pigeon.returncode, pigeon.stdout) == (CallRefused.exit_code, "")
    assert pigeon.stderr.startswith("muleteer call: bob is not called: ")
    nobody = call(alice, "bob", "--quiet")
    assert (nobody.returncode, nobody.stderr) == (1, "")
    assert nobody.stdout.startswith("bob by net: no session: ")


def test_a_box_that_is_told_to_stop_hangs_up_and_ends_in_order(agents, alice, bob):
    alice.rules = NET.replace("1 s", "10 min")
    alice.reaches("bob", bob.address)
    running = []
    for peer in (alice.settle(), bob.settle()):
        running.append(agents.start(peer.files))
        peer.files.wait(at_rest)
    alice.send("bob")
    status = bob.files.wait(lambda status: status.delivered == 1)  # tossed while they are on line
    assert line_of(status, "alice").state is LineState.TALKING
    assert running[0].stop() == 0
    status = bob.files.wait(lambda status: line_of(status, "alice").last is not None)
    assert line_of(status, "alice").last.said == "the other side was done"
    assert 'why="broken off: the agent stops"' in alice.log
    assert running[1].stop() == 0


def test_a_box_that_dies_in_the_middle_of_a_long_packet_gets_the_rest_in_the_next_session(agents, alice, bob):
    alice.rules = NET + '\nrate = "2 MB/s"\nretry = "1 s"'
    alice.reaches("bob", bob.address)
    alice.settle()
    victim = agents.start(bob.settle().files)
    bob.files.wait(at_rest)
    content = os.urandom(12_000_000)
    alice.send("bob", content)
    agents.start(alice.files)
    bob.files.wait(lambda status: (now := line_of(status, "alice").progress) and now.received_bytes > 3_000_000)
    victim.kill()
    agents.start(bob.files)
    bob.files.wait(lambda status: status.delivered == 1)
    assert bob.letters() == {"letter": content}
    status = bob.files.wait(lambda status: line_of(status, "alice").last is not None)
    assert 1_000_000 < line_of(status, "alice").last.wire < 10_000_000


def test_what_is_too_big_for_a_link_that_stays_on_line_goes_by_the_stick_that_is_put_in(agents, alice, bob, tmp_path):
    alice.rules = NET.replace("1 s", "1 h") + '\nsize = "10 KB"\n[carrier.stick]\nnice = "MAX"'
    bob.rules = '[carrier.net]\nidle = "1 h"'
    alice.reaches("bob", bob.address)
    for peer in (alice.settle(), bob.settle()):
        agents.start(peer.files)
        peer.files.wait(at_rest)
    alice.send("bob", b"small")
    bob.files.wait(lambda status: status.delivered == 1)
    big = alice.send("bob", bytes(50_000), name="big")
    stick = tmp_path / "BLUE"
    (stick / "NNCP").mkdir(parents=True)
    inside = alice.files.insert(str(stick))
    status = alice.files.wait(lambda status: status.bays[0].state is BayState.SAFE)
    assert status.bays[0].last.sent == 1
    assert str(big) in {name for _, _, names in os.walk(inside) for name in names}
    assert 'why="a stick waited for its turn"' in alice.log
