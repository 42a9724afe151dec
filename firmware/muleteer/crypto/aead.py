# SPDX-License-Identifier: GPL-3.0-or-later
"""ChaCha20-Poly1305 (RFC 8439: 12-byte nonce, 16-byte tag appended) between buffers that the caller owns."""

from __future__ import annotations

import sys

from muleteer.crypto.sodium import SODIUM, TAG_SIZE, AuthenticationFailed

__all__ = ["BULK_AFTER", "TAG_SIZE", "Aead", "AuthenticationFailed"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    Buffer: TypeAlias = bytes | bytearray | memoryview

BULK_AFTER = 4 << 20
"""Bytes after which OpenSSL takes over.

On x86 its import pays for itself after some 9 MiB (tests/bench/bench_primitives.py), so this costs up to 3 ms there. It
is lower because libsodium has no NEON code for this cipher, so a Pi should gain sooner: an estimate, not a measurement.
"""

_BINDING = "cryptography.hazmat.bindings._rust"


class Aead:
    """One key's cipher; the caller never seals twice with one nonce.

    Two libraries stand behind it. libsodium is there at once; OpenSSL is three times as fast per byte, but takes 5 ms
    to import. With `bulk` None it begins with libsodium and changes over after `BULK_AFTER` bytes, or takes OpenSSL at
    once where that is loaded already (as in the agent, after its first large packet). Raises ValueError unless the key
    has 32 bytes.
    """

    __slots__ = ("_before_bulk", "_bulk", "_key")

    def __init__(self, key: bytes, *, bulk: bool | None = None) -> None:
        if len(key) != 32:
            raise ValueError(f"a key has 32 bytes, not {len(key)}")
        self._key = key
        self._bulk = _openssl(key) if bulk or (bulk is None and _BINDING in sys.modules) else None
        self._before_bulk = sys.maxsize if bulk is False else BULK_AFTER

    def seal_into(self, nonce: bytes, plain: Buffer, ad: bytes, out: memoryview) -> int:
        """Encrypt `plain` into the start of `out` and return the bytes written: 16 more than `plain` has.

        Raises ValueError if `out` is too small.
        """
        size = len(plain) + TAG_SIZE
        self._check(nonce, out, size)
        if self._bulk is None:
            return SODIUM.seal_into(self._key, nonce, plain, ad, out)
        return self._bulk.encrypt_into(nonce, plain, ad, out[:size])

    def open_into(self, nonce: bytes, cipher: Buffer, ad: bytes, out: memoryview) -> int:
        """Decrypt `cipher` into the start of `out` and return the bytes written: 16 fewer than `cipher` has.

        Raises AuthenticationFailed (then `out` holds nothing to be used), and ValueError if `out` is too small.
        """
        size = len(cipher) - TAG_SIZE
        if size < 0:
            raise AuthenticationFailed
        self._check(nonce, out, size)
        if self._bulk is None:
            return SODIUM.open_into(self._key, nonce, cipher, ad, out)
        try:
            return self._bulk.decrypt_into(nonce, cipher, ad, out[:size])
        except _invalid_tag() as wrong:
            raise AuthenticationFailed from wrong

    def _check(self, nonce: bytes, out: memoryview, size: int) -> None:
        if len(out) < size or len(nonce) != 12:
            raise ValueError("the output is too small, or the nonce has not 12 bytes")
        if self._bulk is None:
            self._before_bulk -= size
            if self._before_bulk < 0:
                self._bulk = _openssl(self._key)

    def __repr__(self) -> str:
        return "Aead(hidden)"


def _openssl(key: bytes) -> ChaCha20Poly1305:
    # The compiled part alone loads in a third of the time of the public module, which only re-exports it.
    try:
        from cryptography.hazmat.bindings._rust import openssl

        return openssl.aead.ChaCha20Poly1305(key)
    except (ImportError, AttributeError):
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

        return ChaCha20Poly1305(key)


def _invalid_tag() -> type[Exception]:
    # An except clause is evaluated only when something was raised: good packets never pay for this import.
    from cryptography.exceptions import InvalidTag

    return InvalidTag
