# SPDX-License-Identifier: GPL-3.0-or-later
"""Multicast discovery: tell the neighbourhood where we listen, hear where others do (nncp.md section 16).

An announcement proves nothing: whoever believes it calls an address where the handshake then fails. So it may only ever
add an address to try, and what is remembered of all of them is bounded.
"""

from __future__ import annotations

import _socket
import sys

from muleteer.carriers.tcp import name_of
from muleteer.errors import BadEncoding, UsageError
from muleteer.formats.mcd import ANNOUNCEMENT_SIZE, GROUP, PORT, pack_announcement, parse_announcement

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Mapping

    from muleteer.formats.ids import NodeId

EXPIRY_SECONDS = 120.0
"""How long an announcement holds."""
ADDRESSES_MAX = 8
"""Addresses that are remembered of one node: it may be reachable by several interfaces."""
NODES_MAX = 1024
"""Nodes whose addresses are remembered. (The caller of `Discoveries.note` drops those that are no neighbours.)."""

_DATAGRAMS_AT_ONCE = 64
_REFRESH_SECONDS = 10.0  # how often interfaces that came up are looked for
_LINK_LOCAL = "fe80:"


class Announcer:
    """Sends announcements from our TCP port: on each interface of a rule at once, then every so many seconds.

    `rules` maps regular expressions of interface names (searched, not anchored, as the reference does) to seconds; 0
    means once only. Raises UsageError (a malformed expression), OSError (the UDP port is taken).
    """

    def __init__(self, own: NodeId, port: int, rules: Mapping[str, int]) -> None:
        self._datagram = pack_announcement(own)
        self._rules = [(_compiled(expression), seconds) for expression, seconds in rules.items()]
        self._next: dict[str, float] = {}
        self._look_at = float("-inf")
        self._socket = _socket.socket(_socket.AF_INET6, _socket.SOCK_DGRAM)
        try:
            self._socket.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
            self._socket.setsockopt(_socket.IPPROTO_IPV6, _socket.IPV6_V6ONLY, 1)
            self._socket.setblocking(False)
            self._socket.bind(("::", port))
        except OSError:
            self._socket.close()
            raise

    def deadline(self) -> float | None:
        """Return when (monotonic) `announce` has something to do; None without rules."""
        if not self._rules:
            return None
        return min([self._look_at, *self._next.values()])

    def announce(self, now: float) -> list[tuple[str, OSError | None]]:
        """Send what is due; return the interfaces, each with what went wrong there."""
        self._look_at = now + _REFRESH_SECONDS
        told: list[tuple[str, OSError | None]] = []
        present = {name: index for index, name in _interfaces()}
        self._next = {name: at for name, at in self._next.items() if name in present}
        for name, index in present.items():
            seconds = self._interval(name)
            if seconds is None or now < self._next.get(name, now):
                continue
            self._next[name] = now + seconds if seconds else float("inf")
            told.append((name, self._send(index)))
        return told

    def _interval(self, name: str) -> int | None:
        """Return the shortest interval that a rule gives an interface; None if none is for it."""
        found = [seconds for expression, seconds in self._rules if expression.search(name)]
        return min(found, default=None)

    def _send(self, index: int) -> OSError | None:
        try:
            self._socket.sendto(self._datagram, (GROUP, PORT, 0, index))
        except OSError as error:
            return error
        return None

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()


class Hearing:
    """Hears announcements on the interfaces whose names one of the regular expressions matches.

    Raises UsageError (a malformed expression), OSError (the UDP port is taken by a program that does not share it).
    """

    def __init__(self, expressions: Iterable[str]) -> None:
        self._expressions = [_compiled(expression) for expression in expressions]
        self._joined: dict[int, str] = {}
        self._socket = _socket.socket(_socket.AF_INET6, _socket.SOCK_DGRAM)
        try:
            self._socket.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
            self._socket.setsockopt(_socket.IPPROTO_IPV6, _socket.IPV6_V6ONLY, 1)
            self._socket.setblocking(False)
            self._socket.bind(("::", PORT))
        except OSError:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """Return the descriptor that is readable when there is something to hear."""
        return self._socket.fileno()

    def refresh(self) -> list[tuple[str, OSError | None]]:
        """Listen on matching interfaces that came up since; return those, each with what went wrong there."""
        present = dict(_interfaces())
        self._joined = {index: name for index, name in self._joined.items() if present.get(index) == name}
        new = [
            (index, name)
            for index, name in present.items()
            if index not in self._joined and any(expression.search(name) for expression in self._expressions)
        ]
        return [(name, self._join(index, name)) for index, name in new]

    def _join(self, index: int, name: str) -> OSError | None:
        group = _socket.inet_pton(_socket.AF_INET6, GROUP) + index.to_bytes(4, sys.byteorder)
        try:
            self._socket.setsockopt(_socket.IPPROTO_IPV6, _socket.IPV6_JOIN_GROUP, group)
        except OSError as error:
            if error.errno != 98:  # EADDRINUSE: it never left
                return error
        self._joined[index] = name
        return None

    def heard(self) -> list[tuple[NodeId, str, str]]:
        """Return (node, ``[address%zone]:port``, interface) of what came since; never waits.

        Who is named there has not proven it; datagrams that are no announcements of this link are dropped.
        """
        found = []
        for _ in range(_DATAGRAMS_AT_ONCE):
            try:
                datagram, where = self._socket.recvfrom(ANNOUNCEMENT_SIZE + 1)
            except OSError:  # nothing more, or an interface that just went down
                break
            interface = self._joined.get(where[3])
            if interface is None or not where[0].lower().startswith(_LINK_LOCAL):
                continue
            try:
                found.append((parse_announcement(datagram), name_of(where), interface))
            except BadEncoding:
                continue
        return found

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()


class Discoveries:
    """Who was heard where, until two minutes after the last announcement. Pure and bounded."""

    def __init__(self) -> None:
        self._heard: dict[NodeId, dict[str, float]] = {}

    def note(self, node: NodeId, address: str, now: float) -> bool:
        """Remember where a node was heard; return whether that is news. `now` is monotonic seconds."""
        self._expire(now)
        addresses = self._heard.get(node)
        if addresses is None:
            if len(self._heard) >= NODES_MAX:
                return False
            addresses = self._heard[node] = {}
        is_news = addresses.pop(address, None) is None
        if len(addresses) >= ADDRESSES_MAX:
            del addresses[next(iter(addresses))]
        addresses[address] = now
        return is_news

    def addresses(self, node: NodeId, now: float) -> tuple[str, ...]:
        """Return where a node was heard lately, the latest first."""
        self._expire(now)
        return tuple(reversed(self._heard.get(node, {})))

    def _expire(self, now: float) -> None:
        for node, addresses in list(self._heard.items()):
            for address, heard in list(addresses.items()):
                if now - heard >= EXPIRY_SECONDS:
                    del addresses[address]
            if not addresses:
                del self._heard[node]


def _interfaces() -> list[tuple[int, str]]:
    try:
        return _socket.if_nameindex()
    except OSError:
        return []


def _compiled(expression: str) -> re.Pattern[str]:
    import re  # few nodes use discovery, and `re` costs 4 ms

    try:
        return re.compile(expression)
    except re.error as error:
        raise UsageError(problem=f"{expression!r} is no regular expression of interface names: {error}") from error
