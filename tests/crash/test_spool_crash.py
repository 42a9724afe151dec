# SPDX-License-Identifier: GPL-3.0-or-later
"""The power goes, or the disk fails, before every operation of the spool: nothing promised is ever lost.

Each scenario is a flow over a FakeDisk; testing.crash cuts it everywhere and builds what may survive. The spool is
tried on a journalled file system and, although nobody should, on FAT; sources lie on a FAT stick.
"""

import errno
import functools
import threading
from functools import partial

import pytest

from muleteer.errors import RunnerFailed, SpoolError
from muleteer.formats.ids import NodeId, PacketName
from muleteer.formats.magic import ENVELOPE
from muleteer.formats.mth import mth
from muleteer.spool import disk as disk_module
from muleteer.spool.aside import Aside
from muleteer.spool.batch import Batch
from muleteer.spool.disk import read_whole
from muleteer.spool.draft import Draft
from muleteer.spool.ledger import Ledger
from muleteer.spool.spool import Spool
from muleteer.spool.sweep import sweep
from muleteer.testing import crash
from muleteer.testing.crash import PromiseBroken, enumerate_cuts, enumerate_failures
from muleteer.testing.disk import FakeDisk
from muleteer.testing.disk_tree import FAT, JOURNALLED, Mark, Volume
from muleteer.testing.spools import check_spool

ROOT = "/spool"
PEER = NodeId(bytes(range(32)))
OTHER_PEER = NodeId(bytes(range(1, 33)))
SELF = NodeId(bytes(range(2, 34)))
LARGE = 800


@functools.cache
def packet(number: int, size: int = 400) -> bytes:
    """Bytes that begin as a packet does; the spool looks no further."""
    header = ENVELOPE + bytes((0, 0, 0, 96 + number)) + SELF + PEER + bytes(96)
    return (header + bytes((number + i * 7) % 256 for i in range(size)))[:size]


def spool_on(disk, **options):
    return Spool(ROOT, disk, **options)


def recover(disk):
    sweep(spool_on(disk), now=disk.now, uptime=0, incoming=[f"{ROOT}/incoming"])


@pytest.fixture(params=[JOURNALLED, FAT])
def build(request):
    """A machine with an empty spool and a stick with three packets on it."""

    def made(*, packets=3):
        disk = FakeDisk({ROOT: Volume(request.param), "/stick": Volume(FAT)})
        for number in range(packets):
            disk.put(f"/stick/in/{mth(packet(number))}", packet(number))
        return disk

    return made


# ---------------------------------------------------------------------------------------------- the flows


def commit_one(disk):
    spool = spool_on(disk)
    with spool.draft() as draft:
        draft.write(packet(0)[:100])
        draft.write(packet(0)[100:])
        name = spool.commit(draft, PEER, "tx", alias="peer")
    disk.mark(f"tx/{name}")


def commit_group(disk, drafts=4):
    spool = spool_on(disk)
    with spool.batch() as batch:
        for number in range(drafts):
            draft = spool.draft()
            draft.write(packet(number))
            node = (PEER, OTHER_PEER)[number % 2]
            promise = partial(disk.mark, f"tx/{mth(packet(number))}")
            spool.commit(draft, node, "tx", batch=batch, then=promise)


def receive(disk):
    """Take everything from the stick, as a group, and delete there what is safe here."""
    spool = spool_on(disk)
    with spool.batch() as batch:
        for name in sorted(_names(disk)):
            source = f"/stick/in/{name}"
            draft = spool.draft()
            draft.write(_from_stick(disk, source))
            spool.commit(draft, PEER, "rx", batch=batch, then=partial(_remove, disk, source))


def _names(disk):
    try:
        return disk.listdir("/stick/in")
    except OSError as error:
        raise RunnerFailed(runner="BLUE", problem=error.strerror) from error


def _from_stick(disk, path):
    try:
        return read_whole(disk, path, 1000)
    except OSError as error:
        raise RunnerFailed(runner="BLUE", problem=error.strerror) from error


def _remove(disk, source):
    try:
        disk.unlink(source)
    except OSError as error:  # the stick refuses: it keeps its copy
        disk.mark(f"kept: {error}")


def receive_knowing_what_is_here(disk):
    """As a round does: what lies in rx already is not copied again, only made sure of."""
    spool = spool_on(disk)
    here = []
    with spool.batch() as batch:
        for name in sorted(_names(disk)):
            source = f"/stick/in/{name}"
            if spool.has(PEER, "rx", PacketName.parse(name)):
                here.append(source)
                continue
            draft = spool.draft()
            draft.write(_from_stick(disk, source))
            spool.commit(draft, PEER, "rx", batch=batch, then=partial(_remove, disk, source))
    if here:
        with spool.guard:
            disk.fsync_dir(spool.layout.way(PEER, "rx"))
        for source in here:
            _remove(disk, source)


def commit_large(disk):
    """Drafts that a worker thread writes, in a batch that is full before its end."""
    spool = spool_on(disk)
    batch = Batch(disk, spool.guard, after=spool.settle, bytes_max=2 * LARGE)
    with batch:
        for number in range(3):
            data = packet(number, LARGE)
            with Draft(disk, spool.layout.tmp, guard=spool.guard, thread_bytes=LARGE // 2).open() as draft:
                for start in range(0, LARGE, LARGE // 4):
                    view = draft.take()
                    view[: LARGE // 4] = data[start : start + LARGE // 4]
                    draft.give(view[: LARGE // 4])
                promise = partial(disk.mark, f"tx/{mth(data)}")
                spool.commit(draft, PEER, "tx", batch=batch, then=promise)


def deliver_and_finish(disk):
    """What a toss does: out of rx, into the incoming directory under the first free name, mark, remove."""
    spool = spool_on(disk)
    incoming = f"{ROOT}/incoming"
    with spool.batch() as batch:
        for entry in spool.entries(PEER, "rx"):
            draft = Draft(disk, incoming, prefix="nncpfile", hashed=False, guard=spool.guard).open()
            with spool.guard:
                draft.write(read_whole(disk, spool.path(PEER, "rx", entry.name), 1000))
            names = (f"file{suffix}" for suffix in ("", ".0", ".1", ".2", ".3", ".4", ".5"))
            done = partial(spool.finish, PEER, "rx", entry.name, seen=True, settle=False)
            batch.deliver(draft, incoming, names, lambda _name, done=done: done())


def note_aside(disk):
    aside = Aside(spool_on(disk))
    name = mth(packet(0))
    for now in (100.0, 200.0):
        aside.note(PEER, name, f"the handle failed at {now:.0f}", now, b"output\n\nof it")
        disk.mark(f"noted {now:.0f}")
    aside.clear(PEER, name)


def update_ledger(disk):
    ledger = Ledger(spool_on(disk))
    names = [mth(packet(number)) for number in range(3)]
    ledger.carried("BLUE", PEER, names[:2], 100)
    disk.mark("carried 0 BLUE")
    disk.mark("carried 1 BLUE")
    ledger.carried("RED stick", PEER, names[1:], 200)
    disk.mark("carried 1 RED stick")
    disk.mark("carried 2 RED stick")
    disk.mark("forget 0")
    ledger.forget(names[:1])
    disk.mark("forgot 0")
    disk.mark("forget 1")
    ledger.retire(names[1:2])
    disk.mark("retired 1 BLUE")
    disk.mark("retired 1 RED stick")
    disk.mark("clear 1 BLUE")
    ledger.cleared("BLUE", names[:2])
    disk.mark("cleared 1 BLUE")


# ---------------------------------------------------------------------------------------------- what must hold


def check_promised(disk, cut):
    """What was promised is there, whole and under its name, and no litter is left."""
    check_spool(disk, ROOT)
    image = disk.image()
    for mark in cut.marks:
        if mark.startswith("tx/"):
            assert any(path.endswith(mark) for path in image), f"{mark} was promised and is lost"


def check_received(disk, cut):
    """Every packet is on the stick or in rx; at the end (if the stick took the deletions) only in rx."""
    check_spool(disk, ROOT)
    for number in range(3):
        data = packet(number)
        name = mth(data)
        there = disk.image().get(f"/stick/in/{name}") == data
        assert there or disk.image().get(f"{ROOT}/{PEER}/rx/{name}") == data, f"packet {number} is lost"


def check_delivered(disk, cut):
    """Every packet is in rx or delivered; no delivered file is torn; nothing is delivered that is no packet."""
    check_spool(disk, ROOT, incoming=(f"{ROOT}/incoming",))
    image = disk.image()
    delivered = [what for path, what in image.items() if path.startswith(f"{ROOT}/incoming/")]
    packets = [packet(number) for number in range(3)]
    assert all(what in packets for what in delivered), "a torn file was delivered"
    for data in packets:
        assert data in delivered or image.get(f"{ROOT}/{PEER}/rx/{mth(data)}") == data, "a packet is lost"


def check_noted(disk, cut):
    check_spool(disk, ROOT)
    name = mth(packet(0))
    aside = Aside(spool_on(disk))
    assert spool_on(disk).has(PEER, "rx", name)
    note = aside.get(PEER, name)
    if note is not None:
        assert (note.reason, note.output) in [
            (f"the handle failed at {now}", b"output\n\nof it") for now in (100, 200)
        ], "a torn record was believed"
    if cut.marks == ("noted 100",) and not cut.failure:
        assert note is not None, "the record was promised"


def check_ledger(disk, cut):
    ledger = Ledger(spool_on(disk))
    for mark in cut.marks:
        verb, number, *runner = mark.split(" ", 2)
        name = mth(packet(int(number)))
        copies = [copy.runner for copy in ledger.where(name)]
        assert set(copies) <= {"BLUE", "RED stick"}, "a torn line was believed"
        if verb == "carried" and f"forget {number}" not in cut.marks:
            assert runner[0] in copies, f"{mark} was promised"
        if verb in ("forgot", "retired"):
            assert not copies
        if verb == "retired" and f"clear {number} {runner[0]}" not in cut.marks:
            assert name in ledger.litter(runner[0], PEER), f"{mark} was promised"
        if verb == "cleared":
            assert name not in ledger.litter(runner[0], PEER)
    for on in ("BLUE", "RED stick"):
        only = [mth(packet(1))] if "forget 1" in cut.marks else []
        assert ledger.litter(on, PEER) in ([], only), "what nobody acknowledged is taken for litter"


# ---------------------------------------------------------------------------------------------- cut everywhere


def in_rx(build, packets=3):
    def made():
        disk = build(packets=packets)
        receive(disk)
        return disk

    return made


def in_tx(build):
    def made():
        disk = build()
        spool = spool_on(disk)
        for number in range(3):
            with spool.draft() as draft:
                draft.write(packet(number))
                spool.commit(draft, PEER, "tx")
        return disk

    return made


def littered(build):
    """A spool as bad as it gets: every row of the sweep's table at once, and one good packet."""

    def made():
        disk = build()
        name, gone = mth(packet(0)), mth(packet(1))
        disk.put(f"{ROOT}/tmp/nncp{'0' * 32}", b"torn")
        disk.put(f"{ROOT}/tmp/nncp{'1' * 16}", b"the reference's")
        disk.put(f"{ROOT}/{PEER}/rx/{name}", packet(0))
        disk.put(f"{ROOT}/{PEER}/rx/hdr/{name}", b"\0" * 172)
        disk.put(f"{ROOT}/{PEER}/rx/hdr/{gone}", packet(1)[:172])
        disk.put(f"{ROOT}/{PEER}/rx/seen/{gone}")
        disk.put(f"{ROOT}/muleteer/aside/{PEER}/{gone}", b"muleteer-aside 1\n")
        Ledger(spool_on(disk)).carried("BLUE", PEER, [name, gone], 100)
        disk.now += 10
        return disk

    return made


def sweep_now(disk):
    sweep(spool_on(disk), now=disk.now, uptime=5)


def check_swept(disk, cut):
    check_spool(disk, ROOT)
    spool = spool_on(disk)
    assert spool.has(PEER, "rx", mth(packet(0)))
    assert spool.is_seen(PEER, mth(packet(1)))
    assert Aside(spool).records() == []
    assert Ledger(spool).names() == []


SCENARIOS = {
    "commit": (lambda build: build, commit_one, check_promised),
    "commit a group": (lambda build: build, commit_group, check_promised),
    "commit large drafts": (lambda build: build, commit_large, check_promised),
    "receive": (lambda build: build, receive, check_received),
    "receive what may be here": (lambda build: build, receive_knowing_what_is_here, check_received),
    "deliver and finish": (in_rx, deliver_and_finish, check_delivered),
    "aside": (partial(in_rx, packets=1), note_aside, check_noted),
    "ledger": (in_tx, update_ledger, check_ledger),
    "sweep": (littered, sweep_now, check_swept),
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_power_may_go_before_any_operation(scenario, build):
    scene, act, check = SCENARIOS[scenario]
    coverage = enumerate_cuts(scene(build), act, recover, check)
    assert coverage.cuts > 5
    assert coverage.survivors >= coverage.cuts // 2


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_any_operation_may_fail(scenario, build):
    scene, act, check = SCENARIOS[scenario]
    coverage = enumerate_failures(scene(build), act, recover, check, expected=(SpoolError, RunnerFailed))
    assert coverage.cuts > 20


def test_large_drafts_are_written_by_a_thread_and_fill_the_batch():
    """What the scenario above is for."""
    disk = FakeDisk()
    writers, commits = set(), []
    step = disk.step

    def watched(verb, path, inode, *, changes=False):
        if verb == "write" and "/hdr/" not in path:
            writers.add(threading.current_thread().name)
        if verb == "rename" and "/hdr/" not in path:
            commits.append(sum(isinstance(entry, Mark) for entry in disk.journal))
        step(verb, path, inode, changes=changes)

    disk.step = watched
    disk.mkdir(ROOT)
    commit_large(disk)
    assert "draft" in writers
    assert commits == [0, 0, 2], "the third was to come after the first two were committed"


# ---------------------------------------------------------------------------------------------- the checker can fail


class Careless(FakeDisk):
    """A machine whose program forgets one step of the ritual: the verbs named in ``omits`` do nothing."""

    omits = ""

    def fsync_dir(self, path):
        if self.omits != "fsync_dir":
            super().fsync_dir(path)

    def create(self, path, mode=0o666):
        file = super().create(path, mode)
        if self.omits == "fsync":
            file.fsync = lambda: None
        return file


def careless(omits):
    disk = Careless({"/stick": Volume(FAT)})
    disk.omits = omits
    for number in range(3):
        disk.put(f"/stick/in/{mth(packet(number))}", packet(number))
    return disk


@pytest.mark.parametrize("omits", ["fsync", "fsync_dir"])
@pytest.mark.parametrize(
    ("act", "check"), [(commit_one, check_promised), (commit_group, check_promised), (receive, check_received)]
)
def test_a_ritual_without_one_of_its_syncs_is_caught(omits, act, check):
    with pytest.raises(PromiseBroken):
        enumerate_cuts(partial(careless, omits), act, recover, check)


def test_a_source_deleted_too_early_is_caught(build):
    def hasty(disk):
        spool = spool_on(disk)
        with spool.batch() as batch:
            for name in disk.listdir("/stick/in"):
                draft = spool.draft()
                draft.write(read_whole(disk, f"/stick/in/{name}", 1000))
                disk.unlink(f"/stick/in/{name}")
                spool.commit(draft, PEER, "rx", batch=batch)

    with pytest.raises(PromiseBroken, match="is lost"):
        enumerate_cuts(build, hasty, recover, check_received)


def test_a_recovery_that_leaves_litter_is_caught(build):
    with pytest.raises(PromiseBroken, match="litter"):
        enumerate_cuts(build, commit_one, lambda disk: None, check_promised)


def test_a_recovery_that_is_not_idempotent_is_caught(build):
    def scribbling(disk):
        recover(disk)
        disk.append("/times").write(b"once more")

    with pytest.raises(PromiseBroken, match="second recovery"):
        enumerate_cuts(build, commit_one, scribbling, check_promised)


def test_a_delivery_in_place_is_caught(build):
    """Writing straight under the final name, as many programs do."""

    def in_place(disk):
        spool = spool_on(disk)
        disk.mkdir(f"{ROOT}/incoming")
        for number, entry in enumerate(spool.entries(PEER, "rx")):
            with disk.create(f"{ROOT}/incoming/file{number}") as file:
                file.write(read_whole(disk, spool.path(PEER, "rx", entry.name), 1000))
                file.fsync()
            disk.fsync_dir(f"{ROOT}/incoming")
            spool.finish(PEER, "rx", entry.name)

    with pytest.raises(PromiseBroken, match="torn"):
        enumerate_cuts(in_rx(build), in_place, recover, check_delivered)


def test_an_error_outside_the_family_is_caught(build):
    def bare(disk):
        with Batch(disk) as batch, Draft(disk, f"{ROOT}/tmp") as draft:
            draft.open().write(b"x")
            batch.add(draft, f"{ROOT}/{PEER}/tx", "name")

    with pytest.raises(PromiseBroken, match="the flow raised"):
        enumerate_failures(build, bare, lambda disk: None, lambda disk, cut: None)


def test_a_repeated_fsync_after_a_failed_one_is_caught(build):
    """The kernel drops the pages and reports success the second time: a program must not fall for it."""

    def stubborn(disk):
        with Draft(disk, f"{ROOT}/tmp") as draft:
            draft.open().write(packet(0))
            name = draft.finish_writing()
            for _attempt in range(2):
                try:
                    draft.sync()
                    break
                except OSError:
                    continue
            draft.rename_to(f"{ROOT}/{name}")
            disk.fsync_dir(ROOT)
            disk.mark("promised")

    def check(disk, cut):
        if "promised" in cut.marks:
            assert disk.image()[f"{ROOT}/{mth(packet(0))}"] == packet(0), "spoilt"

    with pytest.raises(PromiseBroken, match="spoilt"):
        enumerate_failures(build, stubborn, lambda disk: None, check, expected=(OSError,))


def believing_a_second_sync(disk):
    """Sync the directory until it says yes, and promise."""
    with Draft(disk, ROOT) as draft:
        draft.open().write(packet(0))
        name = draft.finish_writing()
        draft.sync()
        draft.rename_to(f"{ROOT}/{name}")
    try:
        disk.fsync_dir(ROOT)
    except OSError:
        disk.fsync_dir(ROOT)
    disk.mark(str(name))


@pytest.mark.parametrize("seed", range(5))
def test_a_repeated_fsync_of_a_directory_is_caught(build, seed):
    """As with files: the error is told once, and what it was about may be gone."""

    def check(disk, cut):
        image = disk.image()
        assert all(image.get(f"{ROOT}/{name}") == packet(0) for name in cut.marks), "believed and lost"

    assert enumerate_cuts(build, believing_a_second_sync, lambda disk: None, check, seed=seed).cuts > 3
    with pytest.raises(PromiseBroken, match="believed and lost"):
        enumerate_failures(build, believing_a_second_sync, lambda disk: None, check, expected=(OSError,), seed=seed)


def test_a_packet_left_by_a_batch_that_failed_is_believed_and_lost(build, monkeypatch):
    """Why a batch takes its names back: the next run finds them, and nothing tells it that they are not durable."""
    monkeypatch.setattr(Batch, "_withdraw", lambda _batch, _named: None)
    with pytest.raises(PromiseBroken, match="is lost"):
        enumerate_failures(
            build, receive_knowing_what_is_here, recover, check_received, expected=(SpoolError, RunnerFailed)
        )


def test_a_directory_left_by_a_sync_that_failed_is_believed_and_lost(build, monkeypatch):
    monkeypatch.setattr(disk_module, "_try_to", lambda _act, _path: None)
    with pytest.raises(PromiseBroken, match="is lost"):
        enumerate_failures(build, commit_one, recover, check_promised)


def repairing_in_place(disk):
    """A recovery that works unless the power goes during it: it rewrites the promised file."""
    path = f"{ROOT}/list"
    if path not in disk.image():
        return
    content = read_whole(disk, path, 100)
    if content != b"promised":
        return
    disk.unlink(path)
    with disk.create(path) as file:
        file.write(content + b", checked")
        file.fsync()
    disk.fsync_dir(ROOT)


def test_a_recovery_that_a_second_cut_spoils_is_caught(build, monkeypatch):
    def write_list(disk):
        with disk.create(f"{ROOT}/list") as file:
            file.write(b"promised")
            file.fsync()
        disk.fsync_dir(ROOT)
        disk.mark("list")

    def check(disk, cut):
        if "list" in cut.marks:
            assert disk.image().get(f"{ROOT}/list") == b"promised, checked", "the promise is gone"

    with pytest.raises(PromiseBroken, match="then in the recovery before"):
        enumerate_cuts(build, write_list, repairing_in_place, check)
    monkeypatch.setattr(crash, "CUTS_AGAIN", 0)
    enumerate_cuts(build, write_list, repairing_in_place, check)


def test_a_flow_that_a_fault_blocks_for_ever_is_caught(build):
    """A lock that is a file, and stays behind when the flow fails."""

    def locking_by_name(disk):
        spool = spool_on(disk)
        with spool.guard:
            disk.create(f"{ROOT}/busy").close()
            disk.create(f"{ROOT}/work").close()
            disk.unlink(f"{ROOT}/work")
            disk.unlink(f"{ROOT}/busy")

    with pytest.raises(PromiseBroken, match=r"a further run after .* raised"):
        enumerate_failures(build, locking_by_name, recover, lambda disk, cut: None, codes=(errno.EIO,))
