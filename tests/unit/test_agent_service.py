# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole agent in this process, on simulated bays."""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
import shutil
import signal
import threading
import time

import pytest
import trio

from muleteer.agent.agent import Agent
from muleteer.agent.box import Box
from muleteer.agent.clock import RealClock
from muleteer.agent.control_client import ControlClient
from muleteer.agent.journal import Journal
from muleteer.agent.seat import DirectorySeat
from muleteer.agent.status import BayState, Phase
from muleteer.carriers import stick
from muleteer.config.zone import local_offset
from muleteer.errors import AgentRunning, RunnerFailed, RunnerGone, SpoolFull, StillMounted
from muleteer.spool.disk import RealDisk
from muleteer.spool.spool import Spool
from muleteer.testing.agents import AgentBox, Nursery, at_rest
from muleteer.tossing.submit import Submitter

CFG = pathlib.Path(__file__).parent.parent / "vectors" / "data" / "cfg"
PATIENCE = 30


class Silent:
    def event(self, who, message, fields, err=None):
        pass


class Home:
    """A box, its running agent, and its log."""

    def __init__(self, root, name="alice", rules=""):
        self.files = AgentBox(f"{root}/{name}", (CFG / f"{name}.hjson").read_text(), rules, bays=("left", "right"))
        self.root = root
        self.log = io.StringIO()
        self.box = Box.load(self.files.config, {"NNCPNOSYNC": "1"})
        self.agent = None

    @contextlib.asynccontextmanager
    async def running(self, clock=None):
        clock = clock or RealClock()
        self.agent = Agent(self.box, clock, Journal(self.log, clock.wall, stamped=False))
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.agent.run)
                await self.until(lambda status: status.sequence and at_rest(status))  # it has begun
                yield self
                os.kill(os.getpid(), signal.SIGTERM)

    async def until(self, wanted):
        with self.agent.watch() as watcher:
            while not wanted(status := await watcher.next()):
                pass
        return status

    async def bay(self, state, name="left"):
        status = await self.until(lambda status: any(b.name == name and b.state is state for b in status.bays))
        return next(bay for bay in status.bays if bay.name == name)

    def stick(self, label, *, blank=False):
        path = f"{self.root}/pocket/{label}"
        os.makedirs(path if blank else f"{path}/NNCP")
        return path

    def take_out(self, path):
        os.rename(path, f"{self.root}/pocket/{os.path.basename(path)}")
        return f"{self.root}/pocket/{os.path.basename(path)}"

    def send(self, node="bob", content=b"hello", nice=96):
        rest = [content]

        def read(view):
            size = min(len(view), len(rest[0]))
            view[:size], rest[0] = rest[0][:size], rest[0][size:]
            return size

        config = self.box.config
        submitter = Submitter(config, Spool(config.spool, RealDisk(sync=False)), Silent())
        return submitter.file(config.find(node), nice, read, "letter")


@pytest.fixture
def home(tmp_path):
    return Home(str(tmp_path))


def content_of(path):
    with open(path, "rb") as file:
        return file.read()


def write(path, content):
    with open(path, "wb") as file:
        file.write(content)


def packets_below(path):
    return sorted(name for _, _, names in os.walk(path) for name in names)


async def test_a_round_from_insertion_to_safe_to_empty(home):
    packet = home.send()
    async with home.running():
        stick = home.files.insert(home.stick("BLUE"))
        bay = await home.bay(BayState.SAFE)
        assert (bay.runner, bay.last.sent, bay.last.complete) == ("BLUE", 1, True)
        assert packets_below(stick) == [str(packet)]
        home.take_out(stick)
        assert (await home.bay(BayState.EMPTY)).runner == ""
    assert "round complete bay=left runner=BLUE received=0 sent=1" in home.log.getvalue()
    assert home.log.getvalue().endswith("agent stopped name=alice\n")


async def test_a_letter_goes_over_and_its_acknowledgement_comes_back(tmp_path):
    alice = Home(str(tmp_path), "alice", "[neighbour.bob]\nacknowledges = true")
    bob = Home(str(tmp_path), "bob")
    packet = alice.send(content=b"dear Bob")
    stick = alice.stick("BLUE")
    async with alice.running():
        inside = alice.files.insert(stick)
        assert (await alice.bay(BayState.SAFE)).last.sent == 1
        assert (await alice.until(lambda status: status.travelling == 1)).queue == ()
        stick = alice.take_out(inside)
    async with bob.running():
        inside = bob.files.insert(stick)
        status = await bob.until(lambda status: status.delivered == 1 and at_rest(status))
        assert (status.last_round.received, status.last_round.sent) == (1, 1)
        stick = bob.take_out(inside)
    assert content_of(f"{bob.files.incoming}/letter") == b"dear Bob"
    async with alice.running():
        alice.files.insert(stick)
        status = await alice.until(lambda status: status.delivered == 1 and at_rest(status))
        assert status.last_round.acknowledged == 1
        assert (await alice.until(lambda status: status.travelling == 0)).queue == ()
    assert f"ACK packet from bob of {packet}" in alice.log.getvalue()


async def test_a_stick_that_never_came_to_the_recipient_is_swept_once_an_acknowledgement_came_by_another_one(tmp_path):
    alice = Home(str(tmp_path), "alice", "[neighbour.bob]\nacknowledges = true")
    bob = Home(str(tmp_path), "bob")
    packet = alice.send(content=b"dear Bob")
    async with alice.running():
        inside = alice.files.insert(alice.stick("BLUE"))
        await alice.bay(BayState.SAFE)
        blue = alice.take_out(inside)
    red = shutil.copytree(blue, f"{tmp_path}/pocket/RED")  # it left with another copy
    spool, bob_id = alice.box.spool(), alice.box.config.find("bob").id
    alice.box.ledger(spool).carried("RED", bob_id, [packet], time.time())
    async with bob.running():
        inside = bob.files.insert(blue)
        await bob.until(lambda status: status.delivered == 1 and at_rest(status))
        blue = bob.take_out(inside)
    async with alice.running():
        alice.files.insert(blue, "right")
        await alice.until(lambda status: status.delivered == 1 and at_rest(status))
        red = alice.files.insert(red)
        await alice.bay(BayState.SAFE)
        assert packets_below(red) == []
    assert "litter of ours taken off bay=left runner=RED files=1" in alice.log.getvalue()


class MovedClock(RealClock):
    """The machine's clock, but for the wall time, which somebody sets."""

    def __init__(self, wall):
        self.shift = wall - time.time()

    def set(self, wall):
        self.shift = wall - time.time()

    def wall(self):
        return super().wall() + self.shift


async def test_a_stick_that_goes_in_before_its_hours_is_left_untouched_until_they_begin(tmp_path):
    opens = 1_900_000_020 // 60 * 60
    minute = (opens + local_offset(opens)) % 86400 // 60
    hours = "-".join(f"{m // 60 % 24:02d}:{m % 60:02d}" for m in (minute, minute + 120))
    home = Home(str(tmp_path), rules=f'[carrier.stick]\nhours = "{hours}"')
    packet = home.send()
    clock = MovedClock(opens - 1800.0)
    async with home.running(clock):
        stick = home.files.insert(home.stick("BLUE"))
        status = await home.until(lambda status: status.bays[0].waits)
        bay = status.bays[0]
        assert (bay.state, bay.last) == (BayState.ATTENTION, None)
        assert bay.problem.what == f"not now: carrier stick is used {hours}"
        assert packets_below(stick) == []
        assert (await home.agent.why(str(packet)[:8])).endswith(
            "carrier stick takes it in 29 minutes; BLUE in bay left waits for its hours."
        )
        clock.set(opens - 0.1)
        home.agent.toss()  # whatever happens, the agent sees what time it is
        bay = await home.bay(BayState.SAFE)  # by itself
        assert (bay.last.sent, bay.problem) == (1, None)
        assert packets_below(stick) == [str(packet)]
    log = home.log.getvalue()
    assert (
        f'stick left untouched bay=left runner=BLUE received=0 sent=0 problem="not now: carrier stick is used {hours}'
        in log
    )
    assert log.count("round begins") == 1


async def test_two_sticks_at_once_each_get_their_round(home):
    home.send("bob")
    home.send("carol")
    async with home.running():
        for label, bay in (("BLUE", "left"), ("RED", "right")):
            home.files.insert(home.stick(label), bay)
        left, right = await home.bay(BayState.SAFE, "left"), await home.bay(BayState.SAFE, "right")
        assert left.last.sent + right.last.sent == 2


async def test_a_foreign_stick_is_left_untouched(home):
    home.send()
    async with home.running():
        stick = home.files.insert(home.stick("PHOTOS", blank=True))
        assert (await home.bay(BayState.FOREIGN)).runner == "PHOTOS"
        assert os.listdir(stick) == []


async def test_a_blank_stick_is_laid_out_if_the_rule_says_so(tmp_path):
    home = Home(str(tmp_path), rules='[runner.mule]\nlabel = "NEW"\ninitialise = true')
    home.send()
    async with home.running():
        home.files.insert(home.stick("NEW", blank=True))
        bay = await home.bay(BayState.SAFE)
        assert (bay.runner, bay.last.sent) == ("mule", 1)


async def test_what_the_rules_hold_waits_and_why_tells_it(tmp_path):
    home = Home(str(tmp_path), rules='[carrier.stick]\nnice = "PRIORITY"')
    packet = home.send(nice=224)
    async with home.running():
        home.files.insert(home.stick("BLUE"))
        assert (await home.bay(BayState.SAFE)).last.waiting == 1
        sentence = await home.agent.why(str(packet)[:8])
        assert "BULK for bob is held: carrier stick takes only PRIORITY or more urgent" in sentence

        def ask():
            with ControlClient(home.files.socket) as client:
                return client.why(str(packet)), client.status()

        over_the_socket, status = await trio.to_thread.run_sync(ask)
        assert over_the_socket == sentence
        assert status.queue[0].carrier == ""


async def test_a_stick_pulled_in_the_middle_is_asked_back_and_its_round_completes(home, monkeypatch):
    monkeypatch.setattr("muleteer.agent.dispatcher.PATIENCE_SECONDS", 0.0)  # it is back before the bay has looked
    home.send()
    pulled = []

    def pull(work):
        pulled.append(home.take_out(work._medium.mountpoint))
        raise RunnerGone(runner="BLUE")

    with monkeypatch.context() as patched:
        patched.setattr(stick.Round, "run", pull)
        async with home.running():
            home.files.insert(home.stick("BLUE"))
            bay = await home.bay(BayState.PULLED)
            assert "put it back" in bay.problem.remedy
            assert not bay.last.complete
            patched.undo()
            home.files.insert(pulled[0])
            bay = await home.bay(BayState.SAFE)
            assert bay.last.sent == 1
            assert bay.problem is None
    assert "pulled in the middle of its round bay=left" in home.log.getvalue()


async def test_our_own_disk_failing_is_a_problem_with_what_to_do(home, monkeypatch):
    def fail(_work):
        raise SpoolFull(path="/spool", needed=5, free=3)

    monkeypatch.setattr(stick.Round, "run", fail)
    async with home.running():
        home.files.insert(home.stick("BLUE"))
        bay = await home.bay(BayState.ATTENTION)
        assert bay.problem.what == "no room is left in the spool"
        assert bay.problem.remedy.startswith("make room")
        assert bay.problem.details == ("No room in /spool: 5 bytes needed, 3 free. Make room and try again.",)


async def test_a_packet_queued_beside_the_agent_shows_within_seconds(home):
    async with home.running():
        home.send()
        status = await home.until(lambda status: status.queue)
        assert (status.queue[0].carrier, status.queue[0].packets) == ("stick", 1)


async def test_what_a_cut_left_in_rx_is_tossed_at_start(tmp_path):
    alice, bob = Home(str(tmp_path), "alice"), Home(str(tmp_path), "bob")
    packet = alice.send()
    rx = bob.box.spool().layout.way(alice.box.config.me.id, "rx")
    os.makedirs(rx)
    os.rename(alice.box.spool().path(bob.box.config.me.id, "tx", packet), f"{rx}/{packet}")
    async with bob.running():
        await bob.until(lambda status: status.delivered == 1)
    assert os.listdir(bob.files.incoming) == ["letter"]


async def test_a_packet_that_cannot_be_tossed_is_a_problem_and_a_toss_on_request_tries_it_again(tmp_path):
    alice, bob = Home(str(tmp_path), "alice"), Home(str(tmp_path), "bob")
    packet = alice.send(node="bob")
    rx = bob.box.spool().layout.way(alice.box.config.me.id, "rx")
    os.makedirs(rx)
    sealed = content_of(alice.box.spool().path(bob.box.config.me.id, "tx", packet))
    write(f"{rx}/{packet}", sealed[:-1] + bytes([sealed[-1] ^ 1]))
    async with bob.running():
        status = await bob.until(lambda status: status.set_aside == 1)
        assert "1 packet set aside" in status.problems[0].what
        assert "is set aside after 1 attempt" in await bob.agent.why(str(packet))
        write(f"{rx}/{packet}", sealed)
        with ControlClient(bob.files.socket) as client:
            await trio.to_thread.run_sync(client.toss)
        status = await bob.until(lambda status: status.delivered == 1 and not status.set_aside)
        assert status.problems == ()


async def test_a_second_agent_refuses_to_start(home):
    async with home.running():
        clock = RealClock()
        second = Agent(home.box, clock, Journal(io.StringIO(), clock.wall))
        with pytest.raises(AgentRunning, match="Another agent"):
            await second.run()


async def test_a_stop_in_the_middle_breaks_the_round_off_safely(home, monkeypatch):
    for _ in range(3):
        home.send()
    took = stick.Round._prepare

    def stop_and_prepare(work, layout):
        os.kill(os.getpid(), signal.SIGTERM)
        while not work._stop():
            pass
        return took(work, layout)

    monkeypatch.setattr(stick.Round, "_prepare", stop_and_prepare)
    async with home.running():
        inside = home.files.insert(home.stick("BLUE"))
        bay = await home.bay(BayState.ATTENTION)
        assert "leave it in" in bay.problem.remedy
        assert not bay.last.complete
    assert packets_below(inside) == []
    assert len(home.box.spool().entries(home.box.config.aliases["bob"], "tx")) == 3


async def test_a_stick_that_another_bay_was_busy_with_left_without_its_load_and_nobody_said_so(home):
    home.send("bob")
    bob = home.box.config.aliases["bob"]
    other_bay = home.box.spool().lock(bob, "tx")
    async with home.running():
        other_bay.__enter__()
        home.files.insert(home.stick("BLUE"))
        status = await home.until(lambda s: (p := s.bays[0].progress) is not None and p.phase is Phase.WAITING)
        assert (status.bays[0].state, status.bays[0].progress.packets_total) == (BayState.WORKING, 1)
        other_bay.__exit__(None, None, None)
        bay = await home.bay(BayState.SAFE)
        assert (bay.last.sent, bay.last.waiting, bay.problem) == (1, 0, None)


async def test_a_load_that_somebody_keeps_locked_is_told_as_left_here(home, monkeypatch):
    monkeypatch.setattr("muleteer.agent.round_work.WAIT_SECONDS_MAX", 0.0)
    home.send("bob")
    async with home.running():
        with home.box.spool().lock(home.box.config.aliases["bob"], "tx"):
            home.files.insert(home.stick("BLUE"))
            bay = await home.bay(BayState.ATTENTION)
        assert bay.problem.what == "1 packet stayed here: another stick or program was at work on their queue"
        assert bay.problem.details == ("the queue for bob",)
        assert bay.last.waiting == 1


class StuckSeat(DirectorySeat):
    """A stick that a program keeps busy until `freed`."""

    freed = threading.Event()

    def release(self):
        if not self.freed.is_set():
            raise StillMounted(device="/dev/sda1", problem="it is busy")


@pytest.fixture
def stuck(monkeypatch):
    monkeypatch.setattr(StuckSeat, "freed", threading.Event())
    monkeypatch.setattr("muleteer.agent.round_work.take_seat", lambda stick, _mounts: StuckSeat(stick))
    monkeypatch.setattr("muleteer.agent.giving_back.QUIET_SECONDS", 0.0)
    monkeypatch.setattr("muleteer.agent.giving_back.PAUSES", (0.01,))
    return StuckSeat.freed


async def test_safe_to_pull_was_told_of_a_stick_that_was_still_mounted(home, stuck):
    home.send()
    async with home.running():
        home.files.insert(home.stick("BLUE"))
        bay = await home.bay(BayState.STUCK)
        assert "do not pull" in bay.problem.remedy
        stuck.set()
        bay = await home.bay(BayState.SAFE)
        assert (bay.problem, bay.last.sent) == (None, 1)
    assert 'still mounted bay=left runner=BLUE problem="/dev/sda1 is still mounted: it is busy.' in home.log.getvalue()


async def test_an_error_of_the_round_hid_that_unmounting_was_refused(home, stuck, monkeypatch):
    def fail(_work):
        raise RunnerFailed(runner="BLUE", problem="16 errors")

    monkeypatch.setattr(stick.Round, "run", fail)
    async with home.running():
        home.files.insert(home.stick("BLUE"))
        assert (await home.bay(BayState.STUCK)).problem.what == "still mounted"
        stuck.set()
        assert (await home.bay(BayState.ATTENTION)).problem.what == "the stick failed"


async def test_a_stick_pulled_while_it_could_not_be_unmounted_is_asked_back(home, stuck):
    async with home.running():
        inside = home.files.insert(home.stick("BLUE"))
        await home.bay(BayState.STUCK)
        home.take_out(inside)
        assert not (await home.bay(BayState.PULLED)).last.complete


async def test_an_agent_beside_a_stuck_stick_can_be_stopped(home, stuck):
    async with home.running():
        home.files.insert(home.stick("BLUE"))
        await home.bay(BayState.STUCK)
    assert "agent stops, and the stick is still mounted bay=left" in home.log.getvalue()
    assert home.agent.status().bays[0].state is BayState.STUCK


def test_the_readmes_link_to_a_mounted_stick_was_taken_for_one_that_was_pulled(tmp_path):
    home = Home(str(tmp_path))
    packet = home.send()
    media = home.stick("BLUE")
    with Nursery() as nursery:
        agent = nursery.start(home.files)
        home.files.wait(at_rest)
        link = home.files.link(media)
        status = home.files.wait(lambda status: status.bays[0].state is BayState.SAFE)
        assert (status.bays[0].runner, status.last_round.sent) == ("BLUE", 1)
        assert packets_below(media) == [str(packet)]
        os.unlink(link)
        home.files.wait(lambda status: status.bays[0].state is BayState.EMPTY)
        home.files.link(media)
        home.files.wait(lambda status: status.bays[0].state is BayState.SAFE)
        os.rename(media, f"{media}-ejected")
        home.files.wait(lambda status: status.bays[0].state is BayState.EMPTY)
        assert agent.stop() == 0


async def test_a_stick_that_could_not_be_mounted_but_is_mounted_was_told_as_safe_to_pull(home, monkeypatch):
    """As after an agent that died, when a shell stands in what it had mounted; or where a desktop was quicker."""
    freed = threading.Event()

    def refuse(*_):
        if not freed.is_set():
            raise StillMounted(device="/dev/sda1", problem="another program has mounted it too")

    monkeypatch.setattr("muleteer.agent.round_work.take_seat", refuse)
    monkeypatch.setattr("muleteer.hotplug.mounts.Mounts.unmount", refuse)
    monkeypatch.setattr("muleteer.agent.giving_back.QUIET_SECONDS", 0.0)
    monkeypatch.setattr("muleteer.agent.giving_back.PAUSES", (0.01,))
    async with home.running():
        home.files.insert(home.stick("BLUE"))
        await home.bay(BayState.STUCK)
        freed.set()
        assert (await home.bay(BayState.ATTENTION)).problem.what == "the stick could not be mounted"
