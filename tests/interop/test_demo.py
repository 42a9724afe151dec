# SPDX-License-Identifier: GPL-3.0-or-later
"""The demonstration is a test of its own: real agents, the real stick round, the real Go node as guest."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import tempfile

import pytest

from muleteer.demo.guest import go_commands

pytestmark = pytest.mark.interop


@pytest.fixture
def short_path():
    """A unix socket's path is bounded, pytest's own folders are long."""
    with tempfile.TemporaryDirectory(prefix="mule") as folder:
        yield pathlib.Path(folder)


def test_demo_delivers_everything_with_the_real_peer(short_path):
    assert go_commands(), "Debian's nncp is not installed"
    env = {**os.environ, "TMPDIR": str(short_path)}
    kept = short_path / "frames"
    argv = [sys.executable, "-m", "muleteer.cli.main", "demo", "--plain", "--keep", "--frames", str(kept)]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "MISSING" not in done.stdout
    assert "the real Go NNCP" in done.stdout
    assert list(short_path.glob("muleteer-demo-*/home/spool"))
    frames = list(kept.glob("*/*.png"))
    assert {frame.parent.name for frame in frames} == {"home", "cabin"}
    for box in ("home", "cabin"):
        kinds = {frame.stem.partition("-")[2] for frame in frames if frame.parent.name == box}
        assert {"idle", "working", "safe"} <= kinds, "the panel never showed a round"


def test_demo_leaves_the_frames_and_nothing_else(short_path):
    env = {**os.environ, "TMPDIR": str(short_path)}
    argv = [sys.executable, "-m", "muleteer.cli.main", "demo", "--plain"]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.name for path in short_path.iterdir()] == ["muleteer-demo-frames"]
