# SPDX-License-Identifier: GPL-3.0-or-later
import base64
import random

import pytest

from muleteer.errors import BadEncoding
from muleteer.formats.ids import Id, NodeId, PacketName, b32decode, b32encode, is_packet_name

RAW = bytes(range(32))
TEXT = "AAAQEAYEAUDAOCAJBIFQYDIOB4IBCEQTCQKRMFYYDENBWHA5DYPQ"


@pytest.mark.parametrize("size", [*range(12), 31, 32, 33, 64])
def test_base32_is_the_standard_one_without_padding(size):
    data = random.Random(size).randbytes(size)
    text = base64.b32encode(data).decode().rstrip("=")
    assert b32encode(data) == text
    assert b32decode(text) == data


@pytest.mark.parametrize("text", ["a", "A", "AAA", "AAAAAA", "AA=", "A1", "ma", "A_", " AA", "AA\n", "+A", "AÄ"])
def test_base32_refuses_lower_case_padding_and_impossible_lengths(text):
    with pytest.raises(BadEncoding):
        b32decode(text)


def test_base32_bounds_its_input():
    with pytest.raises(BadEncoding):
        b32decode("A" * 8000)


def test_spare_bits_are_ignored_when_an_id_is_read_as_the_reference_does():
    assert Id.parse(TEXT[:-1] + "R") == Id.parse(TEXT)


@pytest.mark.parametrize("text", [TEXT[:-1], TEXT + "A", "", TEXT.lower()])
def test_an_id_has_exactly_52_characters(text):
    with pytest.raises(BadEncoding):
        Id.parse(text)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_an_id_has_exactly_32_bytes(size):
    with pytest.raises(BadEncoding):
        NodeId(bytes(size))


def test_ids_show_as_base32_and_equal_their_bytes():
    name = PacketName(RAW)
    assert str(name) == TEXT
    assert f"{name}" == TEXT
    assert repr(name) == f"PacketName({TEXT[:8]}...)"
    assert name == RAW
    assert {name: 1}[RAW] == 1
    assert isinstance(NodeId.parse(TEXT), NodeId)


@pytest.mark.parametrize(
    ("text", "is_name"),
    [
        (TEXT, True),
        (TEXT[:-1] + "A", True),
        (TEXT[:-1] + "B", False),  # the same 32 bytes, spelled as nobody does
        (TEXT.lower(), False),
        (TEXT + ".part", False),
        (TEXT[:-1], False),
        ("hdr", False),
        ("", False),
        (TEXT[:20] + "1" + TEXT[21:], False),
        (TEXT[:20] + "_" + TEXT[21:], False),
    ],
)
def test_a_packet_name_is_the_one_spelling_that_we_write(text, is_name):
    assert is_packet_name(text) is is_name
    if is_name:
        assert str(PacketName.parse(text)) == text
