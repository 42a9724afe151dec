# SPDX-License-Identifier: GPL-3.0-or-later
"""One box as its owner sees it: a plug, bays, lamps, and a shell to send letters from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muleteer.agent.allowance import resolve
from muleteer.agent.events import CallAsked, InterfacesChanged, PeerDiscovered, StickAppeared, StickVanished
from muleteer.agent.journal import Journal
from muleteer.agent.toss_log import TossLog
from muleteer.errors import SpoolError
from muleteer.hotplug.interfaces import Interface
from muleteer.testing.packets import reader
from muleteer.testing.world.agent import Power, WorldAgent, WorldBox
from muleteer.testing.world.clock import BoxClock
from muleteer.testing.world.disk import WorldDisk
from muleteer.testing.world.panel import Panel
from muleteer.testing.world.people import INCOMING, SPOOL, appliance_of
from muleteer.testing.world.rulebook import CELL, INTERFACES, LAN, WAN
from muleteer.testing.world.scenario import BATTERY, NONE
from muleteer.testing.world.stick import BASE, Bays, Mounts
from muleteer.tossing.submit import Submitter

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from typing import TextIO

    from muleteer.agent.events import Event
    from muleteer.config.model import Config
    from muleteer.testing.world.agent import Watching
    from muleteer.testing.world.links import End, Link
    from muleteer.testing.world.scenario import BoxPlan, Letter
    from muleteer.testing.world.stick import Stick
    from muleteer.testing.world.timeline import Timeline

BUILD_DATE = 1_735_700_000.0  # where a clock begins that knows nothing
START_AGAIN_SECONDS = 10.0
DIAL_SECONDS = 30.0  # until a call that nobody answers is given up


class Machine:
    """A box that is off until `start`; `power` and `agent` are None while it is."""

    def __init__(
        self,
        plan: BoxPlan,
        config: Config,
        timeline: Timeline,
        epoch: float,
        chance: random.Random,
        watching: Watching,
        log: TextIO,
    ) -> None:
        self.plan = plan
        self.name = plan.name
        self.config = config
        self.appliance = appliance_of(plan, config)
        self.rules = resolve(self.appliance, config)
        self.bays = Bays(plan.bays)
        self.links: list[Link] = []
        self.panel = Panel(self.appliance.panel)
        self.power: Power | None = None
        self.agent: WorldAgent | None = None
        self.busy: Callable[[], int] = lambda: 0
        self.named: Callable[[Machine, str], None] = lambda _machine, _text: None
        self._timeline = timeline
        self._epoch = epoch
        self._chance = chance
        self._watching = watching
        self._log = log
        self._went_down = epoch
        self.shaken_at = -1.0  # when the power went last, or the disk failed
        self._others: dict[Link, Machine] = {}
        self.disk = self._new_disk()

    def _new_disk(self) -> WorldDisk:
        disk = WorldDisk(timeline=None)
        for directory in (SPOOL, INCOMING, BASE):
            disk.mkdir(directory)
        disk.settle()
        disk.timeline = self._timeline
        return disk

    # ------------------------------------------------------------------------------------------ the plug

    def start(self) -> None:
        """Switch it on."""
        if self.power is not None:
            return
        disk = self.disk
        clock = BoxClock(
            self._timeline, self._epoch, disk.require_power, drift=self.plan.drift, wall=self._first_wall()
        )
        mounts = Mounts(self.bays, disk, self._timeline, self._chance, self.busy)
        self.power = Power(disk, clock, mounts)
        disk.named = self._on_name
        disk.wall = clock.wall
        self._begin()

    def _first_wall(self) -> float | None:
        if self.plan.clock == BATTERY:
            return None
        return BUILD_DATE if self.plan.clock == NONE else self._went_down

    def _begin(self) -> None:
        power = self.power
        if power is None:
            return
        box = WorldBox(self.appliance, self.config, self.rules, world_disk=power.disk)
        journal = Journal(self._log, power.clock.wall, stamped=False)
        self.agent = WorldAgent(
            box, power, self.bays, self._timeline, journal, self._watching, self._dial, self.interfaces
        )
        self.agent.start(self._failed)

    def _failed(self) -> None:
        """Have the agent started anew, as systemd does."""
        self.agent = None
        power = self.power
        self._timeline.after(START_AGAIN_SECONDS, lambda: self._begin() if self.power is power else None)

    def cut(self) -> None:
        """Pull the plug: sticks that are in and mounted suffer, too."""
        power, agent, self.power, self.agent = self.power, self.agent, None, None
        if power is None:
            return
        for session in agent.board.sessions if agent is not None else ():
            session.abandon()
        self._went_down = power.clock.wall()
        self.shaken()
        power.mounts.lose_all()
        self.disk = power.disk.cut(self._chance)
        self.panel.show(None)

    def shaken(self) -> None:
        """Note that the power went or the disk failed: now a delivery may be repeated."""
        self.shaken_at = self._timeline.now

    def restart(self) -> None:
        """Stop the agent as its unit does, and start it again."""
        if self.agent is not None and not self.agent.head.stopping:
            self.agent.stop(self._restarted)

    def _restarted(self) -> None:
        if self.power is not None:
            self.power.disk.restart()
            self.panel.show(None)
            self._timeline.after(1.0, self._begin)

    def _on_name(self, text: str) -> None:
        if self.agent is not None:
            self.agent.changed(text)
        self.named(self, text)

    # ------------------------------------------------------------------------------------------ the bays

    def insert(self, bay: str, stick: Stick) -> None:
        """Put a stick in."""
        found = self.bays.insert(bay, stick)
        if self.agent is not None:
            self.agent.tell(StickAppeared(bay, found))

    def pull(self, bay: str) -> Stick:
        """Take a stick out, whatever is going on."""
        stick = self.bays.pull(bay)
        if self.power is not None:
            self.power.mounts.lose(stick)
            self.power.disk.disarm(self.power.mounts.place(stick))
        if self.agent is not None:
            self._timeline.after(self._chance.uniform(0.05, 2.0), self._telling(StickVanished(bay, stick.device)))
        return stick

    def _telling(self, event: Event) -> Callable[[], None]:
        return lambda: self.agent.tell(event) if self.agent is not None else None

    # ------------------------------------------------------------------------------------------ the links

    def join(self, link: Link, other: Machine) -> None:
        """Plug in one end of a link; `other` is at the other end."""
        self.links.append(link)
        self._others[link] = other

    def interface(self, link: Link) -> Interface:
        """Return the interface of a link as it is now."""
        name = f"{INTERFACES[link.plan.kind]}{self.links.index(link)}"
        address = (f"10.0.{self.links.index(link)}.{1 + (self.name == link.plan.second)}",)
        return Interface(name, link.up, metered=link.plan.kind in (CELL, WAN), addresses=address)

    def interfaces(self) -> tuple[Interface, ...]:
        """Return all of them."""
        return tuple(self.interface(link) for link in self.links)

    def link_changed(self, _link: Link) -> None:
        """Notice that a link came or went."""
        self._timeline.after(self._chance.uniform(0.1, 3.0), self._tell_interfaces)

    def _tell_interfaces(self) -> None:
        if self.agent is None:
            return
        self.agent.tell(InterfacesChanged(self.interfaces()))
        for link, other in self._others.items():
            if link.up and link.plan.kind == LAN and other.agent is not None:  # they announce themselves there
                address = f"{link.plan.name}.{other.name}:5400"
                self.agent.tell(PeerDiscovered(other.config.me.id, address, self.interface(link).name))

    def ask_for_call(self) -> None:
        """Call some neighbour now: ``muleteer call``."""
        agent = self.agent
        if agent is None or not self._others:
            return
        node = self._chance.choice(list(self._others.values())).config.me.id
        if agent.scheduler.refusal(node, None, agent.now()) is None:
            agent.tell(CallAsked(node))

    def _dial(self, address: str, interface: str | None, got: Callable[[End | None], None]) -> None:
        link = next((link for link in self.links if address.startswith(f"{link.plan.name}.")), None)
        if link is None or interface not in (None, self.interface(link).name):
            self._timeline.after(0.01, lambda: got(None))
            return
        other = self._others[link]
        round_trip = 2 * link.plan.latency

        def ring() -> None:
            agent = other.agent
            if not link.up or other.power is None:
                self._timeline.after(DIAL_SECONDS, lambda: got(None))
            elif agent is None or not agent.alive or agent.stopping:
                self._timeline.after(round_trip, lambda: got(None))
            else:
                here, there = link.connect().ends
                agent.perform(lambda: agent.board.answer(there, other.interface(link)))
                got(here)

        self._timeline.after(round_trip, ring)

    # ------------------------------------------------------------------------------------------ the shell

    def send(self, letter: Letter, promised: Callable[[], None]) -> bool:
        """Send a letter; `promised` is called when the command has come to its end. False: try again later."""
        agent = self.agent
        if agent is None:
            return False
        done: list[bool] = []

        def work() -> None:
            power = agent.power
            journal = Journal(self._log, power.clock.wall, quiet=True)
            log = TossLog(self.config, power.disk, journal, power.clock.wall_ns)
            submitter = Submitter(self.config, agent.box.spool(), log)
            to, name = self.config.find(letter.recipient), letter.target
            submitter.file(to, letter.nice, reader(letter.body), name, source=name)
            power.disk.require_power()
            done.append(True)

        try:
            agent.perform(work)
        except SpoolError:
            return False
        if done:
            promised()
        return bool(done)
