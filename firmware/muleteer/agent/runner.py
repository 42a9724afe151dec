# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one errand: in one worker thread, under one cancel scope.

An errand writes, so it has no time-out and is never abandoned: it ends, or it is broken off between two packets, at a
place of its own choosing, because `stop` was set. Cancelling the scope waits for that end. An errand that hangs on a
dying stick hangs alone; the others go on.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

import trio

from muleteer.agent.events import CallErrand, RoundErrand, RoundProgressed, RoundStuck, SurveyErrand, TossErrand
from muleteer.agent.status import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.agent.events import CallEnded, Errand, Event, RoundEnded, SurveyEnded, TossEnded
    from muleteer.agent.mailbox import Mailbox
    from muleteer.agent.status import Progress
    from muleteer.carriers.stream import WakeFlag

REPORT_SECONDS = 0.1  # between two reports of one round: a lamp and a bar need no more
THREADS_MAX = 64  # bays, a toss, a survey and questions at the same time; trio's default of 40 is for web servers


class Works(Protocol):
    """The synchronous side: does the errands, each in its thread. Nothing here raises but for a bug."""

    def round(self, errand: RoundErrand, report: ProgressSlot, stop: threading.Event) -> RoundEnded:
        """Do a whole round."""

    def toss(self, errand: TossErrand, stop: threading.Event) -> TossEnded:
        """Toss what waits in rx."""

    def survey(self) -> SurveyEnded:
        """Count the spool."""

    def call(self, errand: CallErrand, tell: Callable[[Event], None], stop: WakeFlag) -> CallEnded:
        """Place a call; `tell` takes what happens meanwhile."""


class ProgressSlot:
    """Carries news from a round's thread to the agent: one place, the newest wins, never blocks the round.

    News is progress, or the problem that the round is stuck with.
    """

    def __init__(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._news = trio.Event()
        self._newest: Progress | Problem | None = None

    def put(self, news: Progress | Problem) -> None:
        """Note how far the round is; called in its thread."""
        first = self._newest is None
        self._newest = news
        if first:
            self._token.run_sync_soon(self._wake, idempotent=True)

    async def take(self) -> Progress | Problem:
        """Wait for news not taken before."""
        while True:
            await self._news.wait()
            self._news = trio.Event()
            newest, self._newest = self._newest, None
            if newest is not None:
                return newest

    def _wake(self) -> None:
        self._news.set()


class Runner:
    """Runs errands; every event they bring goes into `events`.

    Calls need two things more: a `mailbox` for what happens meanwhile, and `hang_up`, which ends sessions when set.
    """

    def __init__(
        self,
        works: Works,
        events: trio.MemorySendChannel[Event],
        mailbox: Mailbox | None = None,
        hang_up: WakeFlag | None = None,
    ) -> None:
        self._works = works
        self._events = events
        self._mailbox = mailbox
        self._hang_up = hang_up
        self._limiter = trio.CapacityLimiter(THREADS_MAX)
        self._stop = threading.Event()

    def stop(self) -> None:
        """Ask all errands to break off at their next safe place."""
        self._stop.set()
        if self._hang_up is not None:
            self._hang_up.set()

    async def run(self, errand: Errand) -> None:
        """Run one errand to its end and tell of it."""
        match errand:
            case RoundErrand():
                await self._events.send(await self._round(errand))
            case TossErrand():
                await self._events.send(
                    await trio.to_thread.run_sync(self._works.toss, errand, self._stop, limiter=self._limiter)
                )
            case SurveyErrand():
                await self._events.send(await trio.to_thread.run_sync(self._works.survey, limiter=self._limiter))
            case CallErrand():
                await self._call(errand)

    async def _round(self, errand: RoundErrand) -> RoundEnded:
        slot = ProgressSlot()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._forward, errand.bay, slot)
            ended = await trio.to_thread.run_sync(self._works.round, errand, slot, self._stop, limiter=self._limiter)
            nursery.cancel_scope.cancel()
        return ended

    async def _call(self, errand: CallErrand) -> None:
        if self._mailbox is None or self._hang_up is None:
            raise ValueError("this runner was not made for calls")
        put = self._mailbox.put  # its end goes this way, too, or it would overtake what happened before
        put(await trio.to_thread.run_sync(self._works.call, errand, put, self._hang_up, limiter=self._limiter))

    async def _forward(self, bay: str, slot: ProgressSlot) -> None:
        while True:
            news = await slot.take()
            await self._events.send(RoundStuck(bay, news) if isinstance(news, Problem) else RoundProgressed(bay, news))
            await trio.sleep(REPORT_SECONDS)
