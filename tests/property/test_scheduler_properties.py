# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever the rules, the traffic, the interfaces and the clock do: no rule is broken, and nothing is forgotten."""

from __future__ import annotations

import gc
import itertools
import sys
from collections import Counter
from dataclasses import replace

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from muleteer.agent.budgets import Budgets
from muleteer.agent.events import AnswerEnded, PeerDiscovered, SpoolChanged
from muleteer.agent.lines import largest
from muleteer.agent.timetable import LEAP_REST_SECONDS
from muleteer.config.carrier_rules import (
    NET,
    Budget,
    CarrierMatch,
    CarrierRule,
    CarrierTerms,
    Cost,
    Period,
    Variant,
    Window,
)
from muleteer.config.cron import parse
from muleteer.formats.niceness import BULK, FLASH, MAX, NORMAL, PRIORITY
from muleteer.testing.switchboard import NOBODY, REFUSED, START, Fate, Switchboard, node_of

DAY = 86400.0
NAMES = ("a", "b", "c")
ADDRS = {name: {"main": f"{name}:5400"} for name in NAMES}
CRONS = tuple(parse(text) for text in ("*/10 * * * *", "0 3 * * *", "30 8-17/3 * * 1-5"))

nices = st.sampled_from([FLASH, PRIORITY, NORMAL, BULK, MAX])
sizes = st.sampled_from([None, 1000, 100_000])
crons = st.lists(st.sampled_from(CRONS), max_size=2, unique=True).map(tuple)
windows = st.builds(
    Window,
    hours=st.lists(st.sampled_from([(0, 360), (1320, 300), (480, 490), (540, 1020)]), max_size=2).map(tuple),
    days=st.sampled_from([None, frozenset({0, 1, 2, 3, 4}), frozenset({5})]),
)


@st.composite
def terms(draw, account):
    budget = st.builds(Budget, st.sampled_from([50_000, 1_000_000]), st.sampled_from(Period), st.just(account))
    return CarrierTerms(
        send=draw(st.sampled_from([True, True, False])),
        receive=draw(st.booleans()),
        budgets=tuple(draw(st.lists(budget, max_size=2))),
        cost=draw(st.sampled_from(Cost)),
        online_s=draw(st.sampled_from([None, 600])),
        when_waiting=draw(st.booleans()),
        crons=draw(crons),
        wake=draw(st.sampled_from([None, FLASH])),
        retry_s=draw(st.sampled_from([1, 60])),
        priority=draw(st.sampled_from([1, 10])),
        calls=draw(st.sampled_from([1, 2])),
        terse=draw(st.booleans()),
    )


@st.composite
def rules(draw, number):
    name = f"carrier{number}"
    changes = st.fixed_dictionaries(
        {},
        optional={"nice": nices, "size": sizes, "send": st.booleans(), "when_waiting": st.booleans(), "crons": crons},
    ).map(lambda found: tuple(found.items()))
    variant = st.builds(Variant, st.just("variant"), windows, st.sampled_from([None, frozenset({"a"})]), changes)
    return CarrierRule(
        name,
        NET,
        draw(nices),
        draw(sizes),
        match=CarrierMatch(interface=draw(st.sampled_from([(), ("eth*",), ("wwan*",)]))),
        terms=draw(terms(name)),
        window=draw(st.sampled_from([Window(), Window()]) | windows),
        neighbours=draw(st.sampled_from([None, None, frozenset({"a", "b"})])),
        variants=tuple(draw(st.lists(variant, max_size=2))),
    )


tables = st.integers(1, 3).flatmap(lambda count: st.tuples(*(rules(number) for number in range(count))))
FATES = (
    Fate(),
    Fate(seconds=900),
    NOBODY,
    REFUSED,
    Fate(received=2, ended="time"),
    Fate(seconds=0, ended="locked", established=False),
)
queued = st.tuples(st.just("queue"), st.sampled_from(NAMES), nices, st.sampled_from([10, 5000, 10**6]))
happenings = st.one_of(
    queued,
    queued,
    st.tuples(st.just("run"), st.sampled_from([1.0, 100.0, 5000.0])),
    st.tuples(st.just("run"), st.sampled_from([0.0, 1.0, 100.0, 5000.0, 20_000.0])),
    st.tuples(st.just("leap"), st.sampled_from([-(10**9), -DAY, -5000.0, -100.0, 100.0, 5000.0, DAY, 10**9])),
    st.tuples(st.just("interfaces"), st.sets(st.sampled_from(["eth0", "wwan0", "wwan1"]))),
    st.tuples(st.just("ask"), st.sampled_from(NAMES), st.sampled_from([None, "carrier0", "carrier1"])),
    st.tuples(st.just("answer"), st.sampled_from(NAMES), st.sampled_from(FATES)),
    st.tuples(st.just("announce"), st.sampled_from(NAMES)),
    st.tuples(st.just("fate"), st.sampled_from(FATES)),
    st.tuples(st.just("sure"), st.booleans()),
)


class Judge(Switchboard):
    """A switchboard that looks at every call with its own eyes."""

    def tell(self, event):
        if isinstance(event, AnswerEnded):
            self.answered = set()
        return super().tell(event)

    def _take(self, errands):
        for errand in errands:
            self.judge_budget(errand)
        for errand in errands:
            self.judge(errand)
            super()._take((errand,))
        return errands

    def terms_of(self, errand):
        rule = next(rule for rule in self.rules if rule.name == errand.carrier)
        return rule, rule.terms_at(self.wall, errand.node.rstrip(b"\0").decode(), self.sure, self.offset)

    def judge_budget(self, errand):
        _, terms = self.terms_of(errand)
        for budget in terms.budgets if terms else ():
            assert self.budgets.bytes_left(replace(terms, budgets=(budget,)), self.wall).left > 0, "above its budget"

    def judge(self, errand):
        rule, terms = self.terms_of(errand)
        assert errand.node not in self.open, "two sessions of one neighbour"
        assert errand.node not in self.answered, "two sessions of one neighbour"
        assert terms is not None, "outside its hours, or not for this neighbour"
        under_way = Counter(other.carrier for other in self.open.values())
        assert under_way[rule.name] < terms.calls, "too many calls at once"
        assert errand.terms.nice <= terms.nice
        assert terms.size is None or (errand.terms.size is not None and errand.terms.size <= terms.size)
        assert errand.terms.send <= terms.send
        assert errand.terms.receive <= terms.receive
        assert terms.online_s is None or 0 < errand.terms.online_seconds <= terms.online_s
        if rule.match.interface:
            assert errand.interface in self.up
        assert errand.addresses
        if terms.budgets and self.costs:
            self.budgets.draw(10_000, self.budgets.limits(terms.budgets, self.wall))

    costs = True
    answered: set = set()  # noqa: RUF012
    up: tuple = ()

    def play(self, what, *how):
        match what:
            case "queue":
                self.queue(*how)
            case "run":
                self.run(*how)
            case "leap":
                self.leap(*how)
            case "interfaces":
                self.up = tuple(sorted(how[0]))
                self.interfaces(*self.up)
            case "ask":
                refused = self.scheduler.refusal(node_of(how[0]), how[1], self.now)
                placed = self.ask(*how)
                assert not (refused and any(errand.insist for errand in placed)), "what was refused was placed"
            case "answer" if node_of(how[0]) not in self.open:
                self.answered = {node_of(how[0])}
                self.answer(how[0], self.rules[0].name, 10.0, how[1])
            case "announce":
                self.tell(PeerDiscovered(node_of(how[0]), "[fe80::1%eth0]:5400", "eth0"))
            case "fate":
                self.fate = lambda _: how[0]
            case "sure":
                self.sure = how[0]


def judge_of(table, **options):
    return Judge(table, ADDRS, budgets=Budgets(offset=lambda _: 0), fate=lambda _: Fate(), **options)


@given(tables, st.lists(happenings, min_size=5, max_size=30))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_rule_is_ever_broken(table, story):
    here = judge_of(table)
    here.play("interfaces", {"eth0", "wwan0"})
    for happening in story:
        here.play(*happening)
        assert len(here.scheduler.lines) <= len(table) * len(NAMES)


@given(tables, st.lists(happenings, max_size=25))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_same_story_is_told_the_same_way(table, story):
    told = []
    for _ in range(2):
        here = judge_of(table)
        for happening in story:
            here.play(*happening)
        told.append((here.placed, here.scheduler.lines, here.scheduler.deadline()))
    assert told[0] == told[1]


def may_go(here, nice, size, days=9):
    """Whether some carrier may take a packet for "a" at some time, by its rule alone: an hour by hour look."""
    for rule in here.rules:
        if rule.match.interface and not any(rule.match.fits_interface(name) for name in here.up):
            continue
        wall = here.wall
        while wall is not None and wall < here.wall + days * DAY:
            terms = rule.terms_at(wall, "a", here.sure, here.offset)
            most = terms and largest(terms)
            if terms and terms.send and nice <= terms.nice and (most is None or size <= most):
                change = rule.next_change(wall, here.offset)
                due = terms.next_call(wall, here.offset)
                waits = terms.when_waiting or (terms.wake is not None and nice <= terms.wake)
                if waits or (due is not None and (change is None or due < change)):
                    return True
            wall = rule.next_change(wall, here.offset)
    return False


@given(tables, st.lists(happenings, max_size=12), nices, st.sampled_from([10, 5000]))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_some_carrier_may_take_at_some_time_goes(table, story, nice, size):
    """After any story, once the faults are over, a packet that may go is called for; one that may not, never is."""
    here = judge_of(table)
    here.play("interfaces", {"eth0", "wwan0"})
    for happening in story:
        here.play(*happening)
    here.play("interfaces", {"eth0", "wwan0"})
    here.play("fate", Fate())
    here.play("sure", True)
    if here.wall > 4e9 or here.wall < 0:
        here.leap(START - here.wall)
    here.budgets._spending.clear()
    here.costs = False  # else timetables may spend it all, every day
    here.queues["a"] = [(nice, size)]
    may = may_go(here, nice, size)
    here.survey()
    assert not may or here.open or here.scheduler.deadline() is not None
    for _ in range(9):
        here.run(DAY)
        if not here.queues["a"]:
            break
    assert may == (not here.queues["a"])


@given(
    st.sampled_from(["*/10 * * * *", "0 * * * *", "17 3 * * *"]),
    st.lists(
        st.tuples(
            st.floats(0, 4000) | st.sampled_from([15.0, 60.0]), st.floats(-3e5, 3e5) | st.sampled_from([9e4, -9e4])
        ),
        max_size=40,
    ),
)
@example("0 * * * *", [(15.0, 9e4), (15.0, -9e4)] * 20)
@settings(max_examples=60, deadline=None)
def test_a_clock_that_leaps_about_makes_no_storm(cron, leaps):
    rule = CarrierRule("net", NET, terms=CarrierTerms(when_waiting=False, crons=(parse(cron),)))
    here = Switchboard((rule,), {"a": ADDRS["a"]}, fate=lambda _: Fate())
    natural = 0
    for seconds, leap in leaps:
        begin, wall = here.wall, here.wall
        here.run(seconds)
        while (due := parse(cron).next(wall, here.offset)) is not None and due <= begin + seconds:
            natural, wall = natural + 1, due
        here.leap(leap)
        here.tell(SpoolChanged())
    here.run(1)
    passed = here.monotonic - 1000
    assert len(here.placed) <= natural + passed / LEAP_REST_SECONDS + 1
    times = [now.monotonic for now, _ in here.placed]
    assert all(later - earlier >= 12 for earlier, later in itertools.pairwise(times))


@given(st.lists(st.tuples(st.floats(0, 4000), st.floats(0, 3000)), max_size=30))
@settings(max_examples=50, deadline=None)
def test_a_clock_that_goes_back_a_little_repeats_no_instant(leaps):
    cron = parse("*/10 * * * *")
    rule = CarrierRule("net", NET, terms=CarrierTerms(when_waiting=False, crons=(cron,)))
    here = Switchboard((rule,), {"a": ADDRS["a"]}, fate=lambda _: Fate(seconds=1))
    highest = here.wall
    for seconds, back in leaps:
        here.run(seconds)
        highest = max(highest, here.wall)
        here.leap(-min(back, 3000 - (highest - here.wall)))
        here.tell(SpoolChanged())
    instants = [int(now.wall // 600) for now, _ in here.placed]
    assert len(instants) == len(set(instants))


def size_of(thing, seen=None):
    """Bytes of a thing and all it holds."""
    seen = set() if seen is None else seen
    if id(thing) in seen or isinstance(thing, type) or callable(thing):
        return 0
    seen.add(id(thing))
    return sys.getsizeof(thing) + sum(size_of(part, seen) for part in gc.get_referents(thing))


def test_a_year_grows_nothing():
    night = Variant("night", Window(hours=((60, 360),)), None, (("nice", MAX),))
    lan = CarrierRule("lan", NET, match=CarrierMatch(interface=("eth*",)))
    wan = CarrierRule(
        "wan",
        NET,
        PRIORITY,
        64_000,
        match=CarrierMatch(interface=("wwan*",)),
        terms=CarrierTerms(
            crons=(parse("0 */6 * * *"),), when_waiting=False, budgets=(Budget(10**6, Period.DAY, "wan"),)
        ),
        variants=(night,),
    )
    here = Switchboard((lan, wan), ADDRS, budgets=Budgets(offset=lambda _: 0))
    here.fate = lambda errand: NOBODY if errand.carrier == "lan" else Fate()
    sizes = []
    for day in range(366):
        here.interfaces("wwan0", *(["eth0"] if day % 2 else []))
        here.queue(NAMES[day % 3], NORMAL, 1000)
        here.tell(PeerDiscovered(node_of("b"), f"[fe80::{day:x}%eth0]:5400", "eth0"))
        here.run(DAY)
        here.budgets.draw(1000, here.budgets.limits(wan.terms.budgets, here.wall))
        if day % 60 == 5:
            _ = here.scheduler.lines
            sizes.append(size_of(here.scheduler.__dict__))
    assert len(here.placed) > 3 * 4 * 365
    assert here.steps < 366 * 3 * 600
    assert sizes[-1] < sizes[1] * 1.1 + 10_000
