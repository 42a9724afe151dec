# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the wall time can be trusted, and what is taken for it if not."""

from __future__ import annotations

import errno

import pytest

from muleteer.agent.timekeeper import EARLIEST, KEEP_SECONDS, Timekeeper
from muleteer.errors import SpoolError
from muleteer.spool.spool import Spool
from muleteer.testing.clock import FakeClock
from muleteer.testing.crash import enumerate_cuts, enumerate_failures
from muleteer.testing.disk import FakeDisk

NOW = 1_800_000_000.0
PATH = "/spool/muleteer/clock"
HOUR = 3600.0


class Box:
    """A machine that is switched on and off."""

    def __init__(self, disk=None):
        self.disk = disk or FakeDisk()
        if disk is None:
            self.disk.mkdir("/spool")
        self.set_by_others = False
        self.boot(NOW)

    def boot(self, wall):
        self.clock = FakeClock(wall, 10.0)
        self.keeper = Timekeeper(Spool("/spool", self.disk), self.clock, lambda: self.set_by_others)
        self.keeper.open()

    @property
    def now(self):
        now = self.keeper.now()
        assert now.monotonic == self.clock.monotonic()
        return now.wall, now.sure


def test_a_clock_that_was_never_below_is_believed():
    box = Box()
    assert box.now == (NOW, True)
    assert box.keeper.problem() is None


def test_a_clock_that_boots_in_the_past_is_not_and_the_time_goes_on_from_the_floor():
    box = Box()
    box.keeper.keep()
    box.boot(12.0)
    assert box.now == (NOW, False)
    box.clock.advance(500)
    assert box.now == (NOW + 500, False)
    assert box.keeper.problem().what == "the time is not sure"
    box.clock.leap(NOW + 9 * HOUR)
    assert box.now == (NOW + 9 * HOUR + 512, True)
    assert box.keeper.problem() is None


def test_before_this_program_was_written_no_clock_is_right():
    box = Box()
    box.boot(EARLIEST - 1)
    assert box.now == (EARLIEST, False)


@pytest.mark.parametrize("wall", [4_102_444_800.0, 1e12])
def test_a_clock_beyond_all_timetables_is_not_right(wall):
    box = Box()
    box.boot(wall)
    assert not box.now[1]


def test_a_clock_that_is_set_back_a_little_is_believed_and_one_that_falls_back_is_not():
    box = Box()
    assert box.now == (NOW, True)
    box.clock.leap(-200)
    assert box.now == (NOW - 200, True)
    box.clock.leap(-10_000)
    assert box.now == (NOW - 200, False)
    box.clock.advance(50)
    assert box.now == (NOW - 150, False)


def test_a_floor_from_a_wrong_future_goes_when_others_set_the_clock():
    box = Box()
    box.boot(NOW + 1e9)
    assert box.now[1]
    box.keeper.keep()
    box.boot(NOW)
    assert box.now == (NOW + 1e9, False)
    box.set_by_others = True
    assert box.now == (NOW, True)
    box.set_by_others = False
    box.clock.advance(10)
    assert box.now == (NOW + 10, True)
    box.keeper.keep()
    box.boot(NOW + 20)
    assert box.now == (NOW + 20, True)


def test_an_estimate_never_goes_back_over_restarts():
    box = Box()
    box.keeper.keep()
    for _ in range(5):
        box.boot(0.0)
        before = box.now[0]
        box.clock.advance(2 * HOUR)
        box.keeper.keep()
        assert box.now[0] == before + 2 * HOUR
    assert box.now == (NOW + 10 * HOUR, False)


def test_the_floor_is_kept_every_hour():
    box = Box()
    assert box.keeper.due()
    box.keeper.keep()
    box.clock.advance(KEEP_SECONDS - 1)
    assert not box.keeper.due()
    box.clock.advance(1)
    assert box.keeper.due()


@pytest.mark.parametrize(
    "content",
    [b"", b"muleteer-clock 1\n", b"muleteer-clock 1\n-5\n", b"muleteer-clock 1\n99\n", b"1799999999", b"\xff" * 60],
)
def test_a_floor_that_is_none_counts_as_none(content):
    box = Box()
    box.disk.put(PATH, content)
    box.boot(EARLIEST + 1)
    assert box.now == (EARLIEST + 1, True)


def test_a_disk_that_fails_says_so():
    box = Box()
    box.disk.volumes["/"].read_only = True
    with pytest.raises(SpoolError):
        box.keeper.keep()


def keep_twice(disk):
    box = Box(disk)
    for hours in (1, 2):
        box.boot(NOW + hours * HOUR)
        box.keeper.keep()
        disk.mark(str(hours))


def check(disk, cut):
    box = Box(disk)
    box.boot(0.0)
    assert box.now[0] >= NOW + HOUR * max([0, *map(int, cut.marks)])


def build():
    box = Box()
    box.keeper.keep()
    return box.disk


def test_no_cut_takes_the_floor_back():
    assert enumerate_cuts(build, keep_twice, lambda disk: None, check).cuts > 5
    assert enumerate_failures(build, keep_twice, lambda disk: None, check, codes=(errno.EIO,)).cuts > 5
