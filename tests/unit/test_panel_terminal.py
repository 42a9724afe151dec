# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import re

import pytest
from panel_cases import CASES, FOUR, NOW, box, safe, working
from PIL import Image

from muleteer.panel.draw import draw
from muleteer.panel.lamps import lamps
from muleteer.panel.pages import deck
from muleteer.panel.terminal import Box, TerminalView, render


def shown(status, title="home"):
    bays = [bay.name for bay in status.bays] if status else ["left"]
    return Box(title, draw(deck(status, (128, 64), NOW)[0]), lamps(status, bays))


def undotted(lines):
    """Read a Braille picture back."""
    image = Image.new("1", (2 * len(lines[0]), 4 * len(lines)))
    places = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))
    for row, line in enumerate(lines):
        for column, char in enumerate(line):
            for bit, (dx, dy) in enumerate(places):
                image.putpixel((2 * column + dx, 4 * row + dy), (ord(char) - 0x2800) >> bit & 1)
    return image


def unblocked(lines):
    """Read a picture in half blocks back."""
    image = Image.new("1", (len(lines[0]), 2 * len(lines)))
    for row, line in enumerate(lines):
        for column, char in enumerate(line):
            image.putpixel((column, 2 * row), int(char in "▀█"))
            image.putpixel((column, 2 * row + 1), int(char in "▄█"))
    return image


def test_a_narrow_terminal_gets_dots_and_every_one_is_there():
    one = shown(CASES["safe"])
    lines = render([one], 0, 80)
    assert undotted([line[1:-1] for line in lines[1:17]]).tobytes() == one.frame.tobytes()


def test_a_wide_terminal_gets_blocks_and_every_one_is_there():
    one = shown(CASES["safe"])
    lines = render([one], 0, 130)
    assert unblocked([line[1:-1] for line in lines[1:33]]).tobytes() == one.frame.tobytes()


def test_a_wide_but_low_terminal_gets_dots():
    assert len(render([shown(CASES["safe"])], 0, 200, 30)) < 30


def test_boxes_stand_side_by_side_as_far_as_they_fit():
    three = [shown(CASES["safe"], name) for name in ("home", "cabin", "go")]
    lids = [line for line in render(three, 0, 140) if "╭" in line]
    assert [line.count("╭") for line in lids] == [2, 1]
    assert len([line for line in render(three, 0, 202) if "╭" in line]) == 1
    assert len([line for line in render(three, 0, 66) if "╭" in line]) == 3


def test_boxes_of_different_heights_keep_their_edges():
    lines = render([shown(box(*FOUR)), shown(CASES["safe"])], 0, 140)
    assert {len(line) for line in lines if line.count("│") == 4} == {134}


def test_lamps_are_told_by_glyph_and_word():
    lines = render([shown(box(safe("left"), working("right")))], 130, 80)
    text = "\n".join(lines)
    assert "● left: safe to pull" in text
    assert "○ right: do not pull" in text, "the dark half of its blink"
    assert "● right: do not pull" in "\n".join(render([shown(box(safe("left"), working("right")))], 100, 80))
    assert re.search(r"● power +● working +○ attention", text)


def test_what_a_lamp_says_is_not_cut_for_a_long_name():
    status = box(working("the-bay-at-the-very-back-of-the-room"), safe("another-bay-with-a-long-name"))
    text = "\n".join(render([shown(status)], 0, 80))
    assert "do not pull" in text
    assert "safe to pull" in text


def test_a_session_is_seen_in_a_terminal_and_its_lamp_is_lit():
    one = shown(CASES["session"])
    lines = render([one], 0, 80)
    assert undotted([line[1:-1] for line in lines[1:17]]).tobytes() == one.frame.tobytes()
    assert re.search(r"● working +○ attention", "\n".join(lines))


def test_a_hostile_name_cannot_move_the_cursor():
    text = "".join(render([shown(CASES["idle-hostile"], "\x1b[2J\n")], 0, 80))
    assert "\x1b" not in text
    assert "\n" not in text


@pytest.mark.parametrize("live", [True, False])
def test_nothing_is_written_while_nothing_changes(live):
    stream = io.StringIO()
    view = TerminalView(stream, lambda: (80, 40), live=live)
    one = shown(box(safe("left")))
    view.draw([one], 0)
    size = stream.tell()
    view.draw([one], 50)
    assert stream.tell() == size > 0


def test_paper_shows_news_and_no_blinking():
    stream = io.StringIO()
    view = TerminalView(stream, lambda: (80, 24), live=False)
    for now_ms in range(0, 1000, 25):
        view.draw([shown(box(working()))], now_ms)
    view.draw([shown(box(safe()))], 1000)
    view.close()
    assert stream.getvalue().count("╭") == 2
    assert "\x1b" not in stream.getvalue()


def test_a_terminal_is_drawn_over_in_place_and_left_as_it_was():
    stream = io.StringIO()
    view = TerminalView(stream, lambda: (80, 40), live=True)
    view.draw([shown(box(working()))], 0)
    height = stream.getvalue().count("\n")
    view.draw([shown(box(safe()))], 200)
    view.close()
    assert f"\x1b[{height}A" in stream.getvalue()
    assert stream.getvalue().endswith("\x1b[?25h")


def test_a_picture_never_scrolls_the_terminal():
    stream = io.StringIO()
    TerminalView(stream, lambda: (80, 12), live=True).draw([shown(box(working()))], 0)
    assert stream.getvalue().count("\n") == 11
