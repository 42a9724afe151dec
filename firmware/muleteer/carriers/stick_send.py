# SPDX-License-Identifier: GPL-3.0-or-later
"""From tx onto the stick: written, synced, read back from the medium, and only then retired.

What a cut or a pull between any two steps leaves, and what the next insertion does about it:

| done so far                        | found at the next insertion        | done then                                  |
|------------------------------------|------------------------------------|--------------------------------------------|
| written in part, or not renamed    | nncpxfer<hex>, torn                | swept                                      |
| renamed, directory not synced      | either name, or (FAT) a torn file  | hash decides: carried, or replaced         |
| synced, but a sync failed          | the packet on both sides           | hash decides: carried, or replaced         |
| synced, not read back              | the packet on both sides           | hash decides: carried, or replaced         |
| read back, not retired             | the packet on both sides           | hash decides: carried, or replaced         |
| retired                            | the packet on the stick only       | nothing                                    |

Retiring: where the neighbour acknowledges, a packet stays in tx until its acknowledgement comes, and the ledger says
which runner left with a copy. Elsewhere it leaves tx, as with the reference's nncp-xfer; so do acknowledgements, which
nobody acknowledges. Unlike there, a packet that
lies on the stick already counts as carried once its hash was read back, instead of staying in tx for ever.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from muleteer.carriers.readback import ReadBack
from muleteer.carriers.stick_plan import plan
from muleteer.carriers.stick_queue import Gatherer
from muleteer.carriers.stick_report import Hold, Step
from muleteer.carriers.stick_sweep import Sweeper
from muleteer.carriers.stick_write import Writer
from muleteer.errors import RunnerFailed, RunnerGone
from muleteer.spool.ack_marks import AckMarks
from muleteer.spool.ledger import RUNNER_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from muleteer.carriers.stick_layout import StickLayout
    from muleteer.carriers.stick_medium import Medium
    from muleteer.carriers.stick_plan import Queued, StickAllowance, StickTraits
    from muleteer.carriers.stick_report import Meter, RoundResult
    from muleteer.formats.ids import NodeId, PacketName
    from muleteer.spool.ledger import Ledger
    from muleteer.spool.spool import Spool

RETIRE_MAX = 64  # verified packets that are retired together: one sync of the ledger, one of each tx directory


class Sender:
    """The sending half of one round."""

    def __init__(
        self,
        medium: Medium,
        spool: Spool,
        ledger: Ledger,
        allowance: StickAllowance,
        traits: StickTraits,
        now: float,
        result: RoundResult,
        meter: Meter,
        stop: Callable[[], bool],
    ) -> None:
        self._medium = medium
        self._spool = spool
        self._ledger = ledger
        self._allowance = allowance
        self._traits = traits
        self._now = now
        self._result = result
        self._meter = meter
        self._stop = stop
        self._readback = ReadBack(medium.disk)

    def run(self, own: NodeId, nodes: Iterable[NodeId], layout: StickLayout) -> None:
        """Send what may and can go for `nodes`.

        Raises RunnerGone, RunnerFailed or SpoolError; what was verified until then is retired.
        """
        gatherer = Gatherer(
            self._medium, self._spool, self._ledger, own, layout, self._allowance, self._now, self._result
        )
        with ExitStack() as locks:
            load = gatherer.gather(nodes, locks)
            sweeper = Sweeper(self._medium, self._spool, self._ledger, own, layout, self._result, self._stop)
            sweeper.run(load.directories)
            planned = plan(load.queue, self._allowance, self._traits, self._medium.free_bytes())
            self._result.held += planned.held
            writer = Writer(
                self._medium, self._spool, load.directories, self._result, self._meter, self._readback, self._stop
            )
            writer.run(planned.chosen)
            proven = [queued for queued in writer.proven if self._is_certain(queued, load.directories)]
            self._result.sent_again += len(proven)
            self._retire(proven, lay_here=True)
            self._verify(writer.written, load.directories)

    def _verify(self, written: list[Queued], directories: dict[NodeId, str]) -> None:
        self._meter.begin(Step.VERIFYING, len(written), sum(queued.size for queued in written))
        verified: list[Queued] = []
        try:
            for queued in written:
                if self._is_certain(queued, directories) and self._is_back(
                    queued, f"{directories[queued.node]}/{queued.name}"
                ):
                    verified.append(queued)
                if len(verified) >= RETIRE_MAX:
                    self._retire(verified)
                self._meter.packet_done()
        except (RunnerGone, RunnerFailed):
            self._retire(verified)  # these are known to be on the stick, wherever it is now
            raise
        self._retire(verified)

    def _is_certain(self, queued: Queued, directories: dict[NodeId, str]) -> bool:
        """Tell whether a packet's directory can be believed; else hold the packet. It may well be on the stick."""
        if self._medium.is_doubtful(directories[queued.node]):
            self._result.held.append(queued.held(Hold.UNCERTAIN))
            return False
        return True

    def _is_back(self, queued: Queued, path: str) -> bool:
        """Tell whether the medium gives back what was written; if not, remove it and hold the packet."""
        try:
            actual = self._readback.hash_of(path, self._meter.moved)
            problem = f"it gives back {actual} where {queued.name} was written"
        except OSError as error:
            self._medium.meaning(error)
            actual, problem = None, f"{queued.name} cannot be read back: {error.strerror}"
        if actual == queued.name:
            self._medium.worked()
            return True
        self._medium.remove(path)
        self._result.held.append(queued.held(Hold.MISWRITTEN))
        self._result.problem(RunnerFailed(runner=self._medium.runner, problem=problem))
        return False

    def _retire(self, verified: list[Queued], *, lay_here: bool = False) -> None:
        """Take verified packets out of tx, or note who carries them; empties the list.

        Those that `lay_here` when the stick came are not noted anew if it was the one to take them: they went round
        and were not delivered. Else a stick that never comes to their recipient would keep all others from taking them.
        """
        those = verified.copy()
        verified.clear()
        kept: dict[NodeId, list[Queued]] = {}
        marks = AckMarks(self._spool)
        for queued in those:
            if queued.kept:
                kept.setdefault(queued.node, []).append(queued)
            else:
                self._spool.finish(queued.node, "tx", queued.name, settle=False)
                marks.clear(queued.node, [queued.name])
        for node, ours in kept.items():
            names = [queued.name for queued in ours if not (lay_here and self._is_noted(queued.name))]
            self._ledger.carried(self._medium.runner, node, names, self._now)
        self._spool.settle()
        self._result.sent += len(those)
        self._result.sent_bytes += sum(queued.size for queued in those)
        self._result.kept += sum(map(len, kept.values()))
        self._result.retired = self._result.sent - self._result.kept

    def _is_noted(self, name: PacketName) -> bool:
        """Tell whether this stick left with a packet before."""
        return any(copy.runner == self._medium.runner[:RUNNER_MAX] for copy in self._ledger.where(name))
