# SPDX-License-Identifier: GPL-3.0-or-later
"""What a box forgets so that it can stand in a corner for years: the oldest marks of tossed packets, and old log.

A mark in rx/seen keeps a packet that comes again from being delivered again. Marks are dropped by number, not by age:
on a machine without a clock every mark is decades old at the moment the network appears. What a mark that was dropped
stood for may be delivered a second time if a copy of it still travels, after SEEN_MAX newer packets of that neighbour.
"""

from __future__ import annotations

from muleteer.formats.ids import is_packet_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.spool.spool import Spool

SEEN_MAX = 50_000
"""Marks kept of each neighbour; an empty file each, by reckoning 16 MB of an ext4 (256-byte inode, 64-byte entry)."""

SEEN_SLACK = 5_000
"""Marks above that before the oldest are dropped: the age of each has to be looked at (not measured on a card)."""


def drop_old_marks(spool: Spool, *, keep: int = SEEN_MAX, slack: int = SEEN_SLACK) -> int:
    """Drop the oldest marks of each neighbour that has more than `keep` and `slack`; return how many. SpoolError."""
    dropped = 0
    for node in spool.nodes():
        directory = spool.layout.seen(node)
        with spool.guard:
            try:
                names = [name for name in spool.disk.listdir(directory) if is_packet_name(name)]
            except (FileNotFoundError, NotADirectoryError):
                continue
            if len(names) <= keep + slack:
                continue
            aged = sorted((entry.mtime, entry.name) for entry in spool.disk.scandir(directory) if entry.is_file)
            for _, name in [pair for pair in aged if is_packet_name(pair[1])][:-keep]:
                spool.disk.unlink(f"{directory}/{name}")
                dropped += 1
    return dropped
