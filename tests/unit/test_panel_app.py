# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole panel against a real control socket: what the agent publishes is on lamps, screens and terminal."""

from __future__ import annotations

import io
import os
import signal
from dataclasses import replace

import pytest
import trio
from panel_cases import box, safe, working

from muleteer.agent.control import ControlServer, ControlSocket
from muleteer.agent.publisher import Publisher
from muleteer.agent.status import BayState
from muleteer.errors import PanelPartFailed
from muleteer.panel import feed, outlet
from muleteer.panel.app import Equipment, PanelApp
from muleteer.panel.lampboard import LampBoard
from muleteer.panel.lamps import FAST, SLOW, STEADY, Lamp
from muleteer.panel.terminal import TerminalView
from muleteer.spool.disk import RealDisk
from muleteer.testing.pins import Header, MockPins

SECONDS_MAX = 10.0


class Agent:
    """As much of an agent as a panel sees: a status, published on a socket."""

    def __init__(self, path):
        self.path = path
        self.publisher = Publisher(box())
        self.count = 0

    def status(self):
        return self.publisher.status

    def watch(self):
        return self.publisher.watch()

    def say(self, status):
        self.count += 1
        self.publisher.publish(replace(status, delivered=self.count), 1.8e9)

    async def serve(self, task_status=trio.TASK_STATUS_IGNORED):
        with trio.CancelScope() as scope, ControlSocket(self.path, RealDisk()) as listening:
            task_status.started(scope)
            await ControlServer(self).serve(listening)


class Witness:
    """A screen that hands every picture to the test; `broken` pictures fail first."""

    def __init__(self, size=(128, 64), broken=0):
        self.name, self.size, self.broken = "witness", size, broken
        self.closed = False
        self._send, self._receive = trio.open_memory_channel(1000)

    def open(self):
        self.closed = False

    def show(self, picture):
        if self.broken:
            self.broken -= 1
            raise PanelPartFailed(part="witness", problem="looks away", remedy="Wait")
        trio.from_thread.run_sync(self._send.send_nowait, picture)

    def close(self):
        self.closed = True

    async def until(self, kind):
        with trio.fail_after(SECONDS_MAX):
            async for picture in self._receive:
                if picture.page.kind == kind:
                    return picture
        raise AssertionError(kind)


class WitnessedBoard(LampBoard):
    """A lamp board that hands every state to the test."""

    def __init__(self, header):
        super().__init__(MockPins(header), {"power": 5, "working": 6, "attention": 13}, {"left": 19})
        self._send, self._receive = trio.open_memory_channel(1000)

    def show(self, lit, now_ms):
        super().show(lit, now_ms)
        self._send.send_nowait({(one.lamp, one.bay): one.pattern for one in lit})

    async def until(self, pattern):
        with trio.fail_after(SECONDS_MAX):
            async for state in self._receive:
                if state[Lamp.PULL, "left"] is pattern:
                    return state
        raise AssertionError(pattern)


@pytest.fixture
def agent(tmp_path):
    return Agent(str(tmp_path / "agent.sock"))


@pytest.fixture
def header():
    return Header()


@pytest.fixture
def log():
    return []


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(feed, "RETRY_SECONDS", 0.02)
    monkeypatch.setattr(feed, "RETRY_SECONDS_MAX", 0.05)
    monkeypatch.setattr(outlet, "RETRY_SECONDS", 0.02)


def panel(agent, log, board=None, screens=(), view=None):
    return PanelApp(agent.path, Equipment(board, screens, view), ["left"], log.append)


async def test_what_the_agent_says_is_on_lamps_and_screens(agent, header, log, nursery):
    board, screen = WitnessedBoard(header), Witness()
    await nursery.start(agent.serve)
    nursery.start_soon(panel(agent, log, board, [screen]).run)
    await screen.until("idle")
    agent.say(box(working()))
    await board.until(FAST)
    await screen.until("working")
    agent.say(box(safe()))
    await board.until(STEADY)
    assert header.lit(19)
    await screen.until("safe")
    assert log == []


async def test_the_panel_said_that_there_is_no_agent_before_it_had_asked(agent, header, log, nursery):
    board, screen = WitnessedBoard(header), Witness()
    await nursery.start(agent.serve)
    nursery.start_soon(panel(agent, log, board, [screen]).run)
    with trio.fail_after(SECONDS_MAX):
        first = await screen._receive.receive()
        lamps = await board._receive.receive()
    assert first.page.kind == "idle"
    assert SLOW not in lamps.values()


async def test_an_agent_that_goes_takes_its_word_with_it_and_may_come_back(agent, header, log, nursery):
    board, screen = WitnessedBoard(header), Witness()
    nursery.start_soon(panel(agent, log, board, [screen]).run)
    await board.until(SLOW)
    await screen.until("agent")
    agent.say(box(safe()))
    serving = await nursery.start(agent.serve)
    await board.until(STEADY)
    await screen.until("safe")
    serving.cancel()
    await board.until(SLOW)
    await screen.until("agent")
    await nursery.start(agent.serve)
    await board.until(STEADY)
    await screen.until("safe")


async def test_a_broken_display_does_not_take_the_rest_along(agent, header, log, nursery):
    board, good, bad = WitnessedBoard(header), Witness(), Witness(broken=1)
    await nursery.start(agent.serve)
    nursery.start_soon(panel(agent, log, board, [bad, good]).run)
    await good.until("idle")
    agent.say(box(safe()))
    await board.until(STEADY)
    await good.until("safe")
    await bad.until("safe")
    agent.say(box(working()))
    await bad.until("working")
    assert [line.split(":")[0] for line in log] == ["The panel's witness cannot be used", "works again"]


async def test_broken_pins_do_not_take_the_display_along(agent, header, log, nursery):
    header.failure = OSError(5, "Input/output error")
    screen = Witness()
    await nursery.start(agent.serve)
    nursery.start_soon(panel(agent, log, WitnessedBoard(header), [screen]).run)
    await screen.until("idle")
    agent.say(box(safe()))
    await screen.until("safe")
    assert len(log) == 1


async def test_a_display_that_turns_out_to_be_smaller_gets_pages_of_its_size(agent, log, nursery):
    class Small(Witness):
        def open(self):
            self.size = (128, 32)

    screen = Small()
    await nursery.start(agent.serve)
    nursery.start_soon(panel(agent, log, None, [screen]).run)
    assert (await screen.until("idle")).page.size == (128, 32)


async def test_the_terminal_shows_the_agents_bays(agent, log, nursery):
    class Paper(io.StringIO):
        def write(self, text):
            written = super().write(text)
            changed.set()
            return written

    changed = trio.Event()
    paper = Paper()
    await nursery.start(agent.serve)
    nursery.start_soon(panel(agent, log, view=TerminalView(paper, lambda: (80, 24), live=False)).run)
    agent.say(box(safe()))
    with trio.fail_after(SECONDS_MAX):
        while "left: safe to pull" not in paper.getvalue():
            await changed.wait()
            changed = trio.Event()
    assert "─ home ─" in paper.getvalue()


async def test_a_stop_leaves_everything_dark(agent, header, log):
    board, screen = WitnessedBoard(header), Witness()
    async with trio.open_nursery() as outer:
        await outer.start(agent.serve)
        agent.say(box(safe()))
        async with trio.open_nursery() as inner:
            inner.start_soon(panel(agent, log, board, [screen]).run)
            await board.until(STEADY)
            await screen.until("safe")
            os.kill(os.getpid(), signal.SIGTERM)
        assert screen.closed
        assert not any(header.lit(pin) for pin in range(28))
        outer.cancel_scope.cancel()


async def test_an_agent_of_another_language_counts_as_none(tmp_path, header, log, nursery):
    async def babble(stream):
        await stream.receive_some(100)
        await stream.send_all(b'{"status": {"name": 1}}\nhello\n')

    path = str(tmp_path / "agent.sock")
    listening = trio.socket.socket(trio.socket.AF_UNIX)
    await listening.bind(path)
    listening.listen()
    nursery.start_soon(trio.serve_listeners, babble, [trio.SocketListener(listening)])
    screen = Witness()
    nursery.start_soon(PanelApp(path, Equipment(screens=[screen]), [], log.append).run)
    await screen.until("agent")


def test_every_state_the_agent_has_is_known_to_the_lamps():
    from muleteer.panel.lamps import _PULL

    assert set(_PULL) == set(BayState)
