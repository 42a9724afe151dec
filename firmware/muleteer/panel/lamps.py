# SPDX-License-Identifier: GPL-3.0-or-later
"""Which lamp shows what: the table of blink patterns and the rules from a Status to them. Pure.

House rules:

1. A pattern is told from another by its rhythm alone: no rule here needs a colour, and one kind of lamp is enough.
2. A pull-lamp is steady if and only if the agent has said SAFE of its bay. Everything else blinks or is dark.
3. Nothing is dark that is not known to be empty: without an agent the pull-lamps blink slowly ("nobody knows").
4. The power lamp dips every two seconds as long as the panel lives; lamps that do not dip with it prove nothing.
   (A process that is killed leaves its pins as they were: see `muleteer panel --dark`, which the unit runs afterwards.)

The tables `PATTERNS` and `MEANINGS` are what the hardware notes are generated from.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from muleteer.agent.status import BayState, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, slots=True)
class Pattern:
    """A rhythm: steps of (lit, milliseconds), repeated for ever from instant 0."""

    name: str
    steps: tuple[tuple[bool, int], ...]

    @property
    def period_ms(self) -> int:
        """How long one repetition takes."""
        return sum(duration for _, duration in self.steps)

    def lit(self, now_ms: int) -> bool:
        """Return whether the lamp is lit at an instant of the monotonic clock."""
        return self._step(now_ms)[0]

    def next_change_ms(self, now_ms: int) -> int | None:
        """Return the first instant after `now_ms` at which `lit` changes, or None if it never does."""
        if len({lit for lit, _ in self.steps}) < 2:
            return None
        lit, end = self._step(now_ms)
        while self._step(end)[0] is lit:
            end = self._step(end)[1]
        return end

    def _step(self, now_ms: int) -> tuple[bool, int]:
        start = now_ms - now_ms % self.period_ms
        for lit, duration in self.steps:
            if now_ms < start + duration:
                return lit, start + duration
            start += duration
        raise AssertionError("steps do not add up to the period")


OFF: Final = Pattern("off", ((False, 1000),))
STEADY: Final = Pattern("steady", ((True, 1000),))
FAST: Final = Pattern("fast blink", ((True, 125), (False, 125)))
SLOW: Final = Pattern("slow blink", ((True, 1000), (False, 1000)))
DOUBLE: Final = Pattern("double blink", ((True, 150), (False, 150), (True, 150), (False, 850)))
WINK: Final = Pattern("short flash", ((True, 100), (False, 1900)))
DIP: Final = Pattern("on with dips", ((True, 1900), (False, 100)))

PATTERNS: Final = (OFF, STEADY, FAST, SLOW, DOUBLE, WINK, DIP)


class Lamp(Enum):
    """The kinds of lamp; there is one PULL per bay."""

    POWER = "power"
    WORKING = "working"
    ATTENTION = "attention"
    PULL = "pull"


MEANINGS: Final[dict[tuple[Lamp, Pattern], str]] = {
    (Lamp.POWER, DIP): "agent running",
    (Lamp.POWER, SLOW): "agent not running",
    (Lamp.WORKING, STEADY): "working",
    (Lamp.WORKING, OFF): "at rest",
    (Lamp.ATTENTION, DOUBLE): "see the display",
    (Lamp.ATTENTION, OFF): "all is well",
    (Lamp.PULL, OFF): "empty",
    (Lamp.PULL, FAST): "do not pull",
    (Lamp.PULL, STEADY): "safe to pull",
    (Lamp.PULL, DOUBLE): "see the display",
    (Lamp.PULL, WINK): "not ours",
    (Lamp.PULL, SLOW): "not known",
}

_PULL: Final = {
    BayState.EMPTY: OFF,
    BayState.WORKING: FAST,
    BayState.STUCK: FAST,
    BayState.SAFE: STEADY,
    BayState.ATTENTION: DOUBLE,  # it may be pulled, but a person who looks only at the lamp must look at the display
    BayState.FOREIGN: WINK,
    BayState.PULLED: DOUBLE,  # the bay is visibly empty: the display says to put it back
}
_NEED_A_PERSON: Final = (BayState.STUCK, BayState.ATTENTION, BayState.PULLED)


@dataclass(frozen=True, slots=True)
class Lit:
    """One lamp of this box and the rhythm it has now; `bay` is "" except for a PULL lamp."""

    lamp: Lamp
    bay: str
    pattern: Pattern

    @property
    def says(self) -> str:
        """What the rhythm means, in a few words."""
        return MEANINGS[self.lamp, self.pattern]


def lamps(status: Status | None, bays: Iterable[str]) -> tuple[Lit, ...]:
    """Return the rhythm of every lamp: power, working, attention, then one pull-lamp for each of `bays`.

    A bay the agent does not speak of is as unknown as without an agent.
    """
    if status is None:
        unknown = (Lit(Lamp.PULL, bay, SLOW) for bay in bays)
        return (
            Lit(Lamp.POWER, "", SLOW),
            Lit(Lamp.WORKING, "", OFF),
            Lit(Lamp.ATTENTION, "", DOUBLE),
            *unknown,
        )
    states = {bay.name: bay.state for bay in status.bays}
    return (
        Lit(Lamp.POWER, "", DIP),
        Lit(Lamp.WORKING, "", STEADY if status.working else OFF),
        Lit(Lamp.ATTENTION, "", DOUBLE if needs_a_person(status) else OFF),
        *(Lit(Lamp.PULL, bay, _PULL[states[bay]] if bay in states else SLOW) for bay in bays),
    )


def needs_a_person(status: Status) -> bool:
    """Return whether the attention lamp is on: a problem of the box, or a bay that asks for a hand."""
    return bool(status.problems) or any(bay.state in _NEED_A_PERSON for bay in status.bays)


def next_change_ms(lit: Sequence[Lit], now_ms: int) -> int | None:
    """Return the first instant after `now_ms` at which any of these lamps changes, or None if all are still."""
    changes = (lamp.pattern.next_change_ms(now_ms) for lamp in lit)
    return min((change for change in changes if change is not None), default=None)
