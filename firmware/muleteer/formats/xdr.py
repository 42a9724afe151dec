# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of XDR (RFC 4506) that NNCP uses: big-endian integers and zero-padded bytes.

Integers of up to 32 bits take four bytes, whatever their declared width. Padding is written as zeros and not checked
when read, as the reference does.
"""

from __future__ import annotations

from muleteer.errors import BadEncoding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Buffer: TypeAlias = bytes | bytearray | memoryview


def u32(value: int) -> bytes:
    """Return a 32-bit (or smaller) unsigned integer; raises OverflowError if it does not fit."""
    return value.to_bytes(4, "big")


def u64(value: int) -> bytes:
    """Return a 64-bit unsigned integer; raises OverflowError if it does not fit."""
    return value.to_bytes(8, "big")


def fixed(data: bytes) -> bytes:
    """Return bytes of a length known to the reader, zero-padded to a multiple of four."""
    return data + b"\0" * (-len(data) % 4)


def opaque(data: bytes) -> bytes:
    """Return bytes preceded by their length, zero-padded to a multiple of four."""
    return u32(len(data)) + fixed(data)


class XdrReader:
    """Reads values one after another from a buffer; every method raises BadEncoding if the bytes do not suffice."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: Buffer) -> None:
        self._data = memoryview(data)
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes not yet read."""
        return len(self._data) - self._at

    def raw(self, size: int) -> bytes:
        """Return `size` bytes as they are, without padding."""
        if size > self.left:
            raise BadEncoding(problem=f"{size} bytes expected at offset {self._at}, only {self.left} there")
        start = self._at
        self._at += size
        return bytes(self._data[start : self._at])

    def u8(self) -> int:
        """Return an integer of four bytes that may not exceed 255."""
        value = self.u32()
        if value > 255:
            raise BadEncoding(problem=f"{value} where a number up to 255 is expected")
        return value

    def u32(self) -> int:
        """Return an integer of four bytes."""
        return int.from_bytes(self.raw(4), "big")

    def u64(self) -> int:
        """Return an integer of eight bytes."""
        return int.from_bytes(self.raw(8), "big")

    def fixed(self, size: int) -> bytes:
        """Return `size` bytes and skip their padding."""
        data = self.raw(size)
        self.raw(-size % 4)
        return data

    def opaque(self, limit: int) -> bytes:
        """Return length-prefixed bytes, at most `limit`, and skip their padding."""
        size = self.u32()
        if size > limit:
            raise BadEncoding(problem=f"a field of {size} bytes where at most {limit} are allowed")
        return self.fixed(size)

    def end(self) -> None:
        """Require that everything was read."""
        if self.left:
            raise BadEncoding(problem=f"{self.left} bytes too many")
