# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from muleteer.formats.ids import NodeId, PacketName
from muleteer.spool.ack_marks import AckMarks
from muleteer.spool.spool import Spool
from muleteer.spool.sweep import sweep
from muleteer.testing.disk import FakeDisk

PEER = NodeId(b"\1" * 32)
LOST, QUEUED = PacketName(b"\2" * 32), PacketName(b"\3" * 32)


@pytest.mark.parametrize(
    ("age", "uptime", "removed"),
    [
        (50, 100, 0),  # made since this boot: its packet may be about to appear
        (150, 100, 1),  # made before this boot: nobody is about to do anything
        (90_000, 1_000_000, 1),  # a day old: whoever made it was killed
        (-500, 100, 0),  # from the future: the clock is not set yet
    ],
)
def test_the_mark_of_an_acknowledgement_that_a_cut_kept_from_appearing_stayed_for_ever(age, uptime, removed):
    disk = FakeDisk()
    disk.mkdir("/spool")
    spool = Spool("/spool", disk)
    marks = AckMarks(spool)
    for name in (LOST, QUEUED):
        marks.make(PEER, name)
    disk.put(f"/spool/{PEER}/tx/{QUEUED}", b"NNCPE\0\0\6" + b"\0" * 200)
    assert sweep(spool, now=disk.now + age, uptime=uptime).marks == removed
    assert marks.of(PEER) == ({QUEUED} if removed else {LOST, QUEUED})
    assert sweep(spool, now=disk.now + age, uptime=uptime).marks == 0
