# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from panel_cases import CASES, FOUR, NOW, READ_ONLY, ROUND, box, safe, working

from muleteer.agent.status import Bay, BayState, Problem, Queue, RoundSummary
from muleteer.panel.page import SIZES, Text
from muleteer.panel.pages import PAGES_MAX, deck
from muleteer.panel.paging import Turn
from muleteer.panel.wording import sentence

BIG, FLAT = SIZES


def words(status, size=BIG, **more):
    return "\n\n".join(page.words for page in deck(status, size, NOW, **more))


def kinds(status, size=BIG):
    return [page.kind for page in deck(status, size, NOW)]


def test_without_an_agent_the_panel_says_so_and_promises_nothing():
    said = words(None)
    assert "NO AGENT" in said
    assert "SAFE" not in said
    assert "Leave sticks in" in said


def test_an_idle_box_shows_its_name_its_queue_and_its_last_round():
    said = words(CASES["idle"])
    for word in ("home", "stick", "14", "3.2 MB", "radio", "held", "in 9 out 14", "2 h ago", "put a stick in"):
        assert word in said


@pytest.mark.parametrize("size", SIZES)
def test_a_round_shows_how_far_it_is(size):
    said = words(CASES["working"], size)
    for word in ("DO NOT PULL", "sending", "3/9", "35%", "2 min"):
        assert word in said


@pytest.mark.parametrize("size", SIZES)
def test_a_finished_round_says_what_it_moved(size):
    said = words(CASES["safe"], size)
    assert "PULL" in said
    assert "in 9 out 14" in said
    assert "5 waiting" in said


def test_what_was_refused_matters_more_than_what_waits():
    assert "2 refused" in words(box(safe(last=RoundSummary("left", "", waiting=5, refused=2))))


@pytest.mark.parametrize("size", SIZES)
def test_attention_says_what_and_what_to_do(size):
    said = words(CASES["attention"], size).replace("\nATTENTION", "").split()
    for text in (READ_ONLY.what, READ_ONLY.remedy, "You may pull it."):
        assert all(word in said for word in sentence(text).split())


def test_a_round_that_was_broken_off_is_not_reported_as_done():
    last = RoundSummary("left", "", NOW - 60, 3, 0, 0, 0, complete=False)
    said = words(box(last_round=last))
    assert "broken off" in said
    assert "in 3" not in said


def test_names_of_sticks_are_shown_only_if_asked_for():
    status = box(working(), safe("right"))
    assert "BLUE" not in words(status)
    assert "BLUE" in words(status, names=True)


def test_ids_in_a_problem_are_not_for_passers_by():
    node = "M2AS4STFTUVWJ2DAPLQLEXSQN2VHNYUYXX5UDUDG7ZGUDYWLLOPA"
    said = words(box(problems=(Problem(f"The packet's sender {node} is not a neighbour here."),)))
    assert node[:8] not in said
    assert "sender .. is" in said.replace("\n", " ")


def test_niceness_is_never_shown():
    status = box(queue=(Queue("stick", 1, 5, nice=37),))
    assert "37" not in words(status, names=True)


def test_a_clock_that_leapt_shows_no_age():
    for now in (NOW - 99_999, None):
        (page,) = deck(box(last_round=ROUND), BIG, now)
        assert "in 9 out 14" in page.words
        assert "ago" not in page.words


def test_several_busy_bays_come_as_an_overview_then_by_urgency():
    order = [(page.kind, page.about) for page in deck(box(*FOUR), BIG, NOW)]
    assert [key for n, key in enumerate(order) if key not in order[:n]] == [
        ("overview", ""),
        ("pulled", "top"),
        ("attention", "right"),
        ("safe", "middle"),
        ("working", "left"),
    ]
    for word in ("35%", "PULL", "CHECK", "PUT BACK"):
        assert word in words(box(*FOUR)).split("\n\n")[0]


def test_a_problem_of_the_box_is_shown_before_its_rest_and_after_its_bays():
    trouble = (Problem("Disk full."),)
    assert kinds(box(problems=trouble)) == ["problem", "idle"]
    assert kinds(box(safe(), problems=trouble)) == ["safe", "problem"]


def test_a_deck_stays_short_whatever_is_wrong():
    bays = [Bay(f"b{n}", BayState.ATTENTION, problem=Problem("word " * 400)) for n in range(40)]
    status = box(*bays, problems=tuple(Problem("word " * 400) for _ in range(40)))
    for size in SIZES:
        assert 1 < len(deck(status, size, NOW)) <= PAGES_MAX


def test_more_problems_than_shown_are_counted():
    assert "36 more" in words(box(problems=tuple(Problem(f"Number {n}.") for n in range(40))))


def test_a_page_says_which_of_how_many_it_is():
    from muleteer.panel.page import Dots

    pages = deck(CASES["problem"], BIG, NOW)
    assert [mark.lit for page in pages for mark in page.marks if isinstance(mark, Dots)] == list(range(len(pages)))


def test_news_starts_a_deck_anew_and_progress_does_not():
    first = deck(box(working(), safe("right")), BIG, NOW)
    turn = Turn().with_deck(first, 100.0)
    later = deck(box(working(packets_done=4), safe("right")), BIG, NOW)
    assert turn.with_deck(later, 107.0) == turn
    news = deck(box(safe(), safe("right")), BIG, NOW)
    assert turn.with_deck(news, 107.0).since == 107.0


def test_pages_take_turns():
    pages = deck(box(*FOUR), BIG, NOW)
    turn = Turn().with_deck(pages, 100.0)
    seen, now = [], 100.0
    for _ in pages:
        page, until = turn.page(pages, now)
        assert until == pytest.approx(now + page.seconds)
        seen.append(page)
        now = until
    assert seen == list(pages)
    assert turn.page(pages, now)[0] == pages[0]


def test_a_single_page_stays():
    pages = deck(box(safe()), BIG, NOW)
    assert Turn().with_deck(pages, 5.0).page(pages, 1e6) == (pages[0], None)


def test_text_is_in_the_face_that_fits():
    wide = [mark for mark in deck(CASES["safe-huge"], BIG, NOW)[0].marks if isinstance(mark, Text)]
    assert any(mark.text == "in 123k out 1.0G" for mark in wide)
