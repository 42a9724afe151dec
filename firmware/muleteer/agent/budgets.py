# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left of the carriers' budgets, and purses for sessions.

What a budget counts, by the wall clock (on a box whose time is not sure: by the estimate, which is never ahead):

* an hour slides: in any 60 minutes no more than the amount, in slots of five minutes that count whole while any part
  of them is less than an hour old; so is what was spent up to an hour "ahead", which is where a clock that was set back
  a little left it;
* a day and a month are the calendar's, by local time: a budget is new at midnight, or on the first.

A session draws in steps, each written down before it is used (`muleteer.spool.accounts`), and gives back what it did
not use. Seconds of air are drawn at once when the session begins, and given back when it is over.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from muleteer.agent.lines import call_bytes
from muleteer.config.carrier_rules import Period
from muleteer.config.zone import clock, date_of, day_number, instant, local_offset
from muleteer.errors import SpoolError
from muleteer.record import replace
from muleteer.spool.accounts import Accounts, Limit, Spending

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from muleteer.agent.events import Now
    from muleteer.carriers.online import OnlineTerms
    from muleteer.config.carrier_rules import Budget, CarrierRule, CarrierTerms
    from muleteer.config.zone import Offset
    from muleteer.spool.spool import Spool

SLOT_SECONDS = 300
SLOTS_OF_HOUR = 3600 // SLOT_SECONDS
STEP_BYTES_MIN = 64 << 10  # drawn at once at least: each draw waits for the disk, and the first pays for the greetings
STEPS = 20  # of a budget, at most so many draws
CALL_SECONDS = 5  # of air
HOUR_SHARE = 10  # a sliding hour is spoken of as used up until this part of it is free again, not a few bytes
DAY_SECONDS = 86400


@dataclass(frozen=True, slots=True)
class Left:
    """The tightest budget: `left` of `budget.amount`. If that is too little for a call, `until` is when more is there.

    `until` is a wall time; None while there is enough.
    """

    budget: Budget
    left: int
    until: float | None = None


class Budgets:
    """The budgets of one box; thread-safe: scheduler and sessions share it. `spool` None keeps them in memory only.

    `lock` takes the place of a thread's lock where there are no threads.
    """

    def __init__(
        self,
        spool: Spool | None = None,
        *,
        offset: Offset = local_offset,
        lock: AbstractContextManager[object] | None = None,
    ) -> None:
        self._accounts = None if spool is None else Accounts(spool)
        self._spending = Spending()  # without a spool all there is, else a copy that is whole at any time
        self._offset = offset
        self._lock = lock or threading.Lock()

    def open(self) -> None:
        """Read what was spent before; call it once before anything else. Raises SpoolError when the disk fails."""
        with self._lock:
            if self._accounts is not None:
                self._accounts.read()
                self._spending = self._accounts.spending.copy()

    def bytes_left(self, terms: CarrierTerms, wall: float, *, is_brief: bool = False, calls: int = 1) -> Left | None:
        """Return what is left of the tightest byte budget; None: there is none. Never touches the disk.

        It must pay for so many `calls` and what those answer who are called, which is short if they are `is_brief`.
        """
        return self._tightest(terms.budgets, calls * call_bytes(terms, is_brief=is_brief), wall, "")

    def air_left(self, terms: CarrierTerms, wall: float) -> Left | None:
        """Return what is left of the tightest budget of seconds; None: there is none. Never touches the disk."""
        return self._tightest(terms.air, CALL_SECONDS, wall, AIR)

    def purse_for(self, rule: CarrierRule, neighbour: str | None, now: Callable[[], Now]) -> SessionPurse | None:
        """Return the purse for one session, for its thread; None if nothing limits it.

        Raises SpoolError when the disk fails.
        """
        instant = now()
        terms = rule.terms_at(instant.wall, neighbour, instant.sure, self._offset)
        if terms is not None and not terms.budgets and not terms.air:
            return None
        return SessionPurse(self, lambda at: rule.terms_at(at.wall, neighbour, at.sure, self._offset), now)

    def limits(self, budgets: Iterable[Budget], wall: float, unit: str = "") -> tuple[Limit, ...]:
        """Return what the accounts are to hold to now; `unit` tells accounts of air from those of bytes."""
        return tuple(
            Limit(f"{budget.account}/{unit}{budget.per.value}", *self._slots(budget.per, wall), budget.amount)
            for budget in budgets
        )

    def draw(self, wanted: int, limits: tuple[Limit, ...]) -> int:
        """Grant as much of `wanted` as all limits leave, durably. Raises SpoolError."""
        with self._lock:
            if self._accounts is None:
                granted = self._spending.granted(wanted, limits)
                for limit in limits:
                    self._spending.add(limit.account, limit.into, granted)
                return granted
            try:
                return self._accounts.draw(wanted, limits)
            finally:
                self._spending = self._accounts.spending.copy()

    def give_back(self, amount: int, limits: tuple[Limit, ...]) -> None:
        """Take back a part of what was granted under these limits; a disk that fails costs budget, no more."""
        with self._lock:
            if self._accounts is None:
                for limit in limits if amount > 0 else ():
                    self._spending.add(limit.account, limit.into, -amount)
                return
            try:
                self._accounts.give_back(amount, limits)
            except SpoolError:
                return  # the next session will say what is wrong with the disk
            finally:
                self._spending = self._accounts.spending.copy()

    # ------------------------------------------------------------------------------------------ the calendar

    def _slots(self, per: Period, wall: float) -> tuple[tuple[str, ...], str]:
        """Return which slots count now, and which one is the present."""
        if per is Period.HOUR:
            present = int(wall // SLOT_SECONDS)
            first, last = int((wall - 3600) // SLOT_SECONDS), present + SLOTS_OF_HOUR
            return tuple(str(slot) for slot in range(first, last + 1)), str(present)
        year, month, day = date_of(clock(wall, self._offset) // DAY_SECONDS)
        slot = f"{year:04}-{month:02}-{day:02}" if per is Period.DAY else f"{year:04}-{month:02}"
        return (slot,), slot

    def _tightest(self, budgets: Iterable[Budget], need: int, wall: float, unit: str) -> Left | None:
        """Return the budget that is used up for longest; if none is, the one with least left."""
        found: list[Left] = []
        for budget, limit in zip(budgets, self.limits(budgets, wall, unit), strict=True):
            left = limit.amount - self._spending.spent(limit.account, limit.counted)
            share = limit.amount // HOUR_SHARE if budget.per is Period.HOUR else 0
            enough = min(limit.amount, max(need, share))
            until = None if left >= enough else self._refills(budget, limit, enough - left, wall)
            found.append(Left(budget, max(0, left), until))
        return max(found, key=lambda left: (left.until or -math.inf, -left.left), default=None)

    def _refills(self, budget: Budget, limit: Limit, missing: int, wall: float) -> float:
        if budget.per is Period.HOUR:
            spent = self._spending.slots(limit.account)
            for slot in limit.counted:
                missing -= spent.get(slot, 0)
                if missing <= 0:
                    return float((int(slot) + 1) * SLOT_SECONDS + 3600)
            return wall + 3600
        days = clock(wall, self._offset) // DAY_SECONDS
        if budget.per is Period.MONTH:
            year, month, _ = date_of(days)
            days = day_number(year + month // 12, month % 12 + 1, 1) - 1
        return float(instant((days + 1) * DAY_SECONDS, self._offset))


AIR = "air-"


class SessionPurse:
    """A `carriers.online.Purse` for one session, for one thread. `close` it always: that gives the rest back."""

    def __init__(self, budgets: Budgets, terms: Callable[[Now], CarrierTerms | None], now: Callable[[], Now]) -> None:
        self._budgets = budgets
        self._terms = terms
        self._now = now
        self._grants: deque[tuple[tuple[Limit, ...], int]] = deque()  # what was granted and is not used yet
        self._air: tuple[Limit, ...] = ()
        self.seconds: int | None = None
        """How long the session may last for its air; None: any time."""

        at = now()
        begun = terms(at)
        if begun is not None and begun.air:
            self._air = budgets.limits(begun.air, at.wall, AIR)
            longest = min(limit.amount for limit in self._air)
            self.seconds = budgets.draw(min(longest, begun.online_s or longest), self._air)

    def within(self, terms: OnlineTerms) -> OnlineTerms:
        """Return a session's terms, tightened to the air there is."""
        if self.seconds is None:
            return terms
        longest = min(terms.online_seconds or math.inf, max(1, self.seconds))
        return replace(terms, online_seconds=float(longest))

    def draw(self, wanted: int) -> int:
        """Return how many bytes are granted, durably: all that is wanted, or what there is.

        Nothing is granted where the carrier may not be used any more, or there is no air. Raises SpoolError.
        """
        here = sum(amount for _, amount in self._grants)
        if here < wanted:
            here += self._fetch(wanted - here)
        granted = min(here, wanted)
        self._use(granted)
        return granted

    def give_back(self, unused: int) -> None:
        """Take back what was granted last and not used."""
        if unused <= 0 or self._last is None:
            return
        if self._grants and self._grants[-1][0] == self._last:
            unused += self._grants.pop()[1]
        self._grants.append((self._last, unused))

    def close(self, seconds: float = 0.0) -> None:
        """End the session, which lasted so long: what was not used may be spent by others. Never raises."""
        while self._grants:
            limits, amount = self._grants.popleft()
            self._budgets.give_back(amount, limits)
        if self.seconds is not None:
            self._budgets.give_back(self.seconds - math.ceil(seconds), self._air)
            self.seconds = 0

    _last: tuple[Limit, ...] | None = None

    def _fetch(self, wanted: int) -> int:
        at = self._now()
        terms = self._terms(at)
        if terms is None or self.seconds == 0:
            return 0
        if not terms.budgets:
            self._grants.append(((), wanted))
            return wanted
        limits = self._budgets.limits(terms.budgets, at.wall)
        step = max(STEP_BYTES_MIN, min(limit.amount for limit in limits) // STEPS)
        granted = self._budgets.draw(max(wanted, step), limits)
        if granted:
            self._grants.append((limits, granted))
        return granted

    def _use(self, amount: int) -> None:
        while amount > 0:
            limits, there = self._grants.popleft()
            self._last = limits
            if there > amount:
                self._grants.appendleft((limits, there - amount))
            amount -= there
