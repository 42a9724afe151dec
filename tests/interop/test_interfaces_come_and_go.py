# SPDX-License-Identifier: GPL-3.0-or-later
"""Interfaces that come and go in a network namespace of their own, by ip(8), told by the real kernel."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("ip"), reason="needs root and ip(8) for a namespace"),
]

SCRIPT = """
import json, subprocess, trio
from muleteer.hotplug.interfaces import Interfaces

STEPS = ["link set lo up", "link add cell0 type veth peer name tower0", "addr add 10.9.8.7/24 dev cell0",
         "link set cell0 up;link set tower0 up", "link set tower0 down", "link del cell0"]

def shown(now):
    named = [i for i in now if i.name in ("lo", "cell0")]
    return [[i.name, i.up, [a for a in i.addresses if "." in a]] for i in named]

async def main():
    with trio.fail_after(30):
        steps, last = iter(STEPS), None
        async for now in Interfaces().changes():
            if shown(now) == last:
                continue
            last = shown(now)
            print(json.dumps(last), flush=True)
            for command in next(steps, "").split(";"):
                if not command:
                    return
                subprocess.run(["ip", *command.split()], check=True)
trio.run(main)
"""


def test_interfaces_come_and_go():
    done = subprocess.run(
        ["unshare", "-n", sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    said = [[tuple(interface) for interface in json.loads(line)] for line in done.stdout.splitlines()]
    lo, up, down = ("lo", True, ["127.0.0.1"]), ("cell0", True, ["10.9.8.7"]), ("cell0", False, ["10.9.8.7"])
    assert said == [
        [("lo", False, [])],
        [lo],
        [("cell0", False, []), lo],
        [down, lo],
        [up, lo],
        [down, lo],
        [lo],
    ]
