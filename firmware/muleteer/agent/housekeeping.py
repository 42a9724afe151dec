# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep house: clean up after a power cut at each start, and once a day what would otherwise grow for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from muleteer.errors import LogError, SpoolError
from muleteer.spool.logbook import Logbook
from muleteer.spool.retention import drop_old_marks
from muleteer.spool.sweep import sweep

if TYPE_CHECKING:
    from muleteer.agent.box import Box
    from muleteer.agent.clock import Clock
    from muleteer.agent.journal import Journal

DAY_SECONDS = 86400.0
LOG_SIZE_MAX = 16 << 20  # of the log that nncp-log reads; with the one before it twice that, some 60,000 calls


def clean(box: Box, clock: Clock, journal: Journal) -> None:
    """Remove what nobody needs. Raises SpoolError when the disk fails."""
    spool = box.spool()
    swept = sweep(spool, now=clock.wall(), uptime=clock.uptime())
    if swept.total:
        counts = {key: getattr(swept, key) or None for key in ("drafts", "headers", "asides", "ledger", "marks")}
        journal.event("spool swept", **counts)
    if dropped := drop_old_marks(spool):
        journal.event("oldest marks of tossed packets dropped", count=dropped)
    try:
        if Logbook(box.config.log, box.disk(), clock.wall_ns).put_by(LOG_SIZE_MAX):
            journal.event("log put by", old=f"{box.config.log}.1")
    except LogError as error:
        journal.alarm("the log cannot be put by", problem=str(error))


async def clean_daily(box: Box, clock: Clock, journal: Journal) -> None:
    """Clean once a day, for ever; what fails is tried again the next day."""
    while True:
        await trio.sleep(DAY_SECONDS)
        try:
            await trio.to_thread.run_sync(clean, box, clock, journal)
        except SpoolError as error:
            journal.alarm("the spool cannot be cleaned", problem=str(error))
