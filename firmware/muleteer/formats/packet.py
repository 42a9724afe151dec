# SPDX-License-Identifier: GPL-3.0-or-later
"""The plain packet: what it is for, before any encryption.

Layout (276 bytes, big-endian), then the payload without any framing::

    0    8  magic NNCPP v3
    8    4  kind
    12   4  niceness; for freq and exec that of the reply
    16   4  length of the path, 0 to 255
    20 256  path, zero-filled

=========  ===========================================  =============================
kind       path                                         payload
=========  ===========================================  =============================
FILE       where to put it                              the file
FREQ       what is asked for                            where to put it, raw bytes
EXEC       handle, then each argument after a zero      standard input, zstd
EXEC_FAT   the same                                     standard input
TRNS       id of the next node                          an encrypted packet
AREA       id of the area                               an encrypted packet
ACK        name of the acknowledged packet              nothing
=========  ===========================================  =============================
"""

from __future__ import annotations

from muleteer.errors import BadEncoding, NotAPacket, OldPacket, UsageError
from muleteer.formats import xdr
from muleteer.formats.magic import MAGIC_SIZE, PLAIN, version_of
from muleteer.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Buffer: TypeAlias = bytes | bytearray | memoryview

FILE = 1
FREQ = 2
EXEC = 3
TRNS = 4
EXEC_FAT = 5
AREA = 6
ACK = 7

PLAIN_HEADER_SIZE = 276
"""Bytes before the payload."""

PATH_SIZE_MAX = 255
"""Bytes of the longest path that a packet can name."""

_NAMES = {FILE: "file", FREQ: "freq", EXEC: "exec", TRNS: "trns", EXEC_FAT: "exec-fat", AREA: "area", ACK: "ack"}


def kind_name(kind: int) -> str:
    """Return the word for a kind of packet, or ``unknown (N)``."""
    return _NAMES.get(kind) or f"unknown ({kind})"


@record
class PlainHeader:
    """What a packet is for. An unknown kind is kept: a newer peer may use it.

    Raises nothing by itself; `pack` and `unpack` check.
    """

    kind: int
    nice: int
    path: bytes

    def pack(self) -> bytes:
        """Return the 276 bytes.

        Raises UsageError if the path has more than 255 bytes, which the format cannot hold.
        """
        size = len(self.path)
        if size > PATH_SIZE_MAX:
            raise UsageError(problem=f"the path has {size} bytes; a packet holds at most {PATH_SIZE_MAX}")
        path = xdr.fixed(self.path.ljust(PATH_SIZE_MAX, b"\0"))
        return PLAIN + xdr.u32(self.kind) + xdr.u32(self.nice) + xdr.u32(size) + path

    @classmethod
    def unpack(cls, data: Buffer) -> PlainHeader:
        """Read the first 276 bytes of `data`.

        Raises BadEncoding, OldPacket, or NotAPacket if the magic number is another.
        """
        if len(data) < PLAIN_HEADER_SIZE:
            raise BadEncoding(problem=f"a plain packet has at least {PLAIN_HEADER_SIZE} bytes, this one {len(data)}")
        fields = xdr.XdrReader(data)
        _check_magic(fields.raw(MAGIC_SIZE))
        kind, nice, size = fields.u8(), fields.u8(), fields.u8()
        return cls(kind, nice, fields.fixed(PATH_SIZE_MAX)[:size])


def _check_magic(magic: bytes) -> None:
    if magic == PLAIN:
        return
    version = version_of(magic, PLAIN)
    if version is not None and version < PLAIN[7]:
        raise OldPacket(version=version)
    raise NotAPacket(problem=f"a plain packet does not begin with {magic.hex()}")


def exec_path(handle: str, args: list[str]) -> bytes:
    """Return the path of an exec packet: the handle, and each argument (empty ones too) after a zero byte.

    Raises UsageError if a part holds a zero byte itself.
    """
    parts = [handle, *args]
    if any("\0" in part for part in parts):
        raise UsageError(problem="a handle or its argument contains a zero byte")
    return b"\0".join(part.encode("utf-8", "surrogateescape") for part in parts)


def split_exec_path(path: bytes) -> tuple[bytes, list[bytes]]:
    """Return the handle and the arguments of an exec packet's path."""
    handle, *args = path.split(b"\0")
    return handle, args
