# SPDX-License-Identifier: GPL-3.0-or-later
"""Drafts and batches: what is written is hashed, large drafts overlap, failures leave nothing behind."""

import errno
import os
import threading

import pytest

from muleteer.errors import MuleteerError, RunnerGone
from muleteer.formats.mth import mth
from muleteer.formats.sealer import OUT_BUFFER
from muleteer.spool.batch import Batch
from muleteer.spool.disk import RealDisk
from muleteer.spool.draft import BUFFER_SIZE, THREAD_BYTES, Draft
from muleteer.spool.overlap import BUFFERS
from muleteer.testing.disk import FakeDisk


def pattern(size):
    return bytes(range(251)) * (size // 251 + 1)


@pytest.fixture
def where(tmp_path):
    return str(tmp_path / "tmp")


def test_a_lent_buffer_takes_what_the_sealer_hands_over():
    assert BUFFER_SIZE >= OUT_BUFFER


@pytest.mark.parametrize("size", [0, 1, 171, 172, 173, 131072, THREAD_BYTES, THREAD_BYTES + 1, 5 * BUFFER_SIZE + 17])
@pytest.mark.parametrize("way", ["write", "give", "both", "small writes"])
def test_what_is_written_is_hashed_and_whole(where, size, way):
    data = pattern(size)[:size]
    with Draft(RealDisk(), where) as draft:
        draft.open()
        position = 0
        while position < size:
            step = {"write": size, "give": BUFFER_SIZE - 5, "both": 300_001, "small writes": 99_999}[way]
            part = data[position : position + step]
            if way == "give" or (way == "both" and position % 2):
                view = draft.take()
                view[: len(part)] = part
                draft.give(view[: len(part)])
            else:
                draft.write(part)
            position += len(part)
        assert draft.finish_writing() == mth(data)
        assert draft.size == size
        assert draft.head == data[:172]
        draft.rename_to(f"{where}/final")
    with open(f"{where}/final", "rb") as file:
        assert file.read() == data
    assert os.listdir(where) == ["final"]


def test_a_small_write_does_not_overtake_a_large_one_that_waits_for_its_buffer_to_fill(where):
    pieces = [pattern(600_000)[:600_000], pattern(600_000)[1:], b"small"]
    with Draft(RealDisk(), where) as draft:
        draft.open()
        for piece in pieces:
            draft.write(piece)
        assert draft.finish_writing() == mth(b"".join(pieces))


def test_a_large_draft_uses_few_buffers(where):
    lent = set()
    with Draft(RealDisk(sync=False), where) as draft:
        draft.open()
        for _ in range(40):
            view = draft.take()
            lent.add(id(view.obj))
            draft.give(view[:100_000])
        draft.flush()
    assert len(lent) <= BUFFERS


def test_a_discarded_draft_leaves_nothing(where):
    before = set(threading.enumerate())  # other tests' pools idle for a while
    for size in (10, 3 * THREAD_BYTES):
        with Draft(RealDisk(), where) as draft:
            draft.open().write(bytes(size))
        assert os.listdir(where) == []
    assert set(threading.enumerate()) <= before


def test_an_error_in_the_worker_reaches_the_caller():
    before = set(threading.enumerate())
    disk = FakeDisk()
    with Draft(disk, "/tmp", thread_bytes=1000) as draft:
        draft.open().write(bytes(900))
        disk.fail(len(disk.trace), errno.ENOSPC, sticky=True)
        with pytest.raises(OSError, match="No space"):
            draft.write(bytes(20 * BUFFER_SIZE))
    assert set(threading.enumerate()) <= before


def test_a_closed_draft_refuses(where):
    draft = Draft(RealDisk(), where)
    with pytest.raises(ValueError, match="not open"):
        draft.write(b"x")
    with Draft(RealDisk(), where, hashed=False) as unhashed, pytest.raises(ValueError, match="no name"):
        unhashed.open().finish_writing()


def test_a_draft_of_an_earlier_boot_is_not_taken_over():
    """Serial numbers begin anew after a restart, and may meet a file left over."""
    disk = FakeDisk()
    disk.put("/tmp/nncp" + f"{1:032x}", b"left over")
    with Draft(disk, "/tmp") as draft:
        draft.open().write(b"new")
        assert draft.path.endswith("2")
    assert disk.image()["/tmp/nncp" + f"{1:032x}"] == b"left over"


def test_a_draft_swept_between_creation_and_lock_is_begun_again():
    disk = FakeDisk()
    disk.mkdir("/tmp")
    create, swept = disk.create, []

    def swept_once(path, mode=0o666):
        file = create(path, mode)
        if not swept:
            swept.append(path)
            disk.unlink(path)
        return file

    disk.create = swept_once
    with Draft(disk, "/tmp") as draft:
        draft.open().write(b"x")
        draft.rename_to("/final")
    assert swept
    assert disk.image()["/final"] == b"x"


def test_no_free_name_is_an_error_not_an_endless_loop():
    disk = FakeDisk()
    disk.put("/tmp/nncp" + "0" * 32, b"")
    disk.unique = lambda: "0" * 32
    with pytest.raises(FileExistsError):
        Draft(disk, "/tmp").open()


# ---------------------------------------------------------------------------------------------- batches


def draft_of(disk, data, directory="/tmp"):
    draft = Draft(disk, directory).open()
    draft.write(data)
    return draft


@pytest.mark.parametrize(("limits", "commits"), [({"drafts_max": 2}, 2), ({"bytes_max": 2}, 2), ({}, 0)])
def test_a_full_batch_is_committed(limits, commits):
    disk = FakeDisk()
    batch = Batch(disk, **limits)
    done = []
    for name in ("a", "b", "c"):
        batch.add(draft_of(disk, b"x"), "/d", name, lambda name=name: done.append(name))
    assert len(done) == commits
    batch.flush()
    assert done == ["a", "b", "c"]
    batch.flush()
    assert {path: what for path, what in disk.image().items() if what} == {"/d/a": b"x", "/d/b": b"x", "/d/c": b"x"}


def test_deliveries_never_replace():
    disk = FakeDisk()
    disk.put("/in/f", b"old")
    got = []
    with Batch(disk) as batch:
        for number in range(3):
            names = (f"f{suffix}" for suffix in ("", ".0", ".1", ".2"))
            batch.deliver(draft_of(disk, b"%d" % number), "/in", names, got.append)
    assert got == ["f.0", "f.1", "f.2"]
    files = {path: what for path, what in disk.image().items() if what}
    assert files == {"/in/f": b"old", "/in/f.0": b"0", "/in/f.1": b"1", "/in/f.2": b"2"}


def test_an_exception_in_the_block_discards():
    disk = FakeDisk()
    done = []

    def pulled():
        with Batch(disk) as batch:
            batch.add(draft_of(disk, b"x"), "/d", "a", lambda: done.append("a"))
            raise RunnerGone(runner="BLUE")

    with pytest.raises(RunnerGone):
        pulled()
    assert done == []
    assert set(disk.image()) == {"/tmp"}


def test_a_failing_commit_runs_no_callback_and_leaves_no_draft():
    disk = FakeDisk()
    done = []
    batch = Batch(disk)
    for name in ("a", "b"):
        batch.add(draft_of(disk, b"x"), "/d", name, lambda name=name: done.append(name))
    disk.fail(len(disk.trace) + 1, errno.EIO)
    with pytest.raises(OSError, match="Input/output"):
        batch.flush()
    assert done == []
    assert set(disk.image()) == {"/tmp"}
    batch.flush()


def test_one_failing_callback_does_not_stop_the_others():
    disk = FakeDisk()
    done = []

    def fails():
        raise RunnerGone(runner="BLUE")

    batch = Batch(disk, after=lambda: done.append("after"))
    for name, then in (("a", fails), ("b", lambda: done.append("b")), ("c", None)):
        batch.add(draft_of(disk, b"x"), "/d", name, then)
    with pytest.raises(MuleteerError, match="BLUE"):
        batch.flush()
    assert done == ["b", "after"]


def test_a_draft_given_to_a_batch_outlives_its_block():
    disk = FakeDisk()
    batch = Batch(disk)
    with Draft(disk, "/tmp") as draft:
        draft.open().write(b"x")
        batch.add(draft, "/d", "a")
    batch.flush()
    assert disk.image()["/d/a"] == b"x"


def test_files_are_synced_before_names_and_names_before_callbacks():
    disk = FakeDisk()
    order = []
    batch = Batch(disk)
    for name in ("a", "b"):
        batch.add(draft_of(disk, b"x"), "/d", name, lambda: order.append(len(disk.trace)))
    start = len(disk.trace)
    batch.flush()
    verbs = [call.verb for call in disk.trace[start:]]
    assert verbs == ["fsync", "fsync", "mkdir", "fsync_dir", "rename", "rename", "fsync_dir"]
    assert order == [len(disk.trace)] * 2
