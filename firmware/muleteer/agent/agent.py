# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent: one nursery that joins bays, links, dispatcher, runner, publisher and control socket.

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
from muleteer.agent.budgets import Budgets
from muleteer.agent.call_desk import CallDesk
from muleteer.agent.control import ControlServer, ControlSocket
from muleteer.agent.dispatcher import Dispatcher
from muleteer.agent.events import CallAsked, SpoolChanged, StopAsked, TossDue
from muleteer.agent.held_watch import watch_held
from muleteer.agent.housekeeping import clean, clean_daily
from muleteer.agent.kept_clock import KeptClock
from muleteer.agent.lines import NeighbourLines
from muleteer.agent.narrator import narrate
from muleteer.agent.network import Network
from muleteer.agent.publisher import Publisher
from muleteer.agent.runner import Runner
from muleteer.agent.scheduler import Scheduler
from muleteer.agent.spool_watch import SpoolWatch
from muleteer.agent.status import Bay, Status
from muleteer.agent.time_watch import clock_is_set, watch_time
from muleteer.agent.timekeeper import Timekeeper
from muleteer.agent.works import BoxWorks
from muleteer.crypto.entropy import random_bytes
from muleteer.errors import CallRefused, SpoolError
from muleteer.spool.layout import TX

if TYPE_CHECKING:
    from muleteer.agent.box import Box
    from muleteer.agent.call_desk import Ticket
    from muleteer.agent.clock import Clock
    from muleteer.agent.events import Errand, Event
    from muleteer.agent.journal import Journal
    from muleteer.agent.publisher import Watcher
    from muleteer.formats.ids import NodeId

EVENTS_MAX = 64  # queued; whoever has more to tell waits
SPOOL_LOOK_SECONDS = 1.0
FAREWELL_SECONDS = 0.2  # for the last status to reach the panel


class Agent:
    """One box at work; `run` does it all. To be made inside trio."""

    def __init__(self, box: Box, clock: Clock, journal: Journal) -> None:
        self._box = box
        self._journal = journal
        self._timekeeper = Timekeeper(box.spool(), clock, clock_is_set)
        self._clock: Clock = KeptClock(clock, self._timekeeper)
        self._budgets = Budgets(box.spool())
        status = Status(
            name=box.appliance.agent.name,
            node=str(box.config.me.id),
            version=__version__,
            now=clock.wall(),
            started=clock.wall(),
            bays=tuple(Bay(name) for name in box.appliance.bays),
        )
        self._calls = Scheduler(box.lines, _neighbours(box), _jitter, self._budgets)
        self._head = Dispatcher(box.appliance.bays, box.rules.admit, status, self._calls)
        self._publisher = Publisher(status)
        self._desk = CallDesk()
        self._events: trio.MemorySendChannel[Event]
        self._inbox: trio.MemoryReceiveChannel[Event]
        self._events, self._inbox = trio.open_memory_channel(EVENTS_MAX)
        now = self._timekeeper.now
        self._network = Network(box, self._budgets, self._clock, now, journal, self._events)
        works = BoxWorks(
            box,
            self._clock,
            journal,
            budgets=self._budgets,
            now=now,
            give_way=self._network.give_way.is_set,
            has_gone=self._network.has_gone,
        )
        self._runner = Runner(works, self._events, self._network.mailbox, self._network.hang_up)

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT; then finish or break off what is under way.

        Raises:
            AgentRunning: another agent serves this address.
            ConfigError: the socket cannot be made.
            SpoolError: the spool is not there or not usable.

        """
        box = self._box
        with (
            contextlib.closing(self._network),
            ControlSocket(box.appliance.agent.socket, box.disk()) as listening,
        ):
            await trio.to_thread.run_sync(self._open)
            self._journal.event("agent started", name=self.status().name, node=box.config.me.id, version=__version__)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._obey_signals)
                nursery.start_soon(ControlServer(self).serve, listening)
                nursery.start_soon(self._watch_spool)
                nursery.start_soon(self._network.run)
                nursery.start_soon(clean_daily, box, self._clock, self._journal)
                nursery.start_soon(watch_time, self._timekeeper, self._events.send, self._journal)
                if box.appliance.held.tell:
                    nursery.start_soon(watch_held, box, self._journal, self.status, self._timekeeper.now)
                self._watch_bays(nursery)
                await self._work()
                nursery.cancel_scope.cancel()
            await trio.to_thread.run_sync(self._close)
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

    def follow(self, neighbour: str, carrier: str | None) -> Ticket:
        """Return a ticket for a call that is about to be asked for. Raises UsageError, CallRefused."""
        found = self._box.config.find(neighbour)
        refusal = self._calls.refusal(found.id, carrier, self._timekeeper.now())
        if refusal is not None:
            raise CallRefused(neighbour=found.name, problem=refusal)
        return self._desk.follow(found.id, found.name)

    async def call(self, ticket: Ticket, carrier: str | None) -> None:
        """Have the call placed that the ticket follows."""
        await self._events.send(CallAsked(ticket.node, carrier))

    # ------------------------------------------------------------------------------------------ the loop

    def _open(self) -> None:
        self._timekeeper.open()
        self._budgets.open()
        clean(self._box, self._clock, self._journal)

    def _close(self) -> None:
        try:
            self._timekeeper.keep()
        except SpoolError as error:
            self._journal.alarm("the time cannot be kept", problem=str(error))

    async def _work(self) -> None:
        async with trio.open_nursery() as errands:
            todo = self._head.handle(SpoolChanged(), self._timekeeper.now())
            while True:
                for errand in todo:
                    narrate(self._journal, errand, self._box.config)
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
        now = self._timekeeper.now()
        if event is None:
            todo = self._head.on_deadline(now)
        else:
            narrate(self._journal, event, self._box.config)
            todo = self._head.handle(event, now)
        self._desk.note(event, todo, self._calls.lines)
        self._network.look_at(self._head.status.bays)
        return todo

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


def _neighbours(box: Box) -> dict[NodeId, NeighbourLines]:
    """Return those that sessions are possible with: others, with a key for it."""
    others = (n for n in box.config.neighbours.values() if n.id != box.config.me.id and n.noisepub)
    return {neighbour.id: NeighbourLines.of(neighbour) for neighbour in others}


def _jitter() -> float:
    return int.from_bytes(random_bytes(4), "big") / (1 << 32)
