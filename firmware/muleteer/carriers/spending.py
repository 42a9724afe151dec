# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep an online session within its purse.

What we send is kept to the byte: the engine gets no more room than was granted. What the other side sends cannot be cut
short, so it is paid for in advance: a packet is asked for only if the purse grants all that is missing of it with its
frames, and SLACK beside for what comes unasked (announcements, requests, pings). Only a peer that says far more than it
was asked can make a session cost more, once: it is over as soon as that is seen.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.carriers.online import OnlineTerms, Purse

SLACK = 2048
"""Bytes kept back for what comes unasked, and for our last words."""

FRAME_EXTRA = 80
"""Bytes around the data of a frame: envelope 12, tag 16, head 48, padding of both."""

REQUEST_EXTRA = 2 * FRAME_EXTRA
"""Bytes to ask for a packet and to confirm it, should each have a frame of its own."""

GREETING = 108
GREETING_PADDED = 32748
_INFO = 48
"""Bytes of the first message on the wire, and of each packet announced in it (a padded one is cheaper)."""

ROOM_MIN = 1024
"""Bytes below which nothing more is sent of a packet."""

_PLENTY = 1 << 62


class Spending:
    """What was granted, spent, and promised for what was asked for; without a purse there is plenty."""

    def __init__(self, purse: Purse | None = None, chunk: int = 65232) -> None:
        self._purse = purse
        self._chunk = max(1, chunk)
        self._granted = 0 if purse is not None else _PLENTY
        self._spent = 0
        self._missing = 0  # bytes of packets that are asked for and did not come yet
        self._open = 0  # packets that are
        self._asked = 0  # packets that were asked for in all
        self._too_much = _PLENTY  # the smallest request that the purse did not pay for
        self.is_limited = purse is not None
        self.is_exhausted = False

    @property
    def is_overdrawn(self) -> bool:
        """Whether more was spent than granted."""
        return self._spent > self._granted

    def begin(self, terms: OnlineTerms, offers: int, heard: int = 0) -> bool:
        """Tell whether the purse pays for the two first messages; `heard` bytes of them came already."""
        one = (GREETING_PADDED if terms.padded else GREETING) + _INFO * offers
        self._spent += heard
        return self._have(one + (0 if heard else one) + SLACK)

    def room(self, wanted: int) -> int:
        """Return how many of `wanted` bytes may be sent now."""
        if self.is_limited and self._free() < wanted + SLACK:
            self._have(wanted + SLACK)
        return max(0, min(wanted, self._free() - SLACK))

    def last_words(self) -> int:
        """Return how many bytes are left for confirmations, when nothing else is sent any more."""
        return max(0, self._free() + self._asked * REQUEST_EXTRA)

    def reserve(self, missing: int) -> bool:
        """Tell whether the purse pays for the rest of a packet, and if so keep that back."""
        if missing >= self._too_much:
            return False
        granted, was_exhausted = self._granted, self.is_exhausted
        self._missing += missing
        self._open += 1
        self._asked += 1
        if not self.is_limited or self._have(SLACK):
            return True
        self._missing -= missing
        self._open -= 1
        self._asked -= 1
        self._too_much = missing
        self.is_exhausted = was_exhausted
        self._return(self._granted - granted)
        return False

    def release(self, count: int) -> None:
        """So many bytes of a packet that was asked for have come, or will not come any more."""
        self._missing = max(0, self._missing - count)

    def release_request(self) -> None:
        """A packet that was asked for has come, or will not come any more."""
        self._open -= 1

    def spend(self, count: int) -> None:
        """So many bytes crossed the link."""
        self._spent += count
        if self.is_limited and self._spent > self._granted:
            self._have(0)

    def close(self) -> None:
        """Give back what is left."""
        self._return(self._granted - self._spent)
        self._purse = None

    def _return(self, unused: int) -> None:
        if self._purse is not None and unused > 0:
            self._granted -= unused
            self._purse.give_back(unused)

    def _free(self) -> int:
        promised = self._missing + (self._missing // self._chunk + self._open) * FRAME_EXTRA
        return self._granted - self._spent - promised - self._asked * REQUEST_EXTRA

    def _have(self, wanted: int) -> bool:
        """Draw what is missing to `wanted` free bytes; tell whether they are there."""
        short = wanted - self._free()
        if short > 0 and self._purse is not None:
            granted = self._purse.draw(short)
            self._granted += granted
            self.is_exhausted = self.is_exhausted or granted < short
        return self._free() >= wanted
