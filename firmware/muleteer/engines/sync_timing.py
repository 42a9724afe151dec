# SPDX-License-Identifier: GPL-3.0-or-later
"""When to ping and when to hang up.

==============================  ==============================  =================================================
while                           the session ends                why
==============================  ==============================  =================================================
a responder waits for message   `frame_seconds` after it began  nobody is known yet: a stranger gets no more time
an initiator waits for message  `frame_seconds` after our       slow links: bytes that come prolong it, up to
                                greeting is gone                120 s in all
talking                         `idle_seconds` after anything   as the reference; bytes of an incomplete frame
                                but PING, if nothing is queued  count too, as a frame may take long
talking, and what was sent      120 s after anything but PING   it may lie in buffers of a slow line, or on a slow
whole is not confirmed yet                                      disk: hanging up now would send it all again
talking                         120 s after the last byte       as the reference (the peer pings every 60 s)
talking                         120 s after a frame began       a peer that drips bytes does not hold us for ever
always                          `online_seconds` after it began
==============================  ==============================  =================================================

Bytes that were given out count as under way until the owner asks for more: a slow link is not an idle one.
"""

from __future__ import annotations

from muleteer.engines.sync_events import IDLE, SILENCE, TIME

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.engines.sync_terms import SyncTerms

PING_SECONDS = 60.0
"""We ping after so long without sending: as the reference."""

SILENCE_SECONDS = 120.0
"""Two pings of the peer are missing: the line is dead."""


class Timing:
    """The stamps of one session (monotonic seconds) and what follows from them."""

    __slots__ = (
        *("_frame_began", "_patient", "_said", "_sent", "_started", "_terms"),
        *("heard_at", "quiet_since", "under_way"),
    )

    def __init__(self, terms: SyncTerms, now: float, *, patient: bool) -> None:
        self._terms = terms
        self._patient = patient  # an initiator: it chose whom to call
        self._started = self.heard_at = self._sent = self.quiet_since = now
        self._frame_began: float | None = None
        self.under_way = False
        self._said = False

    def agree(self, terms: SyncTerms) -> None:
        """Go on with these terms."""
        self._terms = terms

    def heard(self, now: float) -> None:
        """Bytes came."""
        self.heard_at = now

    def read(self, now: float, *, whole: bool, said: bool, piece: bool) -> None:
        """What came was read: whole frames, something but PING in them, and the beginning of another."""
        if not piece:
            self._frame_began = None
        elif whole or self._frame_began is None:
            self._frame_began = now
        if said or piece:
            self.quiet_since = now

    def sent(self, now: float, *, said: bool) -> None:
        """A frame was given out."""
        self._sent = now
        self.under_way = True
        self._said = self._said or said

    def gone(self, now: float) -> None:
        """What was given out is on the link."""
        if self.under_way:
            self.under_way = False
            self._sent = now
            if self._said:
                self.quiet_since = now
            self._said = False

    def ping_due(self, now: float) -> bool:
        """Tell whether nothing was sent for a minute."""
        return not self.under_way and now >= self._sent + PING_SECONDS

    def greeting_end(self) -> tuple[float, str]:
        """Return when waiting for the peer's first message ends, and why."""
        patience = self._terms.frame_seconds
        if not self._patient:
            return self._limited(self._started + patience, SILENCE)
        limit = self._sent + SILENCE_SECONDS
        return self._limited(
            limit if self.under_way else min(limit, max(self._sent, self.heard_at) + patience), SILENCE
        )

    def end(self, *, busy: bool, awaiting: bool = False) -> tuple[float, str]:
        """Return when a session that talks ends if nothing more happens, and why.

        `busy`: something waits to be sent; `awaiting`: the peer has been sent what it has not confirmed.
        """
        at, why = self.heard_at + SILENCE_SECONDS, SILENCE
        if self._frame_began is not None:
            at = min(at, self._frame_began + SILENCE_SECONDS)
        patience = max(self._terms.idle_seconds, SILENCE_SECONDS) if awaiting else self._terms.idle_seconds
        if not busy and not self.under_way and self.quiet_since + patience < at:
            at, why = self.quiet_since + patience, IDLE
        return self._limited(at, why)

    @property
    def last_sent_at(self) -> float:
        """When a frame was last given out, or the last of them had gone."""
        return self._sent

    def next_ping(self) -> float | None:
        """Return when a ping is due, None while bytes are under way."""
        return None if self.under_way else self._sent + PING_SECONDS

    def _limited(self, at: float, why: str) -> tuple[float, str]:
        online = self._terms.online_seconds
        if online and self._started + online < at:
            return self._started + online, TIME
        return at, why
