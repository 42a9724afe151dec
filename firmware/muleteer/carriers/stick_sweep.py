# SPDX-License-Identifier: GPL-3.0-or-later
"""Take off the stick the copies of packets that their recipients have by now, by another way.

Each box takes what is for it off the sticks that come by. A stick that never comes by its recipient would keep a copy
for ever, and fill up with them; which of them are litter the ledger knows, once the packets were acknowledged. What a
cut or a pull between any two steps leaves:

| done so far               | found at the next insertion  | done then            |
|---------------------------|------------------------------|----------------------|
| removed in part           | some of the copies           | removed, forgotten   |
| removed, not synced       | any of the copies            | removed, forgotten   |
| synced                    | nothing                      | forgotten            |
| forgotten in the ledger   | nothing                      | nothing              |

A removal whose sync failed is believed by the next round only because the stick was mounted anew. Where it was not, the
copy may come back after it is forgotten; then it stays.

Nothing is touched but regular files in RECIPIENT/OUR-ID/ whose names the ledger gives as litter of this very stick, and
that are not in tx: a power cut may bring a packet back there, and then it is mail like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muleteer.carriers.stick_layout import outbox
from muleteer.errors import SpoolError
from muleteer.spool.disk import FILE, UNKNOWN
from muleteer.spool.layout import TX

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from muleteer.carriers.stick_layout import StickLayout
    from muleteer.carriers.stick_medium import Medium
    from muleteer.carriers.stick_report import RoundResult
    from muleteer.formats.ids import NodeId
    from muleteer.spool.ledger import Ledger
    from muleteer.spool.spool import Spool


class Sweeper:
    """Sweeps one stick in its round; what is certainly gone is forgotten."""

    def __init__(
        self,
        medium: Medium,
        spool: Spool,
        ledger: Ledger,
        own: NodeId,
        layout: StickLayout,
        result: RoundResult,
        stop: Callable[[], bool],
    ) -> None:
        self._medium = medium
        self._spool = spool
        self._ledger = ledger
        self._own = own
        self._layout = layout
        self._result = result
        self._stop = stop

    def run(self, nodes: Iterable[NodeId]) -> None:
        """Sweep for `nodes`, whose tx.lock is held.

        Trouble with our own disk is reported and holds up no mail. Raises RunnerGone or RunnerFailed.
        """
        for node in nodes:
            try:
                self._sweep_for(node)
            except SpoolError as error:
                self._result.problem(error)

    def _sweep_for(self, node: NodeId) -> None:
        known = self._ledger.litter(self._medium.runner, node)
        litter = {str(name): name for name in known if not self._spool.has(node, TX, name)}
        if not litter:
            return
        left: set[str] = set()
        for base in self._layout.outgoing.get(node, ()):
            left |= self._sweep(self._medium.path(base, str(node), str(self._own)), litter)
        if not self._medium.is_flawed:  # else there may be more than was listed, or what was removed may come back
            self._ledger.cleared(self._medium.runner, [name for text, name in litter.items() if text not in left])

    def _sweep(self, directory: str, litter: Collection[str]) -> set[str]:
        """Remove what is litter from a directory; return what of it still lies there."""
        left = set()
        found = outbox(self._medium, directory, litter).present
        for name, entry in found.items():
            if entry.kind == FILE and not self._stop() and self._medium.remove(f"{directory}/{name}") is None:
                self._result.swept += 1
            elif entry.kind in (FILE, UNKNOWN):
                left.add(name)
        if len(left) < len(found):
            self._medium.sync([directory])
        return left
