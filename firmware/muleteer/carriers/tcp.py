# SPDX-License-Identifier: GPL-3.0-or-later
"""TCP: dial and listen, IPv4 and IPv6. Why `_socket`: see `carriers.link`."""

from __future__ import annotations

import _socket
import select
import time

from muleteer.carriers.address import Endpoint, parse_endpoint
from muleteer.carriers.link import SocketLink
from muleteer.errors import CannotListen, LinkFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket as Socket  # noqa: N812 - it is a class
    from collections.abc import Sequence

    from muleteer.carriers.stream import WakeFlag

    Found = tuple[int, int, int, str, tuple[object, ...]]

BACKLOG = 128
"""Connections that the kernel holds until we accept them."""

UNSENT_MAX = 128 << 10
"""Bytes that the kernel holds unsent before it wants no more from us."""

SHARE_SECONDS = 2.0
"""What each address of a host gets of the time for all, if there is so much."""

_MAPPED = "::ffff:"  # how an IPv4 address looks on a socket for both
_IN_PROGRESS = 115  # EINPROGRESS
_ANY = ("", "::")


def dial(
    endpoint: Endpoint, *, seconds: float, interface: str | None = None, stop: WakeFlag | None = None
) -> SocketLink:
    """Connect to the first of the host's addresses that answers; all together get `seconds`.

    Each gets its share of what is left, but `SHARE_SECONDS` at least: the first may lead nowhere (an IPv6 that the
    provider lost), and those after it shall still have their chance.

    With `interface` the connection goes through that one, whatever the routes say. Resolving the name is the C
    library's and may take its own time. Raises LinkFailed.
    """
    name = str(endpoint)
    deadline = time.monotonic() + seconds
    problem = "it has no address"
    found = resolve(endpoint)
    for number, (family, _, _, _, where) in enumerate(found):
        sock = None
        now = time.monotonic()
        share = max(SHARE_SECONDS, (deadline - now) / (len(found) - number))
        try:
            sock = _socket.socket(family, _socket.SOCK_STREAM)
            connect(sock, where, min(deadline, now + share), interface=interface, stop=stop)
        except OSError as error:
            if sock is not None:
                sock.close()
            problem = words_of(error)
            if stop is not None and stop.is_set:
                break
            continue
        return SocketLink(sock, name)
    raise LinkFailed(address=name, problem=problem)


def resolve(endpoint: Endpoint, *, passive: bool = False) -> Sequence[Found]:
    """Return the addresses of a host in the C library's order. Raises LinkFailed."""
    flags = _socket.AI_PASSIVE if passive else 0
    try:
        return _socket.getaddrinfo(endpoint.host or None, endpoint.port, 0, _socket.SOCK_STREAM, 0, flags)
    except (OSError, UnicodeError) as error:
        raise LinkFailed(address=str(endpoint), problem=words_of(error)) from error


def port_of(endpoint: Endpoint) -> int:
    """Return an endpoint's port as a number. Raises LinkFailed for an unknown service."""
    if endpoint.port.isdigit():
        return int(endpoint.port)
    return int(str(resolve(Endpoint("127.0.0.1", endpoint.port))[0][4][1]))


def connect(
    sock: Socket,
    where: tuple[object, ...],
    deadline: float,
    *,
    interface: str | None = None,
    stop: WakeFlag | None = None,
) -> None:
    """Connect a socket to one address until `deadline` (monotonic). Raises OSError."""
    if interface is not None:
        sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_BINDTODEVICE, interface.encode())
    prepare(sock)
    sock.setblocking(False)
    number = sock.connect_ex(where)
    if number == _IN_PROGRESS:
        wait_for(sock.fileno(), select.POLLOUT, deadline, stop)
        number = sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR)
    if number:
        import posix

        raise OSError(number, posix.strerror(number))


def prepare(sock: Socket) -> None:
    """Set what each of our connections has: no waiting for more to send, a sign of life, and little in the kernel.

    What lies there unsent cannot be overtaken by something urgent; on a slow line it would lie there for minutes.
    """
    sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
    sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_KEEPALIVE, 1)
    sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NOTSENT_LOWAT, UNSENT_MAX)


def wait_for(fd: int, events: int, deadline: float, stop: WakeFlag | None = None) -> None:
    """Wait until a descriptor is ready. Raises TimeoutError, or InterruptedError when stopped."""
    poll = select.poll()
    poll.register(fd, events)
    if stop is not None:
        poll.register(stop.fileno(), select.POLLIN)
    ready = poll.poll(max(0, int((deadline - time.monotonic()) * 1000) + 1))
    if stop is not None and stop.is_set:
        raise InterruptedError(4, "stopped")
    if not ready:
        raise TimeoutError(110, "no answer in time")


def listen(bind: str) -> list[Socket]:
    """Return sockets that listen at ``host:port``; ``[::]:port`` and ``:port`` mean IPv4 as well; "" means none at all.

    They do not block. Raises UsageError (malformed), CannotListen (taken, or not ours), LinkFailed (an unknown name).
    """
    if not bind:
        return []
    endpoint = parse_endpoint(bind)
    if endpoint.host in _ANY:
        return [_listen_on_both(endpoint)]
    return [_listen(endpoint, family, where) for family, _, _, _, where in resolve(endpoint, passive=True)]


def _listen_on_both(endpoint: Endpoint) -> Socket:
    """Listen to IPv4 and IPv6 by one socket; a machine without IPv6 does what it can."""
    found = resolve(endpoint, passive=True)
    port = found[0][4][1]
    try:
        return _listen(endpoint, _socket.AF_INET6, ("::", port), both=True)
    except CannotListen as error:
        if not isinstance(error.__cause__, OSError) or error.__cause__.errno not in _WITHOUT_IPV6:
            raise
    return _listen(endpoint, _socket.AF_INET, ("0.0.0.0", port))  # noqa: S104 - asked for


_WITHOUT_IPV6 = (97, 99)  # EAFNOSUPPORT, EADDRNOTAVAIL


def _listen(endpoint: Endpoint, family: int, where: tuple[object, ...], *, both: bool = False) -> Socket:
    sock = None
    try:
        sock = _socket.socket(family, _socket.SOCK_STREAM)
        sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        if family == _socket.AF_INET6:
            sock.setsockopt(_socket.IPPROTO_IPV6, _socket.IPV6_V6ONLY, 0 if both else 1)
        sock.bind(where)
        sock.listen(BACKLOG)
    except OSError as error:
        if sock is not None:
            sock.close()
        raise CannotListen(address=str(endpoint), problem=words_of(error)) from error
    sock.setblocking(False)
    return sock


def accept(listener: Socket) -> SocketLink | None:
    """Take the next connection; None if there is none any more. Raises OSError (out of descriptors)."""
    try:
        fd, where = listener._accept()  # type: ignore[attr-defined] # noqa: SLF001 - what socket.accept itself calls
    except (BlockingIOError, ConnectionError):
        return None
    sock = _socket.socket(fileno=fd)
    prepare(sock)
    return SocketLink(sock, name_of(where))


def name_of(where: tuple[object, ...]) -> str:
    """Return a socket address as people write it: ``10.0.0.1:5400``, ``[fe80::1%eth0]:5400``."""
    host, port = str(where[0]), where[1]
    if host.startswith(_MAPPED) and "." in host:
        host = host[len(_MAPPED) :]
    if len(where) > 3 and isinstance(where[3], int) and where[3] and "%" not in host:
        host = f"{host}%{_zone(where[3])}"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def words_of(error: Exception) -> str:
    """Return what went wrong, in a few words."""
    return (getattr(error, "strerror", None) or str(error)).lower()


def _zone(index: int) -> str:
    try:
        return _socket.if_indextoname(index)
    except OSError:  # it went away meanwhile
        return str(index)
