# SPDX-License-Identifier: GPL-3.0-or-later
"""What the dispatcher is told, and what it answers: plain frozen values.

Events come from the shell (a bay watcher, the end of an errand, a request on the socket); errands go to the runner.
Nothing here acts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from muleteer.agent.status import Problem, Progress, Queue, RoundSummary, SessionProgress, SessionSummary
    from muleteer.carriers.online import OnlineTerms, SessionReport
    from muleteer.carriers.stick_plan import StickAllowance
    from muleteer.formats.ids import NodeId
    from muleteer.hotplug.interfaces import Interface
    from muleteer.hotplug.recognise import StickFound


@dataclass(frozen=True, slots=True)
class Now:
    """One instant: wall time for stamps and timetables, monotonic time for waiting.

    `sure` is False while the wall time is only estimated: the machine's own clock is in the past.
    """

    wall: float
    monotonic: float
    sure: bool = True


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
    NOT_NOW = auto()  # its carrier is outside its hours: left untouched, unmounted
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
class Waiting:
    """What is in tx for one neighbour, of one niceness; sizes are bytes. What also travels on a runner is in it."""

    node: NodeId
    nice: int
    count: int
    smallest: int
    total: int
    oldest: float | None = None  # wall time at which the one that waits longest was queued


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
    waiting: tuple[Waiting, ...] = ()  # by neighbour and niceness, for the calls
    began: float = -math.inf  # monotonic: when it began to look; what moved since then it may not have seen


@dataclass(frozen=True, slots=True)
class InterfacesChanged:
    """The network interfaces are now these: all that there are, up or not. The first one comes at start."""

    interfaces: tuple[Interface, ...]


@dataclass(frozen=True, slots=True)
class PeerDiscovered:
    """A neighbour announced itself by multicast; told again at every announcement (each 10 seconds, as a rule).

    `address` is ready for dialling, zone and port included; not authenticated. Good for two minutes.
    """

    node: NodeId
    address: str
    interface: str


@dataclass(frozen=True, slots=True)
class CallAsked:
    """Somebody wants a neighbour to be called now, by this carrier or (None) by the best one."""

    node: NodeId
    carrier: str | None = None


@dataclass(frozen=True, slots=True)
class SessionBegan:
    """A peer is known and both keys fit: packets may move. Of a call, or (`incoming`) of one that we answered."""

    node: NodeId
    carrier: str
    incoming: bool


@dataclass(frozen=True, slots=True)
class SessionProgressed:
    """A session got on; newest wins, so some of these are never seen."""

    node: NodeId
    carrier: str
    progress: SessionProgress


@dataclass(frozen=True, slots=True)
class CallEnded:
    """A call is over: no address answered, or the session is at its end. Every CallErrand ends in exactly one."""

    errand: CallErrand
    report: SessionReport
    summary: SessionSummary
    problem: Problem | None = None  # what it did is not all on record


@dataclass(frozen=True, slots=True)
class AnswerEnded:
    """A session that a neighbour began (SessionBegan with `incoming`) is over."""

    node: NodeId
    carrier: str
    report: SessionReport
    summary: SessionSummary
    problem: Problem | None = None  # what it did is not all on record


@dataclass(frozen=True, slots=True)
class TroubleChanged:
    """Something outside of errands went wrong, or (None) is right again: the port we listen on, the clock."""

    source: str
    problem: Problem | None


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
    | InterfacesChanged
    | PeerDiscovered
    | CallAsked
    | SessionBegan
    | SessionProgressed
    | CallEnded
    | AnswerEnded
    | TroubleChanged
    | StopAsked
)


# ---------------------------------------------------------------------------------------------- errands


@dataclass(frozen=True, slots=True)
class RoundErrand:
    """Do one whole round with this stick; with `not_now` only make sure that it is unmounted, and say that."""

    bay: str
    stick: StickFound
    runner: str  # the rule's name, or the stick's own
    allowance: StickAllowance
    not_now: Problem | None = None


@dataclass(frozen=True, slots=True)
class TossErrand:
    """Toss everything that waits in rx; with `insist` also what was set aside and is not due yet."""

    insist: bool = False


@dataclass(frozen=True, slots=True)
class SurveyErrand:
    """Count the spool: what waits for which carrier, what was set aside."""


@dataclass(frozen=True, slots=True)
class CallErrand:
    """Call this neighbour by this carrier: try the addresses in turn until one answers, then one session."""

    node: NodeId
    carrier: str
    addresses: tuple[str, ...]  # best first; "host:port", "|command"
    terms: OnlineTerms
    scheduled: str  # why now, in words: "PRIORITY waits", "timetable 0 * * * *", "asked for"
    interface: str | None = None  # go out by this interface and no other
    proxy: str | None = None  # "socks5://host:port"
    insist: bool = False  # somebody asked for it and waits for the result


Errand = RoundErrand | TossErrand | SurveyErrand | CallErrand
