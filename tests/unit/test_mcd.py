# SPDX-License-Identifier: GPL-3.0-or-later
"""Multicast announcements: the datagram, and what is remembered of what was heard."""

import json
import pathlib

import pytest

from muleteer.carriers.multicast import ADDRESSES_MAX, NODES_MAX, Announcer, Discoveries, Hearing
from muleteer.errors import BadEncoding, UsageError
from muleteer.formats.ids import NodeId
from muleteer.formats.mcd import ANNOUNCEMENT_SIZE, pack_announcement, parse_announcement

VECTORS = pathlib.Path(__file__).parent.parent / "vectors" / "data"
ALICE = NodeId.parse(json.loads((VECTORS / "cfg" / "keys.json").read_text())["nodes"]["alice"]["id"])
CAPTURED = (VECTORS / "mcd" / "alice-announce.bin").read_bytes()


def node(number):
    return NodeId(number.to_bytes(32, "big"))


def test_what_the_real_daemon_sends():
    assert pack_announcement(ALICE) == CAPTURED
    assert parse_announcement(memoryview(CAPTURED)) == ALICE
    assert len(CAPTURED) == ANNOUNCEMENT_SIZE


@pytest.mark.parametrize(
    "datagram", [b"", CAPTURED[:-1], CAPTURED + b"\0", b"NNCPD\0\0\x02" + CAPTURED[8:], b"X" + CAPTURED[1:]]
)
def test_anything_else_is_refused(datagram):
    with pytest.raises(BadEncoding):
        parse_announcement(datagram)


def test_an_address_is_news_once_and_holds_for_two_minutes():
    found = Discoveries()
    assert found.note(ALICE, "[fe80::1%a]:1", 0.0)
    assert not found.note(ALICE, "[fe80::1%a]:1", 100.0)
    assert found.addresses(ALICE, 219.0) == ("[fe80::1%a]:1",)
    assert found.addresses(ALICE, 220.0) == ()
    assert found.note(ALICE, "[fe80::1%a]:1", 221.0)


def test_the_latest_address_comes_first():
    found = Discoveries()
    for number, address in enumerate(("a", "b", "a")):
        found.note(ALICE, address, float(number))
    assert found.addresses(ALICE, 3.0) == ("a", "b")


def test_what_is_remembered_is_bounded():
    found = Discoveries()
    for number in range(3 * ADDRESSES_MAX):
        found.note(ALICE, f"a{number}", 0.0)
    assert len(found.addresses(ALICE, 0.0)) == ADDRESSES_MAX
    assert found.addresses(ALICE, 0.0)[0] == f"a{3 * ADDRESSES_MAX - 1}"
    for number in range(NODES_MAX + 5):
        found.note(node(number), "x", 0.0)
    assert found.addresses(node(NODES_MAX + 4), 0.0) == ()
    assert found.addresses(node(NODES_MAX - 2), 0.0) == ("x",)


def test_a_malformed_expression_is_told():
    with pytest.raises(UsageError, match="regular expression"):
        Announcer(ALICE, 0, {"(": 1})
    with pytest.raises(UsageError, match="regular expression"):
        Hearing(["("])
