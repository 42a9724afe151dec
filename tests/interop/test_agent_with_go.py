# SPDX-License-Identifier: GPL-3.0-or-later
"""Our agent and the real nncp-daemon, nncp-call and nncp-caller, over TCP and pipes, in both roles."""

from __future__ import annotations

import json
import os
import pathlib
import socket
import subprocess
import sys
import time

import pytest
from go_node import GoNode

from muleteer.testing.agents import Nursery, at_rest
from muleteer.testing.peers import Peer, free_port, line_of

pytestmark = pytest.mark.interop

CFG = pathlib.Path(__file__).parent.parent / "vectors" / "data" / "cfg"
PATIENCE_SECONDS = 30.0


@pytest.fixture
def agents():
    with Nursery() as nursery:
        yield nursery


@pytest.fixture
def alice(tmp_path):
    return Peer(tmp_path / "ours", "alice", (CFG / "alice.hjson").read_text())


@pytest.fixture
def bob(tmp_path):
    return RealBob(tmp_path / "theirs")


class RealBob(GoNode):
    """Bob's Go node, with whatever of its programs runs for long."""

    def __init__(self, root):
        super().__init__("bob", root)
        self.running = []
        self.port = free_port()

    def change(self, **entry):
        """Change Alice's entry."""
        config = json.loads(self.config.read_text())
        config["neigh"]["alice"].update(entry)
        self.config.write_text(json.dumps(config))

    def start(self, command, *words):
        argv = [f"/usr/bin/nncp-{command}", "-cfg", str(self.config), *words]
        with open(self.root / f"{command}.err", "wb") as log:
            self.running.append(subprocess.Popen(argv, stderr=log))
        if command == "daemon":  # nobody is to call before it listens, and then wait for a minute
            wait_for(self.listens)

    def listens(self):
        with socket.socket() as knock:
            return knock.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        for process in self.running:
            process.kill()
            process.wait()

    def send(self, content, name="answer"):
        self.run("file", "-", f"alice:{name}", stdin=content)

    def letters(self):
        self.run("toss")
        return {path.name: path.read_bytes() for path in sorted(self.incoming.iterdir())}


@pytest.fixture(autouse=True)
def _stopped(bob):
    yield
    bob.stop()


def begin(agents, peer):
    agents.start(peer.settle().files)
    peer.files.wait(at_rest)


def call(peer, *words):
    command = [sys.executable, "-m", "muleteer.cli.main", "call", "-q", "-c", peer.files.config, *words]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environ)


def test_the_agent_calls_the_real_daemon_and_mail_goes_both_ways(agents, alice, bob):
    alice.rules = '[carrier.net]\nidle = "1 s"'
    alice.reaches("bob", f"127.0.0.1:{bob.port}")
    bob.start("daemon", "-bind", f"127.0.0.1:{bob.port}")
    bob.send(b"dear Alice")
    begin(agents, alice)
    alice.send("bob", b"dear Bob")
    status = alice.files.wait(lambda status: status.delivered == 1 and line_of(status, "bob").last)
    last = line_of(status, "bob").last
    assert (last.established, last.complete, last.received, last.sent) == (True, True, 1, 1)
    assert alice.letters() == {"answer": b"dear Alice"}
    assert bob.letters() == {"letter": b"dear Bob"}


def test_the_real_nncp_call_is_answered_and_what_it_brought_is_tossed(agents, alice, bob):
    alice.rules = ""
    begin(agents, alice)
    alice.send("bob", b"dear Bob")
    bob.send(b"dear Alice")
    bob.change(addrs={"main": alice.address})
    bob.run("call", "-onlinedeadline", "1", "alice")
    alice.files.wait(lambda status: status.delivered == 1)
    assert alice.letters() == {"answer": b"dear Alice"}
    assert bob.letters() == {"letter": b"dear Bob"}
    status = alice.files.wait(lambda status: line_of(status, "bob").last is not None)
    assert line_of(status, "bob").last.incoming
    assert "session began neighbour=bob carrier=net" in alice.log


def test_a_go_configs_calls_work_as_they_stand(agents, alice, bob):
    alice.rules = ""
    alice.reaches("bob", f"127.0.0.1:{bob.port}", cron="* * * * * * *", onlinedeadline=1)
    bob.start("daemon", "-bind", f"127.0.0.1:{bob.port}")
    bob.send(b"dear Alice")
    begin(agents, alice)
    alice.files.wait(lambda status: status.delivered == 1)
    assert alice.letters() == {"answer": b"dear Alice"}
    assert 'calling neighbour=bob carrier=net why="' in alice.log


def test_a_command_behind_a_pipe_is_a_carrier_too(agents, alice, bob):
    alice.rules = '[carrier.pipe]\nkind = "pipe"\nidle = "1 s"\ncall = "never"'
    alice.reaches("bob", f"|exec /usr/bin/nncp-daemon -cfg {bob.config} -ucspi")
    bob.send(b"dear Alice")
    begin(agents, alice)
    alice.send("bob", b"dear Bob")
    done = call(alice, "bob", "--via", "pipe")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("bob by pipe: in 1 (")
    assert bob.letters() == {"letter": b"dear Bob"}


def test_the_real_caller_calls_by_its_timetable_and_is_answered(agents, alice, bob):
    alice.rules = ""
    begin(agents, alice)
    bob.send(b"dear Alice")
    bob.change(addrs={"main": alice.address}, calls=[{"cron": "* * * * * * *", "onlinedeadline": 1}])
    bob.start("caller", "alice")
    alice.files.wait(lambda status: status.delivered == 1)
    assert alice.letters() == {"answer": b"dear Alice"}


def test_who_is_not_known_or_knocks_with_nonsense_is_turned_away(agents, alice, bob, tmp_path):
    """Dave knows Alice; but here Alice has forgotten Dave's key for sessions."""
    alice.rules = ""
    del alice._config["neigh"]["dave"]["noisepub"]
    begin(agents, alice)
    dave = GoNode("dave", tmp_path / "dave")
    config = json.loads(dave.config.read_text())
    config["neigh"]["alice"]["addrs"] = {"main": alice.address}
    dave.config.write_text(json.dumps(config))
    with pytest.raises(subprocess.CalledProcessError):
        dave.run("call", "alice")
    wait_for(lambda: "caller turned away" in alice.log)
    assert alice.files.status().lines == alice.files.wait(at_rest).lines


def wait_for(wanted):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not wanted():
        assert time.monotonic() < deadline
        time.sleep(0.01)
