# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold the one present `Status` and hand every change to whoever watches.

A watcher's queue is one place long and the newest wins: a slow panel sees fewer steps, never old ones, and costs the
agent nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Self

import trio

if TYPE_CHECKING:
    from types import TracebackType

    from muleteer.agent.status import Status


class Publisher:
    """The present status, its sequence number, and its watchers."""

    def __init__(self, status: Status) -> None:
        self._status = status
        self._watchers: set[Watcher] = set()

    @property
    def status(self) -> Status:
        """What was published last."""
        return self._status

    def publish(self, status: Status, wall: float) -> bool:
        """Publish `status` under the next sequence number if it says anything new; return whether it did."""
        stamped = replace(status, sequence=self._status.sequence, now=self._status.now)
        if stamped == self._status:
            return False
        self._status = replace(status, sequence=self._status.sequence + 1, now=wall)
        for watcher in self._watchers:
            watcher.wake()
        return True

    def watch(self) -> Watcher:
        """Return a watcher, to be entered by ``with``."""
        return Watcher(self, self._watchers)


class Watcher:
    """One who wants to know of every change; `next` gives the present status first."""

    def __init__(self, publisher: Publisher, watchers: set[Watcher]) -> None:
        self._publisher = publisher
        self._watchers = watchers
        self._news = trio.Event()
        self._news.set()

    def __enter__(self) -> Self:
        self._watchers.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._watchers.discard(self)

    def wake(self) -> None:
        """Note that there is something newer than what was given out last."""
        self._news.set()

    async def next(self) -> Status:
        """Wait for a status that this watcher was not given before, and return the newest."""
        await self._news.wait()
        self._news = trio.Event()
        return self._publisher.status
