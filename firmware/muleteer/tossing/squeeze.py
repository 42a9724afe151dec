# SPDX-License-Identifier: GPL-3.0-or-later
"""The compressed body of an exec packet, made while it is sealed.

Compressing takes longer than everything after it together, so a large body is compressed in a thread of its own (one
thread: the library's own threads would take 90 MB).
"""

from __future__ import annotations

from muleteer.formats.zstd import CompressedInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from muleteer.tossing.channel import Channel

    Read = Callable[[memoryview], int]

THREAD_AFTER = 256 << 10
"""Bytes of the largest body that is compressed in passing; a thread costs more than it saves there."""

_PIECE = 256 << 10


class Squeezed:
    """What `read` yields, compressed: use :attr:`read` inside the ``with`` block."""

    def __init__(self, read: Read) -> None:
        self._raw = read
        self._channel: Channel | None = None
        self.read: Read = self._first

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.__exit__()

    def _first(self, view: memoryview) -> int:
        """Look at the beginning, choose how to go on, and go on."""
        begin = memoryview(bytearray(THREAD_AFTER))
        size = 0
        while size < len(begin) and (got := self._raw(begin[size:])):
            size += got
        compressed = CompressedInput(_after(begin[:size], self._raw))
        self.read = compressed if size < len(begin) else self._threaded(compressed)
        return self.read(view)

    def _threaded(self, compressed: Read) -> Read:
        from muleteer.tossing.channel import Channel  # threads only for large bodies

        self._channel = Channel(lambda channel: _pump(compressed, channel), _PIECE)
        return self._channel.__enter__().read

    def __call__(self, view: memoryview) -> int:
        """Fill the start of `view`; return how much, 0 at the end."""
        return self.read(view)


def _pump(read: Read, channel: Channel) -> None:
    ended = False
    while not ended:
        buffer, filled = channel.take(), 0
        while filled < len(buffer):
            got = read(buffer[filled:])
            ended = not got
            if ended:
                break
            filled += got
        channel.give(buffer[:filled])


def _after(begin: memoryview, read: Read) -> Read:
    """Return a `read` that yields `begin` and then what `read` yields."""
    rest = [begin]

    def joined(view: memoryview) -> int:
        if not rest[0]:
            return read(view)
        size = min(len(view), len(rest[0]))
        view[:size] = rest[0][:size]
        rest[0] = rest[0][size:]
        return size

    return joined
