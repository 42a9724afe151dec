# SPDX-License-Identifier: GPL-3.0-or-later
"""What the dispatcher asks of whoever decides about calls, and the one who never calls: a box with bays only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from muleteer.agent.events import CallErrand, Event, Now
    from muleteer.agent.status import Line


class Calls(Protocol):
    """Decides whom to call, by which carrier, and when; `muleteer.agent.scheduler` does."""

    def handle(self, event: Event, now: Now) -> tuple[CallErrand, ...]:
        """Take one event, any; return the calls to place now."""

    def deadline(self) -> float | None:
        """Return the monotonic time at which `on_deadline` wants to be called; None: not before the next event."""

    def on_deadline(self, now: Now) -> tuple[CallErrand, ...]:
        """Do what was put off until now."""

    @property
    def lines(self) -> tuple[Line, ...]:
        """Every carrier for every neighbour, as of the last event."""

    @property
    def talking(self) -> bool:
        """Whether a call or a session is under way."""


class NoCalls:
    """Calls nobody."""

    lines: tuple[Line, ...] = ()
    talking = False

    def handle(self, event: Event, now: Now) -> tuple[CallErrand, ...]:
        """Do nothing."""
        del event, now
        return ()

    def deadline(self) -> float | None:
        """Return that there is none."""
        return None

    def on_deadline(self, now: Now) -> tuple[CallErrand, ...]:
        """Do nothing."""
        del now
        return ()
