# SPDX-License-Identifier: GPL-3.0-or-later
"""The lamps of the box as a part that may break: which pin each is on, and only changes written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from muleteer.errors import PanelPartFailed
from muleteer.panel.lamps import Lamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from muleteer.panel.lamps import Lit
    from muleteer.panel.pins import Pins

_KEYS: Final = {"power": Lamp.POWER, "working": Lamp.WORKING, "attention": Lamp.ATTENTION}


class LampBoard:
    """Lamps on pins: `named` are those of ``[panel.lamps]``, `pull` those of ``[panel.lamps.pull]``, by bay."""

    def __init__(self, pins: Pins, named: Mapping[str, int], pull: Mapping[str, int]) -> None:
        self._pins = pins
        self._wired: dict[tuple[Lamp, str], int] = {(_KEYS[key], ""): pin for key, pin in named.items() if key in _KEYS}
        self._wired.update({(Lamp.PULL, bay): pin for bay, pin in pull.items()})
        self._levels: dict[int, bool] = {}

    @property
    def wired(self) -> bool:
        """Whether there is any lamp at all."""
        return bool(self._wired)

    def open(self) -> None:
        """Claim the pins, all dark.

        Raises PanelPartFailed.
        """
        self._levels = {}
        self._pins.claim(self._wired.values())

    def show(self, lit: Sequence[Lit], now_ms: int) -> None:
        """Set every lamp to what its pattern is at this instant of the monotonic clock.

        Raises PanelPartFailed.
        """
        for lamp in lit:
            pin = self._wired.get((lamp.lamp, lamp.bay))
            if pin is None:
                continue
            level = lamp.pattern.lit(now_ms)
            if self._levels.get(pin) is not level:
                self._pins.put(pin, high=level)
                self._levels[pin] = level

    def close(self) -> None:
        """Make all dark and give the pins back, as far as they obey."""
        self._levels = {}
        try:
            self._pins.release()
        except PanelPartFailed:
            return
