# SPDX-License-Identifier: GPL-3.0-or-later
"""The Noise handshake that NNCP uses: Noise_IK_25519_ChaChaPoly_BLAKE2b, no pre-shared key.

Theory of operation (the Noise Protocol Framework, revision 34, sections 5 to 7)::

    <- s                        the initiator knows the responder's static key
    -> e, es, s, ss, payload    message 1
    <- e, ee, se, payload       message 2; then split(): one cipher for each direction

Two values run through it: `h`, a hash of all that was said, which authenticates it, and `ck`, the chaining key, into
which every shared secret is mixed. A key is used for one message only, so its nonce is always 0 here; after the split
the nonce counts, in little-endian.

Why our own: the library that speaks it takes longer to load than all of ``nncp-call`` (DECISIONS.md), and it is a page.
Checked against the published vectors and against frames of a real peer (tests/vectors).

Message 1 can be recorded and sent again by anybody. Only a message under a key of `split` proves that the initiator is
there.
"""

from __future__ import annotations

from _blake2 import blake2b

from muleteer.crypto.aead import TAG_SIZE, Aead, AuthenticationFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from muleteer.crypto.keys import ExchangeKey

    Buffer: TypeAlias = bytes | bytearray | memoryview

PROTOCOL_NAME = b"Noise_IK_25519_ChaChaPoly_BLAKE2b"
KEY_SIZE = 32
HASH_SIZE = 64

INITIATOR_OVERHEAD = KEY_SIZE + KEY_SIZE + TAG_SIZE + TAG_SIZE
"""Bytes that message 1 has more than its payload."""

RESPONDER_OVERHEAD = KEY_SIZE + TAG_SIZE
"""Bytes that message 2 has more than its payload."""

_BLOCK_SIZE = 128  # of BLAKE2b, for HMAC
_INNER = bytes(x ^ 0x36 for x in range(256))
_OUTER = bytes(x ^ 0x5C for x in range(256))
_FIRST_NONCE = bytes(12)


def hmac_blake2b(key: bytes, data: Buffer) -> bytes:
    """Return the 64-byte HMAC (RFC 2104) with BLAKE2b; the key has at most 128 bytes."""
    padded = key.ljust(_BLOCK_SIZE, b"\0")
    inner = blake2b(padded.translate(_INNER))
    inner.update(data)
    return blake2b(padded.translate(_OUTER) + inner.digest()).digest()


def hkdf(chaining_key: bytes, material: bytes) -> tuple[bytes, bytes]:
    """Return two 64-byte outputs of Noise's HKDF (section 4.3)."""
    temporary = hmac_blake2b(chaining_key, material)
    first = hmac_blake2b(temporary, b"\x01")
    return first, hmac_blake2b(temporary, first + b"\x02")


class NoiseCipher:
    """One direction after the handshake: a key and a counter."""

    __slots__ = ("_aead", "_count")

    def __init__(self, key: bytes) -> None:
        self._aead = Aead(key)
        self._count = 0

    def seal_into(self, plain: Buffer, out: memoryview) -> int:
        """Encrypt the next message into the start of `out`; return its bytes, 16 more than `plain` has.

        Raises ValueError if `out` is too small; then the message was not counted.
        """
        size = self._aead.seal_into(b"\0\0\0\0" + self._count.to_bytes(8, "little"), plain, b"", out)
        self._count += 1
        return size

    def open_into(self, cipher: Buffer, out: memoryview) -> int:
        """Decrypt the next message into the start of `out`; return its bytes.

        Raises AuthenticationFailed if it is not the next message or was changed, ValueError if `out` is too small.
        """
        size = self._aead.open_into(b"\0\0\0\0" + self._count.to_bytes(8, "little"), cipher, b"", out)
        self._count += 1
        return size

    def __repr__(self) -> str:
        return "NoiseCipher(hidden)"


class NoiseIK:
    """One handshake, either side of it.

    `static` is our own key, `ephemeral` a new random one, `peer` the public key of the other end: the initiator must
    give it, a responder learns it by message 1 (`peer` is then an attribute). Any failure is a ValueError
    (AuthenticationFailed, WeakPublicKey), after which the handshake is of no more use.
    """

    __slots__ = (
        "_chaining_key",
        "_ephemeral",
        "_handshake_hash",
        "_initiator",
        "_key",
        "_peer_ephemeral",
        "_static",
        "peer",
    )

    def __init__(
        self,
        initiator: bool,  # noqa: FBT001 - the role comes first, as in the pattern
        static: ExchangeKey,
        ephemeral: ExchangeKey,
        peer: bytes | None,
        prologue: bytes = b"",
    ) -> None:
        self._initiator = initiator
        self._static = static
        self._ephemeral = ephemeral
        self._peer_ephemeral = b""
        self._key = b""
        self.peer = peer or b""
        if initiator and len(self.peer) != KEY_SIZE:
            raise ValueError("an initiator has to know the 32-byte public key of the other end")
        self._chaining_key = self._handshake_hash = PROTOCOL_NAME.ljust(HASH_SIZE, b"\0")
        self._mix_hash(prologue)
        self._mix_hash(self.peer if initiator else static.public)

    @property
    def peer_ephemeral(self) -> bytes:
        """The peer's ephemeral public key, b"" until its message is read: no two handshakes have the same."""
        return self._peer_ephemeral

    @property
    def handshake_hash(self) -> bytes:
        """The 64-byte hash of all that was said so far; after message 2 the same on both sides."""
        return self._handshake_hash

    def write_message(self, payload: Buffer, out: memoryview) -> int:
        """Write our message with `payload` into the start of `out` and return its bytes.

        Raises WeakPublicKey if the peer's key is worthless, ValueError if `out` is too small.
        """
        self._mix_hash(self._ephemeral.public)
        out[:KEY_SIZE] = self._ephemeral.public
        at = KEY_SIZE
        if self._initiator:
            self._mix_key(self._ephemeral.shared(self.peer))
            at += self._seal(self._static.public, out[at:])
            self._mix_key(self._static.shared(self.peer))
        else:
            self._mix_key(self._ephemeral.shared(self._peer_ephemeral))
            self._mix_key(self._ephemeral.shared(self.peer))
        return at + self._seal(payload, out[at:])

    def read_message(self, message: Buffer, out: memoryview) -> int:
        """Read the peer's message, put its payload into the start of `out` and return its bytes.

        Raises AuthenticationFailed, WeakPublicKey, and ValueError if `out` is too small.
        """
        view = memoryview(message)
        if len(view) < (RESPONDER_OVERHEAD if self._initiator else INITIATOR_OVERHEAD):
            raise AuthenticationFailed
        self._peer_ephemeral = bytes(view[:KEY_SIZE])
        self._mix_hash(self._peer_ephemeral)
        at = KEY_SIZE
        if self._initiator:
            self._mix_key(self._ephemeral.shared(self._peer_ephemeral))
            self._mix_key(self._static.shared(self._peer_ephemeral))
        else:
            self._mix_key(self._static.shared(self._peer_ephemeral))
            peer = bytearray(KEY_SIZE)
            at += KEY_SIZE + TAG_SIZE
            self._open(view[KEY_SIZE:at], memoryview(peer))
            self._mix_key(self._static.shared(bytes(peer)))
            self.peer = bytes(peer)
        return self._open(view[at:], out)

    def split(self) -> tuple[NoiseCipher, NoiseCipher]:
        """Return the ciphers after message 2: what we send with, and what we receive with."""
        first, second = hkdf(self._chaining_key, b"")
        forth, back = NoiseCipher(first[:KEY_SIZE]), NoiseCipher(second[:KEY_SIZE])
        return (forth, back) if self._initiator else (back, forth)

    def _mix_hash(self, data: Buffer) -> None:
        running = blake2b(self._handshake_hash)
        running.update(data)
        self._handshake_hash = running.digest()

    def _mix_key(self, secret: bytes) -> None:
        self._chaining_key, key = hkdf(self._chaining_key, secret)
        self._key = key[:KEY_SIZE]

    def _seal(self, plain: Buffer, out: memoryview) -> int:
        size = Aead(self._key, bulk=False).seal_into(_FIRST_NONCE, plain, self._handshake_hash, out)
        self._mix_hash(out[:size])
        return size

    def _open(self, cipher: memoryview, out: memoryview) -> int:
        size = Aead(self._key, bulk=False).open_into(_FIRST_NONCE, cipher, self._handshake_hash, out)
        self._mix_hash(cipher)
        return size

    def __repr__(self) -> str:
        return "NoiseIK(hidden)"
