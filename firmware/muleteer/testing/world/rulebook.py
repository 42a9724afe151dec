# SPDX-License-Identifier: GPL-3.0-or-later
"""The owner's rules in a world: as muleteer.toml for the boxes, and as plain numbers for the checkers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

LAN, CELL, WAN = "lan", "cell", "wan"
INTERFACES = {LAN: "eth", CELL: "wwan", WAN: "wwan"}
HOUR, DAY = 3600.0, 86400.0


@dataclass(frozen=True, slots=True)
class LineRule:
    """One `[carrier.NAME]` of kind net. Sizes and budgets in bytes; `hours` are (from, to) in hours of the day, UTC.

    In the hours of `night` it takes any niceness.
    """

    name: str
    nice: int = 255
    size: int | None = None
    day_budget: int | None = None
    hour_budget: int | None = None
    hours: tuple[int, int] | None = None
    night: tuple[int, int] | None = None
    metered: bool = False
    rate: int | None = None
    call: str = "when waiting"
    wake: bool = False
    online: int | None = None
    priority: int = 10
    terse: bool = False

    @property
    def toml(self) -> str:
        """The rule as the owner writes it."""
        budgets = [f'"{self.day_budget} B/day"'] if self.day_budget else []
        budgets += [f'"{self.hour_budget} B/hour"'] if self.hour_budget else []
        lines = [
            f"[carrier.{self.name}]",
            f'interface = "{INTERFACES[self.name]}*"',
            f'address = ["{self.name}", "{self.name}-*"]',
            f"nice = {self.nice}",
            f'call = "{self.call}"',
            f"priority = {self.priority}",
            f'cost = "{"metered" if self.metered else "free"}"',
            *([f'size = "{self.size} B"'] if self.size else []),
            *([f"budget = [{', '.join(budgets)}]"] if budgets else []),
            *([f'hours = "{self.hours[0]:02}:00-{self.hours[1]:02}:00"'] if self.hours else []),
            *([f'rate = "{self.rate} B/s"'] if self.rate else []),
            *(['wake = "FLASH"'] if self.wake else []),
            *(["terse = true"] if self.terse else []),
            *([f'online = "{self.online} s"'] if self.online else []),
        ]
        if self.night:
            hours = f'hours = "{self.night[0]:02}:00-{self.night[1]:02}:00"'
            lines += [f"[carrier.{self.name}.night]", hours, "nice = 255"]
        return "\n".join(lines) + "\n"

    def takes(self, nice: int, size: int) -> bool:
        """Tell whether it takes such a packet at some hour; what half a budget does not pay for may wait."""
        budgets = [amount for amount in (self.day_budget, self.hour_budget) if amount is not None]
        is_paid = all(size <= amount / 2 for amount in budgets)
        return is_paid and self.may_take(nice, size)

    def may_take(self, nice: int, size: int) -> bool:
        """Tell whether its ceilings ever admit such a packet."""
        return (self.night is not None or nice <= self.nice) and (self.size is None or size <= self.size)

    def takes_now(self, nice: int, size: int, wall: float, slack: float) -> bool:
        """Tell whether it takes such a packet at a time of day, give or take some seconds."""
        open_now = self.is_open(wall, slack)
        by_night = self.night is not None and _within(self.night, wall, slack)
        return open_now and (by_night or nice <= self.nice) and (self.size is None or size <= self.size)

    def is_open(self, wall: float, slack: float) -> bool:
        """Tell whether it may be used at a time of day, give or take some seconds."""
        return self.hours is None or _within(self.hours, wall, slack)


def _within(hours: tuple[int, int], wall: float, slack: float) -> bool:
    """Tell whether a time of day lies in a window, `slack` seconds wider on both sides."""
    begin, end = hours[0] * HOUR - slack, hours[1] * HOUR + slack
    length = (end - begin) % DAY
    return (wall - begin) % DAY <= length


def some_rules(chance: random.Random) -> dict[str, LineRule]:
    """Return the rules of a world: everybody has the same."""
    lan = LineRule(LAN, size=chance.choice((None, None, 64 << 10)), priority=5)
    limited = chance.random() < 0.6
    cell = LineRule(
        CELL,
        nice=chance.choice((255, 128, 96)),
        size=chance.choice((None, 64 << 10)),
        day_budget=chance.choice((None, 2_000_000, 4_000_000)) if limited else None,
        hour_budget=chance.choice((None, None, 600_000)) if limited else None,
        hours=chance.choice((None, None, (20, 8))),
        night=chance.choice((None, None, (22, 6))),
        metered=chance.random() < 0.7,
        rate=chance.choice((None, None, 8_000)),
        call=chance.choice(("when waiting", "when waiting", "0 */2 * * *", "*/10 * * * * when waiting")),
        wake=chance.random() < 0.3,
        online=chance.choice((None, 300)),
        terse=True,  # a padded greeting is not through a link of 4 KB/s before a peer's patience ends
    )
    return {LAN: lan, CELL: cell}
