# SPDX-License-Identifier: GPL-3.0-or-later
"""What a carrier may do, when and for whom: windows, variants, and an unsure clock."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from muleteer.config.appliance import parse_appliance
from muleteer.config.carrier_rules import Budget, CarrierMatch, CarrierRule, CarrierTerms, Cost, Period, Window
from muleteer.config.cron import parse as cron
from muleteer.config.zone import utc_offset

CELL = """
[carrier.cell]
interface = "wwan*"
nice = "FLASH"
size = "64 KiB"
budget = "5 MB/day"
wake = "FLASH"
call = "never"
[carrier.cell.cabin]
neighbour = ["cabin"]
size = "1 MB"
[carrier.cell.night]
hours = "22:00-06:00"
nice = "PRIORITY"
budget = "50 MB/day"
call = "when waiting"
[carrier.cell.dear]
days = ["Sat", "Sun"]
rate = "1 KB/s"
online = "1 min"
answer = false
"""


def at(text):
    """Return an instant of a week that begins on Monday, 4 January 2027: "Mon 22:30"."""
    day, clock = text.split()
    number = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun").index(day)
    hour, minute = clock.split(":")
    return datetime(2027, 1, 4 + number, int(hour), int(minute), tzinfo=UTC).timestamp()


def rule(text=CELL):
    (found,) = parse_appliance(text.encode(), "muleteer.toml").lines.values()
    return found


def terms(text=CELL, when="Mon 12:00", neighbour=None, *, sure=True):
    return rule(text).terms_at(at(when), neighbour, sure, utc_offset)


def zone(name):
    info = ZoneInfo(name)
    return lambda unix: int(datetime.fromtimestamp(unix, info).utcoffset().total_seconds())


def test_by_day_the_base_holds():
    found = terms()
    assert (found.nice, found.size, found.when_waiting, found.wake) == (32, 65536, False, 32)
    assert found.budgets == (Budget(5_000_000, Period.DAY, "cell"),)
    assert found == rule().terms
    assert (rule().nice, rule().size) == (32, 65536)


def test_a_variant_changes_what_it_says_and_nothing_else():
    found = terms(when="Mon 23:00")
    assert (found.nice, found.size, found.when_waiting, found.wake) == (96, 65536, True, 32)
    assert found.budgets == (Budget(50_000_000, Period.DAY, "cell.night"),)


def test_of_several_variants_the_later_one_wins_key_by_key():
    found = terms(when="Sat 23:00", neighbour="cabin")
    assert (found.nice, found.size, found.rate, found.online_s, found.answer) == (96, 10**6, 1000, 60, False)
    found = terms(CELL + '[carrier.cell.last]\nhours = "23:00-23:30"\nnice = "BULK"', when="Mon 23:10")
    assert (found.nice, found.when_waiting) == (224, True)


def test_a_variant_for_a_neighbour_is_for_nobody_else():
    assert terms(neighbour="cabin").size == 10**6
    assert terms(neighbour="hut").size == 65536
    assert terms(neighbour=None).size == 65536


@pytest.mark.parametrize(
    ("when", "inside"),
    [("Mon 21:59", False), ("Mon 22:00", True), ("Tue 00:00", True), ("Tue 05:59", True), ("Tue 06:00", False)],
)
def test_hours_may_go_over_midnight(when, inside):
    assert Window(hours=((1320, 360),)).holds(at(when), utc_offset) is inside


@pytest.mark.parametrize(
    ("when", "inside"),
    [
        *(("Fri 21:59", False), ("Fri 22:00", True), ("Sat 05:59", True), ("Sat 06:00", False), ("Sat 22:00", False)),
        *(("Mon 05:00", False), ("Mon 22:00", True)),
    ],
)
def test_the_night_to_saturday_belongs_to_friday(when, inside):
    assert Window(hours=((1320, 360),), days=frozenset(range(5))).holds(at(when), utc_offset) is inside


def test_all_conditions_of_a_window_must_hold():
    window = Window(hours=((0, 720), (1380, 1440)), days=frozenset({0}), cron=cron("0-29 * * * *"))
    told = {when: window.holds(at(when), utc_offset) for when in ("Mon 11:29", "Mon 11:30", "Tue 11:29", "Mon 23:00")}
    assert told == {"Mon 11:29": True, "Mon 11:30": False, "Tue 11:29": False, "Mon 23:00": True}
    assert not window.holds(at("Mon 12:00"), utc_offset)


def test_a_carrier_with_hours_is_not_used_outside_of_them():
    text = '[carrier.day]\ninterface = "x"\nhours = "08:00-20:00"'
    assert terms(text, "Mon 07:59") is None
    assert terms(text, "Mon 08:00") is not None


def test_a_carrier_for_some_neighbours_is_not_used_for_others():
    text = '[carrier.day]\ninterface = "x"\nneighbour = "cabin"'
    assert terms(text, neighbour="hut") is None
    assert terms(text, neighbour="cabin") is not None
    assert terms(text, neighbour=None) is not None


def test_with_an_unsure_clock_a_carrier_with_hours_is_not_used():
    assert terms('[carrier.day]\ninterface = "x"\nhours = "08:00-20:00"', sure=False) is None


def test_with_an_unsure_clock_variants_only_tighten():
    # It may be night (more niceness, which we must not take) or Saturday (a rate, which we must keep).
    found = terms(when="Mon 23:00", sure=False)
    assert (found.nice, found.size, found.rate, found.online_s) == (32, 65536, 1000, 60)
    assert (found.when_waiting, found.answer) == (False, False)
    assert [budget.account for budget in found.budgets] == ["cell", "cell.night"]


def test_with_an_unsure_clock_variants_for_neighbours_hold_as_ever():
    assert terms(neighbour="cabin", sure=False).size == 10**6


def test_the_tighter_of_two_terms():
    one = CarrierTerms(nice=96, size=None, online_s=10, wake=32, cost=Cost.METERED, calls=4, terse=True, send=False)
    two = CarrierTerms(nice=255, size=7, online_s=None, wake=None, cost=Cost.FREE, calls=2, receive=False)
    both = one.tightened(two)
    assert both == two.tightened(one)
    assert both == CarrierTerms(
        nice=96, size=7, online_s=10, cost=Cost.METERED, calls=2, terse=True, send=False, receive=False
    )


def test_the_next_change_is_the_next_edge_of_any_window():
    assert rule().next_change(at("Mon 12:00"), utc_offset) == at("Mon 22:00")
    assert rule().next_change(at("Mon 22:00"), utc_offset) == at("Tue 00:00")  # `days` may change at midnight
    assert rule('[carrier.lan]\ninterface = "x"').next_change(at("Mon 12:00"), utc_offset) is None


def test_the_next_change_of_a_cron_window():
    window = Window(cron=cron("0-29 2,3 * * *"))
    assert window.next_edge(at("Mon 01:00"), utc_offset) == at("Mon 02:00")
    assert window.next_edge(at("Mon 02:10"), utc_offset) == at("Mon 02:30")
    assert Window(cron=cron("* * * * * 1999")).next_edge(at("Mon 02:10"), utc_offset) is None


def test_a_window_that_daylight_saving_cuts_short_ends_when_the_clock_leaps():
    window, berlin = Window(hours=((60, 150),)), zone("Europe/Berlin")  # 01:00-02:30; 02:00 is 03:00 on 28 March
    begin = datetime(2027, 3, 28, 0, 30, tzinfo=UTC).timestamp()
    edge = window.next_edge(begin, berlin)
    assert edge == datetime(2027, 3, 28, 1, 0, tzinfo=UTC).timestamp()
    assert window.holds(edge - 1, berlin)
    assert not window.holds(edge, berlin)


def test_a_window_in_the_hour_that_comes_twice_comes_twice():
    window, berlin = Window(hours=((120, 150),)), zone("Europe/Berlin")  # 02:00-02:30
    wall, held = datetime(2027, 10, 31, 0, 10, tzinfo=UTC).timestamp(), []
    for _ in range(3):
        held.append(window.holds(wall, berlin))
        wall = window.next_edge(wall, berlin)
    assert held == [True, False, True]


def test_timetables():
    found = CarrierTerms(crons=(cron("0 3 * * *"), cron("30 2 * * *")), crons_waiting=(cron("*/10 * * * *"),))
    assert found.next_call(at("Mon 02:00"), utc_offset) == at("Mon 02:30")
    assert found.next_call(at("Mon 02:30"), utc_offset) == at("Mon 03:00")
    assert found.next_call_waiting(at("Mon 02:30"), utc_offset) == at("Mon 02:40")
    assert CarrierTerms().next_call(at("Mon 02:30"), utc_offset) is None


def test_which_interfaces_are_a_carriers():
    match = CarrierMatch(interface=("wwan*", "ppp?"), udev=(("ID_MODEL", "E3*"),), port="*-usb-0:1.2*")
    udev = {"ID_MODEL": "E3372", "ID_PATH": "platform-usb-0:1.2:1.0", "ID_VENDOR": "x"}
    assert match.fits_interface("wwan0", udev)
    assert match.fits_interface("ppp0", udev)
    assert not match.fits_interface("ppp10", udev)
    assert not match.fits_interface("wwan0", {**udev, "ID_MODEL": "SIM7600"})
    assert not match.fits_interface("wwan0", {**udev, "ID_PATH": "platform-usb-0:1.3:1.0"})
    assert not match.fits_interface("wwan0")
    assert CarrierMatch().fits_interface("eth0")


def test_which_addresses_are_a_carriers():
    net = CarrierRule("wan", "net", match=CarrierMatch(address=("wan", "*.example.org:*", "[fe80:*")))
    assert net.fits_address("10.0.0.1:5400", "wan")
    assert net.fits_address("home.example.org:5400", "x")
    assert net.fits_address("[fe80::1%eth0]:5400")
    assert not net.fits_address("f:5400", "lan")
    assert not net.fits_address("|ssh home.example.org:22", "wan")
    assert CarrierRule("any", "net").fits_address("10.0.0.1:5400")
    assert CarrierRule("any", "pipe").fits_address("|ssh home")
    assert not CarrierRule("any", "pipe").fits_address("10.0.0.1:5400")
    assert not CarrierRule("stick", "stick").fits_address("10.0.0.1:5400")


def test_rules_are_values():
    assert rule() == rule()
    assert len({rule(), rule()}) == 1


def test_what_may_ever_hold_for_a_neighbour():
    text = (
        '[carrier.net]\nnice = "FLASH"\nneighbour = ["a", "b"]\n[carrier.net.a]\nneighbour = "a"\nsize = "1 MB"\n'
        '[carrier.net.night]\nhours = "01:00-06:00"\nnice = "BULK"\n[carrier.net.sunday]\ndays = "Sun"\nsize = "9 MB"'
    )
    found = rule(text)

    def ceilings(name):
        return {(terms.nice, terms.size) for terms in found.ever(name)}

    assert ceilings("a") == {(32, 10**6), (224, 10**6), (32, 9 * 10**6), (224, 9 * 10**6)}
    assert ceilings("b") == {(32, None), (224, None), (32, 9 * 10**6), (224, 9 * 10**6)}
    assert ceilings("c") == set()
