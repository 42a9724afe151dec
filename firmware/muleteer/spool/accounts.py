# SPDX-License-Identifier: GPL-3.0-or-later
"""What was spent of each budget, so durably that no cut makes a carrier spend it twice.

What a session may use is granted, written and synced *before* it is used; what it did not use is given back after it.
So a power cut between the two costs budget, and nothing ever makes spent budget come back. SPOOL/muleteer/accounts is a
:mod:`.line_file`:

    muleteer-accounts 1 <generation>
    <account> <slot> <amount> <crc>       so much was granted to (or, negative, given back by) this account in this slot

An account is a carrier's budget ("cell/day"), a slot a stretch of the calendar ("2026-11-20"); whoever asks decides
which slots count together. Slots are remembered by when they were last used, not by what they are called: a clock that
leaps about cannot spend the same day twice, and when it comes to a day that it had leapt to before, that is known.
"""

from __future__ import annotations

from muleteer.record import record
from muleteer.spool.line_file import LineFile, escape, unescape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from muleteer.spool.spool import Spool

SLOTS_MAX = 100  # of one account: a sliding hour needs 26, a calendar 1; the rest is for clocks that leap
ACCOUNTS_MAX = 200  # more than there are budgets in any muleteer.toml; those used longest ago are forgotten
AMOUNT_MAX = 1 << 62
_HISTORY_MAX = 256


@record
class Limit:
    """At most ``amount`` in the slots ``counted`` of an account together; what is granted goes ``into`` one of them."""

    account: str
    counted: Collection[str]
    into: str
    amount: int


class Spending:
    """What was spent, in memory: by account, by slot."""

    def __init__(self) -> None:
        self._accounts: dict[str, dict[str, int]] = {}

    def spent(self, account: str, slots: Iterable[str]) -> int:
        """Return what was spent in these slots together."""
        known = self._accounts.get(account)
        return 0 if known is None else sum(known.get(slot, 0) for slot in slots)

    def copy(self) -> Spending:
        """Return one that stays as this one is now."""
        other = Spending()
        other._accounts = {account: dict(slots) for account, slots in self._accounts.items()}
        return other

    def slots(self, account: str) -> dict[str, int]:
        """Return what was spent by slot."""
        return dict(self._accounts.get(account, ()))

    def granted(self, wanted: int, limits: Iterable[Limit]) -> int:
        """Return how much of ``wanted`` all limits leave."""
        room = min((limit.amount - self.spent(limit.account, limit.counted) for limit in limits), default=wanted)
        return max(0, min(wanted, room))

    def add(self, account: str, slot: str, amount: int) -> None:
        """Note that so much was granted, or given back if negative."""
        slots = self._accounts.pop(account, {})
        total = slots.pop(slot, 0) + amount
        slots[slot] = min(max(0, total), AMOUNT_MAX)
        self._accounts[account] = slots
        _shorten(slots, SLOTS_MAX)
        _shorten(self._accounts, ACCOUNTS_MAX)

    # ------------------------------------------------------------------------------------------ as lines

    def clear(self) -> None:
        """Forget everything."""
        self._accounts = {}

    def take(self, words: list[str]) -> None:
        """Take in one line. Raises ValueError if it is none."""
        account, slot, amount = words
        self.add(unescape(account), unescape(slot), int(amount))

    def lines(self) -> Iterator[str]:
        """Return lines that say all there is to know."""
        for account, slots in self._accounts.items():
            for slot, amount in slots.items():
                yield _line(account, slot, amount)

    def worn(self, lines: int) -> bool:
        """Tell whether a file of so many lines is mostly history."""
        return lines > 2 * sum(map(len, self._accounts.values())) + _HISTORY_MAX


class Accounts:
    """The accounts of one spool. Its methods raise SpoolError when the disk fails; looking at ``spending`` does not."""

    def __init__(self, spool: Spool) -> None:
        self.spending = Spending()
        self._file = LineFile(spool, f"{spool.layout.root}/muleteer/accounts", "muleteer-accounts 1", self.spending)

    def read(self) -> None:
        """Take in what is written."""
        self._file.read()

    def draw(self, wanted: int, limits: Iterable[Limit]) -> int:
        """Grant as much of ``wanted`` as all limits leave; what is returned is written down and durable."""
        limits = tuple(limits)
        granted = 0

        def lines() -> list[str]:
            nonlocal granted
            granted = self.spending.granted(wanted, limits)
            return [_line(limit.account, limit.into, granted) for limit in limits] if granted else []

        self._file.append(lines)
        return granted

    def give_back(self, amount: int, limits: Iterable[Limit]) -> None:
        """Return a part of what was granted under these very limits."""
        lines = [_line(limit.account, limit.into, -amount) for limit in limits] if amount > 0 else []
        if lines:
            self._file.append(lambda: lines)


def _line(account: str, slot: str, amount: int) -> str:
    return f"{escape(account)} {escape(slot)} {amount}"


def _shorten(known: dict[str, int] | dict[str, dict[str, int]], most: int) -> None:
    while len(known) > most:
        del known[next(iter(known))]
