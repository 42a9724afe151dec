# SPDX-License-Identifier: GPL-3.0-or-later
"""Which page of a deck is up, and until when. Pure.

Pages take turns, each for its own time. When a deck is made up differently from the last one (a bay changed its state,
a problem came up) the turn starts anew with the first, most urgent page: news is on the display at once. Numbers that
merely grow do not disturb the turn. What is news enough to wake a dimmed display is a change of the pages that are not
calm: a box that calls its neighbours all night long does not light up the room each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from muleteer.panel.page import Page

_INSTANT: Final = 1e-3  # who was to wake at the end of a page may wake a rounding error before it


@dataclass(frozen=True, slots=True)
class Turn:
    """Where the reading of a deck stands.

    `since` is the instant (seconds, monotonic) of its first page's turn, `woken` that of the last news.
    """

    made_of: tuple[tuple[str, str], ...] = ()
    urgent: tuple[tuple[str, str], ...] = ()  # of these, the pages that are not calm
    since: float = 0.0
    woken: float = 0.0

    def with_deck(self, deck: Sequence[Page], now: float) -> Turn:
        """Return the turn for a new deck: this one, or one that starts now if the deck is made up differently."""
        made_of = tuple((page.kind, page.about) for page in deck)
        if made_of == self.made_of:
            return self
        urgent = tuple((page.kind, page.about) for page in deck if not page.calm)
        woken = self.woken if self.made_of and urgent == self.urgent else now
        return Turn(made_of, urgent, now, woken)

    def page(self, deck: Sequence[Page], now: float) -> tuple[Page, float | None]:
        """Return the page that is up at `now`, and the instant at which the next one takes over (None: never)."""
        if len(deck) == 1:
            return deck[0], None
        whole = sum(page.seconds for page in deck)
        into = (now - self.since) % whole
        if whole - into < _INSTANT:
            into = 0.0
        for page in deck[:-1]:
            if into < page.seconds - _INSTANT:
                return page, now + page.seconds - into
            into -= page.seconds
        return deck[-1], now + max(deck[-1].seconds - into, _INSTANT)
