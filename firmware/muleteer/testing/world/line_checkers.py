# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be true of every byte on a link: hours, budgets, rates, and the ceilings of what arrives.

Judged by the scenario's own numbers (`rulebook`) and by the time that the box believes in, not by the terms that the
agent has made of the rules.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from muleteer.testing.world.rulebook import LineRule
    from muleteer.testing.world.session import WorldSession

HOURS_SLACK_SECONDS = 15.0  # the last frame of a session whose time is over
LEAP_SECONDS = 5.0
RATE_SECONDS = 60.0
RATE_SLACK_BYTES = 72 << 10  # one frame may always go
HOUR, DAY = 3600.0, 86400.0


class LineCheckers:
    """Watches what sessions move; `broken(who, what)` hears of what must not be."""

    def __init__(self, rules: Mapping[str, LineRule], broken: Callable[[str, str], None]) -> None:
        self.by_carrier: Counter[str] = Counter()
        self.heard: Callable[[WorldSession, int, int], None] = lambda _session, _nice, _size: None
        self._rules = rules
        self._broken = broken
        self._offsets: dict[WorldSession, float] = {}
        self._days: Counter[tuple[str, str, int]] = Counter()
        self._hours: defaultdict[tuple[str, str], deque[tuple[float, int]]] = defaultdict(deque)
        self._recent: defaultdict[WorldSession, deque[tuple[float, int]]] = defaultdict(deque)

    def moved(self, session: WorldSession, sent: int) -> None:
        """Judge bytes that a session has put on its wire."""
        rule = self._rules.get(session.carrier)
        if rule is None or not sent:
            return
        who, now = session.agent.box.appliance.agent.name, session.agent.now()
        self.by_carrier[rule.name] += sent
        offset = now.wall - now.monotonic
        leapt = abs(self._offsets.setdefault(session, offset) - offset) > LEAP_SECONDS
        if not leapt and not rule.is_open(now.wall, HOURS_SLACK_SECONDS):
            self._broken(who, f"sends by {rule.name} at {now.wall % DAY / HOUR:.2f} h, open {rule.hours}")
        if rule.hours is not None and not now.sure and not leapt:
            self._broken(who, f"sends by {rule.name}, which has hours, and does not know the time")
        self._budgets(who, rule, now.wall, sent)
        self._rate(who, rule, session, now.monotonic, sent)

    def _budgets(self, who: str, rule: LineRule, wall: float, sent: int) -> None:
        if rule.day_budget is not None:
            key = (who, rule.name, int(wall // DAY))
            self._days[key] += sent
            if self._days[key] > rule.day_budget:
                self._broken(who, f"{self._days[key]} bytes sent by {rule.name} in a day, {rule.day_budget} allowed")
        if rule.hour_budget is not None:
            hour = self._hours[who, rule.name]
            hour.append((wall, sent))
            total = sum(count for when, count in hour if wall - HOUR < when <= wall)
            if total > rule.hour_budget:
                self._broken(who, f"{total} bytes sent by {rule.name} within an hour, {rule.hour_budget} allowed")
            while len(hour) > 1 and hour[0][0] < wall - 2 * HOUR:
                hour.popleft()

    def _rate(self, who: str, rule: LineRule, session: WorldSession, monotonic: float, sent: int) -> None:
        if rule.rate is None:
            return
        recent = self._recent[session]
        recent.append((monotonic, sent))
        while recent[0][0] < monotonic - RATE_SECONDS:
            recent.popleft()
        total = sum(count for _, count in recent)
        if total > rule.rate * RATE_SECONDS + RATE_SLACK_BYTES:
            self._broken(who, f"{total} bytes sent by {rule.name} in {RATE_SECONDS:.0f} s, allowed: {rule.rate}/s")

    def arrived(self, session: WorldSession, nice: int, size: int) -> None:
        """Judge a packet that came in by a session."""
        rule = self._rules.get(session.carrier)
        if rule is None:
            return
        self.heard(session, nice, size)
        now = session.agent.now()
        offset = now.wall - now.monotonic
        leapt = abs(self._offsets.setdefault(session, offset) - offset) > LEAP_SECONDS
        if not leapt and not rule.takes_now(nice, size, now.wall, HOURS_SLACK_SECONDS):
            who = session.agent.box.appliance.agent.name
            self._broken(who, f"a packet of {nice=} {size=} came at {now.wall % DAY / HOUR:.2f} h by {rule}")
