# SPDX-License-Identifier: GPL-3.0-or-later
"""A stick that was made to hurt: everything on it is refused with a reason, everything good on it is taken."""

from __future__ import annotations

import os
import pathlib
import shutil
import socket
import tempfile
import time
import tracemalloc

import pytest

from muleteer.carriers import stick_layout
from muleteer.carriers.stick import Round
from muleteer.carriers.stick_plan import StickAllowance
from muleteer.carriers.stick_report import LISTED_MAX, SHOWN_MAX
from muleteer.formats.ids import b32encode
from muleteer.formats.mth import mth
from muleteer.spool.disk import RealDisk
from muleteer.spool.ledger import Ledger
from muleteer.spool.spool import Spool
from muleteer.testing.packets import seal
from muleteer.testing.sticks import CABIN, FARM, HOME, STRANGER

JUNK = 100_000
MEMORY = pathlib.Path("/dev/shm")


@pytest.fixture
def place():
    """A folder on tmpfs where there is one: 100,000 files are made faster there."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
    yield folder
    shutil.rmtree(folder)


class Attack:
    def __init__(self, place: pathlib.Path) -> None:
        self.stick = place / "stick"
        self.outside = place / "outside"
        self.spool = Spool(str(place / "spool"), RealDisk(sync=False))
        self.inbox = self.stick / str(HOME.id) / str(CABIN.id)
        for folder in (self.inbox, self.outside, place / "spool"):
            folder.mkdir(parents=True)
        self.good = [self.packet(b"good %d" % n) for n in range(3)]
        self.acks: list[object] = []

    def packet(self, payload: bytes, folder: pathlib.Path | None = None, **people: object) -> pathlib.Path:
        data = seal(payload, **{"sender": CABIN, "recipient": HOME, **people})
        path = (folder or self.inbox) / str(mth(data))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def name(self, number: int) -> str:
        return b32encode(number.to_bytes(32, "big"))

    def round(self, **options: object) -> Round:
        return Round(
            self.spool,
            RealDisk(sync=False),
            Ledger(self.spool),
            HOME.id,
            (CABIN.id, FARM.id),
            options.pop("allowance", StickAllowance()),
            str(self.stick),
            runner="evil",
            now=1e9,
            acknowledge=lambda node, name: self.acks.append((node, name)),
        )

    def taken(self) -> set[str]:
        return {str(entry.name) for entry in self.spool.entries(CABIN.id, "rx")}


def test_a_hostile_stick(place, monkeypatch):
    attack = Attack(place)
    inbox = attack.inbox
    secret = attack.packet(b"secret", attack.outside)

    (inbox / attack.name(1)).symlink_to(secret)
    (inbox / attack.name(2)).symlink_to(attack.name(2))
    os.mkfifo(inbox / attack.name(3))
    (inbox / attack.name(4)).mkdir()
    unix = socket.socket(socket.AF_UNIX)
    monkeypatch.chdir(inbox)  # a unix socket's path may have 108 characters
    unix.bind(attack.name(5))
    unix.close()
    monkeypatch.undo()
    truncated = attack.packet(b"truncated" * 100)
    os.truncate(truncated, 600)
    os.truncate(attack.packet(b"nearly nothing"), 100)
    wrong = attack.packet(b"under a wrong name")
    wrong.rename(inbox / attack.name(6))
    replay = attack.packet(b"replay")
    attack.spool.finish(CABIN.id, "rx", mth(replay.read_bytes()), seen=True)
    (inbox / ("n" * 255)).write_bytes(b"x")
    os.close(os.open(os.fsencode(inbox) + b"/\xff\xfe\x1b[2J\n", os.O_CREAT | os.O_WRONLY))
    (inbox / "loop").symlink_to(".")
    (inbox / "nncpxfer00").write_bytes(b"half")
    (attack.stick / str(HOME.id) / str(FARM.id)).symlink_to(str(CABIN.id))
    attack.packet(b"who", attack.stick / str(HOME.id) / str(STRANGER.id), sender=STRANGER)
    (attack.stick / "NNCP").symlink_to(".")
    for number in range(JUNK):
        os.close(os.open(f"{inbox}/junk{number:06}", os.O_CREAT | os.O_WRONLY))
    late = attack.packet(b"a good one after all the junk")

    tracemalloc.start()
    began = time.perf_counter()
    round_ = attack.round()
    result = round_.run()
    elapsed = time.perf_counter() - began
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"\nhostile stick with {JUNK} junk entries: {elapsed:.2f} s, peak of allocations {peak / 2**20:.1f} MiB")

    assert attack.taken() == {path.name for path in [*attack.good, late]}
    assert result.complete
    assert (result.received, result.duplicates) == (4, 1)
    assert not replay.exists()
    assert result.refusals.by_reason == {
        stick_layout.IS_LINK: 4,  # two in the inbox, the farm's directory, NNCP itself
        stick_layout.IS_SPECIAL: 2,
        stick_layout.IS_DIRECTORY: 1,
        stick_layout.TOO_SHORT: 1,
        stick_layout.WRONG_HASH: 2,
        stick_layout.STRANGER: 1,
        stick_layout.NO_PACKET_NAME: JUNK + 3,
    }
    assert result.refused == JUNK + 14
    assert result.unfinished == 1
    assert len(result.refusals.listed) == LISTED_MAX
    assert all(len(refusal.where) <= SHOWN_MAX for refusal in result.refusals.listed)
    assert all(refusal.where.isprintable() for refusal in result.refusals.listed)
    assert peak < 24 << 20
    assert secret.exists()


def test_junk_with_packet_names_does_not_starve_the_good(place, monkeypatch):
    monkeypatch.setattr(stick_layout, "PAGE_MAX", 50)
    attack = Attack(place)
    head = attack.good[0].read_bytes()[:200]
    for number in range(1000):
        (attack.inbox / attack.name(number)).write_bytes(head)
    late = attack.packet(b"late")
    result = attack.round().run()
    assert attack.taken() == {path.name for path in [*attack.good, late]}
    assert result.refusals.by_reason == {stick_layout.WRONG_HASH: 1000}


def test_a_link_in_our_way_out_is_not_written_through(place):
    attack = Attack(place)
    draft = attack.spool.draft()
    draft.write(seal(b"out", sender=HOME, recipient=CABIN))
    attack.spool.commit(draft, CABIN.id, "tx")
    (attack.stick / str(CABIN.id)).mkdir()
    (attack.stick / str(CABIN.id) / str(HOME.id)).symlink_to(attack.outside)
    result = attack.round().run()
    assert not list(attack.outside.iterdir())
    assert result.waiting == 1
    assert len(attack.spool.entries(CABIN.id, "tx")) == 1
