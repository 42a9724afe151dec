# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies on a stick of packets that their recipients have by another way: taken off, those and nothing else."""

from __future__ import annotations

import errno

import pytest

from muleteer.carriers.stick_plan import StickAllowance
from muleteer.errors import RunnerGone, SpoolError
from muleteer.spool.ledger import Ledger
from muleteer.spool.line_file import LineFile
from muleteer.testing.disk_tree import JOURNALLED
from muleteer.testing.sticks import CABIN, FARM, SPOOL, STICK, StickScene, put

KEEPS = StickAllowance(acknowledging={CABIN.id: 1000.0, FARM.id: 1000.0})


@pytest.fixture
def scene():
    scene = StickScene()
    scene.lay_out(CABIN, FARM)
    return scene


def acknowledged(scene, *payloads, recipient=CABIN):
    """Let the stick leave with packets, and their acknowledgements come by another way; return the packets' names."""
    names = [scene.queue(payload, recipient=recipient) for payload in payloads]
    assert scene.run(KEEPS).sent == len(names)
    for name in names:
        scene.spool.finish(recipient.id, "tx", name)
    scene.ledger.retire(names)
    return names


def test_a_stick_that_never_came_to_the_recipient_kept_our_copy_for_ever(scene):
    names = acknowledged(scene, b"one", b"two")
    assert {*scene.names_on_stick()} == {*map(str, names)}
    result = scene.run(KEEPS)
    assert (result.swept, result.complete) == (2, True)
    assert scene.names_on_stick() == []
    assert scene.ledger.litter("blue", CABIN.id) == []
    assert scene.run(KEEPS).swept == 0


def test_litter_fills_no_stick_before_there_is_room_for_mail(scene):
    scene.disk.volumes[STICK].capacity = 60_000
    acknowledged(scene, bytes(40_000))
    letter = scene.queue(bytes(39_000))
    result = scene.run(KEEPS)
    assert (result.swept, result.sent) == (1, 1)
    assert scene.names_on_stick() == [str(letter)]


def test_what_the_recipient_has_taken_itself_is_forgotten(scene):
    (name,) = acknowledged(scene, b"letter")
    scene.disk.unlink(f"{scene.stick_path()}/{name}")
    assert scene.run(KEEPS).swept == 0
    assert scene.ledger.litter("blue", CABIN.id) == []


def test_copies_are_found_in_both_layouts(scene):
    (name,) = acknowledged(scene, b"letter")
    put(scene.disk, f"{scene.stick_path(base='NNCP')}/{name}", scene.known[name])
    assert scene.run(KEEPS).swept == 2
    assert scene.names_on_stick() == scene.names_on_stick(base="NNCP") == []


def test_what_nobody_acknowledged_may_be_the_only_copy_and_stays(scene):
    removed = scene.queue(b"removed by a person, as with nncp-rm")
    silent = scene.queue(b"to one who does not acknowledge", recipient=FARM)
    result = scene.run(StickAllowance(acknowledging={CABIN.id: 1000.0}))
    assert (result.kept, result.retired) == (1, 1)
    scene.spool.finish(CABIN.id, "tx", removed)
    scene.ledger.tidy([])
    scene.ledger.retire([removed, silent])
    assert scene.run(KEEPS).swept == 0
    assert (scene.names_on_stick(), scene.names_on_stick(FARM)) == ([str(removed)], [str(silent)])


def test_nothing_is_touched_but_files_that_are_litter_of_this_stick_where_we_write(scene):
    other, path = scene.queue(b"still under way"), scene.stick_path()
    assert scene.run(KEEPS).sent == 1
    (litter,) = acknowledged(scene, b"litter")
    scene.disk.unlink(f"{path}/{litter}")
    copies = [f"{scene.stick_path(FARM)}/{litter}", f"{scene.stick_path(CABIN, FARM)}/{litter}", f"{STICK}/{litter}"]
    for copy in (*copies, f"{path}/{litter}.txt", f"{path}/notes"):
        put(scene.disk, copy, b"somebody else's")
    before = set(scene.disk.image())
    put(scene.disk, f"{path}/{litter}", scene.known[litter])
    scene.ledger.carried("blue", CABIN.id, [litter], 1)
    scene.ledger.carried("red", CABIN.id, [litter], 1)
    scene.ledger.retire([litter])
    assert scene.run(KEEPS).swept == 1
    assert {found for found in before if found.startswith(STICK)} <= set(scene.disk.image())
    assert f"{path}/{litter}" not in scene.disk.image()
    assert str(other) in scene.names_on_stick()
    assert scene.ledger.litter("red", CABIN.id) == [litter]


@pytest.mark.parametrize("verb", ["mkdir", "symlink"])
def test_what_is_no_file_in_its_place_is_left_alone_and_forgotten(scene, verb):
    (name,) = acknowledged(scene, b"letter")
    path = f"{scene.stick_path()}/{name}"
    scene.disk.unlink(path)
    scene.disk.volumes[STICK].personality = JOURNALLED
    scene.disk.mkdir(path) if verb == "mkdir" else scene.disk.symlink(f"{STICK}/notes", path)
    assert scene.run(KEEPS).swept == 0
    assert path in scene.disk.image()
    assert scene.ledger.litter("blue", CABIN.id) == []


def test_a_packet_that_a_power_cut_brought_back_to_tx_is_mail_again(scene):
    (name,) = acknowledged(scene, b"letter")
    put(scene.disk, scene.spool.path(CABIN.id, "tx", name), scene.known[name])
    result = scene.run(KEEPS)
    assert (result.swept, result.sent_again) == (0, 1)
    assert scene.names_on_stick() == [str(name)]


def test_where_the_stick_does_not_carry_or_somebody_is_at_work_nothing_is_swept(scene):
    (name,) = acknowledged(scene, b"letter")
    assert scene.run(StickAllowance(carry=frozenset({FARM.id}))).swept == 0
    with scene.spool.lock(CABIN.id, "tx"):
        assert scene.run(KEEPS).swept == 0
    assert scene.names_on_stick() == [str(name)]
    assert scene.run(KEEPS).swept == 1


def test_a_write_protected_stick_is_swept_when_it_is_not_any_more(scene):
    acknowledged(scene, b"letter")
    scene.disk.volumes[STICK].read_only = True
    assert scene.run(KEEPS).swept == 0
    scene.disk.volumes[STICK].read_only = False
    assert scene.run(KEEPS).swept == 1


def fails_on_the_stick(scene, monkeypatch, verb, path, code=errno.EIO):
    real = getattr(scene.disk, verb)

    def act(at, *args, **options):
        if at == path:
            raise OSError(code, "no", at)
        return real(at, *args, **options)

    monkeypatch.setattr(scene.disk, verb, act)


@pytest.mark.parametrize("verb", ["unlink", "fsync_dir", "scandir"])
def test_what_is_not_certainly_gone_is_not_forgotten(scene, monkeypatch, verb):
    (name,) = acknowledged(scene, b"letter")
    with monkeypatch.context() as ill:
        path = scene.stick_path()
        fails_on_the_stick(scene, ill, verb, f"{path}/{name}" if verb == "unlink" else path)
        scene.run(KEEPS)
    assert scene.ledger.litter("blue", CABIN.id) == [name]
    scene.run(KEEPS)
    assert scene.names_on_stick() == []
    assert scene.ledger.litter("blue", CABIN.id) == []


def test_pulled_while_sweeping_is_completed_at_the_next_insertion(scene, monkeypatch):
    names = acknowledged(scene, b"one", b"two", b"three")
    second = scene.names_on_stick()[1]
    with monkeypatch.context() as ill:
        fails_on_the_stick(scene, ill, "unlink", f"{scene.stick_path()}/{second}", errno.ENODEV)
        with pytest.raises(RunnerGone):
            scene.run(KEEPS)
    assert scene.ledger.litter("blue", CABIN.id) == names
    assert scene.run(KEEPS).swept == 2
    assert scene.ledger.litter("blue", CABIN.id) == []


def test_a_ledger_that_cannot_be_written_holds_up_no_mail(scene, monkeypatch):
    acknowledged(scene, b"litter")
    letter = scene.queue(b"letter", recipient=FARM)

    def full(_file, _make):
        raise SpoolError(path=SPOOL, problem="no space left on device")

    with monkeypatch.context() as ill:
        ill.setattr(LineFile, "append", full)
        result = scene.run()  # nobody acknowledges: nothing is noted for mail
    assert (result.swept, result.sent, len(result.problems)) == (1, 1, 1)
    assert scene.names_on_stick(FARM) == [str(letter)]
    assert scene.run(KEEPS).problems == []
    assert Ledger(scene.spool).litter("blue", CABIN.id) == []


def test_a_round_that_is_stopped_leaves_the_rest_for_the_next_one(scene):
    acknowledged(scene, b"one", b"two", b"three")
    asked = []
    result = scene.run(KEEPS, stop=lambda: len(asked) >= 3 or asked.append(1))
    assert 0 < result.swept < 3
    assert len(scene.names_on_stick()) == 3 - result.swept == len(scene.ledger.litter("blue", CABIN.id))
    assert scene.run(KEEPS).swept == 3 - result.swept
