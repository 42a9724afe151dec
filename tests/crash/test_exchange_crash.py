# SPDX-License-Identifier: GPL-3.0-or-later
"""An online session, cut before every operation and failed at every one, on either side: no packet is ever lost.

Both nodes lie on one fake disk, so a cut hits both at once, in every combination of what each had synced; a link that
breaks alone is the case in which one of them goes on. After each cut another session completes the work.
"""

import copy
import errno

import pytest

from muleteer.carriers.online import OnlineTerms
from muleteer.errors import SpoolError
from muleteer.spool.layout import RX, TX
from muleteer.spool.sweep import sweep
from muleteer.testing.crash import enumerate_cuts, enumerate_failures
from muleteer.testing.disk import FakeDisk
from muleteer.testing.disk_tree import FAT, JOURNALLED, Volume
from muleteer.testing.exchanges import Call, Station, name_of, packet
from muleteer.testing.spools import check_spool
from muleteer.testing.survivors import survivors

LARGE = packet(3, 1200)
BACK = packet(4, 900)
TERMS = OnlineTerms(chunk=500, padded=False)


class Talk:
    """Alice has two letters and a large packet for bob, who has a large one for her."""

    OUT = (packet(1, 300), packet(2, 310), LARGE)
    PART = b""
    SUFFIX = ""

    def __init__(self, personality=JOURNALLED):
        self.personality = personality
        self.serial = 0

    def build(self):
        disk = FakeDisk({"/a": Volume(self.personality), "/b": Volume(self.personality)})
        alice, bob = self.stations(disk)
        for data in self.OUT:
            alice.queue(data, bob)
        bob.queue(BACK, alice)
        if self.SUFFIX:
            disk.put(f"{bob.spool.layout.way(alice.id, RX)}/{name_of(LARGE)}{self.SUFFIX}", self.PART)
        disk.settle()
        return disk

    def stations(self, disk):
        return Station.on(disk, "alice", "/a"), Station.on(disk, "bob", "/b")

    def act(self, disk):
        alice, bob = self.stations(disk)
        call = Call(alice, bob, TERMS, TERMS).run()
        for exchange in (call.here, call.there):
            if exchange.report.error is not None:
                raise exchange.report.error

    def recover(self, disk):
        for station in self.stations(disk):
            sweep(station.spool, now=disk.now, uptime=0)

    def check(self, disk, cut):
        self.check_places(disk)
        again = disk.reborn(copy.deepcopy(disk.inodes))
        alice, bob = self.stations(again)
        Call(alice, bob, TERMS, TERMS).run()
        self.check_places(again)
        assert bob.waiting(RX, alice) == {name_of(data) for data in self.OUT}
        assert alice.waiting(RX, bob) == {name_of(BACK)}
        assert not alice.waiting(TX, bob)
        assert not bob.waiting(TX, alice)
        litter = [path for path in again.image() if path.endswith((".part", ".nock"))]
        assert not litter

    def check_places(self, disk):
        alice, bob = self.stations(disk)
        for station in (alice, bob):
            check_spool(disk, station.spool.layout.root)
        for data in self.OUT:
            assert name_of(data) in alice.waiting(TX, bob) | bob.waiting(RX, alice), "lost"
        assert name_of(BACK) in bob.waiting(TX, alice) | alice.waiting(RX, bob), "lost"


class Resumed(Talk):
    """A part of the large packet is there from an earlier session."""

    PART, SUFFIX = LARGE[:700], ".part"


class Damaged(Talk):
    """That part has zeros where a power cut has eaten bytes."""

    PART, SUFFIX = LARGE[:200] + bytes(300), ".part"


class Unchecked(Talk):
    """The large packet is there, complete, and was never checked."""

    PART, SUFFIX = LARGE, ".nock"


class Cut(Talk):
    """The link breaks in the middle; a second session completes it, and that is the flow which is cut."""

    def act(self, disk):
        alice, bob = self.stations(disk)
        Call(alice, bob, TERMS, TERMS, cut_after=1900).run()
        super().act(disk)


class Killed(Talk):
    """A program was killed before it had synced the large packet's name, and another begins on that machine."""

    OUT = (LARGE,)  # no other packet shall bring about a sync of the directory

    def act(self, disk):
        alice, bob = self.stations(disk)
        draft = bob.spool.draft()
        draft.write(LARGE)
        draft.flush()
        draft.sync()
        draft.rename_to(bob.spool.path(alice.id, RX, name_of(LARGE)))
        disk.restart()
        super().act(disk)

    def build(self):
        disk = super().build()
        alice, bob = self.stations(disk)
        bob.spool.lock(alice.id, RX).release()  # makes rx
        disk.settle()
        return disk


@pytest.mark.parametrize("personality", [JOURNALLED, FAT])
@pytest.mark.parametrize("kind", [Talk, Resumed, Damaged, Unchecked, Cut, Killed])
def test_cut_before_every_operation(kind, personality):
    talk = kind(personality)
    coverage = enumerate_cuts(talk.build, talk.act, talk.recover, talk.check, limit=6)
    print(coverage)
    assert coverage.cuts > 20
    assert coverage.survivors > 80


@pytest.mark.parametrize("under", ["/a", "/b"])
@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("kind", [Talk, Resumed])
def test_fail_every_operation(kind, code, under):
    talk = kind()
    coverage = enumerate_failures(
        talk.build, talk.act, talk.recover, talk.check, codes=(code,), expected=(SpoolError,), under=under, limit=1
    )
    print(coverage)
    assert coverage.cuts > 20


def test_a_name_whose_sync_failed_and_that_could_not_be_taken_back_is_not_trusted():
    talk = Talk()
    trial = talk.build()
    talk.act(trial)
    rx = Station.on(trial, "bob", "/b").spool.layout.way(Station.on(trial, "alice", "/a").id, RX)
    at = next(index for index, call in enumerate(trial.trace) if (call.verb, call.path) == ("fsync_dir", rx))
    disk = talk.build()
    disk.fail(at, errno.EIO, sticky=True, under=rx)
    with pytest.raises(SpoolError):
        talk.act(disk)
    disk.heal()
    alice, bob = talk.stations(disk)
    left = bob.waiting(RX, alice)
    assert left  # the kernel has told its error, and will not tell it again
    disk.restart()
    talk.act(disk)
    assert not alice.waiting(TX, bob)
    for inodes in survivors(disk, len(disk.journal), limit=32, seed=1):
        _, after = talk.stations(disk.reborn(inodes))
        assert after.waiting(RX, alice) >= left
