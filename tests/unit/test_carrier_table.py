# SPDX-License-Identifier: GPL-3.0-or-later
"""`[carrier.NAME]` in muleteer.toml: kinds, defaults, values, variants and complaints."""

from pathlib import Path

import pytest

import muleteer.config
from muleteer.config.appliance import HeldRules, load_appliance, parse_appliance, require_known_names
from muleteer.config.carrier_rules import Budget, CarrierMatch, CarrierRule, CarrierTerms, Cost, Period, Window
from muleteer.config.cron import parse as cron
from muleteer.config.load import load
from muleteer.errors import ConfigError, ConfigErrors

ALICE = Path(__file__).parent.parent / "vectors" / "data" / "cfg" / "alice.hjson"
NIGHT = Path(muleteer.config.__file__).parent / "night-transfer.toml"


def parse(text):
    return parse_appliance(text.encode(), "muleteer.toml")


def line(text):
    (found,) = parse(text).lines.values()
    return found


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("[carrier.x]\n", "stick"),
        ("[carrier.net]\n", "net"),
        ("[carrier.pipe]\n", "pipe"),
        ('[carrier.x]\nkind = "net"', "net"),
        ('[carrier.net]\nkind = "pipe"', "pipe"),
        ('[carrier.x]\ninterface = "eth*"', "net"),
        ('[carrier.x]\nproxy = "socks5://localhost:9050"', "net"),
        ('[carrier.x]\naddress = "wan"', "net"),
        ('[carrier.x]\naddress = ["|ssh *", "|nc *"]', "pipe"),
        ('[carrier.x]\nkind = "pipe"\naddress = "over-ssh"', "pipe"),
    ],
)
def test_what_kind_a_carrier_is(text, kind):
    box = parse(text)
    found = {rule.name: rule.kind for rule in [*box.carriers.values(), *box.lines.values()] if not rule.implicit}
    found.pop("stick", None)
    assert list(found.values()) == [kind]


def test_a_go_configuration_simply_works_without_a_word():
    box = parse("")
    quiet = CarrierTerms(when_waiting=False)
    assert box.lines == {
        "net": CarrierRule("net", "net", terms=quiet, implicit=True),
        "pipe": CarrierRule("pipe", "pipe", terms=quiet, implicit=True),
    }
    assert quiet.answer
    assert (quiet.crons, quiet.crons_waiting) == ((), ())
    assert parse('[carrier.stick]\nsize = "1 GB"').lines == box.lines


def test_where_lines_are_written_there_are_no_others():
    box = parse('[carrier.lan]\ninterface = "eth*"')
    assert list(box.lines) == ["lan"]
    assert box.carriers == {"stick": CarrierRule("stick", "stick")}
    assert box.bays["usb"].carrier == "stick"


def test_a_line_with_no_more_than_an_interface_takes_everything_and_calls_when_something_waits():
    rule = line('[carrier.lan]\ninterface = "eth*"')
    assert rule.terms == CarrierTerms()
    assert rule.match == CarrierMatch(interface=("eth*",))
    assert rule.terms.when_waiting
    assert rule.terms.answer
    assert (rule.window, rule.neighbours, rule.variants, rule.proxy) == (Window(), None, (), None)


def test_every_key_of_a_line():
    rule = line("""
        [carrier.cell]
        interface = ["wwan*", "ppp0"]
        address = "cell"
        udev = { ID_MODEL = "x*" }
        port = "*-usb-0:1.2*"
        proxy = "socks5://127.0.0.1:9050"
        nice = "FLASH+1"
        size = "64 KiB"
        direction = "rx"
        hours = ["22:00-06:00", "12:00-12:30"]
        days = ["Mon-Wed", "sunday"]
        cron = "* * 1-7 * *"
        neighbour = ["bob", "carol"]
        budget = ["1 MB/hour", "5 MB/day", "50 MB / month"]
        air = "36 s/hour"
        cost = "dear"
        online = "30 min"
        idle = "15 s"
        rate = "20 KB/s"
        call = ["when waiting", "0 3 * * *", "*/10 * * * * when waiting"]
        wake = "FLASH"
        answer = false
        retry = "2 min"
        retry_max = "4 h"
        priority = 3
        calls = 2
        terse = false
    """)
    assert rule.match == CarrierMatch(("wwan*", "ppp0"), ("cell",), (("ID_MODEL", "x*"),), "*-usb-0:1.2*")
    assert rule.proxy == "socks5://127.0.0.1:9050"
    assert rule.window == Window(((1320, 360), (720, 750)), frozenset({0, 1, 2, 6}), cron("* * 1-7 * *"))
    assert rule.neighbours == {"bob", "carol"}
    assert rule.terms == CarrierTerms(
        nice=33,
        size=65536,
        send=False,
        receive=True,
        budgets=tuple(
            Budget(amount * 10**6, per, "cell")
            for amount, per in [(1, Period.HOUR), (5, Period.DAY), (50, Period.MONTH)]
        ),
        air=(Budget(36, Period.HOUR, "cell"),),
        cost=Cost.DEAR,
        online_s=1800,
        idle_s=15,
        rate=20_000,
        when_waiting=True,
        crons=(cron("0 3 * * *"),),
        crons_waiting=(cron("*/10 * * * *"),),
        wake=32,
        answer=False,
        retry_s=120,
        retry_max_s=14_400,
        priority=3,
        calls=2,
        terse=False,
    )


def test_never_calls_never():
    terms = line('[carrier.net]\ncall = "never"').terms
    assert (terms.when_waiting, terms.crons, terms.crons_waiting) == (False, (), ())


@pytest.mark.parametrize(
    ("text", "base", "variant"),
    [
        ("", False, None),
        ('cost = "free"', False, None),
        ('cost = "metered"', True, None),
        ('rate = "1 KB/s"', True, None),
        ('cost = "dear"\nterse = false', False, None),
        ('cost = "metered"\n[carrier.net.n]\ndays = "Sun"\ncost = "free"', True, False),
        ('[carrier.net.n]\ndays = "Sun"\nrate = "9 KB/s"', False, True),
        ('terse = false\n[carrier.net.n]\ndays = "Sun"\nrate = "9 KB/s"', False, None),
        ('[carrier.net.n]\ndays = "Sun"\nrate = "9 KB/s"\nterse = false', False, False),
    ],
)
def test_what_is_dear_or_slow_is_terse_unless_said(text, base, variant):
    rule = line(f"[carrier.net]\n{text}")
    assert rule.terms.terse is base
    assert [dict(one.changes).get("terse") for one in rule.variants] == ([] if "[" not in text else [variant])


def test_a_long_first_retry_is_the_longest_one_too():
    terms = line('[carrier.net]\nretry = "2 h"').terms
    assert (terms.retry_s, terms.retry_max_s) == (7200, 7200)


def test_a_variant():
    rule = line('[carrier.net]\n[carrier.net.night]\nhours = "01:00-06:00"\nneighbour = "bob"\nbudget = "1 GB/month"')
    (night,) = rule.variants
    assert (night.name, night.window, night.neighbours) == ("night", Window(((60, 360),)), {"bob"})
    assert night.changes == (("budgets", (Budget(10**9, Period.MONTH, "net.night"),)),)


def test_every_key_of_a_stick():
    rule = parse("""
        [carrier.stick]
        nice = "PRIORITY"
        size = "5 MB"
        direction = "tx"
        hours = "06:00-09:00"
        days = "Mon-Fri"
        cron = "* * 1-7 * *"
        neighbour = ["bob", "carol"]
        [carrier.stick.bob]
        neighbour = "bob"
        size = "1 GB"
        [carrier.stick.sunday]
        days = "Sun"
        direction = "both"
    """).carriers["stick"]
    assert rule.terms == CarrierTerms(nice=96, size=5_000_000, receive=False)
    assert rule.window == Window(((360, 540),), frozenset(range(5)), cron("* * 1-7 * *"))
    assert rule.neighbours == {"bob", "carol"}
    bob, sunday = rule.variants
    assert (bob.neighbours, bob.window, bob.changes) == ({"bob"}, Window(), (("size", 10**9),))
    assert dict(sunday.changes) == {"send": True, "receive": True}


@pytest.mark.parametrize(
    "key",
    [
        'budget = "5 MB/day"', 'air = "36 s/hour"', 'rate = "9 KB/s"', 'online = "1 min"', 'idle = "9 s"', "calls = 2",
        'call = "never"', 'wake = "FLASH"', "answer = true", 'retry = "1 min"', 'retry_max = "1 h"', "terse = true",
        'cost = "free"', "priority = 3", 'port = "*"',
    ],
)  # fmt: skip
@pytest.mark.parametrize("table", ["x", "x.night"])
def test_what_makes_no_sense_on_a_stick_is_complained_of(table, key):
    with pytest.raises(ConfigError, match=f"carrier.{table}.{key.split()[0]} .*sticks know no") as caught:
        parse(f'[carrier.{table}]\nhours = "01:00-06:00"\n{key}')
    assert type(caught.value) is ConfigError


def test_agent_and_held():
    box = parse('[agent]\nlisten = ["127.0.0.1:5401", "[::1]:5400", ":1"]\nmulticast = false\n[held]\ntell = true')
    assert box.agent.listen == ("127.0.0.1:5401", "[::1]:5400", ":1")
    assert not box.agent.multicast
    assert box.held == HeldRules(True, 86400)
    assert parse("[agent]\nlisten = []").agent.listen == ()
    assert parse("").agent.listen == ("[::]:5400",)
    assert parse('[held]\nafter = "6 h"').held == HeldRules(False, 21600)


COMPLAINTS = [
    ('[carrier.lan]\nbudget = "5 MB/day"', 'carrier.lan.budget (line 2): sticks know no `budget`. Write interface = "'),
    (
        '[carrier.stick]\nport = "*-usb-0:1.2*"',
        "carrier.stick.port (line 2): sticks know no `port`. Write it in the [bay.NAME] that names this carrier",
    ),
    ('[carrier.stick]\nudev = { ID_MODEL = "x" }', "carrier.stick.udev (line 2): sticks know no `udev`."),
    (
        '[carrier.stick.night]\nhours = "01:00-06:00"\nrate = 5',
        "carrier.stick.night.rate (line 3): sticks know no `rate`.",
    ),
    ('[carrier.stick.night]\nsize = "1 GB"', "carrier.stick.night (line 1): it does not say when or for whom"),
    (
        '[carrier.pipe.night]\nhours = "01:00-06:00"\nanswer = true',
        "carrier.pipe.night.answer (line 3): commands (`|...`) know no `answer`.",
    ),
    ('[carrier.ssh]\naddress = "|ssh x"\nanswer = true', "carrier.ssh.answer (line 3): commands (`|...`) know no `ans"),
    (
        '[carrier.cell]\ninterface = "wwan*"\nbugdet = "5 MB/day"',
        "carrier.cell.bugdet (line 3): nothing is known by this name. Did you mean `budget`?",
    ),
    (
        '[carrier.net.night]\nhours = "01:00-06:00"\nhuors = "01:00-06:00"',
        "carrier.net.night.huors (line 3): nothing is known by this name. Did you mean `hours`?",
    ),
    (
        "[carrier.net.night]\nnice = 32",
        "carrier.net.night (line 1): it does not say when or for whom it applies. Write its hours, days, cron or neigh",
    ),
    ('[carrier.net.night]\nhours = "1:00-6:00"\ninterface = "x"', "carrier.net.night.interface (line 3): nothing is"),
    (
        "[carrier.net]\nbudget = 5",
        "carrier.net.budget (line 2): 5 is no budget. Write a size per hour, day or month, l",
    ),
    ('[carrier.net]\nbudget = "5 MB"', "carrier.net.budget (line 2): '5 MB' is no budget."),
    ('[carrier.net]\nbudget = "5 MB/year"', "carrier.net.budget (line 2): '5 MB/year' is no budget."),
    ('[carrier.net]\nbudget = "5 s/day"', "carrier.net.budget (line 2): '5 s/day' is no budget."),
    (
        '[carrier.net]\nair = "5 MB/day"',
        "carrier.net.air (line 2): '5 MB/day' is no budget of air. Write a duration per",
    ),
    (
        '[carrier.net]\nrate = "5 MB"',
        "carrier.net.rate (line 2): '5 MB' is no rate. Write a size per second, like \"20",
    ),
    ('[carrier.net]\nhours = "25:00-06:00"', "carrier.net.hours (line 2): '25:00-06:00' is no time of day. Write when"),
    ('[carrier.net]\nhours = "24:00-06:00"', "carrier.net.hours (line 2): '24:00-06:00' is no time of day."),
    ('[carrier.net]\nhours = "06:00-06:00"', "carrier.net.hours (line 2): '06:00-06:00' is no time of day."),
    ('[carrier.net]\nhours = "06:00"', "carrier.net.hours (line 2): '06:00' is no time of day."),
    (
        '[carrier.net]\ndays = "Mun-Fri"',
        "carrier.net.days (line 2): 'Mun-Fri' is no weekday. Write weekdays, like \"Mon",
    ),
    (
        '[carrier.net]\ncron = "5-1 * * * *"',
        "carrier.net.cron (line 2): '5-1 * * * *' is no cron expression: the minute range `5-1` runs backwards. Write",
    ),
    (
        '[carrier.net]\ncron = "0 0 30 2 *"',
        "carrier.net.cron (line 2): '0 0 30 2 *' is no cron expression: there is no ",
    ),
    ('[carrier.net]\ncron = ["0 1 * * *", "0 2 * * *"]', "carrier.net.cron (line 2): one expression is wanted."),
    ('[carrier.net]\ncall = "wehn waiting"', "carrier.net.call (line 2): 'wehn waiting' is no time to call: it has 2 "),
    (
        '[carrier.net]\ncall = ["never", "0 1 * * *"]',
        "carrier.net.call (line 2): `never` stands beside something else.",
    ),
    ("[carrier.net]\ncall = true", "carrier.net.call (line 2): true stands where a text is wanted."),
    ("[carrier.net]\nneighbour = []", "carrier.net.neighbour (line 2): the list is empty. Write something in it, or"),
    (
        '[carrier.net]\ndirection = "tr"',
        "carrier.net.direction (line 2): 'tr' is not possible here. Known here: both, rx, tx.",
    ),
    (
        '[carrier.net]\ncost = "cheap"',
        "carrier.net.cost (line 2): 'cheap' is not possible here. Known here: dear, free, m",
    ),
    ("[carrier.net]\nonline = 30", "carrier.net.online (line 2): 30 has no unit."),
    ("[carrier.net]\ncalls = 0", "carrier.net.calls (line 2): 0 is out of bounds. Write a number from 1 to 64."),
    ("[carrier.net]\npriority = -1", "carrier.net.priority (line 2): -1 is out of bounds."),
    ('[carrier.net]\nretry = "2 h"\nretry_max = "1 h"', "carrier.net.retry_max (line 3): it is shorter than `retry`."),
    (
        '[carrier.net]\nproxy = "localhost:9050"',
        "carrier.net.proxy (line 2): 'localhost:9050' is no proxy. Write one l",
    ),
    ("[carrier.net]\nudev = 5", "carrier.net.udev (line 2): 5 stands where a table is wanted."),
    ("[carrier.net]\nudev = { ID_MODEL = 5 }", "carrier.net.udev.ID_MODEL (line 2): 5 stands where a text is wanted."),
    (
        '[carrier.net]\naddress = "|ssh x"\nkind = "net"',
        "carrier.net.address (line 2): a network carrier runs no commands",
    ),
    ("[carrier.net]\nnice = { a = 1 }", "carrier.net.nice (line 2): a table stands where a text is wanted."),
    (
        '[carrier.net]\n[bay.x]\nport = "*"\ncarrier = "net"',
        "bay.x.carrier (line 4): 'net' carries no sticks. Known here:",
    ),
    ('[carrier.net."a\\tb"]\ndays = "Sun"', "this name cannot be shown. Choose one of at most 32 letters."),
    ('[agent]\nlisten = "[::]:5400"', "agent.listen (line 2): '[::]:5400' stands where a list is wanted."),
    (
        '[agent]\nlisten = ["::1:5400"]',
        "agent.listen (line 2): '::1:5400' is no address. Write a list of host:port, like",
    ),
    ('[agent]\nlisten = ["localhost"]', "agent.listen (line 2): 'localhost' is no address."),
    ("[held]\nafter = 5", "held.after (line 2): 5 has no unit."),
]


@pytest.mark.parametrize(("text", "found"), COMPLAINTS, ids=range(len(COMPLAINTS)))
def test_complaints(text, found):
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert type(caught.value) is ConfigError, str(caught.value)
    assert found in str(caught.value)


def test_neighbours_of_carriers_must_be_known(tmp_path):
    path = tmp_path / "muleteer.toml"
    path.write_text(
        '[carrier.net]\nneighbour = "bbo"\n[carrier.net.x]\nneighbour = ["bob", "eve"]\n'
        '[carrier.stick]\nneighbour = "carl"\n'
    )
    with pytest.raises(ConfigErrors) as caught:
        require_known_names(load_appliance(str(path)), load(str(ALICE), {}, ()))
    first, second, stick = str(caught.value).split("\n")
    assert "carrier.stick.neighbour (line 6): 'carl' is no neighbour in " in stick
    assert "carrier.net.neighbour (line 2): 'bbo' is no neighbour in " in first
    assert "carrier.net.x.neighbour (line 4): 'eve' is no neighbour in " in second


def test_the_night_transfer_file_says_what_it_says():
    box = load_appliance(str(NIGHT))
    lan, wan = box.lines.values()
    assert (lan.name, lan.nice, lan.terms.when_waiting, lan.terms.cost) == ("lan", 255, True, Cost.FREE)
    assert (wan.name, wan.nice, wan.terms.cost, wan.terms.wake) == ("wan", 96, Cost.METERED, 32)
    assert wan.terms.crons == (cron("*/10 * * * *"),)
    assert not wan.terms.when_waiting
    (night,) = wan.variants
    assert night.window == Window(((60, 360),))
    assert dict(night.changes)["nice"] == 255
    assert lan.fits_address("[fe80::1%eth0]:5400")
    assert not lan.fits_address("cabin.example.org:5400", "wan")
