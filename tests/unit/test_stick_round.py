# SPDX-License-Identifier: GPL-3.0-or-later
"""What one insertion does, on a disk in memory."""

from __future__ import annotations

import errno

import pytest

from muleteer.carriers import stick_layout
from muleteer.carriers.stick_plan import StickAllowance, StickTerms, StickTraits
from muleteer.carriers.stick_report import Hold, Step
from muleteer.errors import BadBlock, MountRefused, RunnerFailed, RunnerGone, RunnerReadOnly, SpoolFull
from muleteer.formats.ids import PacketName
from muleteer.formats.mth import mth
from muleteer.testing.disk import FakeDisk
from muleteer.testing.disk_tree import FAT, Volume
from muleteer.testing.sticks import CABIN, FARM, HOME, SPOOL, STICK, STRANGER, TINY, StickScene, put


@pytest.fixture
def scene():
    return StickScene()


def rx(scene, node=CABIN):
    return {entry.name for entry in scene.spool.entries(node.id, "rx")}


def tx(scene, node=CABIN):
    return {entry.name for entry in scene.spool.entries(node.id, "tx")}


def holds(result):
    return {held.name: held.hold for held in result.held}


class TestForeignSticks:
    def test_a_blank_stick_is_left_untouched(self, scene):
        scene.queue(b"letter")
        put(scene.disk, f"{STICK}/photo.jpg", b"holiday")
        before = scene.disk.image()
        opened = []
        result = scene.run(make_writable=lambda: opened.append(1))
        assert result.foreign
        assert result.complete
        assert scene.disk.image() == before
        assert not opened, "a foreign stick is not even mounted for writing"

    def test_a_stick_of_strangers_is_foreign(self, scene):
        scene.on_stick(b"theirs", sender=STRANGER, recipient=STRANGER)
        assert scene.run().foreign

    def test_a_blank_stick_is_laid_out_if_the_rule_says_so(self, scene):
        name = scene.queue(b"letter")
        result = scene.run(StickAllowance(initialise=True))
        assert not result.foreign
        assert scene.names_on_stick(base="NNCP") == [str(name)]

    def test_laying_out_needs_no_mail(self, scene):
        scene.run(StickAllowance(initialise=True))
        assert scene.disk.listdir(STICK) == ["NNCP"]
        assert not scene.run().foreign


class TestReceiving:
    def test_takes_from_both_layouts_and_cleans_the_stick(self, scene):
        names = {scene.on_stick(b"root"), scene.on_stick(b"bundle", base="NNCP")}
        result = scene.run()
        assert rx(scene) == names
        assert result.received == 2
        assert {name for _, name in scene.acks} == names
        assert scene.names_on_stick(HOME, CABIN) == []
        assert scene.names_on_stick(HOME, CABIN, base="NNCP") == []

    def test_a_packet_in_both_layouts_is_taken_once(self, scene):
        name = scene.on_stick(b"twice")
        put(scene.disk, f"{scene.stick_path(HOME, CABIN, base='NNCP')}/{name}", scene.known[name])
        result = scene.run()
        assert (result.received, result.duplicates) == (1, 1)
        assert not scene.names_on_stick(HOME, CABIN, base="NNCP")

    def test_urgent_first(self, scene):
        names = [scene.on_stick(bytes([nice]) * 10, nice=nice) for nice in (200, 10, 100)]
        scene.run()
        assert [name for _, name in scene.acks] == [names[1], names[2], names[0]]

    def test_pages_keep_memory_bounded_and_lose_nothing(self, scene, monkeypatch):
        monkeypatch.setattr(stick_layout, "PAGE_MAX", 2)
        names = {scene.on_stick(bytes([n])) for n in range(5)}
        assert scene.run().received == 5
        assert rx(scene) == names

    def test_big_packets_go_through_the_drafts_own_buffers(self, scene):
        name = scene.on_stick(bytes(3 << 20))
        seen = []
        scene.run(report=seen.append)
        assert rx(scene) == {name}
        middle = [a for a in seen if a.step is Step.RECEIVING and 0 < a.bytes_done < a.bytes_total]
        assert middle, "a big packet tells of its progress"

    def test_relayed_packets_are_filed_under_who_brought_them(self, scene):
        packet = scene.known[scene.on_stick(b"x", sender=STRANGER)]
        path = f"{scene.stick_path(HOME, FARM)}/{mth(packet)}"
        put(scene.disk, path, packet)
        scene.run()
        assert rx(scene, FARM) == {mth(packet)}
        assert scene.acks == [(FARM.id, mth(packet))]

    @pytest.mark.parametrize(
        ("spoil", "reason"),
        [
            (lambda p: p[:-1], stick_layout.WRONG_HASH),
            (lambda p: p + b"x", stick_layout.WRONG_HASH),
            (lambda p: p[:171], stick_layout.TOO_SHORT),
            (lambda p: b"", stick_layout.TOO_SHORT),
            (lambda p: b"x" * 500, stick_layout.NO_PACKET),
            (lambda p: p[:7] + b"\x05" + p[8:], stick_layout.OLD_PACKET),
            (lambda p: p[:44] + bytes(32) + p[76:], stick_layout.NOT_FOR_US),
        ],
    )
    def test_what_is_not_a_whole_packet_for_us_is_refused_and_left(self, scene, spoil, reason):
        good = scene.on_stick(b"good")
        bad = scene.on_stick(b"bad")
        path = f"{scene.stick_path(HOME, CABIN)}/{bad}"
        scene.disk.unlink(path)
        put(scene.disk, path, spoil(scene.known[bad]))
        result = scene.run()
        assert rx(scene) == {good}
        assert result.refusals.by_reason == {reason: 1}
        assert result.refusals.listed[0].where == f"{HOME.id}/{CABIN.id}/{bad}"
        assert scene.names_on_stick(HOME, CABIN) == [str(bad)]
        assert not scene.disk.listdir(f"{SPOOL}/tmp")

    def test_unknown_senders_are_refused_and_left(self, scene):
        name = scene.on_stick(b"psst", sender=STRANGER)
        result = scene.run()
        assert result.refusals.by_reason == {stick_layout.STRANGER: 1}
        assert scene.names_on_stick(HOME, STRANGER) == [str(name)]

    def test_what_was_seen_leaves_the_stick_without_a_copy_and_is_acknowledged_again(self, scene):
        name = scene.on_stick(b"again")
        scene.run()
        scene.spool.finish(CABIN.id, "rx", name, seen=True)
        put(scene.disk, f"{scene.stick_path(HOME, CABIN)}/{name}", scene.known[name])
        scene.acks.clear()
        result = scene.run()
        assert (result.received, result.duplicates) == (0, 1)
        assert scene.acks == [(CABIN.id, name)]
        assert not rx(scene)
        assert not scene.names_on_stick(HOME, CABIN)

    def test_a_damaged_copy_in_rx_is_replaced(self, scene):
        name = scene.on_stick(b"whole")
        put(scene.disk, scene.spool.path(CABIN.id, "rx", name), scene.known[name][:-5])
        assert scene.run().received == 1
        with scene.spool.open(CABIN.id, "rx", name) as file:
            assert file.size() == len(scene.known[name])

    def test_a_full_spool_leaves_mail_on_the_stick_and_still_sends(self):
        disk = FakeDisk({SPOOL: Volume(capacity=6 << 20), STICK: Volume(FAT)})
        scene = StickScene(disk)
        small, big = scene.on_stick(b"small", nice=200), scene.on_stick(bytes(3 << 20), nice=1)
        sent = scene.queue(b"out")
        result = scene.run()
        assert rx(scene) == {small}
        assert scene.names_on_stick(HOME, CABIN) == [str(big)]
        assert result.refusals.by_reason == {stick_layout.SPOOL_FULL: 1}
        assert [type(problem) for problem in result.problems] == [SpoolFull]
        assert scene.names_on_stick() == [str(sent)]

    def test_nothing_leaves_the_stick_while_its_acknowledgement_finds_no_room(self, scene):
        name = scene.on_stick(b"letter")

        def no_room(_node, _name):
            raise SpoolFull(path=SPOOL, needed=1, free=0)

        result = scene.run(acknowledge=no_room)
        assert result.received == 1
        assert scene.names_on_stick(HOME, CABIN) == [str(name)]
        scene.run()
        assert not scene.names_on_stick(HOME, CABIN)
        assert scene.acks == [(CABIN.id, name)]

    def test_one_bad_sector_costs_one_packet(self, scene):
        good, bad = scene.on_stick(b"good"), scene.on_stick(b"bad")
        scene.disk.fail(0, errno.EIO, sticky=True, under=f"{scene.stick_path(HOME, CABIN)}/{bad}")
        result = scene.run()
        assert rx(scene) == {good}
        assert result.refusals.by_reason == {stick_layout.UNREADABLE: 1}
        assert result.complete


class TestReadOnlySticks:
    def test_mail_is_taken_once_and_nothing_is_sent(self, scene):
        name, queued = scene.on_stick(b"mail"), scene.queue(b"out")
        scene.disk.volumes[STICK].read_only = True
        result = scene.run()
        assert result.read_only
        assert result.complete
        assert rx(scene) == {name}
        assert [type(problem) for problem in result.problems] == [RunnerReadOnly]
        assert holds(result) == {queued: Hold.READ_ONLY}
        scene.spool.finish(CABIN.id, "rx", name)  # tossed, by somebody who leaves no marks
        scene.acks.clear()
        result = scene.run(traits=StickTraits(read_only=True))
        assert (result.received, result.duplicates) == (0, 1)
        assert not rx(scene)
        assert not scene.acks, "a stick that cannot be cleaned would ask for an acknowledgement at every insertion"

    def test_a_stick_that_cannot_be_made_writable_is_read(self, scene):
        name = scene.on_stick(b"mail")

        def refuse():
            raise MountRefused(device="/dev/sda1", problem="it is write-protected")

        result = scene.run(make_writable=refuse)
        assert result.read_only
        assert rx(scene) == {name}
        assert scene.names_on_stick(HOME, CABIN) == [str(name)]

    def test_found_out_while_sending(self, scene):
        names = {scene.queue(b"a"), scene.queue(b"b")}
        scene.lay_out(CABIN)
        scene.disk.volumes[STICK].read_only = True
        result = scene.run()
        assert result.read_only
        assert tx(scene) == names
        assert set(holds(result).values()) == {Hold.READ_ONLY}
        assert [type(problem) for problem in result.problems] == [RunnerReadOnly]


class TestSending:
    def test_goes_where_the_recipients_directory_is(self, scene):
        cabin, farm = scene.queue(b"c"), scene.queue(b"f", recipient=FARM)
        scene.lay_out(CABIN)
        scene.lay_out(FARM, base="NNCP")
        result = scene.run()
        assert scene.names_on_stick(CABIN) == [str(cabin)]
        assert scene.names_on_stick(FARM, base="NNCP") == [str(farm)]
        assert (result.sent, result.retired, result.kept) == (2, 2, 0)
        assert not tx(scene)
        assert not tx(scene, FARM)

    @pytest.mark.parametrize(("there", "base"), [(("", HOME), ""), (("NNCP", HOME), "NNCP")])
    def test_a_new_recipient_gets_a_directory_in_the_layout_that_is_there(self, scene, there, base):
        scene.lay_out(there[1], base=there[0])
        name = scene.queue(b"c")
        scene.run()
        assert scene.names_on_stick(CABIN, base=base) == [str(name)]

    def test_names_appear_in_the_order_of_urgency(self, scene):
        names = {nice: scene.queue(bytes([nice]), nice=nice) for nice in (250, 30, 90)}
        scene.lay_out(CABIN)
        scene.run()
        assert scene.names_on_stick() == [str(names[30]), str(names[90]), str(names[250])]

    def test_pulled_midway_the_urgent_ones_are_there(self, scene):
        names = {nice: scene.queue(bytes([nice]) * (5 << 20), nice=nice) for nice in (250, 30, 90)}
        scene.lay_out(CABIN)
        total = None
        for at in range(20, 400, 6):
            world = StickScene.after(scene, scene.disk.reborn(_copied(scene.disk)))
            world.disk.fail(at, errno.ENODEV, sticky=True, under=STICK)
            try:
                world.run()
            except RunnerGone:
                world.disk.heal()
                there = [name for name in world.names_on_stick() if not name.startswith("nncpxfer")]
                assert there == [str(names[n]) for n in (30, 90, 250)][: len(there)]
                total = max(total or 0, len(there))
        assert total, "no packet was ever there before a pull"

    def test_rules_hold_packets_with_a_reason(self, scene):
        scene.lay_out(CABIN)
        nice, big, farm, good = (
            scene.queue(b"n", nice=200),
            scene.queue(bytes(5000)),
            scene.queue(b"f", recipient=FARM),
            scene.queue(b"g"),
        )
        result = scene.run(StickAllowance(nice=160, size=4000, carry=frozenset({CABIN.id})))
        assert holds(result) == {nice: Hold.TOO_NICE, big: Hold.TOO_BIG, farm: Hold.NOT_CARRIED}
        assert scene.names_on_stick() == [str(good)]
        assert tx(scene) == {nice, big}

    def test_a_bay_that_only_takes_in_loads_nothing(self, scene):
        scene.on_stick(b"in")
        scene.lay_out(CABIN)
        queued = scene.queue(b"out")
        result = scene.run(StickAllowance(send=False))
        assert (result.received, result.sent, result.complete) == (1, 0, True)
        assert holds(result) == {queued: Hold.ONE_WAY}
        assert scene.names_on_stick() == []

    def test_a_bay_that_only_loads_takes_nothing_in(self, scene):
        there = scene.on_stick(b"in")
        scene.queue(b"out")
        result = scene.run(StickAllowance(receive=False))
        assert (result.received, result.sent, result.complete) == (0, 1, True)
        assert scene.names_on_stick(HOME, CABIN) == [str(there)]
        assert scene.acks == []

    def test_each_neighbour_has_its_own_terms(self, scene):
        left, _ = scene.on_stick(b"in"), scene.on_stick(b"in, too", sender=FARM)
        big, small = scene.queue(bytes(5000)), scene.queue(bytes(5000), recipient=FARM)
        result = scene.run(StickAllowance(size=9000, special={CABIN.id: StickTerms(size=4000, receive=False)}))
        assert (result.received, result.sent) == (1, 1)
        assert holds(result) == {big: Hold.TOO_BIG}
        assert tx(scene) == {big}
        assert scene.names_on_stick(FARM) == [str(small)]
        assert scene.names_on_stick(HOME, CABIN) == [str(left)]

    def test_what_does_not_fit_waits_and_blocks_nothing(self):
        scene = StickScene(FakeDisk({STICK: Volume(FAT, capacity=100_000)}))
        scene.lay_out(CABIN)
        big, small = scene.queue(bytes(90_000), nice=10), scene.queue(b"s", nice=200)
        result = scene.run()
        assert holds(result) == {big: Hold.NO_ROOM}
        assert scene.names_on_stick() == [str(small)]
        assert result.complete
        assert not result.problems

    def test_a_stick_fuller_than_planned_is_an_ordinary_case(self):
        scene = StickScene(FakeDisk({STICK: Volume(FAT, capacity=100_000)}))
        scene.lay_out(CABIN)
        names = {size: scene.queue(bytes(size), nice=n) for n, size in ((10, 60_000), (20, 55_000), (30, 1000))}
        scene.disk.free_bytes = lambda _path: 1 << 30
        result = scene.run()
        assert holds(result) == {names[55_000]: Hold.NO_ROOM}
        assert scene.names_on_stick() == [str(names[60_000]), str(names[1000])]
        assert not result.problems

    def test_fat_holds_no_file_of_4_gib(self, scene):
        name = scene.queue(bytes(5000))
        scene.lay_out(CABIN)
        result = scene.run(traits=StickTraits(file_size_max=5000, cluster=512))
        assert holds(result) == {name: Hold.FILE_LIMIT}
        assert StickTraits.of("vfat").file_size_max == 2**32 - 1
        assert StickTraits.of("exfat").file_size_max is None

    def test_a_packet_that_lies_there_whole_counts_as_carried(self, scene):
        name = scene.queue(b"letter")
        put(scene.disk, f"{scene.stick_path()}/{name}", scene.known[name])
        result = scene.run()
        assert (result.sent, result.sent_again, result.retired) == (1, 1, 1)
        assert not tx(scene)

    @pytest.mark.parametrize("damage", [lambda p: p[:-1] + bytes([p[-1] ^ 1]), lambda p: p[:9]])
    def test_one_that_lies_there_damaged_is_replaced(self, scene, damage):
        name = scene.queue(b"letter")
        put(scene.disk, f"{scene.stick_path()}/{name}", damage(scene.known[name]))
        result = scene.run()
        assert (result.sent, result.sent_again) == (1, 0)
        with scene.disk.open_read(f"{scene.stick_path()}/{name}") as file:
            assert file.size() == len(scene.known[name])

    def test_something_else_in_the_way_of_a_directory(self, scene):
        cabin, farm = scene.queue(b"c"), scene.queue(b"f", recipient=FARM)
        scene.lay_out(FARM)
        put(scene.disk, f"{STICK}/{CABIN.id}", b"a file")
        result = scene.run()
        assert holds(result) == {cabin: Hold.BLOCKED}
        assert scene.names_on_stick(FARM) == [str(farm)]

    def test_a_packet_damaged_in_our_own_spool_is_not_sent(self, scene):
        bad, good = scene.queue(b"bad"), scene.queue(b"good")
        path = scene.spool.path(CABIN.id, "tx", bad)
        scene.disk.unlink(path)
        put(scene.disk, path, scene.known[bad][:-1] + bytes([scene.known[bad][-1] ^ 1]))
        scene.lay_out(CABIN)
        result = scene.run()
        assert holds(result) == {bad: Hold.UNREADABLE}
        assert scene.names_on_stick() == [str(good)]
        assert len(result.problems) == 1

    def test_stale_copies_of_ours_are_swept_and_those_of_others_are_not(self, scene):
        scene.lay_out(CABIN)
        ours = f"{scene.stick_path()}/nncpxfer17f3"
        theirs = f"{scene.stick_path(HOME, CABIN)}/nncpxfer17f3"
        put(scene.disk, ours, b"half")
        put(scene.disk, theirs, b"half")
        result = scene.run()
        assert result.swept == 1
        assert ours not in scene.disk.image()
        assert theirs in scene.disk.image()

    def test_to_ourselves_only_when_named(self, scene):
        name = scene.queue(b"note to self", recipient=HOME)
        scene.lay_out(HOME)
        round_ = scene.round()
        round_._neighbours = (HOME.id, CABIN.id)
        assert not round_.run().sent
        round_ = scene.round(StickAllowance(carry=frozenset({HOME.id})))
        round_._neighbours = (HOME.id, CABIN.id)
        assert round_.run().sent == 1
        assert scene.names_on_stick(HOME) == [str(name)]

    def test_two_sticks_at_once_share_by_neighbour(self, scene):
        cabin, farm = scene.queue(b"c"), scene.queue(b"f", recipient=FARM)
        scene.lay_out(CABIN, FARM)
        with scene.spool.lock(CABIN.id, "tx"):
            result = scene.run()
        assert holds(result) == {cabin: Hold.LOCKED}
        assert result.locked == [CABIN.id]
        assert scene.names_on_stick(FARM) == [str(farm)]
        assert scene.run().sent == 1

    def test_stops_between_packets(self, scene):
        scene.lay_out(CABIN)
        names = [scene.queue(bytes([n]), nice=n) for n in (1, 2, 3)]
        asked = []
        result = scene.run(stop=lambda: len(asked) >= 3 or asked.append(1))
        assert not result.complete
        assert result.sent == len(scene.names_on_stick()) == 2
        assert tx(scene) == {names[2]}


class TestReadingBack:
    def test_what_does_not_come_back_is_removed_and_kept_here(self, scene):
        name, good = scene.queue(b"letter", nice=1), scene.queue(b"good")
        scene.lay_out(CABIN)
        scene.disk = _Forgetful(scene.disk, str(name))
        result = scene.run()
        assert holds(result) == {name: Hold.MISWRITTEN}
        assert [type(problem) for problem in result.problems] == [RunnerFailed]
        assert scene.names_on_stick() == [str(good)]
        assert tx(scene) == {name}

    def test_everything_sent_was_read_back(self, scene):
        scene.lay_out(CABIN)
        names = [scene.queue(bytes([n])) for n in range(3)]
        scene.disk.trace.clear()
        scene.run()
        read = [call.path for call in scene.disk.trace if call.verb == "open" and call.path.startswith(STICK)]
        assert {f"{scene.stick_path()}/{name}" for name in names} <= set(read)


class TestAcknowledgingNeighbours:
    KEEPS = StickAllowance(acknowledging={CABIN.id: 100.0})

    def test_packets_are_kept_and_entered_in_the_ledger(self, scene):
        name = scene.queue(b"insured")
        scene.lay_out(CABIN)
        result = scene.run(self.KEEPS)
        assert (result.sent, result.retired, result.kept) == (1, 0, 1)
        assert tx(scene) == {name}
        assert [copy.runner for copy in scene.ledger.where(name)] == ["blue"]

    def test_a_packet_under_way_is_not_loaded_again_until_it_is_overdue(self, scene):
        name = scene.queue(b"insured")
        scene.ledger.carried("red", CABIN.id, [name], scene.disk.now - 50)
        scene.lay_out(CABIN)
        result = scene.run(self.KEEPS)
        assert holds(result) == {name: Hold.TRAVELS}
        assert not scene.names_on_stick()
        result = scene.run(self.KEEPS, now=scene.disk.now + 51)
        assert result.sent == 1
        assert [copy.runner for copy in scene.ledger.where(name)] == ["red", "blue"]

    def test_a_stick_that_never_goes_there_kept_all_others_from_taking_the_packet(self, scene):
        """It comes back with it, overdue, and takes it again before the next stick comes: so it went on for ever."""
        name = scene.queue(b"insured")
        scene.lay_out(CABIN)
        began = scene.disk.now
        scene.run(self.KEEPS, runner="red")
        result = scene.run(self.KEEPS, runner="red", now=began + 101)
        assert (result.sent, result.sent_again) == (1, 1)
        assert [copy.name for copy in scene.ledger.overdue(began + 102, 100.0)] == [name]
        scene.disk.unlink(f"{scene.stick_path()}/{name}")  # as on the next stick
        assert scene.run(self.KEEPS, runner="blue", now=began + 102).sent == 1
        assert [copy.runner for copy in scene.ledger.where(name)] == ["red", "blue"]
        assert not scene.ledger.overdue(began + 103, 100.0)

    def test_pulled_while_verifying_keeps_what_was_verified(self, scene):
        names = [scene.queue(bytes([n]), nice=n) for n in (1, 2)]
        scene.lay_out(CABIN)
        last = f"{scene.stick_path()}/{names[1]}"

        class Pulled(_Forgetful):
            def open_read(self, path, **options):
                if path == last:
                    self.pulled = True
                return super().open_read(path, **options)

        scene.disk = Pulled(scene.disk, "")
        round_ = scene.round(self.KEEPS)
        with pytest.raises(RunnerGone):
            round_.run()
        assert round_.result.sent == 1
        assert scene.ledger.names() == [names[0]]
        scene.disk = scene.disk.inner
        assert scene.run(self.KEEPS).sent_again == 1


class TestAcknowledgements:
    KEEPS = StickAllowance(acknowledging={CABIN.id: 100.0})

    def test_ours_are_not_waited_for(self, scene):
        """Nobody acknowledges an acknowledgement: kept, it would travel again for ever."""
        scene.on_stick(b"letter")
        letter = scene.queue(b"answer to an earlier one")
        result = scene.run(self.KEEPS, acknowledge=lambda _node, _name: scene.queue(b"ack", answer=True))
        assert (result.sent, result.retired, result.kept) == (2, 1, 1)
        assert tx(scene) == {letter}
        assert scene.ledger.names() == [letter]
        assert not scene.disk.listdir(f"{SPOOL}/{CABIN.id}/tx/ack")

    def test_a_mark_whose_packet_is_about_to_appear_is_left_alone(self, scene):
        put(scene.disk, f"{SPOOL}/{CABIN.id}/tx/ack/{PacketName(bytes(32))}", b"")
        scene.queue(b"letter")
        scene.lay_out(CABIN)
        assert scene.run(self.KEEPS).kept == 1
        assert scene.disk.listdir(f"{SPOOL}/{CABIN.id}/tx/ack")

    def test_a_callback_that_cannot_read_what_was_tossed_does_not_end_the_round(self, scene):
        name = scene.on_stick(b"again")
        scene.spool.finish(CABIN.id, "rx", name, seen=True)
        result = scene.run(acknowledge=lambda node, name: scene.spool.open(node, "rx", name).close())
        assert result.complete
        assert not scene.names_on_stick(HOME, CABIN)

    def test_a_packet_that_does_not_open_leaves_the_stick_all_the_same(self, scene):
        name = scene.on_stick(b"odd")

        def refuse(_node, _name):
            raise BadBlock(block=0)

        result = scene.run(acknowledge=refuse)
        assert rx(scene) == {name}
        assert not scene.names_on_stick(HOME, CABIN)
        assert [type(problem) for problem in result.problems] == [BadBlock]


class TestPulled:
    def test_before_the_round(self, scene):
        with pytest.raises(RunnerGone):
            scene.run(present=lambda: False)

    def test_a_pulled_stick_is_not_made_anew_on_our_own_disk(self, tmp_path):
        disk = FakeDisk()  # the "stick" is a directory that somebody takes away: a simulated bay
        scene = StickScene(disk, mountpoint="/bay/stick")
        scene.lay_out(CABIN)
        scene.queue(b"letter")

        def pull(advance):
            if advance.step is Step.SENDING and "stick" in disk.listdir("/bay"):
                disk.rename("/bay/stick", "/pocket")

        with pytest.raises(RunnerGone):
            scene.run(report=pull)
        assert disk.listdir("/bay") == []
        disk.rename("/pocket", "/bay/stick")
        assert scene.run().sent == 1

    def test_eio_and_the_device_node_gone_is_a_pull(self, scene):
        scene.on_stick(b"x")
        scene.disk.fail(0, errno.EIO, sticky=True, under=f"{scene.stick_path(HOME, CABIN)}/")
        answers = [True]
        round_ = scene.round(present=lambda: bool(answers) and answers.pop())
        with pytest.raises(RunnerGone):
            round_.run()
        assert not round_.result.refused

    def test_a_stick_that_only_fails_is_given_up(self, scene):
        scene.lay_out(CABIN)
        names = {scene.queue(bytes([n])) for n in range(30)}
        scene.disk.fail(0, errno.EIO, sticky=True, under=f"{scene.stick_path()}/")
        with pytest.raises(RunnerFailed):
            scene.run()
        assert tx(scene) == names


class _Forgetful:
    """A disk on which one name reads back as zeros, or which is gone once `pulled`."""

    def __init__(self, inner, name):
        self.inner = inner
        self.name = name
        self.pulled = False

    def __getattr__(self, verb):
        return getattr(self.inner, verb)

    def stat(self, path):
        if self.pulled and path.startswith(STICK):
            raise OSError(errno.ENODEV, "gone")
        return self.inner.stat(path)

    def open_read(self, path, **options):
        if self.pulled and path.startswith(STICK):
            raise OSError(errno.EIO, "gone")
        file = self.inner.open_read(path, **options)
        if path.startswith(STICK) and self.name and path.endswith(self.name):
            file.read_into = lambda view, read=file.read_into: _zeros(view, read(view))
        return file


def _zeros(view, count):
    view[:count] = bytes(count)
    return count


def _copied(disk):
    import copy

    return copy.deepcopy(disk.inodes)


def test_progress_is_told_step_by_step(scene):
    scene.on_stick(b"in")
    scene.queue(b"out")
    seen = []
    scene.run(report=seen.append, traits=TINY)
    steps = list(dict.fromkeys(advance.step for advance in seen))
    assert steps == list(Step)
    ends = [a for a in seen if a.step in (Step.RECEIVING, Step.SENDING, Step.VERIFYING) and a.packets_done]
    assert all(a.packets_done == a.packets_total and a.bytes_done == a.bytes_total for a in ends)
