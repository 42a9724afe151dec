# SPDX-License-Identifier: GPL-3.0-or-later
"""Stick directories exchanged with the real nncp-xfer, in both directions and both layouts."""

from __future__ import annotations

import pytest
from cli_lab import KEYS, Lab

from muleteer.carriers.stick import Round
from muleteer.carriers.stick_plan import StickAllowance
from muleteer.formats.ids import NodeId
from muleteer.spool.disk import RealDisk
from muleteer.spool.ledger import Ledger
from muleteer.spool.spool import Spool

pytestmark = pytest.mark.interop

ID = {name: NodeId.parse(keys["id"]) for name, keys in KEYS.items()}
SIZES = (0, 1, 130_780, 130_781, 1_500_000)


@pytest.fixture
def go(tmp_path):
    return Lab(tmp_path, "go")


@pytest.fixture(params=["", "NNCP"], ids=["root", "under NNCP"])
def base(request):
    return request.param


def ours(lab, node, stick, **options):
    """Do a round at a node of the laboratory, on its real spool."""
    spool = Spool(str(lab.path(node, "spool")), RealDisk())
    return Round(
        spool,
        RealDisk(),
        Ledger(spool),
        ID[node],
        tuple(ID.values()),
        options.pop("allowance", StickAllowance()),
        str(stick),
        runner="blue",
        now=1e9,
        acknowledge=options.pop("acknowledge", lambda _node, _name: None),
        **options,
    ).run()


def queue(lab, sender, recipient):
    for number, size in enumerate(SIZES):
        data = bytes([number]) * size
        done = lab("file", sender, "-nice", str(50 + number), "-", f"{recipient}:{number}", stdin=data)
        assert done.status == 0, done.err


def arrived(lab, node):
    folder = lab.path(node, "incoming")
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def sent():
    return {str(number): bytes([number]) * size for number, size in enumerate(SIZES)}


def test_theirs_to_ours(go, tmp_path, base):
    stick = tmp_path / "stick"
    folder = stick / base
    folder.mkdir(parents=True)
    queue(go, "alice", "bob")
    assert go("xfer", "alice", "-mkdir", str(folder)).status == 0
    acks = []
    result = ours(go, "bob", stick, acknowledge=lambda node, name: acks.append((node, name)))
    assert (result.received, result.refused, result.problems) == (len(SIZES), 0, [])
    assert len(acks) == len(SIZES)
    assert not list((folder / str(ID["bob"]) / str(ID["alice"])).iterdir())
    assert go("check", "bob").status == 0
    assert go("toss", "bob").status == 0
    assert arrived(go, "bob") == sent()


def test_ours_to_theirs(go, tmp_path, base):
    stick = tmp_path / "stick"
    folder = stick / base
    (folder / str(ID["bob"])).mkdir(parents=True)
    queue(go, "alice", "bob")
    result = ours(go, "alice", stick)
    assert (result.sent, result.retired, result.held) == (len(SIZES), len(SIZES), [])
    assert not go.packets("alice", "bob", "tx")
    assert go("xfer", "bob", str(folder)).status == 0
    assert go("check", "bob").status == 0
    assert go("toss", "bob").status == 0
    assert arrived(go, "bob") == sent()
    assert not list((folder / str(ID["bob"]) / str(ID["alice"])).iterdir())


def test_there_and_back_on_one_stick(go, tmp_path):
    """What their nncp-xfer leaves behind of directories is a layout we use, and the other way round."""
    stick = tmp_path / "stick"
    stick.mkdir()
    queue(go, "alice", "bob")
    queue(go, "bob", "alice")
    assert go("xfer", "alice", "-mkdir", str(stick)).status == 0
    assert ours(go, "bob", stick).sent == len(SIZES)
    assert go("xfer", "alice", str(stick)).status == 0
    for node in ("alice", "bob"):
        assert go("toss", node).status == 0
        assert arrived(go, node) == sent()


def test_what_they_hold_locked_waits(go, tmp_path):
    stick = tmp_path / "stick"
    (stick / str(ID["bob"])).mkdir(parents=True)
    queue(go, "alice", "bob")
    spool = Spool(str(go.path("alice", "spool")), RealDisk())
    with spool.lock(ID["bob"], "tx"):
        assert ours(go, "alice", stick).waiting == len(SIZES)
        go("xfer", "alice", str(stick))
        assert len(go.packets("alice", "bob", "tx")) == len(SIZES), "they respect our lock"
    assert ours(go, "alice", stick).sent == len(SIZES)
