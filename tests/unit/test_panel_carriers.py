# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel tells of carriers and calls, and what it keeps to itself."""

from __future__ import annotations

import pytest
from panel_cases import CALL, CASES, MB, NOW, ONE_WAY, QUEUES, UNANSWERED, box, line, safe, talking, working

from muleteer.agent.status import LineState, Problem, Queue, SessionProgress, Status
from muleteer.panel import care
from muleteer.panel.carrier_pages import CARRIERS_MAX, SESSIONS_MAX
from muleteer.panel.carriers import carriers
from muleteer.panel.page import SIZES, Bar, Icon
from muleteer.panel.pages import PAGES_MAX, deck
from muleteer.panel.paging import Turn
from muleteer.panel.picture import Viewer

BIG, FLAT = SIZES


def pages(status, kind, size=BIG, **more):
    return [page for page in deck(status, size, NOW, **more) if page.kind == kind]


def words(status, kind="carrier", size=BIG):
    return "\n\n".join(page.words for page in pages(status, kind, size))


def kinds(status, size=BIG):
    return [page.kind for page in deck(status, size, NOW)]


def icons(status, kind):
    return [mark.name for page in pages(status, kind) for mark in page.marks if isinstance(mark, Icon)]


def bars(status, kind, size=BIG):
    return [mark.fraction for page in pages(status, kind, size) for mark in page.marks if isinstance(mark, Bar)]


@pytest.mark.parametrize("size", SIZES)
def test_a_session_shows_its_carrier_how_far_it_is_and_what_went_each_way(size):
    said = words(CASES["session"], "session", size)
    for word in ("lan", "29%", "in 3", "out 11", "2 min"):
        assert word in said


def test_a_roomy_display_has_a_bar_for_each_way():
    assert bars(CASES["session"], "session") == [pytest.approx(1.2 / 3.4), pytest.approx(0.4 / 2.1)]
    assert bars(CASES["session"], "session", FLAT) == [pytest.approx(1.6 / 5.5)]
    assert bars(CASES["session-out"], "session") == [pytest.approx(51 / 64)]


def test_arrows_point_where_packets_go():
    assert icons(CASES["session"], "session") == ["both"]
    assert icons(CASES["session-in"], "session") == ["in"]
    assert icons(CASES["session-out"], "session") == ["out"]


def test_who_called_whom_is_told_but_not_who_it_is():
    assert "we called" in words(CASES["session"], "session")
    assert "they called" in words(CASES["session-in"], "session")


def test_sessions_by_one_carrier_are_one_page():
    status = box(lines=(talking(), talking(neighbour="shed")))
    assert kinds(status) == ["session", "idle"]
    said = words(status, "session")
    for word in ("2 calls", "in 6", "out 22", "2.4 of 6.8 MB"):
        assert word in said


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("names", [False, True])
@pytest.mark.parametrize("name", [name for name in CASES if name.startswith(("session", "carrier", "time"))])
def test_neighbours_and_addresses_are_never_shown(name, size, names):
    status = CASES[name]
    said = "\n".join(page.words for page in deck(status, size, NOW, names=names))
    for secret in ("cabin", "shed", "10.0", "refused"):
        assert secret not in said


@pytest.mark.parametrize("size", SIZES)
def test_a_carrier_with_a_budget_shows_what_is_left_and_when_it_calls(size):
    said = words(CASES["carrier-budget"], size=size)
    for word in ("cell", "1.8 of 5.0 MB left", "in 7 h", "3"):
        assert word in said
    assert bars(CASES["carrier-budget"], "carrier") == [pytest.approx(0.36)]


@pytest.mark.parametrize("size", SIZES)
def test_a_budget_that_is_used_up_says_so(size):
    said = words(CASES["carrier-spent"], size=size)
    for word in ("used up", "5.0 MB", "waiting", "12", "in 5 h"):
        assert word in said
    assert bars(CASES["carrier-spent"], "carrier") == [0.0]


def test_a_carrier_says_what_it_takes_and_that_it_costs():
    limits = {"takes": "up to 64 KiB, FLASH or more urgent", "metered": True}
    said = words(box(lines=(line("cell", since=0.0, **limits),), queue=(Queue("cell", 3, 4100),)))
    assert "metered" in said
    assert "max 64 KiB, FLASH" in said
    others = (line("cell", **limits), line("cell", takes="up to 1 KiB"))
    assert "max" not in words(box(lines=others, queue=(Queue("cell", 3, 4100),)))


def test_of_several_budgets_the_tightest_counts():
    lines = (line("cell", budget=5 * MB, budget_left=4 * MB), line("cell", budget=20 * MB, budget_left=2 * MB))
    assert "2.0 of 20 MB left" in words(box(lines=lines))


def test_a_carrier_that_is_down_says_so_where_things_wait_for_it():
    assert "down" in words(CASES["carrier-down"])
    assert "waiting" in words(CASES["carrier-down"])
    assert kinds(box(lines=(line("cell", LineState.DOWN),))) == ["idle"]


def test_one_way_that_is_up_makes_a_carrier_up():
    status = box(lines=(line(state=LineState.DOWN), line(last=CALL)))
    assert "down" not in words(status)
    assert "up" in words(status)


def test_a_carrier_at_rest_that_has_nothing_to_tell_has_no_page():
    assert kinds(box(lines=(line(), line("pipe"), line("cell", LineState.DOWN)))) == ["idle"]


def test_the_newest_call_is_the_one_told_of():
    status = box(lines=(line(last=CALL), line(neighbour="shed", last=UNANSWERED)))
    assert "call failed 4 min ago" in words(status)
    assert "in 3 out 5" in words(box(lines=(line(last=CALL),)))


def test_what_a_carrier_would_not_take_is_told():
    assert "3 held back" in words(CASES["carrier-held"])
    assert "held" in words(CASES["carrier-held"], "idle")


def test_the_first_of_the_next_calls_is_told():
    status = box(lines=(line(next_call=NOW + 7200), line(next_call=NOW + 600), line(next_call=None)))
    assert "in 10 min" in words(status)
    assert "due" in words(box(lines=(line(next_call=NOW - 5),)))


@pytest.mark.parametrize("size", SIZES)
def test_an_unsure_time_is_said_and_nothing_is_reckoned_with_it(size):
    status = CASES["time-unsure"]
    assert "time unsure" in words(status, "idle", size)
    assert "next call time unsure" in words(status, size=size)
    said = words(status, "idle", size) + words(status, size=size)
    for word in (" ago", "in 10 min", " min", " h"):
        assert word not in said


def test_a_stick_in_a_bay_comes_before_all_calls():
    lines = (talking(), line("cell", LineState.EXHAUSTED, budget=5 * MB, budget_left=0))
    assert kinds(box(safe(), lines=lines)) == ["safe"]
    assert kinds(box(working(), lines=lines)) == ["working"]


def test_a_problem_comes_before_a_session_and_a_session_before_the_rest():
    status = box(lines=(talking(), line("cell", next_call=NOW + 60)), problems=(Problem("Disk full."),))
    assert kinds(status) == ["problem", "session", "idle", "carrier"]


def test_a_box_that_only_calls_does_not_ask_for_a_bay():
    (page,) = deck(Status("hub", lines=(line(),)), BIG, NOW)
    assert "no bay" not in page.words
    assert "at rest" in page.words


@pytest.mark.parametrize("size", SIZES)
def test_however_many_lines_there_are_the_pages_come_round_within_a_minute(size):
    lines = [talking(f"wire {n}", neighbour=f"n{n}") for n in range(40)]
    lines += [line(f"radio {n}", LineState.WAITING, next_call=NOW + n) for n in range(40) for _ in range(40)]
    status = box(lines=tuple(lines), queue=QUEUES)
    shown = deck(status, size, NOW)
    assert kinds(status, size).count("session") == SESSIONS_MAX
    assert kinds(status, size).count("carrier") == CARRIERS_MAX
    assert len(shown) <= PAGES_MAX
    assert sum(page.seconds for page in shown) < 60


def test_carriers_left_out_are_counted():
    assert "5 more" in words(CASES["carrier-many"])
    assert "5 more" in words(CASES["session-many"], "session")


def test_where_things_wait_and_cannot_go_is_never_left_out():
    lines = [line(f"a{n}", LineState.WAITING, next_call=NOW + n) for n in range(9)]
    lines += [line("z", LineState.DOWN)]
    assert "z" in words(box(lines=tuple(lines), queue=(Queue("z", 1, 5),))).split()


def test_carriers_keep_their_order_while_they_come_and_go():
    lines = (line("lan"), line("cell", LineState.DOWN), line("backup"))
    for turned in (lines, lines[::-1], lines[1:] + lines[:1]):
        assert [carrier.name for carrier in carriers(box(lines=turned))] == ["backup", "cell", "lan"]


def test_a_session_starts_the_turn_anew_and_its_progress_does_not():
    resting = deck(box(lines=(line(last=CALL),)), BIG, NOW)
    turn = Turn().with_deck(resting, 100.0)
    session = deck(box(lines=(talking(),)), BIG, NOW)
    begun = turn.with_deck(session, 106.0)
    assert begun.page(session, 106.0)[0].kind == "session"
    later = deck(box(lines=(talking(progress=ONE_WAY), talking(neighbour="shed"))), BIG, NOW)
    assert begun.with_deck(later, 109.0) == begun


def test_calls_all_night_long_do_not_light_up_the_room():
    viewer, _, _ = Viewer(BIG).look(box(lines=(line(last=CALL),)), 1000.0, NOW)
    for now in range(2000, 4000, 500):
        viewer, picture, _ = viewer.look(box(lines=(talking(),)), float(now), NOW)
        assert (picture.page.kind, picture.contrast) == ("session", care.LEAST)
        viewer, picture, _ = viewer.look(box(lines=(line(last=CALL),)), now + 20.0, NOW)
        assert picture.contrast == care.LEAST
    viewer, picture, _ = viewer.look(box(working(), lines=(talking(),)), 5000.0, NOW)
    assert picture.contrast == care.FULL


def test_a_session_that_moved_all_is_full():
    assert "100%" in words(CASES["session-done"], "session")
    assert words(box(lines=(talking(progress=SessionProgress()),)), "session").count("nothing") == 2
