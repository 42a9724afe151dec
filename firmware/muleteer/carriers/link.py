# SPDX-License-Identifier: GPL-3.0-or-later
"""A link: an open duplex byte stream to one peer, whatever it is made of. Nothing here waits; `stream` does.

`_socket` is the C half of `socket`, whose other half costs 10 ms to import and adds nothing that is needed here.
"""

from __future__ import annotations

import fcntl
import posix as os  # os itself takes 0.8 ms to import
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket as Socket  # noqa: N812 - it is a class
    from typing import Protocol

    class Link(Protocol):
        """What the byte-moving loop asks of a link.

        `name` is the peer's address as people read it. The descriptors are for poll(2) and may be the same one.
        """

        name: str
        readable_fd: int
        writable_fd: int

        def recv_into(self, view: memoryview) -> int:
            """Fill the beginning of `view` with what came; 0 at the end of the stream.

            Raises BlockingIOError if nothing is there, another OSError if the link broke.
            """

        def send(self, view: memoryview) -> int:
            """Hand over the beginning of `view`; return how many bytes.

            Raises BlockingIOError if nothing can be taken now, another OSError if the link broke.
            """

        def backlog(self) -> int:
            """Return how many bytes were handed over and have not reached the peer, as far as is known."""

        def close(self) -> None:
            """End it; may be repeated. May wait for what stands behind it (a child process, 10 s at most)."""


_SHUT_RDWR = 2
_SIOCOUTQ = 0x5411  # sockios.h; the number of TIOCOUTQ


class SocketLink:
    """A connected stream socket, which becomes non-blocking and ours to close."""

    def __init__(self, sock: Socket, name: str) -> None:
        sock.setblocking(False)
        self._socket = sock
        self.name = name
        self.readable_fd = self.writable_fd = sock.fileno()
        self.recv_into = sock.recv_into
        self.send = sock.send

    def backlog(self) -> int:
        """Return how many bytes the peer has not acknowledged."""
        return _unacknowledged(self._socket.fileno())

    def hang_up(self) -> None:
        """End the stream both ways, for whoever reads it in another thread; the link is still to be closed."""
        try:
            self._socket.shutdown(_SHUT_RDWR)
        except OSError:  # it ended already
            return

    def close(self) -> None:
        """Close the socket; what was sent is still delivered by the kernel."""
        self._socket.close()


class FdLink:
    """Two descriptors, one to read from and one to write to; or one socket given twice.

    They are set non-blocking, which whoever shares them (our parent, say) notices: `close` sets them back as they were.
    """

    def __init__(self, reader: int, writer: int, name: str) -> None:
        self.name = name
        self.readable_fd = reader
        self.writable_fd = writer
        self._blocking = [(fd, os.get_blocking(fd)) for fd in (reader, writer)]
        for fd in (reader, writer):
            os.set_blocking(fd, False)

    def recv_into(self, view: memoryview) -> int:
        """Fill the beginning of `view`; 0 at the end. Raises BlockingIOError or another OSError."""
        return os.readv(self.readable_fd, (view,))

    def send(self, view: memoryview) -> int:
        """Hand over the beginning of `view`. Raises BlockingIOError or another OSError."""
        return os.write(self.writable_fd, view)

    def backlog(self) -> int:
        """Return how many bytes the peer has not acknowledged, if this is a socket; a pipe does not tell."""
        return _unacknowledged(self.writable_fd)

    def close(self) -> None:
        """Close both descriptors; may be repeated."""
        blocking, self._blocking = self._blocking, []
        for fd, was_blocking in blocking:
            os.set_blocking(fd, was_blocking)
        for fd in {fd for fd, _ in blocking}:
            os.close(fd)


def _unacknowledged(fd: int) -> int:
    count = bytearray(4)
    try:
        fcntl.ioctl(fd, _SIOCOUTQ, count)
    except OSError:
        return 0
    return int.from_bytes(count, sys.byteorder)
