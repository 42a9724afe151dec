# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrier rules as values: what each carrier takes, when, and at what cost. Pure; `carrier_table` parses them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, IntEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, cast

from muleteer.config.zone import DAY, clock, local_offset, weekday
from muleteer.formats.niceness import MAX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from muleteer.config.cron import Cron
    from muleteer.config.zone import Offset

STICK, NET, PIPE = "stick", "net", "pipe"
"""Kinds of carriers: sticks that people carry, TCP, and commands that talk on their standard streams."""


class Cost(IntEnum):
    """What a carrier costs; of two that may carry, the cheaper one is taken."""

    FREE = 0
    METERED = 1
    DEAR = 2


class Period(Enum):
    """What a budget is for: an hour, a day or a month."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Budget:
    """At most `amount` (bytes on the wire, or seconds of air) in every `per`.

    A budget counts what moved while it applied: `account` ("cell", "cell.night") names what is counted together.
    """

    amount: int
    per: Period
    account: str


@dataclass(frozen=True, slots=True)
class Window:
    """A time by the local clock: all of hours, days and cron that are given must hold. Empty: always.

    `hours` are (begin, end) in minutes of the day; begin > end goes over midnight and belongs to the day it began on.
    `days` are 0 (Monday) to 6; None means all. Each minute that `cron` names is in.
    """

    hours: tuple[tuple[int, int], ...] = ()
    days: frozenset[int] | None = None
    cron: Cron | None = None

    @property
    def always(self) -> bool:
        """Whether no time is excluded."""
        return not self.hours and self.days is None and self.cron is None

    def holds(self, wall: float, offset: Offset = local_offset) -> bool:
        """Return whether an instant lies in it."""
        if self.cron is not None and not self.cron.matches(wall, offset):
            return False
        day, second = divmod(clock(wall, offset), DAY)
        if not self.hours:
            return self._on(day)
        return any(self._within(begin, end, day, second // 60) for begin, end in self.hours)

    def next_edge(self, wall: float, offset: Offset = local_offset) -> float | None:
        """Return when `holds` may change next, None if never; it does not change before."""
        here = offset(wall)
        civil = clock(wall, offset)
        edges = [edge for edge in (self._clock_edge(civil), self._cron_edge(civil)) if edge is not None]
        if not edges:
            return None
        edge = min(edges) - here
        # Where the clock is put forward or back on the way, all is looked at anew then.
        return float(edge if offset(edge) == here else _leap(int(wall), edge, offset))

    def _on(self, day: int) -> bool:
        return self.days is None or (weekday(day) - 1) % 7 in self.days

    def _within(self, begin: int, end: int, day: int, minute: int) -> bool:
        if begin < end:
            return begin <= minute < end and self._on(day)
        return (minute >= begin and self._on(day)) or (minute < end and self._on(day - 1))

    def _clock_edge(self, civil: int) -> int | None:
        edges = {minute for pair in self.hours for minute in pair} | ({0} if self.days is not None else set())
        if not edges:
            return None
        midnight = civil // DAY * DAY
        today = [midnight + 60 * minute for minute in edges]
        return min(edge if edge > civil else edge + DAY for edge in today)

    def _cron_edge(self, civil: int) -> int | None:
        if self.cron is None:
            return None
        if not self.cron.matches_civil(civil):
            begin = self.cron.next_civil(civil)
            return None if begin is None else begin // 60 * 60
        minute = civil // 60 * 60 + 60
        last = minute + DAY  # after a day of nothing but matches one may look again
        while minute < last and self.cron.matches_civil(minute):
            minute += 60
        return minute


def _leap(before: int, after: int, offset: Offset) -> int:
    """Return the first instant after `before` with the offset of `after`."""
    there = offset(after)
    while after - before > 1:
        middle = (before + after) // 2
        before, after = (before, middle) if offset(middle) == there else (middle, after)
    return after


@dataclass(frozen=True, slots=True)
class CarrierTerms:
    """What a carrier may do at one moment, for one neighbour. Sizes in bytes, times in seconds, rates in bytes/s."""

    nice: int = MAX  # carries up to this niceness
    size: int | None = None  # largest packet; None: any
    send: bool = True
    receive: bool = True
    budgets: tuple[Budget, ...] = ()  # bytes on the wire, both ways together; all of them apply
    air: tuple[Budget, ...] = ()  # seconds of air; all of them apply
    cost: Cost = Cost.FREE
    online_s: int | None = None  # longest session; None: any
    idle_s: int | None = None  # a session ends when nothing moved for so long; None: the reference's 10 s
    rate: int | None = None  # bytes per second that we send; None: any
    when_waiting: bool = True  # call as soon as something waits that this carrier takes
    crons: tuple[Cron, ...] = ()  # call at these times, whether something waits or not
    crons_waiting: tuple[Cron, ...] = ()  # call at these times if something waits that this carrier takes
    wake: int | None = None  # a packet at least so urgent calls at once
    answer: bool = True  # incoming sessions are welcome
    retry_s: int = 60  # after a failed call; doubles
    retry_max_s: int = 3600
    priority: int = 10  # lower first
    calls: int = 4  # at once
    terse: bool = False  # unpadded handshake, small chunks

    def next_call(self, after: float, offset: Offset = local_offset) -> float | None:
        """Return the first instant later than `after` when `crons` say to call, None if never."""
        return _first_due(self.crons, after, offset)

    def next_call_waiting(self, after: float, offset: Offset = local_offset) -> float | None:
        """Return the first instant later than `after` when `crons_waiting` say to call, None if never."""
        return _first_due(self.crons_waiting, after, offset)

    def tightened(self, other: CarrierTerms) -> CarrierTerms:
        """Return these terms with every limit as tight as in the other ones, too; budgets of both apply."""
        return replace(
            self,
            nice=min(self.nice, other.nice),
            size=_tighter(self.size, other.size),
            send=self.send and other.send,
            receive=self.receive and other.receive,
            budgets=tuple(dict.fromkeys(self.budgets + other.budgets)),
            air=tuple(dict.fromkeys(self.air + other.air)),
            cost=max(self.cost, other.cost),
            online_s=_tighter(self.online_s, other.online_s),
            rate=_tighter(self.rate, other.rate),
            when_waiting=self.when_waiting and other.when_waiting,
            wake=None if self.wake is None or other.wake is None else min(self.wake, other.wake),
            answer=self.answer and other.answer,
            calls=min(self.calls, other.calls),
            terse=self.terse or other.terse,
        )


def _first_due(crons: tuple[Cron, ...], after: float, offset: Offset) -> float | None:
    return min((due for cron in crons if (due := cron.next(after, offset)) is not None), default=None)


def _tighter(one: int | None, other: int | None) -> int | None:
    return min((limit for limit in (one, other) if limit is not None), default=None)


@dataclass(frozen=True, slots=True)
class Variant:
    """`[carrier.NAME.VARIANT]`: while `window` holds, for `neighbours` (None: all), `changes` override the base.

    `changes` are names of CarrierTerms' fields and values.
    """

    name: str
    window: Window
    neighbours: frozenset[str] | None
    changes: tuple[tuple[str, object], ...]


@dataclass(frozen=True, slots=True)
class CarrierMatch:
    """Which interfaces, addresses and devices are this carrier's: globs, case matters; empty means all."""

    interface: tuple[str, ...] = ()
    address: tuple[str, ...] = ()  # on an address, or on its name in nncp.hjson's `addrs`
    udev: tuple[tuple[str, str], ...] = ()
    port: str | None = None  # on udev's ID_PATH

    def fits_interface(self, name: str, udev: Mapping[str, str] | None = None) -> bool:
        """Return whether a network interface is this carrier's; `udev` are its properties, as far as known."""
        known = udev or {}
        return (
            (not self.interface or any(_fits(name, glob) for glob in self.interface))
            and all(_fits(known.get(key, ""), glob) for key, glob in self.udev)
            and (self.port is None or _fits(known.get("ID_PATH", ""), self.port))
        )

    def fits_address(self, address: str, name: str = "") -> bool:
        """Return whether an address is this carrier's; `name` is its key in `addrs`."""
        return not self.address or any(_fits(text, glob) for glob in self.address for text in (address, name) if text)


def _fits(text: str, glob: str) -> bool:
    # Only * and ? are wild: brackets stand in IPv6 addresses.
    return fnmatchcase(text, glob.replace("[", "[[]"))


@dataclass(frozen=True, slots=True)
class CarrierRule:
    """`[carrier.NAME]`: a way packets travel. `nice` and `size` are the base's, as in `terms`.

    `window` and `neighbours` (None: all) say when and for whom it may be used at all; `implicit` that nobody wrote it.
    """

    name: str
    kind: str
    nice: int = MAX
    size: int | None = None
    match: CarrierMatch = CarrierMatch()
    terms: CarrierTerms = CarrierTerms()
    window: Window = Window()
    neighbours: frozenset[str] | None = None
    variants: tuple[Variant, ...] = ()
    proxy: str | None = None
    implicit: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "terms", replace(self.terms, nice=self.nice, size=self.size))

    def fits_address(self, address: str, name: str = "") -> bool:
        """Return whether this carrier can call an address: it is of its kind (a pipe's begins with `|`) and matches."""
        is_pipe = address.startswith("|")
        return self.kind == (PIPE if is_pipe else NET) and self.match.fits_address(address, name)

    def terms_at(
        self,
        wall: float,
        neighbour: str | None,
        time_sure: bool = True,  # noqa: FBT001, FBT002 - the dispatcher's `now.sure`, handed through
        offset: Offset = local_offset,
    ) -> CarrierTerms | None:
        """Return what it may do at an instant for a neighbour (by its name), None if nothing.

        Neighbour None asks for nobody in particular: whom the carrier is for does not matter then.

        While the time is not sure, a carrier with a window is not used, and variants that depend on the time only
        tighten: whatever the time is, no rule is broken.
        """
        if self.neighbours is not None and neighbour is not None and neighbour not in self.neighbours:
            return None
        if not self.window.always and not (time_sure and self.window.holds(wall, offset)):
            return None
        mine = [one for one in self.variants if one.neighbours is None or neighbour in one.neighbours]
        changes: dict[str, Any] = {}
        for variant in mine:
            if variant.window.always or (time_sure and variant.window.holds(wall, offset)):
                changes |= dict(variant.changes)
        terms = replace(self.terms, **changes)
        for variant in mine if not time_sure else ():
            if not variant.window.always:
                terms = terms.tightened(replace(terms, **cast("dict[str, Any]", dict(variant.changes))))
        return terms

    def ever(self, neighbour: str) -> tuple[CarrierTerms, ...]:
        """Return the terms that may hold for a neighbour (by its name) at some time.

        Of variants that depend on the time, each is counted by itself, and all of them together.
        """
        if self.neighbours is not None and neighbour not in self.neighbours:
            return ()
        mine = [one for one in self.variants if one.neighbours is None or neighbour in one.neighbours]
        timed = [one for one in mine if not one.window.always]
        found: dict[CarrierTerms, None] = {}
        for then in ([], *([one] for one in timed), timed):
            changes: dict[str, Any] = {}
            for variant in mine:
                if variant.window.always or variant in then:
                    changes |= dict(variant.changes)
            found[replace(self.terms, **changes)] = None
        return tuple(found)

    def next_change(self, wall: float, offset: Offset = local_offset) -> float | None:
        """Return when `terms_at` may answer otherwise next, None if it never will; it does not before."""
        windows = [self.window, *(variant.window for variant in self.variants)]
        edges = [window.next_edge(wall, offset) for window in windows if not window.always]
        return min((edge for edge in edges if edge is not None), default=None)
