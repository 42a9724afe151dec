# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls to one neighbour, told to log and people as the reference tells them."""

from __future__ import annotations

import time

from muleteer.carriers.call import place_call
from muleteer.carriers.stream import run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from muleteer.carriers.call_log import CallLog
    from muleteer.carriers.exchange import Exchange
    from muleteer.carriers.link import Link
    from muleteer.carriers.online import SessionReport
    from muleteer.carriers.stream import WakeFlag
    from muleteer.errors import MuleteerError


class Calls:
    """Makes sessions with one neighbour. `make_exchange` returns a fresh exchange for each connection."""

    def __init__(self, log: CallLog, make_exchange: Callable[[], Exchange], stop: WakeFlag | None = None) -> None:
        self._log = log
        self._make_exchange = make_exchange
        self._stop = stop
        self._address = ""
        self._begun = 0.0

    def place(self, addresses: Sequence[str], *, own_group: bool = True) -> SessionReport | None:
        """Call at the first address that leads to a session; see `carriers.call.place_call`."""
        report = place_call(
            addresses,
            self._make_exchange,
            stop=self._stop,
            own_group=own_group,
            began=self._began,
            failed=self._failed,
        )
        self._end(report)
        return report

    def talk(self, link: Link) -> SessionReport:
        """Have a session over a link that stands already."""
        report = run(link, self._make_exchange(), self._stop, began=lambda: self._began(link.name))
        if not report.established:
            self._failed(link.name, report.error)
        self._end(report)
        return report

    def _began(self, address: str) -> None:
        self._address = address
        self._begun = time.monotonic()
        self._log.started(address)

    def _failed(self, address: str, error: MuleteerError | None) -> None:
        self._log.failed(address, error)

    def _end(self, report: SessionReport | None) -> None:
        if report is not None and report.established:
            self._log.finished(self._address, report, time.monotonic() - self._begun)
