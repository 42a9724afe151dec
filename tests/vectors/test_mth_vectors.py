# SPDX-License-Identifier: GPL-3.0-or-later
import pathlib

import pytest

from muleteer.crypto.hashes import blake3_keyed
from muleteer.formats.ids import PacketName
from muleteer.formats.mth import LEAF_KEY, LEAF_SIZE, NODE_KEY, MthHasher, mth
from muleteer.testing.packets import pattern

DATA = pathlib.Path(__file__).parent / "data" / "mth"
ROWS = [line.split("\t") for line in (DATA / "mth.tsv").read_text().splitlines() if not line.startswith("#")]


def test_all_vectors_are_there():
    assert len(ROWS) == 17


@pytest.mark.parametrize(("size", "hexadecimal", "base32"), ROWS)
def test_tree_hash(size, hexadecimal, base32):
    data = pattern(int(size))
    name = mth(data)
    assert name.hex() == hexadecimal
    assert str(name) == base32
    assert PacketName.parse(base32) == name


@pytest.mark.parametrize(("size", "hexadecimal", "base32"), ROWS)
def test_resumed_in_the_middle(size, hexadecimal, base32):
    data = pattern(int(size))
    hasher = MthHasher(len(data) // 2)
    hasher.update(data[len(data) // 2 :])
    hasher.prepend(data[: hasher.missing])
    assert hasher.digest().hex() == hexadecimal


def test_leaves_and_nodes_of_the_references_own_trace():
    trace = (DATA / "debug-300000.txt").read_text().splitlines()
    leaves = [line.split("\t")[3] for line in trace if line.startswith("Add\t000")]
    data = pattern(300_000)
    ours = [blake3_keyed(LEAF_KEY, data[at : at + LEAF_SIZE]).digest() for at in range(0, len(data), LEAF_SIZE)]
    assert [leaf.hex() for leaf in ours] == leaves
    first = next(line.split("\t")[3] for line in trace if line.startswith("Fold\t001"))
    assert blake3_keyed(NODE_KEY, ours[0] + ours[1]).hexdigest() == first
    assert mth(data).hex() == trace[-1]
