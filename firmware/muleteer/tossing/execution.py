# SPDX-License-Identifier: GPL-3.0-or-later
"""Exec packets: the owner's program runs with a proven body on its standard input.

A small body is kept in memory until the packet is proven. A large one is opened twice, from the same open file: first
only to prove it, then, each block authenticated once more, into the program. Nothing is stored in between, and the
memory stays flat whatever a compressed body grows to.

The program gets the configured argument list plus the packet's arguments; of the environment exactly NNCP_SELF,
NNCP_SENDER (ids), NNCP_NICE (of the reply) and PATH (the reference sets none; programs of today expect one). Its
working directory is ours, as in the reference.
"""

from __future__ import annotations

from muleteer.errors import HandleFailed, UnknownHandle
from muleteer.formats.packet import EXEC, split_exec_path
from muleteer.formats.safename import show
from muleteer.tossing.deliveries import Delivery

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from muleteer.formats.packet import PlainHeader
    from muleteer.tossing.deliveries import Desk
    from muleteer.tossing.job import Job

    Buffer: TypeAlias = bytes | bytearray | memoryview
    Feed: TypeAlias = Callable[[Buffer], None]

BODY_MAX = 1 << 20
"""Bytes of the largest body kept in memory."""


class ExecDelivery(Delivery):
    """One call of a program."""

    def __init__(self, job: Job, header: PlainHeader, desk: Desk) -> None:
        super().__init__(job, desk)
        self._output = b""
        self._compressed = header.kind == EXEC
        self._nice = header.nice
        handle, self._args = split_exec_path(header.path)
        self._handle = handle.decode("utf-8", "surrogateescape")
        self._body: bytearray | None = bytearray()
        words = " ".join(word.decode("utf-8", "surrogateescape") for word in (handle, *self._args))
        job.subject.target = show(words)
        self._argv = job.neighbour.exec.get(self._handle)
        if not self._argv:
            raise UnknownHandle(sender=job.neighbour.name, handle=self._handle)

    def write(self, view: memoryview) -> None:
        """Keep the body while it is small."""
        if self._body is None:
            return
        if len(self._body) + len(view) > BODY_MAX:
            self._body = None
        else:
            self._body += view

    def complete(self) -> None:
        """Run the program. Raises HandleFailed unless it exits with 0, PeerError if the body does not decompress."""
        from muleteer.tossing.handles import run  # subprocess costs 15 ms

        argv: list[str | bytes] = [*(self._argv or ()), *self._args]
        outcome = run(argv, self._environ(), self._feed_body, seconds=self._desk.options.time_limit_s)
        if outcome.problem:
            raise HandleFailed(handle=self._handle, problem=outcome.problem, output=outcome.output)
        self._output = outcome.output

    def finish(self) -> None:
        """Log and mail; the packet goes first, lest a slow mailer and a power cut make the program run twice."""
        super().finish()
        node = self._job.neighbour.name
        mail = self._desk.config.notify.for_exec(node, self._handle)
        self._desk.notify(self._job, mail, f"Exec from {node}: {self._job.subject.target}", self._output)

    def discard(self) -> None:
        """Forget the body."""
        self._body = None

    def _environ(self) -> dict[str, str]:
        return {
            "NNCP_SELF": str(self._desk.own.id),
            "NNCP_SENDER": str(self._job.neighbour.id),
            "NNCP_NICE": str(self._nice),
            "PATH": self._desk.options.path,
        }

    def _feed_body(self, feed: Feed) -> None:
        if not self._compressed:
            self._pour(feed)
            return
        from muleteer.formats.zstd import Decompressor  # 10 ms

        decompressor = Decompressor(feed)
        self._pour(decompressor.push)
        decompressor.finish()

    def _pour(self, sink: Feed) -> None:
        if self._body is None:
            self._job.again(sink)
        elif self._body:
            sink(self._body)
