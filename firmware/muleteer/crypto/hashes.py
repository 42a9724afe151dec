# SPDX-License-Identifier: GPL-3.0-or-later
"""BLAKE3 and BLAKE2b, as NNCP uses them.

One thread per hash: on pieces of 128 KiB the library's own threading is slower than one thread (DECISIONS.md).
"""

from __future__ import annotations

from _blake2 import blake2b  # hashlib would load OpenSSL for it: 5 ms

from blake3 import blake3

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Buffer: TypeAlias = bytes | bytearray | memoryview

DIGEST_SIZE = 32
"""Bytes of every digest here."""


def blake3_hash(data: Buffer) -> bytes:
    """Return the 32-byte BLAKE3 of `data`."""
    return blake3(data).digest()


def blake3_keyed(key: bytes, data: Buffer = b"") -> blake3:
    """Return a BLAKE3 hasher keyed with 32 bytes, `data` taken in; it has ``update(buffer)`` and ``digest()``."""
    return blake3(data, key=key)


def derive_key(context: bytes, material: bytes) -> bytes:
    """Return 32 bytes of BLAKE3 key derivation from `material` for `context` (ASCII, control bytes included)."""
    return blake3(material, derive_key_context=context.decode("ascii")).digest()


def xof(key: bytes, size: int, offset: int = 0) -> bytes:
    """Return `size` bytes at `offset` of the unbounded keyed BLAKE3 output over the empty message."""
    return blake3(key=key).digest(length=size, seek=offset)


def blake2b_256(data: Buffer) -> bytes:
    """Return the unkeyed 32-byte BLAKE2b of `data`."""
    return blake2b(data, digest_size=DIGEST_SIZE).digest()
