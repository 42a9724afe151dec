# SPDX-License-Identifier: GPL-3.0-or-later
"""The door: who may come in, and what is said about it."""

import socket
import threading

import pytest

from muleteer.carriers import listener, tcp
from muleteer.carriers.listener import Door, DoorLimits, serve, source_of
from muleteer.carriers.stream import WakeFlag

FEW = DoorLimits(connections=8, per_source=4, strangers=5, strangers_per_source=2, remarks=2, remarks_in_all=5)


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("10.0.0.1:5400", "10.0.0.1"),
        ("[2001:db8:1:2:3:4:5:6]:1", "2001:db8:1:2"),
        ("[2001:db8::5]:1", "2001:db8:0:0"),
        ("[2001:db8::1:2:3:4:5]:1", "2001:db8:0:1"),
        ("[fe80::1%eth0]:1", "fe80:0:0:0"),
        ("[::2]:1", "0:0:0:0"),
        ("127.0.0.1:1", ""),
        ("127.8.8.8:1", ""),
        ("[::1]:1", ""),
        ("", ""),
    ],
)
def test_sources(address, source):
    assert source_of(address) == source


def test_strangers_from_one_source_are_few():
    door = Door(FEW)
    first, second = door.admit("10.0.0.1:1"), door.admit("10.0.0.1:2")
    assert door.admit("10.0.0.1:3") is None
    assert door.admit("10.0.0.2:1") is not None
    first.known()
    third = door.admit("10.0.0.1:4")
    assert third is not None
    second.known()
    third.known()
    assert door.admit("10.0.0.1:5") is not None
    assert door.admit("10.0.0.1:6") is None  # four connections


def test_strangers_are_few_in_all():
    door = Door(FEW)
    guests = [door.admit(f"10.0.0.{number}:1") for number in range(5)]
    assert None not in guests
    assert door.admit("10.0.1.1:1") is None
    assert door.admit("127.0.0.1:1", lambda: None) is None  # nobody there can be sent away
    guests[0].leave()
    guests[0].leave()
    assert door.admit("10.0.1.1:1") is not None


def test_silent_strangers_cannot_keep_a_neighbour_out():
    door, sent_away = Door(FEW), []

    def arrive(address):
        return door.admit(address, lambda: sent_away.append(address))

    arrive("10.0.0.1:1")
    for number in range(20):  # by a tunnel, say: this machine is no source that is limited
        arrive(f"127.0.0.1:{number}")
        assert door.guests <= 5
    arrive("10.0.0.2:1").known()
    assert sent_away == [f"127.0.0.1:{number}" for number in range(17)]


def test_connections_are_limited():
    door = Door(FEW)
    for number in range(8):
        door.admit(f"10.0.0.{number}:1").known()
    assert door.guests == 8
    assert door.admit("10.0.1.1:1") is None


def test_this_machine_is_no_source():
    door = Door(FEW)
    for _ in range(5):
        assert door.admit("127.0.0.1:1") is not None


def test_trouble_is_told_a_few_times_a_minute():
    door = Door(FEW)
    assert [door.may_remark("10.0.0.1:1", 0.0) for _ in range(3)] == [True, True, False]
    assert [door.may_remark(f"10.0.0.{number}:1", 1.0) for number in range(2, 7)] == [True] * 3 + [False] * 2
    assert not door.may_remark("10.0.0.1:1", 59.9)
    assert door.may_remark("10.0.0.1:1", 60.0)


@pytest.fixture
def house():
    """A listener with a door; `answers` are the connections under way."""
    (sock,) = tcp.listen("127.0.0.1:0")
    door, stop, answers = Door(FEW), WakeFlag(), []
    over = threading.Event()

    def answer(link, guest):
        answers.append(link.name)
        link.send(memoryview(b"!"))
        over.wait(20)

    thread = threading.Thread(target=serve, args=([sock], door, answer, stop))
    thread.start()
    yield sock.getsockname(), door, answers
    stop.set()
    over.set()
    thread.join(20)
    assert not thread.is_alive()
    assert door.guests == 0
    sock.close()
    stop.close()


def call(where):
    connection = socket.create_connection(where, timeout=20)
    return connection, connection.recv(1)


def test_serve(house):
    where, door, _ = house
    calls = [call(where) for _ in range(5)]
    assert [word for _, word in calls] == [b"!"] * 5
    assert door.guests == 5
    sixth, word = call(where)
    assert word == b"!"
    assert calls[0][0].recv(1) == b""  # the longest there makes room
    assert door.guests == 5
    for connection in (sixth, *(connection for connection, _ in calls)):
        connection.close()


def test_without_descriptors_it_waits_and_goes_on(house, monkeypatch):
    where, _, _ = house
    monkeypatch.setattr(listener, "_PAUSE_SECONDS", 0.001)
    accept, broken = tcp.accept, iter([OSError(24, "Too many open files"), OSError(23, "Too many open files")])

    def failing(sock):
        error = next(broken, None)
        if error is not None:
            raise error
        return accept(sock)

    monkeypatch.setattr(listener, "accept", failing)
    connection, word = call(where)
    assert word == b"!"
    connection.close()


def test_without_threads_one_caller_is_turned_away_and_it_goes_on(house, monkeypatch):
    where, door, _ = house
    start, broken = threading.Thread.start, iter([RuntimeError("can't start new thread")])

    def failing(thread):
        error = next(broken, None)
        if error is not None:
            raise error
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", failing)
    turned_away, word = call(where)
    assert word == b""
    assert door.guests == 0
    connection, word = call(where)
    assert word == b"!"
    for each in (connection, turned_away):
        each.close()
