# SPDX-License-Identifier: GPL-3.0-or-later
"""What network interfaces there are, and whether they are up: asked of the kernel, then told at every change.

One socket is told by the kernel that something has changed, which is all we take from it: then everything is asked
anew, after a short rest, for an address that comes by DHCP makes a handful of messages. So a lost notification (the
kernel says ENOBUFS) is one more reason to look, and nothing has to be patched together from differences.
"""

from __future__ import annotations

import os
import socket
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from muleteer.hotplug.netlink import GETADDR, GETLINK, GROUPS, AddressFacts, DumpEnded, LinkFacts, messages, request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

REST_SECONDS = 0.2  # between the first sign of a change and the look
TRIES_MAX = 5  # looks in a row at tables that change under our eyes; then we take what we see
DATAGRAM_SIZE = 1 << 16  # the kernel fills at most 32 KiB
ANSWER_SECONDS = 5.0  # it answers at once; never to hang on it is worth a number
METERED_DRIVERS = frozenset({"qmi_wwan", "cdc_mbim", "huawei_cdc_ncm", "sierra_net", "rndis_host", "ipheth", "mhi_net"})
METERED_KINDS = frozenset({"wwan", "ppp"})


@dataclass(frozen=True, slots=True)
class Interface:
    """One network interface as it is now; the loopback is one of them."""

    name: str
    up: bool  # switched on, with a carrier and an address (on a cable between two boxes only a link-local one)
    metered: bool = False  # a modem or a tethered phone, by its driver: traffic probably costs
    addresses: tuple[str, ...] = ()  # without prefix length, sorted; link-local ones of IPv6 too
    properties: tuple[tuple[str, str], ...] = ()  # what udev knows of it, such as ID_PATH; sorted

    def property(self, name: str) -> str:
        """Return what udev knows, or an empty string."""
        return dict(self.properties).get(name, "")


class Interfaces:
    """Watches this machine's interfaces.

    `sys` and `udev` are where the kernel and udev describe devices; tests bring their own. Raises OSError (from the
    constructor) where there is no netlink.
    """

    def __init__(self, *, sys: str = "/sys/class/net", udev: str = "/run/udev/data") -> None:
        self._sys = sys
        self._udev = udev
        self._told = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._told.setblocking(False)
        self._told.bind((0, GROUPS))

    def look(self) -> tuple[Interface, ...]:
        """Return all interfaces as they are now, by name. Raises OSError if the kernel does not answer."""
        return tuple(
            self._interface(link, addresses) for link, addresses in sorted(_asked(), key=lambda pair: pair[0].name)
        )

    async def changes(self) -> AsyncIterator[tuple[Interface, ...]]:
        """Say first what there is, then what there is after every change; never ends by itself."""
        last: tuple[Interface, ...] | None = None
        while True:
            now = self.look()
            if now != last:
                yield now
                last = now
            await trio.lowlevel.wait_readable(self._told)
            await trio.sleep(REST_SECONDS)
            _drain(self._told)

    def close(self) -> None:
        """Listen no more."""
        self._told.close()

    def _interface(self, link: LinkFacts, addresses: tuple[str, ...]) -> Interface:
        uevent = _pairs(f"{self._sys}/{link.name}/uevent", "")
        known = _pairs(f"{self._udev}/n{link.index}", "E:")
        driver = known.get("ID_NET_DRIVER") or _driver(f"{self._sys}/{link.name}/device/driver")
        metered = driver in METERED_DRIVERS or uevent.get("DEVTYPE") in METERED_KINDS
        properties = tuple(sorted(({"ID_NET_DRIVER": driver} if driver else {}).items() | {**uevent, **known}.items()))
        return Interface(link.name, link.up and bool(addresses), metered, addresses, properties)


def _asked() -> list[tuple[LinkFacts, tuple[str, ...]]]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as asking:
        asking.settimeout(ANSWER_SECONDS)
        asking.bind((0, 0))
        links: list[LinkFacts] = []
        by_index: dict[int, set[str]] = defaultdict(set)
        for fact in [*_dump(asking, GETLINK, 1), *_dump(asking, GETADDR, 100)]:
            if isinstance(fact, LinkFacts):
                links.append(fact)
            else:
                by_index[fact.index].add(fact.address)
    return [(link, tuple(sorted(by_index[link.index]))) for link in links]


def _dump(asking: socket.socket, kind: int, sequence: int) -> list[LinkFacts | AddressFacts]:
    for number in range(sequence, sequence + TRIES_MAX):
        asking.send(request(kind, number))
        found: list[LinkFacts | AddressFacts] = []
        good = True
        ended = False
        while not ended:
            for fact in messages(asking.recv(DATAGRAM_SIZE), number):
                if isinstance(fact, DumpEnded):
                    good &= fact.good
                    ended = True
                else:
                    found.append(fact)
        if good:
            break
    return found


def _drain(told: socket.socket) -> None:
    while True:
        try:
            told.recv(DATAGRAM_SIZE)
        except BlockingIOError:
            return
        except OSError:  # ENOBUFS: there was more than the queue holds
            continue


def _pairs(path: str, prefix: str) -> dict[str, str]:
    """Read the ``KEY=VALUE`` lines of a description that may be gone, or was never there."""
    try:
        with open(path, encoding="utf-8", errors="backslashreplace") as file:
            lines = [line.rstrip("\n").removeprefix(prefix) for line in file if line.startswith(prefix)]
    except OSError:
        return {}
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _driver(link: str) -> str:
    try:
        return os.path.basename(os.readlink(link))
    except OSError:
        return ""
