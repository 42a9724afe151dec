# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes a packet apart the slow and obvious way, whole in memory: a second opinion on `formats.opener`.

It follows the description of the format literally and shares no code with the opener but the primitives.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from muleteer.crypto.aead import Aead, AuthenticationFailed
from muleteer.crypto.hashes import blake3_hash, derive_key, xof

if TYPE_CHECKING:
    from muleteer.crypto.keys import ExchangeKey

MAGIC = b"NNCPE\0\0\6"
SEALED = 131088


@dataclass(frozen=True, slots=True)
class Anatomy:
    """The parts of a packet: ``blocks`` as (key, bytes with tag), the plain packet, and both kinds of padding."""

    blocks: tuple[tuple[str, int], ...]
    plain: bytes
    pad_size: int
    zeros: int
    tail: int


def dissect(packet: bytes, exchange: ExchangeKey) -> Anatomy:
    """Return the parts of a well-formed packet; raises AssertionError if it is not one."""
    secret = exchange.shared(packet[76:108])
    keys = {word: derive_key(MAGIC + b" " + word.encode(), secret) for word in ("FULL", "SIZE", "PAD")}
    ad = blake3_hash(packet[:108])
    pieces: list[tuple[str, bytes]] = []
    at = 172
    end = len(packet)
    while at < end:
        cipher = packet[at : min(at + SEALED, end)]
        sizes_seen = any(word == "SIZE" for word, _ in pieces)
        word, piece = _open(cipher, keys, ("FULL",) if sizes_seen else ("FULL", "SIZE"), len(pieces), ad)
        pieces.append((word, piece))
        at += len(cipher)
        if word == "SIZE":
            total, pad = int.from_bytes(piece[:8], "big"), int.from_bytes(piece[8:16], "big")
            rest = total - sum(len(other) for _, other in pieces[:-1])
            zeros = min(pad, -(16 + rest) % 131072)
            left = 16 + rest + zeros - len(piece)
            end = at + left + (16 if left else 0)
    plain = b"".join(piece[16:] if word == "SIZE" else piece for word, piece in pieces)
    assert plain[total:] == bytes(zeros)
    assert packet[end:] == xof(keys["PAD"], pad - zeros)
    blocks = tuple((word.lower(), len(piece) + 16) for word, piece in pieces)
    return Anatomy(blocks, plain[:total], pad, zeros, pad - zeros)


def _open(cipher: bytes, keys: dict[str, bytes], words: tuple[str, ...], number: int, ad: bytes) -> tuple[str, bytes]:
    out = memoryview(bytearray(len(cipher)))
    for word in words:
        try:
            size = Aead(keys[word]).open_into(number.to_bytes(12, "big"), cipher, ad, out)
        except AuthenticationFailed:
            continue
        return word, bytes(out[:size])
    raise AssertionError(f"block {number} opens with none of {words}")
