# SPDX-License-Identifier: GPL-3.0-or-later
"""The mount helper: what it refuses, and (as root, with a loop device) what it really mounts."""

from __future__ import annotations

import errno
import json
import os
import pathlib
import stat
import subprocess
import sys
import types
from dataclasses import replace

import pytest

from muleteer.agent.giving_back import give_back
from muleteer.agent.seat import MountedSeat
from muleteer.errors import MountRefused, StillMounted
from muleteer.hotplug import mount_helper, reach
from muleteer.hotplug import mounts as mounts_module
from muleteer.hotplug.mount_helper import RefusedError, World
from muleteer.hotplug.mounts import Mounts
from muleteer.hotplug.recognise import StickFound
from muleteer.hotplug.superblock import HEAD_SIZE, Superblock, superblock_of
from muleteer.testing.clock import FakeClock


def head(*pieces: tuple[int, bytes]) -> bytes:
    raw = bytearray(HEAD_SIZE)
    for offset, data in pieces:
        raw[offset : offset + len(data)] = data
    return bytes(raw)


SIGNED = (510, b"\x55\xaa")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (head(SIGNED, (82, b"FAT32   ")), Superblock("vfat", dirty=False)),
        (head(SIGNED, (82, b"FAT32   "), (65, b"\x01")), Superblock("vfat", dirty=True)),
        (head(SIGNED, (54, b"FAT16   ")), Superblock("vfat", dirty=False)),
        (head(SIGNED, (54, b"FAT12   "), (37, b"\x03")), Superblock("vfat", dirty=True)),
        (head(SIGNED, (3, b"EXFAT   ")), Superblock("exfat", dirty=False)),
        (head(SIGNED, (3, b"EXFAT   "), (106, b"\x02")), Superblock("exfat", dirty=True)),
        (head((1080, b"\x53\xef"), (1082, b"\x01")), Superblock("ext4", dirty=False)),
        (head((1080, b"\x53\xef"), (1082, b"\x00")), Superblock("ext4", dirty=True)),
        (head((82, b"FAT32   ")), None),
        (head((3, b"EXFAT   ")), None),
        (head(SIGNED), None),
        (head(SIGNED, (3, b"NTFS    ")), None),
        (head(SIGNED, (82, b"FAT32   "), (1080, b"\x53\xef")), None),
        (head(SIGNED, (82, b"FAT32   "), (3, b"EXFAT   ")), None),
        (b"", None),
        (b"\x55", None),
    ],
)
def test_superblocks(raw, expected):
    assert superblock_of(raw) == expected


# ---------------------------------------------------------------------------------------------- without root


class Machine:
    """A sysfs and a /proc of our own, and devices that are ordinary files until a loop device takes their place."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        for name in ("sys/dev/block", "run", "proc/self"):
            (folder / name).mkdir(parents=True)
        self.world = World(
            dev=str(folder / "dev"),
            sys=str(folder / "sys"),
            proc=str(folder / "proc"),
            base=str(folder / "run" / "bays"),
            allow_ext4=str(folder / "allow-ext4"),
            owner=os.geteuid(),
            top=str(folder),
        )
        (folder / "dev").mkdir()
        self.mountinfo()
        (folder / "proc" / "swaps").write_text("Filename Type Size Used Priority\n")

    def mountinfo(self, *lines: str) -> None:
        (self.folder / "proc" / "self" / "mountinfo").write_text("\n".join(lines) + "\n")

    def plug(
        self, number: str, disk: str, partition: str | None = None, interface: str = "1-1.2:1.0", kind: str = "08"
    ) -> pathlib.Path:
        usb = self.folder / "sys/devices/usb1/1-1/1-1.2" / interface
        path = usb / "host0/target0:0:0/0:0:0:0/block" / disk
        path.mkdir(parents=True, exist_ok=True)
        (usb / "bInterfaceClass").write_text(f"{kind}\n")
        (path / "dev").write_text("8:0\n")
        if partition:
            path = path / partition
            path.mkdir()
            (path / "partition").write_text("1\n")
        (path / "dev").write_text(f"{number}\n")
        (path / "holders").mkdir()
        (self.folder / "sys/dev/block" / number).symlink_to(path)
        return path


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


@pytest.fixture
def stick(machine, monkeypatch):
    """A pretended /dev/sda1 of number 8:1 that is a USB stick by every sign."""
    device = pathlib.Path(machine.world.dev) / "sda1"
    device.write_bytes(head(SIGNED, (82, b"FAT32   ")))
    real = os.lstat

    def lstat(path, **more):
        facts = real(path, **more)
        if str(path) != str(device):
            return facts
        fields = list(facts)
        fields[0] = stat.S_IFBLK | 0o660
        return os.stat_result(fields, {"st_rdev": os.makedev(8, 1)})

    monkeypatch.setattr(os, "lstat", lstat)
    monkeypatch.setattr(mount_helper, "_call_mount", lambda *call: calls.append(call))
    calls: list[tuple[object, ...]] = []
    machine.calls = calls
    machine.device = str(device)
    return machine


def refusal(act, machine, device=None):
    with pytest.raises(RefusedError) as caught:
        act(machine.world, device or machine.device)
    assert not machine.calls
    return str(caught.value)


def test_a_usb_stick_is_mounted_read_only_with_every_protection(stick):
    stick.plug("8:1", "sda", "sda1")
    mounted = mount_helper.mount(stick.world, stick.device)
    assert (mounted.path, mounted.fs_type, mounted.read_only) == (f"{stick.world.base}/sda1", "vfat", True)
    [(device, place, fs_type, flags, options)] = stick.calls
    assert (device, place, fs_type) == (stick.device, mounted.path, "vfat")
    for flag in (1, 2, 4, 8, 256, 1024):
        assert flags & flag
    assert "umask=0077" in options
    assert "utf8" in options


@pytest.mark.parametrize(
    "name", ["sda1/../sdb", "../etc/passwd", "", "sd a1", "sda1\n", "mapper/x", "disk/by-id/usb", "SDA1", "sda1234"]
)
def test_only_plain_names_of_devices(stick, name):
    stick.plug("8:1", "sda", "sda1")
    for act in (mount_helper.mount, mount_helper.writable, mount_helper.unmount):
        assert "name of a device" in refusal(act, stick, f"{stick.world.dev}/{name}")
    assert "name of a device" in refusal(mount_helper.mount, stick, "/tmp/sda1")


def test_not_a_block_device(stick):
    (pathlib.Path(stick.world.dev) / "sdb1").write_bytes(b"a file")
    assert "no block device" in refusal(mount_helper.mount, stick, f"{stick.world.dev}/sdb1")
    (pathlib.Path(stick.world.dev) / "sdc1").symlink_to(stick.device)
    assert "no block device" in refusal(mount_helper.mount, stick, f"{stick.world.dev}/sdc1")


def test_not_there(stick):
    assert "No such file" in refusal(mount_helper.mount, stick, f"{stick.world.dev}/sdz1")


def test_a_number_that_the_kernel_knows_under_another_name(stick):
    stick.plug("8:1", "sdb", "sdb1")
    assert "another name" in refusal(mount_helper.mount, stick)


def test_not_on_usb(stick):
    stick.plug("8:1", "sda", "sda1", interface="0000:00:1f.2")
    assert "no USB stick" in refusal(mount_helper.mount, stick)


def test_on_usb_but_no_mass_storage(stick):
    stick.plug("8:1", "sda", "sda1", kind="06")
    assert "no USB stick" in refusal(mount_helper.mount, stick)


def test_the_disk_this_machine_runs_from(stick):
    stick.plug("8:1", "sda", "sda1")
    disk = pathlib.Path(os.path.realpath(f"{stick.world.sys}/dev/block/8:1")).parent
    (disk / "sda2").mkdir()
    (disk / "sda2" / "partition").write_text("2\n")
    (disk / "sda2" / "dev").write_text("8:2\n")
    stick.mountinfo("21 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw")
    assert "mounted at /" in refusal(mount_helper.mount, stick)
    stick.mountinfo(f"21 1 8:2 / {stick.world.base}/sda2 rw,relatime - vfat /dev/sda2 rw")
    assert mount_helper.mount(stick.world, stick.device), "a sister partition of ours does not stand in the way"


def test_swap_and_other_drivers(stick):
    path = stick.plug("8:1", "sda", "sda1")
    swaps = stick.folder / "proc" / "swaps"
    swaps.write_text("Filename Type Size Used Priority\n/dev/sda1 partition 1 0 -2\n")
    assert "swap" in refusal(mount_helper.mount, stick)
    (path / "holders" / "dm-0").mkdir()
    assert "another driver" in refusal(mount_helper.mount, stick)


def test_ext4_only_where_the_owner_allows_it(stick):
    stick.plug("8:1", "sda", "sda1")
    pathlib.Path(stick.device).write_bytes(head((1080, b"\x53\xef")))
    assert "not one that is mounted" in refusal(mount_helper.mount, stick)
    pathlib.Path(stick.world.allow_ext4).touch()
    assert mount_helper.mount(stick.world, stick.device).dirty


def test_a_place_that_is_a_link(stick):
    stick.plug("8:1", "sda", "sda1")
    pathlib.Path(stick.world.base).mkdir(0o755)
    (pathlib.Path(stick.world.base) / "sda1").symlink_to("/etc")
    assert "no directory" in refusal(mount_helper.mount, stick)


def test_writable_only_what_it_has_mounted(stick):
    stick.plug("8:1", "sda", "sda1")
    assert "not mounted" in refusal(mount_helper.writable, stick)


def test_as_a_program(stick, capsys):
    assert mount_helper.main(["mount"], stick.world) == 2
    assert mount_helper.main(["eject", stick.device], stick.world) == 2
    assert mount_helper.main(["mount", stick.device, "-o", "suid"], stick.world) == 2
    assert mount_helper.main(["mount", "/etc/passwd"], stick.world) == 1
    assert json.loads(capsys.readouterr().out)["problem"]


# ---------------------------------------------------------------------------------------------- its client


def helper_that_says(*words: str) -> Mounts:
    return Mounts((sys.executable, "-c", *words))


def test_the_clients_refusals():
    with pytest.raises(MountRefused, match="no USB stick"):
        helper_that_says('print(\'{"problem": "this is no USB stick"}\')').mount("/dev/sda1")
    with pytest.raises(MountRefused, match="a terminal is required"):
        helper_that_says("import sys; sys.exit('sudo: a terminal is required')").mount("/dev/sda1")
    with pytest.raises(MountRefused, match="does not start"):
        Mounts(("/nonexistent/helper",)).mount("/dev/sda1")


def test_an_unmounting_helper_that_takes_long_is_never_killed_but_asked_after_again(tmp_path):
    """It may be writing what the stick still lacks; and who killed a child of sudo got a PermissionError for it."""
    may_end, began = str(tmp_path / "may-end"), str(tmp_path / "began")
    os.mkfifo(may_end)
    program = f"open({began!r}, 'a').write('!'); open({may_end!r}).read(); print('{{}}')"
    mounts = Mounts((sys.executable, "-c", program), patience_seconds=0.1)
    for _ in range(3):
        with pytest.raises(StillMounted, match="takes long"):
            mounts.unmount("/dev/nonexistent")
    with open(may_end, "w"):  # returns when the one helper has it open to read, and lets it end
        pass
    assert len(mounts._at_work) == 1
    assert mounts._at_work["/dev/nonexistent"].wait() == 0, "it came to its own end"
    assert pathlib.Path(began).read_text() == "!", "no second one was started beside it"
    pathlib.Path(may_end).unlink()
    pathlib.Path(may_end).touch()
    mounts.unmount("/dev/nonexistent")
    assert not mounts._at_work


def test_a_helper_that_fails_says_nothing_of_what_is_mounted_so_the_kernel_is_asked(tmp_path):
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_text("21 1 8:2 / / rw - ext4 /dev/sda2 rw\n")
    mounts = Mounts((sys.executable, "-c", "import sys; sys.exit('sudo: no')"), base="/b", mountinfo=str(mountinfo))
    mounts.unmount("/dev/sdz1")
    mountinfo.write_text("21 1 8:1 / /b/sdz1 ro - vfat /dev/sdz1 ro\n")
    with pytest.raises(StillMounted, match="sudo: no"):
        mounts.unmount("/dev/sdz1")


def test_helper_and_client_mean_the_same_place():
    assert mount_helper.BASE == mounts_module.BASE


# ---------------------------------------------------------------------------------------------- who could interfere


def test_nothing_makes_the_place_of_mounts_so_the_helper_does(stick):
    stick.plug("8:1", "sda", "sda1")
    before = os.umask(0o077)
    try:
        mounted = mount_helper.mount(stick.world, stick.device)
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(stick.world.base).st_mode) == 0o755
    assert os.path.isdir(mounted.path)


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o1777])
@pytest.mark.parametrize("where", ["run", "run/bays"])
def test_a_way_to_the_mounts_that_others_can_change_is_refused(stick, where, mode):
    stick.plug("8:1", "sda", "sda1")
    pathlib.Path(stick.world.base).mkdir(0o755)
    (stick.folder / where).chmod(mode)
    assert "others could choose" in refusal(mount_helper.mount, stick)


def test_a_way_to_the_mounts_that_is_not_roots_is_refused(stick):
    stick.plug("8:1", "sda", "sda1")
    stick.world = replace(stick.world, owner=os.geteuid() + 1)
    assert "not root's alone" in refusal(mount_helper.mount, stick)


def test_a_way_to_the_mounts_through_a_link_is_refused(stick):
    stick.plug("8:1", "sda", "sda1")
    (stick.folder / "elsewhere").mkdir()
    (stick.folder / "run" / "bays").symlink_to(stick.folder / "elsewhere")
    assert "no directory" in refusal(mount_helper.mount, stick)


NOBODY = 65534


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """One module in a directory of its own, as all that was loaded; nothing else on this machine counts."""
    package = tmp_path / "package"
    package.mkdir(0o755)
    module = package / "module.py"
    module.touch(0o644)
    monkeypatch.setattr(reach.sys, "modules", {"module": types.SimpleNamespace(__file__=str(module))})
    monkeypatch.setattr(reach.sys, "executable", str(module))
    monkeypatch.setattr(reach.sys, "prefix", str(package))
    return package


def test_a_helper_that_its_caller_could_have_written_gets_no_rights_of_root(modules, capsys, monkeypatch):
    assert reach.within_reach(NOBODY, NOBODY) is None
    assert reach.within_reach(os.geteuid(), os.getegid()) is not None, "whose owner may change it"
    (modules / "module.py").chmod(0o666)
    assert reach.within_reach(NOBODY, NOBODY) == str(modules / "module.py")
    (modules / "module.py").chmod(0o644)
    modules.chmod(0o777)
    assert reach.within_reach(NOBODY, NOBODY) == str(modules)
    monkeypatch.setenv("SUDO_UID", str(NOBODY))
    monkeypatch.setenv("SUDO_GID", str(NOBODY))
    assert mount_helper.main(["unmount", "/dev/nonexistent"]) == 1
    assert f"user {NOBODY} may change {modules}" in json.loads(capsys.readouterr().out)["problem"]


def test_a_group_reaches_what_it_may_write(modules):
    modules.chmod(0o775)
    assert reach.within_reach(NOBODY, os.stat(modules).st_gid) == str(modules)
    assert reach.within_reach(NOBODY, NOBODY) is None


# ---------------------------------------------------------------------------------------------- for real


@pytest.fixture
def loop(machine):
    """A real ext4 on a loop device that our sysfs takes for a USB stick; skipped where kernel or user cannot."""
    if os.geteuid() != 0:
        pytest.skip("real mounts need root")
    image = machine.folder / "stick.img"
    with image.open("wb") as opened:
        opened.truncate(8 << 20)
    try:
        subprocess.run(["mkfs.ext4", "-q", image], check=True, capture_output=True)
        done = subprocess.run(["losetup", "-f", "--show", image], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no loop devices here: {error}")
    device = done.stdout.strip()
    facts = os.stat(device)
    number = f"{os.major(facts.st_rdev)}:{os.minor(facts.st_rdev)}"
    machine.plug(number, os.path.basename(device))
    pathlib.Path(machine.world.allow_ext4).touch()
    world = (
        f"dev='/dev', sys={machine.world.sys!r}, base={machine.world.base!r}, allow_ext4={machine.world.allow_ext4!r}, "
        f"top={machine.world.top!r}"
    )
    firmware = pathlib.Path(mount_helper.__file__).parents[2]
    program = (
        f"import sys; sys.path.insert(0, {str(firmware)!r}); from muleteer.hotplug.mount_helper import World, main; "
        f"sys.exit(main(world=World({world})))"
    )
    machine.device, machine.mounts = device, Mounts((sys.executable, "-c", program), base=machine.world.base)
    yield machine
    subprocess.run(["umount", f"{machine.world.base}/{os.path.basename(device)}"], check=False, capture_output=True)
    subprocess.run(["losetup", "-d", device], check=True)


def mount_options(path: str) -> set[str]:
    lines = [line.split() for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()]
    return {option for fields in lines if fields[4] == path for option in fields[5].split(",")}


def test_a_real_mount_from_beginning_to_end(loop):
    mounted = loop.mounts.mount(loop.device)
    assert mounted.fs_type == "ext4"
    assert mounted.read_only
    assert {"ro", "nosuid", "nodev", "noexec", "noatime", "nosymfollow"} <= mount_options(mounted.path)
    letter = pathlib.Path(mounted.path) / "letter"
    with pytest.raises(OSError, match="Read-only"):
        letter.write_text("hello")

    mounted.make_writable()
    assert {"rw", "nosuid", "nodev", "noexec", "noatime", "nosymfollow"} <= mount_options(mounted.path)
    letter.write_text("hello")
    (letter.parent / "link").symlink_to("letter")
    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
        (letter.parent / "link").read_text()

    with letter.open():
        with pytest.raises(StillMounted, match="busy"):
            mounted.unmount()
        assert mount_options(mounted.path), "unmounting is never lazy"
    mounted.unmount()
    assert not mount_options(mounted.path)
    assert not os.path.exists(mounted.path)
    mounted.unmount()

    again = loop.mounts.mount(loop.device)
    assert not again.dirty
    assert (pathlib.Path(again.path) / "letter").read_text() == "hello"
    anew = loop.mounts.mount(loop.device)
    assert anew.path == again.path, "what an agent left mounted when it died is mounted anew"
    assert anew.is_present()
    anew.unmount()


def test_a_device_that_is_mounted_elsewhere_is_left_alone(loop, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    subprocess.run(["mount", "-t", "ext4", loop.device, elsewhere], check=True)
    try:
        with pytest.raises(StillMounted, match="another program"):  # so it is not safe to pull either
            loop.mounts.mount(loop.device)
    finally:
        subprocess.run(["umount", elsewhere], check=True)


def test_the_real_sysfs_knows_that_a_loop_device_is_no_stick(loop):
    world = World(base=loop.world.base, allow_ext4=loop.world.allow_ext4)
    with pytest.raises(RefusedError, match="no USB stick"):
        mount_helper.mount(world, loop.device)


def content_of(machine) -> bytes:
    os.sync()
    return (machine.folder / "stick.img").read_bytes()


def test_a_first_look_at_ext4_plays_no_journal_back_and_writes_nothing(loop):
    """A stick pulled in the middle has something in its journal; a read-only mount wrote that to a foreign stick."""
    subprocess.run(["debugfs", "-w", "-R", "feature needs_recovery", loop.device], check=True, capture_output=True)
    before = content_of(loop)
    mounted = loop.mounts.mount(loop.device)
    mounted.unmount()
    assert content_of(loop) == before
    mounted = loop.mounts.mount(loop.device)
    mounted.make_writable()
    mounted.unmount()
    assert content_of(loop) != before, "for writing the journal is played back"


def test_a_write_protected_ext4_stays_mounted_read_only(loop):
    subprocess.run(["blockdev", "--setro", loop.device], check=True)
    mounted = loop.mounts.mount(loop.device)
    with pytest.raises(MountRefused, match="write-protected"):
        mounted.make_writable()
    assert "ro" in mount_options(mounted.path)
    mounted.unmount()
    subprocess.run(["blockdev", "--setrw", loop.device], check=True)


def test_a_busy_ext4_that_is_to_be_written_stays_mounted_read_only(loop):
    mounted = loop.mounts.mount(loop.device)
    descriptor = os.open(mounted.path, os.O_RDONLY)
    with pytest.raises(MountRefused, match="busy"):
        mounted.make_writable()
    assert "ro" in mount_options(mounted.path)
    os.close(descriptor)
    mounted.unmount()


def test_a_round_over_a_busy_stick_is_stuck_until_it_is_unmounted_for_real(loop):
    """ "Safe to pull" was told of a stick whose unmounting was refused."""
    seat = MountedSeat(StickFound(loop.device, "", "ext4"), loop.mounts)
    holder = os.open(seat.path, os.O_RDONLY)
    clock, told = FakeClock(), []

    def tell(error):
        told.append(str(error))
        assert mount_options(seat.path)
        os.close(holder)

    assert give_back(seat, lambda: False, tell, clock.monotonic, clock.advance) is None
    assert len(told) == 1
    assert "busy" in told[0]
    assert not mount_options(seat.path)
