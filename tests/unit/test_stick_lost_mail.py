# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways in which a round has lost mail, or could: each test is named after the bug."""

from __future__ import annotations

import errno

import pytest

from muleteer.carriers.stick_plan import StickTraits
from muleteer.carriers.stick_report import Hold
from muleteer.errors import RunnerFailed, SpoolError
from muleteer.formats.mth import mth
from muleteer.spool import taken
from muleteer.spool.arrivals import Arrivals
from muleteer.spool.disk import ensure_dir
from muleteer.spool.taken import Taken
from muleteer.testing.disk_file import FakeFile
from muleteer.testing.sticks import CABIN, FARM, HOME, INCOMING, STICK, StickScene, put


@pytest.fixture
def scene():
    scene = StickScene()
    ensure_dir(scene.disk, INCOMING)
    return scene


def fails_once(disk, monkeypatch, verb, path, code=errno.EIO):
    """Let one call of a verb on a path fail, and every later one succeed; return the paths of all calls."""
    real, calls = getattr(disk, verb), []

    def act(at, *args, **options):
        if at.startswith(path):
            calls.append(at)
            if len(calls) == 1:
                raise OSError(code, "no", at)
        return real(at, *args, **options)

    monkeypatch.setattr(disk, verb, act)
    return calls


class TestWriteProtectedSticks:
    @pytest.mark.parametrize("seen", [True, False], ids=["toss leaves seen marks", "toss leaves none"])
    @pytest.mark.parametrize("known", [True, False], ids=["known from the start", "found out by removing"])
    def test_mail_marked_seen_before_the_toss_was_dropped_by_it(self, scene, seen, known):
        scene.on_stick(b"precious")
        scene.disk.volumes[STICK].read_only = True
        traits = StickTraits(read_only=known)
        assert scene.run(traits=traits).received == 1
        assert not scene.spool.is_seen(CABIN.id, *scene.known)
        report = scene.toss(seen=seen)
        assert (report.delivered, report.repeated) == (1, 0)
        assert scene.delivered() == {b"precious"}

    @pytest.mark.parametrize("seen", [True, False], ids=["toss leaves seen marks", "toss leaves none"])
    @pytest.mark.parametrize("rounds", [1, 3])
    def test_mail_is_delivered_once_however_often_it_comes_by(self, scene, seen, rounds):
        scene.on_stick(b"precious")
        scene.disk.volumes[STICK].read_only = True
        for _ in range(rounds):
            assert scene.run(traits=StickTraits(read_only=True)).refused == 0
        assert len(scene.acks) == 1
        scene.toss(seen=seen)
        result = scene.run(traits=StickTraits(read_only=True))
        assert (result.received, result.duplicates) == (0, 1)
        assert scene.toss(seen=seen).delivered == 0
        assert len(scene.disk.listdir(INCOMING)) == 1

    def test_what_cannot_be_removed_is_not_delivered_twice(self, scene, monkeypatch):
        name = scene.on_stick(b"command")
        real = scene.disk.unlink

        def unlink(path):
            if path.startswith(STICK):
                raise OSError(errno.EACCES, "no", path)
            real(path)

        monkeypatch.setattr(scene.disk, "unlink", unlink)
        result = scene.run()
        assert [type(problem) for problem in result.problems] == [RunnerFailed]
        scene.spool.finish(CABIN.id, "rx", name)
        assert scene.run().received == 0

    def test_marks_are_bounded_and_the_oldest_go(self, scene, monkeypatch):
        monkeypatch.setattr(taken, "TAKEN_MAX", 8)
        marks = Taken(scene.spool)
        names = [mth(bytes([n])) for n in range(9)]
        for name in names:
            scene.disk.now += 1
            marks.mark(CABIN.id, name)
        marks.settle()
        assert [marks.has(CABIN.id, name) for name in names] == [False] * 2 + [True] * 7


class TestSyncsThatFailed:
    def test_a_directory_whose_sync_failed_was_believed_the_second_time(self, scene, monkeypatch):
        scene.lay_out(CABIN, FARM)
        out = scene.stick_path(CABIN)
        ensure_dir(scene.disk, out)
        lost, later = scene.queue(b"a", nice=1), scene.queue(b"bb", nice=9)
        farm = scene.queue(b"farm", recipient=FARM)
        fails_once(scene.disk, monkeypatch, "fsync_dir", out)
        result = scene.run()
        assert {held.name: held.hold for held in result.held} == {lost: Hold.UNCERTAIN, later: Hold.UNCERTAIN}
        assert scene.spool.has(CABIN.id, "tx", lost)
        assert not scene.spool.has(FARM.id, "tx", farm), "another directory is not doubted"
        assert result.problems
        assert not result.complete
        scene.disk.trace.clear()
        assert scene.run().retired == 2
        renamed = [call.path for call in scene.disk.trace if call.verb == "rename"]
        assert f"{out}/{lost}" in renamed, "named anew: on the same mount the sync alone proves nothing"

    def test_a_file_whose_sync_failed_was_believed_the_second_time(self, scene, monkeypatch):
        scene.lay_out(CABIN)
        name = scene.queue(b"mail")
        real, failed = FakeFile.fsync, []

        def fsync(file):
            if file._path.startswith(STICK) and not failed:
                failed.append(file)
                raise OSError(errno.EIO, "no", file._path)
            real(file)

        monkeypatch.setattr(FakeFile, "fsync", fsync)
        result = scene.run()
        assert [(held.name, held.hold) for held in result.held] == [(name, Hold.UNCERTAIN)]
        assert scene.spool.has(CABIN.id, "tx", name)

    def test_a_new_directory_that_was_not_synced_in_its_parent_was_believed(self, scene, monkeypatch):
        scene.lay_out(FARM)
        names = {scene.queue(b"a", nice=1), scene.queue(b"b", nice=2)}
        fails_once(scene.disk, monkeypatch, "fsync_dir", STICK)
        result = scene.run()
        assert {held.name: held.hold for held in result.held} == dict.fromkeys(names, Hold.UNCERTAIN)

    @pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
    def test_mail_left_the_stick_although_the_sync_of_rx_had_failed(self, scene, monkeypatch, code):
        name = scene.on_stick(b"mail")
        rx = scene.spool.layout.way(CABIN.id, "rx")
        ensure_dir(scene.disk, rx)
        fails_once(scene.disk, monkeypatch, "fsync_dir", rx, code)
        if code == errno.EIO:
            with pytest.raises(SpoolError):
                scene.run()
        else:
            scene.run()
        assert scene.names_on_stick(HOME, CABIN) == [str(name)]
        scene.disk.trace.clear()
        assert scene.run().received == 1, "it was written anew, because what is there is doubted"
        assert f"{rx}/{name}" in [call.path for call in scene.disk.trace if call.verb == "rename"]
        assert not scene.names_on_stick(HOME, CABIN)

    def test_a_duplicate_left_the_stick_although_rx_could_not_be_synced(self, scene, monkeypatch):
        name = scene.on_stick(b"mail")
        put(scene.disk, scene.spool.path(CABIN.id, "rx", name), scene.known[name])
        rx = scene.spool.layout.way(CABIN.id, "rx")
        fails_once(scene.disk, monkeypatch, "fsync_dir", rx)
        result = scene.run()
        assert scene.names_on_stick(HOME, CABIN) == [str(name)]
        assert [type(problem) for problem in result.problems] == [SpoolError]
        assert scene.run().received == 1
        assert Arrivals(scene.spool).is_doubted(CABIN.id)
        scene.spool.finish(CABIN.id, "rx", name)
        assert not Arrivals(scene.spool).is_doubted(CABIN.id), "an empty directory has nothing to doubt"
        assert not scene.disk.listdir(f"{scene.spool.layout.root}/muleteer/doubt/{CABIN.id}")


class TestDuplicates:
    @pytest.mark.parametrize("at", [0, 300, -1])
    def test_a_damaged_copy_of_the_same_size_in_rx_was_believed(self, scene, at):
        name = scene.on_stick(b"precious letter" * 20)
        bad = bytearray(scene.known[name])
        bad[at] ^= 1
        path = scene.spool.path(CABIN.id, "rx", name)
        put(scene.disk, path, bytes(bad))
        result = scene.run()
        assert (result.received, result.duplicates) == (1, 0)
        assert scene.disk.image()[path] == scene.known[name]
        assert not scene.names_on_stick(HOME, CABIN)

    def test_a_copy_in_rx_that_cannot_be_read_is_replaced(self, scene, monkeypatch):
        name = scene.on_stick(b"precious")
        path = scene.spool.path(CABIN.id, "rx", name)
        put(scene.disk, path, scene.known[name])
        fails_once(scene.disk, monkeypatch, "open_read", path)
        assert scene.run().received == 1
