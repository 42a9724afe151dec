# SPDX-License-Identifier: GPL-3.0-or-later
"""The round, cut before every operation and failed at every one: nothing is lost, the next insertion completes it."""

from __future__ import annotations

import copy
import errno
from typing import TYPE_CHECKING

import pytest

from muleteer.carriers.stick_plan import StickAllowance
from muleteer.errors import CarrierError, SpoolError
from muleteer.formats.ids import PacketName, is_packet_name
from muleteer.formats.mth import mth
from muleteer.spool.disk import ensure_dir
from muleteer.testing.crash import enumerate_cuts, enumerate_failures
from muleteer.testing.packets import seal
from muleteer.testing.sticks import CABIN, FARM, HOME, INCOMING, STICK, StickScene, put

if TYPE_CHECKING:
    from muleteer.testing.disk import FakeDisk

KEEPS = StickAllowance(acknowledging={FARM.id: 1000.0})


class Trip:
    """A stick with mail for us, and a queue: two packets each way with cabin, one to farm, which acknowledges."""

    def __init__(self) -> None:
        self.scene = StickScene()
        scene = self.scene
        self.incoming = [scene.on_stick(b"first", nice=10), scene.on_stick(b"second " * 100, base="NNCP")]
        self.again = scene.on_stick(b"has been here")
        self.outgoing = [scene.queue(b"urgent", nice=5), scene.queue(b"later " * 200, nice=200)]
        self.kept = scene.queue(b"to be acknowledged", recipient=FARM)
        rx = scene.spool.path(CABIN.id, "rx", self.again)
        put(scene.disk, rx, scene.known[self.again])
        put(scene.disk, f"{scene.stick_path(CABIN)}/nncpxfer0123", b"half a pack")
        scene.disk.settle()

    def build(self) -> FakeDisk:
        return copy.deepcopy(self.scene.disk)

    def act(self, disk: FakeDisk) -> None:
        world = self.scene.after(disk)
        world.run(KEEPS, acknowledge=lambda _node, name: disk.mark(f"ack {name}"))
        disk.mark("complete")

    def recover(self, disk: FakeDisk) -> None:
        self.scene.after(disk).start_up()

    def check(self, disk: FakeDisk, cut: object) -> None:
        self.check_names(disk)
        self.check_whereabouts(disk, cut.marks)
        self.check_next_insertion(disk)

    def check_names(self, disk: FakeDisk) -> None:
        for path, content in disk.image().items():
            *_, above, name = path.split("/")
            if "/muleteer/" in path or above in ("hdr", "seen", "ack"):
                continue
            if is_packet_name(name) and isinstance(content, bytes):
                assert mth(content) == PacketName.parse(name), path

    def check_whereabouts(self, disk: FakeDisk, marks: tuple[str, ...]) -> None:
        here, there = self.places(disk)
        for name in [*self.incoming, self.again]:
            assert (CABIN.id, "rx", name) in here or (HOME.id, CABIN.id, name) in there, f"{name} is lost"
            assert (HOME.id, CABIN.id, name) in there or f"ack {name}" in marks, f"{name} left without acknowledgement"
        for name in self.outgoing:
            assert (CABIN.id, "tx", name) in here or (CABIN.id, HOME.id, name) in there, f"{name} is lost"
        assert (FARM.id, "tx", self.kept) in here, "the packet to be acknowledged is gone"

    def check_next_insertion(self, survivor: FakeDisk) -> None:
        disk = survivor.reborn(copy.deepcopy(survivor.inodes))
        result = self.scene.after(disk).run(KEEPS)
        assert result.complete
        assert not result.problems, result.problems
        here, there = self.places(disk)
        assert {(CABIN.id, "rx", name) for name in [*self.incoming, self.again]} <= here
        assert not [place for place in there if place[0] == HOME.id]
        assert {(CABIN.id, HOME.id, name) for name in self.outgoing} <= there
        assert {place for place in here if place[1] == "tx"} == {(FARM.id, "tx", self.kept)}
        assert (FARM.id, HOME.id, self.kept) in there
        assert not [path for path in disk.image() if "nncpxfer" in path]
        self.check_names(disk)

    @staticmethod
    def places(disk: FakeDisk) -> tuple[set[tuple], set[tuple]]:
        here, there = set(), set()
        for path, content in disk.image().items():
            *_, above, middle, name = ("", "", *path.split("/"))
            if not isinstance(content, bytes) or not is_packet_name(name):
                continue
            if path.startswith(STICK):
                there.add((_id(above), _id(middle), PacketName.parse(name)))
            elif middle in ("rx", "tx"):
                here.add((_id(above), middle, PacketName.parse(name)))
        return here, there


class TripWithAnswers(Trip):
    """Cabin acknowledges, and so do we: real acknowledgements are queued, travel, and are not waited for."""

    KEEPS = StickAllowance(acknowledging={CABIN.id: 1000.0})

    def __init__(self) -> None:
        super().__init__()
        names = [*self.incoming, self.again]
        self.acks = {name: seal(b"ack", sender=HOME, recipient=CABIN, nice=60) for name in names}

    def act(self, disk: FakeDisk) -> None:
        self.scene.after(disk).run(self.KEEPS, acknowledge=lambda _node, name: self.acknowledge(disk, name))

    def acknowledge(self, disk: FakeDisk, name: PacketName) -> None:
        spool = self.scene.after(disk).spool
        mark = f"{spool.layout.way(CABIN.id, 'tx')}/ack/{mth(self.acks[name])}"
        ensure_dir(disk, mark.rpartition("/")[0])
        if mark not in disk.image():
            disk.create(mark).close()
        draft = spool.draft()
        draft.write(self.acks[name])
        spool.commit(draft, CABIN.id, "tx")

    def check(self, survivor: FakeDisk, cut: object) -> None:
        self.check_names(survivor)
        disk = survivor.reborn(copy.deepcopy(survivor.inodes))
        self.act(disk)
        here, there = self.places(disk)
        assert {place for place in here if place[1] == "tx"} >= {(CABIN.id, "tx", name) for name in self.outgoing}
        assert {(CABIN.id, HOME.id, mth(packet)) for packet in self.acks.values()} <= there
        # The power may have taken the mark and left the packet: then it is kept like a letter. No letter is ever taken
        # for an answer, so none is lost.
        kept = {place[2] for place in here if place[:2] == (CABIN.id, "tx")}
        assert kept <= {*self.outgoing, *map(mth, self.acks.values())}


class ReadOnlyTrip(Trip):
    """A write-protected stick, its round and the toss after it: each letter is delivered, whatever came between."""

    BODIES = frozenset((b"first", b"second " * 100, b"has been here"))
    SEEN = True

    def build(self) -> FakeDisk:
        disk = super().build()
        ensure_dir(disk, INCOMING)
        disk.settle()
        disk.volumes[STICK].read_only = True
        return disk

    def act(self, disk: FakeDisk) -> None:
        world = self.scene.after(disk)
        world.run(KEEPS)
        world.toss(seen=self.SEEN)

    def check(self, survivor: FakeDisk, cut: object) -> None:
        self.check_names(survivor)
        disk = survivor.reborn(copy.deepcopy(survivor.inodes))
        world = self.scene.after(disk)
        self.act(disk)
        assert world.delivered() == self.BODIES
        before = disk.image()
        result = world.run(KEEPS)
        assert (result.received, result.duplicates) == (0, 3)
        assert world.toss(seen=self.SEEN).delivered == 0
        assert {path for path in disk.image() if path.startswith(INCOMING)} <= set(before), "delivered again"
        assert {(CABIN.id, "tx", name) for name in self.outgoing} <= self.places(disk)[0]


class ReadOnlyTripWithoutSeenMarks(ReadOnlyTrip):
    SEEN = False


class TripWithLitter(Trip):
    """Farm has acknowledged two packets by another way, and one left tx without."""

    def __init__(self) -> None:
        super().__init__()
        scene = self.scene
        self.litter = [self.leave(b"acknowledged"), self.leave(b"acknowledged, too", base="NNCP")]
        self.only_copy = self.leave(b"taken out of tx by a person")
        names = [*self.litter, self.only_copy]
        scene.ledger.carried("blue", FARM.id, names, scene.disk.now)
        scene.ledger.carried("red", FARM.id, self.litter, scene.disk.now)
        scene.ledger.retire(self.litter)
        scene.ledger.forget([self.only_copy])
        scene.disk.settle()

    def leave(self, payload: bytes, base: str = "") -> PacketName:
        return self.scene.on_stick(payload, sender=HOME, recipient=FARM, base=base)

    def check(self, disk: FakeDisk, cut: object) -> None:
        self.may_come_back = cut.before.startswith("the end of a further run") and f"fsync_dir {STICK}" in cut.before
        self.check_litter(disk)
        super().check(disk, cut)

    def check_next_insertion(self, survivor: FakeDisk) -> None:
        disk = survivor.reborn(copy.deepcopy(survivor.inodes))
        self.scene.after(disk).run(KEEPS)
        super().check_next_insertion(survivor)
        self.check_litter(disk)
        assert self.scene.after(disk).ledger.litter("blue", FARM.id) == []

    def check_litter(self, disk: FakeDisk) -> None:
        ledger = self.scene.after(disk).ledger
        known = ledger.litter("blue", FARM.id)
        if not self.may_come_back:  # removed without a sync, and found absent by the same kernel: then the copy stays
            assert {*known} >= self.lying(disk), "forgotten before it was gone"
        assert ledger.litter("red", FARM.id) == self.litter
        assert (FARM.id, HOME.id, self.only_copy) in self.places(disk)[1], "the only copy is gone"

    def lying(self, disk: FakeDisk) -> set[PacketName]:
        return {name for name in self.litter if (FARM.id, HOME.id, name) in self.places(disk)[1]}


def _id(text: str) -> bytes:
    return PacketName.parse(text)


def test_cut_before_every_operation():
    trip = Trip()
    coverage = enumerate_cuts(trip.build, trip.act, trip.recover, trip.check, limit=32)
    print(coverage)
    assert coverage.cuts > 60
    assert coverage.survivors > 200


def test_cut_before_every_operation_of_a_round_that_sweeps():
    trip = TripWithLitter()
    coverage = enumerate_cuts(trip.build, trip.act, trip.recover, trip.check, limit=16)
    print(coverage)
    assert coverage.cuts > 60
    assert coverage.survivors > 100


@pytest.mark.parametrize("kind", [TripWithAnswers, ReadOnlyTrip, ReadOnlyTripWithoutSeenMarks])
def test_cut_before_every_operation_of_other_rounds(kind):
    trip = kind()
    coverage = enumerate_cuts(trip.build, trip.act, trip.recover, trip.check, limit=8)
    print(coverage)
    assert coverage.survivors > 20


@pytest.mark.parametrize("under", ["/spool", STICK])
@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EROFS, errno.ENODEV], ids=errno.errorcode.get)
@pytest.mark.parametrize("kind", [Trip, TripWithLitter])
def test_fail_every_operation(kind, code, under):
    trip = kind()
    coverage = enumerate_failures(
        trip.build,
        trip.act,
        trip.recover,
        trip.check,
        codes=(code,),
        expected=(SpoolError, CarrierError),
        under=under,
        limit=2,
    )
    print(coverage)
    assert coverage.cuts > 20
