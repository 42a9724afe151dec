# SPDX-License-Identifier: GPL-3.0-or-later
"""What the reference left in a stick's folder, a spool and a log, read and printed by our commands as by its own."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig

import pytest

from muleteer.formats.mth import mth

ROOT = pathlib.Path(__file__).parent.parent.parent
DATA = pathlib.Path(__file__).parent / "data"
NODES = json.loads((DATA / "cfg" / "keys.json").read_text())["nodes"]
ALICE, BOB = (NODES[name]["id"] for name in ("alice", "bob"))
START = (
    "import sys; sys.path[:0] = sys.argv[1].split(':'); del sys.argv[1]; "
    "from muleteer.cli.nncp import start; start(sys.argv[1:])"
)
OUR_PATH = f"{ROOT / 'firmware'}:{sysconfig.get_path('purelib')}"
THREE = {path.name: path.read_bytes() for path in (DATA / "xfer" / "DIR" / BOB / ALICE).iterdir()}


@pytest.fixture
def lab(tmp_path):
    """Run one of our commands in a folder of its own: the words are ``node, command, flags and the rest``."""

    def run(node, command, *words):
        config = tmp_path / f"{node}.hjson"
        config.write_text((DATA / "cfg" / config.name).read_text().replace(f"/srv/nncp-vec/{node}", str(tmp_path)))
        (tmp_path / "spool").mkdir(exist_ok=True)
        return subprocess.run(
            [sys.executable, "-I", "-S", "-c", START, OUR_PATH, f"nncp-{command}", "-cfg", config, *words],
            capture_output=True,
            cwd=tmp_path,
            timeout=60,
            check=True,
            env={"PATH": os.defpath, "TZ": "UTC", "HOME": str(tmp_path)},
        ).stdout

    return run


def snapshot(name, tmp_path):
    """Copy a spool; its symbolic links dangle, as they lead to where it was."""
    shutil.copytree(DATA / "spool" / name, tmp_path / "spool", symlinks=True)


def in_rx(tmp_path):
    return {path.name: path.read_bytes() for path in (tmp_path / "spool" / ALICE / "rx").iterdir() if path.is_file()}


def test_three_packets_are_three():
    assert len(THREE) == 3
    assert all(str(mth(packet)) == name for name, packet in THREE.items())


def test_our_xfer_takes_what_theirs_left(lab, tmp_path):
    shutil.copytree(DATA / "xfer" / "DIR", tmp_path / "DIR")
    lab("bob", "xfer", "-rx", "DIR")
    assert in_rx(tmp_path) == THREE
    assert [path for path in (tmp_path / "DIR" / BOB).rglob("*") if path.is_file()] == []


def test_our_cfgmin_prints_the_same_bytes(lab, tmp_path):
    shutil.copy(DATA / "cfg" / "alice.hjson", tmp_path / "as-it-was.hjson")
    said = lab("alice", "cfgmin", "-cfg", "as-it-was.hjson")
    assert said == (DATA / "cfg" / "alice.cfgmin.hjson").read_bytes()


def test_our_log_command_prints_the_same_bytes(lab, tmp_path):
    shutil.copy(DATA / "spool" / "bob.log", tmp_path / "log")
    assert lab("bob", "log") == (DATA / "spool" / "bob.log.humanized").read_bytes()


def test_our_stat_prints_the_same_up_to_the_order_of_packets(lab, tmp_path):
    snapshot("alice-after-three-files", tmp_path)
    said = lab("alice", "stat", "-pkt").decode().splitlines()
    meant = (DATA / "spool" / "alice.stat.txt").read_text().splitlines()
    assert packets_in_order(said) == packets_in_order(meant)


def packets_in_order(lines):
    """Sort the packet lines, which stand in the order of a directory there; all others keep their places."""
    is_packet = re.compile(r"\t(rx|tx) [A-Z2-7]{52} ").match
    packets = iter(sorted(filter(is_packet, lines)))
    return [next(packets) if is_packet(line) else line for line in lines]


def test_their_spool_after_receiving_is_sound_and_lists_three(lab, tmp_path):
    snapshot("bob-after-xfer-rx", tmp_path)
    assert in_rx(tmp_path) == THREE
    listed = re.findall(r"^\trx ([A-Z2-7]{52}) ", lab("bob", "stat", "-pkt").decode(), re.MULTILINE)
    assert sorted(listed) == sorted(THREE)
    lab("bob", "check")
    assert in_rx(tmp_path) == THREE
