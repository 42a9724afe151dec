# SPDX-License-Identifier: GPL-3.0-or-later
"""Two boxes and two sticks in busy exchange; their agents are killed at 200 random moments; nothing may get lost."""

from __future__ import annotations

import collections
import hashlib
import os
import pathlib
import random
import re
import shutil
import tempfile
import time

import pytest

from muleteer.agent.status import BayState
from muleteer.config.load import load
from muleteer.spool.disk import RealDisk
from muleteer.spool.ledger import Ledger
from muleteer.spool.spool import Spool
from muleteer.testing.agents import AgentBox, Nursery, at_rest
from muleteer.tossing.submit import Submitter

CFG = pathlib.Path(__file__).parent.parent / "vectors" / "data" / "cfg"
KILLS = int(os.environ.get("MULETEER_KILLS", "200"))
SEED = int(os.environ.get("MULETEER_SEED", "9"))
STICKS = {"BLUE": "left", "RED": "right"}
SIZES = (0, 1, 900, 20_000, 131_056, 140_000, 700_000)
EXCHANGES_MAX = 8


class Silent:
    def event(self, who, message, fields, err=None):
        pass


class Side:
    """One box, what was sent from it, and how to send more."""

    def __init__(self, root, name, peer):
        hjson = (CFG / f"{name}.hjson").read_text()
        rules = f'[neighbour.{peer}]\nacknowledges = true\n[toss]\ntime_limit = "1 min"'
        self.box = AgentBox(f"{root}/{name}", hjson, rules, bays=tuple(STICKS.values()))
        self.name, self.peer = name, peer
        self.nncp = load(self.box.nncp, {}, places=())
        self.sent: dict[str, str] = {}  # target -> hash of its content

    def spool(self):
        return Spool(self.box.spool, RealDisk(sync=False))

    def send(self, chance):
        content = chance.randbytes(chance.choice(SIZES))
        target = f"from-{self.name}-{len(self.sent)}"
        self.sent[target] = hashlib.sha256(content).hexdigest()
        rest = [content]

        def read(view):
            size = min(len(view), len(rest[0]))
            view[:size], rest[0] = rest[0][:size], rest[0][size:]
            return size

        nice = chance.choice((32, 96, 160, 224))
        Submitter(self.nncp, self.spool(), Silent()).file(self.nncp.find(self.peer), nice, read, target)

    def queued(self):
        spool = self.spool()
        return [entry.name for node in spool.nodes() for way in ("rx", "tx") for entry in spool.entries(node, way)]


def arrived(box):
    """Return what lies in a box's incoming: target without the number of a duplicate -> hashes."""
    found = collections.defaultdict(list)
    for name in os.listdir(box.incoming):
        with open(f"{box.incoming}/{name}", "rb") as file:
            found[re.sub(r"\.\d+$", "", name)].append(hashlib.sha256(file.read()).hexdigest())
    return found


def litter(*roots):
    """Return drafts anywhere below the roots, and header copies without their packet."""
    found = []
    for root in roots:
        for directory, _, names in os.walk(root):
            for name in names:
                orphan = directory.endswith("/hdr") and not os.path.exists(f"{os.path.dirname(directory)}/{name}")
                if orphan or name.startswith("nncp") or directory.endswith("/tmp") or ".new" in name:
                    found.append(f"{directory}/{name}")
    return found


class Journey:
    """Where the sticks are."""

    def __init__(self, root):
        self.where = {}
        for label in STICKS:
            self.where[label] = f"{root}/pocket/{label}"
            os.makedirs(self.where[label] + "/NNCP")
        self.pocket = f"{root}/pocket"

    def into(self, side, label):
        self.where[label] = side.box.insert(self.where[label], STICKS[label])

    def out(self, label):
        os.rename(self.where[label], f"{self.pocket}/{label}")
        self.where[label] = f"{self.pocket}/{label}"

    def inside(self, side):
        return [label for label, path in self.where.items() if path.startswith(side.box.root + "/")]


def moment_of(box, before):
    """Return what the agent was doing when it was killed, by the log it wrote in its life."""
    log = log_since(box, before)
    if log.count("round begins") > len(re.findall("round (complete|ended|broken)|pulled in the middle", log)):
        return "in a round"
    if re.search("received=[1-9]", log.rpartition("tossed packets")[2]):
        return "in a toss"
    return "at rest" if "agent started" in log else "starting"


def size_of(path):
    return os.stat(path).st_size if os.path.exists(path) else 0


def harass(sides, journey, chance, nursery):
    """Kill agents until enough were killed; return how many at which moment."""
    moments = collections.Counter()
    side = sides[0]
    while moments.total() < KILLS:
        if chance.random() < 0.6:
            side = sides[1] if side is sides[0] else sides[0]
        for sender in sides:
            for _ in range(chance.randrange(12)):
                sender.send(chance)
        before = size_of(side.box.log)
        agent = start_with_sticks(side, journey, chance, nursery)
        if journey.inside(side) and chance.random() < 0.8:
            wait_for_log(side.box, before, chance.choice(("round begins", "round begins", "received=[1-9]")))
            time.sleep(0.15 * chance.random() ** 3)  # most of a round is its beginning
        else:
            time.sleep(chance.uniform(0, 0.3))
        if chance.random() < 0.2:  # pulled in the middle, and then the power goes, too
            for label in journey.inside(side):
                journey.out(label)
            time.sleep(chance.uniform(0, 0.05))
        agent.kill()
        moments[moment_of(side.box, before)] += 1
    return moments


def wait_for_log(box, before, pattern):
    """Wait until the agent has logged something like that, or for half a second: not every round takes something in."""
    deadline = time.monotonic() + 0.5
    while not re.search(pattern, log_since(box, before)) and time.monotonic() < deadline:
        time.sleep(0.002)


def log_since(box, before):
    if not os.path.exists(box.log):
        return ""
    with open(box.log) as file:
        file.seek(before)
        return file.read()


def start_with_sticks(side, journey, chance, nursery):
    """Start an agent; sticks go in before that, or while it runs."""
    going = [label for label in STICKS if label not in journey.inside(side) and chance.random() < 0.8]
    if chance.random() < 0.5:
        for label in going:
            journey.into(side, label)
        return nursery.fork(side.box)
    agent = nursery.fork(side.box)
    side.box.wait(lambda status: status is not None)
    for label in going:
        journey.into(side, label)
    return agent


def finish(sides, journey, nursery):
    """Let undisturbed agents exchange the sticks until nothing is queued anywhere; return how often they went."""
    agents = [nursery.start(side.box) for side in sides]
    for label in STICKS:
        if not journey.where[label].startswith(journey.pocket):
            journey.out(label)
    exchanges = 0
    while any(side.queued() for side in sides) and exchanges < EXCHANGES_MAX:
        exchanges += 1
        for side in sides:
            for label in STICKS:
                journey.into(side, label)
            side.box.wait(lambda status: at_rest(status) and all(bay.state is BayState.SAFE for bay in status.bays))
            for label in STICKS:
                journey.out(label)
            side.box.wait(lambda status: at_rest(status) and all(bay.state is BayState.EMPTY for bay in status.bays))
    assert [agent.stop() for agent in agents] == [0, 0]
    return exchanges


@pytest.fixture
def root():
    # Not tmp_path: in memory where possible, because 200 rounds wait for the disk several thousand times, and a killed
    # process leaves to the next one what it wrote whether or not it was synced.
    place = tempfile.mkdtemp(prefix="kill9-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    yield place
    shutil.rmtree(place)


@pytest.mark.slow
def test_kill_9_of_the_agent_at_random_moments_loses_and_damages_nothing(root, capsys):
    chance = random.Random(SEED)
    alice, bob = sides = (Side(root, "alice", "bob"), Side(root, "bob", "alice"))
    journey = Journey(root)
    began = time.monotonic()
    with Nursery() as nursery:
        moments = harass(sides, journey, chance, nursery)
        harassed = time.monotonic() - began
        exchanges = finish(sides, journey, nursery)

    duplicates = 0
    for sender, receiver in ((alice, bob), (bob, alice)):
        found = arrived(receiver.box)
        assert found.keys() == sender.sent.keys(), f"lost: {sender.sent.keys() - found.keys()}"
        for target, digest in sender.sent.items():
            assert set(found[target]) == {digest}, target
            duplicates += len(found[target]) - 1
        assert sender.queued() == []
        assert Ledger(sender.spool()).names() == []
    assert litter(alice.box.spool, bob.box.spool, alice.box.incoming, bob.box.incoming, journey.pocket) == []

    with capsys.disabled():
        packets = len(alice.sent) + len(bob.sent)
        print(
            f"\nkill -9: {moments.total()} kills in {harassed:.0f} s ({dict(moments)}); {packets} packets delivered, "
            f"{duplicates} twice, none lost or damaged; {exchanges} clean exchanges; "
            f"{time.monotonic() - began:.0f} s in all, seed {SEED}"
        )
