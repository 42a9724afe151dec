# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the chosen packets onto the stick: group after group, in the order of urgency.

The ritual is the spool's own (`spool.draft`, `spool.batch`), on the stick's disk and under the reference's draft name.
When a group fails, its packets are tried one by one: one bad sector, or a stick that is full two packets before the
plan thought, costs those packets and no others. One failure is not tried again: a failed fsync. In its directory
nothing can be proven until the stick is mounted anew (`Medium.is_doubtful`): what would go there is held.

A stick that says "full" while it has room has a directory that is full (FAT: 65,536 entries of 32 bytes, some 9,000 of
our names; in its root 512): then the ceiling is that neighbour's alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muleteer.carriers.stick_layout import DRAFT_PREFIX
from muleteer.carriers.stick_medium import Fault
from muleteer.carriers.stick_report import Hold, Step
from muleteer.errors import NameMismatch, RunnerFailed, RunnerReadOnly, SpoolError, SpoolMissing
from muleteer.spool.batch import Batch
from muleteer.spool.disk import DIRECTORY, FILE, ensure_dir
from muleteer.spool.draft import Draft

if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.carriers.readback import ReadBack
    from muleteer.carriers.stick_medium import Medium
    from muleteer.carriers.stick_plan import Queued
    from muleteer.carriers.stick_report import Meter, RoundResult
    from muleteer.formats.ids import NodeId
    from muleteer.spool.disk import DiskFile
    from muleteer.spool.spool import Spool

SMALL = 1 << 20  # bytes; up to this a packet goes through one buffer of ours, above it through the draft's
ROOM = 256 << 10  # bytes; a stick that has this much more than a packet needs is not full: its directory is
_HOLDS = {Fault.FULL: Hold.NO_ROOM, Fault.READ_ONLY: Hold.READ_ONLY, Fault.BLOCKED: Hold.BLOCKED}


class _Unreadable(Exception):
    """Our own copy of a packet cannot be read."""

    def __init__(self, problem: SpoolError) -> None:
        super().__init__()
        self.problem = problem


class Writer:
    """Writes the load of one round.

    `written` grows in the order in which the packets are durable on the stick; `proven` has those that an earlier round
    has left there, read back already.
    """

    def __init__(
        self,
        medium: Medium,
        spool: Spool,
        directories: dict[NodeId, str],
        result: RoundResult,
        meter: Meter,
        readback: ReadBack,
        stop: Callable[[], bool],
    ) -> None:
        self.written: list[Queued] = []
        self.proven: list[Queued] = []
        self._medium = medium
        self._spool = spool
        self._directories = directories
        self._result = result
        self._meter = meter
        self._readback = readback
        self._stop = stop
        self._view = memoryview(bytearray(SMALL))
        self._usable: dict[NodeId, bool] = {}
        self._pending: list[Queued] = []  # in the group at hand
        self._ceilings: dict[NodeId | None, int] = {}  # a packet of this size found no room (there), so no bigger will

    def run(self, chosen: list[Queued]) -> None:
        """Write what was chosen; what cannot be written is held. Raises RunnerGone, RunnerFailed, SpoolError."""
        self._meter.begin(Step.SENDING, len(chosen), sum(queued.size for queued in chosen))
        batch = Batch(self._medium.disk)
        try:
            for queued in chosen:
                if self._stop():
                    break
                self._write(queued, batch)
                self._meter.packet_done()
            self._committed(batch.flush)
        finally:
            batch.discard()

    # ------------------------------------------------------------------------------------------ one packet

    def _write(self, queued: Queued, batch: Batch) -> None:
        hold = self._hold(queued)
        if hold is not None:
            self._result.held.append(queued.held(hold))
        elif not (queued.present and self._lies_there(queued)):
            draft = self._copied(queued)
            if draft is not None:
                self._add(queued, draft, batch)

    def _hold(self, queued: Queued) -> Hold | None:
        if self._result.read_only:
            return Hold.READ_ONLY
        if self._medium.is_doubtful(self._directories[queued.node]):
            return Hold.UNCERTAIN
        if not queued.present and any(
            queued.size >= self._ceilings[whose] for whose in (None, queued.node) if whose in self._ceilings
        ):
            return Hold.NO_ROOM
        try:
            return None if self._is_usable(queued.node) else Hold.BLOCKED
        except OSError as error:
            hold = self._fault(queued, error)
            if hold is Hold.MISWRITTEN:  # asked once for each packet, one bad directory would use up the round's faults
                self._usable[queued.node] = False
            return hold

    def _lies_there(self, queued: Queued) -> bool:
        """Count a packet that lies on the stick already, if the medium gives it back (or hold it); else clear it away.

        Its name may be there by a rename whose sync failed, before this program began and the mount went on; so it is
        named anew before the directory is synced. Return whether it was dealt with.
        """
        path = self._path(queued)
        try:
            with self._medium.disk.open_read(path) as file:
                file.fsync()  # whoever wrote it may not have; only then does the cache let go of it
            found = self._readback.hash_of(path) == queued.name
        except OSError as error:
            self._medium.meaning(error)
            found = False
        if self._medium.is_doubtful(self._directories[queued.node]):
            self._result.held.append(queued.held(Hold.UNCERTAIN))
            return True
        if not found:
            self._medium.remove(path)
            return False
        directory = self._directories[queued.node]
        between = f"{directory}/{DRAFT_PREFIX}{self._medium.disk.unique()}"
        try:
            self._medium.disk.rename(path, between)
            self._medium.disk.rename(between, path)
            self._medium.disk.fsync_dir(directory)
        except OSError as error:
            self._hold_for(queued, error)
        else:
            self._medium.worked()
            self.proven.append(queued)
        return True

    def _copied(self, queued: Queued) -> Draft | None:
        """Return a draft on the stick that hashes to the packet's name; None (and a hold) if it cannot be had."""
        draft = Draft(self._medium.disk, self._directories[queued.node], prefix=DRAFT_PREFIX)
        sound = False
        try:
            draft.open()
            self._fill(queued, draft)
            actual = draft.finish_writing()
            sound = actual == queued.name
            if not sound:
                self._unreadable(queued, NameMismatch(name=str(queued.name), actual=str(actual)))
        except OSError as error:
            self._hold_for(queued, error)
        except _Unreadable as error:
            if self._spool.has(queued.node, "tx", queued.name):  # gone since it was listed: acknowledged, or removed
                self._unreadable(queued, error.problem)
        finally:
            if not sound:
                draft.discard()
        return draft if sound else None

    def _fill(self, queued: Queued, draft: Draft) -> None:
        left = queued.size
        with self._opened(queued) as source:
            while left:
                view = self._view if queued.size <= SMALL else draft.take()
                count = _read(source, view[:left])
                if not count:
                    return
                if queued.size <= SMALL:
                    draft.write(view[:count])
                else:
                    draft.give(view[:count])
                left -= count
                self._meter.moved(count)

    def _opened(self, queued: Queued) -> DiskFile:
        try:
            return self._spool.open(queued.node, "tx", queued.name)
        except SpoolMissing:
            raise
        except SpoolError as error:
            raise _Unreadable(error) from error

    # ------------------------------------------------------------------------------------------ the group

    def _add(self, queued: Queued, draft: Draft, batch: Batch) -> None:
        self._pending.append(queued)

        def named() -> None:
            self._pending.remove(queued)
            self._medium.worked()
            self.written.append(queued)

        directory = self._directories[queued.node]
        self._committed(lambda: batch.add(draft, directory, queued.name, named))

    def _committed(self, act: Callable[[], None]) -> None:
        """Do what may commit the group; if it fails, try its packets one by one."""
        try:
            act()
        except OSError as error:
            failed, self._pending = self._pending, []
            fault = self._medium.meaning(error)
            if fault is Fault.READ_ONLY:  # names may be there that no sync has proven: not a stick to call safe
                self._result.read_only = True
                self._result.problem(RunnerReadOnly(runner=self._medium.runner))
            elif any(self._medium.is_doubtful(self._directories[queued.node]) for queued in failed):
                self._result.problem(RunnerFailed(runner=self._medium.runner, problem=error.strerror))
            for queued in failed:
                self._write_alone(queued)

    def _write_alone(self, queued: Queued) -> None:
        """Write one packet of a group that failed, which may have got its name before that."""
        hold = self._hold(queued)
        if hold is not None:
            self._result.held.append(queued.held(hold))
            return
        if self._medium.kind(self._path(queued)) == FILE and self._lies_there(queued):
            return
        draft = self._copied(queued)
        if draft is None:
            return
        alone = Batch(self._medium.disk)
        try:
            alone.add(draft, self._directories[queued.node], queued.name)
            alone.flush()
        except OSError as error:
            self._hold_for(queued, error)
        else:
            self._medium.worked()
            self.written.append(queued)

    # ------------------------------------------------------------------------------------------ what goes wrong

    def _hold_for(self, queued: Queued, error: OSError) -> None:
        self._result.held.append(queued.held(self._fault(queued, error)))

    def _fault(self, queued: Queued, error: OSError) -> Hold:
        """Say why a packet is held after an error of the stick, and remember what that means for the next ones."""
        fault = self._medium.meaning(error)
        doubtful = self._medium.is_doubtful(self._directories[queued.node])
        if fault is Fault.FULL:
            whose = queued.node if self._medium.free_bytes() > queued.size + ROOM else None
            self._ceilings[whose] = min(queued.size, self._ceilings.get(whose, queued.size))
        elif fault is Fault.READ_ONLY:
            self._result.read_only = True
            self._result.problem(RunnerReadOnly(runner=self._medium.runner))
        elif fault is not Fault.BLOCKED or doubtful:
            self._result.problem(RunnerFailed(runner=self._medium.runner, problem=error.strerror))
        return Hold.UNCERTAIN if doubtful else _HOLDS.get(fault, Hold.MISWRITTEN)

    def _unreadable(self, queued: Queued, problem: NameMismatch | SpoolError) -> None:
        self._result.held.append(queued.held(Hold.UNREADABLE))
        self._result.problem(problem)

    # ------------------------------------------------------------------------------------------ places

    def _path(self, queued: Queued) -> str:
        return f"{self._directories[queued.node]}/{queued.name}"

    def _is_usable(self, node: NodeId) -> bool:
        """Make BASE/RECIPIENT/OUR-ID where it is missing; False if something else stands there. Raises OSError."""
        if node not in self._usable:
            directory = self._directories[node]
            recipient = directory.rpartition("/")[0]
            places = [recipient.rpartition("/")[0], recipient, directory]
            kinds = [self._medium.kind(place) for place in places]
            usable = all(kind in (DIRECTORY, None) for kind in kinds)
            if usable and None in kinds:
                ensure_dir(self._medium.disk, directory)
            for place in (
                places[:-1] if usable else ()
            ):  # a round that was broken off may have made it and synced nothing
                self._medium.disk.fsync_dir(place)
            self._usable[node] = usable
        return self._usable[node]


def _read(source: DiskFile, view: memoryview) -> int:
    """Read from our own disk. Raises _Unreadable: an error of this packet, not of the stick that it was to go to."""
    try:
        return source.read_into(view)
    except SpoolError as error:
        raise _Unreadable(error) from error
