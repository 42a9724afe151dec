# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of neighbours, as `addrs` and the command line have them.

==========================================  ===========================================================
``host:port``, ``[2001:db8::1]:5400``        TCP; the port may be a name of a service, a zone follows ``%``
``:5400``                                    TCP to this machine
``|command``                                 the standard input and output of a shell command
``socks5://[user:password@]proxy:port/A``    TCP address A, through a SOCKS5 proxy, which resolves its name (ours alone)
==========================================  ===========================================================
"""

from __future__ import annotations

from muleteer.errors import NotYetSupported, UsageError
from muleteer.record import record

TCP = "tcp"
PIPE = "pipe"
SOCKS_SCHEME = "socks5://"
_YGGDRASIL = "yggdrasil"


@record
class Endpoint:
    """A host (a name, or an address with its zone) and a port (a number or the name of a service), as text."""

    host: str
    port: str

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@record
class Proxy:
    """A SOCKS5 proxy; `user` is empty if it wants none. Tor takes different users for different circuits."""

    endpoint: Endpoint
    user: str = ""
    password: str = ""

    def __repr__(self) -> str:
        return f"Proxy({self.endpoint})"


@record
class Address:
    """Where a neighbour can be called: by `command` if that is a pipe, else at `endpoint`, through `proxy` if given."""

    text: str
    endpoint: Endpoint | None
    command: str = ""
    proxy: Proxy | None = None

    @property
    def kind(self) -> str:
        """TCP or PIPE."""
        return TCP if self.endpoint is not None else PIPE


def parse_address(text: str) -> Address:
    """Return what an address means. Raises UsageError (malformed), NotYetSupported (Yggdrasil)."""
    if text.startswith("|"):
        if not text[1:].strip():
            raise UsageError(problem="an address that is `|` needs a command after it")
        return Address(text, None, text[1:])
    if text.startswith(SOCKS_SCHEME):
        proxy, slash, target = text[len(SOCKS_SCHEME) :].partition("/")
        if not slash:
            raise UsageError(
                problem=f"the address {text!r} names a proxy and no address behind it: socks5://PROXY/ADDRESS"
            )
        return Address(text, parse_endpoint(target), proxy=parse_proxy(SOCKS_SCHEME + proxy))
    if text.startswith(_YGGDRASIL):
        raise NotYetSupported(feature="a Yggdrasil address")
    return Address(text, parse_endpoint(text))


def parse_proxy(text: str) -> Proxy:
    """Return the proxy that ``socks5://[user:password@]host:port`` names. Raises UsageError."""
    if not text.startswith(SOCKS_SCHEME):
        raise UsageError(problem=f"the proxy {text!r} is none that can be used: write socks5://HOST:PORT")
    login, at, place = text[len(SOCKS_SCHEME) :].rpartition("@")
    endpoint = parse_endpoint(place)
    user, _, password = login.partition(":") if at else ("", "", "")
    if len(user.encode()) > 255 or len(password.encode()) > 255:
        raise UsageError(problem="user and password of a proxy have 255 bytes at most")
    return Proxy(endpoint, user, password)


def parse_endpoint(text: str) -> Endpoint:
    """Return host and port of ``host:port`` or ``[address%zone]:port``. Raises UsageError."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket:
            raise UsageError(problem=f"the address {text!r} lacks its closing bracket")
        colon, port = rest[:1], rest[1:]
    else:
        host, colon, port = text.rpartition(":")
        if ":" in host:
            raise UsageError(problem=f"the address {text!r} has too many colons: write [ADDRESS]:PORT for IPv6")
    if colon != ":" or not port:
        raise UsageError(problem=f"the address {text!r} lacks its port: write HOST:PORT")
    if port.isdigit() and (not port.isascii() or int(port) > 0xFFFF):
        raise UsageError(problem=f"the port of the address {text!r} is above 65535")
    if "\0" in text or any(letter.isspace() for letter in text):
        raise UsageError(problem=f"the address {text!r} has a blank in it")
    return Endpoint(host, port)
