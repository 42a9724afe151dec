# SPDX-License-Identifier: GPL-3.0-or-later
"""Running programs for packets: exec handles and the mailer.

Theory of operation: one thread feeds the program's standard input and drains its output by turns, whichever is ready,
so that neither side can block the other for ever. Each program gets a process group of its own; when its time is up,
when its input turns out to be damaged, or when we are interrupted, the whole group is killed. The end of input is
only ever shown to a program whose input is complete.

A program that does not read its input to the end is within its rights: what counts is its exit status. Output (both
streams together) is kept up to `OUTPUT_MAX` bytes: its beginning and its end. Once the program itself has ended, what
it left behind in the background is not waited for.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import subprocess
import time

from muleteer.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeAlias

    Buffer: TypeAlias = bytes | bytearray | memoryview
    Feed: TypeAlias = Callable[[Buffer], None]

OUTPUT_MAX = 64 << 10
"""Bytes of output kept: half of it from the beginning, half from the end."""

_PIECE = 64 << 10
_TICK_MS = 100  # how long a program that closed its output, but not its life, can make us wait for its exit
_ENDED_WORDS = {errno.ENOENT: "no such file or directory", errno.EACCES: "permission denied"}


@record
class Outcome:
    """How a program ended: `problem` is empty if it exited with 0, and else says why not, in the reference's words."""

    problem: str
    output: bytes


class _HadEnoughError(Exception):
    """The program closed its standard input; no more of it needs to be produced."""


class _OverdueError(Exception):
    """The program's time is up."""


def run(
    argv: Sequence[str | bytes],
    environ: Mapping[str, str],
    body: Callable[[Feed], None] | None = None,
    *,
    seconds: float | None = None,
) -> Outcome:
    """Run a program to its end and return how that was.

    ``body(feed)`` produces its standard input piece by piece. The name in ``argv[0]`` is looked for in the PATH of
    `environ`; the working directory is ours. With `seconds` it is killed when they are over. What `body` raises passes
    through, after the program was killed.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - an argument list from the owner's configuration, no shell
            argv,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environ,
            process_group=0,
        )
    except OSError as error:
        return Outcome(f"fork/exec {_text(argv[0])}: {_strerror(error)}", b"")
    except ValueError as error:  # a zero byte in an argument
        return Outcome(f"fork/exec {_text(argv[0])}: {error}", b"")
    return _Run(process, seconds).to_the_end(body)


class Excerpt:
    """The beginning and the end of a text of any length."""

    __slots__ = ("_head", "_left_out", "_tail")

    def __init__(self) -> None:
        self._head = b""
        self._tail = b""
        self._left_out = 0

    def add(self, data: bytes) -> None:
        """Take the next piece."""
        half = OUTPUT_MAX // 2
        room = half - len(self._head)
        self._head += data[:room]
        tail = self._tail + data[max(room, 0) :]
        self._left_out += max(0, len(tail) - half)
        self._tail = tail[-half:]

    def __bytes__(self) -> bytes:
        gap = f"\n[... {self._left_out} bytes left out ...]\n".encode() if self._left_out else b""
        return self._head + gap + self._tail


class _Run:
    """One program at work."""

    def __init__(self, process: subprocess.Popen[bytes], seconds: float | None) -> None:
        self._process = process
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._seconds = seconds
        self._output = Excerpt()
        self._poll = select.poll()
        if process.stdin is None or process.stdout is None:
            raise ValueError("a program runs with pipes")
        self._stdin, self._stdout = process.stdin, process.stdout
        for pipe in (self._stdin, self._stdout):
            os.set_blocking(pipe.fileno(), False)
        self._poll.register(self._stdout, select.POLLIN)

    def to_the_end(self, body: Callable[[Feed], None] | None) -> Outcome:
        try:
            problem = self._act(body)
        finally:
            self._kill()  # nothing happens to a program that has ended
            self._stdin.close()
            self._stdout.close()
        return Outcome(problem, bytes(self._output))

    def _act(self, body: Callable[[Feed], None] | None) -> str:
        try:
            self._feed_all(body)
            self._stdin.close()
            self._drain()
        except _OverdueError:
            return f"killed after {self._seconds:g} s: its time was up"
        return _problem(self._process.wait())

    def _feed_all(self, body: Callable[[Feed], None] | None) -> None:
        if body is None:
            return
        try:
            body(self._feed)
        except _HadEnoughError:
            return

    def _feed(self, data: Buffer) -> None:
        """Write a piece; meanwhile keep what the program says."""
        rest = memoryview(data)
        self._poll.register(self._stdin, select.POLLOUT)
        try:
            while rest:
                ready = self._wait(self._milliseconds_left())
                if self._stdout.fileno() in ready:
                    self._hear()
                if self._stdin.fileno() in ready:
                    rest = rest[self._write(rest) :]
        finally:
            self._poll.unregister(self._stdin)

    def _write(self, data: memoryview) -> int:
        try:
            return self._stdin.write(data[:_PIECE]) or 0
        except BrokenPipeError:
            raise _HadEnoughError from None

    def _drain(self) -> None:
        """Hear the program to its end."""
        while self._process.poll() is None:
            left = self._milliseconds_left()
            if self._wait(_TICK_MS if left is None else min(left, _TICK_MS)):
                self._hear()
        while self._wait(0) and self._hear():
            pass

    def _hear(self) -> bool:
        """Take what the program said; False when it can say no more."""
        piece = self._stdout.read(_PIECE)
        if piece:
            self._output.add(piece)
            return True
        if piece is not None:  # end of file: from now on only its exit is of interest
            self._poll.unregister(self._stdout)
        return False

    def _wait(self, milliseconds: int | None) -> list[int]:
        return [fd for fd, _ in self._poll.poll(milliseconds)]

    def _milliseconds_left(self) -> int | None:
        if self._deadline is None:
            return None
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise _OverdueError
        return int(left * 1000) + 1

    def _kill(self) -> None:
        # Only before the program is reaped: afterwards its number may be another's.
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def _problem(status: int) -> str:
    if status == 0:
        return ""
    if status > 0:
        return f"exit status {status}"
    return f"signal: {signal.strsignal(-status) or -status}".lower()


def _strerror(error: OSError) -> str:
    return _ENDED_WORDS.get(error.errno or 0) or str(error.strerror).lower()


def _text(word: str | bytes) -> str:
    return word if isinstance(word, str) else os.fsdecode(word)
