# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import threading

import trio

from muleteer.agent.events import (
    Ending,
    RoundEnded,
    RoundErrand,
    RoundProgressed,
    SurveyEnded,
    SurveyErrand,
    TossEnded,
    TossErrand,
)
from muleteer.agent.runner import ProgressSlot, Runner
from muleteer.agent.status import Phase, Progress, RoundSummary
from muleteer.hotplug.recognise import StickFound

ERRAND = RoundErrand("left", StickFound("/dev/sda1", "", "vfat"), "BLUE", None)
ENDED = RoundEnded("left", Ending.COMPLETE, RoundSummary("left", "BLUE"))


class FakeWorks:
    """Rounds that wait for a word, or for the stop."""

    def __init__(self):
        self.may_end = threading.Event()
        self.began = threading.Event()

    def round(self, errand, report, stop):
        self.began.set()
        report.put(Progress(Phase.SENDING, 1, 9))
        while not self.may_end.is_set() and not stop.wait(0.001):
            pass
        return ENDED

    def toss(self, errand, stop):
        return TossEnded(delivered=3)

    def survey(self):
        return SurveyEnded(waiting_toss=1)


async def test_each_errand_ends_in_its_event(nursery):
    works = FakeWorks()
    works.may_end.set()
    send, events = trio.open_memory_channel(10)
    runner = Runner(works, send)
    await runner.run(TossErrand())
    await runner.run(SurveyErrand())
    await runner.run(ERRAND)
    told = [events.receive_nowait() for _ in range(events.statistics().current_buffer_used)]
    assert [event for event in told if not isinstance(event, RoundProgressed)] == [
        TossEnded(delivered=3),
        SurveyEnded(waiting_toss=1),
        ENDED,
    ]


async def test_progress_arrives_while_the_round_runs(nursery):
    works = FakeWorks()
    send, events = trio.open_memory_channel(10)
    nursery.start_soon(Runner(works, send).run, ERRAND)
    with trio.fail_after(10):
        assert await events.receive() == RoundProgressed("left", Progress(Phase.SENDING, 1, 9))
        works.may_end.set()
        assert await events.receive() == ENDED


async def test_two_rounds_run_at_the_same_time_and_stop_breaks_both_off(nursery):
    first, second = FakeWorks(), FakeWorks()
    send, events = trio.open_memory_channel(10)
    runners = [Runner(works, send) for works in (first, second)]
    for runner in runners:
        nursery.start_soon(runner.run, ERRAND)
    with trio.fail_after(10):
        await trio.to_thread.run_sync(first.began.wait)
        await trio.to_thread.run_sync(second.began.wait)
        for runner in runners:
            runner.stop()
        ended = 0
        while ended < 2:
            ended += await events.receive() == ENDED


async def test_a_cancelled_round_is_waited_for_not_abandoned(nursery):
    works = FakeWorks()
    send, _events = trio.open_memory_channel(10)
    scope, left = trio.CancelScope(), trio.Event()

    async def run():
        with scope:
            await Runner(works, send).run(ERRAND)
        left.set()

    nursery.start_soon(run)
    with trio.fail_after(10):
        await trio.to_thread.run_sync(works.began.wait)
        scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert not left.is_set()
        works.may_end.set()
        await left.wait()


async def test_of_progress_the_newest_wins_and_nothing_blocks():
    slot = ProgressSlot()
    for done in range(1000):
        slot.put(Progress(packets_done=done))
    with trio.fail_after(10):
        assert (await slot.take()).packets_done == 999
        slot.put(Progress(packets_done=7))
        assert (await slot.take()).packets_done == 7
