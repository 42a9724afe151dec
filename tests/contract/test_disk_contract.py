# SPDX-License-Identifier: GPL-3.0-or-later
"""The real disk, the real disk without hard links, and the fake in both personalities keep one contract."""

import errno
import os
import posix

import pytest

from muleteer.spool.disk import OTHER, RealDisk, read_whole
from muleteer.testing.contracts import DiskContract
from muleteer.testing.disk import FakeDisk
from muleteer.testing.disk_tree import FAT, Volume
from muleteer.testing.survivors import survivors


class TestRealDisk(DiskContract):
    @pytest.fixture
    def disk(self):
        return RealDisk()

    @pytest.fixture
    def root(self, tmp_path):
        return str(tmp_path)

    def test_a_fifo_neither_hangs_nor_passes_for_a_file(self, disk, root):
        os.mkfifo(f"{root}/fifo")
        with pytest.raises(OSError, match="not a regular file"):
            disk.open_read(f"{root}/fifo")
        assert list(disk.heads(root, ["fifo"], 10)) == []
        assert disk.stat(f"{root}/fifo").kind == OTHER

    def test_open_files_are_in_use(self, disk, root):
        with disk.create(f"{root}/open"):
            disk.create(f"{root}/shut").close()
            assert disk.in_use([f"{root}/open", f"{root}/shut"]) == {f"{root}/open"}

    def test_modes_are_the_references_less_umask(self, disk, root):
        before = os.umask(0o027)
        try:
            disk.create(f"{root}/f").close()
            disk.mkdir(f"{root}/d")
            disk.lock(f"{root}/l").release()
        finally:
            os.umask(before)
        modes = {name: os.stat(f"{root}/{name}").st_mode & 0o777 for name in "fdl"}
        assert modes == {"f": 0o640, "d": 0o750, "l": 0o640}


class TestRealDiskWithoutSync(TestRealDisk):
    """NNCPNOSYNC."""

    @pytest.fixture
    def disk(self, monkeypatch):
        monkeypatch.setattr(posix, "fsync", pytest.fail)
        return RealDisk(sync=False)


class TestRealDiskWithoutHardLinks(TestRealDisk):
    """As on FAT and exFAT: publish falls back to renameat2."""

    @pytest.fixture
    def disk(self, monkeypatch):
        def refuse(*_args, **_options):
            raise PermissionError(errno.EPERM, "no hard links here")

        monkeypatch.setattr(posix, "link", refuse)
        return RealDisk()


class TestFakeJournalled(DiskContract):
    @pytest.fixture
    def disk(self):
        disk = FakeDisk()
        disk.mkdir("/root")
        return disk

    @pytest.fixture
    def root(self):
        return "/root"

    def test_a_fifo_is_no_file(self, disk, root):
        disk.put(f"{root}/fifo", None)
        with pytest.raises(OSError, match="Invalid"):
            disk.open_read(f"{root}/fifo")
        assert list(disk.heads(root, ["fifo"], 10)) == []
        assert disk.stat(f"{root}/fifo").kind == OTHER


class TestFakeFat(TestFakeJournalled):
    links = False

    @pytest.fixture
    def disk(self):
        return FakeDisk({"/stick": Volume(FAT)})

    @pytest.fixture
    def root(self):
        return "/stick"

    def test_a_full_volume_says_so(self):
        disk = FakeDisk({"/stick": Volume(FAT, capacity=10)})
        with disk.create("/stick/a") as file:
            file.write(b"12345")
            assert disk.free_bytes("/stick") == 5
            with pytest.raises(OSError, match="No space"):
                file.write(b"123456")

    def test_volumes_are_apart(self):
        disk = FakeDisk({"/stick": Volume(FAT)})
        disk.create("/stick/a").close()
        with pytest.raises(OSError, match="cross-device"):
            disk.rename("/stick/a", "/a")
        with pytest.raises(OSError, match="cross-device"):
            disk.publish("/stick/a", "/a")

    def test_a_read_only_volume_refuses_every_change(self):
        disk = FakeDisk({"/stick": Volume(FAT)})
        disk.create("/stick/a").close()
        disk.volumes["/stick"].read_only = True
        for act in (disk.unlink, disk.mkdir, disk.append, disk.lock):
            with pytest.raises(OSError, match="Read-only"):
                act("/stick/a")
        assert disk.listdir("/stick") == ["a"]


class TestFakeFailures:
    """What the fake does beyond the contract, so that flows can be judged by it."""

    @pytest.fixture
    def disk(self):
        disk = FakeDisk({"/stick": Volume(FAT)})
        disk.put("/stick/a", b"1234")
        return disk

    @staticmethod
    def after_a_cut(disk):
        return [disk.reborn(inodes).image() for inodes in survivors(disk, len(disk.journal), limit=50, seed=1)]

    @pytest.mark.parametrize("root", ["", "/stick"])
    def test_a_failed_sync_of_a_directory_is_told_once(self, disk, root):
        """And what it was about may be missing for ever, unlike what is named after it."""
        disk.create(f"{root}/lost").close()
        disk.fail(len(disk.trace), errno.EIO)
        with pytest.raises(OSError, match="Input/output"):
            disk.fsync_dir(root or "/")
        disk.create(f"{root}/kept").close()
        disk.fsync_dir(root or "/")
        found = self.after_a_cut(disk)
        assert all(f"{root}/kept" in image for image in found)
        assert {f"{root}/lost" in image for image in found} == {False, True}

    def test_a_failed_sync_of_a_file_is_told_once(self, disk):
        with disk.append("/stick/a") as file:
            file.write(b"lost")
            disk.fail(len(disk.trace), errno.EIO)
            with pytest.raises(OSError, match="Input/output"):
                file.fsync()
            file.fsync()
            file.write(b"kept")
            file.fsync()
        found = {image["/stick/a"] for image in self.after_a_cut(disk)}
        assert found == {b"1234lostkept", b"1234\0\0\0\0kept", b"1234lo\0\0kept"}

    def test_a_medium_that_lies_is_found_out_without_the_cache(self, disk):
        disk.lies.add("b")
        with disk.create("/stick/b") as file:
            file.write(b"5678")
            file.drop_cache()
            assert read_whole(disk, "/stick/b", 9) == b"5678"
            file.fsync()
            assert read_whole(disk, "/stick/b", 9) == b"5678"
            file.drop_cache()
        assert read_whole(disk, "/stick/b", 9) == bytes(4)

    def test_a_pulled_volume_takes_its_mount_point_along(self, disk):
        file = disk.open_read("/stick/a")
        disk.pull(len(disk.trace), "/stick")
        with pytest.raises(FileNotFoundError):
            disk.create("/stick/b")
        with pytest.raises(OSError, match="No such device"):
            file.read_into(memoryview(bytearray(4)))
        assert disk.image() == {}
        disk.mkdir("/stick")
        assert disk.image() == {"/stick": None}

    def test_the_story_has_what_cannot_fail(self, disk):
        with disk.lock("/lock"), disk.open_read("/stick/a") as file:
            file.drop_cache()
        assert [call.verb for call in disk.story] == ["lock", "open", "drop_cache", "unlock"]
        assert [call.verb for call in disk.trace] == ["lock", "open"]

    def test_a_restart_of_the_program_ends_its_locks(self, disk):
        disk.lock("/lock")
        disk.restart()
        with disk.lock("/lock"):
            pass
