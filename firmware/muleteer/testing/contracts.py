# SPDX-License-Identifier: GPL-3.0-or-later
"""What every disk must do, as a suite: the real one and the fake pass the same tests.

A test module subclasses :class:`DiskContract` and gives the fixtures ``disk`` and ``root`` (an empty directory on it);
``links`` says whether the file system has hard and symbolic links.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from muleteer.spool.disk import DIRECTORY, FILE, LINK, ensure_dir, read_whole

if TYPE_CHECKING:
    from muleteer.spool.port import Disk


def _write(disk: Disk, path: str, data: bytes) -> None:
    with disk.create(path) as file:
        file.write(data)


class DiskContract:
    """The suite."""

    links = True

    def test_what_is_written_is_read_back(self, disk: Disk, root: str) -> None:
        """Bytes, sizes and positions."""
        with disk.create(f"{root}/a") as file:
            file.write(b"hello ")
            file.write(memoryview(b"world"))
            file.drop_cache()
            file.fsync()
            assert file.size() == 11
            assert file.names() == 1
        with disk.open_read(f"{root}/a") as file:
            buffer = bytearray(8)
            assert file.read_into(memoryview(buffer)) == 8
            assert bytes(buffer) == b"hello wo"
            assert file.read_into(memoryview(buffer)) == 3
            assert file.read_into(memoryview(buffer)) == 0
            file.seek(6)
            assert file.read_into(memoryview(buffer)) == 5
            assert bytes(buffer[:5]) == b"world"
            file.close()
            file.close()
        assert read_whole(disk, f"{root}/a", 100) == b"hello world"
        assert read_whole(disk, f"{root}/a", 5) == b"hello"

    def test_create_never_takes_what_is_there(self, disk: Disk, root: str) -> None:
        """O_EXCL."""
        _write(disk, f"{root}/a", b"1")
        with pytest.raises(FileExistsError):
            disk.create(f"{root}/a")
        assert read_whole(disk, f"{root}/a", 9) == b"1"

    def test_append_creates_and_continues(self, disk: Disk, root: str) -> None:
        """O_APPEND."""
        for part in (b"one", b"two"):
            with disk.append(f"{root}/log") as file:
                file.write(part)
        assert read_whole(disk, f"{root}/log", 99) == b"onetwo"

    def test_rename_replaces(self, disk: Disk, root: str) -> None:
        """The old name is gone, the new one has the new bytes."""
        _write(disk, f"{root}/a", b"new")
        _write(disk, f"{root}/b", b"old")
        disk.rename(f"{root}/a", f"{root}/b")
        assert disk.listdir(root) == ["b"]
        assert read_whole(disk, f"{root}/b", 9) == b"new"
        with pytest.raises(FileNotFoundError):
            disk.rename(f"{root}/a", f"{root}/b")

    def test_rename_moves_an_open_file(self, disk: Disk, root: str) -> None:
        """A descriptor follows its file, not its name."""
        disk.mkdir(f"{root}/d")
        with disk.create(f"{root}/a") as file:
            disk.rename(f"{root}/a", f"{root}/d/b")
            file.write(b"later")
        assert read_whole(disk, f"{root}/d/b", 9) == b"later"

    def test_publish_never_replaces(self, disk: Disk, root: str) -> None:
        """The loser keeps its draft."""
        _write(disk, f"{root}/draft", b"new")
        _write(disk, f"{root}/name", b"old")
        with pytest.raises(FileExistsError):
            disk.publish(f"{root}/draft", f"{root}/name")
        assert read_whole(disk, f"{root}/name", 9) == b"old"
        disk.publish(f"{root}/draft", f"{root}/name.0")
        assert sorted(disk.listdir(root)) == ["name", "name.0"]
        assert read_whole(disk, f"{root}/name.0", 9) == b"new"
        with pytest.raises(FileNotFoundError):
            disk.publish(f"{root}/draft", f"{root}/name.1")

    def test_unlink_removes_a_name_not_an_open_file(self, disk: Disk, root: str) -> None:
        """An open file outlives its name."""
        with disk.create(f"{root}/a") as file:
            disk.unlink(f"{root}/a")
            assert file.names() == 0
            file.write(b"still")
            assert file.size() == 5
        assert disk.listdir(root) == []
        with pytest.raises(FileNotFoundError):
            disk.unlink(f"{root}/a")
        disk.mkdir(f"{root}/d")
        with pytest.raises(IsADirectoryError):
            disk.unlink(f"{root}/d")

    def test_directories(self, disk: Disk, root: str) -> None:
        """Make, sync, list, remove."""
        disk.mkdir(f"{root}/d")
        with pytest.raises(FileExistsError):
            disk.mkdir(f"{root}/d")
        with pytest.raises(FileNotFoundError):
            disk.mkdir(f"{root}/no/d")
        _write(disk, f"{root}/d/a", b"1")
        disk.fsync_dir(f"{root}/d")
        with pytest.raises(OSError, match="not empty") as full:
            disk.rmdir(f"{root}/d")
        assert full.value.errno == errno.ENOTEMPTY
        disk.unlink(f"{root}/d/a")
        disk.rmdir(f"{root}/d")
        with pytest.raises(FileNotFoundError):
            disk.listdir(f"{root}/d")
        with pytest.raises(FileNotFoundError):
            list(disk.scandir(f"{root}/d"))

    def test_ensure_dir_makes_parents_and_may_be_repeated(self, disk: Disk, root: str) -> None:
        """All missing parts."""
        ensure_dir(disk, f"{root}/a/b/c")
        ensure_dir(disk, f"{root}/a/b/c")
        assert disk.stat(f"{root}/a/b/c").is_dir

    def test_a_file_is_no_directory(self, disk: Disk, root: str) -> None:
        """ENOTDIR wherever a file stands in a path."""
        _write(disk, f"{root}/a", b"1")
        for act in (disk.listdir, disk.stat, disk.mkdir, disk.create, disk.open_read):
            with pytest.raises(NotADirectoryError):
                act(f"{root}/a/b" if act != disk.listdir else f"{root}/a")

    def test_scandir_and_stat_agree(self, disk: Disk, root: str) -> None:
        """Kind, size, time."""
        _write(disk, f"{root}/a", b"123")
        disk.mkdir(f"{root}/d")
        found = {entry.name: entry for entry in disk.scandir(root)}
        assert {name: entry.kind for name, entry in found.items()} == {"a": FILE, "d": DIRECTORY}
        assert found["a"].size == 3
        assert found["a"] == disk.stat(f"{root}/a")
        assert found["a"].mtime > 1_000_000_000
        assert found["d"].is_dir
        assert found["a"].is_file

    def test_only_regular_files_are_opened(self, disk: Disk, root: str) -> None:
        """A directory is an error."""
        disk.mkdir(f"{root}/d")
        with pytest.raises(IsADirectoryError):
            disk.open_read(f"{root}/d")
        with pytest.raises(FileNotFoundError):
            disk.open_read(f"{root}/none")

    def test_links_are_followed_only_on_request(self, disk: Disk, root: str) -> None:
        """ELOOP otherwise; FAT has no links at all."""
        _write(disk, f"{root}/a", b"target")
        if not self.links:
            with pytest.raises(PermissionError):
                disk.symlink("a", f"{root}/l")
            return
        disk.symlink("a", f"{root}/l")
        disk.symlink("me", f"{root}/me")
        assert disk.stat(f"{root}/l").kind == LINK
        for name in ("l", "me"):
            with pytest.raises(OSError, match="ymbolic links") as refused:
                disk.open_read(f"{root}/{name}")
            assert refused.value.errno == errno.ELOOP
        with pytest.raises(OSError, match="ymbolic links") as endless:
            disk.open_read(f"{root}/me", follow=True)
        assert endless.value.errno == errno.ELOOP
        with disk.open_read(f"{root}/l", follow=True) as file:
            assert file.size() == 6
        with pytest.raises(FileExistsError):
            disk.symlink("b", f"{root}/l")

    def test_heads_skips_what_is_no_file(self, disk: Disk, root: str) -> None:
        """Sizes and first bytes of the files among the names."""
        _write(disk, f"{root}/long", b"0123456789")
        _write(disk, f"{root}/short", b"01")
        disk.mkdir(f"{root}/d")
        names = ["long", "none", "d", "short"]
        if self.links:
            disk.symlink("long", f"{root}/l")
            names.append("l")
        assert list(disk.heads(root, names, 4)) == [("long", 10, b"0123"), ("short", 2, b"01")]
        with pytest.raises(FileNotFoundError):
            list(disk.heads(f"{root}/none", [], 4))

    def test_a_lock_excludes_until_released(self, disk: Disk, root: str) -> None:
        """Also within one process; the file stays."""
        path = f"{root}/toss.lock"
        with disk.lock(path), pytest.raises(BlockingIOError):
            disk.lock(path)
        held = disk.lock(path, wait=True)
        held.release()
        held.release()
        with disk.lock(path):
            pass
        assert disk.listdir(root) == ["toss.lock"]

    def test_a_file_is_locked_by_its_first_owner(self, disk: Disk, root: str) -> None:
        """What tells a draft at work from one left over."""
        with disk.create(f"{root}/draft") as mine:
            assert mine.try_lock()
            with disk.open_read(f"{root}/draft") as other:
                assert not other.try_lock()
        with disk.open_read(f"{root}/draft") as later:
            assert later.try_lock()

    def test_room_and_serials(self, disk: Disk, root: str) -> None:
        """Free bytes are a number; serials do not repeat."""
        assert disk.free_bytes(root) > 0
        serials = {disk.unique() for _ in range(100)}
        assert len(serials) == 100
        assert {len(serial) for serial in serials} == {32}
        assert not "".join(serials).strip("0123456789abcdef")

    def test_names_that_are_not_utf8(self, disk: Disk, root: str) -> None:
        """Names made by strangers come as surrogates."""
        name = b"\xff\xfe".decode("utf-8", "surrogateescape")
        _write(disk, f"{root}/{name}", b"1")
        assert disk.listdir(root) == [name]
        assert disk.stat(f"{root}/{name}").size == 1
