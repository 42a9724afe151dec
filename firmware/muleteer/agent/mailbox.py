# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry events from worker threads to the agent's loop: threads put and never wait, one task takes.

A session tells that it began, how far it is, and that it ended. Of progress the newest wins, so what waits here is
bounded by the number of sessions, and a session never waits for the agent.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

import trio

from muleteer.agent.events import SessionProgressed

if TYPE_CHECKING:
    from muleteer.agent.events import Event


class Mailbox:
    """A queue with the order kept."""

    def __init__(self) -> None:
        self._token: trio.lowlevel.TrioToken | None = None  # of who takes
        self._news = trio.Event()
        self._lock = threading.Lock()
        self._events: deque[Event] = deque()

    def put(self, event: Event) -> None:
        """Add an event; from any thread, also from one that outlives the agent's loop."""
        with self._lock:
            if isinstance(event, SessionProgressed):
                self._drop_older(event)
            self._events.append(event)
        if self._token is None:
            return
        try:
            self._token.run_sync_soon(self._wake, idempotent=True)
        except trio.RunFinishedError:  # nobody takes any more
            self._events.clear()

    async def take(self) -> Event:
        """Wait for an event and take it."""
        self._token = trio.lowlevel.current_trio_token()
        while True:
            with self._lock:
                if self._events:
                    return self._events.popleft()
                self._news = trio.Event()
            await self._news.wait()

    def _drop_older(self, event: SessionProgressed) -> None:
        for old in self._events:
            if isinstance(old, SessionProgressed) and (old.node, old.carrier) == (event.node, event.carrier):
                self._events.remove(old)
                return

    def _wake(self) -> None:
        self._news.set()
