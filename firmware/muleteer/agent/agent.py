# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent: one nursery that joins bays, dispatcher, runner, publisher and control socket.

Everything that happens becomes an event in one bounded queue; one loop hands it to the dispatcher, publishes what the
dispatcher then says, and starts the errands it asks for. The loop ends when a stop was asked for and no errand runs.
"""

from __future__ import annotations

import contextlib
import math
import signal
from typing import TYPE_CHECKING

import trio

from muleteer import __version__
from muleteer.agent.bay_watch import watch_directory, watch_ports
from muleteer.agent.control import ControlServer, ControlSocket
from muleteer.agent.dispatcher import Dispatcher
from muleteer.agent.events import Now, SpoolChanged, StopAsked, TossDue
from muleteer.agent.narrator import narrate
from muleteer.agent.publisher import Publisher
from muleteer.agent.runner import Runner
from muleteer.agent.spool_watch import SpoolWatch
from muleteer.agent.status import Bay, Status
from muleteer.agent.works import BoxWorks
from muleteer.spool.layout import TX
from muleteer.spool.sweep import sweep

if TYPE_CHECKING:
    from muleteer.agent.box import Box
    from muleteer.agent.clock import Clock
    from muleteer.agent.events import Errand, Event
    from muleteer.agent.journal import Journal
    from muleteer.agent.publisher import Watcher

EVENTS_MAX = 64  # queued; whoever has more to tell waits
SPOOL_LOOK_SECONDS = 1.0
FAREWELL_SECONDS = 0.2  # for the last status to reach the panel


class Agent:
    """One box at work; `run` does it all. To be made inside trio."""

    def __init__(self, box: Box, clock: Clock, journal: Journal) -> None:
        self._box = box
        self._clock = clock
        self._journal = journal
        status = Status(
            name=box.appliance.agent.name,
            node=str(box.config.me.id),
            version=__version__,
            now=clock.wall(),
            started=clock.wall(),
            bays=tuple(Bay(name) for name in box.appliance.bays),
        )
        self._head = Dispatcher(box.appliance.bays, box.rules.admit, status)
        self._publisher = Publisher(status)
        self._events: trio.MemorySendChannel[Event]
        self._inbox: trio.MemoryReceiveChannel[Event]
        self._events, self._inbox = trio.open_memory_channel(EVENTS_MAX)
        self._runner = Runner(BoxWorks(box, clock, journal), self._events)

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT; then finish or break off what is under way.

        Raises:
            AgentRunning: another agent serves this address.
            ConfigError: the socket cannot be made.
            SpoolError: the spool is not there or not usable.

        """
        box = self._box
        with ControlSocket(box.appliance.agent.socket, box.disk()) as listening:
            await trio.to_thread.run_sync(self._sweep)
            self._journal.event("agent started", name=self.status().name, node=box.config.me.id, version=__version__)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._obey_signals)
                nursery.start_soon(ControlServer(self).serve, listening)
                nursery.start_soon(self._watch_spool)
                self._watch_bays(nursery)
                await self._work()
                nursery.cancel_scope.cancel()
        self._journal.event("agent stopped", name=self.status().name)

    # ------------------------------------------------------------------------------------------ the desk of control

    def status(self) -> Status:
        """Return the present status."""
        return self._publisher.status

    def watch(self) -> Watcher:
        """Return a watcher of the status."""
        return self._publisher.watch()

    def toss(self) -> None:
        """Note that a toss is wanted; if the queue of events is full, one is about to come anyway."""
        with contextlib.suppress(trio.WouldBlock):
            self._events.send_nowait(TossDue(insist=True))

    async def why(self, packet: str) -> str:
        """Return why a packet has not moved."""
        status, now = self.status(), self._clock.wall()
        return await trio.to_thread.run_sync(lambda: self._box.inquiry().why(packet, status, now))

    # ------------------------------------------------------------------------------------------ the loop

    def _sweep(self) -> None:
        swept = sweep(self._box.spool(), now=self._clock.wall(), uptime=self._clock.uptime())
        if swept.total:
            counts = {key: getattr(swept, key) or None for key in ("drafts", "headers", "asides", "ledger", "marks")}
            self._journal.event("spool swept", **counts)

    async def _work(self) -> None:
        async with trio.open_nursery() as errands:
            todo = self._head.handle(SpoolChanged(), self._now())
            while True:
                for errand in todo:
                    narrate(self._journal, errand)
                    errands.start_soon(self._runner.run, errand)
                self._publisher.publish(self._head.status, self._clock.wall())
                if self._head.stopping and self._head.idle:
                    break
                todo = await self._next()
        await trio.sleep(FAREWELL_SECONDS)

    async def _next(self) -> tuple[Errand, ...]:
        """Wait for the next event, or for what was put off, and return what is to be done then."""
        deadline = self._head.deadline()
        event: Event | None = None
        with trio.move_on_after(math.inf if deadline is None else max(0.0, deadline - self._clock.monotonic())):
            event = await self._inbox.receive()
        if event is None:
            return self._head.on_deadline(self._now())
        narrate(self._journal, event)
        return self._head.handle(event, self._now())

    def _now(self) -> Now:
        return Now(self._clock.wall(), self._clock.monotonic())

    # ------------------------------------------------------------------------------------------ who tells

    async def _obey_signals(self) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for number in signals:
                self._journal.event("stop asked", signal=signal.Signals(number).name)
                self._runner.stop()
                await self._events.send(StopAsked())

    def _watch_bays(self, nursery: trio.Nursery) -> None:
        bays = self._box.appliance.bays.values()
        for bay in bays:
            if bay.directory is not None:
                nursery.start_soon(watch_directory, bay.name, bay.directory, self._events.send)
        ports = tuple((bay.name, bay.port) for bay in bays if bay.port is not None)
        if ports:
            nursery.start_soon(watch_ports, ports, self._events.send, self._journal)

    async def _watch_spool(self) -> None:
        layout = self._box.spool().layout
        watch = SpoolWatch(layout.way(node, TX) for node in self._box.config.neighbours)
        while True:
            await trio.sleep(SPOOL_LOOK_SECONDS)
            if watch.changed():
                await self._events.send(SpoolChanged())
