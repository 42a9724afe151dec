# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts that worlds are made of: virtual time, disks with sticks in them, links, the owner's rules."""

from __future__ import annotations

import errno
import random

import pytest

from muleteer.config.appliance import parse_appliance
from muleteer.config.carrier_rules import Period
from muleteer.crypto.entropy import random_bytes
from muleteer.testing.disk_tree import FAT, Volume
from muleteer.testing.survivors import draw, loose, survivors
from muleteer.testing.world.clock import BoxClock
from muleteer.testing.world.disk import PowerCut, Trap, WorldDisk
from muleteer.testing.world.entropy import SeededEntropy
from muleteer.testing.world.links import SEGMENT, WINDOW, Link
from muleteer.testing.world.rulebook import CELL, DAY, HOUR, LineRule, some_rules
from muleteer.testing.world.scenario import LinkPlan, scenario_of
from muleteer.testing.world.stick import Bays, Mounts, Stick
from muleteer.testing.world.timeline import AT_ONCE_MAX, DEPTH_MAX, EndlessLoopError, Timeline

STICK = "/media/sda"


class TestTimeline:
    def test_acts_happen_in_order_and_those_at_one_instant_as_they_came(self):
        timeline, told = Timeline(), []
        for name, when in (("c", 3.0), ("a", 1.0), ("b", 1.0)):
            timeline.at(when, lambda name=name: told.append((name, timeline.now)))
        assert not timeline.run(2.0)
        assert (told, timeline.now) == ([("a", 1.0), ("b", 1.0)], 2.0)
        timeline.run(5.0)
        assert told[2:] == [("c", 3.0)]

    def test_what_falls_due_while_an_act_lasts_happens_inside_it(self):
        timeline, told = Timeline(), []

        def long():
            told.append("begin")
            timeline.elapse(10.0)
            told.append(f"end {timeline.now}")

        timeline.at(1.0, long)
        timeline.at(5.0, lambda: told.append("inside"))
        timeline.run(20.0)
        assert told == ["begin", "inside", "end 11.0"]

    def test_who_holds_is_not_interrupted(self):
        timeline, told = Timeline(), []

        def long():
            with timeline.holding:
                timeline.elapse(10.0)
                told.append("held")
            timeline.elapse(0.0)

        timeline.at(1.0, long)
        timeline.at(5.0, lambda: told.append("late"))
        timeline.run(20.0)
        assert told == ["held", "late"]

    def test_acts_inside_each_other_go_so_deep_and_no_deeper(self):
        timeline, depth = Timeline(), []

        def dig(level):
            timeline.after(1.0, lambda: dig(level + 1))
            timeline.elapse(5.0)
            depth.append(level)

        timeline.at(0.0, lambda: dig(0))
        timeline.run(3.0)
        assert max(depth) == DEPTH_MAX + 1

    def test_it_can_end_early_and_a_circle_is_noticed(self):
        timeline = Timeline()
        timeline.at(1.0, lambda: None)
        timeline.at(2.0, lambda: None)
        assert timeline.run(9.0, lambda: timeline.acts == 1)
        assert timeline.now == 1.0

        def again():
            timeline.after(0.0, again)

        again()
        with pytest.raises(EndlessLoopError, match=str(AT_ONCE_MAX)):
            timeline.run(9.0)


def test_a_clock_drifts_leaps_and_begins_where_it_is_told():
    timeline = Timeline()
    clock = BoxClock(timeline, 1000.0, lambda: None, drift=0.5)
    timeline.run(10.0)
    assert (clock.wall(), clock.monotonic(), clock.true_wall) == (1015.0, 15.0, 1010.0)
    clock.set_wall(500.0)
    clock.sleep(3.0)
    assert (clock.wall(), clock.uptime(), clock.wall_ns()) == (503.0, 18.0, 503_000_000_000)
    assert clock.true_time(21.0) == 14.0
    assert BoxClock(timeline, 1000.0, lambda: None, wall=7.0).wall() == 7.0


def test_the_same_seed_gives_the_same_random_bytes():
    kernel = random_bytes(8)
    with SeededEntropy(random.Random(1)):
        first = random_bytes(8)
    with SeededEntropy(random.Random(1)):
        assert random_bytes(8) == first != kernel
    assert random_bytes(8) != first


@pytest.fixture
def timeline():
    return Timeline()


@pytest.fixture
def disk(timeline):
    disk = WorldDisk()
    disk.mkdir("/media")
    disk.mkdir("/spool")
    disk.settle()
    disk.timeline = timeline
    return disk


def write(disk, path, data, *, sync=False):
    with disk.create(path) as file:
        file.write(data)
        if sync:
            file.fsync()


class TestDisk:
    def test_a_mounted_stick_brings_its_files_and_takes_them_along(self, disk):
        disk.mount(STICK, Volume(FAT, 1000), {"NNCP": None, "NNCP/x": b"mail"})
        assert disk.image()[f"{STICK}/NNCP/x"] == b"mail"
        write(disk, f"{STICK}/NNCP/y", b"more")
        assert disk.free_bytes(STICK) == 992
        assert disk.eject(STICK, None) == {"NNCP": None, "NNCP/x": b"mail", "NNCP/y": b"more"}
        with pytest.raises(FileNotFoundError):
            disk.stat(STICK)
        assert not [entry for entry in disk.journal if "media" in entry.text]

    def test_what_was_not_synced_may_be_lost_with_a_pull(self, disk):
        found = set()
        for seed in range(30):
            disk.mount(STICK, Volume(FAT), {"old": b"mail"})
            write(disk, f"{STICK}/new", b"12", sync=True)
            assert len(loose(disk, STICK)) == 1
            disk.fsync_dir(STICK)
            assert loose(disk, STICK) == []
            write(disk, f"{STICK}/newer", b"34")
            contents = disk.eject(STICK, random.Random(seed))
            assert (contents["old"], contents["new"]) == (b"mail", b"12")
            found.add(contents.get("newer"))
        assert {None, b"34"} < found

    def test_an_open_file_of_a_stick_that_is_out_fails(self, disk):
        disk.mount(STICK, Volume(FAT), {})
        file = disk.create(f"{STICK}/x")
        disk.eject(STICK, None)
        for act in (lambda: file.write(b"1"), file.fsync, file.size):
            with pytest.raises(OSError, match="No such device"):
                act()

    def test_after_a_cut_nothing_answers_and_another_disk_is_found(self, disk):
        write(disk, "/spool/x", b"synced", sync=True)
        disk.fsync_dir("/spool")
        after = disk.cut(random.Random(1))
        with pytest.raises(PowerCut):
            disk.stat("/spool")
        assert after.image()["/spool/x"] == b"synced"

    def test_a_trap_springs_at_its_operation_on_its_volume(self, disk):
        sprung = []
        disk.mount(STICK, Volume(FAT), {})
        disk.traps.append(Trap(STICK, 2, lambda: sprung.append(1)))
        disk.stat("/spool")
        disk.listdir(STICK)
        assert not sprung
        disk.listdir(STICK)
        disk.listdir(STICK)
        assert sprung == [1]

        def fail():
            raise OSError(errno.EIO, "worn")

        disk.traps.append(Trap(None, 1, fail))
        with pytest.raises(OSError, match="worn"):
            disk.listdir("/spool")
        disk.listdir("/spool")

    def test_operations_take_time_and_waited_for_locks_let_nothing_in(self, disk, timeline):
        told = []
        timeline.at(1e-4, lambda: told.append("due"))
        with disk.lock("/spool/x.lock", wait=True):
            for _ in range(50):
                disk.fsync_dir("/spool")
            assert not told
        disk.listdir("/spool")
        assert told
        assert timeline.now > 0.1

    def test_writing_back_makes_durable_unless_a_sync_has_failed(self, disk):
        write(disk, "/spool/x", b"1")
        disk.unlink("/spool/x")
        write(disk, "/spool/y", b"2")
        disk.write_back()
        assert (disk.journal, loose(disk, "/")) == ([], [])
        assert disk.cut(random.Random(3)).image()["/spool/y"] == b"2"

    def test_after_a_failed_sync_it_does_not(self, disk):
        disk.traps.append(Trap(None, 3, lambda: (_ for _ in ()).throw(OSError(errno.EIO, "worn"))))
        with pytest.raises(OSError, match="worn"):
            write(disk, "/spool/x", b"1", sync=True)
        disk.write_back()
        assert disk.journal

    def test_room_is_limited_and_given_back(self, disk):
        disk.limit("/", 10)
        assert disk.free_bytes("/spool") == 10
        with pytest.raises(OSError, match="No space"):
            write(disk, "/spool/x", bytes(11))
        disk.limit("/", None)
        write(disk, "/spool/y", bytes(11))

    def test_one_survivor_is_one_of_all_survivors(self, disk):
        disk.mount(STICK, Volume(FAT), {})
        write(disk, "/spool/x", b"12")
        disk.rename("/spool/x", "/spool/y")
        write(disk, f"{STICK}/a", b"3")
        every = [set(disk.reborn(found).image()) for found in survivors(disk, len(disk.journal), limit=400, seed=1)]
        drawn = [disk.reborn(draw(disk, random.Random(seed))).image() for seed in range(60)]
        assert all(set(image) in every for image in drawn)
        assert {image.get("/spool/y") for image in drawn} == {None, b"", b"1", b"12", b"\0\0"}
        assert {f"{STICK}/a" in image for image in drawn} == {False, True}


class TestMounts:
    @pytest.fixture
    def bays(self):
        return Bays(("left", "right"))

    @pytest.fixture
    def mounts(self, bays, disk, timeline):
        return Mounts(bays, disk, timeline, random.Random(1), lambda: 0)

    def test_a_stick_is_mounted_read_only_until_it_is_made_writable(self, bays, mounts, disk):
        found = bays.insert("left", Stick("BLUE", 1000))
        assert bays.free() == "right"
        mounted = mounts.mount(found.device)
        with pytest.raises(OSError, match="Read-only"):
            write(disk, f"{mounted.path}/x", b"1")
        mounted.make_writable()
        write(disk, f"{mounted.path}/x", b"1")
        mounted.unmount()
        assert bays.pull("left").contents == {"x": b"1"}
        assert not mounted.is_present()

    def test_what_was_not_durable_when_it_was_unmounted_is_known_but_drafts(self, bays, mounts, disk):
        stick = Stick("BLUE", 1000)
        mounted = mounts.mount(bays.insert("left", stick).device)
        mounted.make_writable()
        write(disk, f"{mounted.path}/mail", b"1")
        write(disk, f"{mounted.path}/nncpxfer{'0' * 32}", b"1", sync=True)
        mounted.unmount()
        assert len(stick.loose) == 2  # the name and the bytes


def link(timeline, **changes):
    return Link(
        LinkPlan(**{"kind": CELL, "first": "a", "second": "b", "rate": 1000.0, "latency": 1.0} | changes), timeline
    )


class TestWires:
    def test_bytes_come_out_in_order_at_the_rate_of_the_link(self, timeline):
        here, there = link(timeline).connect().ends
        assert here.send(memoryview(bytes(SEGMENT) + b"end")) == SEGMENT + 3
        here.close()
        timeline.run(SEGMENT / 1000)
        assert not there.readable
        timeline.run(SEGMENT / 1000 + 1.1)
        assert len(there.read()) == SEGMENT
        timeline.run(60.0)
        assert there.read() == b"end"
        assert there.is_ended

    def test_no_more_than_a_window_is_under_way(self, timeline):
        here, _ = link(timeline).connect().ends
        assert here.send(memoryview(bytes(WINDOW + 5))) == WINDOW
        assert here.send(memoryview(b"more")) == 0
        woken = []
        here.wake = lambda: woken.append(timeline.now)
        timeline.run(60.0)
        assert woken
        assert here.send(memoryview(b"more")) == 4

    def test_nothing_comes_through_while_the_link_is_down(self, timeline):
        air = link(timeline)
        here, there = air.connect().ends
        here.send(memoryview(b"mail"))
        air.set_up(up=False)
        timeline.run(100.0)
        assert not there.readable
        air.set_up(up=True)
        timeline.run(101.0)
        assert there.read() == b"mail"

    def test_it_breaks_at_its_byte_and_both_find_out(self, timeline):
        air, broken = link(timeline, rate=1e6), []
        wire = air.connect()
        wire.cut_after(SEGMENT + 1, lambda: broken.append(1))
        here, there = wire.ends
        here.send(memoryview(bytes(4 * SEGMENT)))
        timeline.run(10.0)
        assert broken == [1]
        assert here.is_ended
        assert there.is_ended
        assert len(there.read() + there.read()) == 2 * SEGMENT
        assert not there.readable
        assert air.wires == []

    def test_a_box_without_power_says_nothing(self, timeline):
        air = link(timeline)
        here, there = air.connect().ends
        here.abandon()
        timeline.run(100.0)
        assert not there.is_ended
        there.close()
        assert air.wires == []

    def test_what_is_held_up_comes_later(self, timeline):
        wire = link(timeline).connect()
        here, there = wire.ends
        here.send(memoryview(b"mail"))
        wire.delay(5.0)
        timeline.run(4.0)
        assert not there.readable
        timeline.run(7.0)
        assert there.read() == b"mail"


class TestRules:
    def test_the_owner_s_words_mean_what_the_checkers_count_with(self):
        for seed in range(40):
            rules = some_rules(random.Random(seed))
            lines = parse_appliance("".join(rule.toml for rule in rules.values()).encode(), "x").lines
            for rule in rules.values():
                line = lines[rule.name]
                assert (line.nice, line.size, line.terms.rate) == (rule.nice, rule.size, rule.rate)
                budgets = {budget.per: budget.amount for budget in line.terms.budgets}
                assert budgets.get(Period.DAY) == rule.day_budget
                assert budgets.get(Period.HOUR) == rule.hour_budget
                for hour in range(24):
                    wall = 1_750_032_000.0 + (hour + 0.5) * HOUR
                    terms = line.terms_at(wall, None, True, lambda _unix: 0)
                    assert (terms is not None) == rule.is_open(wall, 0.0)
                    takes = terms is not None and terms.nice >= 255
                    assert takes == rule.takes_now(255, 1, wall, 0.0)

    def test_hours_may_go_over_midnight_and_have_some_slack(self):
        rule = LineRule(CELL, hours=(20, 8))
        assert [rule.is_open(hour * HOUR, 0.0) for hour in (7.9, 8.1, 19.9, 20.1, 24 + 3)] == [
            True,
            False,
            False,
            True,
            True,
        ]
        assert rule.is_open(8 * HOUR + 10, 15.0)
        assert not rule.is_open(8 * HOUR + 20, 15.0)

    def test_a_packet_that_half_a_budget_does_not_pay_for_need_not_arrive(self):
        rule = LineRule(CELL, nice=96, day_budget=1000)
        assert rule.takes(96, 500)
        assert not rule.takes(96, 501)
        assert rule.may_take(96, 501)
        assert not rule.may_take(97, 1)


class TestScenarios:
    def test_every_letter_either_must_arrive_or_may_or_must_wait(self):
        fates = set()
        for seed in range(60):
            scenario = scenario_of(seed)
            assert scenario.sticks or scenario.links
            assert 0.5 * DAY <= scenario.safety <= 4 * DAY
            for letter in scenario.letters:
                must, cannot = scenario.may_arrive(letter), scenario.must_wait(letter)
                assert not (must and cannot)
                fates.add((must, cannot))
        assert len(fates) == 3

    def test_no_two_letters_are_equal(self):
        letters = scenario_of(1).letters
        assert len({letter.body for letter in letters}) == len(letters)
        assert all(len(letter.body) >= letter.size for letter in letters)
