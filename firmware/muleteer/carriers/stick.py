# SPDX-License-Identifier: GPL-3.0-or-later
"""The round: everything that one insertion of a stick does, in one synchronous call.

1. Look: which directories of ours and our neighbours' are there. None: the stick is foreign, nothing is touched
   (unless it is blank and the rule says it may be laid out).
2. Receive what is for us from neighbours, most urgent first; only what hashes to its name, and from those only of whom
   the rules let it be taken in.
3. Acknowledge it, then take it off the stick.
4. Take off what we brought earlier and its recipient has by now, by another way; see `stick_sweep`.
5. Send what is queued, as far as the rules, the room and the file system allow; what does not fit waits, with a reason.
6. Read back from the medium what was written. What does not come back as it was is removed, and kept here.
7. Retire: out of tx, or into the ledger where the neighbour acknowledges.
8. Sync. A sync that fails, or a directory that cannot be listed, is a problem, and the round is not complete.

Unmounting, the pull-lamp and tossing are the agent's.

A round may be broken off anywhere, by the power, by a pull or by `stop`: it leaves nothing to repair (see the tables in
`stick_receive`, `stick_send` and `stick_sweep`), and the next insertion completes it. Where the stick is pulled, `run`
raises RunnerGone, and `result` says what was done until then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muleteer.carriers.stick_layout import BUNDLE, find_layout
from muleteer.carriers.stick_medium import Fault, Medium
from muleteer.carriers.stick_plan import StickTraits
from muleteer.carriers.stick_receive import Receiver
from muleteer.carriers.stick_report import Held, Hold, Meter, RoundResult, Step
from muleteer.carriers.stick_send import Sender
from muleteer.errors import CarrierError, RunnerGone, RunnerReadOnly
from muleteer.spool.disk import ensure_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from muleteer.carriers.stick_layout import StickLayout
    from muleteer.carriers.stick_plan import StickAllowance
    from muleteer.carriers.stick_report import Advance
    from muleteer.formats.ids import NodeId, PacketName
    from muleteer.spool.ledger import Ledger
    from muleteer.spool.port import Disk
    from muleteer.spool.spool import Spool


def _silent(_advance: Advance) -> None:
    return None


def _nothing() -> None:
    return


def _never() -> bool:
    return False


class Round:
    """One round with the stick mounted at `mountpoint`, reached through `disk` (a Disk of its own, not the spool's).

    `runner` is the stick's name for people and for the ledger; `now` is wall time in seconds.

    `acknowledge` is called with sender and name of each packet that is durable in rx; it queues the acknowledgement,
    which is durable when `acknowledged` returns, called once for many. It is called again if the packet comes again,
    because its sender then has not had our acknowledgement; the packet may have been tossed by then, and be no more in
    rx.

    `report` hears of progress, in this thread. `present` says whether the stick is still plugged in; `make_writable`
    remounts it and may raise CarrierError; `stop` is asked between packets.
    """

    def __init__(
        self,
        spool: Spool,
        disk: Disk,
        ledger: Ledger,
        own: NodeId,
        neighbours: Collection[NodeId],
        allowance: StickAllowance,
        mountpoint: str,
        *,
        runner: str,
        now: float,
        acknowledge: Callable[[NodeId, PacketName], object],
        acknowledged: Callable[[], None] = _nothing,
        traits: StickTraits | None = None,
        report: Callable[[Advance], None] = _silent,
        present: Callable[[], bool] | None = None,
        make_writable: Callable[[], None] | None = None,
        stop: Callable[[], bool] = _never,
    ) -> None:
        self.result = RoundResult()
        self._spool = spool
        self._ledger = ledger
        self._own = own
        self._neighbours = neighbours
        self._allowance = allowance
        self._now = now
        self._acknowledge = acknowledge
        self._acknowledged = acknowledged
        self._traits = traits or StickTraits()
        self._make_writable = make_writable
        self._stop = stop
        self._medium = Medium(disk, mountpoint, runner, present, self.result.problem)
        self._meter = Meter(report)

    def run(self) -> RoundResult:
        """Do the round.

        Raises RunnerGone if the stick was pulled, RunnerFailed if it fails again and again, SpoolError if our own disk
        does. `result` is true in every case.
        """
        if not self._medium.is_present():
            raise RunnerGone(runner=self._medium.runner)
        layout = find_layout(self._medium, self._own, self._neighbours, self.result.refusals)
        if not layout.is_runner and layout.is_doubtful:
            return self.result
        if layout.is_strange or not (layout.is_runner or self._allowance.initialise):
            self.result.foreign = self.result.complete = True
            return self.result
        self._prepare(layout)
        self._receive(layout)
        if not self._stop():
            self._send(layout)
        self._meter.begin(Step.SYNCING)
        if not self.result.read_only:
            self._medium.sync([self._medium.mountpoint])
        self.result.complete = not (self._stop() or self._medium.is_flawed)
        return self.result

    def _prepare(self, layout: StickLayout) -> None:
        """Make the stick writable, and lay it out if it is blank."""
        self.result.read_only = self._traits.read_only
        if not self.result.read_only and self._make_writable is not None:
            try:
                self._make_writable()
            except CarrierError:
                self.result.read_only = True
        if not layout.is_runner and not self.result.read_only:
            try:
                ensure_dir(self._medium.disk, self._medium.path(BUNDLE))
            except OSError as error:
                self.result.read_only = self._medium.meaning(error) is Fault.READ_ONLY

    def _receive(self, layout: StickLayout) -> None:
        layout.incoming = [found for found in layout.incoming if self._allowance.terms_for(found[0]).receive]
        receiver = Receiver(
            self._medium,
            self._spool,
            self._own,
            self.result,
            self._meter,
            acknowledge=self._acknowledge,
            acknowledged=self._acknowledged,
            stop=self._stop,
            start=int(self._now),
        )
        receiver.run(layout)

    def _send(self, layout: StickLayout) -> None:
        nodes = sorted(self._neighbours)
        if self.result.read_only:
            self._hold_everything(nodes)
            return
        sender = Sender(
            self._medium,
            self._spool,
            self._ledger,
            self._allowance,
            self._traits,
            self._now,
            self.result,
            self._meter,
            self._stop,
        )
        sender.run(self._own, nodes, layout)

    def _hold_everything(self, nodes: Collection[NodeId]) -> None:
        self.result.problem(RunnerReadOnly(runner=self._medium.runner))
        for node in nodes:
            if node != self._own and self._allowance.loads_for(node):
                entries = self._spool.entries(node, "tx")
                self.result.held += [Held(node, e.name, e.nice, e.size, Hold.READ_ONLY) for e in entries]
