# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve the control socket: the agent's side of `muleteer.agent.control_client`, where the language is described.

Who may talk to the agent is decided by the file system: the socket has mode 0660. Still every client is a stranger:
a line, the number of clients, a pause in a request and the patience with a reader that does not read have limits.
The lock beside the socket tells a running agent from a stale socket, so that a second agent never steals the first
one's address; the new socket is bound under another name and renamed into place, so that a client finds the old one,
the new one, or nothing.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import stat
from dataclasses import asdict
from typing import TYPE_CHECKING, Protocol

import trio

from muleteer.agent.status import Line
from muleteer.errors import AgentRunning, ConfigError, MuleteerError, UsageError

if TYPE_CHECKING:
    from types import TracebackType

    from muleteer.agent.call_desk import Ticket
    from muleteer.agent.publisher import Watcher
    from muleteer.agent.status import Status
    from muleteer.spool.port import Disk, Lock

LINE_SIZE_MAX = 4096  # a request is a verb and at most a packet's name
CLIENTS_MAX = 16  # a panel, some shells; each costs a task and a descriptor
REQUEST_SECONDS = 60.0  # between two requests of one client
SEND_SECONDS = 10.0  # a watcher that does not read for so long is hung up on
PATH_SIZE_MAX = 100  # the kernel's limit is 107 with the final NUL; ".new" is appended while binding
SOCKET_MODE = 0o660


class Desk(Protocol):
    """Who answers the requests: the agent."""

    def status(self) -> Status:
        """Return the present status."""

    def watch(self) -> Watcher:
        """Return a watcher of it."""

    def toss(self) -> None:
        """Note that a toss is wanted."""

    async def why(self, packet: str) -> str:
        """Return why a packet has not moved."""

    def follow(self, neighbour: str, carrier: str | None) -> Ticket:
        """Return a ticket for a call that is about to be asked for. Raises UsageError, CallRefused."""

    async def call(self, ticket: Ticket, carrier: str | None) -> None:
        """Note that a call is wanted. Raises CallRefused."""


class ControlSocket:
    """The agent's address in the file system; ``with`` takes it and its lock, gives the listening socket, cleans up.

    Raises AgentRunning if another agent is alive at this address, ConfigError if the path cannot be a socket.
    """

    def __init__(self, path: str, disk: Disk) -> None:
        self._path = path
        self._disk = disk
        self._lock: Lock | None = None
        self._socket: socket.socket | None = None

    def __enter__(self) -> socket.socket:
        self._check_path()
        lock_path = self._path + ".lock"
        try:
            self._lock = self._disk.lock(lock_path)
        except BlockingIOError as error:
            raise AgentRunning(lock=lock_path, path=self._path) from error
        except OSError as error:
            raise self._refused(error) from error
        try:
            self._socket = self._bind()
        except OSError as error:
            self._lock.release()
            raise self._refused(error) from error
        return self._socket

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._socket is None or self._lock is None:
            return
        self._socket.close()
        with self._lock, contextlib.suppress(FileNotFoundError):  # somebody may have cleaned up before us
            self._disk.unlink(self._path)

    def _bind(self) -> socket.socket:
        new = self._path + ".new"
        if os.path.lexists(new):
            self._disk.unlink(new)  # a cut between bind and rename left it; we hold the lock
        bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            bound.bind(new)
            os.chmod(new, SOCKET_MODE)  # before listen: until then nobody can connect
            bound.listen(CLIENTS_MAX)
            self._disk.rename(new, self._path)
        except OSError:
            bound.close()
            raise
        return bound

    def _check_path(self) -> None:
        if len(os.fsencode(self._path)) > PATH_SIZE_MAX:
            raise self._refused(OSError(errno.ENAMETOOLONG, f"longer than {PATH_SIZE_MAX} bytes"))
        try:
            mode = os.lstat(self._path).st_mode
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._refused(error) from error
        if not stat.S_ISSOCK(mode):
            raise self._refused(OSError(errno.EEXIST, "something that is no socket is in its place"))

    def _refused(self, error: OSError) -> ConfigError:
        return ConfigError(
            where="muleteer.toml: agent.socket",
            problem=f"cannot serve at {self._path}: {error.strerror}",
            remedy="Name a short path in a directory that the agent may write to, such as /run/muleteer/agent.sock.",
        )


class ControlServer:
    """Answer clients on a listening socket until cancelled."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._clients = 0

    async def serve(self, listening: socket.socket) -> None:
        """Accept and answer; every client is a task of its own."""
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(listening))
        await trio.serve_listeners(self._client, [listener])

    async def _client(self, stream: trio.SocketStream) -> None:
        self._clients += 1
        try:
            async with stream:
                if self._clients > CLIENTS_MAX:
                    await _send(stream, _error_reply(UsageError(problem=f"more than {CLIENTS_MAX} clients")))
                else:
                    await self._converse(stream)
        finally:
            self._clients -= 1

    async def _converse(self, stream: trio.SocketStream) -> None:
        pending = b""
        while True:
            while b"\n" not in pending:
                if len(pending) > LINE_SIZE_MAX:
                    await _send(stream, _error_reply(UsageError(problem=f"a line above {LINE_SIZE_MAX} bytes")))
                    return
                more = b""
                with trio.move_on_after(REQUEST_SECONDS):
                    more = await _receive(stream)
                if not more:
                    return
                pending += more
            line, _, pending = pending.partition(b"\n")
            if not await self._answer(stream, line):
                return

    async def _answer(self, stream: trio.SocketStream, line: bytes) -> bool:
        """Answer one request; return whether the client is still there."""
        try:
            request = _parse(line)
            if request["verb"] == "watch":
                await self._watch(stream)
                return False
            if request["verb"] == "call":
                await self._call(stream, request)
                return False
            reply = await self._reply(request)
        except MuleteerError as error:
            reply = _error_reply(error)
        return await _send(stream, reply)

    async def _reply(self, request: dict[str, str]) -> bytes:
        match request["verb"]:
            case "status":
                return _status_reply(self._desk.status())
            case "why":
                return _reply(sentence=await self._desk.why(request.get("packet", "")))
            case "toss":
                self._desk.toss()
                return _reply(done=True)
        raise UsageError(problem="unknown verb: this agent knows status, watch, why, toss and call")

    async def _watch(self, stream: trio.SocketStream) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_until_hung_up, stream, nursery.cancel_scope)
            with self._desk.watch() as watcher:
                while await _send(stream, _status_reply(await watcher.next())):
                    pass
            nursery.cancel_scope.cancel()

    async def _call(self, stream: trio.SocketStream, request: dict[str, str]) -> None:
        """Ask for a call, and follow it to its end or until the client hangs up; the call goes on without it."""
        carrier = request.get("carrier") or None
        with self._desk.follow(request.get("node", ""), carrier) as ticket:
            await self._desk.call(ticket, carrier)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_until_hung_up, stream, nursery.cancel_scope)
                while isinstance(news := await ticket.next(), Line):
                    await _send(stream, _encoded({"line": asdict(news)}))
                await _send(stream, _encoded({"ended": asdict(news.summary), "carrier": news.carrier}))
                nursery.cancel_scope.cancel()


async def _until_hung_up(stream: trio.SocketStream, scope: trio.CancelScope) -> None:
    while await _receive(stream):
        pass  # a watcher has nothing more to ask
    scope.cancel()


async def _receive(stream: trio.SocketStream) -> bytes:
    """Return what came, or nothing when the client has hung up: an event, and none worth a line."""
    try:
        return bytes(await stream.receive_some(LINE_SIZE_MAX))
    except trio.BrokenResourceError:
        return b""


async def _send(stream: trio.SocketStream, reply: bytes) -> bool:
    """Send; return whether the client is still there and reads."""
    with trio.move_on_after(SEND_SECONDS):
        try:
            await stream.send_all(reply)
        except trio.BrokenResourceError:
            return False
        return True
    return False


def _parse(line: bytes) -> dict[str, str]:
    """Read one request: a flat JSON object of strings with a verb."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        request = None
    if not isinstance(request, dict) or not isinstance(request.get("verb"), str):
        raise UsageError(problem='a request is one JSON object a line, such as {"verb":"status"}')
    if not all(isinstance(value, str) for value in request.values()):
        raise UsageError(problem="the values of a request are strings")
    return request


def _status_reply(status: Status) -> bytes:
    return b'{"status":' + status.to_json().encode("utf-8", "backslashreplace") + b"}\n"


def _error_reply(error: MuleteerError) -> bytes:
    return _reply(error=str(error), code=error.exit_code)


def _reply(**fields: object) -> bytes:
    return _encoded(fields)


def _encoded(fields: dict[str, object]) -> bytes:
    return json.dumps(fields, default=lambda enum: enum.value).encode("utf-8", "backslashreplace") + b"\n"
