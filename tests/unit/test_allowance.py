# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pathlib
from dataclasses import replace

import pytest

from muleteer.agent.allowance import TITLE_LENGTH_MAX, names, resolve, title
from muleteer.agent.events import Now
from muleteer.carriers.stick_plan import StickTerms
from muleteer.config.appliance import RunnerRule, parse_appliance
from muleteer.config.load import load
from muleteer.config.zone import utc_offset
from muleteer.formats.niceness import BULK, MAX, NORMAL, PRIORITY
from muleteer.hotplug.recognise import StickFound

ALICE = pathlib.Path(__file__).parent.parent / "vectors" / "data" / "cfg" / "alice.hjson"
BLUE = StickFound("/dev/sda1", "usb-0:1.1", "vfat", label="BLUE", uuid="1234-ABCD", serial="S1")


@pytest.fixture(scope="module")
def config():
    return load(str(ALICE), {}, places=())


NOON = Now(1_800_014_400.0, 1000.0)  # Friday 12:00 UTC


def admit(found, bay="usb", now=NOON):
    """Return the name and the allowance of a stick that is admitted."""
    admission = found.admit(bay, BLUE, now)
    assert admission.not_now is None
    return admission.runner, admission.allowance


def rules(config, text):
    return resolve(parse_appliance(text.encode(), "muleteer.toml"), config, utc_offset)


def test_a_stick_that_no_rule_names_may_carry_what_its_carrier_may(config):
    name, allowance = admit(rules(config, '[carrier.stick]\nnice = "PRIORITY"\nsize = "5 MB"'))
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
    name, allowance = admit(rules(config, text))
    assert name == "azure"
    assert (allowance.nice, allowance.size) == (nice, size)


def test_a_runner_carries_for_those_it_names(config):
    text = '[runner.azure]\nlabel = "BLUE"\ncarry = ["bob", "self"]\ninitialise = true'
    _, allowance = admit(rules(config, text))
    assert allowance.carry == {config.aliases["bob"], config.me.id}
    assert allowance.initialise


def test_neighbours_that_acknowledge_come_with_their_patience(config):
    text = '[neighbour.bob]\nacknowledges = true\noverdue = "2 d"\n[neighbour.carol]\nacknowledge = false'
    found = rules(config, text)
    assert admit(found)[1].acknowledging == {config.aliases["bob"]: 172800.0}
    assert found.silent == {config.aliases["carol"]}


def test_each_bay_has_its_carrier(config):
    text = (
        '[carrier.stick]\n[carrier.thin]\nnice = "PRIORITY"\n'
        '[bay.left]\ndirectory = "/l"\n[bay.right]\ncarrier = "thin"\ndirectory = "/r"'
    )
    found = rules(config, text)
    assert admit(found, "left")[1].nice == MAX
    assert admit(found, "right")[1].nice == PRIORITY


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


HOURS = '[carrier.stick]\nhours = "01:00-06:00"\ndays = "Mon-Fri"'


def test_neighbours_have_ceilings_of_their_own(config):
    text = (
        '[carrier.stick]\nnice = "PRIORITY"\n[carrier.stick.far]\nneighbour = "bob"\nnice = "MAX"\nsize = "9 MB"\n'
        '[carrier.stick.noon]\nhours = "11:00-13:00"\nsize = "5 MB"\n[runner.azure]\nlabel = "BLUE"\nnice = "BULK"'
    )
    bob, carol = config.aliases["bob"], config.aliases["carol"]
    _, allowance = admit(rules(config, text))
    assert allowance.terms_for(carol) == StickTerms(PRIORITY, 5_000_000)
    assert allowance.terms_for(bob) == StickTerms(BULK, 5_000_000)
    assert list(allowance.special) == [bob]
    _, later = admit(rules(config, text), now=replace(NOON, wall=NOON.wall + 7200))
    assert (later.terms_for(carol), later.terms_for(bob)) == (StickTerms(PRIORITY), StickTerms(BULK, 9_000_000))


def test_a_carrier_for_some_does_nothing_for_others(config):
    _, allowance = admit(rules(config, '[carrier.stick]\nneighbour = "bob"\ndirection = "rx"'))
    assert allowance.terms_for(config.aliases["bob"]) == StickTerms(send=False)
    assert allowance.terms_for(config.aliases["carol"]) == StickTerms(send=False, receive=False)
    assert not allowance.loads_for(config.aliases["bob"])


def test_outside_its_hours_a_stick_may_do_nothing_until_they_begin(config):
    admission = rules(config, HOURS).admit("usb", BLUE, NOON)
    assert admission.runner == "BLUE"
    assert admission.not_now.what == "not now: carrier stick is used 01:00-06:00 Mon-Fri"
    assert admission.not_now.remedy == "leave it in, and its round begins by itself"
    assert not admission.allowance.send
    assert not admission.allowance.receive
    assert admission.until == NOON.wall + 12 * 3600  # midnight: days change there
    monday = Now(NOON.wall + (2 * 24 + 13) * 3600, 1.0)
    assert rules(config, HOURS).admit("usb", BLUE, monday).not_now is None


def test_while_the_time_is_not_sure_a_carrier_with_hours_waits(config):
    admission = rules(config, HOURS).admit("usb", BLUE, replace(NOON, sure=False))
    assert admission.not_now.what == "not now: carrier stick has hours, and the time is not sure"
    assert admission.until is None


def test_an_expression_is_for_those_who_may_ask(config):
    problem = rules(config, '[carrier.stick]\ncron = "* * 1 * *"').admit("usb", BLUE, NOON).not_now
    assert problem.what == "not now: carrier stick is used at certain times only"
    assert problem.details == ("it is used cron * * 1 * *",)
