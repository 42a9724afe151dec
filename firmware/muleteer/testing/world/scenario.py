# SPDX-License-Identifier: GPL-3.0-or-later
"""What a seed means: the boxes with their rules, the sticks with their ways, the letters, and how bad the weather is.

Values only; `world` brings them to life. Every neighbour here acknowledges. Where there are sticks, one of them goes
round all boxes; where there are none, every two neighbours are linked. So each letter that the ceilings of some carrier
admit on every hop must arrive in the end.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field

from muleteer.testing.world.rulebook import CELL, DAY, HOUR, LAN, LineRule, some_rules

NAMES = ("home", "cabin", "farm", "mill", "ferry", "hut")
LABELS = ("BLUE", "RED", "GREEN")
NICES = (32, 64, 96, 96, 120, 160, 160, 192, 224, 240)
SIZES = (40, 300, 2_000, 2_000, 9_000, 9_000, 30_000, 30_000, 90_000, 200_000, 600_000)
BATTERY, SAVED, NONE = "battery", "saved", "none"
"""What a box knows of the time when it starts: all of it, when it went down, nothing (it begins at its build date)."""


@dataclass(frozen=True, slots=True)
class BoxPlan:
    """One box: `rules` is its muleteer.toml, `routes` has the relays on the way to those who are no neighbours."""

    name: str
    neighbours: tuple[str, ...]
    routes: dict[str, tuple[str, ...]]
    bays: tuple[str, ...]
    rules: str
    clock: str
    drift: float


@dataclass(frozen=True, slots=True)
class StickPlan:
    """One stick and the person who carries it: round and round its `tour`, `travel` seconds (from, to) between stops.

    `flushes`: unmounting writes everything back, as a kernel does; else only what was synced is on it afterwards.
    """

    label: str
    tour: tuple[str, ...]
    capacity: int
    travel: tuple[float, float]
    flushes: bool


@dataclass(frozen=True, slots=True)
class LinkPlan:
    """One link between two boxes: `rate` in bytes per second, `latency` in seconds.

    `ups` and `downs` are the mean seconds for which it works, and does not (0: it always works). If there are `visits`,
    it works from and to these seconds and at no other time.
    """

    kind: str
    first: str
    second: str
    rate: float
    latency: float
    ups: float = 0.0
    downs: float = 0.0
    visits: tuple[tuple[float, float], ...] = ()

    @property
    def name(self) -> str:
        """A name that no other link has."""
        return f"{self.kind}-{self.first}-{self.second}"

    @property
    def edge(self) -> tuple[str, str]:
        """Whom it joins."""
        return self.first, self.second


@dataclass(frozen=True, slots=True)
class Letter:
    """One file that somebody sends; `at` is in seconds from the beginning."""

    number: int
    sender: str
    recipient: str
    nice: int
    size: int
    at: float

    @property
    def target(self) -> str:
        """The name under which it is to arrive."""
        return f"letter-{self.number}"

    @property
    def body(self) -> bytes:
        """What is in it: no two are equal."""
        head = b"letter %d from %s\n" % (self.number, self.sender.encode())
        line = b"%d " % self.number
        return (head + line * (self.size // len(line) + 1))[: max(self.size, len(head))]


@dataclass(frozen=True, slots=True)
class Weather:
    """How often things go wrong while they may, each as a chance at its occasion or a mean number of seconds between.

    `cut` is the power going at an operation of the disk, `blackout` at any time; `careless` a stick pulled at an
    operation, `impatient` one pulled whenever; `lost` on the way; `protected` by its little switch; `busy` unmounting;
    `sick` one error of the stick, `leap` the wall time set to another, `restart` the agent stopped and started.
    `ill` is one error of the box's own disk, `full` that disk without room for a while; `asked` an owner who wants a
    call now; `broken` is a connection that breaks at some byte, `stalled` one that loses datagrams.
    """

    cut: float = 0.0
    blackout: float = 0.0
    careless: float = 0.0
    impatient: float = 0.0
    lost: float = 0.0
    protected: float = 0.0
    busy: float = 0.0
    sick: float = 0.0
    leap: float = 0.0
    restart: float = 0.0
    ill: float = 0.0
    full: float = 0.0
    asked: float = 0.0
    broken: float = 0.0
    stalled: float = 0.0


FAIR = Weather()


@dataclass(frozen=True, slots=True)
class Scenario:
    """A whole world. Faults happen for `safety` seconds; then everything must have arrived after `bound` more."""

    seed: int
    boxes: tuple[BoxPlan, ...]
    sticks: tuple[StickPlan, ...]
    letters: tuple[Letter, ...]
    weather: Weather
    safety: float
    bound: float
    nice_max: int = 255  # on sticks
    size_max: int | None = None
    links: tuple[LinkPlan, ...] = ()
    rules: dict[str, LineRule] = field(default_factory=dict)
    epoch: float = 1_750_032_000.0  # a Monday, 00:00 UTC

    def passes(self, here: str, there: str, nice: int, size: int, *, perhaps: bool = False) -> bool:
        """Tell whether some carrier between two neighbours takes such a packet sooner or later, or perhaps does."""
        by_stick = bool(self.sticks) and nice <= self.nice_max and (self.size_max is None or size <= self.size_max)
        lines = [self.rules[link.kind] for link in self.links if {here, there} == {link.first, link.second}]
        takes = (line.may_take(nice, size) if perhaps else line.takes(nice, size) for line in lines)
        return by_stick or any(takes)

    def may_arrive(self, letter: Letter) -> bool:
        """Tell whether the rules let a letter pass all the way; its packets are a little larger than it."""
        return self._arrives(letter, letter.size + 16384)

    def must_wait(self, letter: Letter) -> bool:
        """Tell whether they do not."""
        return not self._arrives(letter, letter.size, perhaps=True)

    def _arrives(self, letter: Letter, size: int, *, perhaps: bool = False) -> bool:
        box = next(box for box in self.boxes if box.name == letter.sender)
        way = (letter.sender, *box.routes.get(letter.recipient, ()), letter.recipient)
        hops = itertools.pairwise(way)
        return all(self.passes(here, there, letter.nice, size, perhaps=perhaps) for here, there in hops)


def scenario_of(seed: int) -> Scenario:
    """Return the world of a seed."""
    chance = random.Random(f"world {seed}")
    names = NAMES[: chance.choice((2, 2, 3, 3, 4, 5, 6))]
    edges = _edges(names, chance)
    nice_max = chance.choice((255, 255, 255, 200, 128))
    size_max = chance.choice((None, None, 64 << 10))
    overdue = chance.choice((0.5, 1.0, 2.0)) * DAY
    with_sticks, with_links = chance.choice(((True, False), (False, True), (True, True)))
    sticks = _sticks(names, chance) if with_sticks else ()
    rules = some_rules(chance) if with_links else {}
    links = _links(edges, chance, everywhere=not with_sticks) if with_links else ()
    common = "".join(rule.toml for rule in rules.values())
    boxes = tuple(_box(name, names, edges, sticks, nice_max, size_max, overdue, common, chance) for name in names)
    safety = chance.choice((2, 3, 4) if not with_links else (0.5, 1, 1.5)) * DAY
    letters = tuple(_letter(number, names, safety, chance) for number in range(chance.randint(6, 60)))
    tour = (len(names) + 1) * (sticks[0].travel[1] + HOUR) if sticks else DAY
    hops = max((len(route) + 1 for box in boxes for route in box.routes.values()), default=1)
    bound = 3 * DAY + (hops + 1) * (overdue + 4 * tour)
    return Scenario(seed, boxes, sticks, letters, _weather(chance), safety, bound, nice_max, size_max, links, rules)


def _links(edges: tuple[tuple[str, str], ...], chance: random.Random, *, everywhere: bool) -> tuple[LinkPlan, ...]:
    found = []
    for first, second in edges:
        kinds = [kind for kind in (LAN, CELL) if chance.random() < 0.5]
        for kind in kinds or ([chance.choice((LAN, CELL))] if everywhere else []):
            rate = chance.choice((1e6, 5e6)) if kind == LAN else chance.choice((4e3, 2e4, 2e5))
            latency = 0.002 if kind == LAN else chance.uniform(0.05, 1.5)
            ups, downs = chance.choice(((0.0, 0.0), (0.3 * DAY, 0.1 * DAY), (2 * HOUR, 2 * HOUR), (600.0, 600.0)))
            found.append(LinkPlan(kind, first, second, rate, latency, ups, downs))
    return tuple(found)


def _edges(names: tuple[str, ...], chance: random.Random) -> tuple[tuple[str, str], ...]:
    """Return who knows whom: a tree, sometimes with more."""
    found: set[tuple[str, str]] = set()
    for number, name in enumerate(names[1:], 1):
        found.add((names[chance.randrange(number)], name))
    for number, first in enumerate(names):
        found |= {(first, second) for second in names[number + 1 :] if chance.random() < 0.15}
    return tuple(sorted(found))


def _neighbours(name: str, edges: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    return tuple(sorted({a if b == name else b for a, b in edges if name in (a, b)}))


def _route(source: str, target: str, edges: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    """Return the relays of a shortest way."""
    ways: list[tuple[str, ...]] = [(source,)]
    met = {source}
    while ways:
        way = ways.pop(0)
        for name in _neighbours(way[-1], edges):
            if name == target:
                return way[1:]
            if name not in met:
                met.add(name)
                ways.append((*way, name))
    raise ValueError(f"no way from {source} to {target}")


def _sticks(names: tuple[str, ...], chance: random.Random) -> tuple[StickPlan, ...]:
    """The first goes round all boxes; others wherever they go."""
    found = []
    for number in range(chance.randint(1, len(LABELS))):
        tour = list(names) if number == 0 else chance.sample(names, chance.randint(2, len(names)))
        chance.shuffle(tour)
        slow = chance.choice((2, 6, 12)) * HOUR
        capacity = 64 << 20 if number == 0 else chance.choice((64 << 20, (1 << 20) + (256 << 10)))
        found.append(StickPlan(LABELS[number], tuple(tour), capacity, (0.3 * HOUR, slow), chance.random() < 0.5))
    return tuple(found)


def _box(
    name: str,
    names: tuple[str, ...],
    edges: tuple[tuple[str, str], ...],
    sticks: tuple[StickPlan, ...],
    nice_max: int,
    size_max: int | None,
    overdue: float,
    common: str,
    chance: random.Random,
) -> BoxPlan:
    neighbours = _neighbours(name, edges)
    routes = {other: _route(name, other, edges) for other in names if other not in (name, *neighbours)}
    bays = ("left",) if chance.random() < 0.5 else ("left", "right")
    lines = ["[agent]", f'name = "{name}"', "[toss]", f"seen = {str(chance.random() < 0.8).lower()}"]
    lines += ["[carrier.stick]", f"nice = {nice_max}", *([f'size = "{size_max} B"'] if size_max else [])]
    for number, bay in enumerate(bays):
        lines += [f"[bay.{bay}]", f'port = "port-{number}"']
    for plan in sticks:
        lines += [f"[runner.{plan.label.lower()}]", f'label = "{plan.label}"', "initialise = true"]
        if plan is not sticks[0] and chance.random() < 0.4:
            lines.append(chance.choice((f"nice = {min(96, nice_max)}", 'size = "16 KiB"')))
    for other in neighbours:
        lines += [f"[neighbour.{other}]", "acknowledges = true", f'overdue = "{overdue / HOUR:.0f} h"']
    lines += ["[panel.lamps]", "power = 5", "working = 6", "attention = 13", "[panel.lamps.pull]"]
    lines += [f"{bay} = {19 + number}" for number, bay in enumerate(bays)]
    clock = chance.choice((BATTERY, SAVED, SAVED, NONE))
    rules = "\n".join(lines) + "\n" + common
    return BoxPlan(name, neighbours, routes, bays, rules, clock, chance.uniform(-1e-4, 1e-4))


def _letter(number: int, names: tuple[str, ...], seconds: float, chance: random.Random) -> Letter:
    sender, recipient = chance.sample(names, 2)
    return Letter(number, sender, recipient, chance.choice(NICES), chance.choice(SIZES), chance.uniform(0, seconds))


def _weather(chance: random.Random) -> Weather:
    def some(*values: float) -> float:
        return chance.choice((0.0, *values))

    return Weather(
        cut=some(100, 500, 3000),
        blackout=some(0.3 * DAY, DAY),
        careless=some(0.1, 0.3),
        impatient=some(0.1, 0.3),
        lost=some(0.03, 0.1),
        protected=some(0.1),
        busy=some(0.2),
        sick=some(0.1, 0.3),
        leap=some(0.5 * DAY, DAY),
        restart=some(0.5 * DAY),
        ill=some(0.2 * DAY, DAY),
        full=some(0.5 * DAY),
        asked=some(2 * HOUR, 0.3 * DAY),
        broken=some(0.1, 0.4),
        stalled=some(0.2),
    )
