# SPDX-License-Identifier: GPL-3.0-or-later
"""The power goes, or a disk fails, before every operation of a toss: a packet is in rx or what it brought is there.

After a start (sweep) and one more toss everything is delivered, at least once, whole, and no draft is left: neither in
the spool nor in an incoming directory nor below it.
"""

import functools
import json
import pathlib

import pytest

from muleteer.config.load import load
from muleteer.formats.mth import mth
from muleteer.formats.packet import ACK, FILE, TRNS, PlainHeader
from muleteer.spool.layout import DELIVERY_PREFIX, RX, TX
from muleteer.spool.sweep import is_draft_name, sweep
from muleteer.testing.crash import enumerate_cuts, enumerate_failures
from muleteer.testing.disk import FakeDisk
from muleteer.testing.disk_tree import FAT, JOURNALLED, Volume
from muleteer.testing.nodes import Node
from muleteer.testing.packets import people_from, reader, seal
from muleteer.testing.spools import check_spool

DATA = pathlib.Path(__file__).parent.parent / "vectors" / "data"
PEOPLE = people_from((DATA / "cfg" / "keys.json").read_text())
ALICE, BOB, CAROL = (PEOPLE[name] for name in ("alice", "bob", "carol"))
SPOOL, INCOMING = "/spool", "/home/in"
RX_OF_ALICE = f"{SPOOL}/{ALICE.id}/{RX}"
FILES = {b"same": (b"first" * 20, b"second" * 20), b"sub/dir/other": (b"third" * 20,)}
BODIES = [body for bodies in FILES.values() for body in bodies]


@pytest.fixture(scope="module", params=[JOURNALLED, FAT])
def personality(request):
    return request.param


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    plain = json.loads((DATA / "cfg" / "bob.hjson").read_text())
    plain |= {"spool": SPOOL, "log": "/log"}
    for neighbour in plain["neigh"].values():
        neighbour["incoming"] = INCOMING
    path = tmp_path_factory.mktemp("config") / "nncp.json"
    path.write_text(json.dumps(plain))
    return load(str(path), {}, ())


@functools.cache
def packets():
    """Three files (two of one name), a relay, and an acknowledgement of the packet queued for alice."""
    sealed = functools.partial(seal, sender=ALICE, recipient=BOB)
    made = [
        sealed(body, header=PlainHeader(FILE, 9, path), nice=9) for path, bodies in FILES.items() for body in bodies
    ]
    made.append(sealed(relayed(), header=PlainHeader(TRNS, 0, bytes(CAROL.id)), nice=9))
    made.append(sealed(b"", header=PlainHeader(ACK, 9, bytes(mth(queued()))), nice=200))
    return made


@functools.cache
def relayed():
    return seal(b"for carol", sender=ALICE, recipient=CAROL)


@functools.cache
def queued():
    return seal(b"for alice", sender=BOB, recipient=ALICE)


@pytest.fixture
def build(personality):
    def made(spool=personality):
        disk = FakeDisk({SPOOL: Volume(spool), "/home": Volume(personality)})
        disk.put(f"{SPOOL}/tmp/x")
        disk.unlink(f"{SPOOL}/tmp/x")
        disk.put(f"{SPOOL}/{ALICE.id}/{TX}/{mth(queued())}", queued())
        for packet in packets():
            disk.put(f"{RX_OF_ALICE}/{mth(packet)}", packet)
        disk.settle()
        return disk

    return made


@pytest.fixture(params=[False, True], ids=["plain", "seen"])
def act(request, config):
    def toss(disk):
        disk.mark(f"tossed {Node(config, disk).toss(seen=request.param).delivered}")

    return toss


def start(config, disk):
    sweep(Node(config, disk).spool, now=disk.now, uptime=0, incoming=[INCOMING])


def delivered(disk):
    """Every file below the incoming directory, by what is in it."""
    found = {}
    for path, what in disk.image().items():
        if path.startswith(f"{INCOMING}/") and isinstance(what, bytes):
            found.setdefault(what, []).append(path[len(INCOMING) + 1 :])
    return found


def check_before_the_next_toss(disk):
    """Whatever the moment: each packet is in rx, or what it brought is in its place."""
    image = disk.image()
    found = delivered(disk)
    for packet, body in zip(packets(), BODIES, strict=False):
        assert f"{RX_OF_ALICE}/{mth(packet)}" in image or body in found, f"lost: {body!r}"
    relay, ack = packets()[3:]
    assert f"{RX_OF_ALICE}/{mth(relay)}" in image or f"{SPOOL}/{CAROL.id}/{TX}/{mth(relayed())}" in image
    gone = f"{SPOOL}/{ALICE.id}/{TX}/{mth(queued())}" not in image
    assert gone or f"{RX_OF_ALICE}/{mth(ack)}" in image, "the acknowledgement is lost, the packet would go for ever"
    for body, paths in found.items():
        drafts = all(is_draft_name(path.rpartition("/")[2], DELIVERY_PREFIX) for path in paths)
        assert drafts or body in BODIES, f"{paths} is torn"


def check_all_is_done(disk, config):
    """After a start and one more toss."""
    check_spool(disk, SPOOL, incoming=[INCOMING])
    assert Node(config, disk).waiting("alice") == []
    found = delivered(disk)
    assert set(found) == set(BODIES)
    for body, paths in found.items():
        assert not any(is_draft_name(path.rpartition("/")[2], DELIVERY_PREFIX) for path in paths), paths
        stem = next(name for name, bodies in FILES.items() if body in bodies).decode()
        assert all(path == stem or path.startswith(f"{stem}.") for path in paths)
    assert f"{SPOOL}/{CAROL.id}/{TX}/{mth(relayed())}" in disk.image()
    assert f"{SPOOL}/{ALICE.id}/{TX}/{mth(queued())}" not in disk.image()


def recovery(config):
    """Start, look, toss; the enumeration then calls `check` and repeats all of it."""

    def recover(disk):
        start(config, disk)
        check_before_the_next_toss(disk)
        assert Node(config, disk).toss().failed == 0

    return recover


def test_cuts_lose_nothing_and_leave_nothing(build, act, config):
    coverage = enumerate_cuts(build, act, recovery(config), lambda disk, _cut: check_all_is_done(disk, config), limit=8)
    assert coverage.cuts > 40
    assert coverage.survivors > 40


def test_failures_lose_nothing_and_leave_nothing(build, act, config):
    """The incoming directory may lie on FAT; a spool there is not asked to survive a failing disk, too."""
    coverage = enumerate_failures(
        functools.partial(build, JOURNALLED),
        act,
        recovery(config),
        lambda disk, _cut: check_all_is_done(disk, config),
        limit=2,
    )
    assert coverage.cuts > 100


def test_the_plain_toss_delivers_each_once(build, config):
    disk = build()
    assert Node(config, disk).toss().delivered == 5
    assert {body: len(paths) for body, paths in delivered(disk).items()} == dict.fromkeys(BODIES, 1)
    check_all_is_done(disk, config)


def test_what_is_submitted_survives(config, personality):
    """A file through a relay: from the return of `file` on it is in tx, whatever happens."""

    def act(disk):
        node = Node(config, disk)
        name = node.submit.file(node.neighbour("carol"), 9, reader(b"body"), "f", via=(ALICE.id,))
        disk.mark(f"{SPOOL}/{ALICE.id}/{TX}/{name}")

    def check(disk, cut):
        check_spool(disk, SPOOL)
        for path in cut.marks:
            assert path in disk.image()

    def build():
        disk = FakeDisk({SPOOL: Volume(personality)})
        disk.put(f"{SPOOL}/muleteer/x")
        disk.settle()
        return disk

    coverage = enumerate_cuts(build, act, lambda disk: start(config, disk), check, limit=16)
    assert coverage.survivors > 5
