# SPDX-License-Identifier: GPL-3.0-or-later
"""A header of pins without a Raspberry Pi: mock pins that behave like circuits, and an RPi.GPIO that drives them.

`Header` is the circuit: every pin is an input that floats until somebody makes it an output; pins may be wired
together, and two outputs that push different levels into one wire are a short circuit. `MockPins` is the `Pins` port
straight on a header; `MockGpio` is a module double with RPi.GPIO's API (its checks and its errors included) on the same
header, to drive the real backend.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from muleteer.errors import PanelPartFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

PINS_MAX = 27  # BCM numbers on the 40-pin header


class ShortCircuitError(AssertionError):
    """Two outputs push different levels into one wire."""


@dataclass
class Header:
    """Pins 0 to 27 and the wires between them.

    `history` records every change as (pin, level); None is floating. `failure`, if set, is raised by every verb: the
    kernel driver went away.
    """

    levels: dict[int, bool] = field(default_factory=dict)
    history: list[tuple[int, bool | None]] = field(default_factory=list)
    wires: list[frozenset[int]] = field(default_factory=list)
    failure: Exception | None = None

    def wire(self, *pins: int) -> None:
        """Connect pins with each other."""
        self.wires.append(frozenset(pins))

    def level(self, pin: int) -> bool | None:
        """Return what a meter shows at a pin: its own level, or that of an output wired to it, or None (floating)."""
        if pin in self.levels:
            return self.levels[pin]
        joined = (self.levels[other] for wire in self.wires if pin in wire for other in wire if other in self.levels)
        return next(joined, None)

    def lit(self, pin: int) -> bool:
        """Return whether a lamp between this pin and ground is lit."""
        return self.level(pin) is True

    def drive(self, pin: int, *, high: bool) -> None:
        """Push a level into a pin.

        Raises ShortCircuitError, or the header's failure.
        """
        self._check(pin)
        for wire in self.wires:
            if pin in wire and any(self.levels.get(other, high) is not high for other in wire - {pin}):
                raise ShortCircuitError(sorted(wire))
        if self.levels.get(pin) is not high:
            self.history.append((pin, high))
        self.levels[pin] = high

    def let_go(self, pin: int) -> None:
        """Make the pin an input again: it floats.

        Raises the header's failure.
        """
        self._check(pin)
        if self.levels.pop(pin, None) is not None:
            self.history.append((pin, None))

    def _check(self, pin: int) -> None:
        if self.failure is not None:
            raise self.failure
        if not 0 <= pin <= PINS_MAX:
            raise ValueError(f"The channel sent is invalid on a Raspberry Pi: {pin}")


class MockPins:
    """The `Pins` port on a header."""

    def __init__(self, header: Header | None = None) -> None:
        self.header = header or Header()
        self.claimed: list[int] = []

    def claim(self, pins: Iterable[int]) -> None:
        """Make these pins outputs, low.

        Raises PanelPartFailed.
        """
        for pin in pins:
            self._drive(pin, high=False)
            self.claimed.append(pin)

    def put(self, pin: int, *, high: bool) -> None:
        """Set a claimed pin's level.

        Raises PanelPartFailed; KeyError for a pin that is not claimed.
        """
        if pin not in self.claimed:
            raise KeyError(pin)
        self._drive(pin, high=high)

    def release(self) -> None:
        """Make the claimed pins dark and let go of them.

        Raises PanelPartFailed.
        """
        claimed, self.claimed = self.claimed, []
        for pin in claimed:
            self._drive(pin, high=False)
            self.header.let_go(pin)

    def _drive(self, pin: int, *, high: bool) -> None:
        try:
            self.header.drive(pin, high=high)
        except (OSError, RuntimeError, ValueError) as error:
            raise PanelPartFailed(part="lamps", problem=str(error), remedy="Mend the test's header") from error


class MockGpio:
    """RPi.GPIO's API, as far as outputs go, on a header."""

    BCM, BOARD = 11, 10
    OUT, IN = 0, 1
    LOW, HIGH = 0, 1

    def __init__(self, header: Header | None = None) -> None:
        self.header = header or Header()
        self._mode: int | None = None
        self._outputs: set[int] = set()

    def setwarnings(self, flag: bool) -> None:  # noqa: FBT001 - RPi.GPIO's own signature
        """Take note; this double never warns."""

    def setmode(self, mode: int) -> None:
        """Choose the numbering.

        Raises ValueError for another one than before, as RPi.GPIO does.
        """
        if self._mode not in (None, mode):
            raise ValueError("A different mode has already been set!")
        self._mode = mode

    def setup(self, channel: int, direction: int, initial: int = -1) -> None:
        """Make a pin an output with a level.

        Raises RuntimeError before `setmode`, ValueError for a pin that is not there.
        """
        if self._mode is None:
            raise RuntimeError("Please set pin numbering mode using GPIO.setmode(GPIO.BOARD) or GPIO.setmode(GPIO.BCM)")
        assert direction == self.OUT, "lamps are outputs"
        self.header.drive(channel, high=initial == self.HIGH)
        self._outputs.add(channel)

    def output(self, channel: int, level: int) -> None:
        """Set an output's level.

        Raises RuntimeError for a pin that was not set up.
        """
        if channel not in self._outputs:
            raise RuntimeError("The GPIO channel has not been set up as an OUTPUT")
        self.header.drive(channel, high=bool(level))

    def cleanup(self, channels: Iterable[int]) -> None:
        """Make pins inputs again; forget the numbering once none is left, as RPi.GPIO does."""
        for channel in channels:
            self._outputs.discard(channel)
            self.header.let_go(channel)
        if not self._outputs:
            self._mode = None
