# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from muleteer.agent.wording import duration_words, nice_words, packets_words, size_words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "a moment"),
        (0.4, "a moment"),
        (1, "1 s"),
        (59.9, "59 s"),
        (60, "1 minute"),
        (7199, "1 hour"),
        (86400, "1 day"),
        (1e6, "11 days"),
    ],
)
def test_durations_are_told_in_one_unit(seconds, words):
    assert duration_words(seconds) == words


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1 KB"),
        (4200, "4.2 KB"),
        (999_999, "1 MB"),
        (9_960_000, "10 MB"),
        (100_000_000, "100 MB"),
        (2 << 30, "2.1 GB"),
        (5e14, "500 TB"),
    ],
)
def test_sizes_are_told_as_the_owner_writes_them(size, words):
    assert size_words(size) == words


@pytest.mark.parametrize(
    ("nice", "words"),
    [
        (1, "FLASH-31"),
        (32, "FLASH"),
        (96, "PRIORITY"),
        (106, "PRIORITY+10"),
        (160, "NORMAL"),
        (221, "BULK-3"),
        (254, "BULK+30"),
        (255, "MAX"),
        (64, "64"),
        (128, "128"),
    ],
)
def test_niceness_is_told_by_its_class(nice, words):
    assert nice_words(nice) == words


def test_one_packet_is_no_packets():
    assert [packets_words(n) for n in (0, 1, 2)] == ["0 packets", "1 packet", "2 packets"]
