# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import os
from dataclasses import replace

import pytest
import trio

from muleteer.agent.bay_watch import PortSwitch, watch_directory
from muleteer.agent.events import StickAppeared, StickVanished
from muleteer.agent.journal import Journal
from muleteer.agent.pace import Pace
from muleteer.agent.seat import DirectorySeat
from muleteer.agent.spool_watch import SpoolWatch
from muleteer.agent.status import Phase
from muleteer.carriers.stick_report import Advance, Step
from muleteer.errors import RunnerGone
from muleteer.hotplug.events import Ignored, Inserted, Pulled
from muleteer.hotplug.recognise import DIRECTORY, StickFound
from muleteer.testing.clock import FakeClock

STICK = StickFound("/dev/sda1", "platform-usb-0:1.2:1.0", "vfat", label="BLUE")
BAYS = (("left", "*-usb-0:1.1*"), ("right", "*-usb-0:1.2*"))


def test_a_stick_belongs_to_the_bay_at_its_port():
    switch = PortSwitch(BAYS)
    assert switch.route(Inserted(STICK)) == StickAppeared("right", STICK)
    assert switch.route(Pulled(STICK.device)) == StickVanished("right", STICK.device)
    assert switch.route(Pulled(STICK.device)) is None


def test_a_stick_at_no_bays_port_is_left_alone():
    switch = PortSwitch(BAYS)
    other = replace(STICK, port="platform-usb-0:1.3:1.0")
    assert switch.route(Inserted(other)) is None
    assert switch.route(Pulled(other.device)) is None
    assert switch.route(Ignored("/dev/sdb", "it is a disc drive")) is None


def test_the_first_bay_that_matches_wins():
    assert PortSwitch((("any", "*"), *BAYS)).route(Inserted(STICK)) == StickAppeared("any", STICK)


async def test_a_simulated_bay_tells_of_what_goes_in_and_out(tmp_path, nursery):
    send, told = trio.open_memory_channel(0)
    nursery.start_soon(watch_directory, "left", str(tmp_path), send.send)
    with trio.fail_after(10):
        os.mkdir(tmp_path / "BLUE")
        appeared = await told.receive()
        os.rmdir(tmp_path / "BLUE")
        vanished = await told.receive()
    assert (appeared.bay, appeared.stick.label) == ("left", "BLUE")
    assert vanished == StickVanished("left", appeared.stick.device)
    nursery.cancel_scope.cancel()


def simulated(path):
    return StickFound(str(path), "", DIRECTORY, label="BLUE", directory=str(path))


def test_a_simulated_stick_is_present_until_it_is_moved_away(tmp_path):
    bay, pocket = tmp_path / "bay", tmp_path / "pocket"
    bay.mkdir()
    seat = DirectorySeat(simulated(bay))
    assert seat.present()
    bay.rename(pocket)
    assert not seat.present()
    bay.mkdir()  # another one in its place
    assert not seat.present()


def test_a_simulated_stick_that_is_gone_before_its_round_is_an_event(tmp_path):
    with pytest.raises(RunnerGone):
        DirectorySeat(simulated(tmp_path / "gone"))


def test_the_spool_watch_sees_a_packet_come_and_go(tmp_path):
    tx = tmp_path / "tx"
    watch = SpoolWatch([str(tx)])
    assert not watch.changed()
    tx.mkdir()
    assert watch.changed()
    assert not watch.changed()
    os.utime(tx, ns=(0, 0))
    watch.changed()
    (tx / "packet").touch()
    assert watch.changed()
    os.utime(tx, ns=(0, 0))
    watch.changed()
    (tx / "packet").unlink()
    assert watch.changed()


def test_the_time_left_is_that_of_the_present_phase():
    clock = FakeClock()
    pace = Pace(clock.monotonic)
    assert pace.progress(Advance(Step.RECEIVING, 0, 2, 0, 100)).seconds_left is None
    clock.advance(10)
    progress = pace.progress(Advance(Step.RECEIVING, 1, 2, 20, 100))
    assert (progress.phase, progress.packets_done, progress.seconds_left) == (Phase.RECEIVING, 1, 40.0)
    assert pace.progress(Advance(Step.SENDING, 0, 1, 0, 50)).seconds_left is None
    clock.advance(1)
    assert pace.progress(Advance(Step.SENDING, 0, 1, 60, 50)).seconds_left == 0.0


def test_every_step_of_a_round_is_a_phase():
    assert {step.value for step in Step} <= {phase.value for phase in Phase}


async def test_without_udev_real_bays_stay_empty_and_say_so(monkeypatch):
    from muleteer.agent import bay_watch
    from muleteer.hotplug import udev

    def missing():
        raise OSError(2, "No such file or directory")

    monkeypatch.setattr(udev, "Udev", missing)
    stream = io.StringIO()
    await bay_watch.watch_ports(BAYS, None, Journal(stream, lambda: 0.0, stamped=False))
    assert stream.getvalue().startswith("no udev here")
