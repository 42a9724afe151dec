# SPDX-License-Identifier: GPL-3.0-or-later
"""rtnetlink: what the kernel says of links and addresses, from packed messages and from this machine's kernel."""

from __future__ import annotations

import socket
import struct

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from muleteer.hotplug.interfaces import Interfaces
from muleteer.hotplug.netlink import (
    GETADDR,
    GETLINK,
    AddressFacts,
    DumpEnded,
    LinkFacts,
    messages,
    request,
)

UP = 0x1 | 0x40 | 0x10000


def attribute(kind, value):
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def message(kind, body, sequence=7, flags=2):
    return struct.pack("=IHHII", 16 + len(body), kind, flags, sequence, 0) + body + bytes(-len(body) % 4)


def link(index, name, flags=UP):
    return message(16, struct.pack("=BxHiII", 0, 1, index, flags, 0) + attribute(3, name + b"\0"))


def address(index, family, *attributes, flags=0):
    return message(20, struct.pack("=BBBBI", family, 24, flags, 0, index) + b"".join(attributes))


def told(*datagrams):
    return list(messages(b"".join(datagrams), 7))


def test_a_link_is_up_when_it_is_switched_on_and_has_a_carrier():
    assert told(link(2, b"eth0"), link(3, b"wlan0", 0x1)) == [
        LinkFacts(2, "eth0", up=True),
        LinkFacts(3, "wlan0", up=False),
    ]


def test_of_a_point_to_point_link_the_address_is_ours_not_the_other_ends():
    ours, theirs = bytes([10, 0, 0, 2]), bytes([10, 0, 0, 1])
    (fact,) = told(address(4, socket.AF_INET, attribute(1, theirs), attribute(2, ours)))
    assert fact == AddressFacts(4, "10.0.0.2")


def test_an_address_that_is_not_ours_yet_or_never_will_be_is_none():
    packed = attribute(1, b"\xfe\x80" + bytes(13) + b"\1")
    assert told(address(4, socket.AF_INET6, packed)) == [AddressFacts(4, "fe80::1")]
    assert told(address(4, socket.AF_INET6, packed, flags=0x40)) == []
    assert told(address(4, socket.AF_INET6, packed, attribute(8, struct.pack("=I", 0x48)))) == []


def test_answers_to_somebody_else_are_passed_over():
    assert list(messages(link(2, b"eth0"), 8)) == []


def test_a_dump_that_changed_under_our_eyes_is_asked_for_again():
    assert told(message(3, bytes(4))) == [DumpEnded(good=True)]
    assert told(message(3, bytes(4), flags=2 | 0x10)) == [DumpEnded(good=False)]
    assert told(message(2, bytes(20))) == [DumpEnded(good=False)]


@given(st.binary(max_size=200), st.integers(0, 40))
def test_whatever_a_datagram_says_it_ends(noise, at):
    whole = link(2, b"eth0") + address(2, socket.AF_INET, attribute(2, bytes(4)))
    list(messages(whole[:at] + noise, 7))
    list(messages(noise, 7))


@pytest.mark.parametrize("kind", [GETLINK, GETADDR])
def test_requests_have_the_length_they_say(kind):
    packed = request(kind, 5)
    assert struct.unpack_from("=IHHII", packed) == (len(packed), kind, 0x301, 5, 0)


def test_this_machines_loopback_is_there_and_udev_and_drivers_are_told(tmp_path):
    (tmp_path / "lo").mkdir()
    (tmp_path / "lo" / "uevent").write_text("DEVTYPE=wwan\nINTERFACE=lo\n")
    (tmp_path / "n1").write_text("I:12\nE:ID_PATH=platform-usb-0:1.2\nE:ID_NET_DRIVER=qmi_wwan\n")
    interfaces = Interfaces(sys=str(tmp_path), udev=str(tmp_path))
    try:
        (loopback,) = (interface for interface in interfaces.look() if interface.name == "lo")
    finally:
        interfaces.close()
    assert loopback.up
    assert loopback.metered
    assert "127.0.0.1" in loopback.addresses
    assert loopback.property("ID_PATH") == "platform-usb-0:1.2"
    assert loopback.property("ID_NOTHING") == ""


async def test_the_first_word_is_what_there_is_and_then_nothing_without_a_change():
    interfaces = Interfaces()
    changes = interfaces.changes()
    with trio.fail_after(10):
        first = await anext(changes)
    assert first == interfaces.look()
    with trio.move_on_after(0.01) as nothing:
        await anext(changes)
    assert nothing.cancelled_caught
    await changes.aclose()
    interfaces.close()
