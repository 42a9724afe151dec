# SPDX-License-Identifier: GPL-3.0-or-later
"""What a handle sees when whoever runs it is killed: never half an input as a whole one."""

import json
import os
import select
import signal
import subprocess
import sys

import pytest
from toss_lab import DATA, PEOPLE, sealed

from muleteer.formats.mth import mth
from muleteer.formats.packet import EXEC_FAT, PlainHeader
from muleteer.testing.agents import AgentBox

PATIENCE_MS = 20_000
START = "import sys; from muleteer.cli.{} import {}; {}(sys.argv[1:])"
# Reads some of its input, says so, waits for the gate, reads the rest, and has then "acted".
SLOW = "exec 9>alive; head -c 100000 >part; echo begun >&9; read x <gate; cat >rest; : >acted"


class Handle:
    """A box with one exec packet of 3 MB in rx, and the program it is for."""

    def __init__(self, root):
        self.root = root
        config = json.loads((DATA / "cfg" / "bob.hjson").read_text())
        config["neigh"]["alice"]["exec"] = {"slow": ["/bin/sh", "-c", f"cd {root}; {SLOW}"]}
        self.box = AgentBox(f"{root}/bob", json.dumps(config), bays=())
        packet = sealed(PlainHeader(EXEC_FAT, 77, b"slow"), os.urandom(3_000_000))
        self.packet = root / "bob" / "spool" / str(PEOPLE["alice"].id) / "rx" / str(mth(packet))
        self.packet.parent.mkdir(parents=True)
        self.packet.write_bytes(packet)
        for fifo in ("alive", "gate"):
            os.mkfifo(root / fifo)
        self.alive = os.open(root / "alive", os.O_RDONLY | os.O_NONBLOCK)

    def start(self, way):
        if way == "agent":
            words = [START.format("main", "main", "main"), "agent", "-c", self.box.config]
        else:
            words = [START.format("nncp", "start", "start"), "nncp-toss", "-quiet", "-cfg", self.box.nncp]
        env = {**os.environ, "PYTHONPATH": ":".join(sys.path), "NNCPNOSYNC": "1"}
        return subprocess.Popen([sys.executable, "-c", *words], env=env)

    def hear(self):
        """Return what the program says next, nothing when it has ended."""
        assert select.select([self.alive], [], [], PATIENCE_MS / 1000)[0], "the program does not end"
        return os.read(self.alive, 100)

    def wait_until_begun(self):
        poll = select.poll()
        poll.register(self.alive, select.POLLIN)
        assert poll.poll(PATIENCE_MS), "the program does not begin"
        assert self.hear() == b"begun\n"

    def open_gate(self):
        gate = os.open(self.root / "gate", os.O_RDWR | os.O_NONBLOCK)
        os.write(gate, b"x\n")
        return gate


@pytest.fixture
def handle(tmp_path):
    handle = Handle(tmp_path)
    yield handle
    os.close(handle.alive)


# The other signals end the agent in an orderly way: it waits for its handle.
KILLED = [("command", signal.SIGTERM), ("command", signal.SIGHUP), ("command", signal.SIGINT)]
KILLED += [(way, signal.SIGKILL) for way in ("command", "agent")]


@pytest.mark.parametrize(("way", "number"), KILLED)
def test_a_killed_toss_let_its_handle_act_on_half_its_input(handle, way, number):
    with handle.start(way) as process:
        handle.wait_until_begun()
        process.send_signal(number)
        process.wait(timeout=PATIENCE_MS / 1000)
    gate = handle.open_gate()
    while handle.hear():
        pass
    os.close(gate)
    assert (handle.root / "part").stat().st_size == 100_000
    assert not (handle.root / "acted").exists()
    assert handle.packet.exists()


def test_a_handle_that_is_not_killed_gets_all_of_it(handle):
    with handle.start("command") as process:
        handle.wait_until_begun()
        gate = handle.open_gate()
        assert process.wait(timeout=PATIENCE_MS / 1000) == 0
    os.close(gate)
    assert (handle.root / "rest").stat().st_size == 2_900_000
    assert (handle.root / "acted").exists()
    assert not handle.packet.exists()
