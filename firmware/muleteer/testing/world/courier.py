# SPDX-License-Identifier: GPL-3.0-or-later
"""The people who carry sticks: round and round, mostly patient, sometimes careless, rarely losing one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muleteer.agent.status import BayState
from muleteer.testing.world.stick import Stick

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from muleteer.testing.world.machine import Machine
    from muleteer.testing.world.scenario import StickPlan
    from muleteer.testing.world.timeline import Timeline
    from muleteer.testing.world.weather import Trouble

LOOK_SECONDS = 60.0
PATIENCE_SECONDS = 2 * 3600.0  # in front of a box that says nothing, or "working"
OCCUPIED_SECONDS = 600.0
TRIES_MAX = 6
REPLACED_SECONDS = 86400.0  # until somebody buys another stick


class Courier:
    """Carries one stick along its tour."""

    def __init__(self, plan: StickPlan, machines: Mapping[str, Machine], timeline: Timeline, trouble: Trouble) -> None:
        self.plan = plan
        self.stick = Stick(plan.label, plan.capacity, plan.flushes)
        self.visits = 0
        self._machines = machines
        self._timeline = timeline
        self._trouble = trouble
        self._stop = 0
        self._tries = 0

    def set_out(self) -> None:
        """Begin."""
        self._travel()

    def _travel(self) -> None:
        if self._trouble.loses(self.stick):
            self.stick = Stick(self.plan.label, self.plan.capacity, self.plan.flushes)
            self._timeline.after(REPLACED_SECONDS, self._arrive)
            return
        self._timeline.after(self._trouble.chance.uniform(*self.plan.travel), self._arrive)

    def _arrive(self) -> None:
        machine = self._machines[self.plan.tour[self._stop % len(self.plan.tour)]]
        bay = machine.bays.free()
        if bay is None and self._tries < TRIES_MAX:
            self._tries += 1
            self._timeline.after(OCCUPIED_SECONDS, self._arrive)
            return
        self._tries = 0
        self._stop += 1
        if bay is None:
            self._travel()
            return
        self.visits += 1
        self._trouble.prepare(self.stick)
        machine.insert(bay, self.stick)
        pull = self._pulling(machine, bay, self.visits)
        self._trouble.lay(machine, self.stick, pull)
        self._timeline.after(LOOK_SECONDS, self._looking(machine, bay, pull, self._timeline.now))

    def _looking(self, machine: Machine, bay: str, pull: Callable[[], None], since: float) -> Callable[[], None]:
        def look() -> None:
            if machine.bays.inside[bay] is not self.stick:
                return
            if _is_free(machine, bay) or self._timeline.now - since > PATIENCE_SECONDS:
                self._timeline.after(self._trouble.chance.uniform(1.0, 600.0), pull)
            else:
                self._timeline.after(LOOK_SECONDS, look)

        return look

    def _pulling(self, machine: Machine, bay: str, visit: int) -> Callable[[], None]:
        def pull() -> None:
            if self.visits == visit and machine.bays.inside[bay] is self.stick:
                self._trouble.pulled(machine, bay, self.stick)
                machine.pull(bay)
                self._travel()

        return pull


def _is_free(machine: Machine, bay: str) -> bool:
    """Tell whether a person who looks at lamp and display would take the stick now."""
    if machine.panel.says_safe(bay):
        return True
    if machine.agent is None:
        return False
    shown = next(shown for shown in machine.agent.head.status.bays if shown.name == bay)
    return shown.state in (BayState.ATTENTION, BayState.FOREIGN)
