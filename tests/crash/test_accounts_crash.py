# SPDX-License-Identifier: GPL-3.0-or-later
"""The power may go at any operation: a granted byte stays spent, and the file never grows a wrong one."""

from __future__ import annotations

import copy
import errno

import pytest

from muleteer.spool.accounts import Accounts, Limit
from muleteer.spool.line_file import LineFile
from muleteer.spool.spool import Spool
from muleteer.testing.crash import PromiseBroken, enumerate_cuts, enumerate_failures
from muleteer.testing.disk import FakeDisk

DAY = Limit("cell/day", ("today",), "today", 1000)
MONTH = Limit("cell/month", ("now",), "now", 100_000)
LIMITS = (DAY, MONTH)


def build():
    disk = FakeDisk()
    disk.mkdir("/spool")
    Accounts(Spool("/spool", disk)).draw(100, LIMITS)
    disk.mark("spent 100")
    return disk


def session(disk):
    accounts = Accounts(Spool("/spool", disk))
    spent = 100
    for wanted in (200, 300):
        spent += accounts.draw(wanted, LIMITS)
        disk.mark(f"spent {spent}")
    disk.mark("spent 500")  # the least it may be from here on, whether the next is durable or not
    accounts.give_back(100, LIMITS)


def long_session(disk):
    """So many draws that the file is rewritten."""
    accounts = Accounts(Spool("/spool", disk))
    for spent in range(101, 240):
        accounts.draw(1, LIMITS)
        if spent % 10 == 0:
            disk.mark(f"spent {spent}")


def check(disk, cut):
    accounts = Accounts(Spool("/spool", disk))
    accounts.read()
    spent = accounts.spending.spent("cell/day", ["today"])
    least = max([100, *(int(mark.split()[1]) for mark in cut.marks)])
    assert spent >= (500 if least == 600 else least), f"{spent} spent, {least} granted"
    assert spent <= 1000
    assert accounts.spending.spent("cell/month", ["now"]) >= spent - 300
    assert Accounts(Spool("/spool", copy.deepcopy(disk))).draw(1000, (DAY,)) == 1000 - spent


def test_no_cut_makes_a_granted_byte_come_back():
    assert enumerate_cuts(build, session, lambda disk: None, check).cuts >= 10


def test_no_cut_while_the_file_is_rewritten_makes_a_granted_byte_come_back():
    assert enumerate_cuts(build, long_session, lambda disk: None, check, limit=4).cuts > 250


def test_no_failure_of_the_disk_makes_a_granted_byte_come_back():
    assert enumerate_failures(build, session, lambda disk: None, check, codes=(errno.EIO, errno.ENOSPC)).cuts > 20


def test_a_grant_that_is_not_synced_is_noticed(monkeypatch):
    monkeypatch.setattr(LineFile, "_sync", lambda _file, opened: None)
    with pytest.raises(PromiseBroken, match="granted"):
        enumerate_cuts(build, session, lambda disk: None, check)
