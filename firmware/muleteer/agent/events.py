# SPDX-License-Identifier: GPL-3.0-or-later
"""What the dispatcher is told, and what it answers: plain frozen values.

Events come from the shell (a bay watcher, the end of an errand, a request on the socket); errands go to the runner.
Nothing here acts.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from muleteer.agent.status import Problem, Progress, Queue, RoundSummary
    from muleteer.carriers.stick_plan import StickAllowance
    from muleteer.hotplug.recognise import StickFound


@dataclass(frozen=True, slots=True)
class Now:
    """One instant: wall time for stamps, monotonic time for waiting."""

    wall: float
    monotonic: float


# ---------------------------------------------------------------------------------------------- events


@dataclass(frozen=True, slots=True)
class StickAppeared:
    """A stick with a file system went into a bay."""

    bay: str
    stick: StickFound


@dataclass(frozen=True, slots=True)
class StickVanished:
    """The stick that appeared as `device` is out of the bay: an event, never an error."""

    bay: str
    device: str


class Ending(Enum):
    """How a round ended."""

    COMPLETE = auto()  # synced, verified, unmounted
    BLEMISHED = auto()  # unmounted, but something did not go as it should: see the problem
    FOREIGN = auto()  # not a runner: left untouched, unmounted
    GONE = auto()  # pulled in the middle
    BROKEN_OFF = auto()  # the agent is stopping; unmounted
    STUCK = auto()  # the agent is stopping, and the stick is still mounted


@dataclass(frozen=True, slots=True)
class RoundProgressed:
    """A round got on; newest wins, so some of these are never seen."""

    bay: str
    progress: Progress


@dataclass(frozen=True, slots=True)
class RoundStuck:
    """A round has nothing left to do but cannot unmount; it goes on trying. `problem` tells to not pull."""

    bay: str
    problem: Problem


@dataclass(frozen=True, slots=True)
class RoundEnded:
    """A round is over. The stick is unmounted for real unless `ending` is STUCK."""

    bay: str
    ending: Ending
    summary: RoundSummary
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class SpoolChanged:
    """Somebody queued or removed packets beside us."""


@dataclass(frozen=True, slots=True)
class TossDue:
    """Somebody asked for a toss; who insists wants what was set aside tried now, not when it is due."""

    insist: bool = False


@dataclass(frozen=True, slots=True)
class TossEnded:
    """A toss is over."""

    delivered: int = 0
    retired: int = 0  # packets of ours that were acknowledged
    retry_in: float | None = None  # seconds until a packet that was set aside is due again; None: there is none
    problem: Problem | None = None  # our own disk or configuration failed; packets set aside are no such problem


@dataclass(frozen=True, slots=True)
class SurveyEnded:
    """The spool was counted."""

    queue: tuple[Queue, ...] = ()
    waiting_toss: int = 0
    set_aside: int = 0
    travelling: int = 0
    problems: tuple[Problem, ...] = ()  # what was set aside, and what is overdue
    rest: float = 0.0  # seconds to let pass before the next survey: a large spool is not counted every second
    retry_in: float | None = None  # seconds until the next survey if nothing happens


@dataclass(frozen=True, slots=True)
class StopAsked:
    """Finish or break off what is under way, start nothing."""


Event = (
    StickAppeared
    | StickVanished
    | RoundProgressed
    | RoundStuck
    | RoundEnded
    | SpoolChanged
    | TossDue
    | TossEnded
    | SurveyEnded
    | StopAsked
)


# ---------------------------------------------------------------------------------------------- errands


@dataclass(frozen=True, slots=True)
class RoundErrand:
    """Do one whole round with this stick."""

    bay: str
    stick: StickFound
    runner: str  # the rule's name, or the stick's own
    allowance: StickAllowance


@dataclass(frozen=True, slots=True)
class TossErrand:
    """Toss everything that waits in rx; with `insist` also what was set aside and is not due yet."""

    insist: bool = False


@dataclass(frozen=True, slots=True)
class SurveyErrand:
    """Count the spool: what waits for which carrier, what was set aside."""


Errand = RoundErrand | TossErrand | SurveyErrand
