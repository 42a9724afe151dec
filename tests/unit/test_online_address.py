# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses as `addrs` and command lines have them."""

import pytest

from muleteer.carriers.address import PIPE, TCP, Endpoint, Proxy, parse_address, parse_endpoint, parse_proxy
from muleteer.errors import NotYetSupported, UsageError


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("example.org:5400", "example.org", "5400"),
        ("10.0.0.1:1", "10.0.0.1", "1"),
        ("[::1]:5400", "::1", "5400"),
        ("[fe80::1%eth0]:5400", "fe80::1%eth0", "5400"),
        (":5400", "", "5400"),
        ("host:nncp", "host", "nncp"),
        ("xyz.onion:65535", "xyz.onion", "65535"),
    ],
)
def test_tcp(text, host, port):
    address = parse_address(text)
    assert (address.kind, address.endpoint, address.proxy) == (TCP, Endpoint(host, port), None)
    assert str(address.endpoint) == text


def test_pipe():
    address = parse_address("|ssh -p 22 host nncp-daemon -ucspi")
    assert (address.kind, address.command) == (PIPE, "ssh -p 22 host nncp-daemon -ucspi")


def test_proxy_before_an_address():
    address = parse_address("socks5://bob:pass:word@[::1]:9050/[fd00::1]:5400")
    assert address.endpoint == Endpoint("fd00::1", "5400")
    assert address.proxy == Proxy(Endpoint("::1", "9050"), "bob", "pass:word")
    assert "word" not in repr(address.proxy)


@pytest.mark.parametrize(
    "text",
    [
        *("", "host", "host:", "[::1]", "[::1:5400", "::1:5400", "host:65536", "host:99999999", "a b:1", "h\0:1"),
        *("|", "| ", "socks5://127.0.0.1:9050", "socks5://127.0.0.1/host:1", "socks5://:/host:1", "[::1]x:5400"),
    ],
)
def test_malformed(text):
    with pytest.raises(UsageError):
        parse_address(text)


@pytest.mark.parametrize("text", ["http://127.0.0.1:8080", "127.0.0.1:9050", f"socks5://{'u' * 256}@h:1"])
def test_malformed_proxy(text):
    with pytest.raises(UsageError):
        parse_proxy(text)


def test_yggdrasil_is_told_apart():
    with pytest.raises(NotYetSupported):
        parse_address("yggdrasilc://key")


def test_endpoint_of_a_bind_address():
    assert parse_endpoint("[::]:5400") == Endpoint("::", "5400")
