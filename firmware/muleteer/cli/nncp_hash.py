# SPDX-License-Identifier: GPL-3.0-or-later
"""``nncp-hash``: print the Merkle tree hash of a file or of standard input in hex."""

from __future__ import annotations

import posix as os  # os itself takes 0.8 ms to import

from muleteer.cli.flags import SWITCH, TEXT, UINT, Flag
from muleteer.cli.nncp_say import line
from muleteer.errors import UsageError
from muleteer.formats.mth import MthHasher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from muleteer.cli.flags import Given

    class Hasher(Protocol):
        """What both the plain and the talkative hasher do."""

        @property
        def missing(self) -> int:
            """Bytes of the beginning still to be prepended."""

        def update(self, data: memoryview) -> None:
            """Take the next bytes."""

        def prepend(self, data: memoryview) -> None:
            """Take the next bytes of the beginning."""

        def digest(self) -> bytes:
            """Return the hash."""


_SEEK_SET = 0
SUMMARY = """print the Merkle tree hash of a file, or of standard input

NAME [-file FILE [-seek BYTES]] [-debug] [-progress]"""
FLAGS = (
    Flag("file", TEXT, "", "hash this file instead of standard input"),
    Flag("seek", UINT, 0, "hash from this byte on first, then what comes before it"),
    Flag("debug", SWITCH, False, "print each step"),
    Flag("force-fat", SWITCH, False, "keep all leaves until the end (only -debug shows the difference)"),
    Flag("progress", SWITCH, False, "show progress on standard error"),
)
_BUFFER_SIZE = 1 << 20


def run(given: Given) -> int:
    """Print the hash."""
    path, seek = given.text("file"), given.number("seek")
    if seek and not path:
        raise UsageError(problem="-seek needs -file: standard input cannot be read from the middle")
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC) if path else 0
    size = os.fstat(file).st_size if path else 0
    seek = min(seek, size)
    hasher = _hasher(given, seek)
    if seek:
        os.lseek(file, seek, _SEEK_SET)
    _feed(file, hasher.update, 1 << 62, _meter(given, "hash", size - seek))
    if seek:
        os.lseek(file, 0, _SEEK_SET)
        _feed(file, hasher.prepend, hasher.missing, _meter(given, "prehash", seek))
    line(hasher.digest().hex())
    return 0


def _hasher(given: Given, seek: int) -> Hasher:
    if not given.on("debug"):
        return MthHasher(seek)
    from muleteer.cli.nncp_hash_debug import TalkingHasher

    return TalkingHasher(line, seek, fat=given.on("force-fat") or seek > 0)


def _meter(given: Given, verb: str, size: int) -> Callable[[int], None]:
    if not given.on("progress"):
        return lambda _done: None
    from muleteer.cli.nncp_meter import Meter

    return Meter(verb, given.text("file"), size).show


def _feed(file: int, take: Callable[[memoryview], None], limit: int, show: Callable[[int], None]) -> None:
    buffer = memoryview(bytearray(_BUFFER_SIZE))
    done = 0
    while done < limit and (count := os.readv(file, [buffer[: limit - done]])):
        take(buffer[:count])
        done += count
        show(done)
