# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloads in pieces: resumed, hashed on the way, checked, made durable, thrown away."""

import errno

import pytest

from muleteer.carriers.downloads import PARTS_MAX, Downloads, Incoming
from muleteer.errors import SpoolError
from muleteer.formats.ids import NodeId
from muleteer.formats.mth import mth
from muleteer.spool.checker import Checker
from muleteer.spool.disk import RealDisk
from muleteer.spool.layout import NOCK, RX
from muleteer.spool.part import Part
from muleteer.spool.spool import Spool
from muleteer.testing.disk import FakeDisk
from muleteer.testing.disk_tree import Volume
from muleteer.testing.exchanges import packet
from muleteer.testing.rituals import unsynced

NODE = NodeId(bytes(range(32)))
DATA = packet(1, 400_000)
NAME = mth(DATA)


@pytest.fixture
def disk():
    return FakeDisk({"/spool": Volume()})


@pytest.fixture
def spool(disk):
    return Spool("/spool", disk)


def path_of(spool, suffix=".part"):
    return f"{spool.path(NODE, RX, NAME)}{suffix}"


def write(part, data, piece=65_232):
    for at in range(0, len(data), piece):
        part.write(data[at : at + piece])


@pytest.mark.parametrize("offset", [0, 1, 100, 172, 131_072, 131_073, 399_999, 400_000])
@pytest.mark.parametrize("thread_bytes", [1 << 62, 70_000])
def test_a_download_is_resumed_anywhere(tmp_path, offset, thread_bytes):
    spool = Spool(str(tmp_path), RealDisk())
    if offset:
        first = Part(spool, NODE, NAME, len(DATA), thread_bytes=thread_bytes).open()
        write(first, DATA[:offset])
        first.put_away()
        assert spool.parts(NODE) == [(NAME, offset)]
    part = Part(spool, NODE, NAME, len(DATA), offset, thread_bytes=thread_bytes).open()
    write(part, DATA[offset:], 33_333)
    assert part.check() is True
    assert spool.commit(part, NODE, RX) == NAME
    with open(spool.path(NODE, RX, NAME), "rb") as file:
        assert file.read() == DATA
    with open(f"{spool.layout.headers(NODE, RX)}/{NAME}", "rb") as file:
        assert file.read() == DATA[:172]
    assert spool.parts(NODE) == []


def test_what_was_downloaded_in_one_go_is_not_read_back(disk, spool):
    part = Part(spool, NODE, NAME, len(DATA)).open()
    write(part, DATA)
    assert part.check()
    spool.commit(part, NODE, RX)
    assert not [call for call in disk.trace if call.verb == "read"]


@pytest.mark.parametrize("sync", [True, False], ids=["by the check", "by the batch"])
def test_its_bytes_are_durable_before_its_name_and_that_before_it_is_promised(disk, spool, sync):
    spool.lock(NODE, RX).release()
    disk.settle()
    part = Part(spool, NODE, NAME, len(DATA)).open()
    write(part, DATA)
    assert part.check(sync=sync)
    promised = []
    with spool.batch() as batch:
        spool.commit(part, NODE, RX, batch=batch, then=lambda: promised.append(unsynced(disk)))
    verbs = [call.verb for call in disk.trace if call.verb in ("fsync", "rename", "fsync_dir")]
    assert verbs[:3] == ["fsync", "rename", "fsync_dir"]
    assert spool.layout.way(NODE, RX) not in promised[0]


@pytest.mark.parametrize("damage", ["shorter", "longer", "other bytes", "gone", "replaced"])
def test_what_somebody_did_to_it_is_noticed(disk, spool, damage):
    disk.put(path_of(spool), DATA[:1000])
    part = Part(spool, NODE, NAME, len(DATA), 1000).open()
    file = disk.inodes[disk.find(path_of(spool))]
    if damage == "other bytes":
        file.data[5:6] = b"?"
    write(part, DATA[1000:])
    if damage == "shorter":
        del file.data[-1:]
    elif damage == "longer":
        file.data.extend(b"?")
    elif damage == "gone":
        disk.unlink(path_of(spool))
    elif damage == "replaced":
        disk.unlink(path_of(spool))
        disk.put(path_of(spool), bytes(len(DATA)))
    assert part.check() is False
    part.discard()
    assert path_of(spool) not in disk.image()


def test_a_beginning_that_is_gone_is_noticed(disk, spool):
    part = Part(spool, NODE, NAME, len(DATA), 1000)
    spool.lock(NODE, RX).release()
    part.open()  # creates it
    write(part, DATA[1000:])
    assert part.check() is False


def test_a_new_download_does_not_go_on_with_an_old_one(disk, spool):
    disk.put(path_of(spool), b"old")
    part = Part(spool, NODE, NAME, len(DATA)).open()
    write(part, DATA)
    assert part.check() is True


@pytest.mark.parametrize("sync", [True, False], ids=["by the check", "by the batch"])
@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_bytes_whose_sync_failed_are_thrown_away(disk, spool, code, sync):
    part = Part(spool, NODE, NAME, len(DATA)).open()
    write(part, DATA)
    if sync:
        disk.fail(len(disk.trace) + 1, code)
        with pytest.raises(SpoolError):
            part.check()
    else:
        assert part.check(sync=False)
        disk.fail(len(disk.trace), code)
        with pytest.raises(SpoolError):
            spool.commit(part, NODE, RX)
    assert ("fsync", path_of(spool)) in [(call.verb, call.path) for call in disk.trace]
    assert path_of(spool) not in disk.image()


def test_what_was_not_checked_gets_no_name(spool):
    part = Part(spool, NODE, NAME, len(DATA)).open()
    write(part, DATA)
    with pytest.raises(ValueError, match="not been checked"):
        spool.commit(part, NODE, RX)
    assert not spool.has(NODE, RX, NAME)


def test_a_check_of_an_old_download_can_be_stopped_and_loses_nothing(disk, spool):
    disk.put(path_of(spool), DATA)
    part = Part(spool, NODE, NAME, len(DATA), len(DATA)).open()
    assert part.check(lambda: True) is None
    part.put_away()
    assert spool.parts(NODE) == [(NAME, len(DATA))]


def test_it_may_be_set_aside_unchecked(disk, spool):
    part = Part(spool, NODE, NAME, len(DATA)).open()
    write(part, DATA)
    part.set_aside()
    assert spool.nocks(NODE) == [(NAME, len(DATA))]
    assert spool.layout.way(NODE, RX) not in unsynced(disk)
    old = Part(spool, NODE, NAME, len(DATA), len(DATA), suffix=NOCK).open()
    assert old.check() is True
    spool.commit(old, NODE, RX)
    assert spool.nocks(NODE) == []
    assert spool.has(NODE, RX, NAME)


# ---------------------------------------------------------------------------------------------- many at once


def test_few_files_are_open_however_a_peer_spreads_its_bytes(disk, spool):
    packets = {mth(data): data for data in (packet(number, 3_000) for number in range(3 * PARTS_MAX))}
    downloads = Downloads(spool, NODE, 1 << 62)
    incoming = {name: Incoming(name, 1, len(data)) for name, data in packets.items()}
    for at in range(0, 3_000, 500):
        for name, data in packets.items():
            downloads.write(incoming[name], at, memoryview(data)[at : at + 500])
            incoming[name].received = at + 500
            assert len(downloads._open) <= PARTS_MAX
    for name in packets:
        part = downloads.take(incoming[name])
        assert part.check() is True
        spool.commit(part, NODE, RX)
    assert {entry.name for entry in spool.entries(NODE, RX)} == set(packets)


def test_all_are_put_away_also_when_the_disk_fails(disk, spool):
    downloads = Downloads(spool, NODE, 100)
    for number in range(3):
        data = packet(number, 3_000)
        downloads.write(Incoming(mth(data), 1, 3_000), 0, memoryview(data)[:2_000])
    disk.fail(0, errno.EIO, sticky=True)
    downloads.put_all_away()
    disk.heal()
    assert not downloads._open
    assert len(spool.parts(NODE)) == 3


# ---------------------------------------------------------------------------------------------- checks


@pytest.mark.parametrize("beside", [False, True])
def test_a_checker_tells_what_its_jobs_found(beside):
    checker = Checker()
    for key, verdict in enumerate((True, False, None)):
        checker.submit(key, lambda _stop, verdict=verdict: verdict, beside=beside)
    assert checker.waiting == 3
    checker.finish(lambda: False)
    assert checker.take_outcomes() == [(0, True), (1, False), (2, None)]
    assert checker.waiting == 0
    checker.finish(lambda: False)


@pytest.mark.parametrize("beside", [False, True])
def test_what_a_job_raises_comes_out_when_it_is_its_turn(beside):
    def fail(_stop):
        raise SpoolError(path="x", problem="broken")

    checker = Checker()
    checker.submit(1, lambda _stop: True, beside=beside)
    checker.submit(2, fail, beside=beside)
    checker.submit(3, lambda _stop: False, beside=beside)
    checker.finish(lambda: False)
    assert checker.take_outcomes() == [(1, True)]
    with pytest.raises(SpoolError):
        checker.take_outcomes()
    assert checker.take_outcomes() == [(3, False)]


def test_a_job_is_told_to_stop():
    checker = Checker()
    checker.finish(lambda: True)
    checker.submit(1, lambda stop: None if stop() else True, beside=False)
    assert checker.take_outcomes() == [(1, None)]
