# SPDX-License-Identifier: GPL-3.0-or-later
"""The real disk, the real disk without hard links, and the fake in both personalities keep one contract."""

import errno
import os

import pytest

from muleteer.spool.disk import OTHER, RealDisk
from muleteer.testing.contracts import DiskContract
from muleteer.testing.disk import FakeDisk
from muleteer.testing.disk_tree import FAT, Volume


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
        monkeypatch.setattr(os, "fsync", pytest.fail)
        return RealDisk(sync=False)


class TestRealDiskWithoutHardLinks(TestRealDisk):
    """As on FAT and exFAT: publish falls back to renameat2."""

    @pytest.fixture
    def disk(self, monkeypatch):
        def refuse(*_args, **_options):
            raise PermissionError(errno.EPERM, "no hard links here")

        monkeypatch.setattr(os, "link", refuse)
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
