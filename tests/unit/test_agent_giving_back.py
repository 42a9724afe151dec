# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from muleteer.agent.giving_back import PAUSES, QUIET_SECONDS, give_back
from muleteer.agent.trouble import WORDS, problem_of
from muleteer.agent.turns import wait_for_turn
from muleteer.errors import MuleteerError, StillMounted
from muleteer.formats.ids import NodeId
from muleteer.spool.spool import Spool
from muleteer.testing.clock import FakeClock
from muleteer.testing.disk import FakeDisk

BUSY = StillMounted(device="/dev/sda1", problem="it is busy")
SLOW = StillMounted(device="/dev/sda1", problem="the stick takes long to answer")
NODES = tuple(NodeId(bytes([n]) * 32) for n in (1, 2))


class Seat:
    """A stick whose unmounting is refused for each of `refusals`; `there` for so many looks."""

    def __init__(self, *refusals, there=1000):
        self.refusals = list(refusals)
        self.there = there

    def present(self):
        self.there -= 1
        return self.there >= 0

    def release(self):
        if self.refusals:
            raise self.refusals.pop(0)


def give(seat, *, stop=lambda: False):
    clock, told = FakeClock(), []
    left = give_back(seat, stop, lambda error: told.append(str(error)), clock.monotonic, clock.advance)
    return left, told, clock.monotonic() - FakeClock().monotonic()


def test_what_is_unmounted_at_once_is_no_news():
    assert give(Seat()) == (None, [], 0.0)


def test_a_program_that_lets_go_within_seconds_is_no_news():
    left, told, _ = give(Seat(BUSY, BUSY, BUSY))
    assert (left, told) == (None, [])


def test_what_stays_busy_is_told_once_for_each_reason_and_tried_for_ever():
    left, told, seconds = give(Seat(*[BUSY] * 500, *[SLOW] * 300, BUSY))
    assert left is None
    assert told == [str(BUSY), str(SLOW), str(BUSY)]
    assert seconds == pytest.approx(sum(PAUSES) + PAUSES[-1] * (801 - len(PAUSES)))


def test_a_stick_that_is_out_needs_no_unmounting():
    left, told, _ = give(Seat(*[BUSY] * 99, there=1))
    assert (left, told) == (BUSY, [])


def test_an_agent_that_stops_tries_for_some_seconds_and_says_that_it_is_mounted():
    left, _, seconds = give(Seat(*[BUSY] * 99), stop=lambda: True)
    assert left is BUSY
    assert QUIET_SECONDS <= seconds <= QUIET_SECONDS + PAUSES[-1]


def test_one_turn_is_waited_for_until_all_queues_are_free():
    disk, clock = FakeDisk(), FakeClock()
    disk.mkdir("/spool")
    spool = Spool("/spool", disk)
    held = [spool.lock(NODES[1], "tx")]
    held[0].__enter__()

    def sleep(seconds):
        clock.advance(seconds)
        if clock.monotonic() > 1010:
            held.pop().__exit__(None, None, None)

    assert not wait_for_turn(spool, NODES, lambda: True, 1005.0, clock.monotonic, clock.advance)
    assert not wait_for_turn(spool, NODES, lambda: False, 1e9, clock.monotonic, clock.advance)
    assert wait_for_turn(spool, NODES, lambda: True, 1e9, clock.monotonic, sleep)


def every(kind):
    return [kind, *(deeper for sub in kind.__subclasses__() for deeper in every(sub))]


@pytest.mark.parametrize("kind", every(MuleteerError), ids=lambda kind: kind.__name__)
def test_no_error_puts_its_facts_before_everybodys_eyes(kind):
    names = ("path", "problem", "sender", "name", "runner", "device", "node", "handle", "where", "lock", "packet")
    problem = problem_of(kind(**dict.fromkeys(names, "SECRET")), 5.0)
    assert "SECRET" not in problem.what + problem.remedy
    assert problem.what
    assert problem.remedy
    assert len(problem.details) == 1
    assert problem.since == 5.0


def test_every_error_has_words():
    assert WORDS[-1][0] is MuleteerError
