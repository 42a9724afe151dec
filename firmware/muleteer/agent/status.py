# SPDX-License-Identifier: GPL-3.0-or-later
"""What the agent says of itself: one immutable value, published whole at every change.

The panel, ``muleteer status`` and the tests read this and nothing else. Times are wall-clock seconds since 1970, or
None where unknown; durations are seconds; sizes are bytes.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from enum import Enum
from typing import Any, Self, TypeVar

T = TypeVar("T")


class BayState(Enum):
    """What a person at the bay needs to know."""

    EMPTY = "empty"  # nothing is in: put a stick in
    WORKING = "working"  # do not pull
    SAFE = "safe"  # everything synced, verified and unmounted: pull
    STUCK = "stuck"  # still mounted, and unmounting is refused or takes long: do not pull; see `problem`
    ATTENTION = "attention"  # safe to pull, but the round did not go as it should: see `problem`
    FOREIGN = "foreign"  # not a runner, left untouched: pull
    PULLED = "pulled"  # pulled in the middle: put it back


class Phase(Enum):
    """The steps of a round, in their order; a round WAITS when another bay or program is at work on the same queue."""

    MOUNTING = "mounting"
    RECEIVING = "receiving"
    ACKNOWLEDGING = "acknowledging"
    SENDING = "sending"
    WAITING = "waiting"
    VERIFYING = "verifying"
    SYNCING = "syncing"
    UNMOUNTING = "unmounting"
    TOSSING = "tossing"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a round is: packets and bytes of its present phase."""

    phase: Phase = Phase.MOUNTING
    packets_done: int = 0
    packets_total: int = 0
    bytes_done: int = 0
    bytes_total: int = 0
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class RoundSummary:
    """One finished (or broken-off) round."""

    bay: str
    runner: str
    ended: float | None = None
    received: int = 0
    received_bytes: int = 0
    sent: int = 0
    sent_bytes: int = 0
    acknowledged: int = 0  # our packets that acknowledgements on this stick retired
    waiting: int = 0  # packets that did not fit or were not allowed
    refused: int = 0  # what was on the stick and could not be taken
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Problem:
    """Something a person should look at: what, and what to do about it.

    `what` and `remedy` are on the panel for everybody's eyes: they hold no names of neighbours, packets, files or
    sticks. Whoever may ask for the status may also read the `details`.
    """

    what: str
    remedy: str = ""
    since: float | None = None
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bay:
    """One place a stick can be in; with `waits` a round begins by itself when its carrier's hours do."""

    name: str
    state: BayState = BayState.EMPTY
    runner: str = ""
    progress: Progress | None = None
    last: RoundSummary | None = None
    problem: Problem | None = None
    waits: bool = False


class LineState(Enum):
    """What one carrier is doing for one neighbour."""

    IDLE = "idle"  # could be used, nothing is to be done
    CALLING = "calling"  # dialling, or shaking hands
    TALKING = "talking"  # a session is under way
    WAITING = "waiting"  # something is to be done later: see `next_call`
    DOWN = "down"  # its interface is away or down, or its hours are over
    EXHAUSTED = "exhausted"  # its budget is used up for now


@dataclass(frozen=True, slots=True)
class SessionProgress:
    """How far a session is: whole packets, and bytes of packets (not of the wire), both ways."""

    received: int = 0
    received_bytes: int = 0
    sent: int = 0
    sent_bytes: int = 0
    receiving_total: int = 0  # bytes that we asked for so far
    sending_total: int = 0  # bytes that we offered so far
    wire: int = 0  # bytes of both ways that went over the link


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """One finished session, or one call that nobody answered."""

    ended: float | None = None
    incoming: bool = False
    established: bool = False  # False: nobody answered, or the keys did not fit
    received: int = 0
    received_bytes: int = 0
    sent: int = 0
    sent_bytes: int = 0
    wire: int = 0  # bytes of both ways that went over the link
    held: int = 0  # packets above the carrier's ceilings or budget: they wait for another
    complete: bool = False  # nothing that might have gone was left
    said: str = ""  # how it ended, in words


@dataclass(frozen=True, slots=True)
class Line:
    """One neighbour by one carrier. `neighbour` is a name: not for the panel."""

    carrier: str
    neighbour: str
    state: LineState = LineState.IDLE
    since: float | None = None
    incoming: bool = False  # TALKING: the neighbour called us
    progress: SessionProgress | None = None
    last: SessionSummary | None = None
    seen: float | None = None  # when a session with it was last established by this carrier
    next_call: float | None = None
    budget: int | None = None  # bytes (of the tightest budget that there is) ...
    budget_left: int | None = None  # ... and what is left of it now
    said: str = ""  # in words, what the state does not say
    takes: str = ""  # the carrier's ceilings in words, without names: "up to 64 KB, FLASH or more urgent"
    budget_per: str = ""  # "hour", "day" or "month"
    metered: bool = False  # it costs, by its rule or by what its interface says

    @classmethod
    def from_raw(cls, raw: dict[str, Any]) -> Self:
        """Read what JSON makes of a line. Raises ValueError, KeyError or TypeError if it is something else."""
        state, progress = LineState(raw["state"]), _optional(SessionProgress, raw["progress"])
        return cls(**{**raw, "state": state, "progress": progress, "last": _optional(SessionSummary, raw["last"])})


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits for one carrier (or, with carrier "", for none that is configured)."""

    carrier: str
    packets: int = 0
    size: int = 0  # bytes
    nice: int = 255  # of the most urgent one


@dataclass(frozen=True, slots=True)
class Status:
    """The whole box at one instant."""

    name: str
    node: str = ""
    version: str = ""
    now: float | None = None
    started: float | None = None
    bays: tuple[Bay, ...] = ()
    queue: tuple[Queue, ...] = ()
    waiting_toss: int = 0  # packets in rx, not yet tossed
    tossing: bool = False
    delivered: int = 0  # packets tossed since start
    set_aside: int = 0  # packets in rx that could not be processed; they are among `waiting_toss`
    travelling: int = 0  # our packets that runners carry, kept here until they are acknowledged; not in `queue`
    last_round: RoundSummary | None = None
    problems: tuple[Problem, ...] = ()
    sequence: int = 0  # grows with every published change
    lines: tuple[Line, ...] = ()
    time_sure: bool = True  # False: the wall time is only estimated, so timetables may be off

    @property
    def working(self) -> bool:
        """True while anything moves: a round, a toss, or a session."""
        return (
            self.tossing
            or any(bay.state is BayState.WORKING for bay in self.bays)
            or any(line.state is LineState.TALKING for line in self.lines)
        )

    def with_bay(self, bay: Bay) -> Status:
        """Return a copy with one bay replaced (or appended, if it is new)."""
        bays = tuple(bay if old.name == bay.name else old for old in self.bays)
        if bay.name not in (old.name for old in self.bays):
            bays = (*self.bays, bay)
        return replace(self, bays=bays)

    def to_json(self) -> str:
        """Return one line of JSON; enums stand as their values."""
        return json.dumps(asdict(self), default=_enum_value, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises ValueError, KeyError or TypeError if it is something else.
        """
        raw = json.loads(text)
        return cls(**{**raw, **_children(raw)})


def _enum_value(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    raise TypeError(type(value).__name__)


def _children(raw: dict[str, Any]) -> dict[str, Any]:
    return {
        "bays": tuple(_bay(bay) for bay in raw["bays"]),
        "queue": tuple(Queue(**queue) for queue in raw["queue"]),
        "last_round": _optional(RoundSummary, raw["last_round"]),
        "problems": tuple(_problem(problem) for problem in raw["problems"]),
        "lines": tuple(Line.from_raw(line) for line in raw.get("lines", ())),
    }


def _bay(raw: dict[str, Any]) -> Bay:
    progress = raw["progress"]
    return Bay(
        name=raw["name"],
        state=BayState(raw["state"]),
        runner=raw["runner"],
        progress=None if progress is None else Progress(**{**progress, "phase": Phase(progress["phase"])}),
        last=_optional(RoundSummary, raw["last"]),
        problem=None if raw["problem"] is None else _problem(raw["problem"]),
        waits=raw.get("waits", False),
    )


def _problem(raw: dict[str, Any]) -> Problem:
    return Problem(**{**raw, "details": tuple(raw["details"])})


def _optional(kind: type[T], raw: dict[str, Any] | None) -> T | None:
    return None if raw is None else kind(**raw)
