# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for one's turn at the queues that somebody else is at work on: the other bay, mostly, or an nncp-* command.

Of two sticks that are in at once, the first takes a neighbour's packets under the lock of that queue, and for the
second they wait. It may be the second that is going where they should, so its round is not over before it has had its
turn, or has waited long enough: an NNCP daemon holds the lock for as long as a peer is on line.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from muleteer.errors import SpoolLocked
from muleteer.spool.layout import TX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from muleteer.formats.ids import NodeId
    from muleteer.spool.spool import Spool

WAIT_SECONDS_MAX = 300.0  # for one round, in all; another bay's stick of some GB is done by then
LOOK_SECONDS = 0.5


def wait_for_turn(
    spool: Spool,
    nodes: Iterable[NodeId],
    go_on: Callable[[], bool],
    deadline: float,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Wait until nobody is at work on the queues of `nodes`, all at the same time.

    Return False if that has not come about by `deadline`, or as soon as `go_on` is false. Raises SpoolError.
    """
    nodes = tuple(nodes)
    while go_on() and monotonic() < deadline:
        if _free(spool, nodes):
            return True
        sleep(LOOK_SECONDS)
    return False


def _free(spool: Spool, nodes: Iterable[NodeId]) -> bool:
    try:
        with ExitStack() as locks:
            for node in nodes:
                locks.enter_context(spool.lock(node, TX))
    except SpoolLocked:
        return False
    return True
