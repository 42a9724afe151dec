# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import os
from types import SimpleNamespace

import pytest
import trio

from muleteer.agent import discovery as module
from muleteer.agent.discovery import Discovery
from muleteer.agent.events import PeerDiscovered
from muleteer.agent.journal import Journal
from muleteer.formats.ids import NodeId
from muleteer.testing.clock import FakeClock

ME, BOB, EVE = NodeId(bytes(32)), NodeId(b"\1" * 32), NodeId(b"\2" * 32)
CONFIG = SimpleNamespace(
    me=SimpleNamespace(id=ME), neighbours={ME: None, BOB: None}, mcd_send={".*": 10}, mcd_listen=(".*",)
)
ADDRESS = "[fe80::1%eth0]:5400"


class FakeAnnouncer:
    made = None

    def __init__(self, own, port, rules):
        self.args, self.due, self.announced = (own, port, rules), 0.0, 0
        FakeAnnouncer.made = self

    def deadline(self):
        return self.due

    def announce(self, now):
        self.announced += 1
        self.due = None
        return [("eth0", None), ("wlan0", OSError(101, "Network is unreachable"))]

    def close(self):
        self.args = None


class FakeHearing:
    made = None

    def __init__(self, expressions):
        self.reader, self.writer = os.pipe()
        self.said = []
        self.refreshed = 0
        FakeHearing.made = self

    def fileno(self):
        return self.reader

    def refresh(self):
        self.refreshed += 1
        return [("wlan0", OSError(101, "Network is unreachable"))]

    def say(self, *nodes):
        self.said += [(node, ADDRESS, "eth0") for node in nodes]
        os.write(self.writer, b"!")

    def heard(self):
        os.read(self.reader, 1)
        said, self.said = self.said, []
        return said

    def close(self):
        os.close(self.reader)
        os.close(self.writer)


@pytest.fixture
def fakes(monkeypatch):
    monkeypatch.setattr(module, "Announcer", FakeAnnouncer)
    monkeypatch.setattr(module, "Hearing", FakeHearing)


async def test_neighbours_that_are_heard_are_told_once_a_second_and_strangers_never(fakes, nursery):
    clock, log, told = FakeClock(), io.StringIO(), []

    async def tell(event):
        told.append(event)

    discovery = Discovery(CONFIG, 5400, clock, tell, Journal(log, clock.wall))
    nursery.start_soon(discovery.run)
    await trio.testing.wait_all_tasks_blocked()
    assert FakeAnnouncer.made.args == (ME, 5400, {".*": 10})
    assert FakeAnnouncer.made.announced == 1
    hearing = FakeHearing.made
    for wait in (0.0, 0.5, 0.6):
        clock.advance(wait)
        hearing.say(BOB, EVE, ME, BOB)
        while hearing.said:
            await trio.testing.wait_all_tasks_blocked()
    assert told == [PeerDiscovered(BOB, ADDRESS, "eth0")] * 2
    discovery.refresh()
    assert hearing.refreshed == 2
    assert log.getvalue().count("no multicast here") == 1
    nursery.cancel_scope.cancel()


def test_without_a_port_nothing_is_announced_and_without_rules_nothing_heard(fakes):
    FakeAnnouncer.made = None
    quiet = SimpleNamespace(me=CONFIG.me, neighbours=CONFIG.neighbours, mcd_send={".*": 10}, mcd_listen=())
    Discovery(quiet, 0, FakeClock(), None, None).refresh()
    assert FakeAnnouncer.made is None
