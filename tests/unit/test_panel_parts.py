# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts that bring pictures and lamps out: outlet, lamp board, album, care, viewer."""

from __future__ import annotations

import io
import itertools

import pytest
from panel_cases import CASES, NOW, box, safe, working
from PIL import Image

from muleteer.errors import PanelPartFailed
from muleteer.panel import care
from muleteer.panel.album import SCALE, Album, png
from muleteer.panel.draw import draw
from muleteer.panel.lampboard import LampBoard
from muleteer.panel.lamps import lamps
from muleteer.panel.outlet import RETRY_SECONDS_MAX, Outlet
from muleteer.panel.pages import deck
from muleteer.panel.picture import Picture, Viewer
from muleteer.spool.disk import RealDisk
from muleteer.testing.pins import Header, MockPins

BIG = (128, 64)


class Moody:
    """A part that fails while `mood` is set."""

    def __init__(self):
        self.mood = ""
        self.opened = self.used = self.closed = 0

    def open(self):
        self._try()
        self.opened += 1

    def use(self):
        self._try()
        self.used += 1

    def close(self):
        self.closed += 1

    def _try(self):
        if self.mood:
            raise PanelPartFailed(part="toy", problem=self.mood, remedy="Cheer it up")


@pytest.fixture
def log():
    return []


@pytest.fixture
def moody():
    return Moody()


def test_a_part_is_opened_once_and_used(moody, log):
    outlet = Outlet(moody, log.append)
    assert outlet.use(Moody.use, 0.0)
    assert outlet.use(Moody.use, 0.1)
    assert (moody.opened, moody.used, log) == (1, 2, [])


def test_a_broken_part_is_left_out_and_tried_again_ever_more_seldom(moody, log):
    outlet = Outlet(moody, log.append)
    moody.mood = "sulks"
    now, waits = 0.0, []
    for _ in range(9):
        assert not outlet.use(Moody.use, now)
        assert outlet.retry_at is not None
        waits.append(outlet.retry_at - now)
        assert not outlet.use(Moody.use, now + waits[-1] / 2)
        now = outlet.retry_at
    assert waits[:4] == [1.0, 2.0, 4.0, 8.0]
    assert max(waits) == RETRY_SECONDS_MAX
    assert len(log) == 1, "said once"
    assert "sulks" in log[0]


def test_a_part_that_comes_back_is_used_at_once_and_says_so(moody, log):
    outlet = Outlet(moody, log.append)
    assert outlet.use(Moody.use, 0.0)
    moody.mood = "sulks"
    assert not outlet.use(Moody.use, 1.0)
    moody.mood = ""
    assert outlet.use(Moody.use, 2.0)
    assert outlet.retry_at is None
    assert [line.startswith("works again") for line in log] == [False, True]
    assert moody.opened == 2


def test_an_outlet_closes_only_what_works(moody, log):
    outlet = Outlet(moody, log.append)
    outlet.close()
    assert moody.closed == 0
    outlet.use(Moody.use, 0.0)
    outlet.close()
    outlet.close()
    assert moody.closed == 1


def board(header):
    return LampBoard(MockPins(header), {"power": 5, "working": 6, "attention": 13}, {"left": 19, "right": 26})


def test_lamps_are_lit_as_their_rhythm_says():
    header = Header()
    lit = lamps(box(safe("left"), working("right")), ["left", "right"])
    panel = board(header)
    panel.open()
    for now_ms in range(0, 2000, 25):
        panel.show(lit, now_ms)
        assert header.lit(19), "safe to pull is steady"
        assert header.lit(26) == (now_ms % 250 < 125), "do not pull blinks fast"
        assert header.lit(6)
        assert not header.lit(13)
        assert header.lit(5) == (now_ms < 1900)
    assert sum(pin == 19 and level for pin, level in header.history) == 1, "only changes are written"


def test_a_lamp_that_is_not_wired_is_not_missed():
    header = Header()
    panel = LampBoard(MockPins(header), {}, {"left": 19})
    panel.open()
    panel.show(lamps(box(safe("left"), safe("right")), ["left", "right"]), 0)
    assert header.lit(19)
    assert {pin for pin, _ in header.history} == {19}


def test_a_closed_board_is_dark_and_starts_afresh():
    header = Header()
    lit = lamps(box(safe("left")), ["left"])
    panel = board(header)
    panel.open()
    panel.show(lit, 0)
    panel.close()
    assert not any(header.lit(pin) for pin in range(28))
    panel.open()
    panel.show(lit, 0)
    assert header.lit(19)


def test_a_board_whose_pins_are_gone_can_still_be_closed():
    header = Header()
    panel = board(header)
    panel.open()
    header.failure = OSError(5, "Input/output error")
    panel.close()
    assert panel.wired


def seen(name, now=0.0):
    return Picture(deck(CASES[name], BIG, NOW)[0], (0, 0), 0xCF, now)


@pytest.fixture
def album(tmp_path):
    album = Album(RealDisk(), str(tmp_path / "frames"), BIG, frames_max=3)
    album.open()
    return album


def names(tmp_path):
    return sorted(path.name for path in (tmp_path / "frames").iterdir())


def test_an_album_keeps_each_page_once(album, tmp_path):
    for name in ("idle", "idle", "safe", "idle"):
        album.show(seen(name, 9.0))
    assert names(tmp_path) == ["000001-idle.png", "000002-safe.png", "000003-idle.png"]


def test_kept_frames_are_what_was_shown(album, tmp_path):
    album.show(seen("safe"))
    kept = Image.open(tmp_path / "frames" / "000001-safe.png")
    assert kept.size == (128 * SCALE, 64 * SCALE)
    assert kept.convert("1").resize(BIG, Image.Resampling.NEAREST).tobytes() == draw(seen("safe").page).tobytes()


def test_an_album_is_bounded_and_forgets_only_its_own(album, tmp_path):
    (tmp_path / "frames" / "holiday.png").write_bytes(b"")
    for n in range(4):
        album.show(seen("idle" if n % 2 else "safe", n))
    assert names(tmp_path) == ["000002-idle.png", "000003-safe.png", "000004-idle.png", "holiday.png"]


def test_an_album_is_continued_after_a_restart(album, tmp_path):
    album.show(seen("idle"))
    later = Album(RealDisk(), str(tmp_path / "frames"), BIG)
    later.open()
    later.show(seen("idle"))
    assert names(tmp_path) == ["000001-idle.png", "000002-idle.png"]


def test_a_growing_bar_is_kept_once_a_second(album, tmp_path):
    for n in range(10):
        page = deck(box(working(packets_done=n, bytes_done=n * 10**8)), BIG, NOW)[0]
        album.show(Picture(page, (0, 0), 1, now=n * 0.3))
    assert len(names(tmp_path)) == 3


def test_calm_pages_that_take_turns_are_kept_once(album, tmp_path):
    for now in range(0, 600, 4):
        album.show(seen("idle" if now % 8 else "carrier-up", float(now)))
    assert len(names(tmp_path)) == 2


def test_an_album_that_cannot_be_written_is_a_broken_part(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    album = Album(RealDisk(), str(tmp_path / "file" / "frames"), BIG)
    with pytest.raises(PanelPartFailed, match="file"):
        album.open()


def test_a_frame_somebody_removed_is_not_missed(album, tmp_path):
    for n in range(3):
        album.show(seen("idle" if n % 2 else "safe", n))
    (tmp_path / "frames" / "000001-safe.png").unlink()
    album.show(seen("idle-empty", 9.0))
    album.show(seen("safe", 9.0))
    assert len(names(tmp_path)) == 3


def test_a_png_can_have_the_size_of_the_page():
    image = Image.open(io.BytesIO(png(seen("safe").page, 1)))
    assert image.size == BIG


def test_the_picture_goes_round_by_a_pixel_a_minute():
    places = [care.shift(minute * 60 + 1) for minute in range(4)]
    assert sorted(places) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    for one, two in itertools.pairwise(places):
        assert abs(one[0] - two[0]) + abs(one[1] - two[1]) == 1
    assert care.next_shift(61.0) == 120.0


def test_a_calm_page_dims_and_one_that_concerns_somebody_does_not():
    assert care.contrast(59.0, calm=True) == care.FULL
    assert care.contrast(60.0, calm=True) == care.DIM
    assert care.contrast(600.0, calm=True) == care.LEAST
    assert care.contrast(1e9, calm=False) == care.FULL


def test_news_wakes_a_dimmed_display():
    viewer, picture, _ = Viewer(BIG).look(box(), 1000.0, NOW)
    viewer, picture, _ = viewer.look(box(), 2000.0, NOW)
    assert picture.contrast == care.LEAST
    viewer, picture, _ = viewer.look(box(working()), 2001.0, NOW)
    assert picture.contrast == care.FULL
    viewer, picture, _ = viewer.look(box(), 2002.0, NOW)
    assert picture.contrast == care.FULL
