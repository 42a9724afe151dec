# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever comes to the door: addresses of any shape, connections in any order."""

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from muleteer.carriers.address import parse_address, parse_proxy
from muleteer.carriers.listener import Door, DoorLimits, source_of
from muleteer.carriers.multicast import ADDRESSES_MAX, EXPIRY_SECONDS, Discoveries
from muleteer.carriers.socks import handshake
from muleteer.carriers.tcp import name_of
from muleteer.errors import BadEncoding, UsageError
from muleteer.formats.ids import NodeId
from muleteer.formats.mcd import pack_announcement, parse_announcement

ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
PORTS = st.integers(1, 65535)
LIMITS = DoorLimits(connections=6, per_source=3, strangers=4, strangers_per_source=2)


@given(st.text(max_size=60) | st.from_regex(r"(socks5://)?[\w@:\[\]/%|.]*", fullmatch=True))
def test_an_address_is_understood_or_refused(text):
    for parse in (parse_address, parse_proxy):
        with contextlib.suppress(UsageError):
            parse(text)


@given(ADDRESSES, PORTS)
def test_what_a_socket_says_is_an_address(host, port):
    name = name_of((host, port, 0, 0) if ":" in host else (host, port))
    address = parse_address(name)
    assert str(address.endpoint) == name
    assert address.endpoint.port == str(port)


@given(ADDRESSES, PORTS, PORTS)
def test_the_port_does_not_change_the_source(host, one, other):
    assert source_of(name_of((host, one))) == source_of(name_of((host, other)))


@given(st.ip_addresses(v=6, network="2001:db8::/64"), st.ip_addresses(v=6, network="2001:db8::/64"))
def test_one_subscriber_is_one_source(one, other):
    assert source_of(f"[{one}]:1") == source_of(f"[{other}]:2") == "2001:db8:0:0"


@given(st.lists(st.tuples(st.sampled_from(["admit", "known", "leave"]), st.integers(0, 3)), max_size=60))
def test_the_door_keeps_its_limits(steps):
    door, guests = Door(LIMITS), []
    for verb, number in steps:
        if verb == "admit":
            guest = door.admit(f"10.0.0.{number}:1")
            guests += [guest] if guest else []
        elif guests:
            guest = guests[number % len(guests)]
            guest.known() if verb == "known" else guest.leave()
            guests = [guest for guest in guests if verb == "known" or guest is not guests[number % len(guests)]]
        strangers = [guest for guest in guests if not guest.is_known]
        assert door.guests == len(guests) <= LIMITS.connections
        assert len(strangers) <= LIMITS.strangers
        for source in {guest.source for guest in guests}:
            assert sum(guest.source == source for guest in guests) <= LIMITS.per_source
            assert sum(guest.source == source for guest in strangers) <= LIMITS.strangers_per_source


@given(st.binary(max_size=60))
def test_a_datagram_is_an_announcement_or_refused(datagram):
    try:
        node = parse_announcement(datagram)
    except BadEncoding:
        return
    assert pack_announcement(node) == datagram


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 20), st.floats(0, 50))))
def test_only_what_was_heard_lately_is_remembered(heard):
    found, last, now = Discoveries(), {}, 0.0
    for number, address, later in heard:
        now += later
        found.note(NodeId(bytes([number]) * 32), str(address), now)
        last[number, str(address)] = now
    for number in range(3):
        addresses = found.addresses(NodeId(bytes([number]) * 32), now)
        fresh = [key[1] for key, at in last.items() if key[0] == number and now - at < EXPIRY_SECONDS]
        assert len(addresses) == min(len(fresh), ADDRESSES_MAX)
        assert set(addresses) <= set(fresh)


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=6), st.booleans())
def test_a_proxy_may_say_anything(answers, login):
    """It is asked for a bounded number of bytes, a bounded number of times, and ends in one of two ways."""
    talk = handshake("host", 1, "user" if login else "", "")
    _, wanted = next(talk)
    with contextlib.suppress(StopIteration, ValueError):
        for answer in answers:
            assert 0 < wanted < 300
            _, wanted = talk.send((answer * wanted)[:wanted])
        assert len(answers) < 5
