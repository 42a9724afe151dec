# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import socket
import stat
from dataclasses import replace

import pytest
import trio

from muleteer.agent import control
from muleteer.agent.call_desk import CallDesk
from muleteer.agent.control import CLIENTS_MAX, LINE_SIZE_MAX, ControlServer, ControlSocket
from muleteer.agent.control_client import ControlClient
from muleteer.agent.events import CallEnded, CallErrand
from muleteer.agent.exchanges import unreached
from muleteer.agent.publisher import Publisher
from muleteer.agent.status import Line, LineState, SessionProgress, SessionSummary, Status
from muleteer.carriers.online import OnlineTerms
from muleteer.errors import AgentRefused, AgentRunning, CallRefused, ConfigError, UnknownPacket
from muleteer.formats.ids import NodeId
from muleteer.spool.disk import RealDisk

BOB = NodeId(bytes(32))
LINE = Line("lan", "bob", LineState.TALKING, progress=SessionProgress(received=1))
SUMMARY = SessionSummary(established=True, received=2)


class FakeDesk:
    def __init__(self) -> None:
        self.publisher = Publisher(Status(name="home"))
        self.tosses = 0
        self.calls = CallDesk()
        self.called = []

    def status(self):
        return self.publisher.status

    def watch(self):
        return self.publisher.watch()

    def toss(self):
        self.tosses += 1

    def follow(self, neighbour, carrier):
        if carrier == "pigeon":
            raise CallRefused(neighbour=neighbour, problem="no such carrier")
        return self.calls.follow(BOB, neighbour)

    async def call(self, ticket, carrier):
        self.called.append((ticket.node, carrier))

    async def why(self, packet):
        if packet != "ABC":
            raise UnknownPacket(packet=packet)
        return "4 KB waits."


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "agent.sock")


@pytest.fixture
def desk():
    return FakeDesk()


@pytest.fixture
async def served(path, desk, nursery):
    with ControlSocket(path, RealDisk()) as listening:
        nursery.start_soon(ControlServer(desk).serve, listening)
        yield path
        nursery.cancel_scope.cancel()


async def ask(path, request: bytes) -> dict:
    stream = await trio.open_unix_socket(path)
    async with stream:
        await stream.send_all(request)
        return json.loads(await read_line(stream))


async def read_line(stream) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        more = await stream.receive_some(1)
        if not more:
            return line
        line += more
    return line


async def test_the_client_and_the_server_understand_each_other(served, desk):
    def talk():
        with ControlClient(served) as client:
            assert client.status() == Status(name="home")
            assert client.why("ABC") == "4 KB waits."
            client.toss()
            with pytest.raises(AgentRefused, match="No packet here is called") as refused:
                client.why("X")
            assert refused.value.facts["code"] == UnknownPacket.exit_code
            client.start_watch()
            return client.next_status(timeout=10)

    assert await trio.to_thread.run_sync(talk) == Status(name="home")
    assert desk.tosses == 1


async def test_a_watcher_sees_the_present_and_then_the_newest_change(served, desk):
    stream = await trio.open_unix_socket(served)
    async with stream:
        await stream.send_all(b'{"verb":"watch"}\n')
        assert json.loads(await read_line(stream))["status"]["sequence"] == 0
        desk.publisher.publish(replace(desk.status(), delivered=1), wall=5.0)
        desk.publisher.publish(replace(desk.status(), delivered=2), wall=6.0)
        latest = json.loads(await read_line(stream))["status"]
        assert (latest["delivered"], latest["sequence"], latest["now"]) == (2, 2, 6.0)


async def test_a_call_is_followed_to_its_end(served, desk):
    def call(carrier=None):
        with ControlClient(served) as client:
            return list(client.call("bob", carrier))

    told = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: _collect(told, call))
        while not desk.called:
            await trio.lowlevel.checkpoint()
        desk.calls.note(None, (), (LINE,))
        await trio.testing.wait_all_tasks_blocked()
        ended = CallEnded(CallErrand(BOB, "lan", (), OnlineTerms(), "asked for"), unreached(BOB, None), SUMMARY)
        desk.calls.note(ended, (), ())
    assert told == [[LINE, ("lan", SUMMARY)]]
    assert desk.called == [(BOB, None)]
    with pytest.raises(AgentRefused, match="bob is not called: no such carrier"):
        await trio.to_thread.run_sync(call, "pigeon")


async def _collect(told, call):
    told.append(await trio.to_thread.run_sync(call))


async def test_who_hangs_up_during_a_call_is_forgotten(served, desk):
    stream = await trio.open_unix_socket(served)
    async with stream:
        await stream.send_all(b'{"verb":"call","node":"bob"}\n')
        while not desk.called:
            await trio.lowlevel.checkpoint()
    while desk.calls._tickets:
        await trio.testing.wait_all_tasks_blocked()
        await trio.lowlevel.checkpoint()


async def test_nothing_new_is_not_published(desk):
    assert not desk.publisher.publish(desk.status(), wall=9.0)
    assert desk.status().sequence == 0


async def test_a_watcher_who_leaves_is_forgotten(served, desk):
    stream = await trio.open_unix_socket(served)
    async with stream:
        await stream.send_all(b'{"verb":"watch"}\n')
        await read_line(stream)
        assert len(desk.publisher._watchers) == 1
    while desk.publisher._watchers:
        await trio.testing.wait_all_tasks_blocked()
        await trio.lowlevel.checkpoint()


async def test_clients_that_hang_up_at_any_moment_do_not_end_the_agent(served, desk):
    """A watcher that left while it was told something took the whole agent down: the error came in a group."""
    for request in (b'{"verb":"watch"}\n', b'{"verb":"status"}\n' * 50, b'{"verb":'):
        for _ in range(20):
            stream = await trio.open_unix_socket(served)
            await stream.send_all(request)
            desk.publisher.publish(replace(desk.status(), node="x" * (1000 + desk.status().sequence)), wall=1.0)
            await trio.lowlevel.checkpoint()
            await stream.aclose()
            desk.publisher.publish(replace(desk.status(), node="y" * (1000 + desk.status().sequence)), wall=1.0)
            await trio.testing.wait_all_tasks_blocked()
    assert "status" in await ask(served, b'{"verb":"status"}\n')


async def test_a_watcher_who_does_not_read_is_hung_up_on(served, desk, monkeypatch):
    monkeypatch.setattr(control, "SEND_SECONDS", 0.01)
    stream = await trio.open_unix_socket(served)
    async with stream:
        await stream.send_all(b'{"verb":"watch"}\n')
        await read_line(stream)
        while desk.publisher._watchers:
            desk.publisher.publish(replace(desk.status(), node=f"{desk.status().sequence}" * 100_000), wall=1.0)
            await trio.testing.wait_all_tasks_blocked(0.02)


@pytest.mark.parametrize(
    ("request_line", "words"),
    [
        (b"hello\n", "JSON"),
        (b"[]\n", "JSON"),
        (b"[" * 4000 + b"\n", "JSON"),
        (b'{"verb":5}\n', "JSON"),
        (b'{"verb":"why","packet":7}\n', "strings"),
        (b'{"verb":"format"}\n', "unknown verb"),
        (b"x" * (LINE_SIZE_MAX + 1), "a line above"),
        (b"\xff\xfe\n", "JSON"),
    ],
)
async def test_nonsense_gets_an_answer_and_harms_nobody(served, request_line, words):
    assert words in (await ask(served, request_line))["error"]
    assert "status" in await ask(served, b'{"verb":"status"}\n')


async def test_the_number_of_clients_is_bounded_and_places_come_free(served):
    streams = [await trio.open_unix_socket(served) for _ in range(CLIENTS_MAX)]
    for stream in streams:  # each is being served
        await stream.send_all(b'{"verb":"status"}\n')
        await read_line(stream)
    assert "clients" in (await ask(served, b""))["error"]
    for stream in streams:
        await stream.aclose()
    await trio.testing.wait_all_tasks_blocked()
    assert "status" in await ask(served, b'{"verb":"status"}\n')


async def test_a_client_that_says_nothing_is_hung_up_on(served, monkeypatch):
    monkeypatch.setattr(control, "REQUEST_SECONDS", 0.01)
    stream = await trio.open_unix_socket(served)
    async with stream:
        assert await stream.receive_some(1) == b""


async def test_a_label_that_is_no_unicode_does_not_break_the_reply(served, desk):
    desk.publisher.publish(replace(desk.status(), node="\udc80"), wall=1.0)
    assert (await ask(served, b'{"verb":"status"}\n'))["status"]["node"] == "\udc80"


def test_the_socket_is_for_owner_and_group_and_goes_with_the_agent(path):
    with ControlSocket(path, RealDisk()):
        mode = os.lstat(path).st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o660
    assert not os.path.lexists(path)


def test_a_second_agent_is_refused_and_the_first_keeps_its_socket(path):
    with ControlSocket(path, RealDisk()):
        with pytest.raises(AgentRunning, match="Another agent"), ControlSocket(path, RealDisk()):
            pass
        assert os.path.lexists(path)


def test_what_a_killed_agent_left_is_replaced(path):
    for stale in (path, path + ".new"):
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(stale)
    with ControlSocket(path, RealDisk()), socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
    assert not os.path.lexists(path + ".new")


def test_a_file_in_the_sockets_place_is_never_removed(path):
    with open(path, "w") as file:
        file.write("precious")
    with pytest.raises(ConfigError, match="no socket is in its place"), ControlSocket(path, RealDisk()):
        pass
    with open(path) as file:
        assert file.read() == "precious"


@pytest.mark.parametrize("name", ["missing/agent.sock", "x" * 120])
def test_an_impossible_address_is_a_clear_error(tmp_path, name):
    with pytest.raises(ConfigError, match=r"agent\.socket"), ControlSocket(str(tmp_path / name), RealDisk()):
        pass
