# SPDX-License-Identifier: GPL-3.0-or-later
"""Look every hour whose packets are held here, and tell their senders; see `muleteer.agent.held_notes`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from muleteer.agent.held_notes import HeldNotes
from muleteer.agent.toss_log import TossLog
from muleteer.errors import MuleteerError
from muleteer.tossing.submit import Submitter

if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.agent.box import Box
    from muleteer.agent.events import Now
    from muleteer.agent.journal import Journal
    from muleteer.agent.status import Status

LOOK_SECONDS = 3600.0


async def watch_held(box: Box, journal: Journal, status: Callable[[], Status], now: Callable[[], Now]) -> None:
    """Look now and then; never ends by itself. `status` is the running agent's, `now` the box's time."""
    while True:
        await trio.sleep(LOOK_SECONDS)
        if not now().sure:
            continue
        try:
            count = await trio.to_thread.run_sync(tell, box, journal, status(), now().wall)
        except MuleteerError as error:
            journal.alarm("no sender can be told of held packets", problem=str(error))
            continue
        if count:
            journal.event("senders told of held packets", notes=count)


def tell(box: Box, journal: Journal, status: Status, wall: float) -> int:
    """Queue the notes that are due; return how many. Raises MuleteerError."""
    spool, inquiry = box.spool(), box.inquiry()
    submitter = Submitter(box.config, spool, TossLog(box.config, box.disk(), journal))
    name, after = box.appliance.agent.name, float(box.appliance.held.after_s)
    notes = HeldNotes(name, box.config, spool, submitter, lambda packet: inquiry.why(packet, status, wall), after)
    return notes.tell(wall)
