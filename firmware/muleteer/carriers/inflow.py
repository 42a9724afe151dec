# SPDX-License-Identifier: GPL-3.0-or-later
"""The receiving half of an online session: what is announced is asked for, written, checked, and then confirmed.

A packet of one piece is committed like any draft, in a group with its neighbours; a larger one grows as a .part
(`spool.part` has the table of what may be found). Nothing is confirmed before it is durable under its name: on a
confirmation the other side forgets its copy.
"""

from __future__ import annotations

from muleteer.carriers.downloads import Downloads, Incoming
from muleteer.carriers.online import BY_BUDGET, BY_ROOM, BY_SIZE
from muleteer.carriers.xfer_desk import spelled
from muleteer.errors import SpoolError
from muleteer.spool.arrivals import Arrivals
from muleteer.spool.checker import Checker
from muleteer.spool.layout import NOCK, PART, RX
from muleteer.spool.part import discard_download

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from muleteer.carriers.online import Partner
    from muleteer.carriers.online_log import OnlineLog
    from muleteer.carriers.online_tally import Tally
    from muleteer.carriers.spending import Spending
    from muleteer.engines.sync_events import Announced, Finished, Listed
    from muleteer.engines.sync_messages import Chunk
    from muleteer.formats.ids import PacketName
    from muleteer.spool.checker import Job
    from muleteer.spool.draft import Draft
    from muleteer.spool.part import Part
    from muleteer.spool.spool import Spool

    class Asker(Protocol):
        """Says to the other side what is decided here."""

        def request(self, name: PacketName, offset: int) -> None:
            """Ask for a packet from `offset` on."""

        def confirm(self, name: PacketName) -> None:
            """Say that it is here, durably."""


SMALL_MAX = 1 << 16
"""Bytes of a packet that goes into a group at once, if it comes in one piece."""

CHECKS_MAX = 16
"""Whole downloads that wait for a check in the thread, each with an open file; those beyond are checked at once."""

RESERVE_BYTES = 8 << 20
"""Bytes of the disk that stay free: logs, marks and our own outgoing mail need room, too."""


class Inflow:
    """What one neighbour has for us. Methods raise SpoolError when our own disk fails."""

    def __init__(
        self,
        spool: Spool,
        partner: Partner,
        asker: Asker,
        spending: Spending,
        tally: Tally,
        log: OnlineLog,
        *,
        thread_bytes: int,
    ) -> None:
        self._spool = spool
        self._node = partner.node
        self._terms = partner.terms
        self._asker = asker
        self._spending = spending
        self._tally = tally
        self._log = log
        self._thread_bytes = thread_bytes
        self._arrivals = Arrivals(spool)
        self._checker = Checker()
        self._batch = spool.batch()
        self._downloads: dict[PacketName, Incoming] = {}
        self._files = Downloads(spool, partner.node, thread_bytes)
        self._again: list[Incoming] = []  # in rx since before; to be confirmed once that is durable
        self._promised = 0
        self._is_closing = False
        self._parts: dict[PacketName, int] = {}
        self._nocks: dict[PacketName, int] = {}

    def open(self) -> None:
        """Look what earlier sessions have left; what another carrier has brought since is of no use any more.

        Only who receives holds the lock: a session that does not leaves everything as it is, it may be another's that
        is at work right now.
        """
        spool, node, is_owner = self._spool, self._node, self._terms.receive and not self._terms.list_only
        for suffix, found, kept in ((PART, spool.parts(node), self._parts), (NOCK, spool.nocks(node), self._nocks)):
            for name, size in found:
                if is_owner and (not size or spool.has(node, RX, name) or spool.is_seen(node, name)):
                    discard_download(spool.disk, f"{spool.path(node, RX, name)}{suffix}")
                else:
                    kept[name] = size

    @property
    def is_checking(self) -> bool:
        """Whether checks are under way whose outcome is to be looked for by :meth:`settle`."""
        return self._checker.waiting > 0

    @property
    def unfinished(self) -> bool:
        """Whether packets were asked for that are not confirmed yet."""
        return bool(self._downloads or self._again or self._checker.waiting)

    # ------------------------------------------------------------------------------------------ what the engine says

    def announced(self, event: Announced) -> None:
        """Decide what to do about a packet: have it already, ask for it, or hold it."""
        self._tally.announced += 1
        self._tally.announced_bytes += event.size
        incoming = Incoming(spelled(event.name), event.nice, event.size)
        if self._terms.size is not None and event.size > self._terms.size:
            self._hold(incoming, BY_SIZE)
        elif self._spool.has(self._node, RX, incoming.name):
            self._log.here(incoming.name, incoming.nice, incoming.size)
            self._check_what_is_here(incoming)
        else:
            self._decide(incoming)

    def listed(self, event: Listed) -> None:
        """Take note of a packet that shall only be listed."""
        self._tally.announced += 1
        self._tally.announced_bytes += event.size
        self._tally.list(event.name, event.nice, event.size)
        words = (spelled(event.name), event.nice, event.size)
        if self._spool.has(self._node, RX, event.name):
            self._log.here(*words)
        elif self._spool.is_seen(self._node, event.name):
            self._log.seen(*words)
        elif event.name in self._nocks:
            self._log.unchecked(*words)
        else:
            self._log.info(*words, self._parts.get(event.name, 0))

    def arrived(self, chunk: Chunk) -> None:
        """Take bytes of a packet that was asked for; its view is not kept."""
        incoming = self._downloads[chunk.name]
        count = len(chunk.data)
        self._promised -= count
        self._spending.release(count)
        incoming.received += count
        self._tally.move(RX, incoming.name, incoming.size, incoming.received)
        if count == incoming.size <= SMALL_MAX and not self._terms.nock:
            self._take_small(incoming, chunk.data)
        else:
            self._files.write(incoming, chunk.offset, chunk.data)

    def finished(self, event: Finished) -> None:
        """Deal with a packet whose last byte came."""
        incoming = self._downloads.get(event.name)
        if incoming is None:  # it was small
            return
        self._forget(incoming)
        part = self._files.take(incoming)
        if self._terms.nock:
            part.set_aside()
        if self._terms.nock or incoming.offset:
            self._log.downloaded(incoming.name, incoming.size)
        if not self._terms.nock:
            part.flush()  # its thread and buffers shall not wait for the checks of others
            beside = incoming.size > self._thread_bytes and self._checker.waiting < CHECKS_MAX
            self._check(incoming, part, lambda stop: part.check(stop, sync=beside), beside=beside)

    # ------------------------------------------------------------------------------------------ what comes of it

    def settle(self) -> None:
        """Look what the checks have found; make durable what is whole, and confirm it."""
        self._take_outcomes()
        try:
            self._batch.flush()
        except SpoolError:
            self._arrivals.doubt(self._node)
            raise
        self._confirm_again()

    def close(self, is_hurried: Callable[[], bool]) -> None:
        """Keep what is here: whole packets as such, the others as downloads to resume.

        Checks under way come to their end unless `is_hurried()`: one that takes longer than a session lasts would
        otherwise begin anew in each, and its packet never get its name.
        """
        self._is_closing = True
        try:
            self._checker.finish(is_hurried)
            self.settle()
        finally:
            self._batch.discard()
            self._files.put_all_away()

    def _take_outcomes(self) -> None:
        for (incoming, part), verdict in self._checker.take_outcomes():
            if part is None:
                self._judge_what_is_here(incoming, is_here=verdict)
            elif verdict is None:
                part.put_away()
            elif verdict:
                self._commit(incoming, part)
            else:
                part.discard()
                self._throw_away(incoming)

    def _judge_what_is_here(self, incoming: Incoming, *, is_here: bool | None) -> None:
        if is_here:
            self._again.append(incoming)
        elif is_here is not None:
            self._decide(incoming)

    def _throw_away(self, incoming: Incoming) -> None:
        """Deal with a packet that does not hash to its name, and was removed."""
        self._tally.damaged += 1
        if incoming.offset:
            self._log.healed(incoming.name, incoming.size)
            self._request(incoming, 0)
        else:
            self._log.damaged(incoming.name, incoming.size)

    def _commit(self, incoming: Incoming, draft: Draft) -> None:
        """Have the packet named with its group, and confirmed after that."""
        try:
            self._spool.commit(draft, self._node, RX, batch=self._batch, then=lambda: self._received(incoming))
        except SpoolError:
            self._arrivals.doubt(self._node)
            raise

    def _received(self, incoming: Incoming) -> None:
        self._tally.received += 1
        self._tally.received_bytes += incoming.size
        (self._log.checked if incoming.offset else self._log.received)(incoming.name, incoming.size)
        self._asker.confirm(incoming.name)

    def _confirm_again(self) -> None:
        """Confirm what was in rx before; it may be there by a rename that no power cut has tested."""
        again, self._again = self._again, []
        if again and self._arrivals.secure(self._node):
            for incoming in again:
                self._asker.confirm(incoming.name)

    # ------------------------------------------------------------------------------------------ asking

    def _decide(self, incoming: Incoming) -> None:
        """Deal with a packet that does not wait in rx."""
        name, size = incoming.name, incoming.size
        if self._spool.is_seen(self._node, name):
            self._log.seen(name, incoming.nice, size)
            self._asker.confirm(name)
        elif name in self._nocks:
            self._log.unchecked(name, incoming.nice, size)
            if not self._terms.nock:
                self._check_old(incoming, self._nocks.pop(name), NOCK)
        elif 0 < size == self._parts.get(name):
            self._log.info(name, incoming.nice, size, size)
            self._check_old(incoming, self._parts.pop(name), PART)
        else:
            offset = self._parts.pop(name, 0)
            if offset > size:
                self._files.old(incoming, PART).discard()
                offset = 0
            self._request(incoming, offset)

    def _request(self, incoming: Incoming, offset: int) -> None:
        missing = incoming.size - offset
        if self._is_closing:
            return
        if not self._has_room(missing):
            self._log.no_room(incoming.name, incoming.nice, incoming.size)
            self._hold(incoming, BY_ROOM)
        elif not self._spending.reserve(missing):
            self._hold(incoming, BY_BUDGET)
        else:
            incoming.offset = incoming.received = offset
            self._promised += missing
            self._tally.expected_bytes += missing
            self._downloads[incoming.name] = incoming
            self._asker.request(incoming.name, offset)
            self._log.info(incoming.name, incoming.nice, incoming.size, offset)

    def _has_room(self, missing: int) -> bool:
        with self._spool.guard:
            free = self._spool.disk.free_bytes(self._spool.layout.root)
        return missing + self._promised + RESERVE_BYTES <= free

    def _hold(self, incoming: Incoming, why: str) -> None:
        self._tally.hold(incoming.name, incoming.nice, incoming.size, why, RX)

    # ------------------------------------------------------------------------------------------ writing and checking

    def _take_small(self, incoming: Incoming, data: memoryview) -> None:
        self._forget(incoming)
        draft = self._spool.draft()
        try:
            draft.write(data)
            is_sound = draft.finish_writing() == incoming.name
        except BaseException:
            draft.discard()
            raise
        if is_sound:
            self._commit(incoming, draft)
        else:
            draft.discard()
            self._throw_away(incoming)

    def _check_what_is_here(self, incoming: Incoming) -> None:
        def job(stop: Callable[[], bool]) -> bool | None:
            return None if stop() else self._arrivals.is_here(self._node, incoming.name)

        self._check(incoming, None, job, beside=incoming.size > self._thread_bytes)

    def _check_old(self, incoming: Incoming, length: int, suffix: str) -> None:
        """Check what an earlier session has downloaded."""
        part = self._files.old(incoming, suffix)
        incoming.offset = length
        if length == incoming.size:
            beside = incoming.size > self._thread_bytes
            self._check(incoming, part, lambda stop: part.open().check(stop), beside=beside)
        else:
            part.discard()
            self._request(incoming, 0)

    def _check(self, incoming: Incoming, part: Part | None, job: Job, *, beside: bool) -> None:
        self._checker.submit((incoming, part), job, beside=beside)
        if self._checker.waiting >= CHECKS_MAX:
            self._take_outcomes()

    def _forget(self, incoming: Incoming) -> None:
        """Expect no more bytes of it."""
        del self._downloads[incoming.name]
        self._spending.release_request()
