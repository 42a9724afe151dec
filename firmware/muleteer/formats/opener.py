# SPDX-License-Identifier: GPL-3.0-or-later
"""Opening encrypted packets in a stream; the format stands in `envelope`.

Theory of operation: until the block with the sizes was seen, a block of full length may be an ordinary one or that one,
so it is tried with both keys; a shorter one can only be that. The sizes then fix every later byte: how many blocks
follow, where the zeros begin, how long the tail is, and that nothing comes after it. The reference lets some bytes
after a full last block pass; we do not.

Each plaintext byte that leaves here is authenticated, but only the return of `run` says that the packet is whole.
"""

from __future__ import annotations

from muleteer.crypto.aead import Aead, AuthenticationFailed
from muleteer.crypto.hashes import blake3_hash, derive_key, xof
from muleteer.crypto.keys import ExchangeKey, WeakPublicKey
from muleteer.errors import BadBlock, BadEncoding, BadPadding, TruncatedPacket
from muleteer.formats.envelope_header import BLOCK_SIZE, SEALED_BLOCK, SIZES_SIZE, TAG, EnvelopeHeader
from muleteer.formats.packet import PLAIN_HEADER_SIZE, PlainHeader
from muleteer.formats.sealer import BATCH_BLOCKS, FULL_CONTEXT, PAD_CONTEXT, SIZE_CONTEXT, block_nonce
from muleteer.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Taker(Protocol):
        """Lends buffers of at least `PLAIN_BUFFER` bytes and takes them back filled, in order."""

        def take(self) -> memoryview:
            """Lend a buffer."""

        def give(self, view: memoryview) -> None:
            """Take a filled part of the lent buffer."""


PLAIN_BUFFER = BATCH_BLOCKS * BLOCK_SIZE
"""Bytes that a buffer lent to `Opener.pour` has at least."""

_SMALL = 16384
_PAD_PIECE = 65536


@record
class Opened:
    """What a whole and authentic packet held: bytes of payload (without plain header) and of padding."""

    payload_size: int
    pad_size: int


class Opener:
    """Opens one packet whose `header` was read (and verified) before, with the recipient's exchange key.

    Raises BadEncoding if the packet's ephemeral key is a point of low order.
    """

    def __init__(self, header: EnvelopeHeader, exchprv: ExchangeKey) -> None:
        try:
            self._secret = exchprv.shared(header.ephemeral)
        except WeakPublicKey as weak:
            raise BadEncoding(problem="its ephemeral key is a point of low order") from weak
        self._ad = blake3_hash(header.signed)
        self._full = Aead(derive_key(FULL_CONTEXT, self._secret))
        self._number = 0  # of the next block

    def run(
        self,
        read: Callable[[memoryview], int],
        on_header: Callable[[PlainHeader], Callable[[memoryview], None]],
    ) -> Opened:
        """Open everything after the 172 bytes of the header and hand out the payload.

        `read(view)` fills the start of `view` and returns how much, 0 at the end. `on_header` is called once, when the
        first block is authenticated, and returns the sink; the sink gets the payload in order, in views of up to
        `PLAIN_BUFFER` bytes that are valid only during the call.

        Raises BadBlock, BadPadding, TruncatedPacket, BadEncoding, NotAPacket; the payload so far is then to be dropped.
        """
        return self._open(_Source(read), _Sink(lambda header: _Direct(on_header(header))))

    def pour(self, read: Callable[[memoryview], int], on_header: Callable[[PlainHeader], Taker]) -> Opened:
        """Do as `run`, but decrypt straight into buffers that the taker lends, so that it may use them in a thread."""
        return self._open(_Source(read), _Sink(on_header))

    def peek(self, read: Callable[[memoryview], int]) -> PlainHeader:
        """Return only the plain header, from the first block; the rest of the packet remains unread and unproven.

        Raises the same errors as `run`.
        """
        cipher = _Source(read).next(SEALED_BLOCK)
        out = memoryview(bytearray(len(cipher)))
        plain = self._try_full(cipher, out) if len(cipher) == SEALED_BLOCK else None
        if plain is None:
            plain = self._open_size(cipher, out)
            plain = plain[SIZES_SIZE : SIZES_SIZE + int.from_bytes(plain[:8], "big")]
        return PlainHeader.unpack(plain)

    def _open(self, source: _Source, sink: _Sink) -> Opened:
        sizes = self._open_blocks(source, sink)
        total = int.from_bytes(sizes[:8], "big")
        pad = int.from_bytes(sizes[8:16], "big")
        rest = total - self._number * BLOCK_SIZE
        if rest < 0:
            raise BadPadding(problem=f"it announces {total} bytes after more than that")
        zeros = min(pad, -(SIZES_SIZE + rest) % BLOCK_SIZE)
        self._number += 1
        self._open_last(sizes, rest, zeros, source, sink)
        self._check_tail(source, pad - zeros)
        sink.flush()
        return Opened(total - PLAIN_HEADER_SIZE, pad)

    def _open_blocks(self, source: _Source, sink: _Sink) -> memoryview:
        """Pass on the blocks before the sizes; return the plaintext of the block that the sizes begin."""
        while True:
            cipher = source.next(SEALED_BLOCK)
            plain = self._try_full(cipher, sink.room()) if len(cipher) == SEALED_BLOCK else None
            if plain is None:
                return self._open_size(cipher, memoryview(bytearray(len(cipher))))
            sink.wrote(plain)
            self._number += 1

    def _try_full(self, cipher: memoryview, out: memoryview) -> memoryview | None:
        try:
            return out[: self._full.open_into(block_nonce(self._number), cipher, self._ad, out)]
        except AuthenticationFailed:
            return None

    def _open_size(self, cipher: memoryview, out: memoryview) -> memoryview:
        if len(cipher) < SIZES_SIZE + TAG:
            raise TruncatedPacket(problem=f"only {len(cipher)} bytes of block {self._number} are there")
        aead = Aead(derive_key(SIZE_CONTEXT, self._secret))
        try:
            return out[: aead.open_into(block_nonce(self._number), cipher, self._ad, out)]
        except AuthenticationFailed as wrong:
            raise BadBlock(block=self._number) from wrong

    def _open_last(self, sizes: memoryview, rest: int, zeros: int, source: _Source, sink: _Sink) -> None:
        """Pass on what is left of the payload, from the block of the sizes on; the zeros after it must be zeros."""
        left = SIZES_SIZE + rest + zeros - len(sizes)
        if left < 0 or (left and len(sizes) < BLOCK_SIZE):
            raise BadPadding(problem=f"block {self._number - 1} does not have the size that it announces")
        plain = sizes[SIZES_SIZE:]
        while True:
            sink.write(plain[:rest])
            if bytes(plain[rest:]).strip(b"\0"):
                raise BadPadding(problem="there is something in place of zeros")
            rest -= min(rest, len(plain))
            if not left:
                return
            plain = self._open_next(source, min(left, BLOCK_SIZE))
            left -= len(plain)

    def _open_next(self, source: _Source, size: int) -> memoryview:
        cipher = source.next(size + TAG)
        if len(cipher) < size + TAG:
            raise TruncatedPacket(problem=f"only {len(cipher)} of {size + TAG} bytes of block {self._number} are there")
        out = memoryview(bytearray(size))
        try:
            self._full.open_into(block_nonce(self._number), cipher, self._ad, out)
        except AuthenticationFailed as wrong:
            raise BadBlock(block=self._number) from wrong
        self._number += 1
        return out

    def _check_tail(self, source: _Source, size: int) -> None:
        key = derive_key(PAD_CONTEXT, self._secret) if size else b""
        for start in range(0, size, _PAD_PIECE):
            want = min(_PAD_PIECE, size - start)
            piece = bytes(source.next(want))
            if len(piece) < want:
                raise TruncatedPacket(problem=f"{size - start - len(piece)} bytes of padding are missing")
            if piece != xof(key, want, start):
                raise BadPadding(problem=f"it differs from what the sender must have written, after {start} bytes")
        if source.next(1):
            raise BadPadding(problem="something follows the end of the packet")

    def __repr__(self) -> str:
        return "Opener(hidden)"


class _Source:
    """The ciphertext in pieces of any size, read in batches."""

    def __init__(self, read: Callable[[memoryview], int]) -> None:
        self._read = read
        self._buffer = memoryview(bytearray(_SMALL))
        self._at = 0
        self._end = 0

    def next(self, size: int) -> memoryview:
        """Return the next `size` bytes, fewer only at the end; valid until the next call."""
        if self._end - self._at < size:
            self._fill(size)
        start = self._at
        self._at = min(start + size, self._end)
        return self._buffer[start : self._at]

    def _fill(self, size: int) -> None:
        left = self._buffer[self._at : self._end]
        self._at, self._end = 0, len(left)
        self._buffer[: len(left)] = left
        while self._end < size:
            if self._end == len(self._buffer):
                self._grow()
            got = self._read(self._buffer[self._end :])
            if not got:
                return
            self._end += got

    def _grow(self) -> None:
        larger = memoryview(bytearray(BATCH_BLOCKS * SEALED_BLOCK))
        larger[: self._end] = self._buffer[: self._end]
        self._buffer = larger


class _Direct:
    """A taker for a plain callable: one buffer of our own, handed out and used again."""

    def __init__(self, deliver: Callable[[memoryview], None]) -> None:
        self.give = deliver
        self._buffer: memoryview | None = None

    def take(self) -> memoryview:
        if self._buffer is None:
            self._buffer = memoryview(bytearray(PLAIN_BUFFER))
        return self._buffer


class _Sink:
    """The payload's way out: parses the plain header from the first bytes, then fills the taker's buffers."""

    def __init__(self, on_header: Callable[[PlainHeader], Taker]) -> None:
        self._on_header = on_header
        self._taker: Taker | None = None
        self._buffer = memoryview(b"")
        self._at = 0

    def room(self) -> memoryview:
        """Return where to put a full block."""
        if self._taker is None:
            return memoryview(bytearray(BLOCK_SIZE))
        return self._room(self._taker)

    def wrote(self, plain: memoryview) -> None:
        """Take note of a block that was put there."""
        if self._taker is None:
            self.write(plain)
        else:
            self._at += len(plain)

    def write(self, plain: memoryview) -> None:
        """Take a piece of at most one block from elsewhere."""
        if self._taker is None:
            self._taker = self._on_header(PlainHeader.unpack(plain))
            plain = plain[PLAIN_HEADER_SIZE:]
        if not plain:
            return
        if isinstance(self._taker, _Direct):
            self.flush()
            self._taker.give(plain)
        else:
            self._room(self._taker)[: len(plain)] = plain
            self._at += len(plain)

    def _room(self, taker: Taker) -> memoryview:
        if len(self._buffer) - self._at < BLOCK_SIZE:
            self.flush()
            self._buffer = taker.take()
        return self._buffer[self._at :]

    def flush(self) -> None:
        """Hand off what was put in the current buffer."""
        if self._at and self._taker is not None:
            self._taker.give(self._buffer[: self._at])
        self._buffer, self._at = memoryview(b""), 0
