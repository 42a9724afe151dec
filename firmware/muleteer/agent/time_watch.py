# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the time while the agent runs: write the floor down now and then, and say when the time is not sure."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import trio

from muleteer.agent.events import TroubleChanged
from muleteer.errors import SpoolError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from muleteer.agent.events import Event
    from muleteer.agent.journal import Journal
    from muleteer.agent.timekeeper import Timekeeper

LOOK_SECONDS = 10.0  # a clock that is set late is noticed so soon
SET_BY_OTHERS = "/run/systemd/timesync/synchronized"  # made by systemd-timesyncd when it has set the clock


def clock_is_set() -> bool:
    """Return whether this machine says that somebody who knows has set its clock."""
    return os.path.exists(SET_BY_OTHERS)


async def watch_time(timekeeper: Timekeeper, tell: Callable[[Event], Awaitable[None]], journal: Journal) -> None:
    """Look every few seconds; never ends by itself. An event is told when the clock's standing changes."""
    last = None
    leap = _leap(timekeeper)
    while True:
        problem = timekeeper.problem()
        now = _leap(timekeeper)
        if problem != last or abs(now - leap) > LEAP_SECONDS:
            await tell(TroubleChanged("time", problem))
            last = problem
        leap = now
        if timekeeper.due():
            try:
                await trio.to_thread.run_sync(timekeeper.keep)
            except SpoolError as error:
                journal.alarm("the time cannot be kept", problem=str(error))
        await trio.sleep(LOOK_SECONDS)


LEAP_SECONDS = 2.0  # the wall time has leapt if it and the monotonic one disagree by more, since the last look


def _leap(timekeeper: Timekeeper) -> float:
    now = timekeeper.now()
    return now.wall - now.monotonic
