# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps of the round that a round which ends well does not need: each is watched, and each is missed when it is gone.

`broken` does a round and names the rules that it broke. Every mutant here takes one step away, not by its name in the
round but where it reaches the disk, the spool or the lock, so that it stays taken away however the round is written.
"""

from __future__ import annotations

import contextlib
import copy

import pytest

from muleteer.carriers.stick_medium import Medium
from muleteer.carriers.stick_plan import StickAllowance
from muleteer.errors import CarrierError, SpoolError
from muleteer.formats.ids import is_packet_name
from muleteer.spool.spool import Spool
from muleteer.testing.crash import PromiseBroken, enumerate_cuts
from muleteer.testing.disk import Call, FakeDisk
from muleteer.testing.disk_file import FakeFile
from muleteer.testing.disk_tree import FAT, Volume
from muleteer.testing.rituals import not_after, not_before, outside_lock, read_from_cache, unsynced
from muleteer.testing.sticks import CABIN, FARM, HOME, SPOOL, STICK, StickScene, put

KEEPS = StickAllowance(acknowledging={FARM.id: 1000.0})
RX = f"{SPOOL}/{CABIN.id}/rx"
TX = f"{SPOOL}/{CABIN.id}/tx"
OUT = f"{STICK}/{CABIN.id}/{HOME.id}"
IN = f"{STICK}/{HOME.id}/{CABIN.id}"
# What a power cut may undo without harm: copies of headers, the links and marks that are made anew, empty lock files.
CACHES = ("/hdr", "/ack", "/tmp")


@pytest.fixture
def scene() -> StickScene:
    """Two packets each way with cabin, one to farm, which acknowledges."""
    made = StickScene()
    made.on_stick(b"first", nice=10)
    made.on_stick(b"second" * 100)
    made.queue(b"urgent", nice=5)
    made.queue(b"later" * 100, nice=200)
    made.queue(b"to be acknowledged", recipient=FARM)
    made.lay_out(CABIN, FARM)
    return made


@pytest.fixture
def again() -> StickScene:
    """One packet on the stick that is in rx already, by a rename of which nobody knows whether it is durable."""
    made = StickScene()
    name = made.on_stick(b"has been here")
    put(made.disk, f"{RX}/{name}", made.known[name])
    made.disk.settle()
    return made


def broken(scene: StickScene) -> set[str]:
    """Do a round; return the names of the rules that it broke."""
    disk = scene.disk
    result = scene.run(KEEPS)
    assert result.complete
    rules = {
        "tx.lock is held at every write": outside_lock(disk, f"{SPOOL}/{CABIN.id}/tx.lock", is_sending),
        "what is read back comes from the medium": read_from_cache(disk, OUT),
        "rx is synced before the stick loses a packet": not_before(disk, Call("fsync_dir", RX, True), is_taking),
        "the stick is synced last": not_after(disk, Call("fsync_dir", STICK, True), is_on_stick),
        "tx is synced": {TX} & unsynced(disk),
        "the incoming directories are synced": {IN} & unsynced(disk),
        "nothing else is left to be synced": {p for p in unsynced(disk) - {TX, IN} if not p.endswith(CACHES)}
        - {SPOOL, f"{SPOOL}/{CABIN.id}", f"{SPOOL}/{FARM.id}"},
    }
    return {rule for rule, found in rules.items() if found}


def is_sending(call: Call) -> bool:
    return call.path.startswith(OUT) or (call.verb == "unlink" and is_packet(call.path, TX))


def is_taking(call: Call) -> bool:
    return call.verb == "unlink" and is_packet(call.path, IN)


def is_on_stick(call: Call) -> bool:
    return call.changes and call.path.startswith(STICK)


def is_packet(path: str, directory: str) -> bool:
    above, _, name = path.rpartition("/")
    return above == directory and is_packet_name(name)


def omit_fsync_dir(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    whole = FakeDisk.fsync_dir

    def partly(disk: FakeDisk, directory: str) -> None:
        if directory != path:
            whole(disk, directory)

    monkeypatch.setattr(FakeDisk, "fsync_dir", partly)


def test_a_round_keeps_every_rule(scene):
    assert broken(scene) == set()


def test_a_round_with_what_was_here_before_keeps_every_rule(again):
    assert broken(again) == set()


def test_releasing_tx_lock_at_once_is_noticed(scene, monkeypatch):
    lock = Spool.lock

    def let_go(spool, node, what):
        held = lock(spool, node, what)
        held.release()
        return held

    monkeypatch.setattr(Spool, "lock", let_go)
    assert "tx.lock is held at every write" in broken(scene)


def test_reading_back_from_the_cache_is_noticed(scene, monkeypatch):
    monkeypatch.setattr(FakeFile, "drop_cache", lambda *_args: None)
    assert "what is read back comes from the medium" in broken(scene)


def test_retiring_without_a_sync_of_tx_is_noticed(scene, monkeypatch):
    monkeypatch.setattr(Spool, "settle", lambda _spool: None)
    assert "tx is synced" in broken(scene)


def test_believing_a_name_in_rx_unsynced_is_noticed(again, monkeypatch):
    omit_fsync_dir(monkeypatch, RX)
    assert "rx is synced before the stick loses a packet" in broken(again)


def test_no_sync_of_the_incoming_directories_is_noticed(scene, monkeypatch):
    omit_fsync_dir(monkeypatch, IN)
    assert "the incoming directories are synced" in broken(scene)


def test_no_final_sync_is_noticed(scene, monkeypatch):
    omit_fsync_dir(monkeypatch, STICK)
    assert "the stick is synced last" in broken(scene)


def test_no_sync_of_the_outgoing_directories_is_noticed(scene, monkeypatch):
    omit_fsync_dir(monkeypatch, OUT)
    assert "nothing else is left to be synced" in broken(scene)


# ---------------------------------------------------------------------------------------------- a medium that lies


def lost_to_a_lying_stick(scene: StickScene) -> list[str]:
    """Do a round with a stick that keeps nothing of two packets; return those of them that left tx."""
    names = [str(entry.name) for entry in scene.spool.entries(CABIN.id, "tx")]
    scene.disk.lies.update(names)
    scene.run(KEEPS)
    return [name for name in names if f"{TX}/{name}" not in scene.disk.image()]


def test_what_a_stick_does_not_keep_stays_in_tx(scene):
    assert lost_to_a_lying_stick(scene) == []


def test_a_lying_stick_is_believed_without_dropping_the_cache(scene, monkeypatch):
    monkeypatch.setattr(FakeFile, "drop_cache", lambda *_args: None)
    assert len(lost_to_a_lying_stick(scene)) == 2


# -------------------------------------------------------------------------------------------- the mount point vanishes


def left_on_our_own_disk(scene: StickScene) -> set[str]:
    """Pull the stick before each operation of a round; return what lies under the vanished mount point afterwards.

    Nobody tells the round that the stick is gone: it has to come to that by itself.
    """
    clean = copy.deepcopy(scene.disk)
    scene.after(clean).run(KEEPS)
    found: set[str] = set()
    for at in range(len(clean.trace)):
        disk = copy.deepcopy(scene.disk)
        disk.pull(at, STICK)
        with contextlib.suppress(CarrierError, SpoolError):
            scene.after(disk).run(KEEPS)
        found |= {path for path in disk.image() if f"{path}/".startswith(f"{STICK}/")}
    return found


def test_a_pulled_stick_leaves_nothing_on_our_own_disk(scene):
    assert left_on_our_own_disk(scene) == set()


def test_writing_to_a_vanished_mount_point_is_noticed(scene, monkeypatch):
    begin = Medium.__init__

    def unfenced(medium, disk, *rest):
        begin(medium, disk, *rest)
        medium.disk = disk

    monkeypatch.setattr(Medium, "__init__", unfenced)
    assert left_on_our_own_disk(scene)


# ---------------------------------------------------------------------------------------------- the power fails twice


class Journey:
    """A stick each way, where recovering is a start and a whole further round: it is cut, too."""

    def __init__(self, scene: StickScene) -> None:
        self.scene = scene

    def build(self) -> FakeDisk:
        return copy.deepcopy(self.scene.disk)

    def act(self, disk: FakeDisk) -> None:
        self.scene.after(disk).run(KEEPS)

    def recover(self, disk: FakeDisk) -> None:
        world = self.scene.after(disk)
        world.start_up()
        assert world.run(KEEPS).complete

    def check(self, disk: FakeDisk, _cut: object) -> None:
        contents = {bytes(what) for what in disk.image().values() if isinstance(what, bytes)}
        lost = [name for name, packet in self.scene.known.items() if packet not in contents]
        assert not lost, "lost on both sides"


def test_a_round_cut_in_the_recovery_from_a_cut_loses_nothing(scene):
    journey = Journey(scene)
    coverage = enumerate_cuts(journey.build, journey.act, journey.recover, journey.check, limit=4)
    assert coverage.survivors > 100


def test_a_stick_that_forgets_its_syncs_loses_mail(scene, monkeypatch):
    """The enumeration above would see it."""
    monkeypatch.setattr(FakeDisk, "fsync_dir", lambda *_args: None)
    scene.disk.volumes[STICK] = Volume(FAT)
    journey = Journey(scene)
    with pytest.raises(PromiseBroken, match="lost on both sides"):
        enumerate_cuts(journey.build, journey.act, journey.recover, journey.check, limit=4)
