# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files some process holds open, from /proc: how a sweep tells a draft at work from a draft left over.

The reference's programs hold no lock on their temporary files, so an open descriptor is the only sign of life.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

_PEER_PROGRAMS = "nncp"


def held_open(paths: Collection[str]) -> set[str]:
    """Return those of ``paths`` that a process may hold open.

    When a process of another user cannot be looked into and its name says it is the reference's, all of them may be.
    """
    wanted = {os.path.realpath(path): path for path in paths}
    held: set[str] = set()
    for pid in os.listdir("/proc"):
        if not pid.isdigit():
            continue
        try:
            for fd in os.listdir(f"/proc/{pid}/fd"):
                path = wanted.get(_target(f"/proc/{pid}/fd/{fd}"))
                if path is not None:
                    held.add(path)
        except PermissionError:
            if _program(pid).startswith(_PEER_PROGRAMS):
                return set(paths)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return held


def _target(link: str) -> str:
    try:
        return os.readlink(link)
    except OSError:  # closed since it was listed
        return ""


def _program(pid: str) -> str:
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
