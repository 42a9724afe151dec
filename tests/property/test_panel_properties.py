# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever the agent says, the panel has a page for it, stays on the glass, and does not lie."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from muleteer.agent.status import (
    Bay,
    BayState,
    Line,
    LineState,
    Phase,
    Problem,
    Progress,
    Queue,
    RoundSummary,
    SessionProgress,
    SessionSummary,
    Status,
)
from muleteer.panel.draw import draw, shifted
from muleteer.panel.lamps import OFF, STEADY, Lamp, lamps, next_change_ms
from muleteer.panel.page import SIZES
from muleteer.panel.pages import PAGES_MAX, deck
from muleteer.panel.picture import Viewer
from muleteer.panel.terminal import Box, render
from muleteer.panel.wording import legible, wrap

TEXT = st.text(max_size=80) | st.sampled_from(["left", "Ö", "й", "A" * 60, "\x1b[2J", "\udc80"])
NUMBER = st.integers(-(2**70), 2**70)
TIME = st.none() | st.floats()
PROBLEM = st.builds(Problem, what=TEXT, remedy=TEXT, since=TIME)
ROUND = st.builds(
    RoundSummary,
    bay=TEXT, runner=TEXT, ended=TIME, received=NUMBER, sent=NUMBER, waiting=NUMBER, refused=NUMBER,
    complete=st.booleans(),
)  # fmt: skip
PROGRESS = st.builds(
    Progress,
    phase=st.sampled_from(Phase), packets_done=NUMBER, packets_total=NUMBER, bytes_done=NUMBER, bytes_total=NUMBER,
    seconds_left=TIME,
)  # fmt: skip
BAY = st.builds(
    Bay,
    name=TEXT, state=st.sampled_from(BayState), runner=TEXT, progress=st.none() | PROGRESS, last=st.none() | ROUND,
    problem=st.none() | PROBLEM,
)  # fmt: skip
SESSION = st.builds(
    SessionProgress,
    received=NUMBER, received_bytes=NUMBER, sent=NUMBER, sent_bytes=NUMBER, receiving_total=NUMBER,
    sending_total=NUMBER,
)  # fmt: skip
CALL = st.builds(
    SessionSummary,
    ended=TIME, incoming=st.booleans(), established=st.booleans(), received=NUMBER, sent=NUMBER, held=NUMBER,
)  # fmt: skip
CARRIER = st.sampled_from(["lan", "cell", "Ö", "A" * 60, "\x1b[2J", ""])
LINE = st.builds(
    Line,
    carrier=CARRIER, neighbour=TEXT, state=st.sampled_from(LineState), since=TIME, incoming=st.booleans(),
    progress=st.none() | SESSION, last=st.none() | CALL, next_call=TIME, budget=st.none() | NUMBER,
    budget_left=st.none() | NUMBER,
)  # fmt: skip
STATUS = st.builds(
    Status,
    name=TEXT, now=TIME, bays=st.lists(BAY, max_size=5, unique_by=lambda bay: bay.name).map(tuple),
    queue=st.lists(st.builds(Queue, carrier=TEXT | CARRIER, packets=NUMBER, size=NUMBER), max_size=4).map(tuple),
    waiting_toss=NUMBER, tossing=st.booleans(), last_round=st.none() | ROUND,
    problems=st.lists(PROBLEM, max_size=3).map(tuple), lines=st.lists(LINE, max_size=6).map(tuple),
    time_sure=st.booleans(),
)  # fmt: skip
MAYBE = st.none() | STATUS


@given(MAYBE, st.sampled_from(SIZES), TIME, st.booleans())
@settings(max_examples=150)
def test_every_status_has_pages_and_they_stay_on_the_glass(status, size, now, names):
    pages = deck(status, size, now, names=names)
    assert 1 <= len(pages) <= PAGES_MAX
    for page in pages:
        assert page.size == size
        assert page.seconds > 0
        for mark in page.marks:
            left, top, right, bottom = mark.box
            assert 0 <= left < right <= size[0] - 1, mark
            assert 0 <= top < bottom <= size[1] - 1, mark


@given(MAYBE, st.sampled_from(SIZES))
@settings(max_examples=60)
def test_every_page_can_be_drawn_and_moved_aside_without_loss(status, size):
    for page in deck(status, size, None):
        picture = draw(page)
        assert picture.size == size
        box = picture.getbbox()
        assert box is not None
        assert box[2] < size[0]
        assert box[3] < size[1]
        assert (
            shifted(picture, (1, 1)).crop((1, 1, *size)).tobytes()
            == picture.crop((0, 0, size[0] - 1, size[1] - 1)).tobytes()
        )


@given(STATUS)
def test_a_pull_lamp_is_steady_only_where_pulling_is_safe(status):
    states = {bay.name: bay.state for bay in status.bays}
    for lit in lamps(status, [*states, "a bay nobody speaks of"]):
        if lit.lamp is Lamp.PULL:
            assert (lit.pattern is STEADY) == (states.get(lit.bay) is BayState.SAFE)
            assert (lit.pattern is OFF) == (states.get(lit.bay) is BayState.EMPTY)


@given(STATUS)
def test_the_working_lamp_is_lit_exactly_while_something_works(status):
    (working,) = [lit for lit in lamps(status, []) if lit.lamp is Lamp.WORKING]
    assert working.pattern.lit(0) == status.working
    assert working.pattern in (STEADY, OFF)


@given(STATUS, st.sampled_from(SIZES), st.booleans())
def test_no_page_says_safe_to_pull_of_a_bay_that_is_not(status, size, names):
    # What a problem or a label says is not ours to answer for.
    quiet = replace(
        status,
        name="box",
        problems=(),
        bays=tuple(replace(bay, name=f"b{n}", runner="") for n, bay in enumerate(status.bays)),
    )
    states = {bay.name: bay.state for bay in quiet.bays}
    for page in deck(quiet, size, None, names=names):
        if page.kind == "safe":
            assert states[page.about] is BayState.SAFE
        elif page.kind not in ("attention", "overview"):
            assert "SAFE" not in page.words


@given(st.lists(LINE, min_size=1, max_size=8), st.sampled_from(SIZES), st.booleans())
def test_who_a_line_leads_to_changes_nothing_on_the_panel(lines, size, names):
    def shown(neighbour):
        told = tuple(replace(line, neighbour=neighbour, said=neighbour) for line in lines)
        return deck(Status("box", lines=told), size, 1.8e9, names=names)

    assert shown("cabin") == shown("")


@given(MAYBE, st.lists(st.floats(0, 100), min_size=1, max_size=20))
def test_a_viewer_never_sleeps_backwards(status, steps):
    viewer, now = Viewer((128, 64)), 1000.0
    for step in steps:
        now += step
        viewer, picture, until = viewer.look(status, now, None)
        assert now < until <= now + 61
        assert 0 <= picture.contrast <= 255


@given(MAYBE, st.integers(0, 2**40))
def test_lamps_never_sleep_backwards(status, now):
    lit = lamps(status, ["left"])
    change = next_change_ms(lit, now)
    assert change is not None  # power always beats
    assert now < change <= now + 2000
    before = [lamp.pattern.lit(now) for lamp in lit]
    assert [lamp.pattern.lit(change - 1) for lamp in lit] == before
    assert [lamp.pattern.lit(change) for lamp in lit] != before


@given(st.text(max_size=200), st.integers(4, 40))
def test_wrapped_lines_fit_and_lose_no_letter(text, columns):
    plain = legible(text)
    lines = wrap(plain, columns)
    assert all(0 < len(line) <= columns for line in lines)
    assert "".join(lines).replace(" ", "") == "".join(plain.split())


@given(st.lists(MAYBE, min_size=1, max_size=3), st.integers(66, 300))
@settings(max_examples=30)
def test_a_terminal_picture_fits_the_terminal(statuses, columns):
    boxes = []
    for status in statuses:
        bays = [bay.name for bay in status.bays] if status else []
        boxes.append(Box(status.name if status else "", draw(deck(status, (128, 64), None)[0]), lamps(status, bays)))
    lines = render(boxes, 0, columns)
    assert all(len(line) <= columns and line.isprintable() for line in lines)
