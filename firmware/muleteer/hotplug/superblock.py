# SPDX-License-Identifier: GPL-3.0-or-later
"""Say which of the permitted file systems a device holds, from its first bytes. Pure.

The mount helper runs as root, so it reads a stranger's bytes as little as possible: it compares fixed bytes at fixed
offsets, and names the file system to the kernel instead of letting anything probe. A device is one of them only if
nothing else is claimed at the same time: a FAT signature inside an ext4 device is refused.

Offsets are those of Microsoft's FAT specification (FAT32 BS_FilSysType, Reserved1), of its exFAT specification
(FileSystemName, VolumeFlags) and of the kernel's ext4 documentation (s_magic, s_state).
"""

from __future__ import annotations

from dataclasses import dataclass

HEAD_SIZE = 4096  # bytes of the device that `superblock_of` wants to see

BOOT_SIGNATURE = (510, b"\x55\xaa")
FAT_TYPES = {54: (b"FAT12   ", b"FAT16   ", b"FAT     "), 82: (b"FAT32   ",)}
FAT_STATE_AT = {54: 37, 82: 65}
FAT_DIRTY = 0x01
EXFAT_NAME = (3, b"EXFAT   ")
EXFAT_FLAGS_AT = 106
EXFAT_DIRTY = 0x02
EXT_MAGIC = (1080, b"\x53\xef")
EXT_STATE_AT = 1082
EXT_CLEAN = 0x01


@dataclass(frozen=True, slots=True)
class Superblock:
    """The kernel's name of the file system, and whether it says that it was not unmounted."""

    fs_type: str
    dirty: bool


def superblock_of(head: bytes) -> Superblock | None:
    """Return what the first `HEAD_SIZE` bytes of a device say; None for nothing permitted, or two things at once."""
    found = [superblock for read in (_fat, _exfat, _ext) if (superblock := read(head)) is not None]
    return found[0] if len(found) == 1 else None


def _has(head: bytes, signature: tuple[int, bytes]) -> bool:
    offset, expected = signature
    return head[offset : offset + len(expected)] == expected


def _fat(head: bytes) -> Superblock | None:
    if not _has(head, BOOT_SIGNATURE):
        return None
    for offset, names in FAT_TYPES.items():
        if head[offset : offset + 8] in names:
            return Superblock("vfat", bool(head[FAT_STATE_AT[offset]] & FAT_DIRTY))
    return None


def _exfat(head: bytes) -> Superblock | None:
    if not (_has(head, BOOT_SIGNATURE) and _has(head, EXFAT_NAME)):
        return None
    return Superblock("exfat", bool(head[EXFAT_FLAGS_AT] & EXFAT_DIRTY))


def _ext(head: bytes) -> Superblock | None:
    if not _has(head, EXT_MAGIC):
        return None
    return Superblock("ext4", not head[EXT_STATE_AT] & EXT_CLEAN)
