# SPDX-License-Identifier: GPL-3.0-or-later
"""Aside records, the ledger, the sweep and the log book."""

import os
import pathlib

import pytest

from muleteer.errors import LogError, SpoolError, UsageError
from muleteer.formats.ids import NodeId
from muleteer.formats.mth import mth
from muleteer.formats.recfile import parse_records
from muleteer.spool import ledger as ledger_module
from muleteer.spool import line_file
from muleteer.spool.aside import OUTPUT_MAX, REASON_MAX, Aside
from muleteer.spool.disk import RealDisk
from muleteer.spool.ledger import COPIES_MAX, RUNNER_MAX, Carried, Ledger
from muleteer.spool.logbook import Logbook
from muleteer.spool.spool import Spool
from muleteer.spool.sweep import Swept, is_draft_name, sweep, sweep_drafts
from muleteer.testing.disk import FakeDisk

PEER = NodeId(bytes(range(32)))
OTHER = NodeId(bytes(range(1, 33)))
NAMES = [mth(bytes((n,))) for n in range(6)]


@pytest.fixture
def disk():
    disk = FakeDisk()
    disk.mkdir("/spool")
    return disk


@pytest.fixture
def spool(disk):
    return Spool("/spool", disk)


# ---------------------------------------------------------------------------------------------- aside


@pytest.fixture
def aside(spool, disk):
    for name in NAMES:
        disk.put(f"/spool/{PEER}/rx/{name}", b"packet")
    return Aside(spool)


def test_a_note_is_kept_and_counts(aside):
    aside.note(PEER, NAMES[0], "first\nreason", 100.4)
    note = aside.note(PEER, NAMES[0], "second", 200, b"out\n\nput")
    assert (note.reason, note.first, note.last, note.tries, note.output) == ("second", 100, 200, 2, b"out\n\nput")
    assert aside.get(PEER, NAMES[0]) == note
    assert aside.get(PEER, NAMES[1]) is None
    assert aside.get(OTHER, NAMES[0]) is None
    aside.clear(PEER, NAMES[0])
    aside.clear(PEER, NAMES[0])
    assert aside.all() == []


def test_notes_are_bounded(aside):
    aside.note(PEER, NAMES[0], "r" * 10_000 + "\n", 1, b"x" * 1_000_000 + b"end")
    note = aside.get(PEER, NAMES[0])
    assert len(note.reason) == REASON_MAX
    assert len(note.output) == OUTPUT_MAX
    assert note.output.endswith(b"end")


@pytest.mark.parametrize(
    ("tries", "wait"), [(1, 60), (2, 120), (3, 240), (9, 15360), (10, 21600), (50, 21600), (1000, 21600)]
)
def test_retries_wait_longer_and_longer_up_to_six_hours(aside, tries, wait):
    note = aside.note(PEER, NAMES[0], "no", 1000)
    note = type(note)(note.node, note.name, note.reason, note.first, note.last, tries, b"")
    assert note.due_at == 1000 + wait
    assert not note.is_due(999 + wait)
    assert note.is_due(1000 + wait)


def test_a_clock_that_went_back_makes_a_note_due(aside):
    aside.note(PEER, NAMES[0], "no", 1_000_000)
    assert aside.due(1_000_010) == []
    assert [note.name for note in aside.due(5)] == [NAMES[0]]


def test_notes_come_oldest_first_and_only_while_the_packet_waits(aside, disk):
    for number, now in ((0, 300), (1, 100), (2, 200)):
        aside.note(PEER, NAMES[number], "no", now)
    disk.unlink(f"/spool/{PEER}/rx/{NAMES[2]}")
    assert [note.name for note in aside.all()] == [NAMES[1], NAMES[0]]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 100,
        b"muleteer-aside 1\n",
        b"muleteer-aside 1\nfirst: 1\n\n",
        b"muleteer-aside 1\nfirst: x\nlast: 1\ntries: 1\nreason: r\n\n",
        b"muleteer-aside 1\nfirst: 1\nlast: 1\ntries: 1\nreason: \xff\n\n",
    ],
)
def test_a_damaged_note_is_as_none(aside, disk, data):
    disk.put(f"/spool/muleteer/aside/{PEER}/{NAMES[0]}", data)
    assert aside.get(PEER, NAMES[0]) is None
    assert aside.all() == []
    assert aside.note(PEER, NAMES[0], "no", 5).tries == 1


# ---------------------------------------------------------------------------------------------- ledger


def test_the_ledger_knows_who_carries_what(spool):
    ledger = Ledger(spool)
    ledger.carried("BLUE", PEER, NAMES[:2], 100.9)
    ledger.carried("a label, with 100 % ü\udcff", OTHER, NAMES[1:2], 200)
    ledger.carried("", OTHER, NAMES[2:3], 300)
    for reader in (ledger, Ledger(spool)):
        assert reader.where(NAMES[0]) == [Carried("BLUE", PEER, NAMES[0], 100)]
        assert [copy.runner for copy in reader.where(NAMES[1])] == ["BLUE", "a label, with 100 % ü\udcff"]
        assert [copy.runner for copy in reader.where(NAMES[2])] == [""]
        assert reader.where(NAMES[3]) == []
        assert reader.names() == NAMES[:3]


def test_two_ledgers_see_each_others_lines(spool):
    one, two = Ledger(spool), Ledger(spool)
    one.carried("BLUE", PEER, NAMES[:1], 1)
    two.carried("RED", PEER, NAMES[:1], 2)
    one.carried("BLUE", PEER, NAMES[:1], 3)
    assert [copy.runner for copy in two.where(NAMES[0])] == ["RED", "BLUE"]
    two.forget([*NAMES[:1], NAMES[5]])
    assert one.names() == []


def test_overdue_looks_at_the_latest_copy(spool):
    ledger = Ledger(spool)
    ledger.carried("BLUE", PEER, NAMES[:2], 100)
    ledger.carried("RED", OTHER, NAMES[1:3], 150)
    assert ledger.overdue(200, 60) == [Carried("BLUE", PEER, NAMES[0], 100)]
    assert ledger.overdue(160, 60) == []
    assert [copy.name for copy in ledger.overdue(300, 60)] == NAMES[:3]
    assert [copy.name for copy in ledger.overdue(300, 60, OTHER)] == NAMES[1:3]


def test_a_copy_from_the_future_is_overdue(spool):
    """A packet must not wait for the year 2099 because the clock once said so."""
    ledger = Ledger(spool)
    ledger.carried("BLUE", PEER, NAMES[:1], 4_000_000_000)
    assert ledger.overdue(1_700_000_000, 60)
    ledger.carried("RED", PEER, NAMES[:1], 1_700_000_000)
    assert ledger.overdue(1_700_000_001, 60) == []


@pytest.mark.parametrize(
    "tail", [b"+", b"\0" * 300, b"+ 1 " + str(PEER).encode(), b"\xff\xff\n\n\n- x 00000000\n+ half"]
)
def test_a_torn_tail_is_passed_over_and_ended(spool, disk, tail):
    Ledger(spool).carried("BLUE", PEER, NAMES[:1], 1)
    with disk.append("/spool/muleteer/ledger") as file:
        file.write(tail)
    ledger = Ledger(spool)
    assert ledger.names() == NAMES[:1]
    ledger.carried("BLUE", PEER, NAMES[1:2], 1)
    assert ledger.names() == NAMES[:2]
    assert Ledger(spool).names() == NAMES[:2]


@pytest.mark.parametrize("content", [b"", b"muleteer-ledg", b"something else\n" * 10])
def test_a_ledger_that_is_none_is_begun_again(spool, disk, content):
    disk.put("/spool/muleteer/ledger", content)
    ledger = Ledger(spool)
    assert ledger.names() == []
    ledger.carried("BLUE", PEER, NAMES[:1], 1)
    assert Ledger(spool).names() == NAMES[:1]


def test_history_is_dropped_and_other_readers_notice(spool, disk):
    ledger, other = Ledger(spool), Ledger(spool)
    for now in range(300):
        ledger.carried("BLUE", PEER, NAMES[:1], now)
        if now == 250:
            assert other.where(NAMES[0])[0].since == 250
    assert len(disk.image()["/spool/muleteer/ledger"].split(b"\n")) < 280
    assert other.where(NAMES[0]) == [Carried("BLUE", PEER, NAMES[0], 299)]


def test_copies_are_bounded(spool):
    ledger = Ledger(spool)
    for number in range(COPIES_MAX + 3):
        ledger.carried(f"stick {number}", PEER, NAMES[:1], number)
    assert [copy.since for copy in ledger.where(NAMES[0])] == list(range(3, COPIES_MAX + 3))


def test_tidy_keeps_only_what_is_queued(spool):
    ledger = Ledger(spool)
    ledger.carried("BLUE", PEER, NAMES, 1)
    assert ledger.tidy(NAMES[:2]) == 4
    assert ledger.tidy(NAMES[:2]) == 0
    assert Ledger(spool).names() == NAMES[:2]


# ---------------------------------------------------------------------------------------------- litter


def test_copies_of_what_was_acknowledged_are_litter_on_every_runner_until_they_are_gone(spool):
    ledger = Ledger(spool)
    ledger.carried("BLUE", PEER, NAMES[:2], 100)
    ledger.carried("a label, with 100 % ü\udcff", PEER, NAMES[1:3], 200)
    ledger.carried("BLUE", OTHER, NAMES[3:4], 300)
    ledger.retire([*NAMES[:2], NAMES[3], NAMES[5]])
    for reader in (ledger, Ledger(spool)):
        assert reader.names() == [NAMES[2]]
        assert reader.litter("BLUE", PEER) == NAMES[:2]
        assert reader.litter("a label, with 100 % ü\udcff", PEER) == [NAMES[1]]
        assert reader.litter("BLUE", OTHER) == [NAMES[3]]
        assert reader.litter("RED", PEER) == []
    ledger.cleared("BLUE", [NAMES[0], NAMES[3], NAMES[4]])
    assert Ledger(spool).litter("BLUE", PEER) == [NAMES[1]]
    assert Ledger(spool).litter("BLUE", OTHER) == []


def test_what_left_tx_without_an_acknowledgement_is_no_litter(spool):
    """A person removed it, or nncp-xfer took it away: the copy on the runner may be the only one."""
    ledger = Ledger(spool)
    ledger.carried("BLUE", PEER, NAMES[:2], 100)
    ledger.forget(NAMES[:1])
    ledger.tidy([])
    ledger.retire(NAMES[:2])
    assert ledger.litter("BLUE", PEER) == []


def test_a_packet_that_is_carried_anew_is_no_litter(spool):
    """A power cut may bring it back to tx."""
    ledger = Ledger(spool)
    ledger.carried("BLUE", PEER, NAMES[:1], 100)
    ledger.carried("RED", PEER, NAMES[:1], 100)
    ledger.retire(NAMES[:1])
    ledger.carried("BLUE", PEER, NAMES[:1], 200)
    assert ledger.litter("BLUE", PEER) == []
    assert ledger.litter("RED", PEER) == NAMES[:1]


def test_litter_outlives_tidying_and_the_rewriting_of_a_worn_ledger(spool, disk):
    ledger = Ledger(spool)
    long = "x" * (RUNNER_MAX + 9)
    ledger.carried(long, PEER, NAMES[:3], 100)
    ledger.retire(NAMES[:2])
    ledger.tidy([])
    for now in range(300):
        ledger.carried("RED", PEER, NAMES[4:5], now)
    assert len(disk.image()["/spool/muleteer/ledger"].split(b"\n")) < 280
    assert Ledger(spool).litter(long, PEER) == NAMES[:2]
    Ledger(spool).cleared(long, NAMES[:2])
    assert ledger.litter(long, PEER) == []


def test_litter_is_bounded_and_the_oldest_is_forgotten(spool, disk, monkeypatch):
    monkeypatch.setattr(ledger_module, "LITTER_MAX", 50)
    monkeypatch.setattr(ledger_module, "_FORGOTTEN_AT_ONCE", 10)
    ledger = Ledger(spool)
    names = [mth(b"%d" % number) for number in range(400)]
    for start in range(0, 400, 8):
        ledger.carried("BLUE", PEER, names[start : start + 8], 1)
        ledger.retire(names[start : start + 8])
    left = ledger.litter("BLUE", PEER)
    assert left == names[-len(left) :]
    assert 40 <= len(left) <= 50
    assert Ledger(spool).litter("BLUE", PEER) == left
    assert len(disk.image()["/spool/muleteer/ledger"].split(b"\n")) < 2 * 50 + 300


def test_lines_about_litter_that_are_none_are_passed_over(spool, disk):
    ledger = Ledger(spool)
    ledger.carried("BLUE", PEER, NAMES[:1], 1)
    ledger.retire(NAMES[:1])
    with disk.append("/spool/muleteer/ledger") as file:
        for body in (f"~ {PEER} ../../etc/passwd BLUE", "~ x y", ". nothing BLUE"):
            file.write(line_file._seal(body))
    assert Ledger(spool).litter("BLUE", PEER) == NAMES[:1]


# ---------------------------------------------------------------------------------------------- sweep

OUR_DRAFT = "/spool/tmp/nncp" + "0" * 32
GO_DRAFT = "/spool/tmp/nncp18e9c863e39e8620"


def swept(spool, *, age=0.0, uptime=100.0, **options):
    return sweep(spool, now=spool.disk.now + age, uptime=uptime, **options)


def test_our_draft_is_swept_once_its_owner_is_gone(spool, disk):
    with spool.draft() as draft:
        draft.write(b"at work")
        assert swept(spool) == Swept(0, 0, 0, 0)
        assert draft.path in disk.image()
    disk.put(OUR_DRAFT, b"left over")
    assert swept(spool) == Swept(1, 0, 0, 0)
    assert swept(spool).total == 0


@pytest.mark.parametrize(
    ("age", "uptime", "held", "removed"),
    [
        (50, 100, False, 0),  # written since this boot: its program may be at work
        (150, 100, False, 1),  # written before this boot: its program is gone
        (150, 100, True, 0),  # ... unless the clock leapt, and somebody has it open
        (90_000, 1_000_000, False, 1),  # a day old: its program was killed
        (90_000, 1_000_000, True, 0),  # ... or waits for its input since yesterday
        (-500, 100, False, 0),  # from the future: the clock is not set yet
    ],
)
def test_the_references_draft_is_swept_only_when_nobody_can_be_at_work(spool, disk, age, uptime, held, removed):
    disk.put(GO_DRAFT, b"someone's")
    if held:
        disk.held.add(GO_DRAFT)
    assert swept(spool, age=age, uptime=uptime).drafts == removed
    assert (GO_DRAFT in disk.image()) != bool(removed)


def test_only_drafts_are_swept_from_tmp(spool, disk):
    kept = ["/spool/tmp/README", "/spool/tmp/nncp", "/spool/tmp/nncp123", "/spool/tmp/nncpx" + "0" * 31]
    for path in kept:
        disk.put(path, b"")
    disk.put("/spool/tmp/nncp" + "1" * 32, None)
    disk.symlink("/etc/passwd", "/spool/tmp/nncp" + "2" * 32)
    disk.mkdir("/spool/tmp/nncp" + "3" * 32)
    assert swept(spool, age=1e6).total == 0


def test_incoming_directories_lose_our_drafts_only(spool, disk):
    ours, theirs, file = "nncpfile" + "0" * 32, "nncpfile" + "0" * 16, "letter.txt"
    for name in (ours, theirs, file):
        disk.put(f"/in/{name}", b"")
    assert swept(spool, age=1e6, incoming=["/in", "/none"]).drafts == 1
    assert sorted(disk.listdir("/in")) == [file, theirs]
    assert is_draft_name(ours, "nncpfile")
    assert not is_draft_name(theirs, "nncpfile")


def test_a_read_only_stick_keeps_its_litter(disk):
    disk.put("/stick/nncpxfer" + "0" * 32, b"")
    disk.volumes["/"].read_only = True
    with pytest.raises(OSError, match="Read-only"):
        sweep_drafts(disk, "/stick", "nncpxfer")


def test_nothing_to_sweep_in_an_empty_spool(spool):
    assert swept(spool).total == 0


def test_a_spool_that_fails_says_so(spool, disk):
    disk.put(OUR_DRAFT, b"")
    disk.volumes["/"].read_only = True
    with pytest.raises(SpoolError, match="Read-only"):
        swept(spool)


# ---------------------------------------------------------------------------------------------- log book

NOON = 1_700_000_000_500_000_000


def test_the_log_is_what_the_reference_writes(tmp_path):
    log = tmp_path / "log"
    book = Logbook(str(log), RealDisk(), lambda: NOON)
    book.event("rx", "Got file b1", [("Node", "X"), ("Size", "500")])
    book.event("rx", "Failed", [("Output", "two\nlines")], err="exit 1")
    expected = (
        "\nWhen: 2023-11-14T22:13:20.5Z\nWho: rx\nNode: X\nSize: 500\nMsg: Got file b1\n"
        "\nWhen: 2023-11-14T22:13:20.5Z\nErr: exit 1\nWho: rx\nOutput: two\n+ lines\nMsg: Failed\n"
    )
    assert log.read_text() == expected
    assert sorted(os.listdir(tmp_path)) == ["log", "log.lock"]


def test_a_log_may_be_a_descriptor(tmp_path):
    reading, writing = os.pipe()
    try:
        Logbook(f"FD:{writing}", RealDisk(), lambda: NOON).event("tx", "hello", [])
        assert dict(next(parse_records(os.read(reading, 500).split(b"\n"))))["Msg"] == "hello"
    finally:
        os.close(reading)
        os.close(writing)
    with pytest.raises(UsageError, match="number"):
        Logbook("FD:x", RealDisk(), lambda: NOON).event("tx", "hello", [])


def test_a_log_that_cannot_be_written_says_so(tmp_path):
    with pytest.raises(LogError, match=r"The log .*/none/log cannot be written: no such file"):
        Logbook(str(tmp_path / "none" / "log"), RealDisk(), lambda: NOON).event("tx", "hello", [])


def test_a_directory_is_no_log(tmp_path):
    log = pathlib.Path(tmp_path / "log")
    log.mkdir()
    with pytest.raises(LogError, match="directory"):
        Logbook(str(log), RealDisk(), lambda: NOON).event("tx", "hello", [])
