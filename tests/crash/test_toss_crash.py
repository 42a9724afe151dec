# SPDX-License-Identifier: GPL-3.0-or-later
"""The power goes, or a disk fails, before every operation of a toss: a packet is in rx or what it brought is there.

After a start (sweep) and one more toss everything is delivered, at least once, whole, and no draft is left: neither in
the spool nor in an incoming directory nor below it.
"""

import errno
import functools
import json
import pathlib

import pytest

from muleteer.config.load import load
from muleteer.formats.mth import mth
from muleteer.formats.packet import ACK, EXEC_FAT, FILE, FREQ, TRNS, PlainHeader, exec_path
from muleteer.spool.layout import DELIVERY_PREFIX, RX, TX
from muleteer.spool.sweep import is_draft_name, sweep
from muleteer.testing.crash import enumerate_cuts, enumerate_failures
from muleteer.testing.disk import FakeDisk
from muleteer.testing.disk_tree import FAT, JOURNALLED, Volume
from muleteer.testing.nodes import Node
from muleteer.testing.packets import open_packet, people_from, reader, seal
from muleteer.testing.spools import check_spool
from muleteer.tossing import handles

DATA = pathlib.Path(__file__).parent.parent / "vectors" / "data"
PEOPLE = people_from((DATA / "cfg" / "keys.json").read_text())
ALICE, BOB, CAROL = (PEOPLE[name] for name in ("alice", "bob", "carol"))
SPOOL, INCOMING, SERVED, RUNS = "/spool", "/home/in", "/home/freq", "/home/ran"
RX_OF_ALICE = f"{SPOOL}/{ALICE.id}/{RX}"
FILES = {b"same": (b"first" * 20, b"second" * 20), b"sub/dir/other": (b"third" * 20,)}
BODIES = [body for bodies in FILES.values() for body in bodies]
ASKED, MAILED = b"what is asked for" * 30, b"a mail\n"


@pytest.fixture(scope="module", params=[JOURNALLED, FAT])
def personality(request):
    return request.param


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    plain = json.loads((DATA / "cfg" / "bob.hjson").read_text())
    plain |= {"spool": SPOOL, "log": "/log"}
    for neighbour in plain["neigh"].values():
        neighbour["incoming"] = INCOMING
    plain["neigh"]["alice"] |= {"freq": {"path": SERVED}, "exec": {"mail": ["/bin/sh", "-c", "cat >/dev/null"]}}
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


@functools.cache
def calls():
    """A request for a file and a call of a program."""
    asked = seal(b"dst/n", sender=ALICE, recipient=BOB, header=PlainHeader(FREQ, 9, b"dir/file"), nice=9)
    path = exec_path("mail", ["x"])
    return asked, seal(MAILED, sender=ALICE, recipient=BOB, header=PlainHeader(EXEC_FAT, 9, path), nice=20)


def called(personality):
    """A disk with both, and what they are about."""
    disk = FakeDisk({SPOOL: Volume(personality), "/home": Volume(personality)})
    disk.put(f"{SPOOL}/tmp/x")
    disk.unlink(f"{SPOOL}/tmp/x")
    disk.put(f"{SERVED}/dir/file", ASKED)
    disk.put(f"{RUNS}/mail", b"")
    for packet in calls():
        disk.put(f"{RX_OF_ALICE}/{mth(packet)}", packet)
    disk.settle()
    return disk


@pytest.fixture
def on(monkeypatch, config):
    """Return a node on a disk; a program really runs, and what it read to the end lasts on that disk as its effect."""
    really = handles.run

    def node(disk):
        def run(argv, environ, body, **options):
            read = []

            def listen(feed):
                body(lambda view: (read.append(bytes(view)), feed(view)))

            outcome = really(argv, environ, listen, **options)
            assert not outcome.problem
            try:
                with disk.append(f"{RUNS}/mail") as file:
                    file.write(b"".join(read))
                    file.fsync()
            except OSError:
                return handles.Outcome("exit status 1", b"")
            return outcome

        monkeypatch.setattr(handles, "run", run)
        return Node(config, disk)

    return node


def answers(disk):
    """What waits for alice, opened as she would."""
    image = disk.image()
    above = f"{SPOOL}/{ALICE.id}/{TX}/"
    packets = [what for path, what in image.items() if path.startswith(above) and "/" not in path[len(above) :]]
    return [open_packet(packet, recipient=ALICE, sender=BOB) for packet in packets if isinstance(packet, bytes)]


def check_calls(disk, *, at_the_end):
    """Each is in rx, or was answered; after the next toss nothing is in rx."""
    image = disk.image()
    asked, mailed = (f"{RX_OF_ALICE}/{mth(packet)}" in image for packet in calls())
    found = answers(disk)
    assert asked or found, "the request is lost"
    assert all((it.header.kind, it.header.path, it.payload) == (FILE, b"dst/n", ASKED) for it in found)
    assert mailed or image[f"{RUNS}/mail"].endswith(MAILED), "the call is lost"
    assert not (at_the_end and (asked or mailed))


def call_recovery(config, on):
    def recover(disk):
        start(config, disk)
        check_calls(disk, at_the_end=False)
        assert on(disk).toss().failed == 0

    return recover


def check_calls_are_done(disk, _cut):
    check_spool(disk, SPOOL, incoming=[INCOMING])
    check_calls(disk, at_the_end=True)


@pytest.mark.parametrize("seen", [False, True], ids=["plain", "seen"])
def test_cuts_lose_no_request_and_no_call(personality, on, config, seen):
    coverage = enumerate_cuts(
        functools.partial(called, personality),
        lambda disk: on(disk).toss(seen=seen),
        call_recovery(config, on),
        check_calls_are_done,
        limit=8,
    )
    assert coverage.cuts > 15
    assert coverage.survivors > 15


def test_failures_lose_no_request_and_no_call(on, config):
    coverage = enumerate_failures(
        functools.partial(called, JOURNALLED),
        lambda disk: on(disk).toss(),
        call_recovery(config, on),
        check_calls_are_done,
        codes=(errno.EIO, errno.ENOSPC),
        limit=2,
    )
    assert coverage.cuts > 40


def test_a_request_and_a_call_are_answered_once(on):
    disk = called(JOURNALLED)
    assert on(disk).toss().delivered == 2
    assert len(answers(disk)) == 1
    assert disk.image()[f"{RUNS}/mail"] == MAILED
    check_calls_are_done(disk, None)
