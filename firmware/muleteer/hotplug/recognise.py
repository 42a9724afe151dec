# SPDX-License-Identifier: GPL-3.0-or-later
"""Say what a block device is: a stick that can be a runner, or something to leave alone and why.

Pure: the properties that udev knows of a device come in as a mapping, `StickFound` or `Ignore` goes out. Order of the
questions: is it USB at all, is it *only* mass storage (a "stick" that is a keyboard too is an attack), is it its first
LUN, does it hold a file system we mount.

Only FAT and exFAT are mounted by default. The kernel's drivers for the others were not written against hostile
images; ext4 can be allowed by the owner, who then vouches for the sticks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PERMITTED = frozenset({"vfat", "exfat"})
EXT = frozenset({"ext2", "ext3", "ext4"})
DIRECTORY = "directory"  # the file system type of a simulated stick
VALUE_MAX = 256  # characters kept of what a device says of itself; an ID_SERIAL of a real one is below 100

REASONS = {
    "iso9660": "it is a disc image (ISO 9660)",
    "udf": "it is a disc image (UDF)",
    "swap": "it is swap space",
    "crypto_LUKS": "it is encrypted (LUKS)",
    "BitLocker": "it is encrypted (BitLocker)",
    "LVM2_member": "it is part of a volume group (LVM)",
    "linux_raid_member": "it is part of a RAID",
    "ntfs": "it is formatted as NTFS: format it as FAT32 or exFAT to use it here",
    "apfs": "it is formatted as APFS: format it as FAT32 or exFAT to use it here",
    "hfsplus": "it is formatted as HFS+: format it as FAT32 or exFAT to use it here",
    **dict.fromkeys(EXT, "it is formatted as ext2/3/4, which the owner has not allowed"),
}
EFI_PARTITION_TYPES = frozenset({"c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "0xef"})

_ESCAPED = re.compile(rb"\\x([0-9a-fA-F]{2})")
_LUN = re.compile(r"-scsi-\d+:\d+:\d+:(\d+)(?:-|$)")
_INTERFACE = re.compile(r"[0-9a-f]{6}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class StickFound:
    """A stick that may be mounted. `port` is udev's ID_PATH: where it is plugged in, whatever it is called in /dev.

    Label, uuid and serial are the stick's own words, unescaped. `directory` is set when nothing needs to be mounted:
    a simulated stick, or one that somebody else has mounted.
    """

    device: str
    port: str
    fs_type: str
    label: str = ""
    uuid: str = ""
    serial: str = ""
    directory: str | None = None


@dataclass(frozen=True, slots=True)
class Ignore:
    """A device that is left alone, and why: the end of the sentence "DEVICE is left alone: ...".

    `plugged` is false for what nobody has plugged in: loop devices, the machine's own disks.
    """

    device: str
    reason: str
    plugged: bool = True


def recognise(properties: Mapping[str, str], *, allow_ext4: bool = False) -> StickFound | Ignore:
    """Tell a stick from everything else by its udev properties."""
    device = properties.get("DEVNAME", "")
    reason = _why_not_usb_storage(properties) or _why_not_file_system(properties, allow_ext4=allow_ext4)
    if reason is not None:
        return Ignore(device, reason, _is_usb(properties))
    return StickFound(
        device=device,
        port=properties.get("ID_PATH", "")[:VALUE_MAX],
        fs_type=properties["ID_FS_TYPE"],
        label=_decoded(properties, "ID_FS_LABEL"),
        uuid=_decoded(properties, "ID_FS_UUID"),
        serial=(properties.get("ID_SERIAL_SHORT") or properties.get("ID_SERIAL", ""))[:VALUE_MAX],
    )


def _is_usb(properties: Mapping[str, str]) -> bool:
    return properties.get("ID_BUS") == "usb" or "ID_USB_DRIVER" in properties


def _why_not_usb_storage(properties: Mapping[str, str]) -> str | None:
    if properties.get("SUBSYSTEM") != "block" or properties.get("DEVTYPE") not in ("disk", "partition"):
        return "it is no disk or partition"
    if not _is_usb(properties):
        return "it is not on USB"
    if properties.get("ID_CDROM") == "1" or properties.get("ID_TYPE", "disk") != "disk":
        return "it is a disc drive"
    others = [i for i in _INTERFACE.findall(properties.get("ID_USB_INTERFACES", "")) if not i.startswith("08")]
    if others:
        return f"it claims to be more than storage (USB interface {others[0]})"
    lun = _LUN.search(properties.get("ID_PATH", ""))
    if lun is not None and int(lun[1]) != 0:
        return f"it is unit {lun[1]} of its device; only the first is used"
    return None


def _why_not_file_system(properties: Mapping[str, str], *, allow_ext4: bool) -> str | None:
    if properties["DEVTYPE"] == "disk" and properties.get("ID_PART_TABLE_TYPE") and "ID_FS_TYPE" not in properties:
        return "it is divided into partitions, which come by themselves"
    if properties.get("ID_PART_ENTRY_TYPE", "").lower() in EFI_PARTITION_TYPES:
        return "it is the boot partition of a computer (EFI)"
    fs_type = properties.get("ID_FS_TYPE")
    if not fs_type:
        return "it holds no file system that is known here"
    if fs_type in PERMITTED or (allow_ext4 and fs_type in EXT):
        return None
    return REASONS.get(fs_type, "its file system is not one that is mounted here: format it as FAT32 or exFAT")


def _decoded(properties: Mapping[str, str], key: str) -> str:
    r"""Return a label or uuid as it is on the stick: udev's `_ENC` form has everything odd as ``\xHH``."""
    encoded = properties.get(f"{key}_ENC")
    if encoded is None:
        return properties.get(key, "")[:VALUE_MAX]
    raw = _ESCAPED.sub(lambda m: bytes((int(m[1], 16),)), encoded.encode("utf-8", "surrogateescape"))
    return raw.decode("utf-8", "replace")[:VALUE_MAX]
