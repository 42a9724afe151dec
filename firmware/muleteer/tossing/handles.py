# SPDX-License-Identifier: GPL-3.0-or-later
"""Running programs for packets: exec handles and the mailer.

Theory of operation: one thread feeds the program's standard input and drains its output by turns, whichever is ready,
so that neither side can block the other for ever. Each program gets a process group of its own; when its time is up,
when its input turns out to be damaged, or when we are interrupted, the whole group is killed.

**The end of input is only ever shown to a program whose input is complete**, whatever becomes of us. If we die (by a
signal, kill -9, for want of memory), the kernel closes our end of the program's standard input, which looks like the
end: half a mail would be sent as a whole one. So a guardian holds that end, too: a shell that leads the program's group
and waits for one word from us:

    ================================  =================================================================
    the word "complete" comes         it leaves, and then the program sees the end of its input
    its own input ends without that   we are dead: it kills the group (itself with it), which still has
                                      not seen an end; after a moment, for a program just being started
    we kill the group                 it dies with it
    ================================  =================================================================

It ignores the signals that a service manager or terminal sends to all. Only a program that leaves its group (a daemon)
escapes it. The rejected ways: PR_SET_PDEATHSIG reaches the program, but not the children of a shell, and fires when a
*thread* ends; catching signals does not help against kill -9.

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
from muleteer.tossing.terms import DEFAULT_PATH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeAlias

    Buffer: TypeAlias = bytes | bytearray | memoryview
    Feed: TypeAlias = Callable[[Buffer], None]

OUTPUT_MAX = 64 << 10
"""Bytes of output kept: half of it from the beginning, half from the end."""

_PIECE = 64 << 10
_GUARDIAN = 'trap "" HUP INT QUIT TERM; read word; [ "$word" = complete ] && exit; sleep 1; kill -KILL 0'
_SHELL = "/bin/sh"
_COMPLETE = b"complete\n"
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
        guardian = _Guardian()
    except OSError as error:
        return Outcome(f"fork/exec {_SHELL}: {_strerror(error)}", b"")
    try:
        process = guardian.start(argv, environ)
    except OSError as error:
        guardian.kill()
        return Outcome(f"fork/exec {_text(argv[0])}: {_strerror(error)}", b"")
    except ValueError as error:  # a zero byte in an argument
        guardian.kill()
        return Outcome(f"fork/exec {_text(argv[0])}: {error}", b"")
    return _Run(process, guardian, seconds).to_the_end(body)


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


class _Guardian:
    """The process that holds a program's standard input open while we may still die; see the top of the module."""

    def __init__(self) -> None:
        self.is_released = False
        self._reader, writer = os.pipe()
        self.stdin = os.fdopen(writer, "wb", 0)
        try:
            self._process = subprocess.Popen(  # noqa: S603 - two constants
                [_SHELL, "-c", _GUARDIAN],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=self.stdin,
                stderr=subprocess.DEVNULL,
                env={"PATH": DEFAULT_PATH},
                process_group=0,
            )
        except OSError:
            os.close(self._reader)
            self.stdin.close()
            raise

    def start(self, argv: Sequence[str | bytes], environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start the program in our group; its standard input is what is written to `stdin`."""
        try:
            return subprocess.Popen(  # noqa: S603 - an argument list from the owner's configuration, no shell
                argv,
                bufsize=0,
                stdin=self._reader,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environ,
                process_group=self._process.pid,
            )
        finally:
            os.close(self._reader)

    def release(self) -> None:
        """Let the program see the end of its input: it is complete, or unwanted."""
        self.is_released = True
        self.stdin.close()
        if self._process.stdin is not None:
            try:
                self._process.stdin.write(_COMPLETE)
            except BrokenPipeError:  # somebody killed it; that was all it held
                return

    def dismiss(self) -> None:
        """Wait for its end, after `release`."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()

    def kill(self) -> None:
        """Kill the whole group. Until then the guardian is not reaped, so that the group's number is no other's."""
        self.stdin.close()
        os.killpg(self._process.pid, signal.SIGKILL)
        self.dismiss()


class _Run:
    """One program at work."""

    def __init__(self, process: subprocess.Popen[bytes], guardian: _Guardian, seconds: float | None) -> None:
        self._process = process
        self._guardian = guardian
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._seconds = seconds
        self._output = Excerpt()
        self._poll = select.poll()
        if process.stdout is None:
            raise ValueError("a program runs with pipes")
        self._stdin, self._stdout = guardian.stdin, process.stdout
        for pipe in (self._stdin, self._stdout):
            os.set_blocking(pipe.fileno(), False)
        self._poll.register(self._stdout, select.POLLIN)

    def to_the_end(self, body: Callable[[Feed], None] | None) -> Outcome:
        try:
            problem = self._act(body)
        finally:
            self._end()
            self._stdout.close()
        return Outcome(problem, bytes(self._output))

    def _act(self, body: Callable[[Feed], None] | None) -> str:
        try:
            self._feed_all(body)
            self._guardian.release()
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
        ended = _watch(self._process.pid)
        try:
            self._hear_until(ended)
        finally:
            if ended is not None:
                os.close(ended)
        while self._wait(0) and self._hear():
            pass

    def _hear_until(self, ended: int | None) -> None:
        if ended is not None:
            self._poll.register(ended, select.POLLIN)
        while self._process.poll() is None:
            left = self._milliseconds_left()
            tick = left if ended is not None else min(_TICK_MS, left or _TICK_MS)
            if self._stdout.fileno() in self._wait(tick):
                self._hear()
        if ended is not None:
            self._poll.unregister(ended)

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

    def _end(self) -> None:
        """Kill what has not ended by itself; what the program left in the background may live on."""
        if self._process.poll() is None or not self._guardian.is_released:
            self._guardian.kill()
            self._process.wait()
        else:
            self._guardian.dismiss()


def _watch(pid: int) -> int | None:
    """Return a descriptor that is readable when a process has ended; None where there is none (before Linux 5.3)."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


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
