# SPDX-License-Identifier: GPL-3.0-or-later
"""The one loop that moves bytes between a link and an exchange.

Theory of operation: each turn asks the exchange for output if none is left over, waits until the link can take or give
bytes (or the exchange's deadline comes, or somebody wants us to stop), and moves what it can. When input runs dry, the
exchange may settle what arrived (one group commit for many small packets), and only then do we sleep. The loop knows no
rules of the protocol; it adds one of its own: a peer that takes no byte for `SILENT_WRITE_SECONDS` is given up.

A session in which nothing is said any more ends, but what the kernel still holds for a slow line is being said: when a
deadline comes and the link has a backlog, the exchange is told to linger.

Buffers begin small, because each of a hundred strangers on a listener has a pair, and grow when they prove too small.
"""

from __future__ import annotations

import _socket
import select
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.carriers.exchange import Exchange
    from muleteer.carriers.link import Link
    from muleteer.carriers.online import SessionReport

BUFFER_MIN = 136 << 10
"""Bytes of a buffer at first: two of the longest frames and a little."""
BUFFER_MAX = 544 << 10
"""Bytes of a buffer that was full: eight of the longest frames and a little."""
SILENT_WRITE_SECONDS = 10.0
"""How long a peer may take no byte while there is something to send."""

_POLL_MS_MAX = 3_600_000


class WakeFlag:
    """Something to stop or wake a loop by, from any thread or signal handler."""

    def __init__(self) -> None:
        self._reader, self._writer = _socket.socketpair()
        for end in (self._reader, self._writer):
            end.setblocking(False)
        self.is_set = False

    def set(self) -> None:
        """Wake whoever waits on this, now and until `clear`."""
        self.is_set = True
        try:
            self._writer.send(b"!")
        except OSError:  # it is full of earlier words, or closed
            return

    def clear(self) -> None:
        """Be ready to be set again; for the one who waits."""
        self.is_set = False
        try:
            self._reader.recv(4096)
        except BlockingIOError:
            return

    def fileno(self) -> int:
        """Return the descriptor that is readable once the flag is set."""
        return self._reader.fileno()

    def close(self) -> None:
        """Give the descriptors back; nobody may wait on it any more."""
        self.is_set = True
        self._reader.close()
        self._writer.close()


def run(
    link: Link,
    exchange: Exchange,
    stop: WakeFlag | None = None,
    *,
    began: Callable[[], None] | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> SessionReport:
    """Open an exchange, carry it to its end over a link, and return its report. Both are finished with at the end.

    `began` is called once, as soon as the other side has proven who it is; `stop` ends the session early, between two
    moves. A broken link is the end of the stream. What ``exchange.open`` raises (SpoolLocked, ...) passes through.

    Checks that outlast the session are finished without the link, until `stop`.
    """
    if stop is not None:
        exchange.is_hurried = lambda: stop.is_set
    try:
        try:
            exchange.open(monotonic())
            _Stream(link, exchange, stop, began, monotonic).run()
            if exchange.is_checking:
                link.close()  # nothing is said any more: the line may be dear, and its other end waits
        finally:
            exchange.finish(monotonic())
    finally:
        link.close()
    return exchange.report


class _Stream:
    """The state of one loop."""

    def __init__(
        self,
        link: Link,
        exchange: Exchange,
        stop: WakeFlag | None,
        began: Callable[[], None] | None,
        monotonic: Callable[[], float],
    ) -> None:
        self._link = link
        self._exchange = exchange
        self._stop = stop
        self._began = began
        self._monotonic = monotonic
        self._in = memoryview(bytearray(BUFFER_MIN))
        self._out = memoryview(bytearray(BUFFER_MIN))
        self._rest = self._out[:0]  # what the link did not take yet
        self._stalled_at = 0.0
        self._is_unsettled = False
        self._has_flowed = False  # all that was to be sent went at once: there may be more
        self._poll = select.poll()
        self._events: dict[int, int] = {}
        if stop is not None:
            self._poll.register(stop.fileno(), select.POLLIN)

    def run(self) -> None:
        exchange = self._exchange
        while not exchange.closed:
            now = self._monotonic()
            if self._stop is not None and self._stop.is_set:
                exchange.close("asked", now)
                return
            deadline = exchange.deadline()
            if deadline is not None and now >= deadline:
                if self._link.backlog():
                    exchange.linger(now)
                exchange.on_deadline(now)
            self._fill(now)
            if not exchange.closed:
                self._move(now)
            if self._began is not None and exchange.established:
                self._began()
                self._began = None

    def _fill(self, now: float) -> None:
        """Have something to send, if there is anything."""
        self._has_flowed = False
        if self._rest:
            return
        count = self._exchange.to_send(self._out, now)
        if count:
            self._rest = self._out[:count]
            self._stalled_at = now + SILENT_WRITE_SECONDS
            self._send(now)  # most often there is room: ask poll only if there is none
            self._has_flowed = not self._rest

    def _move(self, now: float) -> None:
        """Wait until bytes can be moved, and move them."""
        ready = self._wait(now)
        if not ready and self._is_unsettled:
            self._is_unsettled = False
            self._exchange.settle(now)
            return  # settling confirms: there is something to send
        now = self._monotonic()
        if ready.get(self._link.readable_fd, 0) & ~select.POLLOUT:
            self._receive(now)
        if self._rest and not self._exchange.closed:
            if ready.get(self._link.writable_fd, 0) & ~select.POLLIN:
                self._send(now)
            if self._rest and now >= self._stalled_at:
                self._exchange.close("silence", now)

    def _wait(self, now: float) -> dict[int, int]:
        """Return what poll says, at once if there may be something else to do than to wait."""
        wanted = {self._link.readable_fd: select.POLLIN} if self._exchange.hungry else {}
        if self._rest:
            fd = self._link.writable_fd
            wanted[fd] = wanted.get(fd, 0) | select.POLLOUT
        if wanted != self._events:
            for fd in self._events.keys() - wanted.keys():
                self._poll.unregister(fd)
            for fd, events in wanted.items():
                self._poll.register(fd, events)
            self._events = wanted
        return dict(self._poll.poll(0 if self._is_unsettled or self._has_flowed else self._patience(now)))

    def _patience(self, now: float) -> int | None:
        """Return how many milliseconds nothing will be due; rounded up, so that it is due then."""
        deadlines = [self._exchange.deadline(), self._stalled_at if self._rest else None]
        nearest = min((at for at in deadlines if at is not None), default=None)
        return None if nearest is None else min(max(0, int((nearest - now) * 1000) + 1), _POLL_MS_MAX)

    def _receive(self, now: float) -> None:
        try:
            count = self._link.recv_into(self._in)
        except BlockingIOError:
            return
        except OSError:  # reset by the other side, or the line is gone: to the exchange that is all the same
            count = 0
        if not count:
            self._exchange.eof(now)
            return
        self._is_unsettled = True
        self._exchange.receive(self._in[:count], now)
        if count == len(self._in) < BUFFER_MAX:
            self._in = memoryview(bytearray(BUFFER_MAX))

    def _send(self, now: float) -> None:
        try:
            count = self._link.send(self._rest)
        except BlockingIOError:
            return
        except OSError:
            self._exchange.eof(now)
            return
        self._stalled_at = now + SILENT_WRITE_SECONDS
        self._rest = self._rest[count:]
        if not self._rest and len(self._out) < BUFFER_MAX and self._is_worth_more(count):
            self._out = memoryview(bytearray(BUFFER_MAX))
            self._rest = self._out[:0]

    def _is_worth_more(self, count: int) -> bool:
        """Whether the output buffer, just emptied by `count` bytes, was full."""
        return self._exchange.established and count > len(self._out) // 2
