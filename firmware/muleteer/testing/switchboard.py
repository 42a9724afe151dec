# SPDX-License-Identifier: GPL-3.0-or-later
"""A scheduler with a clock, queues and neighbours that answer as a test wants, in virtual time and without a thread."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from muleteer.agent.events import (
    AnswerEnded,
    CallAsked,
    CallEnded,
    CallErrand,
    InterfacesChanged,
    Now,
    SessionBegan,
    SpoolChanged,
    SurveyEnded,
    Waiting,
)
from muleteer.agent.lines import NeighbourLines
from muleteer.agent.scheduler import Scheduler
from muleteer.agent.status import SessionSummary
from muleteer.carriers.online import SessionReport
from muleteer.config.zone import utc_offset
from muleteer.errors import LinkFailed
from muleteer.formats.ids import NodeId
from muleteer.hotplug.interfaces import Interface

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from muleteer.agent.budgets import Budgets
    from muleteer.agent.events import Event
    from muleteer.agent.status import Line
    from muleteer.config.carrier_rules import CarrierRule
    from muleteer.config.model import Call
    from muleteer.config.zone import Offset

START = 1_800_000_000.0  # Friday, 15 January 2027, 08:00 UTC
STEPS_MAX = 100_000  # of one `run`: a scheduler that wants to be woken more often is broken


@dataclass(frozen=True, slots=True)
class Fate:
    """How a call goes."""

    seconds: float = 12.0
    established: bool = True
    everything: bool = True  # all that waits and the terms allow is sent
    received: int = 0
    ended: str = "idle"
    broken: bool = False


NOBODY = Fate(seconds=5.0, established=False, ended="", broken=True)
REFUSED = Fate(everything=False)


@dataclass(slots=True)
class Switchboard:
    """Everything around one scheduler. `fate` says how each call goes; without one, calls stay open until `end`."""

    rules: tuple[CarrierRule, ...]
    addrs: dict[str, dict[str, str]]  # neighbour -> name -> address
    calls: dict[str, tuple[Call, ...]] = field(default_factory=dict)
    budgets: Budgets | None = None
    fate: Callable[[CallErrand], Fate] | None = None
    wall: float = START
    monotonic: float = 1000.0
    sure: bool = True
    jitter: float = 0.5  # no deviation
    offset: Offset = utc_offset
    placed: list[tuple[Now, CallErrand]] = field(default_factory=list)
    queues: dict[str, list[tuple[int, int]]] = field(default_factory=dict)  # neighbour -> (nice, size)
    open: dict[NodeId, CallErrand] = field(default_factory=dict)
    steps: int = 0
    scheduler: Scheduler = field(init=False)
    _ends: list[tuple[float, int, CallErrand, Fate]] = field(default_factory=list)
    _count: itertools.count[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        lines = {
            node_of(name): NeighbourLines(name, addrs, self.calls.get(name, ())) for name, addrs in self.addrs.items()
        }
        self.scheduler = Scheduler(self.rules, lines, lambda: self.jitter, self.budgets, offset=self.offset)
        self.tell(SpoolChanged())

    @property
    def now(self) -> Now:
        """This instant."""
        return Now(self.wall, self.monotonic, self.sure)

    @property
    def lines(self) -> dict[tuple[str, str], Line]:
        """The lines by carrier and neighbour."""
        return {(line.carrier, line.neighbour): line for line in self.scheduler.lines}

    def tell(self, event: Event) -> tuple[CallErrand, ...]:
        """Hand over one event; return the calls that follow."""
        return self._take(self.scheduler.handle(event, self.now))

    def interfaces(self, *names: str, metered: Iterable[str] = ()) -> tuple[CallErrand, ...]:
        """Let these interfaces be up, and no others."""
        modems = tuple(metered)
        return self.tell(InterfacesChanged(tuple(Interface(name, up=True, metered=name in modems) for name in names)))

    def queue(self, name: str, nice: int = 160, size: int = 1000, count: int = 1) -> tuple[CallErrand, ...]:
        """Queue packets for a neighbour."""
        self.queues.setdefault(name, []).extend([(nice, size)] * count)
        return self.survey()

    def survey(self) -> tuple[CallErrand, ...]:
        """Count what waits."""
        rows = []
        for name, packets in self.queues.items():
            for nice in sorted({nice for nice, _ in packets}):
                sizes = [size for other, size in packets if other == nice]
                rows.append(Waiting(node_of(name), nice, len(sizes), min(sizes), sum(sizes)))
        return self.tell(SurveyEnded(waiting=tuple(rows), began=self.monotonic))

    def ask(self, name: str, carrier: str | None = None) -> tuple[CallErrand, ...]:
        """Force a call."""
        return self.tell(CallAsked(node_of(name), carrier))

    def end(self, errand: CallErrand, fate: Fate = Fate()) -> tuple[CallErrand, ...]:
        """End an open call, then count what waits."""
        self.open.pop(errand.node, None)
        sent = self._sent(errand) if fate.established and fate.everything else []
        report = report_of(errand.node, fate, len(sent), sum(sent))
        if fate.established:
            self.tell(SessionBegan(errand.node, errand.carrier, incoming=False))
        errands = self.tell(CallEnded(errand, report, SessionSummary(self.wall, established=fate.established)))
        return errands + self.survey()

    def answer(self, name: str, carrier: str, seconds: float = 10.0, fate: Fate = Fate()) -> None:
        """Let a neighbour call us."""
        self.tell(SessionBegan(node_of(name), carrier, incoming=True))
        self.run(seconds)
        summary = SessionSummary(self.wall, incoming=True, established=True)
        self.tell(AnswerEnded(node_of(name), carrier, report_of(node_of(name), fate, 0, 0), summary))
        self.survey()

    def leap(self, seconds: float) -> None:
        """Let the wall clock leap."""
        self.wall += seconds

    def run(self, seconds: float) -> None:
        """Let time pass: wake the scheduler when it wants, end calls when their fate says so."""
        until = self.monotonic + seconds
        for _ in range(STEPS_MAX):
            deadline = self.scheduler.deadline()
            times = [until, deadline, self._ends[0][0] if self._ends else None]
            due = min(time for time in times if time is not None)
            self._pass(max(0.0, due - self.monotonic))
            if self._ends and self._ends[0][0] <= self.monotonic:
                _, _, errand, fate = heapq.heappop(self._ends)
                self.end(errand, fate)
            elif deadline is not None and deadline <= self.monotonic:
                self.steps += 1
                self._take(self.scheduler.on_deadline(self.now))
            elif self.monotonic >= until:
                return
        raise AssertionError("the scheduler is woken again and again")

    def _pass(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds

    def _take(self, errands: tuple[CallErrand, ...]) -> tuple[CallErrand, ...]:
        for errand in errands:
            self.placed.append((self.now, errand))
            self.open[errand.node] = errand
            if self.fate is not None:
                fate = self.fate(errand)
                heapq.heappush(self._ends, (self.monotonic + fate.seconds, next(self._count), errand, fate))
        return errands

    def _sent(self, errand: CallErrand) -> list[int]:
        name = next((name for name in self.queues if node_of(name) == errand.node), "")
        queue, terms = self.queues.get(name, []), errand.terms
        fits = [
            (nice, size)
            for nice, size in queue
            if terms.send and nice <= terms.nice and (terms.size is None or size <= terms.size)
        ]
        for packet in fits:
            queue.remove(packet)
        return [size for _, size in fits]


def node_of(name: str) -> NodeId:
    """Return the id of a neighbour with this name."""
    return NodeId(name.encode().ljust(32, b"\0"))


def report_of(node: NodeId, fate: Fate, sent: int, sent_bytes: int) -> SessionReport:
    """Return the report of a session."""
    return SessionReport(
        node=node,
        established=fate.established,
        received=fate.received,
        received_bytes=1000 * fate.received,
        sent=sent,
        sent_bytes=sent_bytes,
        wire_in=300,
        wire_out=300 + sent_bytes,
        held=(),
        held_count=0,
        listed=(),
        unfinished=False,
        ended=fate.ended,
        error=LinkFailed(address="x", problem="no answer") if fate.broken else None,
        damaged=0,
    )
