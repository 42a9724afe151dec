# SPDX-License-Identifier: GPL-3.0-or-later
"""The magic numbers: eight bytes, five letters, two zeros and a version."""

MAGIC_SIZE = 8
"""Bytes of a magic number."""

PLAIN = b"NNCPP\0\0\x03"
"""A plain packet (inside of an envelope)."""

ENVELOPE = b"NNCPE\0\0\x06"
"""An encrypted packet; versions 1 to 5 were NNCP before 8 (2021)."""

CHUNKED = b"NNCPM\0\0\x02"
"""The index of a file sent in chunks."""

EBLOB = b"NNCPB\0\0\x03"
"""An encrypted configuration."""

SYNC = b"NNCPS\0\0\x01"
"""A frame of the online protocol."""

DISCOVERY = b"NNCPD\0\0\x01"
"""A multicast announcement."""


def version_of(magic: bytes, expected: bytes) -> int | None:
    """Return the format version in `magic` if it is of the same family as `expected`, else None."""
    if len(magic) == MAGIC_SIZE and magic[:7] == expected[:7]:
        return magic[7]
    return None
