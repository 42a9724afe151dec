# SPDX-License-Identifier: GPL-3.0-or-later
"""One part of the panel that may break: used while it works, left out when it does not, tried again later.

A part that fails says so once in the log, not at every attempt, and once more when it works again. Attempts are 1 s
apart at first, then twice as long each time, a minute at most: an OLED whose plug is pushed back in shows again soon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from muleteer.errors import PanelPartFailed

if TYPE_CHECKING:
    from collections.abc import Callable

RETRY_SECONDS: Final = 1.0
RETRY_SECONDS_MAX: Final = 60.0


class Part(Protocol):
    """What can be opened and closed; both, and every use, may raise PanelPartFailed."""

    def open(self) -> None:
        """Make it ready."""

    def close(self) -> None:
        """Let it go; never raises."""


P = TypeVar("P", bound=Part)


class Outlet(Generic[P]):
    """A part and whether it works; `complain` takes a line for the log."""

    def __init__(self, part: P, complain: Callable[[str], None]) -> None:
        self.part = part
        self.works = False
        self.retry_at: float | None = None
        self._complain = complain
        self._wait = RETRY_SECONDS
        self._last_words = ""

    def use(self, act: Callable[[P], None], now: float) -> bool:
        """Have `act` done with the part, opened if need be; return whether that worked.

        While the part is broken and it is too early for another attempt, nothing is tried.
        """
        if self.retry_at is not None and now < self.retry_at:
            return False
        try:
            if not self.works:
                self.part.open()
            act(self.part)
        except PanelPartFailed as failure:
            self._broken(failure, now)
            return False
        if self._last_words:
            self._complain("works again: " + self._last_words)
        self.works, self.retry_at, self._wait, self._last_words = True, None, RETRY_SECONDS, ""
        return True

    def close(self) -> None:
        """Let the part go."""
        if self.works:
            self.works = False
            self.part.close()

    def _broken(self, failure: PanelPartFailed, now: float) -> None:
        self.part.close()
        self.works = False
        self.retry_at = now + self._wait
        self._wait = min(2 * self._wait, RETRY_SECONDS_MAX)
        if str(failure) != self._last_words:
            self._last_words = str(failure)
            self._complain(self._last_words)
