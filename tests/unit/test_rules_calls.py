# SPDX-License-Identifier: GPL-3.0-or-later
"""`muleteer rules`: NNCP's calls as rules, rules as calls, and the table for people."""

from pathlib import Path

import pytest

from muleteer.cli.main import main
from muleteer.config import hjson
from muleteer.config.appliance import parse_appliance
from muleteer.config.calls_hjson import calls_text
from muleteer.config.calls_toml import rules_text
from muleteer.config.check import check
from muleteer.config.complaints import Complaints
from muleteer.config.cron import parse
from muleteer.config.rules_table import table_text
from muleteer.config.week import MINUTES, crons_of, due
from muleteer.errors import ConfigError
from muleteer.record import replace

ALICE = Path(__file__).parent.parent / "vectors" / "data" / "cfg" / "alice.hjson"
ADDRS = {"lan": "10.0.0.2:5400", "wan": "bob.example.org:5400", "ssh": "|ssh bob nncp-daemon -ucspi"}


def config(calls, addrs=None, others=None):
    """The configuration of a node whose neighbour bob has these calls, and others theirs."""
    raw = hjson.parse(ALICE.read_text(), "nncp.hjson")
    for name, entries in {"bob": calls, **(others or {})}.items():
        raw["neigh"][name] |= {"calls": entries, "addrs": ADDRS if addrs is None else addrs}
    return check(raw, "nncp.hjson", Complaints("nncp.hjson", lambda _: None))


def box(text):
    return parse_appliance(text.encode(), "muleteer.toml")


def calls_of(text, name="bob"):
    """What an exported text says, as a set of things that can be compared."""
    tree = hjson.parse(text, "calls")["neigh"].get(name, {"calls": []})
    return {tuple(sorted(entry.items())) for entry in tree["calls"]}


CALLS = [
    {"cron": "*/1 * * * *", "addr": "lan", "when-tx-exists": True, "onlinedeadline": 3600},
    {"cron": "*/10 * * * *", "addr": "wan", "nice": "PRIORITY", "xx": "rx", "maxonlinetime": 600},
    {"cron": "0 1 * * *", "addr": "wan", "maxonlinetime": 18000},
    {"cron": "0 2 * * *", "addr": "wan", "maxonlinetime": 18000, "when-tx-exists": True},
    {"cron": "30 2 1 * *", "addr": "ssh", "nice": "97", "xx": "tx"},
]


def test_calls_survive_being_rules():
    made = config(CALLS)
    rules = box(rules_text(made))
    assert calls_of(calls_text(rules, made)) == {tuple(sorted(call.items())) for call in CALLS}


def test_calls_that_differ_in_time_only_become_one_carrier():
    rules = box(rules_text(config(CALLS))).lines
    assert list(rules) == ["net", "pipe", "lan", "wan", "wan-2", "ssh"]
    terms = rules["wan-2"].terms
    assert (terms.crons, terms.crons_waiting) == ((parse("0 1 * * *"),), (parse("0 2 * * *"),))
    assert (terms.online_s, terms.idle_s, terms.when_waiting, terms.answer) == (18000, None, False, False)
    assert (rules["ssh"].kind, rules["ssh"].nice, rules["ssh"].terms.receive) == ("pipe", 97, False)
    assert (rules["wan"].terms.send, rules["wan"].terms.receive, rules["wan"].nice) == (False, True, 96)
    assert all(rule.neighbours == {"bob"} for name, rule in rules.items() if name not in ("net", "pipe"))
    assert rules["net"].terms.answer


def test_neighbours_with_the_same_calls_share_a_carrier():
    rules = box(rules_text(config(CALLS[:1], others={"carol": CALLS[:1], "dave": CALLS[1:2]}))).lines
    assert rules["lan"].neighbours == {"bob", "carol"}
    assert rules["wan"].neighbours == {"dave"}


def test_a_call_without_an_address_means_all_of_them():
    made = config([{"cron": "0 1 * * *"}], addrs={"lan": ADDRS["lan"], "wan": ADDRS["wan"]})
    rules = box(rules_text(made))
    assert rules.lines["bob"].match.address == ()
    assert calls_of(calls_text(rules, made)) == {(("cron", "0 1 * * *"),)}
    both = box(rules_text(config([{"cron": "0 1 * * *"}]))).lines
    assert [both[name].kind for name in ("bob", "bob-2")] == ["net", "pipe"]


def test_what_rules_cannot_say_is_said():
    text = rules_text(
        config(
            [
                {"cron": "0 1 * * *", "addr": "lan", "rxrate": 5, "nock": True, "mcd-ignore": True},
                {"cron": "0 2 * * *", "addr": "wan", "autotoss": True, "autotoss-noexec": True},
                {"cron": "0 3 * * *", "addr": "elsewhere:5400", "txrate": 1},
                {"cron": "0 4 * * *", "addr": "wan", "xx": "rx", "when-tx-exists": True},
            ]
        )
    )
    said = [line for line in text.split("\n") if line.startswith('# "bob": ')]
    assert [line[9:] for line in said] == [
        "cannot be expressed: rxrate (packets a second; `rate` counts bytes)",
        "cannot be expressed: nock (what comes in is checked at once)",
        "cannot be expressed: what `autotoss-no...` leaves out; the agent tosses everything",
        "cannot be expressed: txrate (packets a second; `rate` counts bytes)",
        'its address "elsewhere:5400" must get a name in `addrs` to be called by rules',
        "when-tx-exists is left out: who only receives need not wait for something to send",
    ]
    assert "bob-2" not in box(text).lines


def test_a_call_by_the_name_of_an_address_goes_where_the_neighbour_was_found_as_well_unless_mcd_ignore():
    calls = [{"cron": "0 1 * * *", "addr": "lan"}, {"cron": "0 2 * * *", "addr": "lan", "mcd-ignore": True}]
    made = config([*calls, {"cron": "0 3 * * *", "mcd-ignore": True}], addrs={"lan": "10.0.0.2:5400"})
    text = rules_text(made)
    assert "mcd-ignore" in text  # of the third, and of it alone
    assert text.count("mcd-ignore") == 1
    assert not box(text).lines["lan"].fits_address("[fe80::2%eth0]:5400")  # nobody listens
    lines = box(rules_text(replace(made, mcd_listen=(".*",)))).lines
    assert [lines[name].fits_address("[fe80::2%eth0]:5400") for name in ("lan", "lan-2")] == [True, False]


def test_without_calls_nobody_is_called():
    text = rules_text(config([]))
    assert text.endswith("# There are no `calls`: nothing else calls anybody.\n")
    assert all(not rule.terms.when_waiting for rule in box(text).lines.values())


NIGHT = """
[carrier.wan]
interface = "ppp*"
address = "wan"
nice = "PRIORITY"
size = "1 MB"
call = "*/10 * * * *"
wake = "FLASH"
[carrier.wan.night]
hours = "22:00-06:00"
days = "Mon-Fri"
nice = "MAX"
budget = "1 GB/day"
online = "1 h"
"""


def test_windows_become_hours_of_the_cron_expressions():
    text = calls_text(box(NIGHT), config([]))
    by_day, by_night = [("nice", "PRIORITY")], [("maxonlinetime", 3600)]
    woken = [("nice", "FLASH"), ("when-tx-exists", True)]
    expected = [
        ("*/10 0-21 * * 1", by_day),  # the night to Monday begins on Sunday, which has none
        ("*/10 6-21 * * 2-5", by_day),
        ("*/10 6-23 * * 6", by_day),
        ("*/10 * * * 0", by_day),
        ("*/10 22-23 * * 1", by_night),
        ("*/10 0-5,22-23 * * 2-5", by_night),
        ("*/10 0-5 * * 6", by_night),
    ]
    # What wakes the carrier is looked for every minute, in the same hours.
    expected += [
        (cron.replace("*/10", "*"), [*woken, *(by_night if rest is by_night else [])]) for cron, rest in expected
    ]
    assert calls_of(text) == {tuple(sorted([("addr", "wan"), ("cron", cron), *rest])) for cron, rest in expected}
    assert "cannot be expressed: its interface, size, budget\n" in text


def test_what_calls_cannot_say_is_said():
    text = calls_text(
        box(
            '[carrier.net]\naddress = "lan"\n'
            '[carrier.net.x]\ncron = "* * 1-7 * *"\nsize = "1 MB"\n'
            '[carrier.far]\naddress = "sat"\ncall = "0 0 1 * *"\n'
            '[carrier.late]\naddress = "wan"\ncall = "0 1 1 * *"\nhours = "00:30-05:00"\nanswer = false\n'
        ),
        config([]),
    )
    for line in (
        "# Whose calls are answered is not for `calls` to say",
        "# cannot be expressed: its size",
        "# cannot be expressed: the cron expression that says when `x` applies; it is taken for a week of January",
        "# it calls as soon as something waits; here, every minute looks whether something does",
        "# carrier far: no address of bob is one of its",
        "# cannot be expressed: '0 1 1 * *' at certain hours only; it is left out",
    ):
        assert line in text
    assert calls_of(text) == {(("addr", "lan"), ("cron", "* * * * *"), ("when-tx-exists", True))}


def test_a_carrier_that_only_receives_does_not_wait_for_something_to_send():
    text = calls_text(box('[carrier.net]\ndirection = "rx"\ncall = ["when waiting", "0 1 * * *"]'), config([]))
    assert {dict(call)["cron"] for call in calls_of(text)} == {"0 1 * * *"}
    assert "when-tx-exists" not in text


def test_implicit_carriers_and_strangers_have_no_calls():
    assert "# No rule calls anybody." in calls_text(box(""), config(CALLS))
    assert "# No rule calls anybody." in calls_text(box('[carrier.net]\nneighbour = "eve"'), config([]))


@pytest.mark.parametrize(
    ("minutes", "crons"),
    [
        (range(MINUTES), ["* * * * *"]),
        (range(0, MINUTES, 10), ["*/10 * * * *"]),
        (range(60, 120), ["* 1 * * 1"]),
        ([minute + 1440 * day for day in (5, 6) for minute in (0, 30)], ["*/30 0 * * 0,6"]),
        ([minute + 1440 * day for day in range(5) for minute in (65, 66, 67, 720)], ["5-7 1 * * 1-5", "0 12 * * 1-5"]),
        ([], []),
    ],
)
def test_minutes_of_the_week_as_cron_expressions(minutes, crons):
    assert crons_of(set(minutes)) == crons
    assert set().union(*(due(parse(text), range(MINUTES)) for text in crons)) == set(minutes)


def test_the_table():
    assert table_text(box(NIGHT)) == (
        "CARRIER  WHEN, FOR WHOM       NICENESS  SIZE  WAY   BUDGET    CALLS         COST\n"
        "stick    always               MAX       any   both  none      -             -\n"
        "wan      always               PRIORITY  1 MB  both  none      */10 * * * *  free\n"
        " .night  22:00-06:00 Mon-Fri  MAX                   1 GB/day\n"
        "\n"
        "wan: net; interface ppp*; address wan; FLASH calls at once\n"
        "wan.night: sessions up to 1 h\n"
        "\n"
        "A line with a dot says what differs then; of several that hold, the lower one counts.\n"
    )


def test_the_table_of_sticks():
    text = (
        '[carrier.stick]\nnice = "BULK"\ndirection = "tx"\nneighbour = "bob"\n'
        '[carrier.stick.night]\nhours = "01:00-06:00"\nsize = "1 GB"\ndirection = "both"\n[carrier.net]\n'
    )
    assert table_text(box(text)).split("\n")[1:3] == [
        "stick    always, bob     BULK      any   tx    none    -             -",
        " .night  01:00-06:00               1 GB  both",
    ]
    assert "of several that hold" in table_text(box(text))
    assert "stick" not in calls_text(box(text), config([]))


def test_the_table_of_a_box_without_rules():
    assert table_text(box("")).split("\n")[2:] == [
        "net      always          MAX       any   both  none    `calls` alone  free",
        "pipe     always          MAX       any   both  none    `calls` alone  free",
        "",
    ]


def test_the_table_says_everything():
    text = table_text(
        box(
            '[carrier.net]\nudev = { ID_MODEL = "x*" }\nport = "p*"\nproxy = "socks5://h:1"\nidle = "20 s"\n'
            'rate = "20 KB/s"\nanswer = false\nretry = "2 min"\nretry_max = "2 h"\npriority = 3\ncalls = 2\n'
            'air = "36 s/hour"\ndirection = "tx"\ncall = "never"\nneighbour = ["b", "a"]\ncron = "* 1 * * *"\n'
        )
    )
    assert "net      cron * 1 * * *, a, b  MAX       any   tx    36 s/hour  never  free\n" in text
    assert (
        "net: net; ID_MODEL x*; port p*; through socks5://h:1; sessions end after 20 s without traffic; "
        "sends at most 20 KB/s; answers no calls; tries again after 2 min; at the latest after 2 h; priority 3; "
        "2 at once; short handshake, small frames\n"
    ) in text


@pytest.fixture
def files(tmp_path):
    nncp = tmp_path / "nncp.hjson"
    text = ALICE.read_text()
    nncp.write_text(text)
    toml = tmp_path / "muleteer.toml"
    toml.write_text(f'nncp = "{nncp}"\n[carrier.net]\naddress = "lan"\nneighbour = "bob"\n')
    return toml, nncp


def test_the_verb(files, capsys):
    toml, nncp = files
    for what, beginning in [
        (["show"], "CARRIER  "),
        (["import"], f"# The `calls` of {nncp} as carrier rules"),
        (["import", "--nncp", str(nncp)], f"# The `calls` of {nncp} as carrier rules"),
        (["export"], f"# The rules of {toml} as `calls` for {nncp}"),
        (["export", "--nncp", str(nncp)], f"# The rules of {toml} as `calls` for {nncp}"),
    ]:
        assert main(["rules", *what, "-c", str(toml)]) == 0
        assert capsys.readouterr().out.startswith(beginning)


def test_the_table_is_shown_to_who_may_not_read_the_keys(files, capsys):
    toml, nncp = files
    nncp.unlink()
    assert main(["rules", "show", "-c", str(toml)]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("CARRIER  ")
    assert "there is no such file" in told.err


def test_the_table_is_not_shown_of_rules_that_are_wrong(files, capsys):
    toml, _ = files
    toml.write_text(toml.read_text().replace('"lan"', "5"))
    assert main(["rules", "show", "-c", str(toml)]) == ConfigError.exit_code
    assert "carrier.net.address (line 3): 5 stands where a text is wanted" in capsys.readouterr().err
