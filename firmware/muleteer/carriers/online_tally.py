# SPDX-License-Identifier: GPL-3.0-or-later
"""What one online session has carried so far: the figures of its report and of its progress."""

from __future__ import annotations

from muleteer.carriers.online import HELD_MAX, LISTED_MAX, Held, Listed, SessionProgress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.formats.ids import PacketName


class Tally:
    """Counts. Bytes are those of packets, not of the wire."""

    def __init__(self) -> None:
        self.received = 0
        self.received_bytes = 0
        self.sent = 0
        self.sent_bytes = 0
        self.confirmed: list[PacketName] = []
        self.damaged = 0
        self.expected_bytes = 0
        self.offered = 0
        self.offered_bytes = 0
        self.announced = 0
        self.announced_bytes = 0
        self.held: list[Held] = []
        self.held_count = 0
        self.listed: list[Listed] = []
        self._moved: tuple[str, PacketName, int, int] | None = None

    def hold(self, name: PacketName, nice: int, size: int, why: str, way: str) -> None:
        """Note a packet that is not carried now."""
        self.held_count += 1
        if len(self.held) < HELD_MAX:
            self.held.append(Held(name, nice, size, why, way))

    def confirm(self, name: PacketName, size: int) -> None:
        """Note a packet that the other side has for good."""
        self.sent += 1
        self.sent_bytes += size
        if len(self.confirmed) < LISTED_MAX:
            self.confirmed.append(name)

    def list(self, name: PacketName, nice: int, size: int) -> None:
        """Note what the other side offers, when it is only listed."""
        if len(self.listed) < LISTED_MAX:
            self.listed.append(Listed(name, nice, size))

    def move(self, way: str, name: PacketName, size: int, done: int) -> None:
        """Note how far a packet is."""
        self._moved = (way, name, size, done)

    def take_progress(self) -> SessionProgress | None:
        """Return how far the packet is that moved last, None if none has moved since this was asked."""
        moved, self._moved = self._moved, None
        if moved is None:
            return None
        totals = (self.received_bytes, self.expected_bytes, self.sent_bytes, self.offered_bytes)
        return SessionProgress(*moved, *totals)
