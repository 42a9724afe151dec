# SPDX-License-Identifier: GPL-3.0-or-later
"""What the agent last said, and the task that listens to it.

As soon as the agent is gone, what it said is gone too: `Latest.status` is None until it speaks again. Attempts to reach
it are half a second apart at first, then twice as long each time, ten seconds at most: an agent that is restarted is
back on the panel soon, one that is missing costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from muleteer.agent.control_client import ControlClient
from muleteer.errors import AgentRefused, AgentUnreachable

if TYPE_CHECKING:
    from muleteer.agent.status import Status

RETRY_SECONDS: Final = 0.5
RETRY_SECONDS_MAX: Final = 10.0
_DRAIN_SECONDS: Final = 0.001  # how long the one thread may wait for the rest of a line that has begun to arrive


class Latest:
    """The newest status (None: the agent is not running) and a way to wait for the next.

    Until `asked` is set, nobody has tried to reach the agent, and nothing is known of it.
    """

    def __init__(self) -> None:
        self.status: Status | None = None
        self.asked = trio.Event()
        self._changed = trio.Event()

    def put(self, status: Status | None) -> None:
        """Take what was heard just now."""
        self.asked.set()
        if status is None and self.status is None:
            return
        self.status = status
        self._changed.set()
        self._changed = trio.Event()

    @property
    def changed(self) -> trio.Event:
        """The event that is set by the next `put`."""
        return self._changed


async def listen(socket_path: str, latest: Latest) -> None:
    """Keep `latest` up to date from the agent at `socket_path`, for ever."""
    wait = RETRY_SECONDS
    while True:
        client = ControlClient(socket_path)
        try:
            # Connecting can block if the agent is stuck: not our thread, and not at our exit.
            await trio.to_thread.run_sync(client.open, abandon_on_cancel=True)
            client.start_watch()
            while True:
                await trio.lowlevel.wait_readable(client.fileno())
                while (status := client.next_status(_DRAIN_SECONDS)) is not None:
                    latest.put(status)
                    wait = RETRY_SECONDS
        except (AgentUnreachable, AgentRefused):
            latest.put(None)
        finally:
            client.close()
        await trio.sleep(wait)
        wait = min(2 * wait, RETRY_SECONDS_MAX)
