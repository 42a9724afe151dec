# SPDX-License-Identifier: GPL-3.0-or-later
"""Who holds a draft open, also where we may not look."""

import os
import subprocess
import sys

import pytest

from muleteer.spool import holders


@pytest.fixture
def drafts(tmp_path):
    paths = [str(tmp_path / name) for name in ("held", "free")]
    for path in paths:
        with open(path, "wb"):
            pass
    return paths


def test_another_process_holds_its_file(drafts):
    script = "import sys; f = open(sys.argv[1]); print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", script, drafts[0]]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        assert holders.held_open(drafts) == {drafts[0]}
        holder.communicate()
    assert holders.held_open(drafts) == set()


@pytest.mark.parametrize(("program", "held"), [("nncp-file\n", 2), ("bash\n", 0)])
def test_a_peers_program_that_hides_its_files_may_hold_all(drafts, monkeypatch, program, held):
    listdir = os.listdir

    def refuse(path):
        if path.endswith("/fd"):
            raise PermissionError(13, "not ours", path)
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refuse)
    monkeypatch.setattr(holders, "_program", lambda pid: program)
    assert len(holders.held_open(drafts)) == held


def test_a_process_that_has_ended_holds_nothing():
    assert holders._program("0") == ""
    assert holders._target("/proc/0/fd/0") == ""
