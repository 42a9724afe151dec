# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pathlib
from dataclasses import replace

import pytest

from muleteer.agent.allowance import TITLE_LENGTH_MAX, names, resolve, title
from muleteer.config.appliance import RunnerRule, parse_appliance
from muleteer.config.load import load
from muleteer.formats.niceness import MAX, NORMAL, PRIORITY
from muleteer.hotplug.recognise import StickFound

ALICE = pathlib.Path(__file__).parent.parent / "vectors" / "data" / "cfg" / "alice.hjson"
BLUE = StickFound("/dev/sda1", "usb-0:1.1", "vfat", label="BLUE", uuid="1234-ABCD", serial="S1")


@pytest.fixture(scope="module")
def config():
    return load(str(ALICE), {}, places=())


def rules(config, text):
    return resolve(parse_appliance(text.encode(), "muleteer.toml"), config)


def test_a_stick_that_no_rule_names_may_carry_what_its_carrier_may(config):
    name, allowance = rules(config, '[carrier.stick]\nnice = "PRIORITY"\nsize = "5 MB"').admit("usb", BLUE)
    assert name == "BLUE"
    assert (allowance.nice, allowance.size, allowance.carry, allowance.initialise) == (PRIORITY, 5_000_000, None, False)


@pytest.mark.parametrize(
    ("carrier", "runner", "nice", "size"),
    [
        ("", "", MAX, None),
        ('nice = "NORMAL"', 'nice = "PRIORITY"', PRIORITY, None),
        ('nice = "NORMAL"', 'nice = "BULK"', NORMAL, None),
        ('size = "5 MB"', 'size = "7 MB"', MAX, 5_000_000),
        ('size = "5 MB"', 'size = "2 MB"', MAX, 2_000_000),
        ("", 'size = "2 MB"', MAX, 2_000_000),
        ('size = "5 MB"', "", MAX, 5_000_000),
    ],
)
def test_the_tighter_ceiling_wins(config, carrier, runner, nice, size):
    text = f'[carrier.stick]\n{carrier}\n[runner.azure]\nlabel = "BLUE"\n{runner}'
    name, allowance = rules(config, text).admit("usb", BLUE)
    assert name == "azure"
    assert (allowance.nice, allowance.size) == (nice, size)


def test_a_runner_carries_for_those_it_names(config):
    text = '[runner.azure]\nlabel = "BLUE"\ncarry = ["bob", "self"]\ninitialise = true'
    _, allowance = rules(config, text).admit("usb", BLUE)
    assert allowance.carry == {config.aliases["bob"], config.me.id}
    assert allowance.initialise


def test_neighbours_that_acknowledge_come_with_their_patience(config):
    text = '[neighbour.bob]\nacknowledges = true\noverdue = "2 d"\n[neighbour.carol]\nacknowledge = false'
    found = rules(config, text)
    assert found.admit("usb", BLUE)[1].acknowledging == {config.aliases["bob"]: 172800.0}
    assert found.silent == {config.aliases["carol"]}


def test_each_bay_has_its_carrier(config):
    text = (
        '[carrier.stick]\n[carrier.thin]\nnice = "PRIORITY"\n'
        '[bay.left]\ndirectory = "/l"\n[bay.right]\ncarrier = "thin"\ndirectory = "/r"'
    )
    found = rules(config, text)
    assert found.admit("left", BLUE)[1].nice == MAX
    assert found.admit("right", BLUE)[1].nice == PRIORITY


def rule(label=None, uuid=None, serial=None):
    return RunnerRule("r", label, uuid, serial, MAX, None, None, initialise=False)


def test_everything_a_rule_tells_of_its_stick_must_be_so():
    assert names(rule(label="BLUE"), BLUE)
    assert names(rule(label="BLUE", serial="S1"), BLUE)
    assert not names(rule(label="BLUE", serial="S2"), BLUE)
    assert not names(rule(uuid="X"), BLUE)
    assert not names(rule(), BLUE)


def test_a_stick_without_label_is_called_by_what_it_has():
    assert title(replace(BLUE, label="")) == "1234-ABCD"
    assert title(replace(BLUE, label="", uuid="")) == "S1"
    assert title(replace(BLUE, label="", uuid="", serial="")) == "sda1"


def test_a_hostile_label_is_made_harmless():
    shown = title(replace(BLUE, label="\x1b[2J\n" * 100))
    assert shown.isprintable()
    assert len(shown) == TITLE_LENGTH_MAX
