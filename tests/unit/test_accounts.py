# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts, budgets and purses: what was spent is known, whatever happens."""

from __future__ import annotations

import threading

import pytest

from muleteer.agent.budgets import STEP_BYTES_MIN, Budgets
from muleteer.agent.events import Now
from muleteer.carriers.online import OnlineTerms
from muleteer.config.carrier_rules import NET, Budget, CarrierRule, CarrierTerms, Period, Window
from muleteer.errors import SpoolError
from muleteer.spool.accounts import ACCOUNTS_MAX, SLOTS_MAX, Accounts, Limit, Spending
from muleteer.spool.spool import Spool
from muleteer.testing.disk import FakeDisk

EIGHT = 1_800_000_000.0  # Friday, 15 January 2027, 08:00 UTC
HOUR, DAY = 3600.0, 86400.0
PATH = "/spool/muleteer/accounts"


@pytest.fixture
def disk():
    return FakeDisk()


@pytest.fixture
def spool(disk):
    disk.mkdir("/spool")
    return Spool("/spool", disk)


def limit(amount, account="cell/day", slot="2027-01-15", counted=None):
    return Limit(account, counted or (slot,), slot, amount)


# ---------------------------------------------------------------------------------------------- accounts


def test_no_more_is_granted_than_the_tightest_limit_leaves(spool):
    accounts = Accounts(spool)
    limits = (limit(1000), limit(5000, "cell/month", "2027-01"))
    assert accounts.draw(700, limits) == 700
    assert accounts.draw(700, limits) == 300
    assert accounts.draw(1, limits) == 0
    assert accounts.spending.spent("cell/month", ["2027-01"]) == 1000


def test_what_was_granted_is_known_to_the_next_program(spool):
    Accounts(spool).draw(700, (limit(1000, "a cell, 100 % ü/day"),))
    again = Accounts(spool)
    assert again.draw(700, (limit(1000, "a cell, 100 % ü/day"),)) == 300


def test_two_programs_share_one_budget(spool):
    one, other = Accounts(spool), Accounts(spool)
    assert [one.draw(400, (limit(1000),)), other.draw(400, (limit(1000),)), one.draw(400, (limit(1000),))] == [
        400,
        400,
        200,
    ]


def test_what_was_not_used_may_be_spent_again(spool):
    accounts = Accounts(spool)
    accounts.draw(1000, (limit(1000),))
    accounts.give_back(400, (limit(1000),))
    accounts.give_back(0, (limit(1000),))
    assert accounts.draw(1000, (limit(1000),)) == 400


def test_giving_back_more_than_was_spent_makes_no_budget(spool):
    accounts = Accounts(spool)
    accounts.give_back(500, (limit(1000),))
    assert accounts.draw(2000, (limit(1000),)) == 1000


def test_nothing_granted_writes_nothing(spool, disk):
    accounts = Accounts(spool)
    accounts.draw(1000, (limit(1000),))
    before = disk.image()[PATH]
    assert accounts.draw(10, (limit(1000),)) == 0
    assert accounts.draw(10, ()) == 10
    assert disk.image()[PATH] == before


@pytest.mark.parametrize(
    "tail", [b"cell", b"\0" * 200, b"cell/day 2027-01-15 9", b"\xff\n\ncell/day 2027-01-15 5 00000000\n"]
)
def test_a_torn_tail_is_passed_over_and_ended(spool, disk, tail):
    Accounts(spool).draw(100, (limit(1000),))
    with disk.append(PATH) as file:
        file.write(tail)
    assert Accounts(spool).draw(1000, (limit(1000),)) == 900
    assert Accounts(spool).draw(1000, (limit(1000),)) == 0


def test_the_file_stays_small(spool, disk):
    accounts = Accounts(spool)
    for number in range(3000):
        accounts.draw(1, (limit(10**6, slot=str(number // 10)),))
    assert len(disk.image()[PATH]) < 40_000
    assert Accounts(spool).draw(0, ()) == 0


def test_slots_and_accounts_are_bounded_and_the_latest_are_kept():
    spending = Spending()
    for number in range(10 * SLOTS_MAX):
        spending.add("cell", str(number), 1)
    assert len(spending.slots("cell")) == SLOTS_MAX
    assert spending.spent("cell", [str(10 * SLOTS_MAX - 1)]) == 1
    for number in range(2 * ACCOUNTS_MAX):
        spending.add(str(number), "now", 1)
    assert spending.slots("cell") == {}
    assert spending.spent(str(2 * ACCOUNTS_MAX - 1), ["now"]) == 1


def test_lines_that_are_none_of_ours_are_passed_over(spool, disk):
    Accounts(spool).draw(1, (limit(10),))
    for line in (["one"], ["cell", "slot", "many"], ["%zz", "slot", "1"]):
        with pytest.raises(ValueError, match=r".*"):
            Spending().take(line)


def test_a_disk_that_fails_grants_nothing(spool, disk):
    disk.volumes["/"].read_only = True
    with pytest.raises(SpoolError, match="Read-only"):
        Accounts(spool).draw(1, (limit(10),))


# ---------------------------------------------------------------------------------------------- budgets


def budget(amount, per=Period.DAY, account="cell"):
    return Budget(amount, per, account)


def terms(*budgets, **changes):
    return CarrierTerms(budgets=budgets, **({"terse": True} | changes))


def books(spool=None, offset=0):
    made = Budgets(spool, offset=lambda _: offset)
    made.open()
    return made


def spend(made, some, amount, wall=EIGHT):
    return made.draw(amount, made.limits(some.budgets, wall))


def test_without_a_budget_nothing_is_limited():
    assert books().bytes_left(terms(), EIGHT) is None
    assert books().purse_for(CarrierRule("net", NET), "cabin", lambda: Now(EIGHT, 0)) is None


@pytest.mark.parametrize(
    ("per", "offset", "refills"),
    [
        (Period.DAY, 0, EIGHT + 16 * HOUR),
        (Period.DAY, 2 * 3600, EIGHT + 14 * HOUR),
        (Period.MONTH, 0, EIGHT + 16 * HOUR + 16 * DAY),
        (Period.HOUR, 0, EIGHT + 3600 + 300),
    ],
)
def test_a_budget_that_is_used_up_says_when_there_is_more(per, offset, refills):
    made, some = books(offset=offset), terms(budget(10_000, per))
    assert made.bytes_left(some, EIGHT).left == 10_000
    spend(made, some, 9_990)
    left = made.bytes_left(some, EIGHT)
    assert (left.left, left.until) == (10, refills)
    assert made.bytes_left(some, refills - 1).until == refills
    assert made.bytes_left(some, refills).until is None


def test_december_ends_with_the_year():
    made, some = books(), terms(budget(10_000, Period.MONTH))
    december = EIGHT - 20 * DAY
    spend(made, some, 10_000, december)
    assert made.bytes_left(some, december).until == EIGHT - 8 * HOUR - 14 * DAY


def test_an_hour_slides():
    made, some = books(), terms(budget(6_000, Period.HOUR))
    for minutes in range(0, 60, 10):
        assert spend(made, some, 1_000, EIGHT + minutes * 60) == 1_000
    assert spend(made, some, 1_000, EIGHT + 3599) == 0
    assert spend(made, some, 6_000, EIGHT + 3900) == 1_000


def test_the_budget_that_is_used_up_for_longest_is_told():
    made, some = books(), terms(budget(10_000), budget(10_000, Period.MONTH), budget(500_000, Period.HOUR))
    spend(made, some, 10_000)
    assert made.bytes_left(some, EIGHT).budget.per is Period.MONTH


def test_a_clock_that_leaps_about_spends_no_day_twice():
    made, some = books(), terms(budget(10_000))
    for wall in (EIGHT, EIGHT + 30 * DAY, EIGHT, EIGHT + 30 * DAY, EIGHT - DAY, EIGHT):
        spend(made, some, 10_000, wall)
    assert {wall: spend(made, some, 1, wall) for wall in (EIGHT, EIGHT + 30 * DAY, EIGHT - DAY)} == {
        EIGHT: 0,
        EIGHT + 30 * DAY: 0,
        EIGHT - DAY: 0,
    }


def test_a_clock_that_is_set_back_a_little_does_not_renew_the_hour():
    made, some = books(), terms(budget(1_000, Period.HOUR))
    spend(made, some, 1_000, EIGHT)
    assert spend(made, some, 1, EIGHT - 1800) == 0


# ---------------------------------------------------------------------------------------------- purses


class Time:
    def __init__(self, wall=EIGHT):
        self.wall = wall

    def __call__(self):
        return Now(self.wall, 0)


def purse(made, rule, time=None):
    return made.purse_for(rule, "cabin", time or Time())


def cell(*budgets, **changes):
    return CarrierRule("cell", NET, terms=terms(*budgets, **changes))


def test_a_purse_draws_in_steps_and_gives_the_rest_back(spool):
    made, rule = books(spool), cell(budget(5_000_000))
    mine = purse(made, rule)
    assert sum(mine.draw(1000) for _ in range(100)) == 100_000
    assert made.bytes_left(rule.terms, EIGHT).left == 5_000_000 - 250_000
    mine.give_back(500)
    mine.close()
    assert made.bytes_left(rule.terms, EIGHT).left == 5_000_000 - 99_500
    assert books(spool).bytes_left(rule.terms, EIGHT).left == 5_000_000 - 99_500


def test_a_purse_grants_what_there_is_and_then_nothing():
    mine = purse(books(), cell(budget(STEP_BYTES_MIN + 10)))
    assert mine.draw(STEP_BYTES_MIN) == STEP_BYTES_MIN
    assert mine.draw(100) == 10
    assert mine.draw(100) == 0


def test_a_large_wish_is_granted_at_once():
    assert purse(books(), cell(budget(10**9))).draw(600 * 10**6) == 600 * 10**6


def test_purses_of_one_carrier_share_its_budget():
    made, rule = books(), cell(budget(100_000))
    one, other = purse(made, rule), purse(made, rule)
    assert one.draw(50_000) + other.draw(50_000) == 84_464  # the rest is in the first purse's step
    one.close()
    assert other.draw(50_000) == 100_000 - 84_464


def test_a_new_day_is_spent_from_when_it_comes():
    made, rule, time = books(), cell(budget(100_000)), Time(EIGHT + 16 * HOUR - 1)
    mine = purse(made, rule, time)
    assert mine.draw(100_000) == 100_000
    assert mine.draw(1) == 0
    time.wall += 2
    assert mine.draw(100_000) == 100_000


def test_what_is_given_back_goes_back_to_the_day_it_came_from():
    made, rule, time = books(), cell(budget(100_000)), Time(EIGHT + 16 * HOUR - 1)
    mine = purse(made, rule, time)
    mine.draw(10)
    time.wall += 2
    mine.close()
    assert made.bytes_left(rule.terms, EIGHT).left == 99_990
    assert made.bytes_left(rule.terms, time.wall).left == 100_000


def test_outside_its_hours_a_purse_grants_nothing():
    rule, time = CarrierRule("c", NET, terms=terms(budget(10**9)), window=Window(hours=((480, 540),))), Time()
    mine = books().purse_for(rule, "cabin", time)
    assert mine.draw(10**8) == 10**8
    time.wall += HOUR
    assert mine.draw(10**8) == 0


def test_seconds_of_air_are_drawn_when_the_session_begins_and_given_back_after_it():
    made, rule = books(), cell(air=(budget(36, Period.HOUR),))
    mine = purse(made, rule)
    assert mine.seconds == 36
    assert mine.within(OnlineTerms()).online_seconds == 36
    assert mine.within(OnlineTerms(online_seconds=10.0)).online_seconds == 10
    assert mine.draw(10**9) == 10**9
    assert purse(made, rule).draw(1) == 0
    mine.close(5.2)
    mine.close(5.2)
    assert made.air_left(rule.terms, EIGHT).left == 30


def test_a_session_with_a_longest_time_draws_no_more_air_than_that():
    made, rule = books(), cell(air=(budget(36, Period.HOUR),), online_s=10)
    assert purse(made, rule).seconds == 10
    assert purse(made, rule).seconds == 10


def test_without_air_limits_the_terms_stay():
    assert purse(books(), cell(budget(10))).within(OnlineTerms()) == OnlineTerms()


def test_a_disk_that_fails_costs_budget_and_no_more(spool, disk):
    made, rule = books(spool), cell(budget(5_000_000))
    mine = purse(made, rule)
    mine.draw(10)
    disk.volumes["/"].read_only = True
    mine.close()
    with pytest.raises(SpoolError):
        purse(made, rule).draw(10)
    disk.volumes["/"].read_only = False
    assert made.bytes_left(rule.terms, EIGHT).left == 4_750_000


def test_many_threads_spend_a_budget_once(spool):
    made, rule = books(spool), cell(budget(1_000_000))
    granted = []

    def session():
        mine = purse(made, rule)
        while got := mine.draw(7_000):
            granted.append(got)
        mine.close()

    threads = [threading.Thread(target=session) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(granted) == 1_000_000
