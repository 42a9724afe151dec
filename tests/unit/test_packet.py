# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from muleteer.errors import BadEncoding, NotAPacket, OldPacket, UsageError
from muleteer.formats.packet import (
    ACK,
    AREA,
    EXEC,
    EXEC_FAT,
    FILE,
    FREQ,
    PLAIN_HEADER_SIZE,
    TRNS,
    PlainHeader,
    exec_path,
    kind_name,
    split_exec_path,
)

GOOD = PlainHeader(FILE, 224, b"dir/name").pack()


def test_layout():
    assert b"NNCPP\0\0\3" + b"\0\0\0\1" + b"\0\0\0\xe0" + b"\0\0\0\x08" + b"dir/name" + bytes(248) == GOOD
    assert len(GOOD) == PLAIN_HEADER_SIZE


@pytest.mark.parametrize("kind", [FILE, FREQ, EXEC, TRNS, EXEC_FAT, AREA, ACK, 8, 255])
@pytest.mark.parametrize("path", [b"", b"x", bytes(range(32)), b"p" * 255])
def test_every_kind_comes_back(kind, path):
    header = PlainHeader(kind, 7, path)
    assert PlainHeader.unpack(memoryview(header.pack() + b"payload")) == header


def test_kinds_are_numbered_from_one():
    kinds = [FILE, FREQ, EXEC, TRNS, EXEC_FAT, AREA, ACK]
    assert list(range(1, 8)) == kinds
    assert [kind_name(kind) for kind in kinds] == ["file", "freq", "exec", "trns", "exec-fat", "area", "ack"]
    assert kind_name(0) == "unknown (0)"


def test_a_path_of_256_bytes_is_refused_at_the_sender():
    with pytest.raises(UsageError, match="256 bytes"):
        PlainHeader(FILE, 1, b"p" * 256).pack()


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (GOOD[:-1], BadEncoding),
        (b"", BadEncoding),
        (b"NNCPP\0\0\2" + GOOD[8:], OldPacket),
        (b"NNCPP\0\0\4" + GOOD[8:], NotAPacket),
        (b"NNCPE\0\0\6" + GOOD[8:], NotAPacket),
        (GOOD[:8] + b"\0\0\1\1" + GOOD[12:], BadEncoding),
        (GOOD[:12] + b"\0\0\1\0" + GOOD[16:], BadEncoding),
        (GOOD[:16] + b"\0\0\1\0" + GOOD[20:], BadEncoding),
        (GOOD[:16] + b"\xff\xff\xff\xff" + GOOD[20:], BadEncoding),
    ],
)
def test_malformed_headers_are_refused(data, error):
    with pytest.raises(error):
        PlainHeader.unpack(data)


def test_exec_arguments_survive_even_empty_ones():
    path = exec_path("cat", ["a b", "", "c", "\udcff"])
    assert path == b"cat\0a b\0\0c\0\xff"
    assert split_exec_path(path) == (b"cat", [b"a b", b"", b"c", b"\xff"])
    assert split_exec_path(exec_path("cat", [])) == (b"cat", [])
    assert split_exec_path(exec_path("cat", [""])) == (b"cat", [b""])


def test_a_zero_byte_in_an_argument_would_make_two():
    with pytest.raises(UsageError):
        exec_path("cat", ["a\0b"])
