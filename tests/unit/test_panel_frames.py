# SPDX-License-Identifier: GPL-3.0-or-later
"""Every page at every size, compared dot by dot with the pictures in frames/.

After a change that is meant to be seen: MULETEER_RECORD_FRAMES=1 pytest tests/unit/test_panel_frames.py writes the
pictures anew and fails, so that nobody records by accident; look at them, then run again without it.
"""

from __future__ import annotations

import os
import pathlib

import pytest
from panel_cases import CASES, NOW
from PIL import Image

from muleteer.panel.draw import draw, shifted
from muleteer.panel.page import SIZES
from muleteer.panel.pages import deck

FRAMES = pathlib.Path(__file__).parent / "frames"
RECORD = bool(os.environ.get("MULETEER_RECORD_FRAMES"))
ALL = {
    f"{name}-{height}-{number}": page
    for name, status in CASES.items()
    for width, height in SIZES
    for number, page in enumerate(deck(status, (width, height), NOW), 1)
}


@pytest.mark.parametrize("name", ALL)
def test_a_page_is_its_reference_picture(name):
    picture = draw(ALL[name])
    path = FRAMES / f"{name}.png"
    if RECORD:
        picture.save(path, optimize=True)
        pytest.fail("recorded: look at it, then run again without MULETEER_RECORD_FRAMES")
    reference = Image.open(path)
    assert reference.size == picture.size
    assert reference.convert("1").tobytes() == picture.tobytes(), picture_text(picture)


def test_no_reference_picture_is_left_over():
    stray = {path.stem for path in FRAMES.glob("*.png")} - set(ALL)
    if RECORD:
        for name in stray:
            (FRAMES / f"{name}.png").unlink()
    assert not stray


@pytest.mark.parametrize("name", ALL)
def test_a_picture_that_is_moved_aside_loses_nothing(name):
    picture = draw(ALL[name])
    assert lit_pixels(shifted(picture, (1, 1))) == lit_pixels(picture)


def test_a_picture_moves_right_and_down():
    picture = Image.new("1", (128, 64))
    picture.putpixel((5, 7), 1)
    assert shifted(picture, (1, 1)).getbbox() == (6, 8, 7, 9)


def lit_pixels(picture: Image.Image) -> int:
    return sum(byte.bit_count() for byte in picture.tobytes())


def picture_text(picture: Image.Image) -> str:
    rows = (
        "".join("#" if picture.getpixel((x, y)) else "." for x in range(picture.width)) for y in range(picture.height)
    )
    return "\n" + "\n".join(rows)
