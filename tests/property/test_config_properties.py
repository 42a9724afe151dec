# SPDX-License-Identifier: GPL-3.0-or-later
"""Configurations of any kind: garbage gives a ConfigError and nothing else; rules survive being written down."""

import json
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muleteer.config import hjson
from muleteer.config.appliance import (
    LAMPS,
    OLED_KINDS,
    AgentRules,
    BayRule,
    NeighbourRule,
    PanelRules,
    RunnerRule,
    TossRules,
    parse_appliance,
)
from muleteer.config.carrier_rules import CarrierRule
from muleteer.config.check import check
from muleteer.config.compiled import to_config, to_plain
from muleteer.config.complaints import Complaints
from muleteer.config.load import load
from muleteer.config.positions import hjson_lines, toml_lines
from muleteer.config.units import parse_duration, parse_size
from muleteer.config.write import new_keys, new_node_text, stripped_text
from muleteer.errors import ConfigError
from muleteer.formats.niceness import format_nice

VECTORS = Path(__file__).parent.parent / "vectors" / "data" / "cfg"
ALICE = (VECTORS / "alice.hjson").read_bytes()
EXAMPLE = Path(hjson.__file__).with_name("example.toml").read_bytes()
CONFIG = load(str(VECTORS / "alice.hjson"), {}, ())

KEYS = st.sampled_from(
    [
        "spool",
        "log",
        "self",
        "neigh",
        "bob",
        "id",
        "exchpub",
        "exec",
        "freq",
        "path",
        "via",
        "calls",
        "cron",
        "areas",
        "UMASK",
        "notify",
        "file",
        "mcd-send",
        "addrs",
        "toss",
        "carrier",
        "bay",
        "runner",
        "panel",
        "lamps",
        "pull",
        "nice",
        "size",
    ]
) | st.text(max_size=3)
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
MARKS = st.lists(
    st.sampled_from(
        [*"{}[]:,'\"#/\\\n\r\t =.-e09aZ\0\ufeff", "'''", '"""', "/*", "*/", "spool: ", "neigh: {", "[x]", "\\ud800"]
    ),
    max_size=40,
).map("".join)


def only_config_errors(call, *arguments):
    try:
        call(*arguments)
    except ConfigError as error:
        text = str(error)
        assert text
        assert "<where>" not in text
        assert "\x1b" not in text


def read_hjson(text):
    return check(hjson.parse(text, "f"), "f", Complaints("f", lambda path: hjson_lines(text).of(path)))


@given(text=MARKS | st.text(max_size=60))
def test_any_text_is_hjson_or_an_error(text):
    only_config_errors(read_hjson, text)


@given(tree=TREES)
def test_any_tree_is_a_configuration_or_an_error(tree):
    only_config_errors(read_hjson, json.dumps(tree, default=str))


def spoilt(original):
    places = st.integers(0, len(original) - 1)
    return st.lists(st.tuples(places, st.integers(0, 3), st.binary(max_size=3)), min_size=1, max_size=3).map(
        lambda edits: _edited(original, edits)
    )


def _edited(data, edits):
    for place, cut, added in edits:
        data = data[:place] + added + data[place + cut :]
    return data


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=spoilt(ALICE))
def test_a_damaged_configuration_never_breaks_us(tmp_path, data):
    path = tmp_path / "nncp.hjson"
    path.write_bytes(data)
    only_config_errors(load, str(path), {}, ())


@given(data=spoilt(EXAMPLE) | st.binary(max_size=60) | MARKS.map(lambda text: text.encode("utf-8", "replace")))
def test_a_damaged_appliance_file_never_breaks_us(data):
    only_config_errors(parse_appliance, data, "muleteer.toml")


@given(text=MARKS | st.text(max_size=60), path=st.lists(KEYS | st.integers(0, 3), max_size=4).map(tuple))
def test_the_line_finders_never_fail(text, path):
    for finder in (hjson_lines, toml_lines):
        line = finder(text).of(path)
        assert line is None or 1 <= line <= text.count("\n") + 1


@given(
    keys=st.lists(st.sampled_from(["a", "b", "c d", "E"]), min_size=1, max_size=4),
    above=st.lists(st.sampled_from(["", "# a: 1", "// x", "/* b: {\n*/"]), max_size=5),
)
def test_the_line_finder_finds_what_was_written(keys, above):
    text = (
        "{"
        + "\n".join(["", *above, *[f"{json.dumps(key)}: {{" for key in keys], "deep: 1", *["}" for _ in keys]])
        + "}"
    )
    line = next(number for number, part in enumerate(text.split("\n"), 1) if part == "deep: 1")
    assert hjson_lines(text).of((*keys, "deep")) == line


def test_a_stripped_configuration_stays_stripped():
    once = stripped_text(CONFIG)
    tree = check(hjson.parse(once, "f"), "f", Complaints("f", lambda _: None))
    assert stripped_text(tree) == once
    assert tree.own is None
    assert "prv" not in once


@settings(max_examples=20)
@given(spool=st.text(min_size=1, max_size=12).map(lambda text: "/" + text.replace("\0", "")), comments=st.booleans())
def test_new_nodes_read_back(spool, comments):
    keys = new_keys()
    text = new_node_text(keys, comments=comments, spool=spool)
    config = read_hjson(text)
    assert config.own == keys
    assert config.spool.rstrip("/") == hjson_clean(spool)
    assert to_config(to_plain(config)) == config


def hjson_clean(path):
    # A cleaned path, told without the cleaner: split, resolve, join.
    parts = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts) if parts else ""


# ---------------------------------------------------------------------------------------------- muleteer.toml

WORDS = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_categories=["C", "Z"]), min_size=1, max_size=12
)
PATHS = WORDS.map(lambda word: f"/{word}")
NICE = st.integers(1, 255)
SIZES = st.none() | st.integers(1, 1 << 50)
SECONDS = st.integers(1, 1 << 30)
FLAGS = st.booleans()
PINS = st.permutations(range(28))


def quoted(text):
    return json.dumps(text, ensure_ascii=False)


def shown_nice(draw, nice):
    # A bare base letter, an offset or a number: all spellings that there are.
    return draw(
        st.sampled_from([str(nice), quoted(str(nice)), quoted(format_nice(nice)), quoted(format_nice(nice).lower())])
    )


def shown_size(draw, size):
    units = {"B": 1, "kB": 1000, "MB": 10**6, "GB": 10**9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
    unit = draw(st.sampled_from([unit for unit, factor in units.items() if size % factor == 0]))
    return quoted(f"{size // units[unit]}{draw(st.sampled_from(['', ' ']))}{unit}")


def shown_seconds(draw, seconds):
    units = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 604800, "hours": 3600}
    unit = draw(st.sampled_from([unit for unit, factor in units.items() if seconds % factor == 0]))
    return quoted(f"{seconds // units[unit]} {unit}")


@st.composite
def appliances(draw):
    """Draw a muleteer.toml and, field by field, what it says."""
    agent = AgentRules(draw(WORDS), draw(PATHS))
    toss = TossRules(
        draw(st.lists(PATHS.filter(lambda path: ":" not in path), min_size=1, max_size=3).map(":".join)),
        draw(SECONDS),
        draw(FLAGS),
    )
    carriers = {
        name: CarrierRule(name, "stick", draw(NICE), draw(SIZES))
        for name in draw(st.sets(WORDS, min_size=1, max_size=2))
    }
    bays = {}
    for name in draw(st.sets(WORDS, min_size=1, max_size=3)):
        place = draw(PATHS | st.none())
        bays[name] = BayRule(name, draw(st.sampled_from(sorted(carriers))), place, None if place else draw(WORDS))
    runners = tuple(
        RunnerRule(name, draw(WORDS), None, draw(WORDS | st.none()), draw(NICE), draw(SIZES), carry, draw(FLAGS))
        for name in draw(st.sets(WORDS, max_size=2))
        for carry in [draw(st.none() | st.lists(WORDS, max_size=2).map(tuple))]
    )
    neighbours = {
        name: NeighbourRule(name, draw(FLAGS), draw(FLAGS), draw(SECONDS)) for name in draw(st.sets(WORDS, max_size=2))
    }
    pins = iter(draw(PINS))
    lamps = {name: next(pins) for name in LAMPS if draw(FLAGS)}
    panel = PanelRules(
        draw(st.sampled_from(OLED_KINDS)), draw(PATHS | st.none()), lamps, {name: next(pins) for name in bays}
    )
    lines = ["[agent]", f"name = {quoted(agent.name)}", f"socket = {quoted(agent.socket)}"]
    lines += ["[toss]", f"path = {quoted(toss.path)}", f"time_limit = {shown_seconds(draw, toss.time_limit_s)}"]
    lines += [f"seen = {quoted(toss.seen)}"]
    for rule in carriers.values():
        lines += [f"[carrier.{quoted(rule.name)}]", f"nice = {shown_nice(draw, rule.nice)}"]
        lines += [f"size = {shown_size(draw, rule.size)}"] if rule.size else []
    for bay in bays.values():
        where = f"directory = {quoted(bay.directory)}" if bay.directory else f"port = {quoted(bay.port)}"
        lines += [f"[bay.{quoted(bay.name)}]", f"carrier = {quoted(bay.carrier)}", where]
    for runner in runners:
        lines += [
            f"[runner.{quoted(runner.name)}]",
            f"label = {quoted(runner.label)}",
            f"nice = {shown_nice(draw, runner.nice)}",
        ]
        lines += [f"serial = {quoted(runner.serial)}"] if runner.serial else []
        lines += [f"size = {shown_size(draw, runner.size)}"] if runner.size else []
        lines += [] if runner.carry is None else [f"carry = [{', '.join(map(quoted, runner.carry))}]"]
        lines += [f"initialise = {quoted(runner.initialise)}"]
    for rule in neighbours.values():
        lines += [f"[neighbour.{quoted(rule.name)}]", f"acknowledge = {quoted(rule.acknowledge)}"]
        lines += [f"acknowledges = {quoted(rule.acknowledges)}", f"overdue = {shown_seconds(draw, rule.overdue_s)}"]
    lines += ["[panel]", f"oled = {quoted(panel.oled)}", *([f"png = {quoted(panel.png)}"] if panel.png else [])]
    lines += ["[panel.lamps]", *[f"{name} = {pin}" for name, pin in lamps.items()]]
    lines += ["[panel.lamps.pull]", *[f"{quoted(name)} = {pin}" for name, pin in panel.pull.items()]]
    return "\n".join(lines), (agent, toss, carriers, bays, runners, neighbours, panel)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(written=appliances())
def test_rules_survive_being_written_down(written):
    text, expected = written
    box = parse_appliance(text.encode(), "muleteer.toml")
    assert (box.agent, box.toss, box.carriers, box.bays, box.runners, box.neighbours, box.panel) == expected


@given(text=st.text(max_size=10) | st.from_regex(r"[0-9]{1,16}(\.[0-9]+)? ?[A-Za-z]{0,4}", fullmatch=True))
def test_units_are_whole_and_positive_or_refused(text):
    for parse in (parse_size, parse_duration):
        try:
            value = parse(text)
        except ValueError:
            continue
        assert type(value) is int
        assert 0 < value < 1 << 62
