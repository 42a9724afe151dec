# SPDX-License-Identifier: GPL-3.0-or-later
"""Write what tossing and acknowledging do into both logs: the one that ``nncp-log`` reads, and the agent's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muleteer.agent.clock import wall_now_ns
from muleteer.spool.logbook import Logbook

if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.agent.journal import Journal
    from muleteer.config.model import Config
    from muleteer.spool.port import Disk


class TossLog:
    """A log for the tossing layer. `event` raises SpoolError if the log file cannot be written."""

    def __init__(self, config: Config, disk: Disk, journal: Journal, now_ns: Callable[[], int] = wall_now_ns) -> None:
        self._logbook = Logbook(config.log, disk, now_ns)
        self._journal = journal

    def event(self, who: str, message: str, fields: list[tuple[str, str]], err: str | None = None) -> None:
        """Take one event; the agent's log names the packet and the neighbour's id."""
        self._tell(message, fields, err)
        self._logbook.event(who, message, fields, err)

    def events(self, those: list[tuple[str, str, list[tuple[str, str]]]]) -> None:
        """Take what happened together (who, message, fields), by one write to the log file."""
        for _, message, fields in those:
            self._tell(message, fields, None)
        self._logbook.events(those)

    def _tell(self, message: str, fields: list[tuple[str, str]], err: str | None) -> None:
        keys = dict(reversed(fields))  # of two packets in one record, the first is the one it is about
        tell = self._journal.event if err is None else self._journal.alarm
        tell(message, packet=keys.get("Pkt"), neighbour=keys.get("Node"), problem=err)
