# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the play is seen: both panels drawn live, the story beneath them, every page kept as a picture."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from muleteer.panel.album import Album
from muleteer.panel.draw import draw
from muleteer.panel.lamps import lamps
from muleteer.panel.picture import Viewer
from muleteer.panel.terminal import Box as Drawn
from muleteer.spool.disk import RealDisk

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from muleteer.agent.status import Status
    from muleteer.demo.box import Box
    from muleteer.panel.terminal import TerminalView

FRAME_SECONDS = 0.1
DWELL_SECONDS = 0.2
SIZE = (128, 64)
LINES_KEPT = 3


class _Panel:
    """One box's panel: looks at every status in its turn, keeps its pages.

    A round takes less than a blink here. So each status stays on for `DWELL_SECONDS`: "safe" is said late, never early.
    """

    def __init__(self, box: Box) -> None:
        self.box = box
        self._viewer = Viewer(SIZE, names=True)
        self._album = Album(RealDisk(sync=False), box.place.at("frames"), SIZE)
        self._album.open()
        self._status: Status | None = None
        self._until = 0.0

    def look(self, now: float, *, hurry: bool) -> Drawn:
        """Return what is to be seen at `now`; in a `hurry` everything that is left is looked at, at once."""
        while self.box.unseen and (hurry or now >= self._until):
            self._status = self.box.unseen.popleft()
            self._until = now + DWELL_SECONDS
            self._look(now)
        return self._look(now)

    def _look(self, now: float) -> Drawn:
        status = self._status
        self._viewer, picture, _ = self._viewer.look(status, now, status.now if status else None)
        self._album.show(picture)
        return Drawn(self.box.place.name, draw(picture.page), lamps(status, ("left",)))


class TerminalStage:
    """Draws in `view`, in a thread of its own; without a live terminal the story is printed and panels are not."""

    def __init__(self, stream: TextIO, view: TerminalView | None) -> None:
        self._stream = stream
        self._view = view
        self._lines: list[str] = []
        self._stop = threading.Event()
        self._painter: threading.Thread | None = None

    def raise_curtain(self, boxes: Sequence[Box]) -> None:
        """Begin to draw these boxes."""
        panels = [_Panel(box) for box in boxes]
        self._painter = threading.Thread(target=self._paint, args=(panels,), name="painter")
        self._painter.start()

    def drop_curtain(self) -> None:
        """Draw once more and stop."""
        self._stop.set()
        if self._painter is not None:
            self._painter.join()
        if self._view is not None:
            self._view.close()

    def narrate(self, line: str) -> None:
        """Say what happens next."""
        self._lines = [*self._lines, f"> {line}"][-LINES_KEPT:]
        if self._view is None:
            print(f"> {line}", file=self._stream, flush=True)

    def pause(self, seconds: float) -> None:
        """Leave time to look, if anybody looks."""
        if self._view is not None:
            self._stop.wait(seconds)

    def _paint(self, panels: Sequence[_Panel]) -> None:
        while True:
            last = self._stop.is_set()
            now = time.monotonic()
            # Without a terminal nobody watches: then the pages are only kept.
            drawn = [panel.look(now, hurry=last or self._view is None) for panel in panels]
            if self._view is not None:
                self._view.draw(drawn, int(now * 1000), below=self._lines)
            if last:
                return
            self._stop.wait(FRAME_SECONDS)
