# SPDX-License-Identifier: GPL-3.0-or-later
"""A week of night transfers: the documented example's own rules, and a table of what went when by which carrier.

Two boxes. A LAN joins them for two hours on Tuesday and Friday evening, when one of them comes by; a WAN always does.
Over the LAN anything may go at any time, over the WAN urgent packets every ten minutes, and bulk at night.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from muleteer import config
from muleteer.agent.wording import duration_words, size_words
from muleteer.testing.world.rulebook import DAY, HOUR, LAN, WAN, LineRule
from muleteer.testing.world.scenario import BATTERY, FAIR, BoxPlan, Letter, LinkPlan, Scenario
from muleteer.testing.world.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.testing.world.session import WorldSession

RULES = {LAN: LineRule(LAN), WAN: LineRule(WAN, nice=96, night=(1, 6), metered=True)}
CLASSES = ((32, "FLASH"), (96, "PRIORITY"), (160, "NORMAL"), (224, "BULK"))
VISITS = ((DAY + 17 * HOUR, DAY + 19 * HOUR), (4 * DAY + 17 * HOUR, 4 * DAY + 19 * HOUR))
WEEK = 7 * DAY
ROW = "{:<12} {:<5} {:<13} {:>6} {:>9} {:>7} {:>5} {:>10}"


@dataclass(frozen=True, slots=True)
class Transfer:
    """One packet that came over a link; `at` in seconds since Monday, 00:00."""

    at: float
    carrier: str
    nice: int
    size: int


def the_week(seed: int = 1) -> tuple[World, list[Transfer]]:
    """Return the world of the example, and where its transfers are going to be."""
    world = World(_scenario(seed))
    transfers: list[Transfer] = []

    def heard(session: WorldSession, nice: int, size: int) -> None:
        transfers.append(Transfer(world.timeline.now, session.carrier, nice, size))

    world.checkers.lines.heard = heard
    return world, transfers


def play_the_week(tell: Callable[[str], None]) -> int:
    """Play it and tell the table; return 1 if any rule was broken."""
    world, transfers = the_week()
    outcome = world.run()
    for line in table([transfer for transfer in transfers if transfer.at < WEEK]):
        tell(line)
    tell("")
    for line in waits(world):
        tell(line)
    for violation in outcome.violations:
        tell(violation)
    tell("no rule was broken" if outcome.ok else "BROKEN")
    return 0 if outcome.ok else 1


def table(transfers: list[Transfer]) -> list[str]:
    """Return what went on each day by each carrier, the hours of the night apart."""
    rows: dict[tuple[int, str, str], list[Transfer]] = {}
    for transfer in transfers:
        night = RULES[transfer.carrier].night
        hour = transfer.at % DAY / HOUR
        part = "all day" if night is None else "01:00-06:00" if night[0] <= hour < night[1] else "by day"
        rows.setdefault((int(transfer.at // DAY), transfer.carrier, part), []).append(transfer)
    lines = [ROW.format("day", "by", "when", *(name for _, name in CLASSES), "bytes")]
    for (day, carrier, part), those in sorted(rows.items()):
        counts = Counter(transfer.nice for transfer in those)
        name = time.strftime("%a %d %b", time.gmtime(_scenario(0).epoch + day * DAY))
        cells = [str(counts[nice] or "") for nice, _ in CLASSES]
        lines.append(ROW.format(name, carrier, part, *cells, size_words(sum(one.size for one in those))))
    return lines


def waits(world: World) -> list[str]:
    """Return for how long each class waited."""
    lines = []
    for nice, name in CLASSES:
        letters = [letter for letter in world.scenario.letters if letter.nice == nice]
        times = sorted(world.checkers.arrived[letter.number] - letter.at for letter in letters)
        middle, last = duration_words(times[len(times) // 2]), duration_words(times[-1])
        lines.append(f"{name:<9} {len(times):>4} letters; half of them within {middle}, all within {last}")
    return lines


def _scenario(seed: int) -> Scenario:
    path = os.path.join(os.path.dirname(config.__file__), "night-transfer.toml")
    with open(path, encoding="utf-8") as file:
        rules = file.read()
    named = '[agent]\nname = "{}"\n[carrier.lan]'
    boxes = tuple(
        BoxPlan(name, (other,), {}, (), rules.replace("[carrier.lan]", named.format(name), 1), BATTERY, 0.0)
        for name, other in (("home", "cabin"), ("cabin", "home"))
    )
    links = (
        LinkPlan(LAN, "home", "cabin", 5e6, 0.002, visits=VISITS),
        LinkPlan(WAN, "home", "cabin", 1e5, 0.08),
    )
    return Scenario(seed, boxes, (), _letters(), FAIR, WEEK, 2 * DAY, links=links, rules=RULES)


def _letters() -> tuple[Letter, ...]:
    """Return the traffic: alarms twice a day, notes every three hours, letters by day, and files every evening."""
    plan = [(32, 2_000, 11 * HOUR), (96, 8_000, 3 * HOUR), (160, 40_000, 5 * HOUR), (224, 900_000, 4 * HOUR)]
    found: list[Letter] = []
    for nice, size, every in plan:
        for turn in range(int(WEEK // every)):
            for sender, recipient, shift in (("home", "cabin", 0.37), ("cabin", "home", 0.71)):
                at = (turn + shift) * every
                found.append(Letter(len(found), sender, recipient, nice, size, at))
    return tuple(letter for letter in found if letter.at < WEEK - 8 * HOUR)
