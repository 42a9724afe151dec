# SPDX-License-Identifier: GPL-3.0-or-later
"""Deliveries that are committed together, if need be in a thread while the next group is filled.

Waiting for the device is half the work of tossing many small packets, and it needs no processor: with the thread 2,000
packets take as long as the longer half. The thread only syncs and names drafts; everything that follows from that
(removing packets, logging, mailing) happens in the tosser's own thread.
"""

from __future__ import annotations

import errno
import posix as os  # os itself takes 0.8 ms to import

from muleteer.errors import MuleteerError
from muleteer.spool.batch import BYTES_MAX, Batch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from threading import Thread

    from muleteer.spool.port import Disk
    from muleteer.tossing.deliveries import Delivery
    from muleteer.tossing.job import Job

GROUP_MAX = 256
"""Packets of one group, where that many files may be open: a sync per group, and more wait for it than with 64."""

_FILES_SPARE = 24  # descriptors for all else: the streams, the packet, its log and lock, a handle's pipes
_UNLIMITED = 1 << 62


class Group:
    """Some packets and the batch of their drafts; each packet is durable when `wait` returns, or none is promised.

    Each draft is an open file, and two groups are under way: both stay below the limit of this process, of which
    `files_kept` more are in use.
    """

    def __init__(self, disk: Disk, files_kept: int = 0) -> None:
        # No guard: an error of an incoming directory concerns its packets, not the spool. And we say when it is full.
        self.batch = Batch(disk, drafts_max=_UNLIMITED, bytes_max=_UNLIMITED)
        self.members: list[tuple[Job, Delivery]] = []
        self._members_max = max(1, min(GROUP_MAX, (os.sysconf("SC_OPEN_MAX") - _FILES_SPARE - files_kept) // 2))
        self._bytes = 0
        self._thread: Thread | None = None
        self._failure: OSError | MuleteerError | None = None
        self._is_committed = False

    def add(self, job: Job, delivery: Delivery) -> None:
        """Take in a packet; its drafts go to the batch."""
        self.members.append((job, delivery))
        self._bytes += job.entry.size

    @property
    def is_full(self) -> bool:
        """Whether to commit it now."""
        return len(self.members) >= self._members_max or self._bytes >= BYTES_MAX

    def begin(self) -> None:
        """Begin to commit in a thread."""
        from threading import Thread  # only where there are many packets

        self._thread = Thread(target=self._commit, name="group", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Return when the group is committed, which is done now unless it was begun. Raises OSError, SpoolError."""
        thread, self._thread = self._thread, None
        if thread is None:
            self._commit()
        else:
            thread.join()
        if self._failure is not None:
            raise self._failure
        if not self._is_committed:  # a bug ended the thread: nothing was promised
            raise AssertionError("the group was not committed")

    def abandon(self) -> None:
        """Give up what is not committed."""
        if self._thread is not None:
            self._thread.join()
        self.batch.discard()

    def _commit(self) -> None:
        try:
            self.batch.flush()
            self._is_committed = True
        except (OSError, MuleteerError) as error:
            self._failure = error


def is_out_of_files(error: BaseException) -> bool:
    """Tell whether an error comes from too many open files, here or in the whole system."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in (errno.EMFILE, errno.ENFILE):
            return True
        cause = cause.__cause__
    return False
