# SPDX-License-Identifier: GPL-3.0-or-later
"""Making encrypted packets from input of any, even unknown, length; the format stands in `envelope`.

Theory of operation: plaintext is read in batches of `BATCH_BLOCKS` blocks into one buffer, and encrypted from there
straight into buffers that the taker lends, so nothing is copied in between and a thread of the taker can hash and write
one buffer while the next is filled. Only the last piece, which the sizes precede, is moved.
"""

from __future__ import annotations

from muleteer.crypto.aead import Aead
from muleteer.crypto.hashes import blake3_hash, derive_key, xof
from muleteer.crypto.keys import ExchangeKey, SigningKey, WeakPublicKey
from muleteer.errors import PacketTooBig, UsageError
from muleteer.formats.envelope_header import (
    BLOCK_SIZE,
    HEADER_SIZE,
    SEALED_BLOCK,
    EnvelopeHeader,
    padding_for,
)
from muleteer.formats.magic import ENVELOPE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.formats.ids import NodeId

FULL_CONTEXT = ENVELOPE + b" FULL"
SIZE_CONTEXT = ENVELOPE + b" SIZE"
PAD_CONTEXT = ENVELOPE + b" PAD"

BATCH_BLOCKS = 4
"""Blocks read at once: 512 KiB. With twice as many no gain was to be measured above the noise (DECISIONS.md)."""

OUT_BUFFER = HEADER_SIZE + BATCH_BLOCKS * SEALED_BLOCK
"""Bytes that a lent buffer has at least."""

NO_LIMIT = 2**62
"""The reference's default for -maxsize."""

_SMALL = 16384  # most packets fit: no 512 KiB are touched for an acknowledgement
_PAD_PIECE = 65536


def block_nonce(number: int) -> bytes:
    """Return the nonce of a block: its number from 0, big-endian, in 12 bytes."""
    return number.to_bytes(12, "big")


class Sealer:
    """Seals one packet.

    `sender` signs with `sign`; only the owner of `exchpub` (32 bytes) can open. `ephemeral` is a fresh random pair that
    is used for nothing else: two packets with one ephemeral key would share their key stream. Raises UsageError if
    `exchpub` is a point of low order.
    """

    def __init__(
        self,
        *,
        sender: NodeId,
        sign: SigningKey,
        recipient: NodeId,
        exchpub: bytes,
        nice: int,
        ephemeral: ExchangeKey,
    ) -> None:
        unsigned = EnvelopeHeader(nice, sender, recipient, ephemeral.public, b"").signed
        self.header = unsigned + sign.sign(unsigned)
        self._ad = blake3_hash(unsigned)
        try:
            self._secret = ephemeral.shared(exchpub)
        except WeakPublicKey as weak:
            raise UsageError(problem=f"the exchange key of {recipient} is unusable: correct its exchpub") from weak
        self._full = Aead(derive_key(FULL_CONTEXT, self._secret))
        self._number = 0

    def run(
        self,
        plain: bytes,
        read: Callable[[memoryview], int],
        take: Callable[[], memoryview],
        give: Callable[[memoryview], None],
        *,
        minsize: int = 0,
        hops: int = 1,
        maxsize: int = NO_LIMIT,
    ) -> int:
        """Seal the packed plain header `plain` and all that `read` yields; return the bytes that it yielded.

        `read(view)` fills the start of `view` and returns how much, 0 at the end. `take()` lends a buffer of at least
        `OUT_BUFFER` bytes; `give(view)` hands a filled part of it back, in the order of the packet; a buffer belongs to
        the taker again once it was given. The packet is padded to `minsize` bytes (after `hops` envelopes).

        Raises PacketTooBig when header and payload together exceed `maxsize` bytes; what was given by then is waste.
        """
        if self._number:
            raise ValueError("a sealer seals one packet")
        pieces = _Input(plain, read)
        out = _Output(take, give)
        out.write(self.header)
        total = 0
        while True:
            piece = pieces.next()
            total += len(piece)
            if total > maxsize:
                raise PacketTooBig(size=total, limit=maxsize)
            whole = len(piece) // BLOCK_SIZE * BLOCK_SIZE
            for start in range(0, whole, BLOCK_SIZE):
                self._seal(self._full, piece[start : start + BLOCK_SIZE], out)
            if len(piece) < pieces.size:
                break
        payload = total - len(plain)
        pad = padding_for(payload, minsize, hops)
        self._finish(total, pad, piece[whole:], out)
        out.flush()
        return payload

    def _seal(self, cipher: Aead, plain: memoryview, out: _Output) -> None:
        self._number += 1
        nonce = block_nonce(self._number - 1)
        out.wrote(cipher.seal_into(nonce, plain, self._ad, out.room(SEALED_BLOCK)))

    def _finish(self, total: int, pad: int, tail: memoryview, out: _Output) -> None:
        """Seal the sizes and the last piece, filled up with zeros, and append the rest of the padding."""
        last = total.to_bytes(8, "big") + pad.to_bytes(8, "big") + bytes(tail)
        zeros = min(pad, -len(last) % BLOCK_SIZE)
        view = memoryview(last + bytes(zeros))
        self._seal(Aead(derive_key(SIZE_CONTEXT, self._secret)), view[:BLOCK_SIZE], out)
        if len(view) > BLOCK_SIZE:  # the sizes pushed up to 15 bytes out of the block
            self._seal(self._full, view[BLOCK_SIZE:], out)
        if pad > zeros:
            _pad(derive_key(PAD_CONTEXT, self._secret), pad - zeros, out)

    def __repr__(self) -> str:
        return "Sealer(hidden)"


def _pad(key: bytes, size: int, out: _Output) -> None:
    for start in range(0, size, _PAD_PIECE):
        out.write(xof(key, min(_PAD_PIECE, size - start), start))


class _Input:
    """Batches of plaintext, beginning with the header; a batch of fewer than `size` bytes is the last."""

    def __init__(self, plain: bytes, read: Callable[[memoryview], int]) -> None:
        self.size = BATCH_BLOCKS * BLOCK_SIZE
        self._read = read
        self._buffer = memoryview(bytearray(_SMALL))
        self._buffer[: len(plain)] = plain
        self._have = len(plain)

    def next(self) -> memoryview:
        have, self._have = self._have, 0
        while have < self.size:
            if have == len(self._buffer):
                self._grow()
            got = self._read(self._buffer[have:])
            if not got:
                break
            have += got
        return self._buffer[:have]

    def _grow(self) -> None:
        larger = memoryview(bytearray(self.size))
        larger[: len(self._buffer)] = self._buffer
        self._buffer = larger


class _Output:
    """Lent buffers as one stream."""

    def __init__(self, take: Callable[[], memoryview], give: Callable[[memoryview], None]) -> None:
        self._take = take
        self._give = give
        self._buffer = take()
        self._at = 0

    def room(self, size: int) -> memoryview:
        if len(self._buffer) - self._at < size:
            self.flush()
            self._buffer = self._take()
        return self._buffer[self._at :]

    def wrote(self, size: int) -> None:
        self._at += size

    def write(self, data: bytes) -> None:
        self.room(len(data))[: len(data)] = data
        self._at += len(data)

    def flush(self) -> None:
        if self._at:
            self._give(self._buffer[: self._at])
            self._at = 0
