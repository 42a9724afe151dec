# SPDX-License-Identifier: GPL-3.0-or-later
"""Agents on one wire that know no addresses of each other: they announce themselves, are found, and called.

In network namespaces of their own, joined by a pair of virtual interfaces; only link-local addresses exist.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from muleteer.testing.peers import Peer

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("ip"), reason="needs root and ip(8) for namespaces"),
]

CFG = pathlib.Path(__file__).parent.parent / "vectors" / "data" / "cfg"
RUN = """
import sys
from muleteer.testing.agents import AgentBox, Nursery
from muleteer.agent.control_client import ControlClient
socket, config, log, wanted = sys.argv[1:]

class Box:  # what is needed of an AgentBox
    pass

box = AgentBox.__new__(AgentBox)
box.socket, box.config, box.log = socket, config, log
with Nursery() as agents:
    agents.start(box)
    box.wait(lambda status: status.delivered >= int(wanted), 40)
    agent = sys.stdin.read()
"""


@pytest.fixture
def wire():
    name = f"mule{os.getpid()}"
    for command in (
        f"netns add {name}a",
        f"netns add {name}b",
        f"-n {name}a link add wire0 type veth peer name wire0 netns {name}b",
        f"-n {name}a link set wire0 up",
        f"-n {name}b link set wire0 up",
    ):
        subprocess.run(["ip", *command.split()], check=True)
    yield f"{name}a", f"{name}b"
    for space in (f"{name}a", f"{name}b"):
        subprocess.run(["ip", "netns", "del", space], check=True)


def run_in(space, peer, delivered):
    files = peer.files
    command = ["ip", "netns", "exec", space, sys.executable, "-c", RUN, files.socket, files.config, files.log]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen([*command, str(delivered)], stdin=subprocess.PIPE, env=environ)


def test_neighbours_on_one_wire_find_each_other(wire, tmp_path):
    alice, bob = (Peer(tmp_path, name, (CFG / f"{name}.hjson").read_text()) for name in ("alice", "bob"))
    alice.rules = '[carrier.lan]\ninterface = "wire*"\nidle = "1 s"'
    alice.say(mcd_listen=[".*"])
    bob.say(mcd_send={".*": 2})
    for peer in (alice, bob):
        peer.multicast = True
        peer.settle()
    alice.send("bob", b"dear Bob")
    ends = [run_in(space, peer, count) for space, peer, count in zip(wire, (alice, bob), (0, 1), strict=True)]
    try:
        assert ends[1].communicate(timeout=60) == (None, None)
        assert ends[1].returncode == 0, bob.log
    finally:
        for end in ends:
            end.stdin.close()
            end.wait(30)
    assert bob.letters() == {"letter": b"dear Bob"}
    assert "session began neighbour=bob carrier=lan" in alice.log
