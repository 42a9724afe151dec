# SPDX-License-Identifier: GPL-3.0-or-later
"""What udev says of real devices, and what we make of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muleteer.hotplug.recognise import VALUE_MAX, Ignore, StickFound, recognise

# As `udevadm info` tells it of a SanDisk in the lower left port of a Pi 4.
STICK = {
    "DEVNAME": "/dev/sda1",
    "DEVTYPE": "partition",
    "SUBSYSTEM": "block",
    "ID_BUS": "usb",
    "ID_TYPE": "disk",
    "ID_VENDOR": "SanDisk",
    "ID_MODEL": "Cruzer_Blade",
    "ID_SERIAL": "SanDisk_Cruzer_Blade_4C530001230918110524-0:0",
    "ID_SERIAL_SHORT": "4C530001230918110524",
    "ID_INSTANCE": "0:0",
    "ID_USB_DRIVER": "usb-storage",
    "ID_USB_INTERFACES": ":080650:",
    "ID_PATH": "platform-fd500000.pcie-pci-0000:01:00.0-usb-0:1.2:1.0-scsi-0:0:0:0",
    "ID_PART_TABLE_TYPE": "dos",
    "ID_PART_ENTRY_TYPE": "0xc",
    "ID_FS_USAGE": "filesystem",
    "ID_FS_TYPE": "vfat",
    "ID_FS_LABEL": "BLUE",
    "ID_FS_LABEL_ENC": "BLUE",
    "ID_FS_UUID": "5B2E-97C4",
    "ID_FS_UUID_ENC": "5B2E-97C4",
}


def but(**changes):
    properties = {**STICK, **changes}
    return {key: value for key, value in properties.items() if value is not None}


def reason(**changes):
    answer = recognise(but(**changes))
    assert isinstance(answer, Ignore), answer
    assert answer.device == "/dev/sda1"
    return answer.reason


def test_an_ordinary_stick():
    assert recognise(STICK) == StickFound(
        device="/dev/sda1",
        port="platform-fd500000.pcie-pci-0000:01:00.0-usb-0:1.2:1.0-scsi-0:0:0:0",
        fs_type="vfat",
        label="BLUE",
        uuid="5B2E-97C4",
        serial="4C530001230918110524",
    )


def test_a_stick_without_partitions():
    whole = but(DEVNAME="/dev/sda", DEVTYPE="disk", ID_PART_TABLE_TYPE=None, ID_PART_ENTRY_TYPE=None)
    assert isinstance(recognise(whole), StickFound)


def test_a_stick_driven_by_uas():
    assert isinstance(recognise(but(ID_USB_DRIVER="uas", ID_USB_INTERFACES=":080650:080662:")), StickFound)


def test_its_disk_is_left_to_its_partitions():
    assert "partitions" in reason(DEVTYPE="disk", ID_FS_TYPE=None)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"ID_BUS": "ata", "ID_USB_DRIVER": None}, "USB"),
        ({"ID_BUS": None, "ID_USB_DRIVER": None}, "USB"),
        ({"SUBSYSTEM": "net"}, "disk"),
        ({"DEVTYPE": None}, "disk"),
        ({"ID_CDROM": "1"}, "disc"),
        ({"ID_TYPE": "cd"}, "disc"),
        ({"ID_USB_INTERFACES": ":080650:030101:"}, "more than storage"),
        ({"ID_USB_INTERFACES": ":e00103:080650:"}, "more than storage"),
        ({"ID_PATH": "platform-x-usb-0:1:1.0-scsi-0:0:0:1"}, "unit 1"),
        ({"ID_FS_TYPE": "iso9660"}, "disc image"),
        ({"ID_FS_TYPE": "udf"}, "disc image"),
        ({"ID_FS_TYPE": "swap"}, "swap"),
        ({"ID_FS_TYPE": "crypto_LUKS"}, "encrypted"),
        ({"ID_FS_TYPE": "LVM2_member"}, "LVM"),
        ({"ID_FS_TYPE": "linux_raid_member"}, "RAID"),
        ({"ID_FS_TYPE": "ntfs"}, "FAT32 or exFAT"),
        ({"ID_FS_TYPE": "btrfs"}, "FAT32 or exFAT"),
        ({"ID_FS_TYPE": "ext4"}, "not allowed"),
        ({"ID_FS_TYPE": None}, "no file system"),
        ({"ID_FS_TYPE": ""}, "no file system"),
        ({"ID_PART_ENTRY_TYPE": "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"}, "EFI"),
        ({"ID_PART_ENTRY_TYPE": "0xef"}, "EFI"),
    ],
)
def test_what_is_left_alone_and_why(changes, word):
    assert word in reason(**changes)


def test_ext4_where_the_owner_allows_it():
    assert isinstance(recognise(but(ID_FS_TYPE="ext4"), allow_ext4=True), StickFound)
    assert isinstance(recognise(but(ID_FS_TYPE="btrfs"), allow_ext4=True), Ignore)


@pytest.mark.parametrize(
    ("encoded", "label"),
    [
        (r"MY\x20STICK", "MY STICK"),
        (r"\x0a\x1b[2J", "\n\x1b[2J"),
        (r"Gr\xc3\xbcn", "Grün"),
        (r"\xff", "\ufffd"),
        (r"\x5cx41", r"\x41"),
    ],
)
def test_labels_are_decoded_but_not_trusted(encoded, label):
    found = recognise(but(ID_FS_LABEL_ENC=encoded))
    assert isinstance(found, StickFound)
    assert found.label == label


def test_what_a_device_says_of_itself_is_cut():
    found = recognise(but(ID_SERIAL_SHORT="9" * 5000, ID_FS_LABEL_ENC="L" * 5000))
    assert isinstance(found, StickFound)
    assert len(found.serial) == len(found.label) == VALUE_MAX


@given(st.dictionaries(st.sampled_from(list(STICK)), st.text(max_size=30)))
def test_nothing_that_udev_could_say_breaks_it(changes):
    assert isinstance(recognise({**STICK, **changes}), StickFound | Ignore)
    assert isinstance(recognise(changes), StickFound | Ignore)
