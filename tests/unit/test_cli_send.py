# SPDX-License-Identifier: GPL-3.0-or-later
"""``muleteer send``: many files, one process, groups of commits."""

from __future__ import annotations

import json
import pathlib

import pytest

from muleteer.cli.main import main

CFG = pathlib.Path(__file__).parent.parent / "vectors" / "data" / "cfg" / "alice.hjson"
BOB = "M2AS4STFTUVWJ2DAPLQLEXSQN2VHNYUYXX5UDUDG7ZGUDYWLLOPA"


@pytest.fixture
def alice(tmp_path, monkeypatch):
    """A node in a scratch folder; returns its configuration."""
    monkeypatch.delenv("NNCPCFG", raising=False)
    config = json.loads(CFG.read_text())
    config |= {"spool": str(tmp_path / "spool"), "log": str(tmp_path / "log")}
    (tmp_path / "spool").mkdir()
    (tmp_path / "nncp.hjson").write_text(json.dumps(config))
    return tmp_path


def queued(folder):
    return [path for path in (folder / "spool" / BOB / "tx").glob("*") if len(path.name) == 52]


def test_many_files_are_queued_and_logged(alice):
    names = []
    for number in range(70):  # more than one group
        (alice / f"f{number}").write_text(str(number))
        names.append(str(alice / f"f{number}"))
    assert main(["send", "-q", "--nncp", str(alice / "nncp.hjson"), *names, "bob:in/"]) == 0
    assert len(queued(alice)) == 70
    log = (alice / "log").read_text()
    assert log.count("\nDst: in/f") == 70
    for path in queued(alice):
        assert f"Pkt: {path.name}" in log


def test_an_unreadable_file_does_not_stop_the_rest(alice, capsys):
    (alice / "good").write_text("x")
    words = ["send", "-q", "--nncp", str(alice / "nncp.hjson"), str(alice / "missing"), str(alice / "good"), "bob:"]
    assert main(words) == 1
    assert len(queued(alice)) == 1
    assert "missing" in capsys.readouterr().err


@pytest.mark.parametrize("target", ["bob", "nobody:"])
def test_a_wrong_target_sends_nothing(alice, target):
    (alice / "good").write_text("x")
    assert main(["send", "-q", "--nncp", str(alice / "nncp.hjson"), str(alice / "good"), target]) == 1
    assert not queued(alice)


def test_a_folder_goes_as_an_archive(alice):
    (alice / "photos").mkdir()
    (alice / "photos" / "a").write_text("x")
    assert main(["send", "-q", "--nncp", str(alice / "nncp.hjson"), str(alice / "photos") + "/", "bob:"]) == 0
    assert "Dst: photos.tar" in (alice / "log").read_text()
