# SPDX-License-Identifier: GPL-3.0-or-later
from muleteer.engines.sync_events import IDLE, SILENCE, TIME
from muleteer.engines.sync_terms import SyncTerms
from muleteer.engines.sync_timing import Timing


def timing(*, patient=False, **terms):
    return Timing(SyncTerms(**terms), 1000.0, patient=patient)


def test_idle_counts_from_what_was_said_or_heard():
    line = timing()
    assert line.end(busy=False) == (1010.0, IDLE)
    line.heard(1005.0)
    line.read(1005.0, whole=True, said=False, piece=False)
    assert line.end(busy=False) == (1010.0, IDLE)  # a ping is no news
    line.read(1006.0, whole=True, said=True, piece=False)
    assert line.end(busy=False) == (1016.0, IDLE)
    line.sent(1007.0, said=True)
    line.gone(1009.0)
    assert line.end(busy=False) == (1019.0, IDLE)
    assert line.quiet_since == 1009.0
    line.sent(1012.0, said=False)
    line.gone(1012.0)
    assert line.end(busy=False) == (1019.0, IDLE)


def test_bytes_under_way_are_not_idleness():
    line = timing()
    line.sent(1000.0, said=True)
    assert line.end(busy=False) == (1120.0, SILENCE)
    assert line.next_ping() is None
    assert not line.ping_due(1100.0)
    line.gone(1050.0)
    assert line.end(busy=False) == (1060.0, IDLE)


def test_a_queue_is_not_idleness():
    line = timing()
    assert line.end(busy=True) == (1120.0, SILENCE)


def test_a_frame_that_drips_in_is_neither_idle_nor_endless():
    line = timing()
    for second in range(1001, 1130):
        line.heard(float(second))
        line.read(float(second), whole=False, said=False, piece=True)
    assert line.end(busy=False) == (1121.0, SILENCE)
    line.read(1130.0, whole=True, said=True, piece=True)  # the next one has begun
    assert line.end(busy=False) == (1140.0, IDLE)
    line.read(1131.0, whole=True, said=False, piece=False)
    line.heard(1131.0)
    assert line.end(busy=True) == (1251.0, SILENCE)


def test_time_on_line_is_bounded():
    line = timing(online_seconds=5.0)
    assert line.end(busy=True) == (1005.0, TIME)
    assert line.greeting_end() == (1005.0, TIME)
    assert timing(online_seconds=50.0).end(busy=False) == (1010.0, IDLE)


def test_a_stranger_has_its_seconds_and_no_more():
    line = timing(frame_seconds=7.0)
    for second in range(1001, 1007):
        line.heard(float(second))
        line.read(float(second), whole=False, said=False, piece=True)
    assert line.greeting_end() == (1007.0, SILENCE)


def test_a_caller_waits_for_a_slow_answer_but_not_for_ever():
    line = timing(patient=True)
    assert line.greeting_end() == (1010.0, SILENCE)
    line.sent(1000.0, said=True)
    assert line.greeting_end() == (1120.0, SILENCE)  # our greeting is still on its way
    line.gone(1020.0)
    assert line.greeting_end() == (1030.0, SILENCE)
    for second in range(1025, 1200, 5):
        line.heard(float(second))
    assert line.greeting_end() == (1140.0, SILENCE)


def test_pings():
    line = timing()
    assert line.next_ping() == 1060.0
    assert not line.ping_due(1059.9)
    assert line.ping_due(1060.0)
    line.sent(1060.0, said=False)
    line.gone(1061.0)
    assert line.next_ping() == 1121.0


def test_new_terms():
    line = timing()
    line.agree(SyncTerms(idle_seconds=3.0))
    assert line.end(busy=False) == (1003.0, IDLE)


def test_what_was_sent_whole_and_is_not_confirmed_is_not_idleness():
    line = timing(idle_seconds=10.0)
    line.read(1100.0, whole=True, said=True, piece=False)
    line.heard(1110.0)  # a ping
    assert line.end(busy=False, awaiting=True) == (1220.0, IDLE)
    line.heard(1200.0)
    assert line.end(busy=False, awaiting=True) == (1220.0, IDLE)  # for ever it is not either
    assert timing(idle_seconds=500.0).end(busy=False, awaiting=True) == (1120.0, SILENCE)
