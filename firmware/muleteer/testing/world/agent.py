# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent of a simulated box: the real heads and the real errands, joined by virtual time instead of trio.

What `muleteer.agent.agent` does with a nursery is done here with acts: an event goes to the dispatcher, its errands
begin a moment later, its deadline is an act, and who wants to know the status is told.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from muleteer import __version__
from muleteer.agent.box import Box
from muleteer.agent.budgets import Budgets
from muleteer.agent.dispatcher import Dispatcher
from muleteer.agent.events import (
    CallErrand,
    InterfacesChanged,
    RoundErrand,
    RoundProgressed,
    RoundStuck,
    SpoolChanged,
    StickAppeared,
    StopAsked,
    SurveyErrand,
    TossErrand,
    TroubleChanged,
)
from muleteer.agent.kept_clock import KeptClock
from muleteer.agent.lines import NeighbourLines
from muleteer.agent.narrator import narrate
from muleteer.agent.scheduler import Scheduler
from muleteer.agent.status import Bay, Phase, Problem, Status
from muleteer.agent.timekeeper import Timekeeper
from muleteer.agent.works import BoxWorks
from muleteer.crypto.entropy import random_bytes
from muleteer.errors import SpoolError
from muleteer.spool.sweep import sweep
from muleteer.testing.world.disk import PowerCut, WorldDisk
from muleteer.testing.world.switchboard import Switchboard

if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.agent.events import Errand, Event, Now
    from muleteer.agent.journal import Journal
    from muleteer.agent.status import Progress
    from muleteer.hotplug.interfaces import Interface
    from muleteer.spool.port import Disk
    from muleteer.testing.world.clock import BoxClock
    from muleteer.testing.world.session import WorldSession
    from muleteer.testing.world.stick import Bays, Mounts
    from muleteer.testing.world.switchboard import Dial
    from muleteer.testing.world.timeline import Timeline

THREAD_SECONDS = 0.01  # until an errand's thread runs
SPOOL_LOOK_SECONDS = 1.0
LATE_SECONDS = 0.001  # no timer is early
TIME_LOOK_SECONDS = 300.0  # a real agent looks every ten
LEAP_SECONDS = 2.0
WRITE_BACK_SECONDS = 35.0  # until a kernel writes back on its own


@dataclass(frozen=True, slots=True)
class WorldBox(Box):
    """A box whose disk is the fake one."""

    world_disk: WorldDisk | None = None

    def disk(self) -> Disk:
        """Return the machine's disk."""
        if self.world_disk is None:
            raise ValueError("a box without a disk")
        return self.world_disk


@dataclass(frozen=True, slots=True)
class Power:
    """What lasts from a start of the machine to its end."""

    disk: WorldDisk
    clock: BoxClock
    mounts: Mounts


class Watching(Protocol):
    """Who is told what an agent does."""

    def status(self, agent: WorldAgent, status: Status) -> None:
        """A new status was published."""

    def errand(self, agent: WorldAgent, errand: Errand) -> None:
        """An errand begins now."""

    def news(self, agent: WorldAgent, bay: str, news: Progress | Problem) -> None:
        """A round tells how far it is."""

    def ended(self, agent: WorldAgent, errand: Errand, event: Event) -> None:
        """An errand ended well or badly, but by itself."""

    def swept(self, agent: WorldAgent) -> None:
        """The spool was swept at a start."""

    def moved(self, session: WorldSession, received: int, sent: int) -> None:
        """A session took bytes from its wire, or put some on it."""


class WorldAgent:
    """One process: from `start` until it is stopped, or the power goes."""

    def __init__(
        self,
        box: WorldBox,
        power: Power,
        bays: Bays,
        timeline: Timeline,
        journal: Journal,
        watching: Watching,
        dial: Dial,
        interfaces: Callable[[], tuple[Interface, ...]],
    ) -> None:
        self.box = box
        self.power = power
        self.busy = 0  # errands and turns on the stack
        self.session: WorldSession | None = None  # whose turn it is, if it is one's
        self.interfaces = interfaces
        self._bays = bays
        self._timeline = timeline
        self._journal = journal
        self._watching = watching
        self._stop = threading.Event()
        self._look_due = False
        self._wake_at: float | None = None
        self._ended: Callable[[], None] | None = None
        self._shown: Status | None = None
        self.timekeeper = Timekeeper(box.spool(), power.clock, lambda: power.clock.is_set)
        self.now: Callable[[], Now] = self.timekeeper.now
        self.clock = KeptClock(power.clock, self.timekeeper)
        self.budgets = Budgets(box.spool(), lock=timeline.holding)
        self._works = BoxWorks(
            box, self.clock, journal, cast("Any", power.mounts), budgets=self.budgets, now=self.timekeeper.now
        )
        self.board = Switchboard(self, journal, timeline, dial, watching.moved)
        status = Status(
            name=box.appliance.agent.name,
            node=str(box.config.me.id),
            version=__version__,
            now=power.clock.wall(),
            started=power.clock.wall(),
            bays=tuple(Bay(name) for name in box.appliance.bays),
        )
        others = (n for n in box.config.neighbours.values() if n.id != box.config.me.id and n.noisepub)
        lines = {neighbour.id: NeighbourLines.of(neighbour) for neighbour in others}
        self.scheduler = Scheduler(box.lines, lines, _jitter, self.budgets)
        self.head = Dispatcher(box.appliance.bays, box.rules.admit, status, self.scheduler)
        self._time_problem: Problem | None = None
        self._is_watched = False  # for writing back
        self._operations = -1
        self._leap = 0.0

    @property
    def powered(self) -> bool:
        """Whether the machine has power."""
        return not self.power.disk.dead

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._stop.is_set()

    @property
    def alive(self) -> bool:
        """Whether this process runs."""
        return self.powered and not self._is_over

    @property
    def _is_over(self) -> bool:
        return self.head.stopping and self.head.idle

    def gives_way(self) -> bool:
        """Tell whether quiet sessions are to end: a stick waits for the queues."""
        progress = (bay.progress for bay in self.head.status.bays)
        return any(one is not None and one.phase is Phase.WAITING for one in progress)

    def start(self, failed: Callable[[], None]) -> None:
        """Sweep the spool and begin; `failed` is called if our own disk does not let us."""

        def begin() -> None:
            try:
                self._begin()
            except SpoolError as error:
                self._journal.alarm("the agent cannot start", problem=str(error))
                failed()

        self.perform(begin)

    def stop(self, ended: Callable[[], None]) -> None:
        """Ask the agent to stop; `ended` is called when it has."""
        self._ended = ended
        self._stop.set()
        self.tell(StopAsked())
        self.board.hang_up()

    def tell(self, event: Event) -> None:
        """Let the agent know of something."""
        if self.alive:
            narrate(self._journal, event, self.box.config)
            self._follow(self.head.handle(event, self.now()))

    def perform(self, work: Callable[[], None], session: WorldSession | None = None) -> None:
        """Do something on this machine, until its end or until the power goes."""
        if not self.powered:
            return
        self.busy += 1
        before, self.session = self.session, session
        try:
            work()
        except PowerCut:
            if not self.power.disk.dead:
                raise
        finally:
            self.busy -= 1
            self.session = before
        if not self._is_watched:
            self._is_watched = True
            self._timeline.after(WRITE_BACK_SECONDS, self._write_back)

    def changed(self, path: str) -> None:
        """Notice a new name on the disk: once a second the agent looks whether its queues changed."""
        if "/tx/" in path and not self._look_due:
            self._look_due = True
            self._timeline.after(SPOOL_LOOK_SECONDS, self._look)

    # ------------------------------------------------------------------------------------------ inside

    def _begin(self) -> None:
        self.timekeeper.open()
        self.budgets.open()
        sweep(self.box.spool(), now=self.clock.wall(), uptime=self.power.clock.uptime())
        self._watching.swept(self)
        self.tell(SpoolChanged())
        self.tell(InterfacesChanged(self.interfaces()))
        self._look_at_time()
        for bay, stick in self._bays.inside.items():
            if stick is not None:
                self.tell(StickAppeared(bay, self._bays.found(bay, stick)))

    def _follow(self, errands: tuple[Errand, ...]) -> None:
        for errand in errands:
            narrate(self._journal, errand, self.box.config)
            self._timeline.after(THREAD_SECONDS, self._running(errand))
        if self.head.status != self._shown:
            self._shown = self.head.status
            self._watching.status(self, self.head.status)
        deadline = self.head.deadline()
        when = None if deadline is None else self.power.clock.true_time(deadline) + LATE_SECONDS
        if when is not None and (self._wake_at is None or when < self._wake_at):
            self._wake_at = when
            self._timeline.at(when, lambda: self._wake(when))
        if self._is_over and self._ended is not None:
            ended, self._ended = self._ended, None
            ended()

    def _wake(self, when: float) -> None:
        if when != self._wake_at:
            return  # an earlier one came between
        self._wake_at = None
        if self.alive:
            self._follow(self.head.on_deadline(self.now()))

    def _look(self) -> None:
        self._look_due = False
        self.tell(SpoolChanged())

    def _running(self, errand: Errand) -> Callable[[], None]:
        return lambda: self.perform(lambda: self._run(errand))

    def _run(self, errand: Errand) -> None:
        self._watching.errand(self, errand)
        event: Event
        match errand:
            case RoundErrand():
                event = self._works.round(errand, cast("Any", _Slot(self, errand.bay)), self._stop)
            case TossErrand():
                event = self._works.toss(errand, self._stop)
            case SurveyErrand():
                event = self._works.survey()
            case CallErrand():
                self.board.call(errand)
                return
            case _:
                raise TypeError(errand)
        self.finished(errand, event)

    def finished(self, errand: Errand, event: Event) -> None:
        """Take the end of an errand."""
        self.power.disk.require_power()
        self._watching.ended(self, errand, event)
        self.tell(event)

    def _look_at_time(self) -> None:
        """Do what `agent.time_watch` does."""
        if not self.alive:
            return
        now = self.now()
        problem, leap = self.timekeeper.problem(), now.wall - now.monotonic
        if problem != self._time_problem or abs(leap - self._leap) > LEAP_SECONDS:
            self._time_problem = problem
            self.tell(TroubleChanged("time", problem))
        self._leap = leap
        if self.timekeeper.due():
            self.perform(self._keep_time)
        self._timeline.after(TIME_LOOK_SECONDS, self._look_at_time)

    def _keep_time(self) -> None:
        try:
            self.timekeeper.keep()
        except SpoolError as error:
            self._journal.alarm("the time cannot be kept", problem=str(error))

    def news(self, bay: str, news: Progress | Problem) -> None:
        """Take a word of a round."""
        self._watching.news(self, bay, news)
        self.tell(RoundStuck(bay, news) if isinstance(news, Problem) else RoundProgressed(bay, news))

    def _write_back(self) -> None:
        """Write back if nothing happened for a while, else look again later."""
        self._is_watched = False
        disk = self.power.disk
        if disk.dead:
            return
        if self.busy or disk.operations != self._operations:
            self._operations = disk.operations
            self._is_watched = True
            self._timeline.after(WRITE_BACK_SECONDS, self._write_back)
        else:
            disk.write_back()


def _jitter() -> float:
    return int.from_bytes(random_bytes(4), "big") / (1 << 32)


class _Slot:
    """Where a round puts its news."""

    def __init__(self, agent: WorldAgent, bay: str) -> None:
        self._agent = agent
        self._bay = bay

    def put(self, news: Progress | Problem) -> None:
        """Note how far the round is."""
        self._agent.news(self._bay, news)
