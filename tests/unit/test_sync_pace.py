# SPDX-License-Identifier: GPL-3.0-or-later
import random

import pytest

from muleteer.engines.sync_pace import CHUNK_MIN, Pace, within_reason
from muleteer.engines.sync_terms import CHUNK_MAX, SyncTerms
from muleteer.engines.throttle import Throttle


@pytest.mark.parametrize("seed", range(20))
def test_throttle_bounds_every_span_of_time(seed):
    luck = random.Random(seed)
    rate, burst, piece = luck.choice([1, 100, 65_000]), luck.choice([1, 50, 65_000]), luck.choice([1, 30, 65_308])
    throttle, now, passed = Throttle(rate, burst, 1e6), 1e6, []
    for _ in range(300):
        now += luck.choice([0, 0, 0.001, 0.1, 5])
        if throttle.is_open(now):
            size = luck.randint(1, piece)
            throttle.spend(size, now)
            passed.append((now, size))
    for first in range(len(passed)):
        total = 0
        for at, size in passed[first:]:
            total += size
            assert total <= burst + rate * (at - passed[first][0]) + piece + 1


@pytest.mark.parametrize("seed", range(20))
def test_throttle_opens_when_it_says_and_not_before(seed):
    luck = random.Random(seed)
    throttle, now = Throttle(luck.choice([0.3, 7, 1e5]), 10, 0.0), luck.random() * 1e6
    for _ in range(50):
        throttle.spend(luck.random() * 1000, now)
        at = throttle.opens_at(now)
        if at > now:
            assert not throttle.is_open(now)
            assert not throttle.is_open(now + (at - now) * 0.9)
        assert throttle.is_open(at)
        now = at


def test_no_rate_no_limit():
    throttle = Throttle(0, 0, 0.0)
    throttle.spend(1e12, 0.0)
    assert throttle.is_open(0.0)
    assert throttle.opens_at(5.0) == 5.0


def test_a_clock_that_stands_still_or_goes_back_gives_nothing():
    throttle = Throttle(10, 10, 100.0)
    throttle.spend(20, 100.0)
    assert not throttle.is_open(50.0)
    assert throttle.opens_at(100.0) == 101.0


@pytest.mark.parametrize(
    ("chunk", "rate", "expected"),
    [
        (CHUNK_MAX, 0, CHUNK_MAX),
        (1 << 20, 0, CHUNK_MAX),
        (0, 0, CHUNK_MIN),
        (CHUNK_MAX, 2000, 4000),
        (1000, 2000, 1000),
        (CHUNK_MAX, 1, CHUNK_MIN),
    ],
)
def test_chunks_within_reason(chunk, rate, expected):
    terms = within_reason(SyncTerms(chunk=chunk, bytes_rate=rate))
    assert terms.chunk == expected
    assert 48 + expected <= Pace(terms, 0.0).payload_max <= 65_280


def test_frames_per_second():
    pace = Pace(SyncTerms(rx_rate=4, tx_rate=2), 10.0)
    assert pace.may_read(10.0)
    assert pace.may_send_file(10.0)
    pace.was_read(10.0)
    pace.sent_file(10.0)
    assert not pace.may_read(10.2)
    assert pace.may_read(10.25)
    assert not pace.may_send_file(10.4)
    assert pace.next_send(10.0) == 10.5
    assert pace.may_send(10.0)
    assert pace.alone
