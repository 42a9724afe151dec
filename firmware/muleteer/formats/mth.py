# SPDX-License-Identifier: GPL-3.0-or-later
"""The Merkle tree hash that names packets.

Data is cut into blocks of 128 KiB; each gives a leaf (BLAKE3 keyed "leaf"). Level by level, neighbours are joined
(BLAKE3 keyed "node" over left and right); an odd last one moves up as it is. A lone leaf is joined with itself. Empty
data has one leaf, over nothing.

The hasher keeps only the joined subtrees that still wait for a right neighbour, at most one per level: some forty
digests for a packet of any size. A download that resumes in the middle hashes what arrives, and is given the missing
beginning later (`prepend`): subtrees on the left edge, whose left neighbour is missing, wait too.
"""

from __future__ import annotations

from muleteer.crypto.hashes import blake3_hash, blake3_keyed
from muleteer.formats.ids import PacketName

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Buffer: TypeAlias = bytes | bytearray | memoryview

LEAF_SIZE = 131072
"""Bytes under one leaf."""

LEAF_KEY = blake3_hash(b"NNCP MTH LEAF")
NODE_KEY = blake3_hash(b"NNCP MTH NODE")


def _join(left: bytes, right: bytes) -> bytes:
    return blake3_keyed(NODE_KEY, left + right).digest()


class _Forest:
    """Whole subtrees over adjacent leaves, as (level, index within the level, digest), joined as far as possible."""

    __slots__ = ("_trees",)

    def __init__(self, trees: list[tuple[int, int, bytes]] | None = None) -> None:
        self._trees = trees or []

    def add(self, level: int, index: int, digest: bytes) -> None:
        trees = self._trees
        # Siblings are an even index and the next; the left one is last in the list if it is there at all.
        while index & 1 and trees and trees[-1][0] == level:
            digest = _join(trees.pop()[2], digest)
            level += 1
            index >>= 1
        trees.append((level, index, digest))

    def extended(self, other: _Forest) -> _Forest:
        forest = _Forest(self._trees.copy())
        for tree in other._trees:
            forest.add(*tree)
        return forest

    def root(self) -> bytes:
        trees = self._trees
        digest = trees[-1][2]
        if len(trees) == 1 and trees[0][0] == 0:
            return _join(digest, digest)
        for _, _, left in reversed(trees[:-1]):
            digest = _join(left, digest)
        return digest


class _Leaves:
    """Cuts a stream into leaves, from leaf number `first` on."""

    __slots__ = ("_forest", "_open", "_room", "next")

    def __init__(self, first: int) -> None:
        self.next = first
        self._forest = _Forest()
        self._open = blake3_keyed(LEAF_KEY)
        self._room = LEAF_SIZE  # bytes that the open leaf still takes

    def update(self, data: memoryview) -> None:
        at = 0
        size = len(data)
        while size - at >= self._room:
            end = at + self._room
            if self._room == LEAF_SIZE:
                digest = blake3_keyed(LEAF_KEY, data[at:end]).digest()
            else:
                self._open.update(data[at:end])
                digest = self._open.digest()
                self._open = blake3_keyed(LEAF_KEY)
                self._room = LEAF_SIZE
            self._forest.add(0, self.next, digest)
            self.next += 1
            at = end
        if at < size:
            self._open.update(data[at:])
            self._room -= size - at

    def forest(self) -> _Forest:
        """Return the subtrees including the unfinished leaf, if there is one."""
        if self._room == LEAF_SIZE and self.next:
            return self._forest
        last = _Forest([(0, self.next, self._open.digest())])
        return self._forest.extended(last)


class MthHasher:
    """Hashes a stream as it passes, in constant memory.

    With `offset` the stream begins in the middle of the data; then the first `missing` bytes must be given to
    `prepend`, in order, before `digest`. (What arrives before the next edge of a leaf is hashed from there, too.)
    """

    __slots__ = ("_begin", "_given", "_leaves", "_seen", "_skip")

    def __init__(self, offset: int = 0) -> None:
        first = -(-offset // LEAF_SIZE)
        self._leaves = _Leaves(first)
        self._begin = _Leaves(0)
        self._given = 0  # bytes prepended
        self._seen = offset  # bytes of the data that were there or arrived
        self._skip = first * LEAF_SIZE  # where our leaves begin

    @property
    def missing(self) -> int:
        """Bytes at the beginning that `prepend` still needs; it may grow by less than a leaf while data arrives."""
        return min(self._skip, self._seen) - self._given

    def update(self, data: Buffer) -> None:
        """Take the next bytes."""
        view = memoryview(data)
        before = self._skip - self._seen
        self._seen += len(view)
        if before > 0:
            view = view[before:]
        self._leaves.update(view)

    def prepend(self, data: Buffer) -> None:
        """Take the next of the missing bytes; raises ValueError if there are more than are missing."""
        view = memoryview(data)
        if len(view) > self.missing:
            raise ValueError(f"{len(view)} bytes given where {self.missing} are missing")
        self._given += len(view)
        self._begin.update(view)

    def digest(self) -> PacketName:
        """Return the hash of everything so far; the hasher can go on.

        Raises ValueError while bytes of the beginning are missing.
        """
        if self.missing:
            raise ValueError(f"the first {self.missing} bytes are missing")
        if not self._skip:
            return PacketName(self._leaves.forest().root())
        if self._seen <= self._skip:
            return PacketName(self._begin.forest().root())
        return PacketName(self._begin.forest().extended(self._leaves.forest()).root())


def mth(data: Buffer) -> PacketName:
    """Return the Merkle tree hash of `data`."""
    hasher = MthHasher()
    hasher.update(data)
    return hasher.digest()
