# SPDX-License-Identifier: GPL-3.0-or-later
"""Checking that a packet's bytes still hash to its name, and promoting downloads that were never checked.

Nothing is deleted here: what to do about a damaged packet is its owner's choice.
"""

from __future__ import annotations

from muleteer.errors import NameMismatch
from muleteer.formats.mth import MthHasher
from muleteer.spool.layout import NOCK, RX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.formats.ids import NodeId, PacketName
    from muleteer.spool.port import DiskFile
    from muleteer.spool.spool import Spool

_BUFFER_SIZE = 1 << 20


def hash_of(file: DiskFile, show: Callable[[int], None] | None = None) -> PacketName:
    """Return the hash of an open file from its read position on; `show` is told the bytes done so far."""
    hasher = MthHasher()
    buffer = memoryview(bytearray(min(_BUFFER_SIZE, file.size() + 1)))
    done = 0
    while count := file.read_into(buffer):
        hasher.update(buffer[:count])
        done += count
        if show:
            show(done)
    return hasher.digest()


def is_sound(spool: Spool, node: NodeId, way: str, name: PacketName, show: Callable[[int], None] | None = None) -> bool:
    """Tell whether a packet in "rx" or "tx" hashes to its name. Raises SpoolError if it cannot be read."""
    with spool.open(node, way, name) as file, spool.guard:
        return hash_of(file, show) == name


def promote(spool: Spool, node: NodeId, name: PacketName, show: Callable[[int], None] | None = None) -> None:
    """Turn a complete but unchecked download into a packet; it is durable on return.

    Raises:
        NameMismatch: it is damaged; it stays as it is.
        SpoolError: it cannot be read or renamed.

    """
    final = spool.path(node, RX, name)
    with spool.guard:
        with spool.disk.open_read(f"{final}{NOCK}") as file:
            actual = hash_of(file, show)
            if actual != name:
                raise NameMismatch(actual=actual, name=name)
            try:
                file.fsync()  # the download synced it; should that have been another program, this one did not
            except OSError:
                _copy(spool, node, name, file)  # nothing would tell the next attempt that these bytes are not durable
                spool.disk.unlink(f"{final}{NOCK}")
                return
        spool.disk.rename(f"{final}{NOCK}", final)
        spool.disk.fsync_dir(spool.layout.way(node, RX))


def _copy(spool: Spool, node: NodeId, name: PacketName, file: DiskFile) -> None:
    """Commit a copy of an open file as a packet, hashed anew."""
    file.seek(0)
    with spool.draft() as draft:
        while count := file.read_into(buffer := draft.take()):
            draft.give(buffer[:count])
        actual = draft.finish_writing()
        if actual != name:
            raise NameMismatch(actual=actual, name=name)
        spool.commit(draft, node, RX)
