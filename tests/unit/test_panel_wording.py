# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math

import pytest

from muleteer.panel.wording import clip, count, left, legible, nameless, part, size, size_of, span, wrap


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Kärnten", "Kärnten"),
        ("Straße, Øresund", "Strasse, Oresund"),
        ("tab\tbell\a", r"tab\x09bell\x07"),
        ("\x1b[2J", r"\x1b[2J"),
        ("right\u202eleft", r"right\u202eleft"),
        ("\udcff", r"\udcff"),
        ("漢字", "??"),
        ("½ litre", "? litre"),
        ("Ёлка", "Ёлка"),
        ("ế", "e"),
        ("", ""),
    ],
)
def test_any_text_is_made_drawable(text, shown):
    assert legible(text) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [(-5, "0"), (0, "0"), (9999, "9999"), (10_000, "10k"), (999_999, "999k"), (1_000_000, "1.0M"), (10**15, ">1T")],
)
def test_counts_take_at_most_four_columns(number, shown):
    assert count(number) == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (-1, "0 B"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (9_949, "9.9 kB"),
        (9_950, "10 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (2 << 30, "2.1 GB"),
        (10**18, "1.0 EB"),
        (10**30, ">1 ZB"),
    ],
)
def test_sizes_are_decimal_and_short(number, shown):
    assert size(number) == shown
    assert len(shown) <= 6


def test_a_part_is_told_in_the_unit_of_the_whole():
    assert size_of(300_000_000, 2_100_000_000) == "0.3 GB"
    assert size_of(0, 5) == "0 B"


def test_a_part_and_its_whole_name_the_unit_once():
    assert part(1_200_000, 3_400_000) == "1.2 of 3.4 MB"
    assert part(0, 0) == "0 of 0 B"
    assert max(len(part(10**a, 10**b)) for a in range(30) for b in range(30)) <= 14


def test_more_done_than_there_is_does_not_break_the_line():
    assert size_of(10**15, 5000) == ">999 kB"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, ""),
        (math.nan, ""),
        (math.inf, ""),
        (-1.0, ""),
        (0.0, "0 s"),
        (89.0, "89 s"),
        (90.0, "2 min"),
        (3569.0, "59 min"),
        (3570.0, "1 h"),
        (47 * 3600.0, "47 h"),
        (49 * 3600.0, "2 d"),
        (1e12, ">999 d"),
    ],
)
def test_spans_are_rounded_as_people_say_them(seconds, shown):
    assert span(seconds) == shown


def test_the_time_left_does_not_flicker():
    assert {left(seconds) for seconds in (21.0, 22.5, 25.0)} == {"25 s"}
    assert left(7.2) == "7 s"
    assert left(0.0) == ""


def test_what_is_cut_shows_that_it_is():
    assert clip("abcdefgh", 8) == "abcdefgh"
    assert clip("abcdefghi", 8) == "abcdef.."
    assert clip("abcdef", 3) == "abc"
    assert clip("abc", -1) == ""


def test_lines_break_at_spaces():
    assert wrap("the quick brown fox", 9) == ["the quick", "brown fox"]
    assert wrap("  ", 9) == []


def test_a_word_longer_than_a_line_is_cut_and_loses_nothing():
    lines = wrap("see /var/spool/nncp/and/a/long/way/down now", 12)
    assert all(len(line) <= 12 for line in lines)
    assert "".join(lines).replace(" ", "") == "see/var/spool/nncp/and/a/long/way/downnow"
    assert lines[0] == "see /var/spo"


def test_ids_are_left_out():
    assert nameless("from " + "A" * 52 + ".") == "from ..."
