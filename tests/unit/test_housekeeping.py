# SPDX-License-Identifier: GPL-3.0-or-later
"""What would grow for ever on a box that nobody looks at, and does not."""

from __future__ import annotations

import pytest

from muleteer.errors import LogError
from muleteer.formats.ids import NodeId, PacketName
from muleteer.spool.layout import RX
from muleteer.spool.logbook import Logbook
from muleteer.spool.retention import drop_old_marks
from muleteer.spool.spool import Spool
from muleteer.testing.disk import FakeDisk

PEER = NodeId(b"\1" * 32)


def named(number):
    return PacketName(number.to_bytes(32, "big"))


@pytest.fixture
def disk():
    disk = FakeDisk()
    disk.mkdir("/spool")
    return disk


def test_marks_of_tossed_packets_grew_for_ever(disk):
    spool = Spool("/spool", disk)
    for number in range(20):
        disk.now += 1
        spool.finish(PEER, RX, named(number), seen=True)
    assert drop_old_marks(spool, keep=10, slack=10) == 0
    disk.now += 1
    spool.finish(PEER, RX, named(20), seen=True)
    assert drop_old_marks(spool, keep=10, slack=10) == 11
    assert [number for number in range(21) if spool.is_seen(PEER, named(number))] == list(range(11, 21))


def test_a_spool_without_marks_has_none_to_drop(disk):
    disk.mkdir(f"/spool/{PEER}")
    assert drop_old_marks(Spool("/spool", disk), keep=0, slack=0) == 0


def test_the_log_grew_for_ever(disk):
    log = Logbook("/log", disk, lambda: 0)
    assert not log.put_by(10)
    log.event("toss", "said", [])
    size = disk.stat("/log").size
    assert not log.put_by(size)
    assert log.put_by(size - 1)
    log.event("toss", "said", [])
    assert (disk.stat("/log").size, disk.stat("/log.1").size) == (size, size)
    assert not Logbook("FD:1", disk, lambda: 0).put_by(0)


def test_a_log_that_cannot_be_put_by_says_so(disk):
    log = Logbook("/log", disk, lambda: 0)
    log.event("toss", "said", [])
    disk.mkdir("/log.1")
    disk.put("/log.1/inside")
    with pytest.raises(LogError):
        log.put_by(0)
