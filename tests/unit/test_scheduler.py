# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom to call, by which carrier, and when."""

from __future__ import annotations

import dataclasses
import pathlib

import pytest

import muleteer.config
from muleteer.agent.budgets import Budgets
from muleteer.agent.events import (
    AnswerEnded,
    CallEnded,
    Now,
    PeerDiscovered,
    SessionBegan,
    SessionProgressed,
    SpoolChanged,
    StopAsked,
)
from muleteer.agent.status import LineState, SessionProgress, SessionSummary
from muleteer.config.appliance import parse_appliance
from muleteer.config.carrier_rules import (
    NET,
    PIPE,
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
from muleteer.config.model import Call
from muleteer.formats.niceness import BULK, FLASH, NORMAL
from muleteer.record import replace
from muleteer.testing.switchboard import NOBODY, REFUSED, START, Fate, Switchboard, node_of, report_of

ADDRS = {"main": "10.0.0.1:5400"}
LAN = CarrierRule("lan", NET, match=CarrierMatch(interface=("eth*", "wlan*")))
HOUR, DAY = 3600.0, 86400.0


def net(name="net", *, match=CarrierMatch(), window=Window(), variants=(), **terms):  # noqa: B008 - frozen
    nice, size = terms.pop("nice", 255), terms.pop("size", None)
    return CarrierRule(
        name, NET, nice, size, match=match, terms=CarrierTerms(**terms), window=window, variants=tuple(variants)
    )


def cell(**terms):
    given = {"nice": FLASH, "size": 64 << 10, "cost": Cost.METERED, "terse": True} | terms
    return net("cell", match=CarrierMatch(interface=("wwan*",)), **given)


def replace_terms(rule, **terms):
    return dataclasses.replace(rule, terms=dataclasses.replace(rule.terms, **terms))


def board(*rules, addrs=ADDRS, **options):
    return Switchboard(rules, {"cabin": addrs}, **options)


def go_call(cron, **changes):
    values = {
        "cron": cron, "nice": 255, "xx": None, "addr": None, "rxrate": 0, "txrate": 0, "onlinedeadline": None,
        "maxonlinetime": 0, "when_tx_exists": False, "nock": False, "mcd_ignore": False, "autotoss": False,
        "doseen": False, "nofile": False, "nofreq": False, "noexec": False, "notrns": False, "noarea": False,
    }  # fmt: skip
    return Call(**(values | changes))


def carriers(board):
    return [errand.carrier for _, errand in board.placed]


# ---------------------------------------------------------------------------------------------- what waits


def test_something_that_waits_is_called_for_at_once():
    (errand,) = board(net()).queue("cabin", BULK)
    assert (errand.carrier, errand.addresses, errand.scheduled) == ("net", ("10.0.0.1:5400",), "BULK waits")
    assert errand.interface is None
    assert not errand.insist


@pytest.mark.parametrize(
    ("rule", "nice", "size"),
    [
        (net(nice=FLASH), NORMAL, 10),
        (net(size=1000), NORMAL, 1001),
        (net(send=False), NORMAL, 10),
        (net(when_waiting=False), FLASH, 10),
        (net(when_waiting=False, wake=FLASH), FLASH + 1, 10),
        (CarrierRule("net", NET, neighbours=frozenset({"hut"})), NORMAL, 10),
        (net(match=CarrierMatch(address=("192.168.*",))), NORMAL, 10),
        (CarrierRule("pipe", PIPE), NORMAL, 10),
    ],
)
def test_what_a_carrier_does_not_take_is_not_called_for(rule, nice, size):
    here = board(rule)
    assert here.queue("cabin", nice, size) == ()
    here.run(2 * DAY)
    assert here.placed == []


def test_one_small_packet_among_large_ones_is_worth_a_call():
    here = board(net(size=1000))
    assert here.queue("cabin", NORMAL, 5000) == ()
    assert len(here.queue("cabin", NORMAL, 1000)) == 1


def test_an_urgent_packet_wakes_a_carrier_that_calls_by_timetable_only():
    here = board(net(when_waiting=False, wake=FLASH, crons=(parse("0 3 * * *"),)))
    assert here.queue("cabin", NORMAL) == ()
    (errand,) = here.queue("cabin", FLASH)
    assert errand.scheduled == "FLASH waits"


def test_nothing_is_called_for_while_a_session_with_that_neighbour_is_under_way():
    here = board(net())
    here.tell(SessionBegan(node_of("cabin"), "net", incoming=True))
    assert here.queue("cabin") == ()
    here.run(HOUR)
    assert here.placed == []


def test_what_a_session_moved_is_not_called_for_again():
    here = board(net())
    (errand,) = here.queue("cabin")
    here.run(10)
    report = report_of(errand.node, Fate(), 1, 1000)
    here.tell(CallEnded(errand, report, SessionSummary(here.wall, established=True)))
    here.run(HOUR)  # no survey came since: the old one counts what has gone
    assert len(here.placed) == 1
    here.survey()
    assert len(here.placed) == 2


def test_a_neighbour_that_takes_nothing_is_left_alone_for_longer_and_longer():
    here = board(net(), fate=lambda _: REFUSED)
    here.queue("cabin")
    here.run(DAY)
    gaps = [b[0].monotonic - a[0].monotonic for a, b in zip(here.placed, here.placed[1:], strict=False)]
    assert gaps[:4] == pytest.approx([72, 132, 252, 492])
    assert gaps[-1] == pytest.approx(3612)
    assert here.lines["net", "cabin"].said == "it took nothing of what waits"


def test_more_mail_is_worth_a_try_with_a_neighbour_that_took_nothing():
    here = board(net(), fate=lambda _: REFUSED)
    here.queue("cabin")
    here.run(5 * HOUR)
    count = len(here.placed)
    here.queue("cabin")
    here.run(61)
    assert len(here.placed) == count + 1


# ---------------------------------------------------------------------------------------------- which carrier


def two_ways(**options):
    here = board(LAN, cell(), **options)
    here.interfaces("eth0", "wwan0")
    return here


def test_the_best_carrier_goes_first_and_the_next_one_follows_when_it_fails():
    here = two_ways(fate=lambda errand: NOBODY if errand.carrier == "lan" else Fate())
    here.queue("cabin", FLASH)
    here.run(HOUR)
    assert carriers(here) == ["lan", "cell"]
    assert here.placed[1][0].monotonic - here.placed[0][0].monotonic == 5
    assert [errand.interface for _, errand in here.placed] == ["eth0", "wwan0"]


def test_a_carrier_that_is_down_is_passed_over_and_used_when_it_comes_up():
    here = two_ways()
    here.interfaces("wwan0")
    assert here.queue("cabin", BULK) == ()
    line = here.lines["lan", "cabin"]
    assert (line.state, line.said) == (LineState.DOWN, "has no interface up (eth*, wlan*)")
    (errand,) = here.interfaces("wlan0", "wwan0")
    assert (errand.carrier, errand.interface) == ("lan", "wlan0")


def test_order_is_priority_then_cost_then_the_file():
    rules = [net("a", cost=Cost.DEAR), net("b"), net("c"), net("d", priority=1, cost=Cost.DEAR)]
    here = board(*rules, fate=lambda _: NOBODY)
    here.queue("cabin")
    here.run(30)
    assert carriers(here) == ["d", "b", "c", "a"]


def test_an_interface_that_costs_makes_its_carrier_dearer():
    here = board(net("any", match=CarrierMatch(interface=("*",))), net("eth", match=CarrierMatch(interface=("eth*",))))
    here.interfaces("usb0", "eth0", metered=["usb0"])
    (errand,) = here.queue("cabin")
    assert errand.carrier == "eth"


def test_interfaces_of_one_carrier_are_tried_in_turn():
    here = board(LAN, fate=lambda _: NOBODY)
    here.interfaces("eth0", "wlan0")
    here.queue("cabin")
    here.run(500)
    assert [errand.interface for _, errand in here.placed][:4] == ["eth0", "wlan0", "eth0", "wlan0"]


def test_a_cheap_carrier_with_all_its_calls_under_way_is_waited_for():
    lan, modem = net("lan", calls=1), net("modem", cost=Cost.METERED)
    here = Switchboard((lan, modem), {"cabin": ADDRS, "hut": ADDRS})
    (first,) = here.queue("cabin")
    assert here.queue("hut") == ()
    here.end(first)
    assert carriers(here) == ["lan", "lan"]


def test_no_more_calls_at_once_than_allowed_and_least_recently_served_first():
    names = ["a", "b", "c", "d"]
    here = Switchboard((net(calls=2),), dict.fromkeys(names, ADDRS))
    for name in names:
        here.queue(name)
    assert [errand.node for _, errand in here.placed] == [node_of("a"), node_of("b")]
    for _ in range(6):
        here.run(10)
        node = next(iter(here.open))
        here.queues.setdefault(node.rstrip(b"\0").decode(), []).append((NORMAL, 10))
        here.end(here.open[node], Fate(everything=False, received=1))
    served = [errand.node.rstrip(b"\0").decode() for _, errand in here.placed]
    assert served == ["a", "b", "c", "d", "a", "b", "c", "d"]


def test_a_pipe_goes_by_the_carrier_for_pipes():
    here = board(net(), CarrierRule("ssh", PIPE), addrs={"main": "|ssh cabin nncp-daemon -ucspi"})
    (errand,) = here.queue("cabin")
    assert (errand.carrier, errand.addresses) == ("ssh", ("|ssh cabin nncp-daemon -ucspi",))


# ---------------------------------------------------------------------------------------------- back-off


def test_a_line_that_fails_is_tried_after_twice_as_long_each_time():
    here = board(net(), fate=lambda _: NOBODY)
    here.queue("cabin")
    here.run(DAY)
    gaps = [b[0].monotonic - a[0].monotonic for a, b in zip(here.placed, here.placed[1:], strict=False)]
    assert gaps[:7] == pytest.approx([65, 125, 245, 485, 965, 1925, 3605])
    assert gaps[-1] == pytest.approx(3605)
    line = here.lines["net", "cabin"]
    assert line.state is LineState.WAITING
    assert line.said == f"the last {len(here.placed)} calls failed"
    assert here.wall < line.next_call < here.wall + 3601


def test_an_interface_that_comes_up_ends_the_back_off():
    here = board(LAN, fate=lambda _: NOBODY)
    here.interfaces("eth0")
    here.queue("cabin")
    here.run(5 * HOUR)
    count = len(here.placed)
    here.interfaces()
    here.interfaces("eth0")
    assert len(here.placed) == count + 1


def test_an_interface_that_flaps_makes_nobody_call_more_often():
    here = board(LAN, fate=lambda _: NOBODY)
    here.queue("cabin")
    for _ in range(1000):
        here.interfaces("eth0")
        here.run(0.5)
        here.interfaces()
        here.run(0.5)
    assert 20 < len(here.placed) < 40


def test_a_neighbour_that_announces_itself_is_called_there_at_once():
    here = board(net(), fate=lambda _: NOBODY)
    here.queue("cabin")
    here.run(5 * HOUR)
    here.fate = lambda _: Fate()
    (errand,) = here.tell(PeerDiscovered(node_of("cabin"), "[fe80::1%eth0]:5400", "eth0"))
    assert errand.addresses == ("[fe80::1%eth0]:5400", "10.0.0.1:5400")


def test_announcements_that_go_on_do_not_end_the_back_off_again():
    here = board(net(), fate=lambda _: NOBODY)
    here.queue("cabin")
    for _ in range(600):
        here.tell(PeerDiscovered(node_of("cabin"), "[fe80::1%eth0]:5400", "eth0"))
        here.run(10)
    assert len(here.placed) < 10


def test_an_announcement_is_forgotten_after_two_minutes():
    here = board(LAN, addrs={})
    here.interfaces("eth0")
    here.tell(PeerDiscovered(node_of("cabin"), "[fe80::1%eth0]:5400", "eth0"))
    here.run(121)
    assert here.queue("cabin") == ()
    assert here.lines == {}
    assert len(here.tell(PeerDiscovered(node_of("cabin"), "[fe80::1%eth0]:5400", "eth0"))) == 1


def test_an_announcement_on_another_carriers_interface_is_not_called():
    here = board(cell(nice=255), addrs={})
    here.interfaces("eth0", "wwan0")
    here.queue("cabin", FLASH)
    assert here.tell(PeerDiscovered(node_of("cabin"), "[fe80::1%eth0]:5400", "eth0")) == ()


def test_a_session_that_broke_off_is_no_row_of_failures():
    here = board(net(), fate=lambda _: Fate(everything=False, received=1, ended="error", broken=True))
    here.queue("cabin")
    here.run(HOUR)
    gaps = {round(b[0].monotonic - a[0].monotonic) for a, b in zip(here.placed, here.placed[1:], strict=False)}
    assert gaps == {72}


def test_locks_of_somebody_else_are_no_failure_of_the_line():
    here = board(net(), fate=lambda _: Fate(seconds=0, established=False, ended="locked"))
    here.queue("cabin")
    here.run(HOUR)
    assert 12 < len(here.placed) < 30
    assert here.lines["net", "cabin"].said == "somebody else is at work on its packets"
    here.fate = lambda _: Fate()
    here.run(301)
    assert here.queues["cabin"] == []


# ---------------------------------------------------------------------------------------------- timetables


def test_a_timetable_calls_whether_something_waits_or_not():
    here = board(net(when_waiting=False, crons=(parse("*/10 * * * *"),)), fate=lambda _: Fate())
    here.run(HOUR + 20)
    assert [(now.wall - START) / 600 for now, _ in here.placed] == pytest.approx(range(1, 7), abs=0.001)
    assert here.placed[0][1].scheduled == "timetable */10 * * * *"
    assert here.lines["net", "cabin"].next_call == pytest.approx(here.wall - here.wall % 600 + 600)


def test_missed_instants_are_made_up_for_by_one_call():
    here = board(net(when_waiting=False, crons=(parse("*/10 * * * *"),)), fate=lambda _: Fate())
    here.run(60)
    here.leap(DAY)
    here.run(310)
    assert len(here.placed) == 1


def test_a_clock_that_goes_back_repeats_nothing():
    here = board(net(when_waiting=False, crons=(parse("*/10 * * * *"),)), fate=lambda _: Fate())
    here.run(2 * HOUR + 1)
    instants = len(here.placed)
    here.leap(-HOUR)
    here.run(HOUR - 2)
    assert len(here.placed) == instants
    here.run(602)
    assert len(here.placed) == instants + 1


def test_a_clock_that_was_decades_ahead_does_not_stop_the_timetable():
    here = board(net(when_waiting=False, crons=(parse("*/10 * * * *"),)), fate=lambda _: Fate())
    here.leap(30 * 365 * DAY)
    here.run(HOUR)
    here.leap(-30 * 365 * DAY)
    here.run(HOUR + 300)
    before = len(here.placed)
    here.run(HOUR)
    assert len(here.placed) == before + 6


def test_a_clock_that_is_set_right_outside_hours_does_not_stop_the_timetable():
    rule = net(when_waiting=False, crons=(parse("*/10 * * * *"),), window=Window(hours=((540, 1020),)))
    here = board(rule, wall=START + 2 * HOUR, fate=lambda _: Fate())
    here.run(HOUR)
    here.leap(-20 * DAY - 8 * HOUR)
    here.run(6 * HOUR)
    before = len(here.placed)
    here.run(DAY)
    assert len(here.placed) == before + 48


def test_a_timetables_call_waits_for_its_carrier_and_is_then_made_up_for_once():
    here = board(net(match=CarrierMatch(interface=("ppp0",)), when_waiting=False, crons=(parse("0 * * * *"),)))
    here.interfaces("eth0")
    here.run(5 * HOUR)
    assert len(here.interfaces("ppp0")) == 1


def test_a_timetables_call_that_fails_is_tried_five_times_and_then_no_more():
    here = board(net(when_waiting=False, crons=(parse("0 9 * * *"),)), fate=lambda _: NOBODY)
    here.run(20 * HOUR)
    assert len(here.placed) == 5


def test_every_instant_gets_a_try_whatever_failed_before():
    here = board(net(when_waiting=False, crons=(parse("*/10 * * * *"),)), fate=lambda _: NOBODY)
    here.run(DAY)
    late = [now.wall % 600 for now, _ in here.placed[-40:]]
    assert sum(seconds < 1 for seconds in late) >= 36
    assert here.lines["net", "cabin"].said.startswith("the last")


def test_a_better_carrier_that_fails_is_not_tried_at_every_instant_of_a_worse_one():
    slow = cell(when_waiting=False, crons=(parse("*/10 * * * *"),))
    here = board(LAN, slow, fate=lambda errand: NOBODY if errand.carrier == "lan" else Fate())
    here.interfaces("eth0", "wwan0")
    here.run(DAY + 60)
    assert carriers(here).count("cell") == 144
    assert carriers(here).count("lan") < 30


@pytest.mark.parametrize(("cron", "latest"), [("*/10 * * * *", 20), ("* * * * *", 6), ("*/5 * * * * * *", 0.5)])
@pytest.mark.parametrize("jitter", [0.0, 0.3, 0.99])
def test_two_boxes_with_one_timetable_do_not_call_each_other_at_the_same_time(cron, latest, jitter):
    here = board(net(when_waiting=False, crons=(parse(cron),)), fate=lambda _: Fate(seconds=1), jitter=jitter)
    here.run(1000)
    lateness = here.placed[0][0].wall - parse(cron).next(START, lambda _: 0)
    assert lateness == pytest.approx(abs(2 * jitter - 1) * latest, abs=0.02)


def test_a_line_whose_greeting_does_not_come_through_is_greeted_tersely():
    here = board(net())
    (errand,) = here.queue("cabin")
    assert errand.terms.padded
    silent = replace(report_of(errand.node, NOBODY, 0, 0), ended="silence")
    here.open.clear()
    here.tell(CallEnded(errand, silent, SessionSummary()))
    (again,) = here.ask("cabin")
    assert (again.terms.padded, again.terms.chunk, again.terms.frame_seconds) == (False, 8192, 60)


def test_a_better_carrier_takes_a_worse_ones_timetable():
    slow = cell(when_waiting=False, crons=(parse("*/10 * * * *"),))
    here = board(LAN, slow, fate=lambda _: Fate())
    here.interfaces("eth0", "wwan0")
    here.run(1000)
    here.interfaces("wwan0")
    here.run(1000)
    assert carriers(here) == ["lan", "cell", "cell"]


def test_a_better_carrier_that_could_not_do_all_of_it_takes_no_timetable():
    sender = net("lan", receive=False)
    here = board(sender, cell(when_waiting=False, crons=(parse("*/10 * * * *"),)), fate=lambda _: Fate())
    here.interfaces("eth0", "wwan0")
    here.run(1000)
    assert carriers(here) == ["cell"]


def test_a_session_that_the_neighbour_began_fulfils_the_timetable():
    here = board(net(when_waiting=False, crons=(parse("0 9 * * *"),), match=CarrierMatch(interface=("eth*",))))
    here.run(2 * HOUR)
    here.answer("cabin", "net")
    assert here.interfaces("eth0") == ()


def test_a_timetable_for_what_waits_calls_only_then():
    here = board(net(nice=NORMAL, when_waiting=False, crons_waiting=(parse("*/10 * * * *"),)), fate=lambda _: Fate())
    here.run(1000)
    here.queue("cabin", BULK)
    here.run(1000)
    assert here.placed == []
    here.queue("cabin", NORMAL)
    here.run(1000)
    assert [(now.wall - START) / 600 for now, _ in here.placed] == pytest.approx([4], abs=0.001)


def night_and_day():
    night = Variant("night", Window(hours=((60, 360),)), None, (("crons", (parse("30 * * * *"),)),))
    return net(when_waiting=False, crons=(parse("0 12,18 * * *"),), variants=[night])


def test_a_variant_has_a_timetable_of_its_own():
    here = board(night_and_day(), fate=lambda _: Fate())
    here.run(DAY)
    hours = [(now.wall % DAY) / HOUR for now, _ in here.placed]
    assert hours == pytest.approx([12, 18, 1.5, 2.5, 3.5, 4.5, 5.5], abs=0.001)


def test_the_next_call_is_known_over_the_edge_of_a_window():
    here = board(night_and_day(), wall=START + 11 * HOUR)
    here.run(1)
    assert here.lines["net", "cabin"].next_call == START + 17.5 * HOUR


# ---------------------------------------------------------------------------------------------- hours


def evening(**terms):
    return net(window=Window(hours=((22 * 60, 6 * 60),)), **terms)


def test_nothing_is_called_outside_hours_and_what_waits_goes_when_they_begin():
    here = board(evening(), fate=lambda _: Fate())
    assert here.queue("cabin") == ()
    line = here.lines["net", "cabin"]
    assert (line.state, line.said, line.next_call) == (LineState.DOWN, "is outside its hours", START + 14 * HOUR)
    here.run(DAY)
    assert [now.wall - START for now, _ in here.placed] == pytest.approx([14 * HOUR], abs=0.1)


def test_a_session_ends_with_its_hours():
    here = board(evening(), wall=START + 21 * HOUR + 1800)
    (errand,) = here.queue("cabin")
    assert errand.terms.online_seconds == 1800


def test_a_session_goes_on_when_the_next_hours_allow_as_much():
    more = Variant("night", Window(hours=((9 * 60, 10 * 60),)), None, (("size", None),))
    (errand,) = board(net(size=5000, variants=[more])).queue("cabin")
    assert errand.terms.online_seconds == 0


def test_carriers_with_hours_wait_until_the_time_is_sure():
    here = board(evening(), wall=START + 15 * HOUR, sure=False)
    assert here.queue("cabin") == ()
    assert here.lines["net", "cabin"].said == "has hours, and the time is not sure"
    here.sure = True
    assert len(here.survey()) == 1


# ---------------------------------------------------------------------------------------------- budgets


def spent(rule, used, wall=START):
    budgets = Budgets(offset=lambda _: 0)
    budgets.draw(used, budgets.limits(rule.terms.budgets, wall))
    return budgets


DAILY = cell(budgets=(Budget(5_000_000, Period.DAY, "cell"),))


def test_a_budget_that_is_used_up_is_waited_for():
    here = board(DAILY, budgets=spent(DAILY, 4_999_000), fate=lambda _: Fate())
    here.interfaces("wwan0")
    assert here.queue("cabin", FLASH) == ()
    line = here.lines["cell", "cabin"]
    assert (line.state, line.said) == (LineState.EXHAUSTED, "has used up its budget of 5 MB a day")
    assert (line.budget, line.budget_left, line.next_call) == (5_000_000, 1000, START + 16 * HOUR)
    here.run(DAY)
    assert [now.wall for now, _ in here.placed] == pytest.approx([START + 16 * HOUR], abs=0.1)


def test_no_call_is_placed_whose_answer_alone_would_overdraw_the_budget():
    # A real NNCP peer answers the shortest greeting with one of 32,700 bytes.
    here = board(DAILY, budgets=spent(DAILY, 4_970_000), fate=lambda _: Fate())
    here.interfaces("wwan0")
    assert here.queue("cabin", FLASH) == ()
    assert here.lines["cell", "cabin"].state is LineState.EXHAUSTED


def test_of_two_neighbours_called_at_once_the_budget_pays_for_both_greetings():
    here = Switchboard((DAILY,), {"cabin": ADDRS, "hut": ADDRS}, budgets=spent(DAILY, 4_950_000))
    here.interfaces("wwan0")
    here.queues = {"cabin": [(FLASH, 10)], "hut": [(FLASH, 10)]}
    assert len(here.survey()) == 1


def test_a_neighbour_known_to_greet_briefly_is_called_with_the_last_of_the_budget():
    budgets = Budgets(offset=lambda _: 0)
    here = board(DAILY, budgets=budgets, fate=lambda _: Fate())  # which hears 300 bytes
    here.interfaces("wwan0")
    here.queue("cabin", FLASH)
    here.run(60)
    budgets.draw(4_970_000, budgets.limits(DAILY.terms.budgets, here.wall))
    assert len(here.queue("cabin", FLASH)) == 1


def test_a_line_is_not_shown_for_a_neighbour_whom_its_carrier_is_not_for():
    here = board(net(), dataclasses.replace(net("radio"), neighbours=frozenset({"hut"})))
    assert list(here.lines) == [("net", "cabin")]


def test_no_call_is_announced_by_another_line_while_a_session_is_under_way():
    here = two_ways()
    here.queue("cabin", FLASH)
    assert here.open
    assert [line.next_call for line in here.lines.values()] == [None, None]


def test_no_timetables_call_is_announced_for_before_the_budget_is_there():
    rule = replace_terms(DAILY, when_waiting=False, crons=(parse("*/10 * * * *"),))
    here = board(rule, budgets=spent(rule, 5_000_000))
    here.interfaces("wwan0")
    assert here.lines["cell", "cabin"].next_call == START + 16 * HOUR


def test_no_next_call_is_announced_of_a_carrier_that_has_no_interface():
    here = board(replace_terms(LAN, when_waiting=False, crons=(parse("*/10 * * * *"),)))
    here.interfaces("wwan0")
    line = here.lines["lan", "cabin"]
    assert (line.state, line.next_call) == (LineState.DOWN, None)
    here.interfaces("eth0")
    assert here.lines["lan", "cabin"].next_call == START + 600


def test_a_forced_call_keeps_to_the_budget_and_says_so():
    here = board(DAILY, budgets=spent(DAILY, 5_000_000))
    here.interfaces("wwan0")
    refusal = here.scheduler.refusal(node_of("cabin"), None, here.now)
    assert refusal == "cell has used up its budget of 5 MB a day"
    assert here.ask("cabin") == ()


def test_a_session_that_spent_the_budget_leaves_the_other_carriers_free():
    here = two_ways(fate=lambda _: Fate(everything=False, received=1, ended="budget"))
    here.queue("cabin", FLASH)
    here.run(59)
    assert carriers(here) == ["lan", "cell"]


def test_a_session_that_came_to_its_longest_time_is_followed_after_a_rest():
    here = two_ways(fate=lambda _: Fate(everything=False, received=1, ended="time"))
    here.queue("cabin", FLASH)
    here.run(60 + 12 + 5)
    assert carriers(here) == ["lan", "lan"]


def test_air_that_is_used_up_is_waited_for():
    radio = net(air=(Budget(36, Period.HOUR, "net"),))
    budgets = Budgets(offset=lambda _: 0)
    purse = budgets.purse_for(radio, "cabin", lambda: Now(START, 0.0))
    here = board(radio, budgets=budgets)
    assert here.queue("cabin") == ()
    line = here.lines["net", "cabin"]
    assert (line.state, line.said) == (LineState.EXHAUSTED, "has used up its 36 s of air an hour")
    purse.close(30)
    assert len(here.survey()) == 1


def test_a_session_that_the_neighbour_began_and_that_moved_something_ends_the_rest():
    here = board(net(), fate=lambda _: REFUSED)
    here.queue("cabin")
    here.run(5 * HOUR)
    count = len(here.placed)
    here.answer("cabin", "net", 10.0, Fate(received=1))
    here.run(4)
    assert len(here.placed) == count + 1


def test_the_next_call_is_looked_for_over_several_windows():
    fridays = Window(days=frozenset({4}))
    here = board(net(when_waiting=False, crons=(parse("0 3 * * 0,5"),), window=fridays), wall=START)
    assert here.lines["net", "cabin"].next_call == START + 7 * DAY - 5 * HOUR


# ---------------------------------------------------------------------------------------------- forced calls


def test_a_forced_call_passes_over_timetable_and_back_off():
    here = board(net(when_waiting=False), fate=lambda _: NOBODY)
    assert here.scheduler.refusal(node_of("cabin"), None, here.now) is None
    (errand,) = here.ask("cabin")
    assert errand.insist
    here.run(10)
    assert len(here.ask("cabin")) == 1
    here.run(HOUR)
    assert len(here.placed) == 2


def test_a_forced_call_that_fails_goes_by_the_next_carrier_at_once_and_then_no_more():
    here = two_ways()
    (first,) = here.ask("cabin")
    assert first.carrier == "lan"
    (second,) = here.tell(CallEnded(first, report_of(first.node, NOBODY, 0, 0), SessionSummary()))
    assert (second.carrier, second.insist) == ("cell", True)
    assert here.tell(CallEnded(second, report_of(first.node, NOBODY, 0, 0), SessionSummary())) == ()
    here.run(DAY)
    assert len(here.placed) == 2


def test_a_forced_call_by_a_certain_carrier_goes_by_no_other():
    here = two_ways()
    here.queues["cabin"] = [(FLASH, 100)]
    (errand,) = here.ask("cabin", "cell")
    assert errand.carrier == "cell"
    assert here.tell(CallEnded(errand, report_of(errand.node, NOBODY, 0, 0), SessionSummary())) == ()


def test_a_forced_call_while_a_session_is_under_way_follows_that_one():
    here = board(net())
    here.tell(SessionBegan(node_of("cabin"), "net", incoming=True))
    assert here.ask("cabin") == ()
    assert here.scheduler.refusal(node_of("cabin"), None, here.now) is None
    here.tell(AnswerEnded(node_of("cabin"), "net", report_of(node_of("cabin"), Fate(), 0, 0), SessionSummary()))
    here.run(HOUR)
    assert here.placed == []


def test_a_forced_call_waits_for_a_free_line_of_its_carrier():
    here = Switchboard((net(calls=1),), {"cabin": ADDRS, "hut": ADDRS})
    (first,) = here.queue("hut")
    assert here.ask("cabin") == ()
    (second,) = here.end(first)
    assert (second.node, second.insist) == (node_of("cabin"), True)


@pytest.mark.parametrize(
    ("rule", "node", "carrier", "words"),
    [
        (net(), "stranger", None, "this node is no neighbour"),
        (net(), "cabin", "lan", "no carrier that calls is named lan"),
        (evening(), "cabin", None, "net is outside its hours"),
        (CarrierRule("hut", NET, neighbours=frozenset({"hut"})), "cabin", None, "hut is not for cabin"),
        (LAN, "cabin", "lan", "lan has no interface up (eth*, wlan*)"),
        (net(match=CarrierMatch(address=("x",))), "cabin", None, "net knows no address of cabin"),
        (net(send=False, receive=False), "cabin", None, "net carries nothing now"),
    ],
)
def test_why_a_forced_call_is_refused(rule, node, carrier, words):
    here = board(rule)
    assert here.scheduler.refusal(node_of(node), carrier, here.now) == words
    assert here.ask(node, carrier) == ()


def test_without_carriers_a_forced_call_is_refused():
    here = board()
    assert here.scheduler.refusal(node_of("cabin"), None, here.now) == "there is no carrier that could call"


# ---------------------------------------------------------------------------------------------- Go's calls

IMPLICIT = (
    CarrierRule("net", NET, terms=CarrierTerms(when_waiting=False), implicit=True),
    CarrierRule("pipe", PIPE, terms=CarrierTerms(when_waiting=False), implicit=True),
)


def go_board(*calls, addrs=ADDRS, **options):
    return board(*IMPLICIT, addrs=addrs, calls={"cabin": calls}, fate=lambda _: Fate(), **options)


def test_calls_of_the_nncp_configuration_simply_work():
    here = go_board(go_call("0,30 * * * *", nice=NORMAL, xx="rx", onlinedeadline=60, maxonlinetime=900, rxrate=7))
    here.run(HOUR + 1)
    assert len(here.placed) == 2
    terms = here.placed[0][1].terms
    assert (terms.nice, terms.send, terms.receive) == (NORMAL, False, True)
    assert (terms.idle_seconds, terms.online_seconds, terms.rx_rate) == (60, 900, 7)
    assert here.placed[0][1].scheduled == "timetable 0,30 * * * *"


@pytest.mark.parametrize(
    ("xx", "nice", "count"), [(None, NORMAL, 1), (None, BULK, 0), ("rx", BULK, 1), ("tx", BULK, 0)]
)
def test_when_tx_exists_asks_for_packets_that_the_call_may_carry(xx, nice, count):
    here = go_board(go_call("0 * * * *", nice=NORMAL, xx=xx, when_tx_exists=True))
    here.queue("cabin", nice)
    here.run(HOUR + 60)
    assert len(here.placed) == count


def test_a_call_names_its_address():
    addrs = {"home": "10.0.0.1:1", "ssh": "|ssh cabin"}
    calls = [go_call("0 * * * *", addr="|ssh cabin"), go_call("30 * * * *", addr="10.9.9.9:1"), go_call("45 * * * *")]
    here = go_board(*calls, addrs=addrs)
    here.run(HOUR + 1)
    assert [(errand.carrier, errand.addresses) for _, errand in here.placed] == [
        ("net", ("10.9.9.9:1",)),
        ("net", ("10.0.0.1:1",)),
        ("pipe", ("|ssh cabin",)),
    ]


def test_discovered_addresses_go_first_unless_the_call_ignores_them():
    here = go_board(go_call("0 * * * *"), go_call("30 * * * *", mcd_ignore=True))
    for _ in range(60):
        here.tell(PeerDiscovered(node_of("cabin"), "[fe80::1%eth0]:5400", "eth0"))
        here.run(60.1)
    assert [errand.addresses[0] for _, errand in here.placed] == ["10.0.0.1:5400", "[fe80::1%eth0]:5400"]


def test_an_urgent_call_does_not_fulfil_one_for_everything():
    here = go_board(go_call("0 * * * *", nice=FLASH), go_call("0 * * * *"))
    here.run(HOUR + 60)
    assert sorted(errand.terms.nice for _, errand in here.placed) == [FLASH, 255]


def test_a_call_for_everything_fulfils_an_urgent_one():
    here = go_board(go_call("0 * * * *"), go_call("0 * * * *", nice=FLASH))
    here.run(HOUR + 60)
    assert [errand.terms.nice for _, errand in here.placed] == [255]


# ---------------------------------------------------------------------------------------------- the rest


def test_lines_tell_how_a_session_goes():
    here = two_ways()
    (errand,) = here.queue("cabin", FLASH)
    assert here.lines["lan", "cabin"].state is LineState.CALLING
    assert here.lines["lan", "cabin"].said == "FLASH waits"
    here.tell(SessionBegan(errand.node, "lan", incoming=False))
    here.tell(SessionProgressed(errand.node, "lan", SessionProgress(sent=1)))
    line = here.lines["lan", "cabin"]
    assert (line.state, line.progress, line.incoming) == (LineState.TALKING, SessionProgress(sent=1), False)
    assert here.scheduler.talking
    here.end(errand)
    line = here.lines["lan", "cabin"]
    assert (line.state, line.seen, line.progress) == (LineState.IDLE, here.wall, None)
    assert not here.scheduler.talking


def test_lines_tell_of_sessions_that_the_neighbour_began():
    here = two_ways()
    here.tell(SessionBegan(node_of("cabin"), "lan", incoming=True))
    assert here.lines["lan", "cabin"].incoming
    assert here.lines["lan", "cabin"].state is LineState.TALKING


def test_two_sessions_that_the_neighbour_began_end_one_by_one():
    here = board(net())
    for _ in range(2):
        here.tell(SessionBegan(node_of("cabin"), "net", incoming=True))
    ended = AnswerEnded(node_of("cabin"), "net", report_of(node_of("cabin"), Fate(), 0, 0), SessionSummary(here.wall))
    here.tell(ended)
    assert here.scheduler.talking
    here.tell(ended)
    here.tell(ended)
    assert not here.scheduler.talking
    here.run(5)
    assert len(here.queue("cabin")) == 1


def test_what_concerns_strangers_is_passed_over():
    here = board(net())
    for event in (
        SessionBegan(node_of("stranger"), "net", incoming=True),
        SessionBegan(node_of("cabin"), "none", incoming=True),
        SessionBegan(node_of("cabin"), "net", incoming=False),
        SessionProgressed(node_of("stranger"), "net", SessionProgress()),
        AnswerEnded(node_of("cabin"), "net", report_of(node_of("cabin"), Fate(), 0, 0), SessionSummary()),
        PeerDiscovered(node_of("stranger"), "x:1", "eth0"),
        SpoolChanged(),
    ):
        assert here.tell(event) == ()
    assert not here.scheduler.talking


def test_a_call_that_ended_twice_ended_once():
    here = board(net(calls=1))
    (errand,) = here.queue("cabin")
    here.end(errand)
    here.end(errand)
    here.run(5)
    assert len(here.queue("cabin")) == 1


def test_after_a_stop_nothing_is_called():
    here = board(net(crons=(parse("* * * * *"),)))
    here.tell(StopAsked())
    assert here.queue("cabin") == ()
    assert here.ask("cabin") == ()
    assert here.scheduler.deadline() is None
    assert here.scheduler.on_deadline(here.now) == ()
    assert here.scheduler.refusal(node_of("cabin"), None, here.now) == "the agent is stopping"


def test_a_proxy_is_handed_on():
    rule = CarrierRule("tor", NET, proxy="socks5://127.0.0.1:9050")
    here = board(rule)
    here.tell(PeerDiscovered(node_of("cabin"), "[fe80::1%eth0]:5400", "eth0"))
    (errand,) = here.queue("cabin")
    assert (errand.proxy, errand.addresses) == ("socks5://127.0.0.1:9050", ("10.0.0.1:5400",))


# ---------------------------------------------------------------------------------------------- the night transfer


def transfers(hours, *interfaces, at_home=()):
    """What goes by which carrier, by the example file, when a packet of each class is queued every hour."""
    text = (pathlib.Path(muleteer.config.__file__).parent / "night-transfer.toml").read_bytes()
    rules = tuple(parse_appliance(text, "night-transfer.toml").lines.values())
    here = Switchboard(rules, {"cabin": {"lan": "cabin.local:5400", "wan": "cabin.example.org:5400"}})
    here.fate = lambda errand: NOBODY if errand.carrier == "lan" and not near(here) else Fate()

    def near(here):
        return int((here.wall - START) // HOUR) in at_home

    here.interfaces(*interfaces)
    gone = []
    for _ in range(hours):
        for nice in (FLASH, NORMAL, BULK):
            here.queue("cabin", nice)
        before = len(here.placed)
        here.run(HOUR)
        gone += [
            (int(now.wall % DAY // HOUR), errand.carrier, errand.terms.nice) for now, errand in here.placed[before:]
        ]
    return here, gone


def test_by_day_only_what_is_urgent_goes_over_the_wan_and_bulk_goes_at_night():
    here, gone = transfers(24, "ppp0")
    assert {carrier for _, carrier, _ in gone} == {"wan"}
    assert all((nice == 255) == (1 <= hour < 6) for hour, _, nice in gone)
    assert {hour for hour, _, _ in gone} == set(range(24))
    assert {nice for nice, _ in here.queues["cabin"]} == {NORMAL, BULK}  # of the two hours since


def test_over_the_lan_everything_goes_at_any_time():
    here, gone = transfers(24, "eth0", at_home=range(24))
    assert {(carrier, nice) for _, carrier, nice in gone} == {("lan", 255)}
    assert here.queues["cabin"] == []


def test_a_neighbour_that_comes_near_is_served_over_the_lan():
    _, gone = transfers(24, "eth0", "ppp0", at_home=range(10, 14))
    assert "lan" in {carrier for hour, carrier, _ in gone if 18 <= hour < 22}
    assert {carrier for hour, carrier, nice in gone if nice == 96} == {"wan"}
