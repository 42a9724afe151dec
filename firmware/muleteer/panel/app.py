# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel's process: one nursery with three tasks, which listen, blink and show.

Theory of operation: `listen` puts what the agent says into `Latest`; `_blink` sets the lamps and sleeps until the
next one changes; `_show` brings pages to the screens and sleeps until the next page, minute or retry. Both are woken
by news. Screens are slow (a frame takes 25 ms on the I2C bus), so they are served in a worker thread; lamps
never wait for them.
"""

from __future__ import annotations

import math
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import trio

from muleteer.agent.clock import wall_now
from muleteer.panel.draw import draw
from muleteer.panel.feed import Latest, listen
from muleteer.panel.lamps import lamps, next_change_ms
from muleteer.panel.outlet import Outlet
from muleteer.panel.picture import Picture, Viewer
from muleteer.panel.terminal import Box

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PIL.Image import Image

    from muleteer.panel.lampboard import LampBoard
    from muleteer.panel.lamps import Lit
    from muleteer.panel.page import Page, Size
    from muleteer.panel.terminal import TerminalView


ANSWER_SECONDS: Final = 1.0


class Screen(Protocol):
    """Something pages are shown on: a `Part` with a size, which may turn out only when it is opened."""

    name: str
    size: Size

    def open(self) -> None:
        """Make it ready."""

    def show(self, picture: Picture) -> None:
        """Show a picture of its size."""

    def close(self) -> None:
        """Let it go."""


class _Seat:
    """A screen, the viewer that looks at it and what it shows."""

    def __init__(self, screen: Screen, complain: Callable[[str], None], *, names: bool) -> None:
        self.outlet = Outlet(screen, complain)
        self._viewer = Viewer(screen.size, names)
        self._shown: Picture | None = None

    def update(self, latest: Latest, now: float) -> float:
        """Show what is to be seen now, if it is not there yet; return until when that holds."""
        screen = self.outlet.part
        if self._viewer.size != screen.size:
            self._viewer = Viewer(screen.size, self._viewer.names)
        self._viewer, picture, until = self._viewer.look(latest.status, now, wall_now())
        if picture == self._shown and self.outlet.works:
            return until
        # An OLED on "auto" knows its size when it is open: a page of another size is left to the next round, at once.
        fits = self.outlet.use(lambda part: part.show(picture) if part.size == picture.page.size else None, now)
        if fits and screen.size != picture.page.size:
            return now
        self._shown = picture if fits else None
        return until if self.outlet.retry_at is None else min(until, self.outlet.retry_at)


@dataclass(frozen=True, slots=True)
class Equipment:
    """What this panel has: lamps on pins, screens, a terminal; any of them may be missing."""

    board: LampBoard | None = None
    screens: Sequence[Screen] = ()
    view: TerminalView | None = None


class PanelApp:
    """The panel of the agent at `socket_path`; `bays` have pull-lamps. `complain` takes lines for the log."""

    def __init__(
        self,
        socket_path: str,
        equipment: Equipment,
        bays: Sequence[str],
        complain: Callable[[str], None],
        *,
        names: bool = False,
    ) -> None:
        self._socket_path = socket_path
        self._bays = tuple(bays)
        self._latest = Latest()
        self._board = Outlet(equipment.board, complain) if equipment.board is not None else None
        self._seats = [_Seat(screen, complain, names=names) for screen in equipment.screens]
        self._view = equipment.view
        self._viewer = Viewer((128, 64), names)
        self._drawn: tuple[Page, Image] | None = None

    async def run(self) -> None:
        """Show the agent's state until SIGTERM or SIGINT; then leave everything dark."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._until_told, nursery.cancel_scope)
                nursery.start_soon(listen, self._socket_path, self._latest)
                # Not to say "no agent" before it was asked; one that does not answer is as good as none.
                with trio.move_on_after(ANSWER_SECONDS):
                    await self._latest.asked.wait()
                nursery.start_soon(self._blink)
                nursery.start_soon(self._show)
        finally:
            self._close()

    async def _until_told(self, scope: trio.CancelScope) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for _ in signals:
                scope.cancel()
                return

    async def _blink(self) -> None:
        while True:
            changed = self._latest.changed
            until = self._light(trio.current_time())
            with trio.move_on_at(until):
                await changed.wait()

    def _light(self, now: float) -> float:
        """Bring lamps and terminal up to date; return until when that holds."""
        now_ms = int(now * 1000)
        lit = lamps(self._latest.status, self._lamp_bays())
        next_ms = next_change_ms(lit, now_ms)
        until = [math.inf if next_ms is None else next_ms / 1000]
        if self._board is not None:
            self._board.use(lambda board: board.show(lit, now_ms), now)
            until += [] if self._board.retry_at is None else [self._board.retry_at]
        if self._view is not None:
            until.append(self._draw(self._view, lit, now))
        return min(until)

    async def _show(self) -> None:
        if not self._seats:
            return
        while True:
            changed = self._latest.changed
            until = await trio.to_thread.run_sync(self._update_screens, trio.current_time())
            with trio.move_on_at(until):
                await changed.wait()

    def _update_screens(self, now: float) -> float:
        return min(seat.update(self._latest, now) for seat in self._seats)

    def _draw(self, view: TerminalView, lit: Sequence[Lit], now: float) -> float:
        status = self._latest.status
        self._viewer, picture, until = self._viewer.look(status, now, wall_now())
        if self._drawn is None or self._drawn[0] != picture.page:
            self._drawn = picture.page, draw(picture.page)  # lamps blink eight times a second, pages change seldom
        title = status.name if status is not None else "muleteer"
        view.draw([Box(title, self._drawn[1], lit)], int(now * 1000))
        return until

    def _lamp_bays(self) -> tuple[str, ...]:
        """Return the bays that have lamps; in a terminal that was told of none, those the agent speaks of."""
        status = self._latest.status
        if self._bays or status is None:
            return self._bays
        return tuple(bay.name for bay in status.bays)

    def _close(self) -> None:
        if self._board is not None:
            self._board.close()
        for seat in self._seats:
            seat.outlet.close()
        if self._view is not None:
            self._view.close()
