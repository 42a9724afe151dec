# SPDX-License-Identifier: GPL-3.0-or-later
"""Sticks of others, and forged mail: what is not ours is left alone, and costs a bounded amount of work."""

from __future__ import annotations

import pytest

from muleteer.carriers import stick_receive
from muleteer.carriers.stick_layout import FORGERIES, WRONG_HASH
from muleteer.carriers.stick_plan import StickAllowance
from muleteer.formats.ids import b32encode
from muleteer.spool.disk import ensure_dir
from muleteer.testing.disk_file import FakeFile
from muleteer.testing.packets import seal
from muleteer.testing.sticks import CABIN, FARM, HOME, STICK, STRANGER, StickScene, put


@pytest.fixture
def scene():
    return StickScene()


def on_stick(scene):
    return [path for path in scene.disk.image() if path.startswith(STICK)]


class TestOtherNetworks:
    @pytest.mark.parametrize("base", ["", "NNCP"])
    @pytest.mark.parametrize("initialise", [True, False])
    def test_mail_was_retired_onto_another_networks_stick(self, scene, base, initialise):
        ensure_dir(scene.disk, "/".join(filter(None, (STICK, base, str(STRANGER.id), str(STRANGER.id)))))
        name = scene.queue(b"mail")
        before = on_stick(scene)
        result = scene.run(StickAllowance(initialise=initialise))
        assert result.foreign
        assert scene.spool.has(CABIN.id, "tx", name)
        assert on_stick(scene) == before

    def test_a_bundle_directory_of_other_things_is_not_ours(self, scene):
        put(scene.disk, f"{STICK}/NNCP/readme.txt", b"hello")
        scene.queue(b"mail")
        assert scene.run().foreign

    def test_an_empty_bundle_directory_is(self, scene):
        ensure_dir(scene.disk, f"{STICK}/NNCP")
        name = scene.queue(b"mail")
        assert not scene.run().foreign
        assert scene.names_on_stick(base="NNCP") == [str(name)]

    @pytest.mark.parametrize("base", ["", "NNCP"])
    def test_strangers_beside_us_do_not_matter(self, scene, base):
        scene.lay_out(STRANGER, FARM, base=base)
        names = [scene.queue(b"c"), scene.queue(b"f", recipient=FARM)]
        assert scene.run().sent == 2
        assert scene.names_on_stick(base=base) == [str(names[0])], "on a runner, directories are made on demand"


class TestForgeries:
    SIZE = 50_000

    def forge(self, scene, count, sender=CABIN, nice=1):
        body = seal(bytes(self.SIZE), sender=sender, recipient=HOME, nice=nice)
        for number in range(count):
            name = b32encode(number.to_bytes(32, "big"))
            put(scene.disk, f"{scene.stick_path(HOME, sender)}/{name}", body)

    def test_each_forged_packet_was_written_whole_into_the_spool(self, scene, monkeypatch):
        good = {scene.on_stick(b"small", nice=200), scene.on_stick(bytes(self.SIZE + 5), nice=200)}
        self.forge(scene, 60)
        written, real = [], FakeFile.write

        def write(file, data):
            if "/tmp/" in file._path:
                written.append(len(data))
            real(file, data)

        monkeypatch.setattr(FakeFile, "write", write)
        result = scene.run()
        assert {entry.name for entry in scene.spool.entries(CABIN.id, "rx")} == good
        assert result.refusals.by_reason == {WRONG_HASH: 60}
        assert sum(written) < (stick_receive.FORGED_MAX + 2) * (self.SIZE + 1000)

    def test_forgeries_have_a_budget_and_others_are_not_touched_by_it(self, scene, monkeypatch):
        monkeypatch.setattr(stick_receive, "REFUSED_BYTES_MAX", 20 * self.SIZE)
        good = scene.on_stick(b"from elsewhere", sender=FARM, nice=250)
        small = scene.on_stick(b"small", nice=250)
        self.forge(scene, 60)
        read, real = [], FakeFile.read_into

        def read_into(file, view):
            count = real(file, view)
            read.append(count * file._path.startswith(STICK))
            return count

        monkeypatch.setattr(FakeFile, "read_into", read_into)
        result = scene.run()
        assert [entry.name for entry in scene.spool.entries(FARM.id, "rx")] == [good]
        assert [entry.name for entry in scene.spool.entries(CABIN.id, "rx")] == [small]
        assert result.refusals.by_reason == {WRONG_HASH: 20, FORGERIES: 40}
        assert sum(read) < 25 * self.SIZE


class TestUnfinishedCopies:
    def test_the_other_boxs_unfinished_copies_were_called_refused(self, scene):
        name = scene.on_stick(b"whole")
        for unfinished in ("nncpxfer123", f"{name}.part"):
            put(scene.disk, f"{scene.stick_path(HOME, CABIN)}/{unfinished}", b"half")
        result = scene.run()
        assert (result.refused, result.unfinished, result.received) == (0, 2, 1)
