# SPDX-License-Identifier: GPL-3.0-or-later
"""udev's repetitive stream, said once."""

from __future__ import annotations

from test_recognise import STICK, but

from muleteer.hotplug.events import Ignored, Inserted, Pulled
from muleteer.hotplug.recognise import recognise
from muleteer.hotplug.roster import DEVICES_MAX, Roster

BLUE = Inserted(recognise(STICK))


def test_said_once():
    roster = Roster()
    assert roster.heard("add", STICK) == [BLUE]
    assert roster.heard("add", STICK) == []
    assert roster.heard("change", STICK) == []
    assert roster.heard("remove", STICK) == [Pulled("/dev/sda1")]
    assert roster.heard("remove", STICK) == []
    assert roster.heard("add", STICK) == [BLUE]


def test_what_is_left_alone_is_said_once_per_reason():
    roster = Roster()
    swap = but(ID_FS_TYPE="swap")
    [said] = roster.heard("add", swap)
    assert isinstance(said, Ignored)
    assert roster.heard("change", swap) == []
    assert roster.heard("change", but(ID_FS_TYPE="ntfs")) != []
    assert roster.heard("remove", swap) == []


def test_the_machines_own_disks_were_logged_as_ignored_at_every_start():
    roster = Roster()
    for n in range(DEVICES_MAX + 5):  # a machine with snaps has hundreds of loop devices
        assert roster.heard("add", but(DEVNAME=f"/dev/loop{n}", ID_BUS=None, ID_USB_DRIVER=None)) == []
    assert roster.heard("add", STICK) == [BLUE]
    assert roster.heard("change", but(ID_BUS=None, ID_USB_DRIVER=None)) == [Pulled("/dev/sda1")]


def test_formatted_in_place_is_another_stick():
    roster = Roster()
    roster.heard("add", STICK)
    pulled, inserted = roster.heard("change", but(ID_FS_UUID_ENC="NEW"))
    assert pulled == Pulled("/dev/sda1")
    assert inserted.stick.uuid == "NEW"


def test_a_medium_taken_out_of_a_card_reader():
    roster = Roster()
    roster.heard("change", STICK)
    pulled, ignored = roster.heard("change", but(ID_FS_TYPE=None))
    assert pulled == Pulled("/dev/sda1")
    assert isinstance(ignored, Ignored)


def test_what_it_remembers_is_bounded():
    roster = Roster()
    said = [roster.heard("add", but(DEVNAME=f"/dev/sd{n}")) for n in range(DEVICES_MAX + 5)]
    assert sum(map(bool, said)) == DEVICES_MAX
    roster.heard("remove", but(DEVNAME="/dev/sd0"))
    assert roster.heard("add", but(DEVNAME="/dev/sdnew"))
