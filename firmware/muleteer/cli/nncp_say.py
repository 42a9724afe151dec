# SPDX-License-Identifier: GPL-3.0-or-later
"""What the drop-in commands say, to people and to pipes, whatever became of their standard streams.

The mail matters more than what is said about it: a stream that is closed, full or unread stops nothing and changes no
exit status, as with the reference (which does not even mention it). A reader of standard output that went away ends us
by SIGPIPE, like any filter.
"""

from __future__ import annotations

import posix as os  # os itself takes 0.8 ms to import
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

_NULL = "/dev/null"
_lost: list[str] = []  # why standard output could not be written, the first time


def claim_streams() -> None:
    """Put /dev/null wherever a standard stream was closed by our caller; three system calls if none was.

    Without it the next file opened would be taken for that stream. It is opened the wrong way round, so that using it
    fails (EBADF) as with a closed one: no command shall take a missing input for an empty one.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            wrong_way = os.O_RDONLY if descriptor else os.O_WRONLY
            os.set_inheritable(os.open(_NULL, wrong_way), True)  # the lowest that is free
    if sys.stdout is None:
        sys.stdout = _writer(1)
    if sys.stderr is None:
        sys.stderr = _writer(2)


def take_streams() -> tuple[int, int]:
    """Take standard input and output for ourselves alone; whatever else would use the three finds /dev/null there."""
    reader, writer = os.dup(0), os.dup(1)
    null = os.open(_NULL, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)
    return reader, writer


def remark(text: str) -> None:
    """Write to standard error, for people; failing is not worth a word."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        return


def put(text: str | bytes) -> None:
    """Write to standard output; BrokenPipeError if nobody reads on, any other failure is told at the end."""
    try:
        sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text)
    except BrokenPipeError:
        raise
    except OSError as error:
        _lose(error)


def line(text: str) -> None:
    """Write a line to standard output."""
    put(f"{text}\n")


def end_output(name: str) -> None:
    """Have standard output written, and say so if it could not be."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _lose(error)
    if _lost:
        remark(f"{name}: standard output is incomplete: {_lost[0]}\n")


def _lose(error: OSError) -> None:
    _lost.append((error.strerror or str(error)).lower())


def _writer(descriptor: int) -> TextIO:
    import io

    raw = io.FileIO(descriptor, "w", closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(raw), "utf-8", "backslashreplace", write_through=True)
