# SPDX-License-Identifier: GPL-3.0-or-later
"""What one screen shows at an instant, and until when: pages, their turn and care put together. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from muleteer.panel import care
from muleteer.panel.pages import deck
from muleteer.panel.paging import Turn

if TYPE_CHECKING:
    from muleteer.agent.status import Status
    from muleteer.panel.page import Page, Size


@dataclass(frozen=True, slots=True)
class Picture:
    """A page, how far it is moved aside, and how bright it is; `now` (monotonic seconds) is no part of what it is."""

    page: Page
    shift: tuple[int, int]
    contrast: int
    now: float = field(compare=False, default=0.0)


@dataclass(frozen=True, slots=True)
class Viewer:
    """The reading of one screen of this size, from instant to instant."""

    size: Size
    names: bool = False
    turn: Turn = field(default_factory=Turn)

    def look(self, status: Status | None, now: float, wall: float | None) -> tuple[Viewer, Picture, float]:
        """Return this viewer further on, what it sees at `now` (monotonic; `wall` if known), and until when."""
        pages = deck(status, self.size, wall, names=self.names)
        turn = self.turn.with_deck(pages, now)
        page, until = turn.page(pages, now)
        quiet = now - turn.woken
        picture = Picture(page, care.shift(now), care.contrast(quiet, calm=page.calm), now)
        # Once a minute it looks again in any case: ages of rounds and dimming go by minutes too.
        until = care.next_shift(now) if until is None else min(until, care.next_shift(now))
        return replace(self, turn=turn), picture, until
