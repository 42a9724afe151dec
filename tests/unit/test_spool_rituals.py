# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps that only a cut or a failing disk would miss: each is watched here, and missed when it is taken away."""

import errno
from functools import partial

import pytest

from muleteer.errors import NameMismatch, SpoolError
from muleteer.formats.ids import NodeId
from muleteer.formats.magic import ENVELOPE
from muleteer.formats.mth import mth
from muleteer.spool import disk as disk_module
from muleteer.spool.batch import Batch
from muleteer.spool.check import promote
from muleteer.spool.disk import ensure_dir
from muleteer.spool.draft import Draft
from muleteer.spool.ledger import Ledger
from muleteer.spool.line_file import LineFile
from muleteer.spool.spool import Spool
from muleteer.spool.sweep import sweep
from muleteer.testing.crash import PromiseBroken, enumerate_cuts, enumerate_failures
from muleteer.testing.disk import FakeDisk
from muleteer.testing.disk_file import FakeFile
from muleteer.testing.rituals import unsynced
from muleteer.testing.spools import check_spool
from muleteer.testing.survivors import survivors

PEER = NodeId(bytes(range(32)))
RX = f"/spool/{PEER}/rx"
PACKET = ENVELOPE + bytes((0, 0, 0, 96)) + PEER + PEER + bytes(96) + b"body" * 50
NAME = mth(PACKET)


@pytest.fixture
def disk():
    made = FakeDisk()
    made.mkdir("/spool")
    made.settle()
    return made


def build():
    made = FakeDisk()
    made.put(f"{RX}/seen/x")
    return made


def recover(disk):
    sweep(Spool("/spool", disk), now=disk.now, uptime=0)


def after_a_cut(disk):
    """Every disk that may be found if the power goes now."""
    return [disk.reborn(inodes) for inodes in survivors(disk, len(disk.journal), limit=100, seed=1)]


# ---------------------------------------------------------------------------------------------- downloads


def download_and_promote(disk):
    """What another program leaves, which need not have synced it, and our check of it."""
    spool = Spool("/spool", disk)
    if not spool.has(PEER, "rx", NAME):
        with spool.guard:
            disk.append(f"{RX}/{NAME}.nock").close()
            disk.unlink(f"{RX}/{NAME}.nock")
            with disk.create(f"{RX}/{NAME}.nock") as file:
                file.write(PACKET)
        promote(spool, PEER, NAME)
        disk.mark("promoted")


def check_promoted(disk, cut):
    check_spool(disk, "/spool")
    assert "promoted" not in cut.marks or disk.image().get(f"{RX}/{NAME}") == PACKET, "promoted and lost"


def test_a_promoted_download_survives():
    coverage = enumerate_cuts(build, download_and_promote, recover, check_promoted)
    assert coverage.cuts > 5
    coverage = enumerate_failures(build, download_and_promote, recover, check_promoted)
    assert coverage.cuts > 20


@pytest.mark.parametrize(
    ("owner", "step", "finding"),
    [(FakeFile, "fsync", "no promise"), (FakeDisk, "fsync_dir", "promoted and lost")],
)
def test_promoting_without_a_sync_is_noticed(monkeypatch, owner, step, finding):
    monkeypatch.setattr(owner, step, lambda *_args: None)
    with pytest.raises(PromiseBroken, match=finding):
        enumerate_cuts(build, download_and_promote, recover, check_promoted)


def test_a_download_whose_fsync_failed_is_copied_not_believed():
    """The error is told once: an fsync of the same file would succeed the next time, and mean nothing."""
    disk = build()
    with disk.create(f"{RX}/{NAME}.nock") as file:
        file.write(PACKET)
    disk.fsync_dir(RX)
    spool = Spool("/spool", disk)
    at = next(n for n, call in enumerate(watched(disk, spool)) if call.verb == "fsync")
    disk.fail(at, errno.EIO)
    promote(spool, PEER, NAME)
    assert f"{RX}/{NAME}.nock" not in disk.image()
    assert all(found.image()[f"{RX}/{NAME}"] == PACKET for found in after_a_cut(disk))


def watched(disk, spool):
    """What promote would ask of the disk."""
    again = build()
    again.put(f"{RX}/{NAME}.nock", PACKET)
    promote(Spool("/spool", again), PEER, NAME)
    return [*disk.trace, *again.trace]


def test_a_copy_of_a_download_is_hashed_anew(monkeypatch):
    """What could not be written may be dropped from the cache: then the second reading brings something else."""
    disk = build()
    disk.put(f"{RX}/{NAME}.nock", PACKET)
    spool = Spool("/spool", disk)
    at = next(n for n, call in enumerate(watched(disk, spool)) if call.verb == "fsync")
    disk.fail(at, errno.EIO)
    read = FakeFile.read_into

    def dropped(file, view):
        count = read(file, view)
        if len(disk.trace) > at:
            view[:count] = bytes(count)
        return count

    monkeypatch.setattr(FakeFile, "read_into", dropped)
    with pytest.raises(NameMismatch):
        promote(spool, PEER, NAME)
    assert disk.image()[f"{RX}/{NAME}.nock"] == PACKET
    check_spool(disk, "/spool")


# -------------------------------------------------------------------------------------------- what a failed sync leaves


def fail_at(disk, verb, nth=0):
    """Fail the n-th call of a verb, whatever its place."""
    calls = []
    step = disk.step

    def failing(asked, path, inode, *, changes=False):
        calls.append(asked)
        if asked == verb and calls.count(verb) == nth + 1:
            disk.fail(len(disk.trace), errno.EIO)
        step(asked, path, inode, changes=changes)

    disk.step = failing


def test_a_directory_that_was_not_synced_is_made_anew(disk):
    fail_at(disk, "fsync_dir")
    with pytest.raises(OSError, match="Input/output"):
        ensure_dir(disk, "/spool/a")
    assert "/spool/a" not in disk.image()
    ensure_dir(disk, "/spool/a")
    assert all("/spool/a" in found.image() for found in after_a_cut(disk))


def test_a_directory_left_from_a_failed_sync_is_noticed(disk, monkeypatch):
    monkeypatch.setattr(disk_module, "_try_to", lambda _act, _path: None)
    fail_at(disk, "fsync_dir")
    with pytest.raises(OSError, match="Input/output"):
        ensure_dir(disk, "/spool/a")
    ensure_dir(disk, "/spool/a")
    assert not all("/spool/a" in found.image() for found in after_a_cut(disk))


def draft_of(disk, data):
    draft = Draft(disk, "/spool").open()
    draft.write(data)
    return draft


def test_names_of_a_batch_that_failed_are_taken_back(disk):
    """Also those in a directory that was synced: the batch promises all or nothing."""
    for path in ("/spool/a", "/spool/b"):
        disk.mkdir(path)
    disk.settle()
    told = []
    batch = Batch(disk)
    batch.add(draft_of(disk, b"1"), "/spool/a", "one", partial(told.append, "one"))
    batch.deliver(draft_of(disk, b"2"), "/spool/b", iter(("two",)), told.append)
    fail_at(disk, "fsync_dir", nth=1)
    with pytest.raises(OSError, match="Input/output"):
        batch.flush()
    assert told == []
    assert set(disk.image()) == {"/spool", "/spool/a", "/spool/b"}


def test_a_name_that_was_taken_before_is_not_taken_back(disk):
    """An equal packet was promised to somebody under it."""
    disk.put("/spool/a/one", b"1")
    batch = Batch(disk)
    batch.add(draft_of(disk, b"1"), "/spool/a", "one")
    fail_at(disk, "fsync_dir")
    with pytest.raises(OSError, match="Input/output"):
        batch.flush()
    assert disk.image() == {"/spool": None, "/spool/a": None, "/spool/a/one": b"1"}
    assert all(found.image()["/spool/a/one"] == b"1" for found in after_a_cut(disk))


def test_a_name_that_cannot_be_taken_back_keeps_the_first_error(disk):
    disk.mkdir("/spool/a")
    batch = Batch(disk)
    batch.add(draft_of(disk, b"1"), "/spool/a", "one")
    disk.fail(len(disk.trace) + 3, errno.EIO, sticky=True)  # after fsync, mkdir, rename
    with pytest.raises(OSError, match="Input/output") as failure:
        batch.flush()
    assert failure.value.filename == "/spool/a"
    assert disk.image()["/spool/a/one"] == b"1"


# ---------------------------------------------------------------------------------------------- the ledger


def carry_on(disk):
    """A process that lives on after its ledger failed, and writes to it again."""
    ledger = Ledger(Spool("/spool", disk))
    for number in range(3):
        try:
            ledger.carried("BLUE", PEER, [mth(b"%d" % number)], 100)
        except SpoolError:
            continue
        disk.mark(f"{number}")


def check_carried(disk, cut):
    ledger = Ledger(Spool("/spool", disk))
    for mark in cut.marks:
        assert ledger.where(mth(mark.encode())), f"{mark} was promised"


def judge_the_ledger():
    """Without the sweep, which would forget packets that are in no tx."""
    return enumerate_failures(build, carry_on, lambda disk: None, check_carried, codes=(errno.EIO,))


def test_a_ledger_whose_fsync_failed_is_written_anew():
    assert judge_the_ledger().cuts > 20


def test_appending_to_a_ledger_whose_fsync_failed_is_noticed(monkeypatch):
    monkeypatch.setattr(LineFile, "_sync", lambda _file, opened: opened.fsync())
    with pytest.raises(PromiseBroken, match="was promised"):
        judge_the_ledger()


# ---------------------------------------------------------------------------------------------- settling


def test_marks_become_durable_before_removals(disk):
    disk.put(f"{RX}/{NAME}", PACKET)
    Spool("/spool", disk).finish(PEER, "rx", NAME, seen=True)
    synced = [call.path for call in disk.trace if call.verb == "fsync_dir"]
    assert synced[-2:] == [f"{RX}/seen", RX]
    assert unsynced(disk) == set()


def test_settling_leaves_nothing_unsynced_and_skipping_it_is_noticed(disk, monkeypatch):
    for skipped in (False, True):
        disk.put(f"{RX}/{NAME}", PACKET)
        spool = Spool("/spool", disk)
        if skipped:
            monkeypatch.setattr(Spool, "settle", lambda _spool: None)
        spool.finish(PEER, "rx", NAME)
        assert unsynced(disk) == ({RX} if skipped else set())
