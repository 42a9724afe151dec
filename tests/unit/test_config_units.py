# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes and durations, strictly."""

import re

import pytest

from muleteer.config.units import parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1 B", 1),
        ("64 KiB", 65536),
        ("64KiB", 65536),
        ("5 MB", 5_000_000),
        ("5 kB", 5000),
        ("5 KB", 5000),
        ("1.5 GB", 1_500_000_000),
        ("0.1 kB", 100),  # exact: no float on the way
        ("2 TiB", 2 << 40),
    ],
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90 s", 90),
        ("10 min", 600),
        ("1.5 h", 5400),
        ("14 d", 1_209_600),
        ("1 w", 604_800),
        ("1 day", 86400),
        ("2 weeks", 1_209_600),
    ],
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "MB",
        "-5 MB",
        "+5 MB",
        "5  MB",
        " 5 MB",
        "5 MB ",
        "5 mb",
        "5 M",
        "5,5 MB",
        "1e3 MB",
        "0 B",
        "0.5 B",
        "5 MB x",
        "\u0665 MB",
        "5 KiB\n",
        "999999999999999 TiB",
        "10 min",
    ],
)
def test_what_is_no_size(text):
    with pytest.raises(ValueError, match=f"{re.escape(text)}$"):
        parse_size(text)


@pytest.mark.parametrize(
    "text", ["", "5", "5 m", "5 M", "5 months", "1 ms", "0 s", "0.5 s", "10min.", "1 h 5 min", "5 MB", "5 S"]
)
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match=f"{re.escape(text)}$"):
        parse_duration(text)
