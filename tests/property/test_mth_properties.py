# SPDX-License-Identifier: GPL-3.0-or-later
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from muleteer.formats.mth import LEAF_SIZE, MthHasher, mth
from muleteer.testing.packets import pattern

DATA = pattern(12 * LEAF_SIZE)
near_edges = st.builds(
    lambda n, step: max(0, min(len(DATA), n * LEAF_SIZE + step)), st.integers(0, 12), st.integers(-2, 2)
)
points = st.one_of(near_edges, st.integers(0, len(DATA)))


@settings(max_examples=60)
@given(size=points, cuts=st.lists(points, max_size=6))
def test_cuts_do_not_matter(size, cuts):
    edges = sorted({0, size, *(cut for cut in cuts if cut < size)})
    hasher = MthHasher()
    for start, end in pairwise(edges):
        hasher.update(memoryview(DATA)[start:end])
    assert hasher.digest() == mth(DATA[:size])


@settings(max_examples=60)
@given(size=points, offset=points, cuts=st.lists(points, max_size=4))
def test_resuming_anywhere_gives_the_same(size, offset, cuts):
    offset = min(offset, size)
    hasher = MthHasher(offset)
    edges = sorted({offset, size, *(cut for cut in cuts if offset < cut < size)})
    for start, end in pairwise(edges):
        hasher.update(memoryview(DATA)[start:end])
    missing = hasher.missing
    edges = sorted({0, missing, *(cut for cut in cuts if cut < missing)})
    for start, end in pairwise(edges):
        hasher.prepend(memoryview(DATA)[start:end])
    assert hasher.digest() == mth(DATA[:size])


@settings(max_examples=40)
@given(size=st.integers(1, 3 * LEAF_SIZE), at=st.integers(0, 1 << 30))
def test_any_other_data_has_another_name(size, at):
    data = bytearray(DATA[:size])
    data[at % size] ^= 1
    assert mth(data) != mth(DATA[:size])
