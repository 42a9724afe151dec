# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent's side of links: interfaces that come and go, neighbours that are heard, those that call us.

Everything here tells events; what is to be done about them, the dispatcher and its scheduler decide.
"""

from __future__ import annotations

from contextlib import aclosing
from threading import Event as Flag
from typing import TYPE_CHECKING, cast

import trio

from muleteer.agent.answer_work import AnswerWork
from muleteer.agent.discovery import Discovery
from muleteer.agent.events import InterfacesChanged
from muleteer.agent.exchanges import Reception
from muleteer.agent.listening import Listening
from muleteer.agent.mailbox import Mailbox
from muleteer.agent.status import Phase
from muleteer.carriers.address import parse_endpoint
from muleteer.carriers.listener import Door
from muleteer.carriers.stream import WakeFlag
from muleteer.hotplug.interfaces import Interfaces

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable

    from muleteer.agent.box import Box
    from muleteer.agent.budgets import Budgets
    from muleteer.agent.clock import Clock
    from muleteer.agent.events import Event, Now
    from muleteer.agent.journal import Journal
    from muleteer.agent.status import Bay
    from muleteer.hotplug.interfaces import Interface


class Network:
    """The links of one box; `run` tells `events`, `close` comes at the end of it all."""

    def __init__(
        self,
        box: Box,
        budgets: Budgets,
        clock: Clock,
        now: Callable[[], Now],
        journal: Journal,
        events: trio.MemorySendChannel[Event],
    ) -> None:
        self._journal = journal
        self._events = events
        self.mailbox = Mailbox()
        self.hang_up = WakeFlag()
        self.give_way = Flag()
        rules = box.appliance.agent
        reception = Reception.of(box.lines, box.config.neighbours, budgets, now, self.give_way.is_set)
        door = Door()
        self._answers = AnswerWork(box, reception, clock, journal, door, self.mailbox.put, self.hang_up)
        addresses = rules.listen if reception.callers else ()
        self._listening = Listening(addresses, door, self._answers.run, events.send, journal)
        self._discovery = (
            Discovery(box.config, _port(addresses), clock, events.send, journal) if rules.multicast else None
        )

    def has_gone(self, interface: str) -> bool:
        """Return whether an interface is not up any more; for any thread."""
        return self._answers.has_gone(interface)

    def look_at(self, bays: Iterable[Bay]) -> None:
        """Have quiet sessions end while a stick in some bay waits for the neighbours' queues."""
        if any(bay.progress is not None and bay.progress.phase is Phase.WAITING for bay in bays):
            self.give_way.set()
        else:
            self.give_way.clear()

    def close(self) -> None:
        """Give back what is held; every session has ended."""
        self.hang_up.close()

    async def run(self) -> None:
        """Tell of everything; never ends by itself. When cancelled, sessions come to their end first: set `hang_up`."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._forward)
            nursery.start_soon(self._watch_interfaces)
            nursery.start_soon(self._listening.run)
            if self._discovery is not None:
                nursery.start_soon(self._discovery.run)

    async def _forward(self) -> None:
        while True:
            await self._events.send(await self.mailbox.take())

    async def _watch_interfaces(self) -> None:
        try:
            interfaces = Interfaces()
        except OSError as error:
            self._journal.alarm("interfaces cannot be watched", problem=error.strerror)
            return
        try:
            source = cast("AsyncGenerator[tuple[Interface, ...], None]", interfaces.changes())
            async with aclosing(source) as changes:
                async for now in changes:
                    self._answers.interfaces = now
                    if self._discovery is not None:
                        self._discovery.refresh()
                    await self._events.send(InterfacesChanged(now))
        finally:
            interfaces.close()


def _port(addresses: tuple[str, ...]) -> int:
    """Return the port that neighbours are told to call, by IPv6, where we listen; 0: none."""
    endpoints = (parse_endpoint(address) for address in addresses if address)
    return next((int(e.port) for e in endpoints if e.port.isdecimal() and (not e.host or ":" in e.host)), 0)
