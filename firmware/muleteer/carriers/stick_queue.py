# SPDX-License-Identifier: GPL-3.0-or-later
"""Gather what could go onto this stick: the neighbours' tx, what of it travels already, what lies on the stick already.

Each neighbour's tx.lock is held from here to the end of the round, as the reference's nncp-xfer holds it: of two sticks
that are in at once, the first to ask takes a neighbour's packets, and for the other they wait (LOCKED). Our own
unfinished copies from a broken-off round are removed here, under the same lock: an nncp-xfer at work has it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from muleteer.carriers.stick_layout import Outbox, outbox
from muleteer.carriers.stick_plan import Queued
from muleteer.carriers.stick_report import Hold
from muleteer.errors import SpoolError, SpoolLocked, SpoolMissing
from muleteer.spool.ack_marks import AckMarks
from muleteer.spool.disk import FILE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from contextlib import ExitStack

    from muleteer.carriers.stick_layout import StickLayout
    from muleteer.carriers.stick_medium import Medium
    from muleteer.carriers.stick_plan import StickAllowance
    from muleteer.carriers.stick_report import RoundResult
    from muleteer.formats.ids import NodeId, PacketName
    from muleteer.spool.ledger import Ledger
    from muleteer.spool.spool import Entry, Spool


@dataclass(slots=True)
class Load:
    """What could go, and the directory RECIPIENT/OUR-ID of each neighbour it is for."""

    queue: list[Queued] = field(default_factory=list)
    directories: dict[NodeId, str] = field(default_factory=dict)


class Gatherer:
    """Gathers the load of one round."""

    def __init__(
        self,
        medium: Medium,
        spool: Spool,
        ledger: Ledger,
        own: NodeId,
        layout: StickLayout,
        allowance: StickAllowance,
        now: float,
        result: RoundResult,
    ) -> None:
        self._medium = medium
        self._spool = spool
        self._ledger = ledger
        self._own = own
        self._layout = layout
        self._allowance = allowance
        self._now = now
        self._result = result

    def gather(self, nodes: Iterable[NodeId], locks: ExitStack) -> Load:
        """Take the locks (released with `locks`), sweep, and return the load.

        Packets to ourselves travel only where `carry` names us: elsewhere they would come back at the next insertion.
        """
        load = Load()
        travelling = set(self._ledger.names())
        for node in nodes:
            if node == self._own and self._allowance.carry is None:
                continue
            try:
                self._gather_for(node, travelling, load, locks)
            except SpoolMissing:
                raise
            except SpoolError as error:  # a bad sector in this neighbour's queue shall not hold up the others'
                self._result.problem(error)
        return load

    def _gather_for(self, node: NodeId, travelling: set[PacketName], load: Load, locks: ExitStack) -> None:
        entries = self._spool.entries(node, "tx")
        if not self._allowance.loads_for(node):
            load.queue += [_queued(node, entry) for entry in entries]
        elif entries or node in self._layout.outgoing:
            self._gather_one(node, entries, travelling, load, locks)

    def _gather_one(
        self, node: NodeId, entries: list[Entry], travelling: set[PacketName], load: Load, locks: ExitStack
    ) -> None:
        try:
            locks.enter_context(self._spool.lock(node, "tx"))
        except SpoolLocked:
            self._result.locked.append(node)
            self._result.held += [_queued(node, entry).held(Hold.LOCKED) for entry in entries]
            return
        entries = self._spool.entries(node, "tx")  # what went away before we had the lock
        load.directories[node] = self._directory(self._layout.base_for(node), node)
        there = self._swept(node, {str(entry.name) for entry in entries})
        under_way = self._under_way(node, travelling)
        acks = AckMarks(self._spool).of(node)
        for entry in entries:
            lying = there.present.get(str(entry.name))
            present = lying is not None and lying.kind == FILE and lying.size == entry.size
            kept = node in self._allowance.acknowledging and entry.name not in acks
            travels = kept and entry.name in under_way
            load.queue.append(Queued(node, entry.name, entry.nice, entry.size, travels, present, kept))

    def _swept(self, node: NodeId, names: Collection[str]) -> Outbox:
        """Remove our unfinished copies; return what lies where we are going to write."""
        there = Outbox()
        for base in reversed(self._layout.outgoing.get(node, ())):  # the first is where we write
            there = outbox(self._medium, self._directory(base, node), names)
            self._result.swept += sum(self._medium.remove(path) is None for path in there.drafts)
        return there

    def _under_way(self, node: NodeId, travelling: set[PacketName]) -> set[PacketName]:
        seconds = self._allowance.acknowledging.get(node)
        if seconds is None:
            return set()
        return travelling - {copy.name for copy in self._ledger.overdue(self._now, seconds, node)}

    def _directory(self, base: str, node: NodeId) -> str:
        return self._medium.path(base, str(node), str(self._own))


def _queued(node: NodeId, entry: Entry) -> Queued:
    return Queued(node, entry.name, entry.nice, entry.size)
