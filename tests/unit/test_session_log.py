# SPDX-License-Identifier: GPL-3.0-or-later
"""What a session leaves behind beside its mail: records in NNCP's log, and a ledger that names no more than is true."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest

from muleteer.agent.journal import Journal
from muleteer.agent.retired import forget_copies
from muleteer.agent.session_log import SessionLog
from muleteer.agent.trouble import LOG_FAILED, log_problem
from muleteer.formats.ids import NodeId
from muleteer.formats.mth import mth
from muleteer.spool.ledger import Ledger
from muleteer.spool.spool import Spool
from muleteer.testing.disk import FakeDisk

BOB, EVE = NodeId(bytes(range(32))), NodeId(bytes(range(1, 33)))
NAMES = [mth(bytes((n,))) for n in range(4)]


@pytest.fixture
def disk():
    disk = FakeDisk()
    disk.mkdir("/spool")
    return disk


@pytest.fixture
def journal():
    return Journal(io.StringIO(), lambda: 0.0, stamped=False)


def told(journal):
    return journal._stream.getvalue().splitlines()


def session_log(disk, journal, path="/log"):
    return SessionLog(SimpleNamespace(log=path), disk, journal, lambda: 0)


def test_what_a_session_does_stands_in_the_log(disk, journal):
    log = session_log(disk, journal)
    log.event("sp-start", "hello", [("Node", "X")])
    log.events([("sp-done", "sent", [("Pkt", "P")])])
    assert disk.image()["/log"].count(b"Who: sp-") == 2
    assert log.problem == ""
    assert log_problem(log.problem) is None
    assert told(journal) == ["sent packet=P"]


def test_a_log_that_cannot_be_written_is_told_once_and_nothing_is_raised(disk, journal):
    log = session_log(disk, journal, "/none/log")
    for _ in range(3):
        log.event("sp-start", "hello", [])
        log.events([("sp-done", "sent", [("Pkt", "P")])])
    assert "/none/log cannot be written" in log.problem
    assert log_problem(log.problem).details == (log.problem,)
    assert [line for line in told(journal) if line.startswith(LOG_FAILED)] == [f'{LOG_FAILED} problem="{log.problem}"']
    assert told(journal).count("sent packet=P") == 3


def test_only_what_a_neighbour_confirmed_on_line_is_litter_on_its_runners(disk, journal):
    """What somebody removed meanwhile is forgotten: its copy may be the only one."""
    spool = Spool("/spool", disk)
    ledger = Ledger(spool)
    ledger.carried("RED", BOB, NAMES[:3], 1)
    ledger.carried("RED", EVE, NAMES[3:], 1)
    disk.put(f"/spool/{BOB}/tx/{NAMES[2]}", b"still here")
    box = SimpleNamespace(spool=lambda: spool, ledger=lambda _spool: ledger)
    forget_copies(box, BOB, journal, NAMES[:1])
    assert ledger.names() == NAMES[2:]
    assert ledger.litter("RED", BOB) == NAMES[:1]
    assert ledger.litter("RED", EVE) == []
    assert told(journal) == []
