# SPDX-License-Identifier: GPL-3.0-or-later
"""Our cron expressions against the real nncp-cronexpr: random ones, the command itself, and where we mean to differ."""

import json
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from cron_lab import Asker, Question, difference, differences

from muleteer.config import hjson
from muleteer.config.appliance import parse_appliance
from muleteer.config.calls_hjson import calls_text
from muleteer.config.check import check
from muleteer.config.complaints import Complaints
from muleteer.config.cron import parse
from muleteer.errors import BadCron

pytestmark = pytest.mark.interop

ALICE = Path(__file__).parent.parent / "vectors" / "data" / "cfg" / "alice.hjson"

STAMP = re.compile(r"^Now:\t\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?Z$")


def test_five_hundred_random_expressions_come_due_at_the_same_times():
    asker, tally = Asker(3), Counter()
    assert not differences([asker.question() for _ in range(500)], tally)
    assert tally["times"] > 2500
    assert tally["refused"] > 20


def test_daylight_saving_moves_the_same_times_to_the_same_instants():
    asker, tally = Asker(3), Counter()
    assert not differences([asker.question_of_a_change() for _ in range(150)], tally)
    assert tally["moved by daylight saving"] > 5
    assert tally["times"] > 1000


@pytest.mark.parametrize(
    "text",
    [
        *("*/59 * * * *", "0 0 31W * *", "0 0 1W * *", "0 0 L,LW,15W * *", "0 0 * * 7L,sun#2", "0 0 13 * 5"),
        *("0 0 *,1 * 1", "0 0 ? * 1", "0 0 1 */12 *", "0 0 * * 0-7", "0 0 * * 7/2", "30 0 0 1 1 * 2031"),
        *(
            "0 0 30 2 *",
            "0 0 29 2 *",
            "0 0 1 1 * 1999",
            "* * * * * * * *",
            "@daily @daily",
            "\f0 0 1 1 *\r",
            "0 0 5W 2 ?",
        ),
    ],
)
def test_chosen_expressions(text):
    assert difference(Question(text, "Europe/Berlin"), Counter()) is None


def reference(*arguments):
    return subprocess.run(["nncp-cronexpr", *arguments], capture_output=True, text=True, check=False, timeout=20)


@pytest.mark.parametrize(
    "words",
    [
        ("-num", "3", "0 0 1 1 * 2030"),
        ("-num", "2", "0", "12", "*", "*", "*"),
        ("-num", "0", "* * * * *"),
        ("--num=12", "*/5 * * * *"),
        ("0 0 30 2 *",),
        ("bad",),
        (),
        ("-num", "x", "* * * * *"),
        ("-num", "-1", "* * * * *"),
        ("-nmu", "1", "* * * * *"),
        ("-help",),
    ],
    ids=" ".join,
)
def test_the_command_behaves_as_the_reference(both, words):
    both.same("cronexpr", "", *words)


def test_the_command_prints_the_same_to_the_letter_but_for_now(both):
    go, ours = both("cronexpr", "", "15 6 1 1,7 *", env={"TZ": "Europe/Berlin"})
    assert ours.out.split(b"\n")[1:] == go.out.split(b"\n")[1:]
    assert STAMP.fullmatch(ours.out.decode().split("\n")[0])


@pytest.mark.parametrize("text", ["5-1 * * * *", "* 5-1 * * *"])
def test_a_reversed_range_is_an_error_and_crashes_the_reference(text):
    assert "panic" in reference(text).stderr
    with pytest.raises(BadCron, match="runs backwards"):
        parse(text)


@pytest.mark.parametrize("text", ["0 0 * * 5-7", "0 0 20-10 * *", "0 0 1 1 * 2030-2029"])
def test_a_reversed_range_of_days_is_an_error_and_names_nothing_in_the_reference(text):
    assert reference(text).stdout.count("\n") == 1
    with pytest.raises(BadCron, match="runs backwards"):
        parse(text)


def test_the_reference_misreads_leading_zeros_in_months_and_weekdays():
    # January as December of the year before, Friday as Sunday.
    assert re.search(r"^0:\t\d{4}-12-01T", reference("0 0 1 01 *").stdout, re.MULTILINE)
    assert parse("0 0 1 01 *").months == (1,)
    assert reference("0 0 * * 05").stdout[20:] != reference("0 0 * * 5").stdout[20:]
    assert parse("0 0 * * 05").weekdays == parse("0 0 * * 5").weekdays


def test_the_reference_takes_exported_calls(tmp_path):
    rules = """
        [carrier.wan]
        address = "wan"
        nice = "PRIORITY"
        call = ["*/10 * * * *", "0 3 1 * * when waiting"]
        idle = "20 s"
        [carrier.wan.night]
        hours = "22:00-06:00"
        direction = "tx"
        nice = 101
        online = "1 h"
        call = ["when waiting", "*/10 * * * *"]
    """
    tree = hjson.parse(ALICE.read_text(), "alice.hjson")
    tree["neigh"]["bob"]["addrs"] = {"wan": "bob.example.org:5400", "lan": "10.0.0.2:5400"}
    config = check(tree, "alice.hjson", Complaints("alice.hjson", lambda _: None))
    exported = hjson.parse(calls_text(parse_appliance(rules.encode(), "muleteer.toml"), config), "calls")
    tree["neigh"]["bob"] |= exported["neigh"]["bob"]
    assert len(tree["neigh"]["bob"]["calls"]) == 3
    path = tmp_path / "nncp.hjson"
    path.write_text(json.dumps(tree))
    done = subprocess.run(["nncp-cfgmin", "-cfg", path], capture_output=True, text=True, check=False, timeout=20)
    assert (done.returncode, done.stderr) == (0, "")
