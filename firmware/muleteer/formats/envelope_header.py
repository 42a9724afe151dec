# SPDX-License-Identifier: GPL-3.0-or-later
"""The cleartext head of an encrypted packet, and the arithmetic of its size.

Layout (172 bytes, big-endian)::

    0    8  magic NNCPE v6
    8    4  niceness, 1 to 255
    12  32  sender
    44  32  recipient (a node or an area)
    76  32  ephemeral X25519 public key
    108 64  Ed25519 signature by the sender of bytes 0 to 107
"""

from __future__ import annotations

from muleteer.errors import BadEncoding, BadSignature, NotAPacket, OldPacket, TruncatedPacket
from muleteer.formats.ids import NodeId
from muleteer.formats.magic import ENVELOPE, MAGIC_SIZE, version_of
from muleteer.formats.packet import PLAIN_HEADER_SIZE
from muleteer.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Buffer: TypeAlias = bytes | bytearray | memoryview

HEADER_SIZE = 172
"""Bytes of the header."""

SIGNED_SIZE = 108
"""Bytes of it that the signature covers; their BLAKE3 is authenticated with every block."""

BLOCK_SIZE = 131072
"""Plaintext bytes of a full block."""

TAG = 16
"""Bytes that encryption adds to a block."""

SEALED_BLOCK = BLOCK_SIZE + TAG
"""Bytes of a full block in the packet."""

SIZES_SIZE = 16
"""Bytes of the two sizes (payload with plain header; padding) that precede the last piece of plaintext."""


@record
class EnvelopeHeader:
    """Who sends to whom and how urgently: what every carrier sees of a packet."""

    nice: int
    sender: NodeId
    recipient: NodeId
    ephemeral: bytes
    signature: bytes

    @property
    def signed(self) -> bytes:
        """The 108 bytes that the signature covers."""
        return ENVELOPE + self.nice.to_bytes(4, "big") + self.sender + self.recipient + self.ephemeral

    def pack(self) -> bytes:
        """Return the 172 bytes."""
        return self.signed + self.signature

    @classmethod
    def unpack(cls, data: Buffer) -> EnvelopeHeader:
        """Read the first 172 bytes of `data`; nothing in them is verified by that.

        Raises NotAPacket, OldPacket, TruncatedPacket, or BadEncoding if the niceness is none.
        """
        raw = bytes(data[:HEADER_SIZE])
        _check_magic(raw[:MAGIC_SIZE])
        if len(raw) < HEADER_SIZE:
            raise TruncatedPacket(problem=f"{len(raw)} bytes, where the header alone has {HEADER_SIZE}")
        nice = int.from_bytes(raw[8:12], "big")
        if not 1 <= nice <= 255:
            raise BadEncoding(problem=f"niceness {nice} in the header")
        return cls(nice, NodeId(raw[12:44]), NodeId(raw[44:76]), raw[76:108], raw[108:172])

    def verify(self, signpub: bytes) -> None:
        """Check the signature with the sender's public signing key; raises BadSignature."""
        from muleteer.crypto.keys import verify  # listing headers needs no cryptography: 2 ms

        if not verify(signpub, self.signature, self.signed):
            raise BadSignature(sender=str(self.sender))


def _check_magic(magic: bytes) -> None:
    if magic == ENVELOPE:
        return
    if ENVELOPE.startswith(magic):
        raise TruncatedPacket(problem=f"{len(magic)} bytes, where the header alone has {HEADER_SIZE}")
    version = version_of(magic, ENVELOPE)
    if version is not None and version < ENVELOPE[7]:
        raise OldPacket(version=version)
    raise NotAPacket(problem=f"an encrypted packet does not begin with {magic.hex()}")


def sealed_size(payload_size: int) -> int:
    """Return the bytes of a whole packet without padding, for a payload of so many bytes."""
    plain = SIZES_SIZE + PLAIN_HEADER_SIZE + payload_size
    blocks = -(-plain // BLOCK_SIZE)
    return HEADER_SIZE + plain + blocks * TAG


def padding_for(payload_size: int, minsize: int, hops: int) -> int:
    """Return the padding that brings a packet to `minsize` bytes after `hops` envelopes (1 = direct).

    With several hops the result may exceed `minsize` by a few tags, as the reference's does: each envelope around
    the padded packet may need one more block than it would around the small one.
    """
    size = payload_size
    for _ in range(hops):
        size = sealed_size(size)
    return max(0, minsize - size)
