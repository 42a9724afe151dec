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

What lies in rx already lets its copy on the stick go only if it hashes to its name in a directory that was synced since
(`spool.arrivals`); else it is taken anew, over what is there.

On a write-protected stick nothing can be removed, and what was taken from it comes again: it is known by rx, by the
seen mark of the toss, or, after a toss that leaves none, by a taken mark of ours (`spool.taken`). What comes again is
not acknowledged again. Nothing here ever makes a seen mark: that says *delivered*, and the toss drops what bears one.

Bounds on what a stranger's stick may make us do: after `FORGED_MAX` wrong hashes in one directory, what else lies there
has to wait until the rest was taken, and is hashed before anything is written; and only until `REFUSED_BYTES_MAX` bytes
were read in vain in this round, then it is left, with that as the reason. `stick_patience` bounds the unreadable.
"""

from __future__ import annotations

from collections import Counter
from itertools import chain, islice
from typing import TYPE_CHECKING

from muleteer.carriers import stick_layout
from muleteer.carriers.stick_inbox import Candidate, Inbox
from muleteer.carriers.stick_medium import Fault
from muleteer.carriers.stick_patience import Patience
from muleteer.carriers.stick_report import Step
from muleteer.errors import PeerError, RunnerFailed, RunnerGone, SpoolError, SpoolFull
from muleteer.formats.mth import MthHasher
from muleteer.spool.arrivals import Arrivals
from muleteer.spool.taken import Taken

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
FORGED_MAX = 8  # wrong hashes from one directory before it is asked to prove itself first
REFUSED_BYTES_MAX = 1 << 30  # read in vain in one round: about a minute of a USB 2 stick
SPOOL_RESERVE = 4 << 20  # bytes left free on our own disk: acknowledgements and marks need room when mail is refused


class Receiver:
    """The receiving half of one round. `start` is a number that differs from round to round."""

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
        start: int = 0,
    ) -> None:
        self._medium = medium
        self._spool = spool
        self._own = own
        self._result = result
        self._meter = meter
        self._acknowledge = acknowledge
        self._acknowledged = acknowledged
        self._stop = stop
        self._start = start
        self._view = memoryview(bytearray(SMALL))
        self._arrivals = Arrivals(spool)
        self._taken_marks = Taken(spool)
        self._pending: list[Candidate] = []  # copied, not yet durable
        self._taken: list[Candidate] = []  # durable in rx, not yet acknowledged
        self._again: list[Candidate] = []  # have been here before
        self._met: set[tuple[NodeId, PacketName]] = set()  # taken from this page
        self._forged: Counter[str] = Counter()  # wrong hashes, by directory
        self._cleaned: set[str] = set()  # directories from which something was removed
        self._refused_bytes = 0
        self._full = False

    def run(self, layout: StickLayout) -> None:
        """Take everything that is for us, page by page, the most urgent of a page first.

        Raises RunnerGone, RunnerFailed or SpoolError; what was committed until then is counted and acknowledged.
        """
        found = chain.from_iterable(self._inbox(path, sender).candidates() for sender, path in layout.incoming)
        while page := list(islice(found, stick_layout.PAGE_MAX)):
            page.sort(key=lambda c: (c.nice, c.size, c.name))
            self._take_page(page)
            self._settle_page()
            if self._stop():
                return
        self._medium.sync([] if self._result.read_only else sorted(self._cleaned))

    def _inbox(self, path: str, sender: NodeId) -> Inbox:
        return Inbox(self._medium, path, sender, self._own, self._result.refusals, self._is_known, self._start)

    # ------------------------------------------------------------------------------------------ taking

    def _take_page(self, page: list[Candidate]) -> None:
        self._meter.begin(Step.RECEIVING, len(page), sum(candidate.size for candidate in page))
        self._met.clear()
        batch = self._spool.batch()
        try:
            suspects = self._take_all(page, batch, self._is_suspect)
            suspects.sort(key=lambda c: (c.size, c.nice, c.name))
            self._take_all(suspects, batch, self._is_forged)
            self._flush(batch)
        except (RunnerGone, RunnerFailed):
            self._flush(batch)  # what came over whole is ours, whatever became of the stick
            self._acknowledge_all(self._taken)
            raise
        finally:
            batch.discard()

    def _take_all(
        self, candidates: list[Candidate], batch: Batch, puts_off: Callable[[Candidate, Patience[Candidate]], bool]
    ) -> list[Candidate]:
        """Take what can be taken; return what was put off."""
        patience = Patience(candidates, self._start)
        later = []
        for candidate in patience:
            if self._stop():
                return []
            if candidate.known or (candidate.sender, candidate.name) in self._met:  # it may lie in both layouts
                self._again.append(candidate)
            elif puts_off(candidate, patience):
                later.append(candidate)
                continue
            else:
                self._take(candidate, batch, patience)
            self._meter.packet_done()
        for candidate in patience.untried:
            self._refuse(candidate, stick_layout.NOT_TRIED)
        if patience.untried:
            self._medium.report("one packet after the other could not be read, and what lies between was not tried")
        return later

    def _is_suspect(self, candidate: Candidate, _patience: Patience[Candidate]) -> bool:
        return self._forged[candidate.directory] >= FORGED_MAX

    def _is_forged(self, candidate: Candidate, patience: Patience[Candidate]) -> bool:
        """Hash a packet of a suspect directory without writing anything; True, and a refusal, if it is not taken."""
        if self._refused_bytes >= REFUSED_BYTES_MAX:
            self._refuse(candidate, stick_layout.FORGERIES)
            return True
        try:
            sound = self._hash_of(candidate) == candidate.name
        except OSError as error:
            self._cannot_read(candidate, error, patience)
            return True
        if not sound:
            patience.worked()
            self._refuse_forged(candidate)
        return not sound

    def _take(self, candidate: Candidate, batch: Batch, patience: Patience[Candidate]) -> None:
        """Copy one packet into the batch, or refuse it."""
        if self._full or self._spool_room() < candidate.size + SPOOL_RESERVE:
            self._refuse_full(candidate)
            return
        try:
            draft = self._copied(candidate, patience)
        except SpoolFull as full:
            self._spool_is_full(full, [candidate])
            return
        if draft is None:
            return
        self._met.add((candidate.sender, candidate.name))
        self._pending.append(candidate)
        with _Doubting(self._arrivals, self._pending):
            try:
                self._spool.commit(draft, candidate.sender, "rx", batch=batch, then=self._then(candidate))
            except SpoolFull as full:
                self._group_is_full(full)

    def _copied(self, candidate: Candidate, patience: Patience[Candidate]) -> Draft | None:
        """Return a draft that hashes to the packet's name; None (and a refusal) if it cannot be had."""
        draft = self._spool.draft()
        sound = False
        try:
            self._copy(candidate, draft)
            patience.worked()
            self._medium.worked()
            sound = draft.finish_writing() == candidate.name
            if not sound:
                self._refuse_forged(candidate)
        except OSError as error:  # the stick's: the spool's own come as SpoolError
            self._cannot_read(candidate, error, patience)
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

    def _hash_of(self, candidate: Candidate) -> PacketName:
        hasher, left = MthHasher(), candidate.size
        with self._medium.disk.open_read(candidate.path) as source:
            while left and (count := source.read_into(self._view[:left])):
                hasher.update(self._view[:count])
                left -= count
        return hasher.digest()

    def _then(self, candidate: Candidate) -> Callable[[], None]:
        def committed() -> None:
            self._pending.remove(candidate)
            self._taken.append(candidate)
            self._result.received += 1
            self._result.received_bytes += candidate.size

        return committed

    def _flush(self, batch: Batch) -> None:
        with _Doubting(self._arrivals, self._pending):
            try:
                batch.flush()
            except SpoolFull as full:
                self._group_is_full(full)

    def _spool_room(self) -> int:
        with self._spool.guard:
            return self._spool.disk.free_bytes(self._spool.layout.root)

    def _group_is_full(self, full: SpoolFull) -> None:
        pending = self._pending.copy()
        self._pending.clear()
        for candidate in pending:
            self._arrivals.doubt(candidate.sender)
            self._met.discard((candidate.sender, candidate.name))
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

    def _refuse_forged(self, candidate: Candidate) -> None:
        self._forged[candidate.directory] += 1
        self._refused_bytes += candidate.size
        self._refuse(candidate, stick_layout.WRONG_HASH)

    def _cannot_read(self, candidate: Candidate, error: OSError, patience: Patience[Candidate]) -> None:
        fault = self._medium.meaning(error, patient=True)
        if fault is Fault.BAD:
            patience.failed()
        if fault is not Fault.VANISHED:
            self._refuse(candidate, stick_layout.UNREADABLE)

    def _is_known(self, sender: NodeId, name: PacketName) -> bool:
        """Tell whether a packet was delivered, or waits whole in rx, or was taken from a stick that keeps it."""
        if self._spool.is_seen(sender, name):
            return True
        if self._spool.has(sender, "rx", name):
            return self._arrivals.is_here(sender, name)
        return self._taken_marks.has(sender, name)

    # ------------------------------------------------------------------------------------------ settling

    def _settle_page(self) -> None:
        """Acknowledge what is durable here, and take it off the stick."""
        again, self._again = self._again, []
        taken, self._taken = self._taken, []
        self._result.duplicates += len(again)
        self._meter.begin(Step.ACKNOWLEDGING, len(taken) + len(again))
        secure = {sender: self._is_secure(sender) for sender in dict.fromkeys(found.sender for found in taken + again)}
        quiet = again if self._result.read_only else []  # it will come again and again, to be acknowledged once
        asked = taken + ([] if quiet else again)
        done = self._acknowledge_all([candidate for candidate in asked if secure[candidate.sender]])
        for candidate in done + [candidate for candidate in quiet if secure[candidate.sender]]:
            self._remove(candidate)
        self._taken_marks.settle()

    def _is_secure(self, sender: NodeId) -> bool:
        """Sync an rx directory: a packet found in it may be there by a rename that no power cut has tested."""
        if self._arrivals.secure(sender):
            return True
        path = self._spool.layout.way(sender, "rx")
        self._result.problem(SpoolError(path=path, problem="it could not be synced: its mail stays on the stick"))
        return False

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
        """Take a packet off the stick; what cannot be removed is marked, for it will come again."""
        if not self._result.read_only:
            fault = self._medium.remove(candidate.path)
            if fault is None:
                self._cleaned.add(candidate.directory)
                return
            self._result.read_only = fault is Fault.READ_ONLY
            if fault is not Fault.READ_ONLY:
                self._medium.report("what was taken from it cannot be removed")
        self._taken_marks.mark(candidate.sender, candidate.name)


class _Doubting:
    """A ``with`` block in which packets are committed: if that fails, their rx directories are doubted."""

    def __init__(self, arrivals: Arrivals, pending: list[Candidate]) -> None:
        self._arrivals = arrivals
        self._pending = pending

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, *exc_info: object) -> None:
        if kind is not None and issubclass(kind, SpoolError):
            for sender in dict.fromkeys(candidate.sender for candidate in self._pending):
                self._arrivals.doubt(sender)
