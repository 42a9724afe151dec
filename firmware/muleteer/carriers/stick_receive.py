# SPDX-License-Identifier: GPL-3.0-or-later
"""From the stick into rx: every packet for us is hashed, made durable, acknowledged, and only then leaves the stick.

What a cut or a pull between any two steps leaves, and what the next insertion does about it:

| done so far                      | found at the next insertion          | done then                              |
|----------------------------------|--------------------------------------|----------------------------------------|
| copied in part, or not committed | the packet on the stick, a draft     | taken from the beginning; draft: swept |
| committed to rx                  | the packet on both sides             | acknowledged, removed from the stick   |
| committed, tossed                | the packet on the stick, a seen mark | acknowledged, removed from the stick   |
| acknowledged, not removed        | the same                             | acknowledged once more: harmless       |
| removed from the stick           | nothing                              | nothing                                |

A packet that came again is acknowledged again: it came again because its sender has not had our acknowledgement.

On a write-protected stick nothing can be removed. What was taken from it is marked as seen at once, so that it is
neither copied nor delivered again however often the stick comes by, and what comes again is not acknowledged again.
"""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING

from muleteer.carriers import stick_layout
from muleteer.carriers.stick_layout import Candidate, candidates
from muleteer.carriers.stick_medium import Fault
from muleteer.carriers.stick_report import Step
from muleteer.errors import PeerError, RunnerFailed, RunnerGone, SpoolError, SpoolFull

if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.carriers.stick_layout import StickLayout
    from muleteer.carriers.stick_medium import Medium
    from muleteer.carriers.stick_report import Meter, RoundResult
    from muleteer.formats.ids import NodeId, PacketName
    from muleteer.spool.batch import Batch
    from muleteer.spool.draft import Draft
    from muleteer.spool.spool import Spool

SMALL = 1 << 20  # bytes; up to this a packet goes through one buffer of ours, above it through the draft's
SPOOL_RESERVE = 4 << 20  # bytes left free on our own disk: acknowledgements and marks need room when mail is refused


class Receiver:
    """The receiving half of one round."""

    def __init__(
        self,
        medium: Medium,
        spool: Spool,
        own: NodeId,
        result: RoundResult,
        meter: Meter,
        *,
        acknowledge: Callable[[NodeId, PacketName], object],
        acknowledged: Callable[[], None],
        stop: Callable[[], bool],
    ) -> None:
        self._medium = medium
        self._spool = spool
        self._own = own
        self._result = result
        self._meter = meter
        self._acknowledge = acknowledge
        self._acknowledged = acknowledged
        self._stop = stop
        self._view = memoryview(bytearray(SMALL))
        self._pending: list[Candidate] = []  # copied, not yet durable
        self._taken: list[Candidate] = []  # durable in rx, not yet acknowledged
        self._again: list[Candidate] = []  # have been here before
        self._settled: set[NodeId] = set()  # whose rx directory is known to be synced
        self._full = False

    def run(self, layout: StickLayout) -> None:
        """Take everything that is for us, page by page, the most urgent of a page first.

        Raises RunnerGone, RunnerFailed or SpoolError; what was committed until then is counted and acknowledged.
        """
        found = chain.from_iterable(
            candidates(self._medium, path, sender, self._own, self._result.refusals, self._is_known)
            for sender, path in layout.incoming
        )
        while page := list(islice(found, stick_layout.PAGE_MAX)):
            page.sort(key=lambda c: (c.nice, c.size, c.name))
            self._take_page(page)
            self._settle_page()
            if self._stop():
                return
        self._medium.sync([] if self._result.read_only else [path for _, path in layout.incoming])

    # ------------------------------------------------------------------------------------------ taking

    def _take_page(self, page: list[Candidate]) -> None:
        self._meter.begin(Step.RECEIVING, len(page), sum(candidate.size for candidate in page))
        batch = self._spool.batch()
        seen: set[tuple[NodeId, PacketName]] = set()
        try:
            for candidate in page:
                if self._stop():
                    break
                key = (candidate.sender, candidate.name)
                if candidate.known or key in seen:  # the same packet may lie in both layouts
                    self._again.append(candidate)
                elif self._take(candidate, batch):
                    seen.add(key)
                self._meter.packet_done()
            self._flush(batch)
        except (RunnerGone, RunnerFailed):
            self._flush(batch)  # what came over whole is ours, whatever became of the stick
            self._acknowledge_all(self._taken)
            raise
        finally:
            batch.discard()

    def _take(self, candidate: Candidate, batch: Batch) -> bool:
        """Copy one packet into the batch; False if it was refused."""
        if self._full or self._spool_room() < candidate.size + SPOOL_RESERVE:
            self._refuse_full(candidate)
            return False
        try:
            draft = self._copied(candidate)
        except SpoolFull as full:
            self._spool_is_full(full, [candidate])
            return False
        if draft is None:
            return False
        self._pending.append(candidate)
        try:
            self._spool.commit(draft, candidate.sender, "rx", batch=batch, then=self._then(candidate))
        except SpoolFull as full:
            self._group_is_full(full)
        return True

    def _copied(self, candidate: Candidate) -> Draft | None:
        """Return a draft that hashes to the packet's name; None (and a refusal) if it cannot be had."""
        draft = self._spool.draft()
        sound = False
        try:
            self._copy(candidate, draft)
            sound = draft.finish_writing() == candidate.name
            if not sound:
                self._refuse(candidate, stick_layout.WRONG_HASH)
        except OSError as error:  # the stick's: the spool's own come as SpoolError
            if self._medium.meaning(error) is not Fault.VANISHED:
                self._refuse(candidate, stick_layout.UNREADABLE)
        finally:
            if not sound:
                draft.discard()
        return draft if sound else None

    def _copy(self, candidate: Candidate, draft: Draft) -> None:
        left = candidate.size  # no more than was announced: a file that grows while it is read ends here
        with self._medium.disk.open_read(candidate.path) as source:
            while left:
                view = self._view if candidate.size <= SMALL else draft.take()
                count = source.read_into(view[:left])
                if not count:
                    return
                if candidate.size <= SMALL:
                    draft.write(view[:count])
                else:
                    draft.give(view[:count])
                left -= count
                self._meter.moved(count)

    def _then(self, candidate: Candidate) -> Callable[[], None]:
        def committed() -> None:
            self._pending.remove(candidate)
            self._taken.append(candidate)
            self._result.received += 1
            self._result.received_bytes += candidate.size

        return committed

    def _flush(self, batch: Batch) -> None:
        try:
            batch.flush()
        except SpoolFull as full:
            self._group_is_full(full)

    def _spool_room(self) -> int:
        with self._spool.guard:
            return self._spool.disk.free_bytes(self._spool.layout.root)

    def _group_is_full(self, full: SpoolFull) -> None:
        pending, self._pending = self._pending, []
        self._spool_is_full(full, pending)

    def _spool_is_full(self, full: SpoolFull, those: list[Candidate]) -> None:
        """Refuse what did not fit, and everything after it: it waits on the stick."""
        self._full = True
        for candidate in those:
            self._refuse(candidate, stick_layout.SPOOL_FULL)
        self._result.problem(full)

    def _refuse_full(self, candidate: Candidate) -> None:
        self._refuse(candidate, stick_layout.SPOOL_FULL)
        needed, free = candidate.size + SPOOL_RESERVE, self._spool_room()
        self._result.problem(SpoolFull(path=self._spool.layout.root, needed=needed, free=free))

    def _refuse(self, candidate: Candidate, reason: str) -> None:
        self._result.refusals.add(self._medium.shown(candidate.path), reason)

    def _is_known(self, sender: NodeId, name: PacketName, size: int) -> bool:
        """Tell whether a packet was delivered, or waits in rx; one of another size there is damaged and taken anew."""
        if self._spool.is_seen(sender, name):
            return True
        if not self._spool.has(sender, "rx", name):
            return False
        with self._spool.guard:
            return self._spool.disk.stat(self._spool.path(sender, "rx", name)).size == size

    # ------------------------------------------------------------------------------------------ settling

    def _settle_page(self) -> None:
        """Acknowledge what is durable here, and take it off the stick."""
        again, self._again = self._again, []
        taken, self._taken = self._taken, []
        self._result.duplicates += len(again)
        self._meter.begin(Step.ACKNOWLEDGING, len(taken) + len(again))
        for sender in {candidate.sender for candidate in again}:
            self._make_sure(sender)
        for candidate in self._acknowledge_all(taken + ([] if self._result.read_only else again)):
            self._remove(candidate)

    def _make_sure(self, sender: NodeId) -> None:
        """Sync an rx directory once: a packet found in it may be there by a rename that no power cut has tested."""
        if sender not in self._settled:
            self._settled.add(sender)
            with self._spool.guard:
                try:
                    self._spool.disk.fsync_dir(self._spool.layout.way(sender, "rx"))
                except FileNotFoundError:
                    return

    def _acknowledge_all(self, those: list[Candidate]) -> list[Candidate]:
        """Have acknowledgements queued; return the packets that may leave the stick."""
        done = []
        try:
            for candidate in those:
                self._acknowledge_one(candidate)
                done.append(candidate)
                self._meter.packet_done()
            self._acknowledged()
        except SpoolFull as full:  # all stay on the stick, and are acknowledged when they come by again
            self._result.problem(full)
            return []
        return done

    def _acknowledge_one(self, candidate: Candidate) -> None:
        sender, name = candidate.sender, candidate.name
        try:
            self._acknowledge(sender, name)
        except PeerError as error:  # it does not open: the toss will say so, too
            self._result.problem(error)
        except SpoolFull:
            raise
        except SpoolError:
            if self._spool.has(sender, "rx", name):
                raise
            # Tossed long ago, or just now: whoever wants to read it cannot.

    def _remove(self, candidate: Candidate) -> None:
        if not self._result.read_only:
            self._result.read_only = self._medium.remove(candidate.path) is Fault.READ_ONLY
        if self._result.read_only:
            self._spool.mark_seen(candidate.sender, candidate.name)
