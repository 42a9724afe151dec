# SPDX-License-Identifier: GPL-3.0-or-later
import tracemalloc

import pytest

from muleteer.crypto.hashes import blake3_keyed
from muleteer.formats.ids import PacketName
from muleteer.formats.mth import LEAF_KEY, LEAF_SIZE, NODE_KEY, MthHasher, mth
from muleteer.testing.packets import pattern


def leaf(data):
    return blake3_keyed(LEAF_KEY, data).digest()


def node(left, right):
    return blake3_keyed(NODE_KEY, left + right).digest()


def tree(data):
    """The definition, level by level; the hasher must give the same without keeping the leaves."""
    level = [leaf(data[at : at + LEAF_SIZE]) for at in range(0, max(len(data), 1), LEAF_SIZE)]
    if len(level) == 1:
        level *= 2
    while len(level) > 1:
        joined = [node(*level[at : at + 2]) for at in range(0, len(level) - 1, 2)]
        level = joined + level[len(level) // 2 * 2 :]
    return level[0]


DATA = pattern(9 * LEAF_SIZE + 17)


def test_keys_are_those_of_the_specification():
    assert LEAF_KEY.hex() == "e18bccbb41cb5a1110514fe50d85ea750f3d56f6238c12ac84ee2736d1f48b0b"
    assert NODE_KEY.hex() == "daa8f800d826a1c15a23317c4697f283761253e8a05e93074eadf0ed3e2d68a9"


def test_a_single_leaf_is_doubled():
    assert mth(b"x") == node(leaf(b"x"), leaf(b"x"))
    assert mth(b"") == node(leaf(b""), leaf(b""))


@pytest.mark.parametrize("blocks", range(1, 10))
@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_follows_the_definition(blocks, extra):
    data = DATA[: blocks * LEAF_SIZE + extra]
    name = mth(data)
    assert name == tree(data)
    assert type(name) is PacketName


@pytest.mark.parametrize("piece", [1000, LEAF_SIZE - 1, LEAF_SIZE, LEAF_SIZE + 1, 4 * LEAF_SIZE + 172])
def test_pieces_may_have_any_size(piece):
    hasher = MthHasher()
    for at in range(0, len(DATA), piece):
        hasher.update(memoryview(DATA)[at : at + piece])
    assert hasher.digest() == tree(DATA)


def test_digest_may_be_asked_for_in_between():
    hasher = MthHasher()
    for end in (10, LEAF_SIZE, 3 * LEAF_SIZE + 5, len(DATA)):
        hasher.update(memoryview(DATA)[hasher._seen : end])
        assert hasher.digest() == hasher.digest() == tree(DATA[:end])


EDGES = [0, 1, LEAF_SIZE - 1, LEAF_SIZE, LEAF_SIZE + 1, 3 * LEAF_SIZE, 5 * LEAF_SIZE - 7, len(DATA) - 1, len(DATA)]


@pytest.mark.parametrize("offset", EDGES)
@pytest.mark.parametrize("size", [1, LEAF_SIZE, 3 * LEAF_SIZE, 6 * LEAF_SIZE + 1, len(DATA)])
def test_a_resumed_download_gets_its_beginning_later(offset, size):
    data = DATA[:size]
    offset = min(offset, size)
    hasher = MthHasher(offset)
    hasher.update(data[offset:])
    missing = hasher.missing
    assert offset <= missing <= min(size, offset + LEAF_SIZE)
    for at in range(0, missing, 100_000):
        hasher.prepend(data[at : min(at + 100_000, missing)])
    assert hasher.missing == 0
    assert hasher.digest() == tree(data)


def test_no_digest_without_the_beginning_and_no_more_than_that():
    hasher = MthHasher(LEAF_SIZE)
    hasher.update(b"end")
    with pytest.raises(ValueError, match="first 131072 bytes are missing"):
        hasher.digest()
    with pytest.raises(ValueError, match="131073 bytes given"):
        hasher.prepend(bytes(LEAF_SIZE + 1))


def test_memory_stays_flat_over_a_thousand_leaves():
    hasher = MthHasher()
    block = bytes(8 * LEAF_SIZE)
    hasher.update(block)
    tracemalloc.start()
    try:
        for _ in range(127):
            hasher.update(block)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20_000
