# SPDX-License-Identifier: GPL-3.0-or-later
"""Ed25519 and X25519 keys whose repr hides them."""

from __future__ import annotations

from muleteer.crypto.entropy import random_bytes
from muleteer.crypto.sodium import SODIUM, WeakPublicKey

__all__ = ["ExchangeKey", "SigningKey", "WeakPublicKey", "verify"]

SIGNATURE_SIZE = 64
"""Bytes of an Ed25519 signature."""


class SigningKey:
    """An Ed25519 pair: makes signatures.

    The private key is NNCP's ``signprv``: 64 bytes, the seed and then the public key. Raises ValueError for any other
    length.
    """

    __slots__ = ("private", "public")

    def __init__(self, private: bytes) -> None:
        if len(private) != 64:
            raise ValueError(f"a private signing key has 64 bytes, not {len(private)}")
        self.private = private
        self.public = private[32:]

    @classmethod
    def from_private(cls, private: bytes) -> SigningKey:
        """Return the pair whose ``signprv`` this is."""
        return cls(private)

    @classmethod
    def from_seed(cls, seed: bytes) -> SigningKey:
        """Return the pair that 32 bytes give; raises ValueError for any other length."""
        if len(seed) != 32:
            raise ValueError(f"a seed has 32 bytes, not {len(seed)}")
        return cls(seed + SODIUM.ed25519_public(seed))

    @classmethod
    def generate(cls) -> SigningKey:
        """Return a new random pair."""
        return cls.from_seed(random_bytes(32))

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature of `message`."""
        return SODIUM.sign(self.private, message)

    def __repr__(self) -> str:
        return "SigningKey(hidden)"


def verify(public: bytes, signature: bytes, message: bytes) -> bool:
    """Tell whether `signature` (64 bytes) of `message` was made by the owner of `public` (32 bytes)."""
    if len(public) != 32 or len(signature) != SIGNATURE_SIZE:
        return False
    return SODIUM.verify(public, signature, message)


class ExchangeKey:
    """An X25519 pair: agrees on shared secrets.

    The private key is 32 raw bytes; it is clamped in use, not in storage. Raises ValueError for any other length.
    """

    __slots__ = ("private", "public")

    def __init__(self, private: bytes) -> None:
        if len(private) != 32:
            raise ValueError(f"a private exchange key has 32 bytes, not {len(private)}")
        self.private = private
        self.public = SODIUM.x25519_public(private)

    @classmethod
    def generate(cls) -> ExchangeKey:
        """Return a new random pair."""
        return cls(random_bytes(32))

    def shared(self, peer: bytes) -> bytes:
        """Return the 32-byte secret shared with the owner of the public key `peer`.

        Raises WeakPublicKey if it would be all zero, and ValueError if `peer` has not 32 bytes.
        """
        if len(peer) != 32:
            raise ValueError(f"a public exchange key has 32 bytes, not {len(peer)}")
        return SODIUM.x25519(self.private, peer)

    def __repr__(self) -> str:
        return "ExchangeKey(hidden)"
