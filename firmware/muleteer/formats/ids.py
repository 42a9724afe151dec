# SPDX-License-Identifier: GPL-3.0-or-later
"""Identifiers: 32 bytes, which people and file systems see as 52 characters of Base32 (RFC 4648, no padding).

Base32 here is done with integers: the standard module costs 7 ms to import, and a listing of ten thousand packets has
to decode as many names. Reading: `int` knows base 32, its digits are only named differently. Writing: a table of all
pairs of digits, made at the first use.
"""

from __future__ import annotations

from muleteer.errors import BadEncoding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

ID_SIZE = 32
"""Bytes of an identifier."""

ID_TEXT_SIZE = 52
"""Characters of an identifier."""

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_TO_INT_DIGITS = str.maketrans(_ALPHABET, "0123456789ABCDEFGHIJKLMNOPQRSTUV")
_TEXT_SIZE_MAX = 4096  # the longest text in any NNCP configuration is a private signing key: 103
_pairs: list[str] = []
_texts: dict[bytes, str] = {}  # of identifiers: one packet's name is written seven times while it is tossed
_TEXTS_MAX = 512


def b32encode(data: bytes) -> str:
    """Return `data` as upper-case Base32 without padding."""
    if not _pairs:
        _pairs.extend(a + b for a in _ALPHABET for b in _ALPHABET)
    digits = (len(data) * 8 + 4) // 5
    pairs = (digits + 1) // 2
    number = int.from_bytes(data, "big") << (pairs * 10 - len(data) * 8)
    text = "".join([_pairs[number >> shift & 1023] for shift in range((pairs - 1) * 10, -1, -10)])
    return text[:digits]


def b32decode(text: str) -> bytes:
    """Return the bytes of unpadded upper-case Base32; like the reference, spare bits at the end are ignored.

    Raises BadEncoding for other characters and impossible lengths.
    """
    bits = len(text) * 5
    size = bits // 8
    if text.strip(_ALPHABET) or bits % 8 >= 5 or len(text) > _TEXT_SIZE_MAX:
        raise BadEncoding(problem="this is not Base32 (A-Z and 2-7, no padding)")
    return (int(text.translate(_TO_INT_DIGITS) or "0", 32) >> bits % 8).to_bytes(size, "big")


class Id(bytes):
    """Exactly 32 bytes; `str` gives Base32. Equal to plain bytes of the same value.

    Raises BadEncoding for any other length.
    """

    __slots__ = ()

    def __new__(cls, value: bytes) -> Self:
        """Check the length."""
        if len(value) != ID_SIZE:
            raise BadEncoding(problem=f"an identifier has {ID_SIZE} bytes, not {len(value)}")
        return super().__new__(cls, value)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read 52 characters of Base32; raises BadEncoding."""
        if len(text) != ID_TEXT_SIZE:
            raise BadEncoding(problem=f"an identifier has {ID_TEXT_SIZE} characters, not {len(text)}")
        return cls(b32decode(text))

    def __str__(self) -> str:
        text = _texts.get(self)
        if text is None:
            if len(_texts) >= _TEXTS_MAX:
                _texts.clear()
            text = _texts[self] = b32encode(self)
        return text

    def __repr__(self) -> str:
        return f"{type(self).__name__}({b32encode(self)[:8]}...)"


class NodeId(Id):
    """A node (or an area): BLAKE2b-256 of its public signing key, though nobody checks that."""

    __slots__ = ()


class PacketName(Id):
    """A packet: the Merkle tree hash of the whole encrypted file, which is also its file name."""

    __slots__ = ()


def is_packet_name(text: str) -> bool:
    """Tell whether a file name is the name of a packet, in the one spelling that we write.

    The reference also takes names whose four spare bits are set; nobody writes them, and two names for one packet are
    a way to count it twice.
    """
    return len(text) == ID_TEXT_SIZE and text[-1] in "AQ" and not text.strip(_ALPHABET)
