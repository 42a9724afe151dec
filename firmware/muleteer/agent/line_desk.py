# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scheduler remembers of one line (one carrier for one neighbour), and what stands in its way now."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from muleteer.agent.backoff import Backoff
from muleteer.agent.lines import addresses_of, fits_interface, is_bound, largest, may_be_discovered, rank
from muleteer.agent.status import LineState
from muleteer.agent.timetable import Timetable
from muleteer.agent.wording import duration_words, size_words
from muleteer.config.carrier_rules import NET, Cost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from muleteer.agent.budgets import Budgets, Left
    from muleteer.agent.events import CallErrand, Now, Waiting
    from muleteer.agent.lines import Discovered, NeighbourLines
    from muleteer.agent.status import SessionProgress, SessionSummary
    from muleteer.config.carrier_rules import CarrierRule, CarrierTerms
    from muleteer.config.cron import Cron
    from muleteer.config.zone import Offset
    from muleteer.formats.ids import NodeId
    from muleteer.hotplug.interfaces import Interface

RESET_REST_SECONDS = 30.0  # an interface that flaps makes nobody call more often
SEGMENTS_MAX = 16  # windows looked ahead for the next call


@dataclass(slots=True)
class Surroundings:
    """What all lines share. `interfaces` None: not known yet; `budgets` None: nothing is limited."""

    offset: Offset
    jitter: Callable[[], float]
    budgets: Budgets | None = None
    interfaces: tuple[Interface, ...] | None = None
    under_way: Counter[str] = field(default_factory=Counter)  # calls by carrier


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a line cannot be used now, as words that follow its name; until when (wall) if that is known."""

    state: LineState
    words: str
    until: float | None = None


@dataclass(slots=True)
class LineDesk:
    """One line. Look at it with `look` before anything else."""

    rule: CarrierRule
    order: int
    node: NodeId
    neighbour: NeighbourLines
    around: Surroundings
    addresses: tuple[str, ...] = ()
    backoff: Backoff = field(default_factory=Backoff)
    timetable: Timetable = field(default_factory=lambda: Timetable(-math.inf))
    if_waiting: Timetable = field(default_factory=lambda: Timetable(-math.inf))  # the one for when something waits
    terms: CarrierTerms | None = None
    until: float = -math.inf  # wall: `terms` hold from `begun` to here
    begun: float = math.inf
    usable: tuple[Interface, ...] = ()  # that are up and this carrier's
    hindered: bool = False  # there are interfaces, and none of them will do
    errand: CallErrand | None = None
    answering: int = 0  # sessions that the neighbour began
    talking: bool = False
    slow: bool = False  # a greeting did not come through in time: greet tersely
    is_brief: bool = False  # the neighbour is known to answer a short greeting with a short one
    progress: SessionProgress | None = None
    last: SessionSummary | None = None
    seen: float | None = None
    _since: float | None = None
    _shown: LineState = LineState.IDLE
    _sure: bool = True
    _crons: tuple[tuple[Cron, ...], tuple[Cron, ...]] = ((), ())
    _reset: float = -math.inf
    _ahead: float | None = None
    _opening: tuple[tuple[Waiting, ...], float, float | None] | None = None

    @classmethod
    def of(
        cls, rule: CarrierRule, order: int, node: NodeId, neighbour: NeighbourLines, around: Surroundings
    ) -> LineDesk:
        """Return the desk of a line; one without an address waits for the neighbour to announce itself."""
        return cls(rule, order, node, neighbour, around, addresses_of(rule, neighbour))

    # ------------------------------------------------------------------------------------------ looking

    def look(self, now: Now, *, leapt: bool) -> None:
        """Take note of the time: which terms hold now, and whether the timetable wants a call."""
        if self._sure != now.sure or not self.begun <= now.wall < self.until:
            self._look_at_terms(now)
        for timetable in self.timetables if leapt else ():
            timetable.leap(now)
        terms, offset, jitter = self.terms, self.around.offset, self.around.jitter
        if terms is not None and terms.crons:
            self.timetable.look(lambda after: terms.next_call(after, offset), now, jitter)
        if terms is not None and terms.crons_waiting:
            self.if_waiting.look(lambda after: terms.next_call_waiting(after, offset), now, jitter)

    def _look_at_terms(self, now: Now) -> None:
        before, edge = self.terms, self.until if self.begun <= self.until <= now.wall else now.wall
        terms = self.rule.terms_at(now.wall, self.neighbour.name, now.sure, self.around.offset)
        change = self.rule.next_change(now.wall, self.around.offset)
        self.terms, self._sure, self.begun = terms, now.sure, now.wall
        self.until = math.inf if change is None else change
        self._ahead = None if self.until == math.inf else self._call_after(self.until, now)
        if terms is None:
            return
        crons = (terms.crons, terms.crons_waiting)
        begin = edge - 1.0 if before is not None or any(self._crons) else now.wall
        for timetable, new, old in zip(self.timetables, crons, self._crons, strict=True):
            if before is None or new != old:
                timetable.begin(begin)
            if new != old:
                timetable.due = False
        self._crons = crons

    def _call_after(self, wall: float, now: Now) -> float | None:
        """Return when the timetable wants a call in one of the windows to come."""
        for _ in range(SEGMENTS_MAX if _has_timetable(self.rule) else 0):
            terms = self.rule.terms_at(wall, self.neighbour.name, now.sure, self.around.offset)
            change = self.rule.next_change(wall, self.around.offset)
            due = None if terms is None else _next_call(terms, wall - 1.0, self.around.offset)
            if due is not None and (change is None or due < change):
                return due
            if change is None:
                return None
            wall = change
        return None

    def look_around(self, now: Now) -> None:
        """Take note of the interfaces there are; one that came up ends the back-off."""
        interfaces, bound = self.around.interfaces, is_bound(self.rule)
        if self.rule.kind != NET or interfaces is None:
            self.hindered = bound
            return
        before = {one.name for one in self.usable}
        self.slow = self.slow and any(one.up and one.name in before for one in interfaces)
        self.usable = tuple(one for one in interfaces if one.up and (not bound or fits_interface(self.rule, one)))
        self.hindered = not self.usable
        if any(one.name not in before for one in self.usable):
            self.encourage(now)

    def encourage(self, now: Now) -> None:
        """End the back-off: the world has changed."""
        if now.monotonic >= self._reset + RESET_REST_SECONDS:
            self._reset = now.monotonic
            self.backoff.reset()

    # ------------------------------------------------------------------------------------------ telling

    @property
    def busy(self) -> int:
        """How many sessions are under way, or about to be."""
        return self.answering + (self.errand is not None)

    def show(self, state: LineState, wall: float) -> float:
        """Return since when (wall) the line has shown this state, which it does now."""
        if state is not self._shown or self._since is None:
            self._shown, self._since = state, wall
        return self._since

    @property
    def timetables(self) -> tuple[Timetable, Timetable]:
        """The carrier's timetables: for calls always, and for calls if something waits."""
        return self.timetable, self.if_waiting

    def has(self, timetable: Timetable) -> bool:
        """Return whether a timetable is this carrier's own."""
        return any(timetable is one for one in self.timetables)

    def due(self, now: Now) -> Timetable | None:
        """Return the timetable that wants a call now, if one does."""
        return next((timetable for timetable in self.timetables if timetable.wants(now)), None)

    @property
    def upcoming(self) -> float | None:
        """The next instant (wall) of the timetables."""
        crons = ((), ()) if self.terms is None else (self.terms.crons, self.terms.crons_waiting)
        known = [one.upcoming for one, some in zip(self.timetables, crons, strict=True) if some]
        soon = min((instant for instant in known if instant is not None), default=math.inf)
        return self._ahead if soon == math.inf or soon >= self.until else soon

    @property
    def rank(self) -> tuple[int, int, int]:
        """What lines of one neighbour are sorted by; those that cannot be used come last."""
        terms = self.terms or self.rule.terms
        return rank(terms, metered=self.metered, order=self.order)

    @property
    def metered(self) -> bool:
        """Whether it costs, by its rule or by what its interface says."""
        return (self.terms or self.rule.terms).cost > Cost.FREE or any(one.metered for one in self.usable)

    def takes(self, rows: Iterable[Waiting]) -> Waiting | None:
        """Return the most urgent of the rows for which the line may call now."""
        return None if self.terms is None else calls_for(self.terms, rows)

    def opens_for(self, rows: tuple[Waiting, ...], now: Now) -> float | None:
        """Return when (wall) the line may call for any of the rows, if that is a matter of time."""
        if self._opening is None or self._opening[:2] != (rows, self.begun):
            self._opening = (rows, self.begun, self._opens_for(rows, now))
        return self._opening[2]

    def _opens_for(self, rows: tuple[Waiting, ...], now: Now) -> float | None:
        wall = self.until
        for _ in range(SEGMENTS_MAX if rows and now.sure else 0):
            if wall == math.inf:
                return None
            terms = self.rule.terms_at(wall, self.neighbour.name, now.sure, self.around.offset)
            if terms is not None and calls_for(terms, rows) is not None:
                return wall
            change = self.rule.next_change(wall, self.around.offset)
            wall = math.inf if change is None else change
        return None

    def found_here(self, found: Iterable[Discovered], now: Now) -> list[Discovered]:
        """Return where the neighbour announced itself to this carrier, the latest first."""
        interfaces = self.around.interfaces or ()
        here = [one for one in found if one.until > now.monotonic and may_be_discovered(self.rule, one, interfaces)]
        return sorted(here, key=lambda one: -one.until)

    def obstacle(self, now: Now, *, reachable: bool) -> Obstacle | None:
        """Return what stands in the way of any call, forced or not; `reachable`: there is an address to call."""
        if self.terms is None:
            return self._closed(now)
        if not (self.terms.send or self.terms.receive):
            return Obstacle(LineState.DOWN, "carries nothing now", self._edge())
        if not reachable:
            return Obstacle(LineState.DOWN, f"knows no address of {self.neighbour.name}")
        if self.hindered:
            names = ", ".join(self.rule.match.interface) or "by what udev says"
            return Obstacle(
                LineState.DOWN, f"has no interface up ({names})" if is_bound(self.rule) else "has no network"
            )
        for left, words in self.budgets(now):
            if left is not None and left.until is not None:
                return Obstacle(LineState.EXHAUSTED, f"has used up {words}", left.until)
        return None

    def _closed(self, now: Now) -> Obstacle:
        if self.rule.neighbours is not None and self.neighbour.name not in self.rule.neighbours:
            return Obstacle(LineState.DOWN, f"is not for {self.neighbour.name}")
        if not now.sure:
            return Obstacle(LineState.DOWN, "has hours, and the time is not sure")
        return Obstacle(LineState.DOWN, "is outside its hours", self._edge())

    def _edge(self) -> float | None:
        return None if self.until == math.inf else self.until

    def budgets(self, now: Now) -> list[tuple[Left | None, str]]:
        """Return what is left of bytes and of air, each with words for the budget."""
        budgets = self.around.budgets
        if budgets is None or self.terms is None or not (self.terms.budgets or self.terms.air):
            return []
        others = self.around.under_way[self.rule.name]  # which may not have drawn for their greetings yet
        left = budgets.bytes_left(self.terms, now.wall, is_brief=self.is_brief, calls=others + 1)
        air = budgets.air_left(self.terms, now.wall)
        return [
            (left, "" if left is None else f"its budget of {size_words(left.budget.amount)} {_per(left)}"),
            (air, "" if air is None else f"its {duration_words(air.budget.amount)} of air {_per(air)}"),
        ]


def fitting(terms: CarrierTerms, rows: Iterable[Waiting]) -> Waiting | None:
    """Return the most urgent of the rows of which terms allow at least one packet."""
    most = largest(terms)
    size = math.inf if most is None else most
    fit = (row for row in rows if terms.send and row.nice <= terms.nice and row.smallest <= size)
    return min(fit, key=lambda row: row.nice, default=None)


def calls_for(terms: CarrierTerms, rows: Iterable[Waiting]) -> Waiting | None:
    """Return the same, if terms allow to call for it: `call = "when waiting"`, or it is urgent enough to wake."""
    row = fitting(terms, rows)
    wakes = row is not None and terms.wake is not None and row.nice <= terms.wake
    return row if terms.when_waiting or wakes else None


def _has_timetable(rule: CarrierRule) -> bool:
    words = {key for variant in rule.variants for key, _ in variant.changes}
    return bool(rule.terms.crons or rule.terms.crons_waiting or words & {"crons", "crons_waiting"})


def _next_call(terms: CarrierTerms, after: float, offset: Offset) -> float | None:
    calls = (terms.next_call(after, offset), terms.next_call_waiting(after, offset))
    return min((instant for instant in calls if instant is not None), default=None)


def _per(left: Left) -> str:
    return f"an {left.budget.per.value}" if left.budget.per.value == "hour" else f"a {left.budget.per.value}"
