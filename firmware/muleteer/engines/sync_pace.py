# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast a session may go: the reference's frames per second, and our bytes per second."""

from __future__ import annotations

from muleteer.engines.sync_messages import FILE_HEAD_SIZE, PAYLOAD_MAX
from muleteer.engines.sync_terms import CHUNK_MAX
from muleteer.engines.throttle import Throttle
from muleteer.record import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.engines.sync_terms import SyncTerms

CHUNK_MIN = 64
"""Data bytes of a FILE below which terms do not go: else no FREQ would fit into a frame."""

FRAME_SECONDS = 2
"""At a rate limit no frame takes longer than this: the peer's deadline for one is 10 s."""


def within_reason(terms: SyncTerms) -> SyncTerms:
    """Return the terms with a chunk that a session can have."""
    chunk = max(CHUNK_MIN, min(terms.chunk, CHUNK_MAX))
    if terms.bytes_rate:
        chunk = max(CHUNK_MIN, min(chunk, terms.bytes_rate * FRAME_SECONDS))
    return replace(terms, chunk=chunk)


class Pace:
    """The rate limits of one session. `payload_max` bounds its frames, `alone` says that files may not share one."""

    __slots__ = ("_files_at", "_read_at", "_rx_rate", "_throttle", "_tx_rate", "alone", "payload_max")

    def __init__(self, terms: SyncTerms, now: float) -> None:
        self._files_at = self._read_at = now
        self.agree(terms, now)

    def agree(self, terms: SyncTerms, now: float) -> None:
        """Go on with these terms."""
        self._rx_rate = terms.rx_rate
        self._tx_rate = terms.tx_rate
        self._throttle = Throttle(terms.bytes_rate, terms.bytes_rate, now)
        self.alone = bool(terms.tx_rate or terms.bytes_rate)
        self.payload_max = min(PAYLOAD_MAX, FILE_HEAD_SIZE + terms.chunk + -terms.chunk % 4)

    def may_send(self, now: float) -> bool:
        """Tell whether a frame may go."""
        return self._throttle.is_open(now)

    def may_send_file(self, now: float) -> bool:
        """Tell whether a frame with file data may go, if any may."""
        return now >= self._files_at

    def sent(self, size: int, now: float) -> None:
        """A frame of so many bytes goes."""
        self._throttle.spend(size, now)

    def sent_file(self, now: float) -> None:
        """File data goes."""
        if self._tx_rate:
            self._files_at = now + 1 / self._tx_rate

    def may_read(self, now: float) -> bool:
        """Tell whether the next frame may be read."""
        return now >= self._read_at

    def was_read(self, now: float) -> None:
        """A frame was read."""
        if self._rx_rate:
            self._read_at = now + 1 / self._rx_rate

    def may_read_at(self) -> float:
        """Return when the next frame may be read."""
        return self._read_at

    def next_send(self, last: float) -> float | None:
        """Return when something that waits may go, None if it may go since `last`, when something went."""
        at = max(self._throttle.opens_at(last), self._files_at)
        return at if at > last else None
