# SPDX-License-Identifier: GPL-3.0-or-later
r"""The mount helper: the only part of Muleteer that runs as root when a stick goes in.

    muleteer-mount mount DEVICE       mount it read-only at BASE/NAME, print what it is
    muleteer-mount writable DEVICE    make that writable
    muleteer-mount unmount DEVICE     unmount it for good; returns when everything is on the stick

It takes a device path and nothing else: no options, no places, no environment, no configuration of the agent's. It
prints one line of JSON: ``{"path": ..., "fs_type": ..., "read_only": ..., "dirty": ...}``, ``{}`` after unmounting, or
``{"problem": ...}`` with exit status 1.

What it believes, and from whom:

1. DEVICE must be ``/dev/NAME``, a block device by lstat, of the number that sysfs knows under that NAME.
2. Its sysfs path must lead through a USB interface of class 08, mass storage (rule of sysfs: the kernel's word).
3. It, its disk and its sister partitions must not be mounted elsewhere, nor be swap's or another driver's (holders):
   a Pi may run from a USB disk, and a mount of the running system's partition would be the end of it.
4. The file system is told by `superblock`; vfat and exfat, and ext4 where the owner has made the file `ALLOW_EXT4`.
5. BASE is made here, and it and everything above it must be root's and writable by nobody else: who can rename a
   directory on the way chooses where root mounts. (So it is not in /run/muleteer, which is the agent's.)
6. Through sudo, everything this program was loaded from must be out of reach of whoever called sudo. That is no
   defence, for what was loaded has run already; it is there to make a careless installation fail at once.
7. Mounted with nosuid, nodev, noexec, noatime, nosymfollow, by mount(2) itself: /bin/mount would read fstab, probe,
   write utab and call helpers of its own, which are many doors for five flags. ctypes is enough for two calls.

Read-only first: a stick that turns out to be nobody's runner is given back unchanged. Not even its journal is played
back (ext4's `noload`), so for writing ext4 is not remounted but unmounted and mounted anew. A file system marked dirty
is mounted writable all the same when asked: a stick pulled in the middle is dirty, and the next insertion is to
complete its round. That is safe because no name on the stick is trusted before its content was hashed, and what we
promise we have read back. fsck is never run: it writes to a stranger's stick, and hostile metadata can keep it busy for
ever.

Unmounting is never lazy: MNT_DETACH returns while data is still in memory, and the pull-lamp would lie. A busy mount is
an error that is said.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import pwd
import re
import stat
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from muleteer.hotplug.reach import upwards, within_reach
from muleteer.hotplug.superblock import HEAD_SIZE, Superblock, superblock_of

if TYPE_CHECKING:
    from collections.abc import Mapping

BASE = "/run/muleteer-bays"
ALLOW_EXT4 = "/etc/muleteer/allow-ext4"
USER = "muleteer"
BASE_MODE = 0o755

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_NOSYMFOLLOW, MS_NOATIME = 256, 1024
FLAGS = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NOSYMFOLLOW
UMOUNT_NOFOLLOW = 8

# What a first look needs besides: ext4 plays its journal back, and writes, even when it is mounted read-only.
FIRST_LOOK = {"ext4": "noload,"}

# `flush` writes a FAT stick back as soon as it is quiet, so a pull in the middle costs less. `utf8` because the
# kernel's default for names is ASCII on Debian, and a name it cannot say would not be listed at all.
OPTIONS = {
    "vfat": "uid={uid},gid={gid},umask=0077,utf8=1,shortname=mixed,flush,errors=remount-ro",
    "exfat": "uid={uid},gid={gid},umask=0077,iocharset=utf8,errors=remount-ro",
    "ext4": "errors=remount-ro",  # has owners of its own: the agent's user must be able to write there
}

_NAME = re.compile(r"[a-z]{2,8}[0-9]{0,3}")
_USB_INTERFACE = re.compile(r"\d+-[\d.]+:\d+\.\d+")
_OCTAL = re.compile(r"\\([0-7]{3})")
MASS_STORAGE = "08"


class RefusedError(Exception):
    """The device is not mounted (remounted, unmounted), and why."""


@dataclass(frozen=True, slots=True)
class World:
    """Where the helper finds things. Fixed when it runs as a program; tests bring a sysfs of their own."""

    dev: str = "/dev"
    sys: str = "/sys"
    proc: str = "/proc"
    base: str = BASE
    allow_ext4: str = ALLOW_EXT4
    uid: int = 0
    gid: int = 0
    owner: int = 0  # of `base` and of everything above it, up to
    top: str = "/"


@dataclass(frozen=True, slots=True)
class Mounted:
    """The helper's answer."""

    path: str
    fs_type: str
    read_only: bool
    dirty: bool


@dataclass(frozen=True, slots=True)
class _Mount:
    number: str
    place: str
    read_only: bool


def mount(world: World, device: str) -> Mounted:
    """Mount a stick read-only. Raises RefusedError."""
    name, number = _usb_stick(world, device)
    _check_unused(world, number)
    superblock = _superblock(device)
    if superblock is None or (superblock.fs_type == "ext4" and not os.path.exists(world.allow_ext4)):
        raise RefusedError("its file system is not one that is mounted here")
    place = _made_place(world, name)
    _call_mount(device, place, superblock.fs_type, FLAGS | MS_RDONLY, _options(world, superblock, first_look=True))
    return Mounted(place, superblock.fs_type, read_only=True, dirty=superblock.dirty)


def writable(world: World, device: str) -> Mounted:
    """Make a stick that `mount` has mounted writable, or leave it as it is. Raises RefusedError."""
    name, number = _usb_stick(world, device)
    place = _place(world, name)
    if number not in [m.number for m in _mounts(world) if m.place == place]:
        raise RefusedError("it is not mounted")
    superblock = _superblock(device)
    if superblock is None:
        raise RefusedError("its file system has gone")
    if superblock.fs_type in FIRST_LOOK:
        _mount_anew(world, device, place, superblock)
    else:
        _call_mount(device, place, superblock.fs_type, FLAGS | MS_REMOUNT, _options(world, superblock))
    read_only = any(m.read_only for m in _mounts(world) if m.place == place)
    return Mounted(place, superblock.fs_type, read_only, superblock.dirty)


def _mount_anew(world: World, device: str, place: str, superblock: Superblock) -> None:
    """Mount for writing what was mounted with an option that cannot be taken back; if refused, as it was before."""
    _call_unmount(place)
    try:
        _call_mount(device, place, superblock.fs_type, FLAGS, _options(world, superblock))
    except RefusedError:
        flags = FLAGS | MS_RDONLY
        _call_mount(device, place, superblock.fs_type, flags, _options(world, superblock, first_look=True))
        raise


def _options(world: World, superblock: Superblock, *, first_look: bool = False) -> str:
    options = OPTIONS[superblock.fs_type].format(uid=world.uid, gid=world.gid)
    return (FIRST_LOOK.get(superblock.fs_type, "") if first_look else "") + options


def unmount(world: World, device: str) -> None:
    """Unmount a stick, also one that is gone; nothing to do if it is not mounted. Raises RefusedError if it is busy."""
    place = _place(world, _name(world, device))
    for _ in [m for m in _mounts(world) if m.place == place]:
        _call_unmount(place)
    try:
        os.rmdir(place)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise RefusedError(f"{place}: {error.strerror}") from error


def _name(world: World, device: str) -> str:
    name = device.removeprefix(f"{world.dev}/")
    if name == device or not _NAME.fullmatch(name):
        raise RefusedError("this is not the name of a device")
    return name


def _place(world: World, name: str) -> str:
    return f"{world.base}/{name}"


def _made_place(world: World, name: str) -> str:
    _make_base(world)
    place = _place(world, name)
    try:
        os.mkdir(place, 0o700)
    except FileExistsError:
        if not stat.S_ISDIR(os.lstat(place).st_mode):
            raise RefusedError(f"{place} is no directory") from None
    except OSError as error:
        raise RefusedError(f"{place}: {error.strerror}") from error
    return place


def _make_base(world: World) -> None:
    """Make the directory of all places where it is missing, and see that nobody else can change the way to it."""
    try:
        os.mkdir(world.base, BASE_MODE)
        os.chmod(world.base, BASE_MODE)  # whatever the umask
    except FileExistsError:
        pass
    except OSError as error:
        raise RefusedError(f"{world.base}: {error.strerror}") from error
    for path in upwards(world.base, world.top):
        facts = os.lstat(path)
        if not stat.S_ISDIR(facts.st_mode):
            raise RefusedError(f"{path} is no directory")
        if facts.st_uid != world.owner or facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise RefusedError(f"{path} is not root's alone: others could choose where sticks are mounted")


def _usb_stick(world: World, device: str) -> tuple[str, str]:
    """Return name and number ("8:1") of a device that is a USB stick by the kernel's word."""
    name = _name(world, device)
    try:
        facts = os.lstat(device)
    except OSError as error:
        raise RefusedError(f"{error.strerror}") from error
    if not stat.S_ISBLK(facts.st_mode):
        raise RefusedError("this is no block device")
    number = f"{os.major(facts.st_rdev)}:{os.minor(facts.st_rdev)}"
    path = os.path.realpath(f"{world.sys}/dev/block/{number}")
    if os.path.basename(path) != name:
        raise RefusedError("the kernel knows this device under another name")
    if not _is_usb_storage(world, path):
        raise RefusedError("this is no USB stick")
    if any(os.listdir(f"{path}/holders")):
        raise RefusedError("it is in use by another driver")
    return name, number


def _is_usb_storage(world: World, path: str) -> bool:
    while path.startswith(f"{os.path.realpath(world.sys)}/"):
        if _USB_INTERFACE.fullmatch(os.path.basename(path)):
            return _read(f"{path}/bInterfaceClass") == MASS_STORAGE
        path = os.path.dirname(path)
    return False


def _check_unused(world: World, number: str) -> None:
    """Refuse a disk of which anything is in use: mounted, or swapped to."""
    path = os.path.realpath(f"{world.sys}/dev/block/{number}")
    disk = os.path.dirname(path) if os.path.exists(f"{path}/partition") else path
    relatives = [
        disk,
        *(f"{disk}/{entry}" for entry in os.listdir(disk) if os.path.exists(f"{disk}/{entry}/partition")),
    ]
    numbers = {_read(f"{relative}/dev") for relative in relatives} | {number}
    for mounted in _mounts(world):
        inside = mounted.place.startswith(f"{world.base}/")
        if mounted.number in numbers and (not inside or mounted.number == number):
            raise RefusedError(f"it is in use: mounted at {mounted.place}")
    swaps = _read(f"{world.proc}/swaps").splitlines()[1:]
    names = {os.path.basename(relative) for relative in relatives}
    if any(os.path.basename(line.split()[0]) in names for line in swaps if line.strip()):
        raise RefusedError("it is in use as swap space")


def _mounts(world: World) -> list[_Mount]:
    found = []
    for line in _read(f"{world.proc}/self/mountinfo").splitlines():
        fields = line.split()
        place = _OCTAL.sub(lambda m: chr(int(m[1], 8)), fields[4])
        # Field 6 is the mount's own state; the file system's (after " - ") is what errors=remount-ro changes.
        super_options = fields[fields.index("-") + 3] if "-" in fields else ""
        found.append(_Mount(fields[2], place, "ro" in fields[5].split(",") or "ro" in super_options.split(",")))
    return found


def _superblock(device: str) -> Superblock | None:
    try:
        with open(device, "rb") as opened:
            return superblock_of(opened.read(HEAD_SIZE))
    except OSError as error:
        raise RefusedError(f"it cannot be read: {error.strerror}") from error


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as opened:
            return opened.read().strip()
    except OSError:
        return ""


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _call_mount(device: str, place: str, fs_type: str, flags: int, options: str) -> None:
    source, target, kind, data = (os.fsencode(text) for text in (device, place, fs_type, options))
    if _libc().mount(source, target, kind, ctypes.c_ulong(flags), data):
        code = ctypes.get_errno()
        problem = (
            "it is write-protected" if code in (errno.EROFS, errno.EACCES) else f"mounting says: {os.strerror(code)}"
        )
        raise RefusedError(problem)


def _call_unmount(place: str) -> None:
    if _libc().umount2(os.fsencode(place), UMOUNT_NOFOLLOW):
        code = ctypes.get_errno()
        busy = "it is busy: a program on this machine uses it"
        raise RefusedError(busy if code == errno.EBUSY else f"unmounting says: {os.strerror(code)}")


def _check_out_of_reach(environ: Mapping[str, str]) -> None:
    """Refuse root's rights to a program that its caller could have written. Raises RefusedError."""
    uid, gid = environ.get("SUDO_UID", ""), environ.get("SUDO_GID", "")
    if not (uid.isdecimal() and gid.isdecimal()) or uid == "0":
        return
    path = within_reach(int(uid), int(gid))
    if path is not None:
        raise RefusedError(f"the mount helper is not safe here: user {uid} may change {path}; install it for root")


def _world() -> World:
    """Return the machine's own places, and as owner of the files whom sudo names, or else the service's user."""
    uid, gid = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")  # set by sudo itself, not passed on by it
    if uid.isdecimal() and gid.isdecimal():
        return World(uid=int(uid), gid=int(gid))
    try:
        user = pwd.getpwnam(USER)
    except KeyError:
        return World()
    return World(uid=user.pw_uid, gid=user.pw_gid)


def main(arguments: list[str] | None = None, world: World | None = None) -> int:
    """Run as a program; `world` is for tests."""
    given = sys.argv[1:] if arguments is None else arguments
    verbs = {"mount": mount, "writable": writable, "unmount": unmount}
    if len(given) != 2 or given[0] not in verbs:
        sys.stderr.write("usage: mount|writable|unmount DEVICE\n")
        return 2
    try:
        if world is None:
            _check_out_of_reach(os.environ)
        answer = verbs[given[0]](world or _world(), given[1])
    except RefusedError as refused:
        sys.stdout.write(json.dumps({"problem": str(refused)}) + "\n")
        return 1
    sys.stdout.write(json.dumps({} if answer is None else asdict(answer)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
