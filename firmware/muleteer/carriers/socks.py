# SPDX-License-Identifier: GPL-3.0-or-later
"""SOCKS5 (RFC 1928, RFC 1929), the client's side: how Tor and ssh -D are asked for a connection.

The proxy resolves the name, so that neither a hidden service's name nor the wish to reach it shows outside.
"""

from __future__ import annotations

import _socket
import select
import time

from muleteer.carriers.tcp import dial as dial_tcp
from muleteer.carriers.tcp import port_of, wait_for, words_of
from muleteer.errors import LinkFailed, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator

    from muleteer.carriers.address import Endpoint, Proxy
    from muleteer.carriers.link import SocketLink
    from muleteer.carriers.stream import WakeFlag

_VERSION = 5
_NO_LOGIN, _LOGIN = 0, 2
_CONNECT = 1
_IPV4, _NAME, _IPV6 = 1, 3, 4
_REFUSALS = (
    *("", "it failed", "its rules forbid it", "the network is unreachable from there"),
    *("the host is unreachable from there", "the connection was refused there", "no answer in time"),
    *("it cannot connect", "it does not know this kind of address"),
)


def handshake(host: str, port: int, user: str = "", password: str = "") -> Generator[tuple[bytes, int], bytes, None]:
    """Ask a proxy for a connection to host and port, without a socket.

    Yields what to send and how many bytes to read then, which are to be sent in. Raises ValueError with the words for
    a refusal or an answer that is no SOCKS5.
    """
    methods = bytes((_NO_LOGIN, _LOGIN)) if user else bytes((_NO_LOGIN,))
    version, method = yield bytes((_VERSION, len(methods))) + methods, 2
    if version != _VERSION:
        raise ValueError("this is no SOCKS5 proxy")
    if method == _LOGIN and user:
        _, status = yield b"\x01" + _short(user.encode()) + _short(password.encode()), 2
        if status:
            raise ValueError("the proxy refuses this user and password")
    elif method != _NO_LOGIN:
        raise ValueError("the proxy wants a user and password" if not user else "the proxy wants another kind of login")
    request = bytes((_VERSION, _CONNECT, 0)) + _target(host) + port.to_bytes(2, "big")
    version, status, _, kind, first = yield request, 5
    if version != _VERSION:
        raise ValueError("this is no SOCKS5 proxy")
    if status:
        raise ValueError(f"the proxy says: {_REFUSALS[status] if status < len(_REFUSALS) else f'error {status}'}")
    left = {_IPV4: 3, _IPV6: 15, _NAME: first}.get(kind)
    if left is None:
        raise ValueError("the proxy's answer makes no sense")
    yield b"", left + 2


def dial(
    proxy: Proxy, endpoint: Endpoint, *, seconds: float, interface: str | None = None, stop: WakeFlag | None = None
) -> SocketLink:
    """Connect through a proxy; all together gets `seconds`. Raises LinkFailed, UsageError."""
    deadline = time.monotonic() + seconds
    talk = handshake(endpoint.host, port_of(endpoint), proxy.user, proxy.password)
    link = dial_tcp(proxy.endpoint, seconds=seconds, interface=interface, stop=stop)
    link.name = str(endpoint)
    try:
        _converse(link, talk, deadline, stop)
    except (OSError, ValueError) as error:
        link.close()
        raise LinkFailed(address=f"{endpoint} through {proxy.endpoint}", problem=words_of(error)) from error
    except UsageError:
        link.close()
        raise
    return link


def _converse(
    link: SocketLink, talk: Generator[tuple[bytes, int], bytes, None], deadline: float, stop: WakeFlag | None
) -> None:
    step = next(talk)
    while True:
        request, wanted = step
        rest = memoryview(request)
        while rest:  # a few hundred bytes: a fresh connection takes them at once
            wait_for(link.writable_fd, select.POLLOUT, deadline, stop)
            rest = rest[link.send(rest) :]
        answer = _read(link, wanted, deadline, stop)
        try:
            step = talk.send(answer)
        except StopIteration:
            return


def _read(link: SocketLink, wanted: int, deadline: float, stop: WakeFlag | None) -> bytes:
    """Read exactly so many bytes: what follows is the neighbour's."""
    answer = memoryview(bytearray(wanted))
    got = 0
    while got < wanted:
        wait_for(link.readable_fd, select.POLLIN, deadline, stop)
        count = link.recv_into(answer[got:])
        if not count:
            raise ValueError("the proxy hung up")
        got += count
    return bytes(answer)


def _target(host: str) -> bytes:
    """Return a host as SOCKS5 writes it: the numbers of an address, or a name for the proxy to resolve."""
    for family, kind in ((_socket.AF_INET, _IPV4), (_socket.AF_INET6, _IPV6)):
        try:
            return bytes((kind,)) + _socket.inet_pton(family, host)
        except OSError:
            continue
    try:
        name = host.encode("ascii") if host.isascii() else host.encode("idna")
    except UnicodeError as error:
        raise UsageError(problem=f"{host!r} is no name of a host") from error
    if not name:
        raise UsageError(problem="an address behind a proxy needs a host")
    return bytes((_NAME,)) + _short(name)


def _short(data: bytes) -> bytes:
    if len(data) > 255:
        raise UsageError(problem="a proxy takes names and passwords of 255 bytes at most")
    return bytes((len(data),)) + data
