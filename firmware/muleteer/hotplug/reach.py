# SPDX-License-Identifier: GPL-3.0-or-later
"""Say whether a user could change a program that runs with root's rights: its interpreter, its modules, the way there.

Part of the mount helper, and as careful as that: it reads and compares, nothing else.
"""

from __future__ import annotations

import os
import pwd
import stat
import sys


def upwards(path: str, top: str = "/") -> list[str]:
    """Return a path and all directories above it, up to `top`."""
    found = [path]
    while path not in (top, "/"):
        path = os.path.dirname(path)
        found.append(path)
    return found


def within_reach(uid: int, gid: int) -> str | None:
    """Return the first part of this program, or directory above it, that a user could change; None if there is none.

    Looked at are the interpreter, the virtual environment and every module that was loaded, with and without links
    followed. In a sticky directory only an entry's owner can replace it.
    """
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    loaded = {os.path.abspath(file) for file in files if file}
    parts = {os.path.abspath(sys.executable), os.path.abspath(f"{sys.prefix}/pyvenv.cfg"), *loaded}
    paths = {above for part in parts for way in (part, os.path.realpath(part)) for above in upwards(way)}
    groups = _groups(uid, gid)
    return next((path for path in sorted(paths) if _may_change(path, uid, groups)), None)


def _may_change(path: str, uid: int, groups: set[int]) -> bool:
    try:
        facts = os.lstat(path)
    except OSError:  # pyvenv.cfg outside of a virtual environment
        return False
    if facts.st_uid == uid:
        return True
    if stat.S_ISLNK(facts.st_mode) or (stat.S_ISDIR(facts.st_mode) and facts.st_mode & stat.S_ISVTX):
        return False
    return bool(facts.st_mode & stat.S_IWOTH or (facts.st_mode & stat.S_IWGRP and facts.st_gid in groups))


def _groups(uid: int, gid: int) -> set[int]:
    try:
        return {gid, *os.getgrouplist(pwd.getpwuid(uid).pw_name, gid)}
    except KeyError:  # a number without a name
        return {gid}
