# SPDX-License-Identifier: GPL-3.0-or-later
"""Find neighbours by multicast: tell on the wires that we listen, and hear who else does.

What is heard is not authenticated: it names an address where a neighbour may be tried, no more. Strangers cannot keep
us busy with it: of one neighbour at most one announcement a second is told.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import trio

from muleteer.agent.events import PeerDiscovered
from muleteer.carriers.multicast import Announcer, Hearing

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Container

    from muleteer.agent.clock import Clock
    from muleteer.agent.events import Event
    from muleteer.agent.journal import Journal
    from muleteer.config.model import Config
    from muleteer.formats.ids import NodeId

NAMES_MAX = 64  # interfaces remembered as those where multicast fails
TOLD_SECONDS = 1.0  # between two tellings of one neighbour


class Discovery:
    """Announces this node and hears others, on the interfaces that nncp.hjson's mcd-send and mcd-listen name."""

    def __init__(
        self, config: Config, port: int, clock: Clock, tell: Callable[[Event], Awaitable[None]], journal: Journal
    ) -> None:
        self._own = config.me.id
        self._known: Container[NodeId] = config.neighbours.keys() - {self._own}
        self._clock = clock
        self._tell = tell
        self._journal = journal
        self._announcer = Announcer(self._own, port, config.mcd_send) if config.mcd_send and port else None
        self._hearing = Hearing(config.mcd_listen) if config.mcd_listen else None
        self._told: dict[NodeId, float] = {}  # when (monotonic) a neighbour was told of last
        self._failed: set[str] = set()

    def refresh(self) -> None:
        """Take note that interfaces have changed."""
        if self._hearing is not None:
            self._note(self._hearing.refresh())

    async def run(self) -> None:
        """Announce and hear; never ends by itself."""
        try:
            async with trio.open_nursery() as nursery:
                if self._announcer is not None:
                    nursery.start_soon(self._announce, self._announcer)
                if self._hearing is not None:
                    nursery.start_soon(self._hear, self._hearing)
        finally:
            for part in (self._announcer, self._hearing):
                if part is not None:
                    part.close()

    async def _announce(self, announcer: Announcer) -> None:
        while True:
            deadline = announcer.deadline()
            await trio.sleep(math.inf if deadline is None else max(0.0, deadline - self._clock.monotonic()))
            self._note(announcer.announce(self._clock.monotonic()))

    async def _hear(self, hearing: Hearing) -> None:
        self.refresh()
        while True:
            await trio.lowlevel.wait_readable(hearing.fileno())
            for node, address, interface in hearing.heard():
                now = self._clock.monotonic()
                if node in self._known and now - self._told.get(node, -TOLD_SECONDS) >= TOLD_SECONDS:
                    self._told[node] = now
                    await self._tell(PeerDiscovered(node, address, interface))

    def _note(self, results: list[tuple[str, OSError | None]]) -> None:
        """Say once of each interface that multicast fails there."""
        for interface, error in results:
            if error is None:
                self._failed.discard(interface)
            elif interface not in self._failed:
                if len(self._failed) >= NAMES_MAX:  # a machine that makes and drops virtual ones all year
                    self._failed.clear()
                self._failed.add(interface)
                self._journal.event("no multicast here", interface=interface, problem=error.strerror)
