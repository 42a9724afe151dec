# SPDX-License-Identifier: GPL-3.0-or-later
"""The envelope of a message online: an 8-byte magic, a 4-byte length, a Noise message, zeros to a multiple of four."""

from __future__ import annotations

from struct import Struct

from muleteer.errors import BadFrame
from muleteer.formats.magic import SYNC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Buffer: TypeAlias = bytes | bytearray | memoryview

HEAD_SIZE = 12
"""Bytes of magic and length."""

MESSAGE_MAX = 131072
"""Bytes of a Noise message that are taken: the reference's limit; nobody sends more than half of it."""

_HEAD = Struct(">8sI")
_NOTHING = memoryview(b"")


def frame_size(message_size: int) -> int:
    """Return the bytes on the wire of a Noise message of so many bytes."""
    return HEAD_SIZE + message_size + -message_size % 4


def close_frame(out: memoryview, message_size: int) -> int:
    """Put head and padding around the message that stands in `out` after HEAD_SIZE bytes; return the frame's bytes."""
    _HEAD.pack_into(out, 0, SYNC, message_size)
    size = frame_size(message_size)
    end = HEAD_SIZE + message_size
    if size > end:
        out[end:size] = bytes(size - end)
    return size


class FrameReader:
    """Cuts a stream into Noise messages; whole frames are not copied, one that comes in pieces is collected.

    Holds at most one frame that is not whole (see `keep` for the exception).
    """

    __slots__ = ("_at", "_input", "_piece")

    def __init__(self) -> None:
        self._piece = bytearray()
        self._input = _NOTHING
        self._at = 0

    @property
    def held(self) -> int:
        """Bytes that were fed and not yet given out."""
        return len(self._piece) + len(self._input) - self._at

    @property
    def has_piece(self) -> bool:
        """A frame has begun and is not whole."""
        return bool(self._piece)

    def feed(self, data: Buffer) -> None:
        """Lend bytes: they are used until `next` returns None, or `keep` is called."""
        left = self._input[self._at :]
        self._input = memoryview(bytes(left) + bytes(data)) if left else memoryview(data)
        self._at = 0

    def keep(self) -> None:
        """Copy what was fed and is not given out, so that its owner can use the buffer again."""
        self._input = memoryview(bytes(self._input[self._at :]))
        self._at = 0

    def next(self) -> memoryview | None:
        """Return the next whole message, valid until the next call of any method; None if there is none.

        Raises BadFrame for what is no frame.
        """
        if self._piece:
            return self._completed()
        start, left = self._at, len(self._input) - self._at
        if left >= HEAD_SIZE:
            size = self._message_size(self._input, start)
            whole = frame_size(size)
            if left >= whole:
                self._at += whole
                start += HEAD_SIZE
                return self._input[start : start + size]
        self._piece += self._input[start:]
        self._input, self._at = _NOTHING, 0
        return None

    def _completed(self) -> memoryview | None:
        self._top_up(HEAD_SIZE)
        if len(self._piece) < HEAD_SIZE:
            return None
        size = self._message_size(self._piece, 0)
        self._top_up(frame_size(size))
        if len(self._piece) < frame_size(size):
            return None
        frame, self._piece = self._piece, bytearray()
        return memoryview(frame)[HEAD_SIZE : HEAD_SIZE + size]

    def _top_up(self, size: int) -> None:
        missing = size - len(self._piece)
        if missing > 0:
            taken = self._input[self._at : self._at + missing]
            self._piece += taken
            self._at += len(taken)

    @staticmethod
    def _message_size(buffer: Buffer, at: int) -> int:
        magic, size = _HEAD.unpack_from(buffer, at)
        if magic != SYNC:
            raise BadFrame(problem="it does not begin as the online protocol does")
        if size > MESSAGE_MAX:
            raise BadFrame(problem=f"a message of {size} bytes, more than {MESSAGE_MAX}")
        return int(size)
