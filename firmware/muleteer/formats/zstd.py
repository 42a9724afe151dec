# SPDX-License-Identifier: GPL-3.0-or-later
"""Zstandard streams, as the bodies of exec packets.

One rule of NNCP's lives here: empty input becomes an empty payload, not an empty frame, and back.

What a peer compressed is hostile. Four bytes of it can stand for 128 KiB, so output leaves in pieces of bounded size;
and a frame may ask for a window (the decoder's memory) of gigabytes, so larger windows than any NNCP uses are refused.
"""

from __future__ import annotations

from muleteer.errors import BadEncoding, TruncatedPacket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    Buffer: TypeAlias = bytes | bytearray | memoryview

LEVEL = 3
WINDOW_LOG = 22
MIN_MATCH = 6
"""The default level of every zstd, with two changes that cost no time and bring its output to the reference's size.

The reference's encoder looks back 8 MiB, level 3 only 2, here it is 4 (8 would take the process past 32 MiB). And level
3 takes matches of five bytes, which in logs full of numbers push out better ones. Sizes over the reference's, by plain
level 3 and so: logs 1.01 and 0.995, package lists 1.01 and 0.98, programs 1.025 and 1.01, manuals 1.11 and 1.045.
"""

WINDOW_MAX = 8 << 20
"""Bytes of the largest accepted window: what RFC 8878 tells encoders to expect, and the reference's own."""

PIECE = 131072
"""Bytes of the largest piece of output."""


class Compressor:
    """Compresses a stream into one frame with a checksum."""

    def __init__(self, level: int = LEVEL) -> None:
        import zstandard  # 10 ms, for exec packets only

        how = zstandard.ZstdCompressionParameters.from_level(
            level, window_log=WINDOW_LOG, min_match=MIN_MATCH, write_checksum=True
        )
        self._frame = zstandard.ZstdCompressor(compression_params=how).compressobj()
        self._begun = False

    def push(self, data: Buffer) -> bytes:
        """Take the next input and return the output that is ready, often none."""
        self._begun = self._begun or len(data) > 0
        return self._frame.compress(data)

    def finish(self) -> bytes:
        """Return the last output; nothing if there was no input at all."""
        return self._frame.flush() if self._begun else b""


class CompressedInput:
    """Compresses what `read` yields, itself in the shape of a ``read(view) -> count``, for a `Sealer`.

    Uses 128 KiB of input at a time, and holds what one of those became.
    """

    def __init__(self, read: Callable[[memoryview], int], level: int = LEVEL) -> None:
        self._read = read
        self._frame = Compressor(level)
        self._input = memoryview(bytearray(PIECE))
        self._ready = memoryview(b"")
        self._ended = False

    def __call__(self, view: memoryview) -> int:
        """Fill the start of `view`; return how much, 0 at the end."""
        while not self._ready and not self._ended:
            got = self._read(self._input)
            self._ended = not got
            self._ready = memoryview(self._frame.push(self._input[:got]) if got else self._frame.finish())
        size = min(len(view), len(self._ready))
        view[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size


class Decompressor:
    """Decompresses a stream of frames into `sink`, which gets pieces of at most `PIECE` bytes."""

    def __init__(self, sink: Callable[[bytes], None]) -> None:
        import zstandard  # see above

        self._error = zstandard.ZstdError
        decompressor = zstandard.ZstdDecompressor(max_window_size=WINDOW_MAX)
        self._frames = decompressor.stream_writer(
            _Writer(sink),  # type: ignore[arg-type]  # it calls nothing but write
            write_size=PIECE,
            write_return_read=True,
            closefd=False,
        )
        self._walk = _Walk()

    def push(self, data: Buffer) -> None:
        """Take the next input; raises BadEncoding if it is not zstd, damaged, or asks for too much memory."""
        self._walk.push(data)
        try:
            self._frames.write(data)
        except self._error as wrong:
            raise BadEncoding(problem=f"the body does not decompress ({wrong})") from wrong

    def finish(self) -> None:
        """Require that the last frame was complete (no input at all is); raises TruncatedPacket."""
        if not self._walk.complete:
            raise TruncatedPacket(problem="the compressed body is cut short")


class _Writer:
    def __init__(self, sink: Callable[[bytes], None]) -> None:
        self._sink = sink

    def write(self, data: bytes) -> int:
        self._sink(data)
        return len(data)


_FRAME = b"\x28\xb5\x2f\xfd"
_WINDOW_BYTES = (1, 0)  # by the "single segment" flag
_DICTIONARY_BYTES = (0, 1, 2, 4)
_CONTENT_SIZE_BYTES = (0, 2, 4, 8)


class _Walk:
    """Follows the structure of frames (RFC 8878, section 3.1) to know whether the input ends after one.

    The library does not tell, and a body that was cut must not reach a program as if it were whole. Only lengths are
    read here; the library judges everything else.
    """

    def __init__(self) -> None:
        self._head = b""  # of a header that has not arrived completely
        self._skip = 0  # bytes of content until the next header
        self._checksum = 0  # bytes after the last block
        self._next = self._frame_header

    @property
    def complete(self) -> bool:
        """True between frames, and before the first."""
        return not self._head and not self._skip and self._next == self._frame_header

    def push(self, data: Buffer) -> None:
        view = memoryview(data)
        while view:
            if self._skip:
                step = min(self._skip, len(view))
                self._skip -= step
                view = view[step:]
                continue
            # Byte by byte: a header has at most 18 bytes, and a block up to 128 KiB follows it.
            self._head += bytes(view[:1])
            view = view[1:]
            if self._next(self._head):
                self._head = b""

    def _frame_header(self, head: bytes) -> bool:
        """Take a frame's header if it is whole, and set what follows."""
        if len(head) < 5:
            return False
        if head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50:  # a skippable frame: magic, size, content
            if len(head) < 8:
                return False
            self._skip = int.from_bytes(head[4:8], "little")
            return True
        flags = head[4]
        single = flags >> 5 & 1
        content = _CONTENT_SIZE_BYTES[flags >> 6] or single
        if len(head) < 5 + _WINDOW_BYTES[single] + _DICTIONARY_BYTES[flags & 3] + content:
            return False
        self._checksum = 4 * (flags >> 2 & 1)
        self._next = self._block_header
        return True

    def _block_header(self, head: bytes) -> bool:
        if len(head) < 3:
            return False
        bits = int.from_bytes(head, "little")
        repeated = bits >> 1 & 3 == 1
        self._skip = 1 if repeated else bits >> 3
        if bits & 1:
            self._skip += self._checksum
            self._next = self._frame_header
        return True
