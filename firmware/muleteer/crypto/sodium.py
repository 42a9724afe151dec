# SPDX-License-Identifier: GPL-3.0-or-later
"""Libsodium, as far as NNCP needs it.

PyNaCl's public modules take 14 ms to import, its compiled binding 1 ms; a whole command of the Go peer takes 4. So
this module calls the binding, which PyNaCl calls private, and falls back to the public functions if it ever changes.
All functions release the interpreter lock while they compute.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Buffer: TypeAlias = bytes | bytearray | memoryview

TAG_SIZE = 16
"""Bytes that ChaCha20-Poly1305 adds."""


class AuthenticationFailed(ValueError):
    """The ciphertext was not made with this key, nonce and associated data."""


class WeakPublicKey(ValueError):
    """The peer's X25519 point has low order: the shared secret would be all zero."""


class _Binding:
    """The compiled binding of PyNaCl; raises ImportError or AttributeError if it is not as we know it."""

    def __init__(self) -> None:
        from nacl._sodium import ffi, lib  # probing, see the module docstring

        if lib.sodium_init() < 0:
            raise ImportError("libsodium does not start")
        self._borrow = ffi.from_buffer
        self._new = ffi.new
        self._null = ffi.NULL
        self._multiply = lib.crypto_scalarmult
        self._multiply_base = lib.crypto_scalarmult_base
        self._seed_pair = lib.crypto_sign_seed_keypair
        self._sign = lib.crypto_sign
        self._sign_open = lib.crypto_sign_open
        self._encrypt = lib.crypto_aead_chacha20poly1305_ietf_encrypt
        self._decrypt = lib.crypto_aead_chacha20poly1305_ietf_decrypt

    def x25519(self, private: bytes, public: bytes) -> bytes:
        out = bytearray(32)
        if self._multiply(self._borrow("unsigned char[]", out), private, public):
            raise WeakPublicKey
        return bytes(out)

    def x25519_public(self, private: bytes) -> bytes:
        out = bytearray(32)
        self._multiply_base(self._borrow("unsigned char[]", out), private)
        return bytes(out)

    def ed25519_public(self, seed: bytes) -> bytes:
        public, private = bytearray(32), bytearray(64)
        self._seed_pair(self._borrow("unsigned char[]", public), self._borrow("unsigned char[]", private), seed)
        return bytes(public)

    def sign(self, private: bytes, message: bytes) -> bytes:
        out = bytearray(64 + len(message))
        self._sign(self._borrow("unsigned char[]", out), self._null, message, len(message), private)
        return bytes(out[:64])

    def verify(self, public: bytes, signature: bytes, message: bytes) -> bool:
        signed = signature + message
        out = self._new("unsigned char[]", len(signed))
        size = self._new("unsigned long long *")
        return bool(self._sign_open(out, size, signed, len(signed), public) == 0)

    def seal_into(self, key: bytes, nonce: bytes, plain: Buffer, ad: bytes, out: Buffer) -> int:
        self._encrypt(
            self._borrow("unsigned char[]", out, True),
            self._null,
            self._borrow("unsigned char[]", plain),
            len(plain),
            ad,
            len(ad),
            self._null,
            nonce,
            key,
        )
        return len(plain) + TAG_SIZE

    def open_into(self, key: bytes, nonce: bytes, cipher: Buffer, ad: bytes, out: Buffer) -> int:
        failed = self._decrypt(
            self._borrow("unsigned char[]", out, True),
            self._null,
            self._null,
            self._borrow("unsigned char[]", cipher),
            len(cipher),
            ad,
            len(ad),
            nonce,
            key,
        )
        if failed:
            raise AuthenticationFailed
        return len(cipher) - TAG_SIZE


class _Public:
    """The same by PyNaCl's public functions."""

    def __init__(self) -> None:
        from nacl import bindings, exceptions  # slow, only if the binding is not usable

        self._bindings = bindings
        self._error = exceptions.CryptoError

    def x25519(self, private: bytes, public: bytes) -> bytes:
        try:
            return self._bindings.crypto_scalarmult(private, public)
        except (self._error, RuntimeError) as weak:
            raise WeakPublicKey from weak

    def x25519_public(self, private: bytes) -> bytes:
        return self._bindings.crypto_scalarmult_base(private)

    def ed25519_public(self, seed: bytes) -> bytes:
        return self._bindings.crypto_sign_seed_keypair(seed)[0]

    def sign(self, private: bytes, message: bytes) -> bytes:
        return self._bindings.crypto_sign(message, private)[:64]

    def verify(self, public: bytes, signature: bytes, message: bytes) -> bool:
        try:
            self._bindings.crypto_sign_open(signature + message, public)
        except self._error:
            return False
        return True

    def seal_into(self, key: bytes, nonce: bytes, plain: Buffer, ad: bytes, out: Buffer) -> int:
        sealed = self._bindings.crypto_aead_chacha20poly1305_ietf_encrypt(bytes(plain), ad, nonce, key)
        memoryview(out)[: len(sealed)] = sealed
        return len(sealed)

    def open_into(self, key: bytes, nonce: bytes, cipher: Buffer, ad: bytes, out: Buffer) -> int:
        try:
            plain = self._bindings.crypto_aead_chacha20poly1305_ietf_decrypt(bytes(cipher), ad, nonce, key)
        except self._error as wrong:
            raise AuthenticationFailed from wrong
        memoryview(out)[: len(plain)] = plain
        return len(plain)


def load() -> _Binding | _Public:
    """Return the quickest usable way to libsodium."""
    try:
        return _Binding()
    except (ImportError, AttributeError):
        return _Public()


SODIUM = load()
"""The one loaded library; sizes of arguments are the callers' promise (see `keys` and `aead`)."""
