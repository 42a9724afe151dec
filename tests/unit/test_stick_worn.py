# SPDX-License-Identifier: GPL-3.0-or-later
"""Sticks that fail in places: everything good goes both ways, and what may be missing is said."""

from __future__ import annotations

import errno
import os

import pytest

from muleteer.carriers import stick_layout
from muleteer.carriers.stick_patience import ROW_MAX, SPREAD_AFTER, Patience, spread
from muleteer.carriers.stick_report import Hold
from muleteer.errors import RunnerFailed, RunnerReadOnly, SpoolError, SpoolMissing
from muleteer.spool.disk import FILE, UNKNOWN, DirEntry, RealDisk, ensure_dir
from muleteer.testing.disk_file import FakeFile
from muleteer.testing.sticks import CABIN, FARM, HOME, STICK, StickScene


@pytest.fixture
def scene():
    return StickScene()


def rx(scene):
    return {entry.name for entry in scene.spool.entries(CABIN.id, "rx")}


def failing(scene, monkeypatch, verb, fails, code=errno.EIO):
    """Let a verb fail for the paths that `fails` names."""
    real = getattr(scene.disk, verb)

    def act(path, *args, **options):
        if fails(path):
            raise OSError(code, os.strerror(code), path)
        return real(path, *args, **options)

    monkeypatch.setattr(scene.disk, verb, act)


class TestListing:
    def test_one_entry_that_cannot_be_looked_at_hid_those_after_it(self, tmp_path, monkeypatch):
        for name in "abc":
            (tmp_path / name).write_bytes(b"x")
        real = os.scandir

        class Entry:
            def __init__(self, inner):
                self.name, self.inner = inner.name, inner

            def stat(self, **options):
                if self.name == "b":
                    raise OSError(errno.EIO, "no", self.name)
                return self.inner.stat(**options)

        class Listing:
            def __init__(self, path):
                self.inner = real(path)

            def __enter__(self):
                return map(Entry, sorted(self.inner, key=lambda entry: entry.name))

            def __exit__(self, *_):
                self.inner.close()

        monkeypatch.setattr("muleteer.spool.disk.os.scandir", Listing)
        found = [(entry.name, entry.kind) for entry in RealDisk().scandir(str(tmp_path))]
        assert found == [("a", FILE), ("b", UNKNOWN), ("c", FILE)]

    def test_a_bad_entry_costs_one_packet_and_not_those_after_it(self, scene, monkeypatch):
        names = [scene.on_stick(bytes([n])) for n in range(4)]
        real = scene.disk.scandir

        def scandir(path):
            for entry in real(path):
                yield DirEntry(entry.name, UNKNOWN, 0, 0.0) if entry.name == str(names[0]) else entry

        monkeypatch.setattr(scene.disk, "scandir", scandir)
        result = scene.run()
        assert rx(scene) == set(names[1:])
        assert result.refusals.by_reason == {stick_layout.UNREADABLE: 1}

    def test_a_listing_that_broke_off_was_taken_for_whole(self, scene, monkeypatch):
        names = [scene.on_stick(bytes([n])) for n in range(3)]
        real = scene.disk.scandir

        def scandir(path):
            for number, entry in enumerate(real(path)):
                if path.startswith(STICK) and number == 2:
                    raise OSError(errno.EIO, "no", path)
                yield entry

        monkeypatch.setattr(scene.disk, "scandir", scandir)
        result = scene.run()
        assert len(rx(scene) & set(names)) == 2
        assert "cannot be listed to its end" in str(result.problems[0])
        assert not result.complete

    def test_an_endless_row_of_bad_entries_ends(self, scene, monkeypatch):
        scene.on_stick(b"x")
        real = scene.disk.scandir

        def scandir(path):
            if path != scene.stick_path(HOME, CABIN):
                yield from real(path)
                return
            for number in range(10_000):
                yield DirEntry(f"bad{number}", UNKNOWN, 0, 0.0)

        monkeypatch.setattr(scene.disk, "scandir", scandir)
        result = scene.run()
        assert result.refused == stick_layout.UNKNOWN_MAX
        assert not result.complete

    @pytest.mark.parametrize("place", [f"{STICK}/{HOME.id}", f"{STICK}/NNCP"])
    def test_a_failed_look_at_our_own_directory_made_the_stick_foreign(self, scene, monkeypatch, place):
        scene.on_stick(b"in", base=place.removeprefix(STICK).strip("/") if place.endswith("NNCP") else "")
        failing(scene, monkeypatch, "stat", lambda path: path == place)
        before = scene.disk.image()
        result = scene.run()
        assert not result.foreign
        assert not result.complete
        assert [type(problem) for problem in result.problems] == [RunnerFailed]
        assert {path: what for path, what in scene.disk.image().items() if path.startswith(STICK)} == {
            path: what for path, what in before.items() if path.startswith(STICK)
        }


class TestPatience:
    @pytest.mark.parametrize("bad", [17, 100])
    @pytest.mark.parametrize("first", [True, False], ids=["listed first", "among them"])
    @pytest.mark.parametrize("where", ["header", "body"])
    def test_seventeen_unreadable_files_locked_out_all_good_mail(self, scene, monkeypatch, bad, first, where):
        spoilt = {str(scene.on_stick(b"bad%d" % n, nice=5)) for n in range(bad)}
        good = {scene.on_stick(b"good%d" % n, nice=200) for n in range(bad // 4)}
        real, scandir = FakeFile.read_into, scene.disk.scandir

        def read_into(file, view):
            name = file._path.rpartition("/")[2]
            if file._path.startswith(STICK) and name in spoilt and (where == "header" or len(view) > 172):
                raise OSError(errno.EIO, "no", file._path)
            return real(file, view)

        monkeypatch.setattr(FakeFile, "read_into", read_into)
        if first:
            monkeypatch.setattr(
                scene.disk, "scandir", lambda path: iter(sorted(scandir(path), key=lambda e: e.name not in spoilt))
            )
        scene.run()
        assert rx(scene) == good

    def test_a_stick_that_only_fails_is_not_tried_for_ever(self, scene, monkeypatch):
        for number in range(200):
            scene.on_stick(b"%d" % number)
        asked = []
        failing(scene, monkeypatch, "open_read", lambda path: path.startswith(STICK) and not asked.append(path))
        result = scene.run()
        assert len(asked) == ROW_MAX
        assert [type(problem) for problem in result.problems] == [RunnerFailed]
        assert not result.complete

    def test_old_unreadable_mail_locked_out_what_we_send(self, scene, monkeypatch):
        for number in range(40):
            scene.on_stick(b"%d" % number)
        scene.queue(b"out")
        failing(scene, monkeypatch, "open_read", lambda path: path.startswith(scene.stick_path(HOME, CABIN)))
        assert scene.run().sent == 1

    def test_what_was_not_tried_is_said(self, scene, monkeypatch):
        good = scene.on_stick(b"x", base="NNCP")
        for number in range(200):
            scene.on_stick(b"%d" % number)
        failing(scene, monkeypatch, "open_read", lambda path: path.startswith(f"{STICK}/{HOME.id}"))
        result = scene.run()
        assert rx(scene) == {good}
        assert result.refusals.by_reason == {
            stick_layout.UNREADABLE: ROW_MAX,
            stick_layout.NOT_TRIED: 200 - ROW_MAX,
        }
        assert not result.complete

    @pytest.mark.parametrize("count", [0, 1, 2, 7, 100, 1024])
    def test_spreading_leaves_none_out(self, count):
        assert sorted(spread(count, 12345)) == list(range(count))

    def test_order_is_kept_while_it_works(self):
        patience = Patience(range(100))
        for item, expected in zip(patience, range(100), strict=True):
            assert item == expected
            patience.worked()

    def test_the_good_end_the_count(self):
        patience = Patience(range(1000), 7)
        tried = 0
        for item in patience:
            tried += 1
            patience.worked() if item % 8 == 0 else patience.failed()
        assert tried == 1000
        assert SPREAD_AFTER < ROW_MAX


class TestSending:
    def test_one_unreadable_packet_of_ours_ended_the_whole_sending_half(self, scene, monkeypatch):
        scene.lay_out(CABIN, FARM)
        bad, beside = scene.queue(b"bad", nice=1), scene.queue(b"beside", nice=2)
        farm = scene.queue(b"ok", recipient=FARM)
        place, real = scene.spool.path(CABIN.id, "tx", bad), FakeFile.read_into

        def read_into(file, view):
            if file._path == place:
                raise OSError(errno.EIO, "no", place)
            return real(file, view)

        monkeypatch.setattr(FakeFile, "read_into", read_into)
        result = scene.run()
        assert [(held.name, held.hold) for held in result.held] == [(bad, Hold.UNREADABLE)]
        assert [type(problem) for problem in result.problems] == [SpoolError]
        assert scene.names_on_stick(CABIN) == [str(beside)]
        assert scene.names_on_stick(FARM) == [str(farm)]

    def test_one_neighbours_queue_that_cannot_be_read_ended_it_for_all(self, scene, monkeypatch):
        scene.lay_out(CABIN, FARM)
        scene.queue(b"bad")
        farm = scene.queue(b"ok", recipient=FARM)
        failing(scene, monkeypatch, "heads", lambda path: str(CABIN.id) in path)
        result = scene.run()
        assert [type(problem) for problem in result.problems] == [SpoolError]
        assert scene.names_on_stick(FARM) == [str(farm)]

    def test_a_spool_that_is_not_there_is_not_taken_for_a_bad_packet(self, scene, monkeypatch):
        scene.lay_out(CABIN)
        scene.queue(b"out")
        root = scene.spool.layout.root
        failing(scene, monkeypatch, "open_read", lambda path: path.startswith(root), errno.ENOENT)
        failing(scene, monkeypatch, "stat", lambda path: path == f"{root}/.", errno.ENOENT)
        with pytest.raises(SpoolMissing):
            scene.run()

    def test_a_full_directory_blocked_all_other_neighbours(self, scene, monkeypatch):
        scene.lay_out(CABIN, FARM)
        cabin, farm = scene.queue(b"a", nice=1), scene.queue(b"bb", nice=2, recipient=FARM)
        failing(scene, monkeypatch, "create", lambda path: path.startswith(scene.stick_path(CABIN)), errno.ENOSPC)
        result = scene.run()
        assert {held.name: held.hold for held in result.held} == {cabin: Hold.NO_ROOM}
        assert scene.names_on_stick(FARM) == [str(farm)]

    def test_a_root_that_takes_no_more_directories_blocked_those_that_have_one(self, scene, monkeypatch):
        scene.lay_out(FARM)
        cabin, farm = scene.queue(b"a", nice=1), scene.queue(b"bb", nice=2, recipient=FARM)
        failing(scene, monkeypatch, "mkdir", lambda path: path == f"{STICK}/{CABIN.id}", errno.ENOSPC)
        result = scene.run()
        assert {held.name: held.hold for held in result.held} == {cabin: Hold.NO_ROOM}
        assert scene.names_on_stick(FARM) == [str(farm)]

    def test_a_directory_that_cannot_be_made_used_up_the_patience_for_all(self, scene, monkeypatch):
        scene.lay_out(FARM)
        for number in range(40):
            scene.queue(b"%d" % number, nice=1)
        farm = scene.queue(b"farm", nice=9, recipient=FARM)
        failing(scene, monkeypatch, "mkdir", lambda path: path == f"{STICK}/{CABIN.id}")
        assert scene.run().waiting == 40
        assert scene.names_on_stick(FARM) == [str(farm)]

    def test_directories_with_the_names_of_our_packets_gave_up_the_stick(self, scene):
        scene.lay_out(CABIN, FARM)
        names = [scene.queue(b"p%d" % n, nice=1) for n in range(20)]
        farm = scene.queue(b"farm", nice=9, recipient=FARM)
        for name in names:
            ensure_dir(scene.disk, f"{scene.stick_path(CABIN)}/{name}")
        result = scene.run()
        assert {held.name: held.hold for held in result.held} == dict.fromkeys(names, Hold.BLOCKED)
        assert scene.names_on_stick(FARM) == [str(farm)]


class TestSyncing:
    def test_a_failed_last_sync_was_swallowed(self, scene, monkeypatch):
        scene.on_stick(b"in")
        failing(scene, monkeypatch, "fsync_dir", lambda path: path.startswith(STICK))
        result = scene.run()
        assert not result.complete
        assert {type(problem) for problem in result.problems} == {RunnerFailed}
        assert "cannot be synced" in str(result.problems[0])

    def test_a_sync_that_failed_once_is_not_believed_at_the_end(self, scene, monkeypatch):
        scene.lay_out(CABIN)
        scene.queue(b"out")
        calls = []
        failing(scene, monkeypatch, "fsync_dir", lambda path: path == STICK and not calls and not calls.append(path))
        result = scene.run()
        assert not result.complete
        assert any("could not be synced" in str(problem) for problem in result.problems)


def test_a_stick_that_turned_read_only_in_the_sync_of_a_group_was_called_safe_without_a_word(scene, monkeypatch):
    scene.lay_out(CABIN)
    for number in range(5):
        scene.queue(bytes([number]))
    failing(scene, monkeypatch, "fsync_dir", lambda path: path == scene.stick_path(), errno.EROFS)
    result = scene.run()
    assert [type(problem) for problem in result.problems] == [RunnerReadOnly]
    assert result.sent == 0
    assert {held.hold for held in result.held} == {Hold.READ_ONLY}
