# SPDX-License-Identifier: GPL-3.0-or-later
"""Talk to a running agent over its unix socket: synchronous, for the panel and the command line.

The language is one JSON object a line. Requests: ``{"verb": "status"}``, ``{"verb": "watch"}``,
``{"verb": "why", "packet": NAME}``, ``{"verb": "toss"}``, ``{"verb": "call", "node": NAME, "carrier": NAME}`` (the
carrier may be left out). Replies: ``{"status": {...}}`` (after ``watch``: one line a change, the newest only, until
somebody hangs up), ``{"sentence": "..."}``, ``{"done": true}``, or ``{"error": "...", "code": N}`` with the exit code
of the error's class. After ``call``: ``{"line": {...}}`` at every change of the neighbour's line, and at last
``{"ended": {...}, "carrier": NAME}``, after which the agent hangs up.
"""

from __future__ import annotations

import json
import socket
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

from muleteer.agent.status import Line, SessionSummary, Status
from muleteer.errors import AgentRefused, AgentUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

T = TypeVar("T")

REPLY_SIZE_MAX = 4 << 20  # a status is some kilobytes; a peer that sends more is no agent
ANSWER_SECONDS = 30.0  # a "why" may have to list a spool of 50,000 packets from a cold card


class ControlClient:
    """One connection to the agent at `path`; `open` (or ``with``) connects.

    Every method raises AgentUnreachable when nobody answers, and AgentRefused with the agent's own words when it
    says no.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._socket: socket.socket | None = None
        self._pending = b""

    def open(self) -> None:
        """Connect."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(ANSWER_SECONDS)
        try:
            connection.connect(self._path)
        except OSError as error:
            connection.close()
            raise AgentUnreachable(path=self._path, problem=error.strerror or str(error)) from error
        self._socket = connection

    def close(self) -> None:
        """Hang up; a second time does nothing."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            self._pending = b""

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def fileno(self) -> int:
        """Return the descriptor, to wait on together with others."""
        return self._connected().fileno()

    def status(self) -> Status:
        """Ask for the present status."""
        return self._parsed(self._ask({"verb": "status"}))

    def why(self, packet: str) -> str:
        """Ask why a packet (its name or the beginning of it) has not moved."""
        return str(self._ask({"verb": "why", "packet": packet}).get("sentence", ""))

    def toss(self) -> None:
        """Ask for a toss now; returns when the agent has noted it, not when it is done."""
        self._ask({"verb": "toss"})

    def call(self, node: str, carrier: str | None = None) -> Iterator[Line | tuple[str, SessionSummary]]:
        """Ask for a call now; yield the neighbour's line at every change, and last the carrier and how it ended."""
        request = {"verb": "call", "node": node}
        self._say(request if carrier is None else {**request, "carrier": carrier})
        connection = self._connected()
        connection.settimeout(None)  # a session may be quiet for long, and last for days
        while "line" in (reply := self._reply()):
            yield self._spoken(partial(Line.from_raw, reply["line"]))
        yield str(reply.get("carrier", "")), self._spoken(lambda: SessionSummary(**reply["ended"]))

    def start_watch(self) -> None:
        """Ask for every change from now on; take them by `next_status`."""
        self._say({"verb": "watch"})

    def next_status(self, timeout: float | None = None) -> Status | None:
        """Wait up to `timeout` seconds (None: for ever) for the next change; None if there was none."""
        connection = self._connected()
        connection.settimeout(timeout)
        try:
            return self._parsed(self._reply())
        except TimeoutError:
            return None
        finally:
            connection.settimeout(ANSWER_SECONDS)

    def watch(self) -> Iterator[Status]:
        """Yield the present status and then every change, until the agent goes (AgentUnreachable)."""
        self.start_watch()
        while True:
            status = self.next_status()
            if status is not None:
                yield status

    def _connected(self) -> socket.socket:
        if self._socket is None:
            raise AgentUnreachable(path=self._path, problem="not connected")
        return self._socket

    def _say(self, request: dict[str, str]) -> None:
        try:
            self._connected().sendall(json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise AgentUnreachable(path=self._path, problem=error.strerror or str(error)) from error

    def _ask(self, request: dict[str, str]) -> dict[str, Any]:
        self._say(request)
        try:
            return self._reply()
        except TimeoutError as error:
            raise AgentUnreachable(path=self._path, problem=f"no answer within {ANSWER_SECONDS:.0f} s") from error

    def _parsed(self, reply: dict[str, Any]) -> Status:
        return self._spoken(lambda: Status.from_json(json.dumps(reply["status"])))

    def _spoken(self, parse: Callable[[], T]) -> T:
        try:
            return parse()
        except (KeyError, TypeError, ValueError) as error:
            raise AgentUnreachable(path=self._path, problem="it speaks another language, of another version") from error

    def _reply(self) -> dict[str, Any]:
        try:
            line = self._line()
        except TimeoutError:
            raise
        except OSError as error:
            raise AgentUnreachable(path=self._path, problem=error.strerror or str(error)) from error
        try:
            reply = json.loads(line)
        except ValueError as error:
            raise AgentUnreachable(path=self._path, problem="its answer is no JSON") from error
        if not isinstance(reply, dict):
            raise AgentUnreachable(path=self._path, problem="its answer is no JSON object")
        if "error" in reply:
            raise AgentRefused(problem=reply["error"], code=reply.get("code", 1))
        return reply

    def _line(self) -> bytes:
        while b"\n" not in self._pending:
            if len(self._pending) > REPLY_SIZE_MAX:
                raise AgentUnreachable(path=self._path, problem=f"its answer is longer than {REPLY_SIZE_MAX} bytes")
            more = self._connected().recv(65536)
            if not more:
                raise AgentUnreachable(path=self._path, problem="it hung up")
            self._pending += more
        line, _, self._pending = self._pending.partition(b"\n")
        return line
