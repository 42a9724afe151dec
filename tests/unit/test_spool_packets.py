# SPDX-License-Identifier: GPL-3.0-or-later
"""The spool: commit, list, finish, lock, and what must not be taken for a packet."""

import errno
import os
import pathlib
import tracemalloc

import pytest

from muleteer.errors import SpoolError, SpoolFull, SpoolLocked, SpoolMissing
from muleteer.formats.ids import NodeId, PacketName
from muleteer.formats.magic import ENVELOPE
from muleteer.formats.mth import mth
from muleteer.spool.disk import RealDisk
from muleteer.spool.spool import Entry, Spool
from muleteer.testing.disk import FakeDisk
from muleteer.testing.disk_tree import Volume

VECTORS = pathlib.Path(__file__).parent.parent / "vectors" / "data"
ALICE = NodeId.parse("YN77TLTKCL2T5QVJVU4B5V3SM4QBL5IU4HEMDJE6WCP6GGTW4RPQ")
BOB = NodeId.parse("M2AS4STFTUVWJ2DAPLQLEXSQN2VHNYUYXX5UDUDG7ZGUDYWLLOPA")


def packet(nice=96, body=b"", sender=ALICE, recipient=BOB):
    return ENVELOPE + bytes((0, 0, 0, nice)) + sender + recipient + bytes(96) + body


def commit(spool, data, node=BOB, way="tx", **options):
    with spool.draft() as draft:
        draft.write(data)
        return spool.commit(draft, node, way, **options)


@pytest.fixture
def root(tmp_path):
    return str(tmp_path / "spool")


@pytest.fixture
def spool(root):
    os.mkdir(root)
    return Spool(root, RealDisk())


def listing(root):
    return sorted(os.path.relpath(os.path.join(at, name), root) for at, _, names in os.walk(root) for name in names)


def test_a_commit_leaves_what_the_reference_leaves(spool, root):
    data = packet(body=b"x" * 500)
    name = commit(spool, data, alias="bob")
    assert name == mth(data)
    assert listing(root) == [f"{BOB}/tx/{name}", f"{BOB}/tx/hdr/{name}"]
    assert os.readlink(f"{root}/bob") == f"{root}/{BOB}"
    assert pathlib.Path(f"{root}/{BOB}/tx/{name}").read_bytes() == data
    assert pathlib.Path(f"{root}/{BOB}/tx/hdr/{name}").read_bytes() == data[:172]


def test_without_headers_there_is_no_hdr(root):
    os.mkdir(root)
    name = commit(Spool(root, RealDisk(), headers=False), packet())
    assert listing(root) == [f"{BOB}/tx/{name}"]


@pytest.mark.parametrize("alias", ["tmp", "muleteer", "../out", f"{BOB}"])
def test_an_alias_takes_no_name_that_is_needed(spool, root, alias):
    commit(spool, packet(), alias=alias)
    assert [name for name in os.listdir(root) if os.path.islink(f"{root}/{name}")] == []


def test_entries_come_most_urgent_first(spool):
    packets = [packet(nice, bytes((n,))) for n, nice in enumerate((200, 32, 255, 96, 32))]
    for data in packets:
        commit(spool, data)
    found = spool.entries(BOB, "tx")
    assert [entry.nice for entry in found] == [32, 32, 96, 200, 255]
    assert found == sorted(found, key=lambda entry: (entry.nice, str(entry.name)))
    assert spool.tally(BOB, "tx") == {32: (2, 346), 96: (1, 173), 200: (1, 173), 255: (1, 173)}
    assert set(found) == {Entry(mth(data), data[11], len(data), ALICE, BOB) for data in packets}


def test_the_references_spools_are_listed():
    spool = Spool(str(VECTORS / "spool" / "alice-after-three-files"), RealDisk())
    assert [(str(e.name)[:4], e.nice, e.size) for e in spool.entries(BOB, "tx")] == [
        ("NREN", 101, 980),
        ("JO66", 102, 1480),
        ("7HMX", 103, 1980),
    ]
    assert {(entry.sender, entry.recipient) for entry in spool.entries(BOB, "tx")} == {(ALICE, BOB)}
    assert BOB in spool.nodes()
    assert len(spool.nodes()) == 4
    tossed = Spool(str(VECTORS / "spool" / "bob-after-toss-seen"), RealDisk())
    assert tossed.entries(ALICE, "rx") == []
    assert tossed.is_seen(ALICE, spool.entries(BOB, "tx")[0].name)
    assert not tossed.is_seen(ALICE, PacketName(bytes(32)))


def test_only_packets_are_listed(spool, root):
    name = commit(spool, packet(), way="rx")
    rx = f"{root}/{BOB}/rx"
    other = {kind: mth(kind.encode()) for kind in ("fifo", "directory", "link", "loop", "empty", "text", "old")}
    os.mkfifo(f"{rx}/{other['fifo']}")
    os.mkdir(f"{rx}/{other['directory']}")
    os.symlink(f"{rx}/{name}", f"{rx}/{other['link']}")
    os.symlink(str(other["loop"]), f"{rx}/{other['loop']}")
    for kind, data in (("empty", b""), ("text", b"x" * 500), ("old", packet().replace(ENVELOPE, b"NNCPE\0\0\x05"))):
        pathlib.Path(f"{rx}/{other[kind]}").write_bytes(data)
    for junk in ("x", "A" * 51 + "B", "a" * 52, "A" * 52 + ".part", "A" * 52 + ".nock"):
        pathlib.Path(f"{rx}/{junk}").write_bytes(packet())
    strange = []
    found = spool.entries(BOB, "rx", strange=lambda name, size: strange.append((name, size)))
    assert [entry.name for entry in found] == [name]
    assert sorted(strange) == sorted([(other["empty"], 0), (other["text"], 500), (other["old"], 172)])
    assert not any(spool.has(BOB, "rx", other[kind]) for kind in ("fifo", "directory", "link", "loop"))
    for kind in ("fifo", "directory", "link", "loop"):
        with pytest.raises(SpoolError):
            spool.open(BOB, "rx", other[kind])
    assert spool.parts(BOB) == [(PacketName(bytes(32)), 172)]
    assert spool.nocks(BOB) == [(PacketName(bytes(32)), 172)]


def test_a_niceness_above_255_is_no_packet(spool):
    name = commit(spool, packet().replace(b"\x06\0\0\0", b"\x06\0\1\0", 1))
    strange = []
    assert spool.entries(BOB, "tx", strange=lambda *args: strange.append(args)) == []
    assert strange == [(name, 172)]


def test_nothing_is_listed_where_nothing_is(spool, root):
    assert spool.nodes() == []
    assert spool.entries(BOB, "rx") == []
    assert spool.tally(BOB, "rx") == {}
    assert spool.parts(BOB) == []
    pathlib.Path(f"{root}/{BOB}").write_bytes(b"a file where a directory should be")
    assert spool.entries(BOB, "rx") == []
    assert spool.nodes() == []
    assert not spool.has(BOB, "rx", PacketName(bytes(32)))


def test_finish_marks_and_removes_and_may_be_repeated(spool, root):
    name = commit(spool, packet(), way="rx")
    spool.finish(BOB, "rx", name, seen=True)
    assert listing(root) == [f"{BOB}/rx/seen/{name}"]
    assert spool.is_seen(BOB, name)
    spool.finish(BOB, "rx", name, seen=True)
    spool.finish(ALICE, "tx", name)
    assert listing(root) == [f"{BOB}/rx/seen/{name}"]


def test_a_packet_is_read_back(spool):
    data = packet(body=b"body")
    name = commit(spool, data)
    with spool.open(BOB, "tx", name) as file:
        buffer = bytearray(500)
        assert file.size() == 176
        assert file.read_into(memoryview(buffer)) == 176
        assert buffer[:176] == data


def test_a_lock_is_held_by_one(spool, root):
    with spool.lock(BOB, "toss"):
        with pytest.raises(SpoolLocked, match=r"toss\.lock"):
            spool.lock(BOB, "toss")
        spool.lock(BOB, "tx").release()
        spool.lock(ALICE, "toss").release()
    with spool.lock(BOB, "toss"):
        assert os.path.isdir(f"{root}/{BOB}/rx")


def test_a_missing_spool_says_so(root):
    spool = Spool(root, RealDisk())
    with pytest.raises(SpoolMissing, match="No such file"):
        spool.check()
    with pytest.raises(SpoolMissing):
        spool.nodes()
    pathlib.Path(root).write_bytes(b"")
    with pytest.raises(SpoolMissing, match=r"[Nn]ot a directory"):
        spool.check()


def test_a_spool_behind_a_link_is_fine(tmp_path, spool, root):
    os.symlink(root, tmp_path / "link")
    Spool(f"{tmp_path}/link", RealDisk()).check()


def test_a_full_disk_says_so():
    spool = Spool("/spool", FakeDisk({"/spool": Volume(capacity=300)}))
    with pytest.raises(SpoolFull, match="100 free"), spool.draft() as draft:
        draft.write(bytes(400))
    with spool.draft() as draft:
        draft.write(bytes(200))


def test_errors_name_the_path_and_keep_their_cause():
    disk = FakeDisk({"/spool": Volume(read_only=True)})
    with pytest.raises(SpoolError, match=r"/spool/tmp.*Read-only") as failed:
        Spool("/spool", disk).draft()
    assert failed.value.__cause__.errno == errno.EROFS


def test_reading_errors_are_the_spools():
    disk = FakeDisk()
    disk.put(f"/spool/{BOB}/rx/{mth(packet())}", packet())
    spool = Spool("/spool", disk)
    with spool.open(BOB, "rx", mth(packet())) as file:
        disk.fail(len(disk.trace), errno.EIO)
        with pytest.raises(SpoolError, match="Input/output"):
            file.read_into(memoryview(bytearray(10)))


def test_a_batch_commits_as_a_group():
    disk = FakeDisk()
    disk.mkdir("/spool")
    spool = Spool("/spool", disk, headers=False)
    done = []
    with spool.batch() as batch:
        for number in range(130):
            with spool.draft() as draft:
                draft.write(packet(body=b"%d" % number))
                spool.commit(draft, BOB, "tx", batch=batch, then=lambda number=number: done.append(number))
        assert len(done) == 128
    assert done == list(range(130))
    assert len(spool.entries(BOB, "tx")) == 130
    assert [call.verb for call in disk.trace].count("fsync_dir") < 10


def test_entries_take_less_than_a_kilobyte_each():
    disk = FakeDisk()
    disk.mkdir("/spool")
    for number in range(300):
        data = packet(body=b"%d" % number)
        disk.put(f"/spool/{BOB}/tx/{mth(data)}", data)
    spool = Spool("/spool", disk)
    spool.entries(BOB, "tx")
    disk.trace.clear()
    disk.story.clear()
    tracemalloc.start()
    try:
        found = spool.entries(BOB, "tx")
        disk.trace.clear()
        disk.story.clear()
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found) == 300
    assert held / 300 < 400
    assert peak / 300 < 1024
