# SPDX-License-Identifier: GPL-3.0-or-later
"""Links between boxes, in the air: they come and go, they are slow, and a connection over one may break at any byte.

A `Link` joins two boxes for good; a `Wire` is one connection over it, which behaves as TCP does: what one end sends
comes out at the other in order, later, or never. While the link is down nothing comes through, and nobody is told. A
box that loses its power says nothing either; it resets its old connections some time after it is up again.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.testing.world.scenario import LinkPlan
    from muleteer.testing.world.timeline import Timeline

WINDOW = 128 << 10  # bytes under way in one direction, the sender's buffer included
SEGMENT = 16 << 10  # bytes that arrive together


class Link:
    """One link; `up` whether it works. Its wires are those that nobody has closed yet."""

    def __init__(self, plan: LinkPlan, timeline: Timeline) -> None:
        self.plan = plan
        self.up = True
        self.wires: list[Wire] = []
        self.changed: Callable[[Link], None] = lambda _link: None
        self.connected: Callable[[Wire], None] = lambda _wire: None
        self._timeline = timeline

    def connect(self) -> Wire:
        """Return a new connection."""
        wire = Wire(self, self._timeline)
        self.wires.append(wire)
        self.connected(wire)
        return wire

    def set_up(self, *, up: bool) -> None:
        """Let it come or go."""
        if up != self.up:
            self.up = up
            for wire in list(self.wires) if up else ():
                wire.resume()
            self.changed(self)


class Wire:
    """One connection: two ends."""

    def __init__(self, link: Link, timeline: Timeline) -> None:
        self.link = link
        first, second = End(self, timeline), End(self, timeline)
        first.peer, second.peer = second, first
        self.ends = (first, second)
        self._left: int | None = None
        self._broken: Callable[[], None] = lambda: None

    def cut_after(self, count: int, told: Callable[[], None]) -> None:
        """Have it break when so many bytes more have come through, both ways together."""
        self._left = count
        self._broken = told

    def came_through(self, count: int) -> bool:
        """Count bytes; return False, and break, if they were too many."""
        if self._left is None:
            return True
        self._left -= count
        if self._left > 0:
            return True
        self._left = None
        self._broken()
        self.cut()
        return False

    def cut(self) -> None:
        """Break it: what is under way is lost, and both ends find out at once."""
        self.close()
        for end in self.ends:
            end.break_off()

    def close(self) -> None:
        """Note that it will not be used any more."""
        if self in self.link.wires:
            self.link.wires.remove(self)

    def resume(self) -> None:
        """Let what waits for the link go on."""
        for end in self.ends:
            end.resume()

    def delay(self, seconds: float) -> None:
        """Hold up what is under way."""
        for end in self.ends:
            end.delay(seconds)


class End:
    """One end of a connection. `wake` is called when there is something to read, or room to write."""

    peer: End

    def __init__(self, wire: Wire, timeline: Timeline) -> None:
        self.wire = wire
        self.wake: Callable[[], None] = lambda: None
        self.is_ended = False  # the other side closed it, or it broke
        self._timeline = timeline
        self._arrived: deque[bytes] = deque()
        self._under_way: deque[tuple[float, bytes | None]] = deque()  # when each part is out at the other end
        self._bytes = 0
        self._free_at = 0.0
        self._is_closed = False
        self._is_timed = False

    @property
    def readable(self) -> bool:
        """Whether there is something to read; the end is not counted."""
        return bool(self._arrived)

    def read(self) -> bytes:
        """Return what has arrived, a part at a time."""
        return self._arrived.popleft()

    def send(self, data: memoryview) -> int:
        """Send as much as there is room for; return how much."""
        if self._is_closed or self.is_ended:
            return 0
        taken = min(len(data), WINDOW - self._bytes)
        for start in range(0, taken, SEGMENT):
            part = bytes(data[start : min(start + SEGMENT, taken)])
            plan = self.wire.link.plan
            self._free_at = max(self._free_at, self._timeline.now) + len(part) / plan.rate
            self._under_way.append((self._free_at + plan.latency, part))
        self._bytes += max(0, taken)
        self._time()
        return max(0, taken)

    def close(self) -> None:
        """Hang up: what was sent still arrives."""
        if not self._is_closed:
            self._is_closed = True
            self._under_way.append((max(self._free_at, self._timeline.now) + self.wire.link.plan.latency, None))
            self._time()
            if self.peer._is_closed or self.peer.is_ended:  # noqa: SLF001 - two halves of one thing
                self.wire.close()

    def abandon(self) -> None:
        """Be gone without a word: the box has no power any more."""
        self._is_closed = True
        if self.peer._is_closed:  # noqa: SLF001
            self.wire.close()

    def break_off(self) -> None:
        """Lose what is under way and tell whoever reads."""
        self._under_way.clear()
        self._bytes = 0
        self.is_ended = True
        self._timeline.after(0.0, self.wake)

    def resume(self) -> None:
        """Go on after the link was down."""
        self._time()

    def delay(self, seconds: float) -> None:
        """Hold up what is under way."""
        self._free_at += seconds
        self._under_way = deque((when + seconds, part) for when, part in self._under_way)

    def _time(self) -> None:
        if not self._is_timed and self._under_way and self.wire.link.up:
            self._is_timed = True
            self._timeline.at(self._under_way[0][0], self._deliver)

    def _deliver(self) -> None:
        self._is_timed = False
        moved = False
        while self._under_way and self._under_way[0][0] <= self._timeline.now and self.wire.link.up:
            _, part = self._under_way.popleft()
            moved = True
            if part is None:
                self.peer.is_ended = True
            else:
                self._bytes -= len(part)
                self.peer._arrived.append(part)  # noqa: SLF001
                if not self.wire.came_through(len(part)):
                    break
        self._time()
        if moved:
            self.peer.wake()
            self.wake()
