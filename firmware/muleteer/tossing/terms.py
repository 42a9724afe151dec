# SPDX-License-Identifier: GPL-3.0-or-later
"""What a toss is asked for, and what it says it did."""

from __future__ import annotations

from muleteer.formats.niceness import MAX
from muleteer.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.formats.ids import NodeId, PacketName

DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"


@record
class TossOptions:
    """What to toss and how.

    `nodes` limits whose packets (None: all), `nice` how urgent at least, `skip` leaves these kinds untouched.
    `respect_backoff` passes over packets that failed lately (the agent; a person who calls ``nncp-toss`` means it).
    `path` is the PATH of exec handles, `time_limit_s` the seconds one may run (None: for ever, as in the reference).
    `stop` is asked between packets.
    """

    nodes: frozenset[NodeId] | None = None
    nice: int = MAX
    skip: frozenset[int] = frozenset()
    dry_run: bool = False
    seen: bool = False
    respect_backoff: bool = False
    path: str = DEFAULT_PATH
    time_limit_s: float | None = None
    stop: Callable[[], bool] | None = None


@record
class TossReport:
    """What one toss did.

    `delivered` packets were processed (`repeated` of them had been before), `failed` are set aside, `strange` are files
    named like packets that are none; `locked` neighbours were left to another process. `retired` packets of ours were
    acknowledged. `next_try` is when (Unix time) a set-aside packet is due. `log_problem` says why the log has gaps.
    """

    delivered: int
    repeated: int
    failed: int
    strange: int
    locked: int
    retired: tuple[PacketName, ...]
    next_try: float | None
    log_problem: str
