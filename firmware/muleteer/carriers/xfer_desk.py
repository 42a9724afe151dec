# SPDX-License-Identifier: GPL-3.0-or-later
"""What both halves of an ``nncp-xfer`` run work with: the two disks, the rules, the log, and whether all went well."""

from __future__ import annotations

from muleteer.formats.safename import show
from muleteer.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Protocol

    from muleteer.formats.ids import NodeId
    from muleteer.spool.draft import Draft
    from muleteer.spool.port import Disk, DiskFile
    from muleteer.spool.spool import Spool

    Fields = list[tuple[str, str]]

    class Log(Protocol):
        """Takes one event: for the log file, and for whoever watches."""

        def event(self, who: str, message: str, fields: Fields, err: str | None = None) -> None:
            """Record that something happened, or with `err` that it failed."""

    class Watch(Protocol):
        """Is told how far a copy is: verb ("Rx", "Tx"), name and whole size, then (if it wants) the bytes done."""

        def __call__(self, verb: str, name: str, size: int) -> Callable[[int], None] | None:
            """Return what to call with the bytes done, or None."""


_SMALL = 65536


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


def copy_rest(file: DiskFile, draft: Draft, head: bytes, show_done: Callable[[int], None] | None) -> None:
    """Copy the rest of a file into a draft; `head` was read from it before."""
    draft.write(head)
    done = len(head)
    size = file.size()
    while True:
        # A large packet is read straight into the draft's own buffers, a small one is not worth one.
        lent = draft.take() if size > _SMALL else memoryview(bytearray(size + 1))
        count = file.read_into(lent)
        if size > _SMALL:
            draft.give(lent[:count])
        else:
            draft.write(lent[:count])
        if not count:
            return
        done += count
        if show_done:
            show_done(done)
