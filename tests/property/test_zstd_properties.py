# SPDX-License-Identifier: GPL-3.0-or-later
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muleteer.errors import PeerError
from muleteer.formats.zstd import PIECE, Compressor, Decompressor


def compress(data, cut):
    compressor = Compressor()
    return compressor.push(data[:cut]) + compressor.push(data[cut:]) + compressor.finish()


def decompress(packed, cut=0):
    out = []
    decompressor = Decompressor(out.append)
    decompressor.push(packed[:cut])
    decompressor.push(packed[cut:])
    decompressor.finish()
    return b"".join(out)


bodies = st.builds(lambda unit, times: unit * times, st.binary(max_size=300), st.integers(0, 2000))


@settings(max_examples=50)
@given(body=bodies, cuts=st.tuples(st.integers(0, PIECE), st.integers(0, 1000)))
def test_round_trip(body, cuts):
    packed = compress(body, cuts[0])
    assert decompress(packed, cuts[1]) == body
    assert bool(packed) is bool(body)


@settings(max_examples=100)
@given(body=st.binary(min_size=1, max_size=3000), data=st.data())
def test_damage_never_passes_for_the_body(body, data):
    packed = bytearray(compress(body, 0))
    at = data.draw(st.integers(0, len(packed) - 1))
    packed[at] ^= 1 << data.draw(st.integers(0, 7))
    try:
        out = decompress(bytes(packed))
    except PeerError:
        return
    assert out == body  # the flip was in a bit of the header that changes nothing


@settings(max_examples=100)
@given(body=st.binary(min_size=1, max_size=3000), data=st.data())
def test_every_cut_is_noticed(body, data):
    packed = compress(body, 0)
    with pytest.raises(PeerError):
        decompress(packed[: data.draw(st.integers(1, len(packed) - 1))])
