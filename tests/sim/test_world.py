# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole worlds by seed; and that the checkers see it when a rule is broken on purpose."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys

import pytest

from muleteer.agent import round_work
from muleteer.agent.budgets import SessionPurse
from muleteer.carriers import outflow, stick_plan, stick_receive
from muleteer.spool import batch
from muleteer.spool.spool import Spool
from muleteer.testing.world import night
from muleteer.testing.world.__main__ import main
from muleteer.testing.world.disk import WorldDisk
from muleteer.testing.world.scenario import scenario_of
from muleteer.testing.world.world import World, play

FEW = range(12)
SEARCHED = 60  # seeds in which a broken rule must show
LOSING, BUDGET = 6, 55  # where it shows soon


@pytest.mark.parametrize("seed", FEW)
def test_every_rule_holds(seed):
    outcome = play(seed)
    assert outcome.ok, "\n".join(outcome.violations)
    assert outcome.counts["delivered"]


@pytest.mark.slow
def test_every_rule_holds_in_two_hundred_worlds(capsys):
    assert main(["--seeds", "200", "--from", str(len(FEW))]) == 0
    told = capsys.readouterr().out
    with capsys.disabled():
        sys.stdout.write(f"\n{told}")
    (faults,) = re.findall(r"200 worlds, \d+ days, (\d+) faults", told)
    assert int(faults) > 10_000
    assert "every rule held" in told


def test_the_same_seed_gives_the_same_log():
    logs = []
    for _ in range(2):
        lines: list[str] = []
        outcome = play(4, lines.append)
        logs.append((lines, outcome.digest, outcome.faults, outcome.counts))
    assert logs[0] == logs[1]
    assert len(logs[0][0]) > 100
    assert play(5).digest != logs[0][1]


def test_the_same_seed_gives_the_same_log_in_every_process():
    """Sets of bytes come in another order in each process: nothing that can be seen may depend on it."""
    program = "from muleteer.testing.world.world import play; print(*(play(seed).digest for seed in (0, 1, 3)))"
    told = set()
    for hashes in ("1", "2"):
        environ = {**os.environ, "PYTHONHASHSEED": hashes, "PYTHONPATH": os.pathsep.join(sys.path)}
        ran = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
        told.add(ran.stdout)
    assert len(told) == 1


def test_one_world_can_be_told_and_a_broken_rule_is_an_exit_code(capsys, monkeypatch):
    assert main(["--verbose", "--from", "3"]) == 0
    assert "session began" in capsys.readouterr().out
    monkeypatch.setattr(stick_plan, "urgency", lambda queued: (-queued.nice, queued.size, queued.name))
    assert main(["--seeds", "3", "--jobs", "1"]) == 1
    assert "BROKEN" in capsys.readouterr().out


def test_a_week_of_night_transfers(capsys):
    assert main(["--week"]) == 0
    told = capsys.readouterr().out
    with capsys.disabled():
        sys.stdout.write(f"\n{told}")
    assert "no rule was broken" in told


def test_the_table_of_the_week_says_what_the_example_promises():
    world, transfers = night.the_week()
    assert world.run().ok
    by_wan = [transfer for transfer in transfers if transfer.carrier == "wan" and transfer.at < night.WEEK]
    by_lan = [transfer for transfer in transfers if transfer.carrier == "lan" and transfer.at < night.WEEK]
    hours = {transfer.at % 86400 // 3600 for transfer in by_wan if transfer.nice > 96}
    assert hours
    assert hours <= set(range(1, 6))
    assert {17 <= transfer.at % 86400 / 3600 < 19 for transfer in by_lan} == {True}
    waits = {nice: [] for nice, _ in night.CLASSES}
    for letter in world.scenario.letters:
        waits[letter.nice].append(world.checkers.arrived[letter.number] - letter.at)
    assert max(waits[32]) < 60
    assert max(waits[96]) < 20 * 60


# ---------------------------------------------------------------------------------------------- the checkers can fail


def first_violation(start=0):
    """Return what is found in the first world that shows anything."""
    for seed in range(start, start + SEARCHED):
        outcome = play(seed)
        if not outcome.ok:
            return outcome.violations[0]
    return None


def test_a_lamp_that_says_safe_too_early_is_seen(monkeypatch):
    monkeypatch.setattr(round_work, "give_back", lambda *_args: None)  # never unmounts
    assert "says safe to pull" in first_violation()


def test_a_ceiling_that_is_not_kept_is_seen(monkeypatch):
    monkeypatch.setattr(stick_plan, "hold_of", lambda *_args: None)
    assert "is above what" in first_violation()


def test_an_order_that_is_not_kept_is_seen(monkeypatch):
    monkeypatch.setattr(stick_plan, "urgency", lambda queued: (-queued.nice, queued.size, queued.name))
    assert "was written to" in first_violation()


def test_a_budget_that_is_not_kept_is_seen(monkeypatch):
    monkeypatch.setattr(SessionPurse, "draw", lambda _self, wanted: wanted)
    assert "allowed" in first_violation(BUDGET)


def test_a_source_that_goes_before_its_packet_is_durable_is_seen(monkeypatch):
    plain = WorldDisk.fsync_dir

    def forgets(self, path):
        if "/rx" not in path and "/tx" not in path:
            plain(self, path)

    monkeypatch.setattr(WorldDisk, "fsync_dir", forgets)
    assert "did not arrive" in first_violation(LOSING)


def test_a_mark_that_is_not_made_is_seen(monkeypatch):
    plain = Spool.finish
    monkeypatch.setattr(Spool, "finish", lambda *args, seen=False, **keys: plain(*args, seen=False, **keys))
    assert "delivered again" in first_violation()


def test_a_letter_that_is_thrown_away_is_seen(monkeypatch):
    counter = itertools.count()
    plain = stick_receive.Receiver._take

    def careless(self, candidate, batch, patience):
        if next(counter) % 7 == 3:
            self._again.append(candidate)  # as if it had been here before
        else:
            plain(self, candidate, batch, patience)

    monkeypatch.setattr(stick_receive.Receiver, "_take", careless)
    assert "did not arrive" in first_violation(LOSING)


def test_a_packet_that_leaves_tx_before_it_is_confirmed_is_seen(monkeypatch):
    plain = outflow.Outflow.read

    def hasty(self, name, offset, view):
        count = plain(self, name, offset, view)
        self.confirmed(name)
        return count

    monkeypatch.setattr(outflow.Outflow, "read", hasty)
    assert first_violation() is not None


def test_a_bug_is_a_violation_and_no_traceback(monkeypatch):
    def fails(*_args):
        raise LookupError("a bug")

    monkeypatch.setattr(batch.Batch, "_commit", fails)
    outcome = World(scenario_of(0)).run()
    assert "a bug" in outcome.violations[0]
