# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong, and how often it did: the faults of the safety phase."""

from __future__ import annotations

import errno
import os
from collections import Counter
from typing import TYPE_CHECKING

from muleteer.testing.world.disk import Trap
from muleteer.testing.world.people import SPOOL
from muleteer.testing.world.rulebook import DAY
from muleteer.testing.world.scenario import BATTERY, FAIR

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable

    from muleteer.testing.world.links import Link, Wire
    from muleteer.testing.world.machine import Machine
    from muleteer.testing.world.scenario import Weather
    from muleteer.testing.world.stick import Stick
    from muleteer.testing.world.timeline import Timeline

STICK_OPERATIONS = 300.0  # of one round, about: a careless hand pulls somewhere in it
DOWN_SECONDS = (15.0, 3 * 3600.0)
BUSY_TRIES = 8
ILL_OPERATIONS = 100.0  # of the next ones
FULL_SECONDS = (60.0, 3600.0)


class Trouble:
    """Injects faults while `weather` is not fair, and counts them in `faults` by kind."""

    def __init__(
        self, weather: Weather, timeline: Timeline, chance: random.Random, tell: Callable[[str], None]
    ) -> None:
        self.weather = weather
        self.chance = chance
        self.faults: Counter[str] = Counter()
        self.lost: list[Stick] = []
        self._timeline = timeline
        self._tell = tell

    def calm(self, machines: Iterable[Machine], links: Iterable[Link]) -> None:
        """End the faults: everybody gets power and the right time, links are up, nothing fails from here on."""
        self.weather = FAIR
        for link in links:
            link.set_up(up=True)
        for machine in machines:
            machine.start()
            if machine.power is not None:
                machine.power.disk.traps.clear()
                machine.power.disk.limit("/", None)
                machine.power.clock.set_wall(machine.power.clock.true_wall)
                machine.power.clock.is_set = True

    def watch_link(self, link: Link) -> None:
        """Begin to trouble a link."""
        self._come_and_go(link)
        for begin, end in link.plan.visits:
            link.up = False
            self._timeline.at(begin, lambda: link.set_up(up=True))
            self._timeline.at(end, lambda: link.set_up(up=False))
        link.connected = self.connected

    def _come_and_go(self, link: Link) -> None:
        plan = link.plan
        if not plan.ups:
            return

        def change() -> None:
            if self.weather is not FAIR:
                self._count("link down" if link.up else "link up", plan.name)
                link.set_up(up=not link.up)
                self._come_and_go(link)

        self._timeline.after(self.chance.expovariate(1 / (plan.ups if link.up else plan.downs)), change)

    def connected(self, wire: Wire) -> None:
        """Decide the fate of a new connection: broken at some byte, or held up now and then."""
        if self.chance.random() < self.weather.broken:
            count = int(10 ** self.chance.uniform(1.5, 6.0))
            wire.cut_after(count, lambda: self._count("connection cut", wire.link.plan.name))
        if self.chance.random() < self.weather.stalled:
            self._stall(wire)

    def _stall(self, wire: Wire) -> None:
        def stall() -> None:
            if self.weather.stalled and wire in wire.link.wires:
                self._count("connection stalled", wire.link.plan.name)
                wire.delay(self.chance.expovariate(1 / 4.0))
                self._stall(wire)

        self._timeline.after(self.chance.expovariate(1 / 5.0), stall)

    def watch(self, machine: Machine) -> None:
        """Begin to trouble a machine."""
        machine.busy = self._busy
        acts = {"blackout": self._blackout, "leap": self._leap, "restart": self._restart}
        acts |= {"ill": self._fall_ill, "full": self._fill_up, "asked": self._ask}
        for kind, act in acts.items():
            self._again(kind, act, machine)
        self.start(machine)

    def start(self, machine: Machine) -> None:
        """Switch a machine on, with the power to go at some operation."""
        machine.start()
        if self.weather.cut and machine.power is not None:
            count = 1 + int(self.chance.expovariate(1 / self.weather.cut))
            machine.power.disk.traps.append(Trap(None, count, lambda: self._cut(machine, "cut at an operation")))

    # ------------------------------------------------------------------------------------------ power and time

    def _again(self, kind: str, act: Callable[[Machine], None], machine: Machine) -> None:
        mean = float(getattr(self.weather, kind))
        if not mean:
            return

        def happen() -> None:
            if getattr(self.weather, kind):
                act(machine)
                self._again(kind, act, machine)

        self._timeline.after(self.chance.expovariate(1 / mean), happen)

    def _blackout(self, machine: Machine) -> None:
        if machine.power is not None:
            self._cut(machine, "blackout")

    def _cut(self, machine: Machine, kind: str) -> None:
        self._count(kind, machine.name)
        machine.cut()
        self._timeline.after(self.chance.uniform(*DOWN_SECONDS), lambda: self.start(machine))

    def _leap(self, machine: Machine) -> None:
        if machine.power is None:
            return
        clock = machine.power.clock
        right = machine.plan.clock == BATTERY or self.chance.random() < 0.5
        by = 0.0 if right else self.chance.choice((-1, 1)) * self.chance.choice((60.0, 3600.0, DAY, 400 * DAY))
        clock.set_wall(clock.true_wall + by)
        clock.is_set = right
        self._count("clock set right" if right else "clock set wrong", machine.name)

    def _restart(self, machine: Machine) -> None:
        if machine.agent is not None:
            self._count("agent restarted", machine.name)
            machine.restart()

    def _ask(self, machine: Machine) -> None:
        self.faults["call asked for"] += 1
        machine.ask_for_call()

    def _fall_ill(self, machine: Machine) -> None:
        """Have one operation of the box's own disk fail."""
        if machine.power is None:
            return

        def fail() -> None:
            self._count("own disk fails once", machine.name)
            machine.shaken()
            raise OSError(errno.EIO, os.strerror(errno.EIO), SPOOL)

        machine.power.disk.traps.append(Trap("/", 1 + int(self.chance.expovariate(1 / ILL_OPERATIONS)), fail))

    def _fill_up(self, machine: Machine) -> None:
        """Have no room on the box's own disk, or next to none, for a while."""
        self._count("own disk is full", machine.name)
        machine.disk.limit("/", int(self.chance.choice((0, 5e3, 1e5, 4.2e6))))
        machine.shaken()

        def make_room() -> None:
            machine.disk.limit("/", None)
            machine.shaken()

        self._timeline.after(self.chance.uniform(*FULL_SECONDS), make_room)

    # ------------------------------------------------------------------------------------------ sticks

    def loses(self, stick: Stick) -> bool:
        """Tell whether a stick is lost on the way."""
        if self.chance.random() < self.weather.lost:
            self._count("stick lost", stick.label)
            self.lost.append(stick)
            return True
        return False

    def prepare(self, stick: Stick) -> None:
        """Decide in which state a stick comes."""
        stick.protected = self.chance.random() < self.weather.protected
        if stick.protected:
            self._count("stick write-protected", stick.label)

    def lay(self, machine: Machine, stick: Stick, pull: Callable[[], None]) -> None:
        """Lay traps for a stick that was just put in."""
        if machine.power is None:
            return
        place = machine.power.mounts.place(stick)
        traps = machine.power.disk.traps
        count = 1 + int(self.chance.expovariate(1 / STICK_OPERATIONS))
        if self.chance.random() < self.weather.careless:
            traps.append(Trap(place, count, pull))
        elif self.chance.random() < self.weather.impatient:
            self._timeline.after(self.chance.expovariate(1 / 20.0), pull)
        if self.chance.random() < self.weather.sick:
            traps.append(
                Trap(place, 1 + int(self.chance.expovariate(1 / STICK_OPERATIONS)), self._failing(machine, place))
            )

    def pulled(self, machine: Machine, bay: str, stick: Stick) -> None:
        """Count a stick that is pulled though nobody said that it may be."""
        mounted = machine.power is not None and stick.device in machine.power.mounts.mounted
        if mounted:
            self._count("pulled while mounted", f"{machine.name} {bay} {stick.label}")

    def _failing(self, machine: Machine, place: str) -> Callable[[], None]:
        def fail() -> None:
            code = self.chance.choice((errno.EIO, errno.EIO, errno.EROFS, errno.ENOSPC))
            self._count(f"stick fails with {errno.errorcode[code]}", machine.name)
            if code == errno.EROFS and machine.power is not None:
                machine.power.disk.volumes[place].read_only = True
            raise OSError(code, os.strerror(code), place)

        return fail

    def _busy(self) -> int:
        if self.chance.random() < self.weather.busy:
            self.faults["unmounting refused"] += 1
            return self.chance.randint(1, BUSY_TRIES)
        return 0

    def _count(self, kind: str, who: str) -> None:
        self.faults[kind] += 1
        self._tell(f"{who}: {kind}")
