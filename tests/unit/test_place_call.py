# SPDX-License-Identifier: GPL-3.0-or-later
"""Placing calls: several addresses, and what the log says."""

from types import SimpleNamespace

import pytest

from muleteer.carriers import call
from muleteer.carriers.call import place_call
from muleteer.carriers.call_log import CallLog
from muleteer.carriers.online import SessionReport
from muleteer.carriers.stream import WakeFlag
from muleteer.errors import LinkFailed, SpoolFull, SpoolLocked, UsageError
from muleteer.formats.ids import NodeId
from muleteer.testing.nodes import MemoryLog

BOB = NodeId(bytes(32))


def report(*, established=True, error=None, wire=(100, 3000)):
    return SessionReport(BOB, established, 0, 0, 0, 0, *wire, (), 0, (), False, "idle", error, 0)


@pytest.fixture
def world(monkeypatch):
    """Connections and sessions that go as a test says: by address."""
    fates, told = {}, []

    def connect(address, **more):
        fate = fates[address]
        if isinstance(fate, Exception):
            raise fate
        return SimpleNamespace(name=address, fate=fate)

    def run(link, exchange, stop, *, began):
        if isinstance(link.fate, list):
            raise link.fate[0]
        if link.fate.established:
            began()
        return link.fate

    monkeypatch.setattr(call, "connect", connect)
    monkeypatch.setattr(call, "run", run)

    def place(*addresses, **more):
        return place_call(
            addresses,
            object,
            began=lambda address: told.append(("began", address)),
            failed=lambda address, error: told.append(("failed", address, error)),
            **more,
        )

    return place, fates, told


def test_the_first_that_answers(world):
    place, fates, told = world
    refused = LinkFailed(address="a", problem="refused")
    fates |= {"a": refused, "b": report(), "c": report()}
    assert place("a", "b", "c") is fates["b"]
    assert told == [("failed", "a", refused), ("began", "b")]


def test_one_that_hangs_up_is_passed_over(world):
    place, fates, told = world
    fates |= {"a": report(established=False), "b": report()}
    assert place("a", "b") is fates["b"]
    assert told == [("failed", "a", None), ("began", "b")]


def test_nobody(world):
    place, fates, told = world
    fates |= {"a": UsageError(problem="no port"), "b": LinkFailed()}
    assert place("a", "b") is None
    assert len(told) == 2
    assert place() is None


def test_the_last_report_if_none_succeeds(world):
    place, fates, _ = world
    fates |= {"a": report(established=False), "b": LinkFailed()}
    assert place("a", "b") is fates["a"]


def test_a_lock_ends_it(world):
    place, fates, _ = world
    fates |= {"a": [SpoolLocked(lock="rx.lock")], "b": report()}
    with pytest.raises(SpoolLocked):
        place("a", "b")


def test_stopped(world):
    place, fates, told = world
    fates |= {"a": report()}
    stop = WakeFlag()
    stop.set()
    assert place("a", stop=stop) is None
    assert told == []
    stop.close()


def test_records_of_our_calls():
    """As in the log of a real nncp-call."""
    log = MemoryLog()
    calls = CallLog(log, BOB, "bob")
    calls.failed("127.0.0.1:1", LinkFailed(address="127.0.0.1:1", problem="connection refused"))
    calls.failed("10.0.0.1:1", None)
    calls.started("[::1]:5400")
    calls.finished("[::1]:5400", report(wire=(233768, 3_000_000)), 61.7)
    node = ("Node", str(BOB))
    assert [(event.who, event.message, event.err) for event in log.heard] == [
        ("calling", "Calling bob (127.0.0.1:1)", "connection refused"),
        ("call-started", "Connection to bob (10.0.0.1:1)", "EOF"),
        ("call-started", "Connection to bob ([::1]:5400)", None),
        (
            "call-finished",
            "Finished call with bob (0:1:2): 228 KiB received (3.7 KiB/sec), 2.9 MiB transferred (47 KiB/sec)",
            None,
        ),
    ]
    assert log.heard[0].fields == [node, ("Addr", "127.0.0.1:1")]
    assert log.heard[3].fields == [
        *(node, ("Addr", "[::1]:5400"), ("Duration", "62")),
        *(("RxBytes", "233768"), ("RxSpeed", "3770"), ("TxBytes", "3000000"), ("TxSpeed", "48387")),
    ]


def test_records_of_their_calls():
    """As in the log of a real nncp-daemon: without the address, and in another order."""
    log = MemoryLog()
    calls = CallLog(log, BOB, "bob", incoming=True)
    calls.started("[::1]:7")
    calls.finished("[::1]:7", report(), 0.2)
    assert log.only("call-started").message == "Connection with bob ([::1]:7)"
    assert log.only("call-started").fields == [("Node", str(BOB))]
    names = [name for name, _ in log.only("call-finished").fields]
    assert names == ["Node", "Duration", "RxBytes", "TxBytes", "RxSpeed", "TxSpeed"]
    assert log.only("call-finished")["Duration"] == "1"


def test_a_session_that_the_disk_broke_is_not_told_as_if_nothing_had_happened():
    log = MemoryLog()
    CallLog(log, BOB, "bob").finished("[::1]:5400", report(error=SpoolFull(path="/spool", needed=9, free=0)), 1.0)
    assert "No room in /spool" in log.only("call-finished").err
