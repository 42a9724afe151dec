# SPDX-License-Identifier: GPL-3.0-or-later
"""What nncp-xfer does with packets that are in rx already: they leave the medium only when rx has them for good."""

from __future__ import annotations

import errno

import pytest

from muleteer.carriers.xfer import XferRules, xfer
from muleteer.cli.nncp_report import Report
from muleteer.errors import SpoolError
from muleteer.spool.disk import RealDisk
from muleteer.testing.sticks import CABIN, HOME, STICK, StickScene, put


@pytest.fixture
def scene():
    scene = StickScene()
    name = scene.on_stick(b"letter")
    put(scene.disk, scene.spool.path(CABIN.id, "rx", name), scene.known[name])
    scene.disk.settle()
    return scene


class Log:
    def event(self, who, message, fields, err=None):
        assert err is None, message

    def events(self, those):
        assert all(who == "xfer-rx" for who, _, _ in those)


def receive(scene):
    rules = XferRules(
        directory=STICK,
        own=HOME.id,
        names={CABIN.id: "cabin", HOME.id: "self"},
        nice=255,
        receive=True,
        send=False,
        keep=False,
        mkdir=False,
    )
    return xfer(scene.spool, scene.disk, Log(), rules, lambda _verb, _name, _size: None)


def test_a_copy_left_the_medium_before_rx_was_synced(scene):
    assert receive(scene)
    calls = [(call.verb, call.path) for call in scene.disk.trace]
    synced = calls.index(("fsync_dir", scene.spool.layout.way(CABIN.id, "rx")))
    (removed,) = [at for at, (verb, path) in enumerate(calls) if verb == "unlink" and path.startswith(STICK)]
    assert synced < removed


def test_a_copy_left_the_medium_although_rx_could_not_be_synced(scene, monkeypatch):
    (name,) = scene.names_on_stick(HOME, CABIN)
    real, calls = scene.disk.fsync_dir, []

    def fsync_dir(path):
        calls.append(path)
        if len(calls) == 1:
            raise OSError(errno.EIO, "no", path)
        real(path)

    monkeypatch.setattr(scene.disk, "fsync_dir", fsync_dir)
    with pytest.raises(SpoolError):
        receive(scene)
    assert scene.names_on_stick(HOME, CABIN) == [name]
    scene.disk.trace.clear()
    assert receive(scene)
    assert not scene.names_on_stick(HOME, CABIN)
    renamed = [call.path for call in scene.disk.trace if call.verb == "rename"]
    assert f"{scene.spool.layout.way(CABIN.id, 'rx')}/{name}" in renamed, "taken anew, because what is there is doubted"


def test_a_damaged_one_in_rx_is_replaced(scene):
    (name,) = scene.known
    path = scene.spool.path(CABIN.id, "rx", name)
    scene.disk.unlink(path)
    put(scene.disk, path, scene.known[name][:-1] + bytes([scene.known[name][-1] ^ 1]))
    assert receive(scene)
    assert scene.disk.image()[path] == scene.known[name]
    assert not scene.names_on_stick(HOME, CABIN)


def test_a_group_is_logged_by_one_write(tmp_path):
    report = Report(str(tmp_path / "log"), RealDisk(sync=False), None, quiet=True, debug=False)
    report.events([])
    assert not (tmp_path / "log").exists()
    report.events([("xfer-rx", "one", [("Pkt", "A")]), ("xfer-rx", "two", [("Pkt", "B")])])
    assert (tmp_path / "log").read_text().count("Who: xfer-rx") == 2
