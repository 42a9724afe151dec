# SPDX-License-Identifier: GPL-3.0-or-later
"""One seed, one world: first everything may fail and nothing may be lost, then nothing fails and everything arrives."""

from __future__ import annotations

import io
import os
import random
import time
import traceback
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from muleteer.crypto.hashes import blake2b_256
from muleteer.errors import MuleteerError
from muleteer.formats.ids import is_packet_name
from muleteer.spool.aside import Aside
from muleteer.spool.ledger import Ledger
from muleteer.spool.spool import Spool
from muleteer.testing.world.checkers import Checkers
from muleteer.testing.world.courier import Courier
from muleteer.testing.world.entropy import SeededEntropy
from muleteer.testing.world.links import Link
from muleteer.testing.world.machine import Machine
from muleteer.testing.world.people import SPOOL, config_of
from muleteer.testing.world.rulebook import DAY, HOUR
from muleteer.testing.world.scenario import scenario_of
from muleteer.testing.world.timeline import Timeline
from muleteer.testing.world.weather import Trouble

if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.testing.world.scenario import Letter, Scenario

BUGS = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, MuleteerError),
    *(OSError, RuntimeError, TypeError, ValueError),
)
"""What a bug raises: it breaks every rule."""

FRAMES_SHOWN = 8
LINES_KEPT = 400
RETRY_SECONDS = 600.0  # until somebody tries again to send a letter from a box that is off
RESTART_SECONDS = 300.0
WAITING_SHOWN = 6
MEMORY_MAX = 64 << 10  # bytes of what is kept beside the packets


@dataclass(slots=True)
class Outcome:
    """How a world went. `digest` stands for its whole event log; `lines` are the last of it."""

    seed: int
    violations: list[str]
    faults: Counter[str]
    counts: Counter[str]
    digest: str
    days: float
    lines: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every rule held."""
        return not self.violations


class World:
    """Brings a scenario to life; `run` plays it to its end."""

    def __init__(self, scenario: Scenario, tell: Callable[[str], None] | None = None) -> None:
        self.scenario = scenario
        self.timeline = Timeline()
        self.chance = random.Random(f"luck {scenario.seed}")
        self.log: deque[str] = deque(maxlen=LINES_KEPT)
        self._tell = tell
        self._digest = b""
        self._batch: list[str] = []
        letters = {letter.target: letter for letter in scenario.letters}
        self.checkers = Checkers(letters, scenario.rules, lambda: self.timeline.now)
        self.trouble = Trouble(scenario.weather, self.timeline, self.chance, self.note)
        self.promised: dict[int, float] = {}
        names = [plan.name for plan in scenario.boxes]
        self.links = [Link(plan, self.timeline) for plan in scenario.links]
        self.machines = {
            plan.name: Machine(
                plan,
                config_of(plan, names, _addresses(plan.name, scenario)),
                self.timeline,
                scenario.epoch,
                self.chance,
                self.checkers,
                _Lines(self, plan.name),
            )
            for plan in scenario.boxes
        }
        self.checkers.machines = self.machines
        for link in self.links:
            ends = [self.machines[name] for name in link.plan.edge]
            ends[0].join(link, ends[1])
            ends[1].join(link, ends[0])
            link.changed = self._link_changed
        self.couriers = [Courier(plan, self.machines, self.timeline, self.trouble) for plan in scenario.sticks]

    def run(self) -> Outcome:
        """Play the world."""
        scenario = self.scenario
        os.environ["TZ"] = "UTC"  # local time is part of the rules
        time.tzset()
        with SeededEntropy(random.Random(f"entropy {scenario.seed}")):
            try:
                self._begin()
                self.timeline.run(scenario.safety)
                self.note("the weather is fair from here on")
                self.trouble.calm(self.machines.values(), self.links)
                end = scenario.safety + scenario.bound
                while self.timeline.now < end and not self.checkers.violations and not self._is_quiet():
                    self.timeline.run(self.timeline.now + HOUR)
                if not self.checkers.violations:
                    self._conclude()
            except BUGS as bug:
                where = traceback.extract_tb(bug.__traceback__)[-FRAMES_SHOWN:]
                places = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(where))
                self.checkers.broken("simulator", f"{bug!r} at {places}")
        return self.outcome()

    def outcome(self) -> Outcome:
        """Return how it went so far."""
        self._fold()
        return Outcome(
            self.scenario.seed,
            self.checkers.violations,
            self.trouble.faults,
            self.checkers.counts,
            self._digest.hex()[:16],
            self.timeline.now / 86400,
            list(self.log),
        )

    def note(self, text: str) -> None:
        """Take one line into the event log."""
        line = f"{self.timeline.now:.3f} {text}"
        self.log.append(line)
        self._batch.append(line)
        if len(self._batch) >= LINES_KEPT:
            self._fold()
        if self._tell is not None:
            self._tell(line)

    def _fold(self) -> None:
        self._digest = blake2b_256(self._digest + "\n".join(self._batch).encode("utf-8", "surrogateescape"))
        self._batch.clear()

    def _link_changed(self, link: Link) -> None:
        self.note(f"{link.plan.name} is {'up' if link.up else 'down'}")
        for name in link.plan.edge:
            self.machines[name].link_changed(link)

    # ------------------------------------------------------------------------------------------ the beginning

    def _begin(self) -> None:
        for machine in self.machines.values():
            machine.named = self.checkers.named
            self.trouble.watch(machine)
        for link in self.links:
            self.trouble.watch_link(link)
        for courier in self.couriers:
            courier.set_out()
        for letter in self.scenario.letters:
            self.timeline.at(letter.at, self._sending(letter))

    def _sending(self, letter: Letter) -> Callable[[], None]:
        def promised() -> None:
            self.promised[letter.number] = self.timeline.now
            self.note(f"{letter.sender}: {letter.target} for {letter.recipient} sent, nice {letter.nice}")

        def send() -> None:
            if not self.machines[letter.sender].send(letter, promised):
                self.checkers.sent_again.add(letter.number)
                self.timeline.after(RETRY_SECONDS, send)

        return send

    # ------------------------------------------------------------------------------------------ the end

    def _is_quiet(self) -> bool:
        """Tell whether everything has arrived and was acknowledged."""
        wanted = {letter.number for letter in self.scenario.letters if self.scenario.may_arrive(letter)}
        sent = len(self.promised) == len(self.scenario.letters)
        return sent and wanted <= self.checkers.arrived.keys() and not any(map(self._queued, self._all()))

    def _all(self) -> list[Machine]:
        return list(self.machines.values())

    def _queued(self, machine: Machine) -> list[str]:
        """Return what waits on a box and may go on, or is not yet tossed."""
        allowed = self.scenario
        names = {person.config.me.id: person.name for person in self._all()}
        found = []
        spool = Spool(SPOOL, machine.disk)
        pause, machine.disk.timeline = machine.disk.timeline, None
        try:
            for node in spool.nodes():
                for way in ("rx", "tx"):
                    for entry in spool.entries(node, way):
                        other = names.get(node, machine.name)
                        held = way == "tx" and not allowed.passes(machine.name, other, entry.nice, entry.size)
                        found += [] if held else [f"{way}/{entry.name} nice {entry.nice}, {entry.size} bytes"]
        finally:
            machine.disk.timeline = pause
        return found

    def _conclude(self) -> None:
        if self._is_quiet():
            for machine in self._all():
                machine.restart()  # which sweeps away what a failing disk did not let go
            self.timeline.run(self.timeline.now + RESTART_SECONDS)
        arrived: set[int] = set()
        days = self.scenario.bound / DAY
        for machine in self._all():
            arrived |= self.checkers.look_at(machine)
            self._look_for_leftovers(machine)
        for letter in self.scenario.letters:
            if letter.number not in self.promised:
                self.checkers.broken(letter.sender, f"{letter.target} could not be sent in all that time")
            elif self.scenario.may_arrive(letter) and letter.number not in arrived:
                self.checkers.broken(letter.recipient, f"{letter} did not arrive in {days:.0f} days")
            elif not self.scenario.may_arrive(letter) and letter.number in arrived and self.scenario.must_wait(letter):
                self.checkers.broken(letter.recipient, f"{letter} arrived though no rule lets it")

    def _look_for_leftovers(self, machine: Machine) -> None:
        machine.disk.timeline = None
        for entry in self._queued(machine)[:WAITING_SHOWN]:
            why = self._why(machine, entry.split("/")[1].split(" ")[0])
            self.checkers.broken(machine.name, f"{entry} is still there: {why}")
        spool = Spool(SPOOL, machine.disk)
        for path, content in machine.disk.image().items():
            above, _, name = path.rpartition("/")
            if above == f"{SPOOL}/muleteer" and isinstance(content, bytes) and len(content) > MEMORY_MAX:
                self.checkers.broken(machine.name, f"{name} has grown to {len(content)} bytes")
        records = Aside(spool).records()
        if records:
            self.checkers.broken(machine.name, f"{len(records)} records of packets set aside are left")
        held = sum(len(spool.entries(node, "tx")) for node in spool.nodes())
        if len(Ledger(spool).names()) > held:
            self.checkers.broken(machine.name, "the ledger names packets that are gone")

    def _why(self, machine: Machine, packet: str) -> str:
        if machine.agent is None or not is_packet_name(packet):
            return "the box is off"
        status = machine.agent.head.status
        try:
            return machine.agent.box.inquiry().why(packet, status, machine.agent.power.clock.wall())
        except MuleteerError as error:
            return str(error)


def _addresses(name: str, scenario: Scenario) -> dict[str, dict[str, str]]:
    """Return how a box reaches its neighbours: the link's name, the neighbour's, a port."""
    found: dict[str, dict[str, str]] = {}
    for link in scenario.links:
        if name in link.edge:
            other = link.second if name == link.first else link.first
            found.setdefault(other, {})[link.kind] = f"{link.name}.{other}:5400"
    return found


class _Lines(io.StringIO):
    """Where the journal of a box goes: the world's event log."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__()
        self._world = world
        self._name = name

    def write(self, text: str) -> int:
        """Take a line."""
        self._world.note(f"{self._name}: {text.rstrip()}")
        return len(text)


def play(seed: int, tell: Callable[[str], None] | None = None) -> Outcome:
    """Play the world of a seed; a bug's exception is a violation."""
    world = World(scenario_of(seed), tell)
    return world.run()
