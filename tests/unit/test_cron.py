# SPDX-License-Identifier: GPL-3.0-or-later
"""Cron expressions: what they name, what is refused and why, and what daylight saving does to them."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from muleteer.config.cron import parse
from muleteer.config.zone import utc_offset
from muleteer.errors import BadCron

NOON = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC).timestamp()  # a Friday


def zone(name):
    info = ZoneInfo(name)
    return lambda unix: int(datetime.fromtimestamp(unix, info).utcoffset().total_seconds())


def dates(text, count=3, after=NOON):
    """The next days that an expression names, as "2026-11-21 00:00:00"."""
    found = []
    cron = parse(text)
    while len(found) < count and (after := cron.next(after, utc_offset)) is not None:
        found.append(str(datetime.fromtimestamp(after, UTC))[:19])
    return found


def instants(text, name, begin, count):
    """The next instants in a time zone, in UTC and as its clock shows them: "01:30 02:30"."""
    after, found = datetime.fromisoformat(begin).timestamp(), []
    for _ in range(count):
        after = parse(text).next(after, zone(name))
        shown = [datetime.fromtimestamp(after, place) for place in (UTC, ZoneInfo(name))]
        found.append(" ".join(f"{time:%H:%M}" for time in shown))
    return found


NAMED = [
    ("*/20 * * * *", ["2026-11-20 12:20:00", "2026-11-20 12:40:00", "2026-11-20 13:00:00"]),
    ("15,45 13-14 * * *", ["2026-11-20 13:15:00", "2026-11-20 13:45:00", "2026-11-20 14:15:00"]),
    ("50/5 * * * *", ["2026-11-20 12:50:00", "2026-11-20 12:55:00", "2026-11-20 13:50:00"]),
    ("0 0 1-10/4 * *", ["2026-12-01 00:00:00", "2026-12-05 00:00:00", "2026-12-09 00:00:00"]),
    ("@monthly", ["2026-12-01 00:00:00", "2027-01-01 00:00:00", "2027-02-01 00:00:00"]),
    ("0 0 L * *", ["2026-11-30 00:00:00", "2026-12-31 00:00:00", "2027-01-31 00:00:00"]),
    ("0 0 LW * *", ["2026-11-30 00:00:00", "2026-12-31 00:00:00", "2027-01-29 00:00:00"]),
    ("0 0 1W * *", ["2026-12-01 00:00:00", "2027-01-01 00:00:00", "2027-02-01 00:00:00"]),
    ("0 0 1W 5,8 *", ["2027-05-03 00:00:00", "2027-08-02 00:00:00", "2028-05-01 00:00:00"]),  # Saturday, Sunday
    ("0 0 31W 1,10 *", ["2027-01-29 00:00:00", "2027-10-29 00:00:00", "2028-01-31 00:00:00"]),  # Sunday, Sunday
    ("0 0 * * 5L", ["2026-11-27 00:00:00", "2026-12-25 00:00:00", "2027-01-29 00:00:00"]),
    ("0 0 * * mon#5", ["2026-11-30 00:00:00", "2027-03-29 00:00:00", "2027-05-31 00:00:00"]),
    ("0 0 13 * fri", ["2026-11-27 00:00:00", "2026-12-04 00:00:00", "2026-12-11 00:00:00"]),  # either
    ("0 0 ? * Fri", ["2026-11-27 00:00:00", "2026-12-04 00:00:00", "2026-12-11 00:00:00"]),
    ("0 0 29 2 *", ["2028-02-29 00:00:00", "2032-02-29 00:00:00", "2036-02-29 00:00:00"]),
    ("0 0 29 2 * 2090-2099", ["2092-02-29 00:00:00", "2096-02-29 00:00:00"]),
    ("30 15 6 1 JAN * 2027", ["2027-01-01 06:15:30"]),
    ("0 0 1 01 *", ["2027-01-01 00:00:00", "2028-01-01 00:00:00", "2029-01-01 00:00:00"]),  # the reference: December
    ("0 0 31 12 * 2099", ["2099-12-31 00:00:00"]),
    ("0 0 30 2 *", []),
    ("0 0 1 1 * 1999", []),
]


@pytest.mark.parametrize(("text", "found"), NAMED, ids=[text for text, _ in NAMED])
def test_what_an_expression_names(text, found):
    assert dates(text) == found


REFUSED = [
    ("", "it has 0 fields, not 5 to 7"),
    ("* * * *", "it has 4 fields, not 5 to 7"),
    ("daily", "it has 1 field, not 5 to 7"),
    ("@reboot", "it has 1 field, not 5 to 7"),
    ("60 * * * *", "`60` is no minute (0-59)"),
    ("* 5-24 * * *", "`24` in `5-24` is no hour (0-23)"),
    ("* * 0 * *", "`0` is no day (1-31)"),
    ("* * * ma *", "`ma` is no month (1-12)"),
    ("* * * * 8", "`8` is no weekday (0-6)"),
    ("* * * * * 2100", "`2100` is no year (1970-2099)"),
    ("-1 * * * *", "`` in `-1` is no minute (0-59)"),
    ("\u0661 * * * *", "`\u0661` is no minute (0-59)"),
    ("007 * * * *", "`007` is no minute (0-59)"),
    ("*/0 * * * *", "the step of `*/0` is not 1-59"),
    ("*/ * * * *", "the step of `*/` is not 1-59"),
    ("* */24 * * *", "the step of `*/24` is not 1-23"),
    ("?/5 * * * *", "`?` in `?/5` is no minute (0-59)"),
    (", * * * *", "the minute field names nothing"),
    ("5-1 * * * *", "the minute range `5-1` runs backwards"),
    ("* * * dec-jan *", "the month range `dec-jan` runs backwards"),
    ("* * * * 5-7", "the weekday range `5-7` runs backwards (Sunday is 0 in a range)"),
    ("* * 1-5W * *", "`5w` in `1-5w` is no day (1-31)"),
    ("* * * * 5#6", "`5#6` is no weekday (0-6)"),
    ("L * * * *", "`l` is no minute (0-59)"),
]


@pytest.mark.parametrize(("text", "problem"), REFUSED, ids=[text for text, _ in REFUSED])
def test_what_is_refused_and_why(text, problem):
    with pytest.raises(BadCron) as caught:
        parse(text)
    assert caught.value.facts["problem"] == problem
    assert str(caught.value).startswith(f"{text!r} is no cron expression: {problem}. Write minute, hour,")


def test_a_minute_is_matched_whole_and_seconds_do_not_count():
    cron = parse("30 15 6 20 11 * 2026")
    assert cron.matches(datetime(2026, 11, 20, 6, 15, 0, tzinfo=UTC).timestamp(), utc_offset)
    assert cron.matches(datetime(2026, 11, 20, 6, 15, 59, tzinfo=UTC).timestamp(), utc_offset)
    assert not cron.matches(datetime(2026, 11, 20, 6, 16, 0, tzinfo=UTC).timestamp(), utc_offset)
    assert not cron.matches(datetime(2026, 11, 21, 6, 15, 0, tzinfo=UTC).timestamp(), utc_offset)


def test_the_local_clock_counts():
    assert instants("0 12 * * *", "Europe/Berlin", "2026-11-20T00:00Z", 1) == ["11:00 12:00"]
    assert instants("0 12 * * *", "Asia/Kathmandu", "2026-11-20T00:00Z", 1) == ["06:15 12:00"]


def test_what_daylight_saving_skips_comes_after_the_gap_east_of_greenwich():
    assert instants("*/30 1-3 28 3 *", "Europe/Berlin", "2027-03-28T00:00Z", 3) == [
        "00:30 01:30",
        "01:00 03:00",  # 02:00 does not exist
        "01:30 03:30",
    ]


def test_what_daylight_saving_skips_never_leads_back_in_time():
    # West of Greenwich 02:00 becomes 01:00: the reference goes back there, and calls on and on for an hour.
    assert instants("*/30 1-3 14 3 *", "America/New_York", "2027-03-14T05:59Z", 4) == [
        "06:00 01:00",
        "06:30 01:30",
        "07:00 03:00",
        "07:30 03:30",
    ]


def test_of_an_hour_that_comes_twice_one_counts():
    assert instants("*/30 * * * *", "America/New_York", "2027-11-07T05:00Z", 3) == [
        "05:30 01:30",
        "07:00 02:00",
        "07:30 02:30",
    ]
    assert instants("*/30 * * * *", "Europe/Berlin", "2027-10-30T23:30Z", 3) == [
        "01:00 02:00",
        "01:30 02:30",
        "02:00 03:00",
    ]


def test_half_a_second_before_is_still_to_come():
    assert parse("0 12 * * *").next(NOON - 0.5, utc_offset) == NOON
    assert parse("0 12 * * *").next(NOON, utc_offset) == NOON + 86400


def test_an_expression_shows_itself_and_is_a_value():
    assert repr(parse("0 3 * * *")) == "Cron('0 3 * * *')"
    assert parse("0 3 * * *") == parse("0 3 * * *") != parse("0 4 * * *")
    assert len({parse("0 3 * * *"), parse("0 3 * * *")}) == 1
