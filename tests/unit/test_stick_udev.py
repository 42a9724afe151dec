# SPDX-License-Identifier: GPL-3.0-or-later
"""udev as a source of insertions: a monitor of our own, and what this machine has."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import pytest
import trio
from test_recognise import STICK, but

from muleteer.hotplug.events import Ignored, Inserted, Pulled
from muleteer.hotplug.udev import Udev


@dataclass
class FakeDevice:
    properties: dict[str, str]
    action: str | None = None


@dataclass
class FakeMonitor:
    """A monitor whose socket is a pipe: readable while events wait."""

    started: bool = False
    waiting: list[FakeDevice] = field(default_factory=list)

    def __post_init__(self):
        self.ear, self.mouth = os.pipe()

    def start(self):
        self.started = True

    def fileno(self):
        return self.ear

    def poll(self, timeout):
        assert timeout == 0, "waiting is trio's"
        if not self.waiting:
            return None
        os.read(self.ear, 1)
        return self.waiting.pop(0)

    def say(self, action, properties):
        self.waiting.append(FakeDevice(properties, action))
        os.write(self.mouth, b"!")

    def close(self):
        os.close(self.ear)
        os.close(self.mouth)


@pytest.fixture
def monitor():
    made = FakeMonitor()
    yield made
    made.close()


async def take(source, count):
    found = []
    with trio.fail_after(5):
        async for event in source:
            found.append(event)
            if len(found) == count:
                return found
    raise AssertionError("the source ended")


async def test_what_is_in_comes_first_and_only_once(monitor):
    other = but(DEVNAME="/dev/sdb1")
    monitor.say("add", STICK)  # plugged in while the devices were listed: comes in both ways
    monitor.say("add", other)
    monitor.say("remove", STICK)
    source = Udev(monitor=monitor, present=[FakeDevice(STICK)])
    events = source.events()
    first, second, third = await take(events, 3)
    await events.aclose()
    assert monitor.started
    assert (first.stick.device, second.stick.device) == ("/dev/sda1", "/dev/sdb1")
    assert third == Pulled("/dev/sda1")


async def test_waits_without_polling(monitor, autojump_clock):
    source = Udev(monitor=monitor, present=[])
    events = source.events()
    got = []

    async def listen():
        got.extend(await take(events, 1))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen)
        await trio.testing.wait_all_tasks_blocked()
        assert not got
        monitor.say("add", but(ID_FS_TYPE="swap"))
    await events.aclose()
    assert isinstance(got[0], Ignored)


async def test_this_machine():
    """Whatever is plugged in here, the real library lists it and nothing breaks."""
    try:
        source = Udev()
    except OSError as error:
        pytest.skip(f"no udev on this machine: {error}")
    events = source.events()
    found = []
    with trio.move_on_after(0.2):
        async for event in events:
            found.append(event)  # noqa: PERF401 - the source never ends by itself
    await events.aclose()
    assert all(isinstance(event, Inserted | Ignored) for event in found)
