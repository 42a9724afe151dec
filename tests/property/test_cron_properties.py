# SPDX-License-Identifier: GPL-3.0-or-later
"""Cron expressions and windows of carrier rules, against going through every minute."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import assume, given
from hypothesis import strategies as st

from muleteer.config.carrier_rules import Window
from muleteer.config.cron import parse
from muleteer.config.zone import clock, date_of, day_number, instant, month_length, utc_offset, weekday
from muleteer.errors import BadCron

ZONES = {
    name: ZoneInfo(name) for name in ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Beirut")
}
DAY = 86400
INSTANTS = st.integers(946_684_800, 4_000_000_000)  # 2000 to 2096
NEAR_CHANGES = st.sampled_from([1_805_004_000, 1_806_195_600, 1_825_477_200, 1_824_951_600, 1_806_184_800])
NUMBERS = {"minute": 59, "hour": 23, "day": 28, "month": 12, "weekday": 6}


@st.composite
def fields(draw, name):
    high, low = NUMBERS[name], int(name in ("day", "month"))
    pair = sorted(draw(st.tuples(st.integers(low, high), st.integers(low, high))))
    special = {"day": ["L", "LW", "15W", "31W"], "weekday": ["5L", "1#2", "7", "mon-fri"]}.get(name, ["*"])
    return draw(
        st.just("*")
        | st.sampled_from([f"{pair[0]}", f"{pair[0]}-{pair[1]}", f"{pair[0]},{pair[1]}", f"*/{max(1, pair[1])}"])
        | st.sampled_from(special)
    )


@st.composite
def expressions(draw):
    return " ".join(draw(fields(name)) for name in NUMBERS)


def offset_in(name):
    return lambda unix: int(datetime.fromtimestamp(unix, ZONES[name]).utcoffset().total_seconds())


@given(text=expressions(), after=INSTANTS)
def test_the_next_time_is_the_first_minute_that_matches(text, after):
    cron = parse(text)
    found = cron.next(after, utc_offset)
    assume(found is not None and found - after < 40 * DAY)
    assert found > after
    assert cron.matches(found, utc_offset)
    assert found % 60 == 0
    minute = after // 60 * 60 + 60
    days = {}
    while minute < found:
        # Every minute of the days that match, and one minute of those that do not.
        day = minute // DAY
        days.setdefault(day, cron.matches_date(date_of(day)))
        if not days[day]:
            minute = (day + 1) * DAY
            continue
        assert not cron.matches(minute, utc_offset)
        minute += 60


@given(text=expressions(), after=INSTANTS | NEAR_CHANGES, name=st.sampled_from(sorted(ZONES)))
def test_time_never_goes_back_in_any_zone(text, after, name):
    cron, offset = parse(text), offset_in(name)
    for _ in range(5):
        found = cron.next(after, offset)
        if found is None:
            return
        assert found > after
        after = found


@given(text=st.text(alphabet="0123456789*?/-,LW#lwmonjan @", max_size=30))
def test_any_text_is_an_expression_or_refused(text):
    try:
        cron = parse(text)
    except BadCron:
        return
    assert cron.next(1_800_000_000, utc_offset) is None or cron.months


@given(day=st.dates(date(1600, 1, 1), date(2400, 12, 31)))
def test_dates_are_those_of_the_calendar(day):
    number = (day - date(1970, 1, 1)).days
    assert date_of(number) == (day.year, day.month, day.day)
    assert day_number(day.year, day.month, day.day) == number
    assert weekday(number) == day.isoweekday() % 7
    assert (day.replace(day=1) + timedelta(month_length(day.year, day.month))).day == 1


@given(unix=INSTANTS | NEAR_CHANGES, name=st.sampled_from(sorted(ZONES)))
def test_the_instant_of_a_clock_shows_that_clock_again(unix, name):
    offset = offset_in(name)
    assert clock(instant(clock(unix, offset), offset), offset) == clock(unix, offset)


@st.composite
def windows(draw):
    edge = st.integers(0, 95).map(lambda quarter: quarter * 15)
    hours = draw(st.lists(st.tuples(edge, edge | st.just(1440)).filter(lambda pair: pair[0] != pair[1]), max_size=2))
    days = draw(st.none() | st.frozensets(st.integers(0, 6), min_size=1))
    cron = draw(
        st.none() | st.sampled_from(["* 1-5 * * *", "*/10 * * * *", "* * 1-7 * *", "0-29 2,3 * * 0", "* * * * *"])
    )
    return Window(tuple(hours), days, cron and parse(cron))


@given(
    window=windows(), wall=INSTANTS | NEAR_CHANGES, name=st.sampled_from(sorted(ZONES)), shift=st.integers(0, 10_000)
)
def test_a_window_does_not_change_before_its_next_edge(window, wall, name, shift):
    offset = offset_in(name)
    wall += shift
    edge = window.next_edge(wall, offset)
    if window.always:
        assert edge is None
        assert window.holds(wall, offset)
        return
    assert edge > wall
    minutes = range(wall // 60 * 60 + 60, int(min(edge, wall + 2 * DAY)), 60)
    assert {window.holds(minute, offset) for minute in minutes} <= {window.holds(wall, offset)}


@given(window=windows(), wall=INSTANTS, name=st.sampled_from(sorted(ZONES)))
def test_edges_of_windows_are_soon_seen(window, wall, name):
    # An edge may be one at which nothing changes, but there are not many of them on the way to one where it does.
    offset = offset_in(name)
    edge = wall
    for _ in range(20):
        edge = window.next_edge(edge, offset)
        if edge is None or edge - wall > 8 * DAY:
            return
    assert edge - wall > 60
