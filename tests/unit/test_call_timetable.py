# SPDX-License-Identifier: GPL-3.0-or-later
"""The timetable of nncp-caller: what is due when. Times are seconds of a toy clock; `every` stands for a cron."""

from types import SimpleNamespace

from muleteer.cli.nncp_timetable import Entry, Timetable


class Every:
    """Due at each multiple of so many seconds, up to an end."""

    def __init__(self, seconds, end=1e9):
        self.seconds = seconds
        self.end = end

    def next(self, after):
        at = (after // self.seconds + 1) * self.seconds
        return at if at <= self.end else None


def entry(node, seconds, end=1e9):
    return Entry(SimpleNamespace(id=node, name=node), 0, None, Every(seconds, end))


def test_an_entry_is_due_once_and_again_after_its_call():
    each = entry("bob", 60)
    table = Timetable([each], 10.0)
    assert table.next_at() == 60.0
    assert table.due(59.0) == []
    assert table.due(60.0) == [each]
    assert table.next_at() is None
    assert table.due(130.0) == []
    table.ended(each, 130.0)
    assert table.next_at() == 180.0


def test_one_call_to_a_neighbour_at_a_time():
    first, second, other = entry("bob", 60), entry("bob", 60), entry("carol", 60)
    table = Timetable([first, second, other], 0.0)
    assert table.due(60.0) == [first, other]
    assert table.next_at() == 120.0  # the second waits for its next time
    table.ended(first, 61.0)
    assert table.due(120.0) == [first]


def test_missed_times_come_due_once():
    each = entry("bob", 60)
    table = Timetable([each], 0.0)
    assert table.due(1_000_000.0) == [each]
    table.ended(each, 1_000_001.0)
    assert table.next_at() == 1_000_020.0


def test_a_clock_that_leaps_back_does_not_silence_a_call():
    each = entry("bob", 60)
    table = Timetable([each], 1_000_000.0)
    assert table.due(500.0) == []
    assert table.next_at() == 540.0


def test_a_small_step_back_repeats_nothing():
    each = entry("bob", 60)
    table = Timetable([each], 0.0)
    assert table.due(60.5) == [each]
    table.ended(each, 60.6)
    assert table.due(59.9) == []
    assert table.next_at() == 120.0


def test_what_is_never_due_again_is_dropped():
    never, once = entry("bob", 60, end=0), entry("carol", 60, end=60)
    table = Timetable([never, once], 0.0)
    assert table.take_dropped() == [never]
    assert table.due(60.0) == [once]
    assert table.take_dropped() == []
    table.ended(once, 60.0)
    assert not table.is_empty
    assert table.take_dropped() == [once]
    assert table.is_empty
