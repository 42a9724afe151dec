# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from muleteer.engines.sync_frames import FrameReader, close_frame, frame_size
from muleteer.errors import BadFrame


def frame(message):
    out = memoryview(bytearray(b"\xff" * frame_size(len(message))))
    out[12 : 12 + len(message)] = message
    assert close_frame(out, len(message)) == len(out)
    return bytes(out)


def all_of(reader):
    found = []
    while (message := reader.next()) is not None:
        found.append(bytes(message))
    return found


def test_bytes_on_the_wire():
    assert frame(b"hello") == b"NNCPS\0\0\x01" + b"\0\0\0\x05" + b"hello\0\0\0"


MESSAGES = [b"", b"a", b"bcde", bytes(range(256)) * 300, b"end"]
WIRE = b"".join(map(frame, MESSAGES))


@pytest.mark.parametrize("step", [1, 3, 11, 12, 13, 1000, len(WIRE)])
def test_any_fragmentation(step):
    reader, found = FrameReader(), []
    for at in range(0, len(WIRE), step):
        reader.feed(WIRE[at : at + step])
        found += all_of(reader)
    assert found == MESSAGES
    assert not reader.has_piece
    assert reader.held == 0


def test_whole_frames_are_not_copied():
    data = bytearray(frame(b"abcd") + frame(b"efgh"))
    reader = FrameReader()
    reader.feed(data)
    message = reader.next()
    data[12] = ord("X")
    assert bytes(message) == b"Xbcd"


def test_what_is_kept_survives_the_buffer():
    data = bytearray(frame(b"abcd") + frame(b"efgh") + frame(b"ijkl")[:5])
    reader = FrameReader()
    reader.feed(data)
    reader.next()
    reader.keep()
    data[:] = bytes(len(data))
    reader.feed(frame(b"ijkl")[5:])
    assert all_of(reader) == [b"efgh", b"ijkl"]


def test_at_most_one_frame_is_held():
    reader = FrameReader()
    big = frame(bytes(131_072))
    for at in range(0, len(big) - 1, 1000):
        reader.feed(big[at : min(at + 1000, len(big) - 1)])
        assert reader.next() is None
        assert reader.held <= len(big)
    assert reader.has_piece
    reader.feed(big[-1:])
    assert len(reader.next()) == 131_072


@pytest.mark.parametrize(
    "head",
    [b"NNCPS\0\0\x02" + bytes(4), b"GET / HTTP/1.1\r\n", bytes(12), b"NNCPS\0\0\x01" + (131_073).to_bytes(4, "big")],
)
@pytest.mark.parametrize("step", [1, 12])
def test_what_is_no_frame_is_noticed_by_its_head(head, step):
    reader = FrameReader()
    for at in range(0, 12 - step, step):
        reader.feed(head[at : at + step])
        assert reader.next() is None
    reader.feed(head[12 - step : 12])
    with pytest.raises(BadFrame):
        reader.next()
