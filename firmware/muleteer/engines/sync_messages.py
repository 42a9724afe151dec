# SPDX-License-Identifier: GPL-3.0-or-later
"""The messages of the online protocol: what stands in the payload of a Noise message, one after another.

Each begins with its type as a four-byte number; all numbers are big-endian (XDR)::

    0 INFO   nice 4, size 8, name 32               I have this packet for you
    1 FREQ   name 32, offset 8                     send it, from this byte on
    2 FILE   name 32, offset 8, length 4, data     here are bytes of it; zero-padded to a multiple of four
    3 DONE   name 32                               I have it whole, forget it
    4 HALT                                         stop sending; serves as padding of the first messages
    5 PING                                         I am still here

A payload is read as a whole: if its end is malformed, nothing of it counts.
"""

from __future__ import annotations

from struct import Struct, error

from muleteer.errors import BadEncoding
from muleteer.formats.ids import PacketName
from muleteer.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

PAYLOAD_MAX = 65280
"""Bytes of a payload that the reference takes after the first message: 65,536 less 256."""

FILE_HEAD_SIZE = 48
"""Bytes of a FILE message that are not data."""

INFO_SIZE = 48
FREQ_SIZE = 44
DONE_SIZE = 36


@record
class Info:
    """The sender has a packet for the receiver: niceness, size in bytes, name."""

    nice: int
    size: int
    name: PacketName


@record
class Freq:
    """Send that packet, from byte `offset` on."""

    name: PacketName
    offset: int


@record
class Chunk:
    """Bytes of a packet, from `offset` on. `data` is a view, lent for as long as its giver says."""

    name: PacketName
    offset: int
    data: memoryview


@record
class Done:
    """The receiver has the packet, whole and durably."""

    name: PacketName


@record
class Halt:
    """Forget what was asked for."""


@record
class Ping:
    """The sender is still there."""


if TYPE_CHECKING:
    Message: TypeAlias = Info | Freq | Chunk | Done | Halt | Ping
    Reader: TypeAlias = Callable[[memoryview, int], tuple[Message, int]]

HALT = b"\0\0\0\x04"
PING = b"\0\0\0\x05"

_TYPE = Struct(">I")
_INFO = Struct(">IIQ32s")
_FREQ = Struct(">I32sQ")
_FILE = Struct(">I32sQI")
_DONE = Struct(">I32s")
_HALTS = HALT * (131072 // len(HALT))
_HALTED = Halt()
_PINGED = Ping()


def pack_info(nice: int, size: int, name: bytes) -> bytes:
    """Return an INFO."""
    return _INFO.pack(0, nice, size, name)


def pack_freq(name: bytes, offset: int) -> bytes:
    """Return a FREQ."""
    return _FREQ.pack(1, name, offset)


def pack_done(name: bytes) -> bytes:
    """Return a DONE."""
    return _DONE.pack(3, name)


def file_size(data_size: int) -> int:
    """Return the bytes of a FILE with so many bytes of data."""
    return FILE_HEAD_SIZE + data_size + -data_size % 4


def close_file(view: memoryview, name: bytes, offset: int, data_size: int) -> int:
    """Put head and padding around the data that stands in `view` after FILE_HEAD_SIZE bytes; return its bytes."""
    _FILE.pack_into(view, 0, 2, name, offset, data_size)
    size = file_size(data_size)
    end = FILE_HEAD_SIZE + data_size
    if size > end:
        view[end:size] = bytes(size - end)
    return size


def parse(payload: memoryview) -> list[Message]:
    """Return all messages of a payload; the data of FILEs are views into it. Raises BadEncoding."""
    found = []
    at, end = 0, len(payload)
    try:
        while at < end:
            (kind,) = _TYPE.unpack_from(payload, at)
            if kind >= len(_READERS):
                raise BadEncoding(problem=f"a message of the unknown type {kind}")
            message, at = _READERS[kind](payload, at)
            found.append(message)
    except error as short:
        raise BadEncoding(problem=f"a message is cut off at byte {at} of {end}") from short
    return found


def _read_info(payload: memoryview, at: int) -> tuple[Message, int]:
    _, nice, size, name = _INFO.unpack_from(payload, at)
    if nice > 255:
        raise BadEncoding(problem=f"a niceness of {nice}")
    return Info(nice, size, PacketName(name)), at + INFO_SIZE


def _read_freq(payload: memoryview, at: int) -> tuple[Message, int]:
    _, name, offset = _FREQ.unpack_from(payload, at)
    return Freq(PacketName(name), offset), at + FREQ_SIZE


def _read_file(payload: memoryview, at: int) -> tuple[Message, int]:
    _, name, offset, size = _FILE.unpack_from(payload, at)
    start = at + FILE_HEAD_SIZE
    at += file_size(size)
    if at > len(payload):
        raise BadEncoding(problem=f"{size} bytes of data announced, {len(payload) - start} there")
    return Chunk(PacketName(name), offset, payload[start : start + size]), at


def _read_done(payload: memoryview, at: int) -> tuple[Message, int]:
    _, name = _DONE.unpack_from(payload, at)
    return Done(PacketName(name)), at + DONE_SIZE


def _read_halt(payload: memoryview, at: int) -> tuple[Message, int]:
    rest = len(payload) - at
    if payload[at:] == _HALTS[:rest]:  # the padding of a first message: up to 8,160 of them
        return _HALTED, at + rest
    return _HALTED, at + len(HALT)


def _read_ping(_payload: memoryview, at: int) -> tuple[Message, int]:
    return _PINGED, at + len(PING)


_READERS: tuple[Reader, ...] = (_read_info, _read_freq, _read_file, _read_done, _read_halt, _read_ping)
