# SPDX-License-Identifier: GPL-3.0-or-later
import random

import pytest
import zstandard

from muleteer.errors import BadEncoding, TruncatedPacket
from muleteer.formats.zstd import PIECE, WINDOW_MAX, CompressedInput, Compressor, Decompressor
from muleteer.testing.packets import reader

TEXT = b"".join(b"line %d of a log, much like the others\n" % number for number in range(20_000))
NOISE = random.Random(1).randbytes(300_000)


def compress(data, **how):
    return zstandard.ZstdCompressor(write_checksum=True, **how).compress(data)


def decompress(data, piece=1 << 20):
    out = []
    decompressor = Decompressor(out.append)
    for at in range(0, len(data), piece):
        decompressor.push(memoryview(data)[at : at + piece])
    decompressor.finish()
    assert all(len(part) <= PIECE for part in out)
    return b"".join(out)


@pytest.mark.parametrize("data", [b"", b"x", TEXT, NOISE], ids=["empty", "tiny", "text", "noise"])
def test_round_trip(data):
    compressor = Compressor()
    packed = b"".join([compressor.push(data[at : at + 99_999]) for at in range(0, len(data), 99_999)])
    packed += compressor.finish()
    assert decompress(packed) == data
    assert bool(packed) is bool(data)


def test_logs_full_of_numbers_and_far_repetitions_become_smaller_than_with_plain_level_3():
    words = random.Random(7)
    log = b"".join(
        b"host%d: session %x closed\n" % (words.randrange(9), words.randrange(1 << 40)) for _ in range(40_000)
    )
    far = words.randbytes(3 << 20)
    for data in (log, far + far):
        compressor = Compressor()
        packed = compressor.push(data) + compressor.finish()
        assert decompress(packed) == data
        assert len(packed) < 0.99 * len(compress(data, level=3))


def test_empty_input_is_an_empty_payload_not_an_empty_frame():
    compressor = Compressor()
    assert compressor.push(b"") == b""
    assert compressor.finish() == b""
    assert decompress(b"") == b""


def test_an_empty_frame_is_understood_though_nobody_sends_one():
    assert decompress(compress(b"")) == b""


def test_frames_carry_a_checksum():
    compressor = Compressor()
    packed = compressor.push(TEXT) + compressor.finish()
    assert zstandard.get_frame_parameters(packed).has_checksum
    damaged = packed[:-1] + bytes([packed[-1] ^ 1])
    with pytest.raises(BadEncoding):
        decompress(damaged)


@pytest.mark.parametrize("size", [1, 7, 4096, 1 << 20])
@pytest.mark.parametrize("data", [b"", b"x", TEXT, NOISE], ids=["empty", "tiny", "text", "noise"])
def test_compressed_input_reads_like_any_other(data, size):
    read = CompressedInput(reader(data, 50_000))
    view = memoryview(bytearray(size))
    packed = bytearray()
    while got := read(view):
        packed += view[:got]
    assert read(view) == 0
    assert decompress(bytes(packed)) == data


FRAMES = {
    "one": compress(TEXT),
    "two": compress(b"first") + compress(NOISE),
    "content size": zstandard.ZstdCompressor(write_content_size=True).compress(TEXT),
    "repeated byte": compress(bytes(1_000_000)),
    "skippable": b"\x53\x2a\x4d\x18\x05\0\0\0abcde" + compress(b"x"),
    "skippable, empty, last": compress(b"x") + b"\x50\x2a\x4d\x18\0\0\0\0",
    "no checksum": zstandard.ZstdCompressor(write_checksum=False).compress(NOISE),
    "raw block": b"\x28\xb5\x2f\xfd\x20\x05\x29\0\0hello",
    "window given": b"\x28\xb5\x2f\xfd\x00\x58\x29\0\0hello",
}


@pytest.mark.parametrize("packed", FRAMES.values(), ids=FRAMES.keys())
@pytest.mark.parametrize("piece", [1, 1000, 1 << 20])
def test_other_shapes_of_frames_are_whole(packed, piece):
    if len(packed) > 10_000:
        piece = max(piece, 1000)
    decompress(packed, piece)


@pytest.mark.parametrize("packed", [frame for frame in FRAMES.values() if len(frame) < 10_000])
def test_every_cut_is_noticed(packed):
    edges = set()
    for size in range(1, len(packed)):
        try:
            decompress(packed[:size])
        except TruncatedPacket:
            continue
        edges.add(size)
    # Only the end of a first frame of two may pass: nothing tells that more should follow.
    assert edges <= {len(compress(b"first")), len(compress(b"x")), 13}


def test_a_cut_in_a_large_body_is_noticed():
    for size in (5, 1000, len(FRAMES["one"]) - 4, len(FRAMES["one"]) - 1):
        with pytest.raises(TruncatedPacket):
            decompress(FRAMES["one"][:size])


@pytest.mark.parametrize("junk", [b"not zstd at all", compress(b"x") + b"junk", b"\0" * 100])
def test_junk_is_refused(junk):
    with pytest.raises((BadEncoding, TruncatedPacket)):
        decompress(junk)


@pytest.mark.parametrize(("log", "accepted"), [(23, True), (24, False), (27, False)])
def test_memory_for_the_window_is_bounded(log, accepted):
    assert WINDOW_MAX.bit_length() == 24
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=log, write_content_size=0)
    frame = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    packed = frame.compress(b"x" * 1000) + frame.flush()
    if accepted:
        assert decompress(packed) == b"x" * 1000
    else:
        with pytest.raises(BadEncoding, match="does not decompress"):
            decompress(packed)


def test_a_bomb_leaves_in_pieces_and_can_be_stopped():
    bomb = compress(bytes(1 << 28))
    assert len(bomb) < 20_000

    class Enough(Exception):
        pass

    taken = []

    def sink(piece):
        taken.append(len(piece))
        if sum(taken) > 1 << 20:
            raise Enough

    with pytest.raises(Enough):
        Decompressor(sink).push(bomb)
    assert sum(taken) <= (1 << 20) + PIECE
