# SPDX-License-Identifier: GPL-3.0-or-later
"""The hasher behind ``nncp-hash -debug``: tells each leaf and each joining, in the reference's words and order.

It keeps what it likes in memory and takes its time; `formats.mth` is the one that works.
"""

from __future__ import annotations

from muleteer.crypto.hashes import blake3_keyed
from muleteer.formats.mth import LEAF_KEY, LEAF_SIZE, NODE_KEY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class TalkingHasher:
    """Hash like `MthHasher` while `say` is called with a line per step.

    `fat`: all leaves first, then joined level by level, as the reference does after a resume; otherwise joined as soon
    as two neighbours are there.
    """

    def __init__(self, say: Callable[[str], None], offset: int, *, fat: bool) -> None:
        self._say = say
        self._fat = fat
        self._first = -(-offset // LEAF_SIZE)
        self._skip = self._first * LEAF_SIZE - offset
        self._arrived = bytearray()
        self._before = bytearray()
        self._total = offset
        say(f"Leaf BLAKE3 key: {LEAF_KEY.hex()}")
        say(f"Node BLAKE3 key: {NODE_KEY.hex()}")
        self._leaves: dict[int, bytes] = {}

    @property
    def missing(self) -> int:
        """Bytes of the beginning still to be prepended."""
        return min(self._first * LEAF_SIZE, self._total) - len(self._before)

    def update(self, data: memoryview) -> None:
        """Take the next bytes."""
        self._total += len(data)
        self._arrived += data

    def prepend(self, data: memoryview) -> None:
        """Take the next bytes of the beginning."""
        self._before += data

    def digest(self) -> bytes:
        """Tell all steps; return the hash."""
        later = _cut(self._arrived[self._skip :])
        before = _cut(self._before)
        if not before and not later:
            later = [b""]
        if not self._fat:
            return self._join_at_once(later)
        for index, piece in [*enumerate(later, self._first), *enumerate(before)]:
            self._leaves[index] = self._add(0, index, blake3_keyed(LEAF_KEY, piece).digest())
        return self._join_levels([self._leaves[index] for index in sorted(self._leaves)])

    def _add(self, level: int, index: int, digest: bytes) -> bytes:
        self._say(f"Add\t{level:03}\t{index:06}\t{digest.hex()}")
        return digest

    def _fold(self, level: int, index: int, left: bytes, right: bytes) -> bytes:
        digest = blake3_keyed(NODE_KEY, left + right).digest()
        self._say(f"Fold\t{level:03}\t{index:06}\t{digest.hex()}")
        return digest

    def _join_levels(self, digests: list[bytes]) -> bytes:
        level = 0
        if len(digests) == 1:
            digests.append(self._add(0, 1, digests[0]))
        while len(digests) > 1:
            level += 1
            pairs = range(0, len(digests) - 1, 2)
            above = [self._fold(level, at // 2, digests[at], digests[at + 1]) for at in pairs]
            if len(digests) % 2:
                above.append(self._add(level, len(above), digests[-1]))
            digests = above
        return digests[0]

    def _join_at_once(self, pieces: list[bytes]) -> bytes:
        trees: list[tuple[int, int, bytes]] = []
        for number, piece in enumerate(pieces):
            level, index, digest = 0, number, self._add(0, number, blake3_keyed(LEAF_KEY, piece).digest())
            while trees and trees[-1][0] == level:
                level, index = level + 1, index // 2
                digest = self._fold(level, index, trees.pop()[2], digest)
            trees.append((level, index, digest))
        if len(pieces) == 1:
            return self._fold(1, 0, digest, self._add(0, 1, digest))
        return self._join_rest(trees)

    def _join_rest(self, trees: list[tuple[int, int, bytes]]) -> bytes:
        own, index, digest = trees.pop()
        while trees:
            level, left_index, left = trees.pop()
            if own < level:
                self._add(level, left_index + 1, digest)
            own, index = level + 1, left_index // 2
            digest = self._fold(own, index, left, digest)
        return digest


def _cut(data: bytearray) -> list[bytes]:
    return [bytes(data[at : at + LEAF_SIZE]) for at in range(0, len(data), LEAF_SIZE)]
