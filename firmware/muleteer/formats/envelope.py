# SPDX-License-Identifier: GPL-3.0-or-later
"""The encrypted packet: NNCP's envelope, the unit that carriers carry.

A packet is a header of 172 bytes (`envelope_header`), blocks, and sometimes a tail of padding::

    secret = X25519(ephemeral, recipient's exchange key)
    FULL, SIZE, PAD = BLAKE3 derive-key of the secret, with the contexts "<magic> FULL", "<magic> SIZE", "<magic> PAD"
    associated data of each block = BLAKE3 of the header's first 108 bytes
    nonce of each block = its number from 0, 12 bytes, big-endian
    block = ChaCha20-Poly1305 of 131072 bytes of plaintext; only the last is shorter

The plaintext is the plain packet (`packet`). Its length need not be known in advance: blocks go out under FULL as they
fill up. What remains at the end, 0 to 131071 bytes, is preceded by 16 bytes (size of the plain packet with its header;
size of the padding) and goes out under SIZE. If those 16 bytes push up to 15 bytes over the edge of the block, these
follow in one more block under FULL. Padding is zeros up to the edge of the last block and beyond it keyed BLAKE3 output
(key PAD, empty message), which looks like ciphertext to anyone else.

`Sealer` writes this, `Opener` reads it, both as streams with about a megabyte of buffers.
"""

from muleteer.formats.envelope_header import (
    BLOCK_SIZE,
    HEADER_SIZE,
    SEALED_BLOCK,
    SIGNED_SIZE,
    TAG,
    EnvelopeHeader,
    padding_for,
    sealed_size,
)
from muleteer.formats.opener import PLAIN_BUFFER, Opened, Opener
from muleteer.formats.sealer import NO_LIMIT, OUT_BUFFER, Sealer

__all__ = [
    "BLOCK_SIZE",
    "HEADER_SIZE",
    "NO_LIMIT",
    "OUT_BUFFER",
    "PLAIN_BUFFER",
    "SEALED_BLOCK",
    "SIGNED_SIZE",
    "TAG",
    "EnvelopeHeader",
    "Opened",
    "Opener",
    "Sealer",
    "padding_for",
    "sealed_size",
]
