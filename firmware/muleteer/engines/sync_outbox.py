# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything we say but file data: the greeting, announcements, requests, confirmations, pings."""

from __future__ import annotations

from muleteer.engines.sync_messages import HALT, INFO_SIZE, PAYLOAD_MAX, PING, pack_info

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Iterable

    from muleteer.engines.sync_terms import Offer
else:
    from _collections import deque  # collections itself takes 2 ms to import

GREETING_INFOS_MAX = PAYLOAD_MAX // INFO_SIZE
"""Announcements that fit into a first message: 1,360."""

_GREETING_HALTS = 8160


def greeting_payload(offers: list[Offer], *, padded: bool) -> bytes:
    """Return the payload of a first message, padded as the reference does it: 8,160 HALTs, six fewer for each INFO."""
    infos = [pack_info(offer.nice, offer.size, offer.name) for offer in offers]
    return b"".join(infos) + (HALT * (_GREETING_HALTS - 6 * len(infos)) if padded else b"")


class Outbox:
    """Messages that wait, in order: a ping, replies, announcements. What it may hold is its owner's care."""

    __slots__ = ("_infos", "_replies", "ping")

    def __init__(self) -> None:
        self._replies: deque[bytes] = deque()
        self._infos: deque[Offer] = deque()
        self.ping = False

    def __bool__(self) -> bool:
        return self.ping or self.waits

    @property
    def waits(self) -> bool:
        """Something but a ping waits."""
        return bool(self._replies or self._infos)

    def reply(self, message: bytes) -> None:
        """Say this before any announcement that waits."""
        self._replies.append(message)

    def announce(self, offers: Iterable[Offer]) -> None:
        """Announce packets after those that wait."""
        self._infos.extend(offers)

    def take_infos(self, count_max: int) -> list[Offer]:
        """Take announcements out, for the greeting."""
        return [self._infos.popleft() for _ in range(min(count_max, len(self._infos)))]

    def fill(self, view: memoryview) -> tuple[int, bool]:
        """Put as much as fits into `view`; return its bytes, and whether it is more than a ping."""
        batch: list[bytes] = []
        room = len(view)
        if self.ping and room >= len(PING):
            batch.append(PING)
            room -= len(PING)
            self.ping = False
        pinged = len(batch)
        while self._replies and len(self._replies[0]) <= room:
            batch.append(self._replies.popleft())
            room -= len(batch[-1])
        while not self._replies and self._infos and room >= INFO_SIZE:
            offer = self._infos.popleft()
            batch.append(pack_info(offer.nice, offer.size, offer.name))
            room -= INFO_SIZE
        size = len(view) - room
        view[:size] = b"".join(batch)
        return size, len(batch) > pinged
