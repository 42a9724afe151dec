# SPDX-License-Identifier: GPL-3.0-or-later
"""Rounds with real directories that behave like bad sticks."""

from __future__ import annotations

import errno
import shutil

import pytest

from muleteer.carriers.readback import ReadBack
from muleteer.carriers.stick import Round
from muleteer.carriers.stick_plan import StickAllowance
from muleteer.carriers.stick_report import Hold
from muleteer.errors import RunnerFailed, RunnerGone, RunnerReadOnly
from muleteer.formats.mth import mth
from muleteer.spool.disk import RealDisk
from muleteer.spool.ledger import Ledger
from muleteer.spool.spool import Spool
from muleteer.testing.packets import seal
from muleteer.testing.sticks import CABIN, FARM, HOME, TINY, Habits, StickDisk


class Box:
    def __init__(self, folder):
        self.folder = folder
        self.stick = folder / "stick"
        self.inbox = self.stick / str(HOME.id) / str(CABIN.id)
        self.outbox = self.stick / str(CABIN.id) / str(HOME.id)
        self.inbox.mkdir(parents=True)
        self.outbox.mkdir(parents=True)
        (folder / "spool").mkdir()
        self.spool = Spool(str(folder / "spool"), RealDisk(sync=False))
        self.acks = []

    def receive(self, payload):
        packet = seal(payload, sender=CABIN, recipient=HOME)
        (self.inbox / str(mth(packet))).write_bytes(packet)
        return mth(packet)

    def queue(self, payload, nice=100):
        draft = self.spool.draft()
        draft.write(seal(payload, sender=HOME, recipient=CABIN, nice=nice))
        return self.spool.commit(draft, CABIN.id, "tx")

    def round(self, habits, allowance=None):
        self.disk = StickDisk(habits, str(self.stick))
        return Round(
            self.spool,
            self.disk,
            Ledger(self.spool),
            HOME.id,
            (CABIN.id, FARM.id),
            allowance or StickAllowance(),
            str(self.stick),
            runner="worn",
            now=1e9,
            traits=TINY,
            acknowledge=lambda _node, name: self.acks.append(name),
        )

    def state(self):
        rx = {entry.name for entry in self.spool.entries(CABIN.id, "rx")}
        tx = {entry.name for entry in self.spool.entries(CABIN.id, "tx")}
        names = [path.name for path in self.outbox.iterdir()]
        return rx, tx, {path.name for path in self.inbox.iterdir()}, names


@pytest.fixture
def box(tmp_path):
    return Box(tmp_path)


def test_read_only(box):
    mail, out = box.receive(b"in"), box.queue(b"out")
    result = box.round(Habits(read_only=True)).run()
    assert box.state() == ({mail}, {out}, {str(mail)}, [])
    assert [type(problem) for problem in result.problems] == [RunnerReadOnly]
    assert not box.spool.is_seen(CABIN.id, mail), "a seen mark says delivered: the toss would drop it"


def test_full_at_so_many_bytes(box):
    small, big = box.queue(b"s", nice=9), box.queue(bytes(50_000), nice=1)
    result = box.round(Habits(capacity=20_000)).run()
    assert [(held.name, held.hold) for held in result.held] == [(big, Hold.NO_ROOM)]
    assert box.state() == (set(), {big}, set(), [str(small)])


def test_no_file_of_so_many_bytes(box):
    """The limit of the file system is met by the write even if nobody told the plan of it."""
    small, big = box.queue(b"s", nice=9), box.queue(bytes(50_000), nice=1)
    result = box.round(Habits(file_size_max=20_000)).run()
    assert [(held.name, held.hold) for held in result.held] == [(big, Hold.NO_ROOM)]
    assert box.state()[3] == [str(small)]


def test_a_stick_that_forgets(box):
    good, bad = box.queue(b"good"), box.queue(b"bad")
    result = box.round(Habits(forgets={str(bad)})).run()
    assert [(held.name, held.hold) for held in result.held] == [(bad, Hold.MISWRITTEN)]
    assert [type(problem) for problem in result.problems] == [RunnerFailed]
    assert box.state() == (set(), {bad}, set(), [str(good)])


@pytest.mark.parametrize("code", [errno.EIO, errno.ENODEV])
def test_pulled_at_every_operation(tmp_path, code):
    """Whatever was done when it was pulled: nothing is lost, and the next insertion completes the round."""
    first = Box(tmp_path / "whole")
    _prepare(first)
    first.round(Habits()).run()
    operations = first.disk.operations
    assert operations > 30
    for at in range(operations):
        box = Box(tmp_path / str(at))
        mail, out = _prepare(box)
        round_ = box.round(Habits(pulled_at=at, pulled_code=code))
        with pytest.raises(RunnerGone):
            round_.run()
        rx, tx, incoming, outgoing = box.state()
        assert all(name in rx or str(name) in incoming for name in mail), at
        assert all(name in tx or str(name) in outgoing for name in out), at
        assert all(str(name) in incoming or name in box.acks for name in mail), at
        result = box.round(Habits()).run()
        assert result.complete
        rx, tx, incoming, outgoing = box.state()
        assert (rx, tx, incoming, set(outgoing)) == (set(mail), set(), set(), {str(name) for name in out}), at
        shutil.rmtree(tmp_path / str(at))


def _prepare(box):
    return [box.receive(b"in 1"), box.receive(b"in 2")], [box.queue(b"out 1", nice=1), box.queue(b"out 2", nice=2)]


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, 17 << 20])
def test_reading_back(tmp_path, size):
    """Past 16 MiB it gives pages back while it reads."""
    path = tmp_path / "file"
    data = bytes(range(256)) * (size // 256 + 1)
    path.write_bytes(data[:size])
    told = []
    assert ReadBack(RealDisk()).hash_of(str(path), told.append) == mth(data[:size])
    assert sum(told) == size
