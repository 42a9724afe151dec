# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of a round: how far it is, what was refused, what waits and why, and what came of it.

Everything here is bounded, because a stranger's stick can make a round refuse 100,000 things: lists keep the first
`LISTED_MAX`, counters go on counting.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING

from muleteer.formats.safename import show

if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.errors import MuleteerError
    from muleteer.formats.ids import NodeId, PacketName

LISTED_MAX = 100  # refusals kept by name; a person reads ten
EVERY = 1 << 20  # bytes between two words of progress; about 50 ms of a USB 2 stick
PROBLEMS_MAX = 16  # kept of one round
SHOWN_MAX = 200  # characters of a stranger's path that are shown; NNCP/RECIPIENT/SENDER/PACKET has 163


class Step(Enum):
    """The steps of a round, in their order; the values are those of the agent's phases."""

    RECEIVING = "receiving"
    ACKNOWLEDGING = "acknowledging"
    SENDING = "sending"
    VERIFYING = "verifying"
    SYNCING = "syncing"


@dataclass(frozen=True, slots=True)
class Advance:
    """How far the present step is, in packets and bytes."""

    step: Step
    packets_done: int = 0
    packets_total: int = 0
    bytes_done: int = 0
    bytes_total: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something on the stick that was not taken. `where` is relative to the stick and escaped for people."""

    where: str
    reason: str


@dataclass(slots=True)
class Refusals:
    """The first `LISTED_MAX` refusals, and how many there were in all, by reason.

    `unfinished` counts what the sender's program has not finished writing: no packet yet, and nothing to complain of.
    """

    listed: list[Refusal] = field(default_factory=list)
    by_reason: dict[str, int] = field(default_factory=dict)
    unfinished: int = 0

    def add(self, where: str, reason: str) -> None:
        """Count one refusal. `where` is a stranger's word and is escaped here; `reason` is ours, a constant phrase."""
        self.by_reason[reason] = self.by_reason.get(reason, 0) + 1
        if len(self.listed) < LISTED_MAX:
            shown = show(where)
            self.listed.append(Refusal(shown if len(shown) <= SHOWN_MAX else shown[: SHOWN_MAX - 1] + "…", reason))

    def __len__(self) -> int:
        return sum(self.by_reason.values())


class Hold(Enum):
    """Why a queued packet did not go onto this stick; the value is the end of the sentence "it waits: ..."."""

    NOT_CARRIED = "this stick does not carry for its neighbour"
    ONE_WAY = "its carrier loads nothing for its neighbour now"
    TOO_NICE = "its niceness is above what this stick may carry"
    TOO_BIG = "it is bigger than what this stick may carry"
    FILE_LIMIT = "it is bigger than a file on this stick can be"
    NO_ROOM = "there is no room left on the stick"
    TRAVELS = "a copy is already on its way, and its acknowledgement is not overdue"
    LOCKED = "another process is at work on its neighbour's queue"
    BLOCKED = "something else stands in its place on the stick"
    READ_ONLY = "the stick is write-protected"
    UNREADABLE = "it could not be read from our own spool"
    MISWRITTEN = "the stick did not give back what was written"
    UNCERTAIN = "the stick failed to make it durable: it is tried again at the next insertion"


@dataclass(frozen=True, slots=True)
class Held:
    """One packet that waits, and why."""

    node: NodeId
    name: PacketName
    nice: int
    size: int
    hold: Hold


class Meter:
    """Counts the packets and bytes of a step and tells the listener, once a packet and once every `EVERY` bytes."""

    def __init__(self, listener: Callable[[Advance], None]) -> None:
        self._listener = listener
        self._now = Advance(Step.RECEIVING)
        self._told = 0

    def begin(self, step: Step, packets: int = 0, size: int = 0) -> None:
        """Begin a step of so many packets with so many bytes."""
        self._now = Advance(step, 0, packets, 0, size)
        self._tell()

    def moved(self, size: int) -> None:
        """Count bytes of the packet at hand."""
        self._now = replace(self._now, bytes_done=self._now.bytes_done + size)
        if self._now.bytes_done - self._told >= EVERY:
            self._tell()

    def packet_done(self) -> None:
        """Count one packet."""
        self._now = replace(self._now, packets_done=self._now.packets_done + 1)
        self._tell()

    def _tell(self) -> None:
        self._told = self._now.bytes_done
        self._listener(self._now)


@dataclass(slots=True)
class RoundResult:
    """What came of one round so far; complete only if `complete`.

    `sent` counts packets that are verified on the stick and were queued here when the round began (`sent_again` of
    them were found there already). `retired` of these left our queue; the others are kept until they are acknowledged.
    `received` counts packets now in rx that were not before; `duplicates` came again. `swept` counts our own litter
    that was taken off: unfinished copies, and copies of packets that their recipients have by now.
    """

    received: int = 0
    received_bytes: int = 0
    duplicates: int = 0
    sent: int = 0
    sent_bytes: int = 0
    sent_again: int = 0
    retired: int = 0
    kept: int = 0
    swept: int = 0
    read_only: bool = False
    foreign: bool = False
    complete: bool = False
    refusals: Refusals = field(default_factory=Refusals)
    held: list[Held] = field(default_factory=list)
    locked: list[NodeId] = field(default_factory=list)
    problems: list[MuleteerError] = field(default_factory=list)

    def problem(self, error: MuleteerError) -> None:
        """Note something that a person should look at; the same sentence once."""
        if len(self.problems) < PROBLEMS_MAX and str(error) not in map(str, self.problems):
            self.problems.append(error)

    @property
    def refused(self) -> int:
        """How many things on the stick were not taken."""
        return len(self.refusals)

    @property
    def unfinished(self) -> int:
        """How many copies on the stick their sender had not finished."""
        return self.refusals.unfinished

    @property
    def waiting(self) -> int:
        """How many packets of our queue did not go onto this stick."""
        return len(self.held)
