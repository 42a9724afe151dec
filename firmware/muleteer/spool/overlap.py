# SPDX-License-Identifier: GPL-3.0-or-later
"""One worker thread that hashes and writes what the caller has sealed, while the caller seals the next part.

Imported only for large drafts. At most BUFFERS buffers are in flight: a slow disk makes the caller wait in
:meth:`Overlap.take`, so memory stays flat whatever the sizes.
"""

from __future__ import annotations

import queue
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

BUFFERS = 3


class Overlap:
    """Calls ``consume`` for each given view, in order, in a thread of its own.

    The first exception of ``consume`` (a failing disk) is raised by the next call here, in the caller's thread; what
    is given afterwards is dropped.
    """

    def __init__(self, consume: Callable[[memoryview], None], buffer_size: int) -> None:
        self._consume = consume
        self._buffer_size = buffer_size
        self._free: queue.SimpleQueue[bytearray] = queue.SimpleQueue()
        self._filled: queue.SimpleQueue[memoryview | None] = queue.SimpleQueue()
        self._buffers = 1  # the one in the caller's hand when it starts us
        self._failure: BaseException | None = None
        self._abandoned = False
        self._thread = threading.Thread(target=self._run, name="draft", daemon=True)
        self._thread.start()

    def take(self) -> memoryview:
        """Lend an empty buffer, waiting for one if all are in flight."""
        self._raise()
        if self._buffers < BUFFERS and self._free.empty():
            self._buffers += 1
            return memoryview(bytearray(self._buffer_size))
        return memoryview(self._free.get())

    def give(self, view: memoryview) -> None:
        """Queue the filled part of a lent buffer."""
        self._raise()
        self._filled.put(view)

    def finish(self) -> None:
        """Wait until everything given is consumed, and end the thread."""
        self._filled.put(None)
        self._thread.join()
        self._raise()

    def abandon(self) -> None:
        """End the thread without consuming what still waits."""
        self._abandoned = True
        self._filled.put(None)
        self._thread.join()

    def _raise(self) -> None:
        if self._failure:
            raise self._failure

    def _run(self) -> None:
        while (view := self._filled.get()) is not None:
            if not self._failure and not self._abandoned:
                try:
                    self._consume(view)
                except BaseException as error:  # noqa: BLE001 - not swallowed: raised again in the caller's thread
                    self._failure = error
            if isinstance(view.obj, bytearray):
                self._free.put(view.obj)
