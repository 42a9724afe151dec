# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls survive being rules, and rules being calls come due at the same times."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from muleteer.config import hjson
from muleteer.config.appliance import parse_appliance
from muleteer.config.calls_hjson import calls_text
from muleteer.config.calls_toml import rules_text
from muleteer.config.check import check
from muleteer.config.complaints import Complaints
from muleteer.config.cron import parse
from muleteer.config.units import (
    parse_days,
    parse_duration,
    parse_hours,
    parse_size,
    show_days,
    show_duration,
    show_hours,
    show_size,
)
from muleteer.config.week import MINUTES, crons_of, due
from muleteer.config.zone import utc_offset
from muleteer.formats.niceness import parse_nice

ALICE = (Path(__file__).parent.parent / "vectors" / "data" / "cfg" / "alice.hjson").read_text()
ADDRS = {"lan": "10.0.0.2:5400", "wan": "bob.example.org:5400", "ssh": "|ssh bob nncp-daemon -ucspi"}
CRONS = ["*/10 * * * *", "0 1-5 * * *", "@daily", "30 2 1 * *", "0 0 * * Mon-Fri", "5\t* * * * ?"]
MONDAY = 4 * 86400
UNBOUND = [("nice", "255"), ("onlinedeadline", None), ("maxonlinetime", 0), ("xx", None), ("when-tx-exists", False)]


@st.composite
def calls(draw):
    xx = draw(st.sampled_from([None, "rx", "tx"]))
    call = {
        "cron": draw(st.sampled_from(CRONS)),
        "addr": draw(st.sampled_from(sorted(ADDRS))),
        "nice": draw(st.sampled_from([None, "FLASH", "BULK", "101", "P+3"])),
        "xx": xx,
        "onlinedeadline": draw(st.none() | st.integers(1, 4000)),
        "maxonlinetime": draw(st.none() | st.integers(1, 4000)),
        "when-tx-exists": None if xx == "rx" else draw(st.sampled_from([None, True])),
    }
    return {key: value for key, value in call.items() if value is not None}


def config(entries):
    raw = hjson.parse(ALICE, "nncp.hjson")
    raw["neigh"]["bob"] |= {"calls": entries, "addrs": ADDRS}
    raw["neigh"]["bob"].pop("onlinedeadline", None)
    raw["neigh"]["bob"].pop("maxonlinetime", None)
    return check(raw, "nncp.hjson", Complaints("nncp.hjson", lambda _: None))


def meaning(call):
    whole = dict(UNBOUND) | call
    cron = " ".join(whole["cron"].split())
    return (cron, *(whole[key] for key in ("addr", *dict(UNBOUND[1:]))), parse_nice(str(whole["nice"])))


@settings(max_examples=40)
@given(entries=st.lists(calls(), max_size=6))
def test_calls_survive_being_rules(entries):
    made = config(entries)
    box = parse_appliance(rules_text(made).encode(), "muleteer.toml")
    tree = hjson.parse(calls_text(box, made), "calls")["neigh"].get("bob", {"calls": []})
    assert {meaning(call) for call in tree["calls"]} == {meaning(call) for call in entries}


QUARTERS = st.integers(0, 95).map(lambda quarter: quarter * 15)
HOURS = st.tuples(QUARTERS, QUARTERS).filter(lambda pair: pair[0] != pair[1])
DAYS = st.frozensets(st.integers(0, 6), min_size=1)


@settings(max_examples=25)
@given(hours=HOURS, days=DAYS, night=HOURS, cron=st.sampled_from(["*/10 * * * *", "0 */2 * * Mon-Fri", "5 4 * * *"]))
def test_rules_with_windows_come_due_as_calls_when_they_would(hours, days, night, cron):
    box = parse_appliance(
        f"""
        [carrier.wan]
        address = "wan"
        hours = "{show_hours(hours)}"
        days = "{show_days(days)}"
        nice = "FLASH"
        call = "{cron}"
        [carrier.wan.night]
        hours = "{show_hours(night)}"
        nice = "BULK"
        """.encode(),
        "muleteer.toml",
    )
    found = {"FLASH": set(), "BULK": set()}
    exported = hjson.parse(calls_text(box, config([])), "calls")["neigh"].get("bob", {"calls": []})["calls"]
    for call in exported:
        times = due(parse(call["cron"]), range(MINUTES))
        assert times
        assert not times & found[call["nice"]]
        found[call["nice"]] |= times
    rule = box.lines["wan"]
    expected = {"FLASH": set(), "BULK": set()}
    for minute in due(parse(cron), range(MINUTES)):
        terms = rule.terms_at(MONDAY + minute * 60, "bob", True, utc_offset)
        if terms is not None:
            expected["FLASH" if terms.nice == 32 else "BULK"].add(minute)
    assert found == expected


@given(minutes=st.sets(st.integers(0, MINUTES - 1), max_size=40))
def test_any_minutes_of_a_week_are_said_by_cron_expressions(minutes):
    found = [due(parse(text), range(MINUTES)) for text in crons_of(minutes)]
    assert set().union(*found) == minutes
    assert sum(map(len, found)) == len(minutes)


@given(amount=st.integers(1, 1 << 50), hours=HOURS, days=DAYS)
def test_what_is_shown_is_read_back(amount, hours, days):
    assert parse_size(show_size(amount)) == amount
    assert parse_duration(show_duration(amount)) == amount
    assert parse_hours(show_hours(hours)) == hours
    assert parse_days(show_days(days)) == days
