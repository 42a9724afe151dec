# SPDX-License-Identifier: GPL-3.0-or-later
"""Know whether the wall time can be trusted, and estimate it if not.

A Pi has no clock of its own: without a network it boots where it stopped, or in 1970. So the latest time that was
known is kept in SPOOL/muleteer/clock, hourly and at the end. It is the *floor*: no clock that shows less is believed,
unless the machine says that others have set it. Until a believable time comes, the time is estimated as the floor and
what has passed since: behind the truth by as long as the box was off, never ahead of it. House rules:

1. A time at or above the floor, and below the END, is sure.
2. While the agent runs the floor follows the clock, `SLACK_SECONDS` behind it: a clock that is set back a little is
   believed, one that falls back by years is not.
3. A clock that others have set is believed whatever the floor says, which is how a floor from a wrong future goes.
4. What is estimated never goes back, not over a restart either (but for what was not kept: an hour at most).

    muleteer-clock 1
    1795197158
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muleteer.agent.events import Now
from muleteer.agent.status import Problem
from muleteer.spool.batch import Batch
from muleteer.spool.disk import read_whole
from muleteer.spool.draft import Draft

if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.agent.clock import Clock
    from muleteer.spool.spool import Spool

EARLIEST = 1_700_000_000.0  # November 2023: this program is younger
END = 4_102_444_800.0  # 2100: beyond what timetables count
SLACK_SECONDS = 300.0
KEEP_SECONDS = 3600.0
_MAGIC = b"muleteer-clock 1\n"
_SIZE_MAX = 64


class Timekeeper:
    """Keeps the time of one box. `synchronised` tells whether the machine says that its clock was set by others."""

    def __init__(self, spool: Spool, clock: Clock, synchronised: Callable[[], bool] = lambda: False) -> None:
        self._spool = spool
        self._path = f"{spool.layout.root}/muleteer/clock"
        self._clock = clock
        self._synchronised = synchronised
        self._floor = EARLIEST
        self._base = (EARLIEST, clock.monotonic())  # the latest time that is known, and when that was
        self._kept: float | None = None  # monotonic
        self._sure = True

    def open(self) -> None:
        """Read the floor that was kept. Raises SpoolError when the disk fails."""
        with self._spool.guard:
            try:
                data = read_whole(self._spool.disk, self._path, _SIZE_MAX)
            except FileNotFoundError:
                return
        digits = data.removeprefix(_MAGIC).strip()
        if data.startswith(_MAGIC) and digits.isdigit() and EARLIEST <= int(digits) < END:
            self._floor = float(digits)
            self._base = (self._floor, self._clock.monotonic())

    def now(self) -> Now:
        """Return this instant; never touches the disk."""
        wall, monotonic = self._clock.wall(), self._clock.monotonic()
        estimate = self._base[0] + monotonic - self._base[1]
        self._sure = EARLIEST <= wall < END and (wall >= self._floor or self._synchronised())
        if not self._sure:
            return Now(estimate, monotonic, sure=False)
        self._base = (wall, monotonic)
        self._floor = wall - SLACK_SECONDS if self._floor > wall else max(self._floor, wall - SLACK_SECONDS)
        return Now(wall, monotonic)

    def problem(self) -> Problem | None:
        """Return what to tell people while the time was not sure when it was last asked for."""
        if self._sure:
            return None
        return Problem(
            "the time is not sure",
            "connect the box to a network, or set its clock; carriers with hours wait for that",
        )

    def due(self) -> bool:
        """Return whether an hour has passed since `keep`."""
        return self._kept is None or self._clock.monotonic() - self._kept >= KEEP_SECONDS

    def keep(self) -> None:
        """Write the time down as the floor: hourly (see `due`) and at the end. Raises SpoolError."""
        now = self.now()
        spool, (directory, _, name) = self._spool, self._path.rpartition("/")
        with Draft(spool.disk, spool.layout.tmp, hashed=False, guard=spool.guard) as draft:
            draft.open().write(_MAGIC + b"%d\n" % int(now.wall))
            with Batch(spool.disk, spool.guard) as batch:
                batch.add(draft, directory, name)
        self._kept = now.monotonic
