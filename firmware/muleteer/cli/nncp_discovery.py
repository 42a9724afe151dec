# SPDX-License-Identifier: GPL-3.0-or-later
"""Multicast discovery for the commands: where neighbours were heard, told as the reference tells it."""

from __future__ import annotations

import select
import time

from muleteer.carriers.multicast import Discoveries, Hearing
from muleteer.errors import UsageError
from muleteer.formats.mcd import PORT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from muleteer.carriers.online import Log
    from muleteer.cli.nncp_setting import Setting
    from muleteer.config.model import Config, Neighbour
    from muleteer.formats.ids import NodeId

REFRESH_SECONDS = 10.0
"""How often interfaces that came up are looked for."""


class Neighbourhood:
    """Hears where neighbours are. Raises OSError if the UDP port cannot be had, UsageError for a bad expression."""

    def __init__(self, config: Config, log: Log) -> None:
        self._config = config
        self._log = log
        self._hearing = Hearing(config.mcd_listen)
        self._discoveries = Discoveries()
        self._refreshed = float("-inf")

    def fileno(self) -> int:
        """Return the descriptor that is readable when there is something to hear."""
        return self._hearing.fileno()

    def hear(self) -> None:
        """Take what came, from neighbours only; now and then look for new interfaces. Never waits."""
        now = time.monotonic()
        if now - self._refreshed >= REFRESH_SECONDS:
            self._refreshed = now
            for interface, error in self._hearing.refresh():
                if error is not None:
                    self._log.event("mcd", f"MCD on {interface}/{PORT}", [("If", interface)], str(error.strerror))
        for node, address, interface in self._hearing.heard():
            neighbour = self._config.neighbours.get(node)
            if neighbour is not None and self._discoveries.note(node, address, now):
                words = f"MCD discovered {neighbour.name}'s address: {address}"
                self._log.event("mcd-add", words, [("If", interface), ("Node", str(node))])

    def addresses(self, node: NodeId) -> tuple[str, ...]:
        """Return where a neighbour was heard lately."""
        return self._discoveries.addresses(node, time.monotonic())

    def close(self) -> None:
        """Hear no more."""
        self._hearing.close()


def wait_for(setting: Setting, neighbour: Neighbour, seconds: int) -> Sequence[str]:
    """Return where a neighbour was heard, as soon as it is. Raises UsageError if it is not in so many seconds."""
    hearing = Neighbourhood(setting.config, setting.report())
    deadline = time.monotonic() + seconds
    poll = select.poll()
    poll.register(hearing.fileno(), select.POLLIN)
    try:
        while True:
            hearing.hear()
            left = deadline - time.monotonic()
            found = hearing.addresses(neighbour.id)
            if found:
                return found
            if left <= 0:
                raise UsageError(problem=f"{neighbour.name} was not heard by multicast in {seconds} seconds")
            poll.poll(int(left * 1000) + 1)
    finally:
        hearing.close()
