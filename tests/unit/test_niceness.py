# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from muleteer.errors import UsageError
from muleteer.formats.niceness import format_nice, parse_nice


@pytest.mark.parametrize(
    ("text", "nice"),
    [("+5", 5), ("007", 7), ("F+05", 37), ("F-0", 32), ("MAX+0", 255), ("MAX-31", 224), ("Bulk+31", 255)],
)
def test_accepts_what_the_reference_accepts(text, nice):
    assert parse_nice(text) == nice


@pytest.mark.parametrize(
    "text",
    [
        " 5",
        "5 ",
        "0x10",
        "1_0",
        "F+ 3",
        "F+-3",
        "F-+3",
        "++5",
        "fl+1",
        "MAX-32",
        "MAX-255",
        "٣",
        "F+٣",
        "9" * 5000,
        "F+" + "9" * 5000,
        "+F",
        "+",
        "-",
        "F++1",
        "F+1-1",
        "0",
    ],
)
def test_refuses_what_the_reference_refuses(text):
    with pytest.raises(UsageError, match="is no niceness"):
        parse_nice(text)


@pytest.mark.parametrize("text", ["MAX+1", "MAX+32"])
def test_max_does_not_overflow_though_the_reference_does(text):
    with pytest.raises(UsageError):
        parse_nice(text)


def test_what_is_printed_can_be_read_back():
    assert [parse_nice(format_nice(nice)) for nice in range(1, 256)] == list(range(1, 256))


def test_zero_prints_as_a_number():
    assert format_nice(0) == "0"
