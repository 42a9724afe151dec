# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place that asks what time it is.

Wall time is for stamps that people read and for schedules that outlive the process; on a Pi without a clock it may
leap by decades. Everything that measures or waits uses monotonic time. Whoever needs the time is given it: code below
the agent takes `now` as an argument or a callable.

Every ``nncp-*`` command imports this for its log stamps: keep it as cheap as it is.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Clock(Protocol):
        """What the agent asks of a clock; `RealClock` and ``testing.clock.FakeClock`` answer."""

        def wall(self) -> float:
            """Return seconds since 1970; may leap in either direction."""

        def monotonic(self) -> float:
            """Return seconds since some instant; never goes back."""

        def uptime(self) -> float:
            """Return the seconds since the machine booted."""

        def wall_ns(self) -> int:
            """Return the wall time in nanoseconds: the resolution of NNCP's log stamps."""

        def sleep(self, seconds: float) -> None:
            """Let that much time pass; for the threads of errands, which have nothing else to do meanwhile."""


class RealClock:
    """The machine's clock."""

    __slots__ = ()

    def wall(self) -> float:
        """Return seconds since 1970; may leap in either direction."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds since some instant; never goes back."""
        return time.monotonic()

    def uptime(self) -> float:
        """Return the seconds since the machine booted, sleep included."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def wall_ns(self) -> int:
        """Return the wall time in nanoseconds."""
        return time.time_ns()

    def sleep(self, seconds: float) -> None:
        """Let the thread sleep."""
        time.sleep(seconds)


def wall_now() -> float:
    """Return the wall time in seconds since 1970."""
    return time.time()


def wall_now_ns() -> int:
    """Return the wall time in nanoseconds since 1970: the resolution of NNCP's log stamps."""
    return time.time_ns()


def stamp(wall: float) -> str:
    """Return a wall time as people and programs read it: ISO 8601, UTC, whole seconds."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(wall))
