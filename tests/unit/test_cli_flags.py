# SPDX-License-Identifier: GPL-3.0-or-later
"""Go's flag syntax, point by point."""

import pytest

from muleteer.cli.flags import INT, SWITCH, TEXT, UINT, BadFlag, Flag, parse

TABLE = (
    Flag("quiet", SWITCH, False, "say nothing"),
    Flag("nice", TEXT, "B", "niceness"),
    Flag("minsize", INT, -1, "smallest"),
    Flag("maxsize", UINT, 0, "biggest"),
)


def flags_of(*words):
    return parse(TABLE, words).flags


def refusal(*words):
    with pytest.raises(BadFlag) as caught:
        parse(TABLE, words)
    return str(caught.value)


def test_absent_flags_have_their_defaults():
    assert flags_of() == {"quiet": False, "nice": "B", "minsize": -1, "maxsize": 0}


@pytest.mark.parametrize("words", [("-nice", "F"), ("-nice=F",), ("--nice", "F"), ("--nice=F",)])
def test_four_ways_to_give_a_value(words):
    assert flags_of(*words)["nice"] == "F"


def test_a_value_may_be_empty_or_hold_more_signs():
    assert flags_of("-nice=")["nice"] == ""
    assert flags_of("-nice=a=b")["nice"] == "a=b"
    assert flags_of("-nice", "-quiet")["nice"] == "-quiet"


def test_the_last_one_counts():
    assert flags_of("-nice", "F", "-nice", "P")["nice"] == "P"


@pytest.mark.parametrize("text", ["1", "t", "T", "true", "TRUE", "True"])
def test_switch_on(text):
    assert flags_of(f"-quiet={text}")["quiet"] is True


@pytest.mark.parametrize("text", ["0", "f", "F", "false", "FALSE", "False"])
def test_switch_off(text):
    assert flags_of("-quiet", f"-quiet={text}")["quiet"] is False


def test_a_switch_takes_no_separate_value():
    given = parse(TABLE, ["-quiet", "false", "-nice", "F"])
    assert given.on("quiet")
    assert given.words == ("false", "-nice", "F")


@pytest.mark.parametrize(
    ("words", "rest"),
    [
        (["a", "-quiet"], ("a", "-quiet")),
        (["--", "-quiet"], ("-quiet",)),
        (["-", "-quiet"], ("-", "-quiet")),
        (["-quiet", "--", "--"], ("--",)),
        (["", "-quiet"], ("", "-quiet")),
    ],
)
def test_where_flags_end(words, rest):
    assert parse(TABLE, words).words == rest


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("-5", -5),
        ("+7", 7),
        ("0x1f", 31),
        ("0X1F", 31),
        ("0o17", 15),
        ("017", 15),
        ("-017", -15),
        ("0b11", 3),
        ("1_000", 1000),
    ],
)
def test_numbers(text, number):
    assert flags_of("-minsize", text)["minsize"] == number


@pytest.mark.parametrize("text", ["", "x", "1.5", "08", "1 ", " 1", "--1", "٣", "0x"])
def test_no_numbers(text):
    assert refusal("-minsize", text) == f'invalid value "{text}" for flag -minsize: parse error'


def test_numbers_out_of_range():
    assert flags_of("-minsize", str(-(1 << 63)))["minsize"] == -(1 << 63)
    assert refusal("-minsize", str(1 << 63)).endswith("value out of range")
    assert flags_of("-maxsize", str((1 << 64) - 1))["maxsize"] == (1 << 64) - 1
    assert refusal("-maxsize", str(1 << 64)).endswith("value out of range")


@pytest.mark.parametrize("text", ["-1", "+1"])
def test_unsigned_numbers_have_no_sign(text):
    assert refusal("-maxsize", text) == f'invalid value "{text}" for flag -maxsize: parse error'


def test_refusals_name_the_flag():
    assert refusal("-bogus") == "flag provided but not defined: -bogus"
    assert refusal("--bogus=1") == "flag provided but not defined: -bogus"
    assert refusal("-nice") == "flag needs an argument: -nice"
    assert refusal("-quiet=maybe") == 'invalid boolean value "maybe" for -quiet: parse error'
    assert refusal("---") == "bad flag syntax: ---"
    assert refusal("-=x") == "bad flag syntax: -=x"
    assert refusal("---nice") == "bad flag syntax: ---nice"


@pytest.mark.parametrize("word", ["-h", "-help", "--help", "--h"])
def test_a_call_for_help_is_a_refusal_without_complaint(word):
    assert refusal(word) == ""


def test_help_can_be_a_flag_of_its_own():
    table = (*TABLE, Flag("help", SWITCH, False, "help"))
    assert parse(table, ["-help"]).on("help")
