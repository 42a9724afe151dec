# SPDX-License-Identifier: GPL-3.0-or-later
"""A bounded pipe inside the process: what one thread produces, another reads.

Used where two things that both want to drive have to meet: a sealer pulls its input, while an inner sealer, an opener
or a compressor pushes its output. Imported only then.
"""

from __future__ import annotations

import queue
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

BUFFERS = 2
"""Buffers in flight: one is filled while the other is read."""


class _AbandonedError(Exception):
    """The reader went away; ends the producer's thread."""


class Channel:
    """Runs ``produce(channel)`` in a thread; it calls `take` and `give`, the owner calls `read`, until 0 comes.

    What `produce` raises is raised by `read` in the owner's thread. Leaving the ``with`` block ends the thread.
    """

    def __init__(self, produce: Callable[[Channel], object], buffer_size: int) -> None:
        self._buffer_size = buffer_size
        self._free: queue.SimpleQueue[bytearray | None] = queue.SimpleQueue()
        self._filled: queue.SimpleQueue[memoryview | None] = queue.SimpleQueue()
        self._made = 0
        self._head = memoryview(b"")
        self._failure: BaseException | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._run, args=(produce,), name="channel", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._free.put(None)
        self._thread.join()

    def take(self) -> memoryview:
        """Lend the producer a buffer."""
        if self._made < BUFFERS and self._free.empty():
            self._made += 1
            return memoryview(bytearray(self._buffer_size))
        buffer = self._free.get()
        if buffer is None:
            raise _AbandonedError
        return memoryview(buffer)

    def give(self, view: memoryview) -> None:
        """Take a filled part of the lent buffer from the producer."""
        if view:
            self._filled.put(view)
        elif isinstance(view.obj, bytearray):  # nothing to read: no reader would ever set the buffer free
            self._free.put(view.obj)

    def read(self, view: memoryview) -> int:
        """Fill the start of `view`; return how much, 0 at the end. Raises what the producer raised."""
        if not self._head and not self._next():
            return 0
        size = min(len(view), len(self._head))
        view[:size] = self._head[:size]
        rest = self._head[size:]
        if not rest and isinstance(self._head.obj, bytearray):
            self._free.put(self._head.obj)
        self._head = rest
        return size

    def _next(self) -> bool:
        if not self._ended:
            head = self._filled.get()
            if head is not None:
                self._head = head
                return True
            self._ended = True
        if self._failure is not None:
            raise self._failure
        return False

    def _run(self, produce: Callable[[Channel], object]) -> None:
        try:
            produce(self)
        except _AbandonedError:
            pass
        except BaseException as error:  # noqa: BLE001 - not swallowed: raised again in the reader's thread
            self._failure = error
        self._filled.put(None)
