# SPDX-License-Identifier: GPL-3.0-or-later
"""After a session: the copies on runners of what a neighbour has confirmed on line are not waited for any more.

Else they would be overdue. Those of packets that it confirmed are taken off their runners at the next round: it has
them. What left tx in another way (by a person's `nncp-rm`, onto another stick by nncp-xfer) is only forgotten: the copy
on the runner may be the only one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muleteer.errors import SpoolError
from muleteer.spool.layout import TX

if TYPE_CHECKING:
    from collections.abc import Iterable

    from muleteer.agent.box import Box
    from muleteer.agent.journal import Journal
    from muleteer.formats.ids import NodeId, PacketName


def forget_copies(box: Box, node: NodeId, journal: Journal, confirmed: Iterable[PacketName] = ()) -> None:
    """Strike from the ledger what is no longer in tx for `node`, and retire what it has `confirmed`.

    Trouble is only told: the next start tidies, too.
    """
    try:
        spool = box.spool()
        ledger = box.ledger(spool)
        ledger.retire(confirmed)
        carried = [name for name in ledger.names() if ledger.where(name)[-1].node == node]
        ledger.forget([name for name in carried if not spool.has(node, TX, name)])
    except SpoolError as error:
        journal.alarm("the ledger cannot be tidied", problem=str(error))
