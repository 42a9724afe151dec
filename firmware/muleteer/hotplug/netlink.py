# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the kernel for its network interfaces and addresses, and read its answers: bytes <-> values, pure.

Two dumps of rtnetlink(7) are all we need: RTM_GETLINK and RTM_GETADDR. pyroute2 speaks all of netlink and takes
24 MiB to import (DECISIONS.md); this much of it is a header, a fixed part and a list of attributes.
The kernel is trusted, yet every length is checked: a message that lies about itself ends its datagram.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUPS = 0x1 | 0x10 | 0x100
"""RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR: what to bind to for being told of changes."""

GETLINK, GETADDR = 18, 22
_DONE, _ERROR, _NEWLINK, _NEWADDR = 3, 2, 16, 20
_REQUEST, _DUMP, _INTERRUPTED = 0x1, 0x300, 0x10
_IFNAME, _ADDRESS, _LOCAL, _ADDRESS_FLAGS = 3, 1, 2, 8
_UP, _RUNNING, _LOWER_UP = 0x1, 0x40, 0x10000
_DEAD_ADDRESS = 0x08 | 0x40  # IFA_F_DADFAILED, IFA_F_TENTATIVE: not (yet) ours to use
_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_LINK = struct.Struct("=BxHiII")  # family, type, index, flags, change mask
_ADDR = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_FAMILIES = {socket.AF_INET: 4, socket.AF_INET6: 16}  # and the length of an address


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """One interface: `up` if it is switched on and its carrier is there."""

    index: int
    name: str
    up: bool


@dataclass(frozen=True, slots=True)
class AddressFacts:
    """One address of one interface, as text without its prefix length."""

    index: int
    address: str


@dataclass(frozen=True, slots=True)
class DumpEnded:
    """The answer to one request is complete; `good` is False if the kernel says it must be asked again."""

    good: bool


def request(kind: int, sequence: int) -> bytes:
    """Return the request for all links (GETLINK) or all addresses (GETADDR)."""
    body = _LINK.pack(0, 0, 0, 0, 0) if kind == GETLINK else _ADDR.pack(0, 0, 0, 0, 0)
    return _HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | _DUMP, sequence, 0) + body


def messages(datagram: bytes, sequence: int) -> Iterator[LinkFacts | AddressFacts | DumpEnded]:
    """Return what a datagram says in answer to the request with this sequence number; all else is passed over."""
    at = 0
    while at + _HEADER.size <= len(datagram):
        length, kind, flags, number, _ = _HEADER.unpack_from(datagram, at)
        if not _HEADER.size <= length <= len(datagram) - at:
            return
        if number == sequence:
            fact = _fact(kind, datagram[at + _HEADER.size : at + length])
            if flags & _INTERRUPTED:
                fact = DumpEnded(good=False)
            if fact is not None:
                yield fact
        at += -(-length // 4) * 4


def _fact(kind: int, body: bytes) -> LinkFacts | AddressFacts | DumpEnded | None:
    if kind == _DONE:
        return DumpEnded(good=True)
    if kind == _ERROR:
        return DumpEnded(good=False)
    if kind == _NEWLINK and len(body) >= _LINK.size:
        return _link(body)
    if kind == _NEWADDR and len(body) >= _ADDR.size:
        return _address(body)
    return None


def _link(body: bytes) -> LinkFacts | None:
    _, _, index, flags, _ = _LINK.unpack_from(body)
    name = _attributes(body[_LINK.size :]).get(_IFNAME, b"").rstrip(b"\0").decode("utf-8", "backslashreplace")
    wanted = _UP | _RUNNING | _LOWER_UP
    return LinkFacts(index, name, flags & wanted == wanted) if name else None


def _address(body: bytes) -> AddressFacts | None:
    family, _, short_flags, _, index = _ADDR.unpack_from(body)
    attributes = _attributes(body[_ADDR.size :])
    long_flags = attributes.get(_ADDRESS_FLAGS, b"")
    flags = int.from_bytes(long_flags, "little") if len(long_flags) == 4 else short_flags
    # On a point-to-point link IFA_ADDRESS is the other end's, and IFA_LOCAL ours; IPv6 often has the former only.
    packed = attributes.get(_LOCAL) or attributes.get(_ADDRESS, b"")
    if _FAMILIES.get(family) != len(packed) or flags & _DEAD_ADDRESS:
        return None
    return AddressFacts(index, socket.inet_ntop(family, packed))


def _attributes(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if not _ATTRIBUTE.size <= length <= len(data) - at:
            break
        found[kind] = data[at + _ATTRIBUTE.size : at + length]
        at += -(-length // 4) * 4
    return found
