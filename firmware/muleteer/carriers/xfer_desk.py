# SPDX-License-Identifier: GPL-3.0-or-later
"""What both halves of an ``nncp-xfer`` run work with: the two disks, the rules, the log, and whether all went well."""

from __future__ import annotations

from muleteer.formats.envelope_header import HEADER_SIZE
from muleteer.formats.ids import NodeId, PacketName, b32encode
from muleteer.formats.safename import show
from muleteer.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Protocol

    from muleteer.spool.draft import Draft
    from muleteer.spool.port import Disk, DiskFile
    from muleteer.spool.spool import Spool

    Fields = list[tuple[str, str]]

    class Log(Protocol):
        """Takes one event: for the log file, and for whoever watches."""

        def event(self, who: str, message: str, fields: Fields, err: str | None = None) -> None:
            """Record that something happened, or with `err` that it failed."""

        def events(self, those: list[tuple[str, str, Fields]]) -> None:
            """Record what happened together: who, message, fields."""

    class Watch(Protocol):
        """Is told how far a copy is: verb ("Rx", "Tx"), name and whole size, then (if it wants) the bytes done."""

        def __call__(self, verb: str, name: str, size: int) -> Callable[[int], None] | None:
            """Return what to call with the bytes done, or None."""


_SMALL = 65536

GROUP_MAX = 256
"""Packets committed at once: each group costs up to three journal commits, each open draft a descriptor (of 1,024)."""


@record
class XferRules:
    """What one run may do. `names` are the neighbours that take part, ourselves included, by id."""

    directory: str
    own: NodeId
    names: Mapping[NodeId, str]
    nice: int
    receive: bool
    send: bool
    keep: bool
    mkdir: bool


class Desk:
    """The state of one run. `well` turns false with the first failure that the exit status shall show."""

    def __init__(self, spool: Spool, disk: Disk, log: Log, rules: XferRules, watch: Watch) -> None:
        self.spool = spool
        self.disk = disk
        self.log = log
        self.rules = rules
        self.watch = watch
        self.well = True
        self._done: list[tuple[str, str, Fields]] = []

    def done(self, who: str, message: str, fields: Fields) -> None:
        """Have it logged with its group that a packet has arrived."""
        self._done.append((who, message, fields))

    def settle(self) -> None:
        """Make a group's removals from the spool durable, and log it: one write instead of hundreds."""
        try:
            self.spool.settle()
        finally:
            done, self._done = self._done, []
            self.log.events(done)

    def fail(self, who: str, message: str, fields: Fields, verb: str, error: OSError) -> None:
        """Log what the medium refused, in the reference's words: the call, the path, the reason."""
        path = f" {show(error.filename)}" if isinstance(error.filename, str) else ""
        self.well = False
        self.log.event(who, message, fields, f"{verb}{path}: {(error.strerror or str(error)).lower()}")

    def exists(self, path: str) -> bool:
        """Tell whether something is there. Raises OSError."""
        try:
            self.disk.stat(path)
        except FileNotFoundError:
            return False
        return True


class Spelled(PacketName):
    """A packet's name with its text at hand: spelling one takes 3 microseconds, and every path needs it."""

    text: str

    def __str__(self) -> str:
        return self.text


class SpelledNode(NodeId):
    """A node's id with its text at hand."""

    text: str

    def __str__(self) -> str:
        return self.text


def spelled(name: bytes) -> Spelled:
    """Return a packet's name that knows its text."""
    known = Spelled(name)
    known.text = b32encode(name)
    return known


def spelled_node(node: NodeId) -> SpelledNode:
    """Return a node's id that knows its text."""
    known = SpelledNode(node)
    known.text = str(node)
    return known


def read_start(file: DiskFile, size: int) -> bytes:
    """Read the beginning of a file of `size` bytes: all of a small one, else as much as a packet's header has."""
    view = memoryview(bytearray(size if size <= _SMALL else HEADER_SIZE))
    filled = 0
    while filled < len(view) and (count := file.read_into(view[filled:])):
        filled += count
    return bytes(view[:filled])


def copy_rest(
    file: DiskFile, draft: Draft, start: bytes, size: int, show_done: Callable[[int], None] | None = None
) -> None:
    """Copy a file of `size` bytes into a draft; `start` was read from it before."""
    draft.write(start)
    done = len(start)
    while size > _SMALL:
        lent = draft.take()
        count = file.read_into(lent)
        draft.give(lent[:count])
        if not count:
            return
        done += count
        if show_done:
            show_done(done)
    if show_done:
        show_done(done)
