# SPDX-License-Identifier: GPL-3.0-or-later
"""Accepting callers: real sockets on the loopback, a pretended session."""

from __future__ import annotations

import io
import socket
import threading

import pytest
import trio

from muleteer.agent import listening as module
from muleteer.agent.answer_work import interface_at, interface_of
from muleteer.agent.events import TroubleChanged
from muleteer.agent.journal import Journal
from muleteer.agent.listening import Listening
from muleteer.carriers.link import SocketLink
from muleteer.carriers.listener import Door, DoorLimits
from muleteer.hotplug.interfaces import Interface

LO = Interface("lo", up=True, addresses=("127.0.0.1", "::1"))
ETH = Interface("eth0", up=True, addresses=("10.0.0.2", "fe80::1"))
WLAN = Interface("wlan0", up=True, addresses=("10.0.1.2", "fe80::1"))


class Host:
    """Answers callers in the threads that it is given, until it may end."""

    def __init__(self, address, limits=None):
        self.log = io.StringIO()
        self.told = []
        self.met = []
        self.may_end = threading.Event()
        self.door = Door(limits)
        self.listening = Listening((address,), self.door, self.answer, self.tell, Journal(self.log, lambda: 0.0))

    def answer(self, link, guest):
        self.met.append(link.name)
        self.may_end.wait(10)
        link.close()

    async def tell(self, event):
        self.told.append(event)

    async def until(self, wanted):
        with trio.fail_after(10):
            while not wanted():
                await trio.lowlevel.checkpoint()


@pytest.fixture
def address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def dial(address):
    host, port = address.split(":")
    return socket.create_connection((host, int(port)))


async def test_each_caller_is_answered_in_a_thread_and_seen_to_its_end(address, nursery):
    host = Host(address)
    nursery.start_soon(host.listening.run)
    await host.until(lambda: host.told)
    assert host.told == [TroubleChanged(f"listen {address}", None)]
    with dial(address), dial(address):
        await host.until(lambda: len(host.met) == 2)
        assert host.door.guests == 2
        nursery.cancel_scope.cancel()
        await trio.lowlevel.cancel_shielded_checkpoint()
        host.may_end.set()


async def test_whom_the_door_turns_away_is_hung_up_on_at_once(address, nursery):
    host = Host(address, DoorLimits(connections=1))
    nursery.start_soon(host.listening.run)
    await host.until(lambda: host.told)
    with dial(address), dial(address) as second:
        second.settimeout(10)
        assert await trio.to_thread.run_sync(second.recv, 1) == b""
        host.may_end.set()
        await host.until(lambda: not host.door.guests)
    nursery.cancel_scope.cancel()


async def test_a_stranger_that_says_nothing_makes_room_for_the_next_caller(address, nursery):
    host = Host(address, DoorLimits(strangers=1))
    nursery.start_soon(host.listening.run)
    await host.until(lambda: host.told)
    with dial(address) as first:
        await host.until(lambda: len(host.met) == 1)
        with dial(address):
            await host.until(lambda: len(host.met) == 2)
            first.settimeout(10)
            assert await trio.to_thread.run_sync(first.recv, 1) == b""
            host.may_end.set()
            await host.until(lambda: not host.door.guests)
    nursery.cancel_scope.cancel()


async def test_a_caller_for_whom_there_is_no_thread_is_turned_away_alone(address, nursery, monkeypatch):
    host = Host(address)
    nursery.start_soon(host.listening.run)
    await host.until(lambda: host.told)
    in_thread = trio.to_thread.run_sync

    async def without_thread(*_args, **_more):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(module.trio.to_thread, "run_sync", without_thread)
    with dial(address) as first:
        first.settimeout(10)
        assert await in_thread(first.recv, 1) == b""
        monkeypatch.undo()
        with dial(address):
            await host.until(lambda: len(host.met) == 1)
            host.may_end.set()
            await host.until(lambda: not host.door.guests)
    nursery.cancel_scope.cancel()


async def test_a_port_that_is_taken_is_a_trouble_until_it_is_free(address, nursery, monkeypatch):
    monkeypatch.setattr(module, "AGAIN_SECONDS", 0.001)
    name, port = address.split(":")
    host = Host(address)
    with socket.socket() as other:
        other.bind((name, int(port)))
        other.listen()
        nursery.start_soon(host.listening.run)
        await host.until(lambda: host.told)
    await host.until(lambda: len(host.told) == 2)
    trouble, over = host.told
    assert trouble.problem.what.startswith("neighbours cannot call this box")
    assert address in trouble.problem.details[0]
    assert over == TroubleChanged(f"listen {address}", None)
    nursery.cancel_scope.cancel()


def test_the_interface_by_which_a_caller_came_is_the_one_with_our_end_of_the_connection():
    assert interface_at("10.0.1.2", (LO, ETH, WLAN)) is WLAN
    assert interface_at("::ffff:10.0.0.2", (LO, ETH, WLAN)) is ETH
    assert interface_at("fe80::1%wlan0", (LO, ETH, WLAN)) is WLAN
    assert interface_at("192.0.2.1", (LO, ETH, WLAN)) is None


def test_the_interface_of_a_real_connection_and_of_one_that_is_gone(address):
    host, port = address.split(":")
    with socket.create_server((host, int(port))) as server, dial(address):
        taken, _ = server.accept()
        link = SocketLink(taken, "caller")
        assert interface_of(link, (ETH, LO)) is LO
        link.close()
        assert interface_of(link, (ETH, LO)) is None
