# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a file from the medium itself and hash it: the proof that what was written is there.

Reading back right after writing proves nothing while the kernel answers from its page cache. So, after fsync (when the
pages are clean), the cache of the file is dropped with POSIX_FADV_DONTNEED and the bytes are read again: they come from
the device.

Considered and left out: O_DIRECT. It goes around the cache for certain, but wants buffers, offsets and lengths aligned
to the device's blocks, is refused by tmpfs and by user-space file systems, and the last part of a file must be read the
ordinary way all the same. DONTNEED skips only pages that somebody else maps or writes at that moment; nobody does, the
stick is ours. What neither can reach is the stick's own memory: a controller that answers from RAM what it has lost in
flash is found at the next stop, where the receiver hashes every packet before it takes it. Directory entries and the
allocation table are the kernel's own and are not dropped; unmounting writes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muleteer.formats.mth import MthHasher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from muleteer.formats.ids import PacketName
    from muleteer.spool.disk import Disk, DiskFile

BUFFER_SIZE = 1 << 20  # bytes; one read command of a USB stick moves 120 KiB to 1 MiB
FORGET_SIZE = 16 << 20  # read pages are given back in such steps: a small machine needs its cache for others


class ReadBack:
    """Reads files back, one after the other, through one buffer."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._view = memoryview(bytearray(BUFFER_SIZE))

    def hash_of(self, path: str, tell: Callable[[int], None] = lambda _count: None) -> PacketName:
        """Return the Merkle tree hash of what the medium gives for a synced file.

        `tell` is called with the number of bytes of each part read. Raises OSError.
        """
        hasher = MthHasher()
        with self._disk.open_read(path) as file:
            file.drop_cache()
            for count in self._parts(file):
                hasher.update(self._view[:count])
                tell(count)
        return hasher.digest()

    def _parts(self, file: DiskFile) -> Iterator[int]:
        position, forgotten = 0, 0
        while count := file.read_into(self._view):
            yield count
            position += count
            if position - forgotten >= FORGET_SIZE:
                file.drop_cache(forgotten, position - forgotten)
                forgotten = position
        file.drop_cache(forgotten)
