# SPDX-License-Identifier: GPL-3.0-or-later
"""The port to the lamps' pins, and the backend behind it that speaks RPi.GPIO's API.

RPi.GPIO's API is also what `rpi-lgpio` offers on current kernels; it is imported when pins are opened, as machines
without pins lack it. Pins are BCM numbers; a lamp is lit by a high level.

What every backend promises (tests/contract/test_pins_contract.py): a claimed pin is low until told otherwise; `put`
takes effect at once; `release` leaves every claimed pin low or floating, whatever it was; no other pin is touched.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Protocol

from muleteer.errors import PanelPartFailed

if TYPE_CHECKING:
    from collections.abc import Iterable


class Pins(Protocol):
    """What lamps need of pins. Every verb raises PanelPartFailed if the pins do not answer."""

    def claim(self, pins: Iterable[int]) -> None:
        """Make these pins ours, as outputs, low."""

    def put(self, pin: int, *, high: bool) -> None:
        """Set the level of a claimed pin."""

    def release(self) -> None:
        """Make all claimed pins dark and give them back; a second time does nothing."""


class NoPins:
    """The pins of a machine that has none, and of a configuration that names none."""

    def claim(self, pins: Iterable[int]) -> None:
        """Claim nothing.

        Raises PanelPartFailed if there is anything to claim: lamps somebody has wired must not stay dark silently.
        """
        wanted = sorted(pins)
        if wanted:
            raise PanelPartFailed(part="lamps", problem=f"no pins for {wanted} here", remedy="Remove [panel.lamps]")

    def put(self, pin: int, *, high: bool) -> None:
        """Do nothing: no pin was claimed."""

    def release(self) -> None:
        """Do nothing."""


class GpioPins:
    """Pins through a module with RPi.GPIO's API: `gpio`, or RPi.GPIO itself."""

    def __init__(self, gpio: Any = None) -> None:
        self._gpio = gpio
        self._claimed: set[int] = set()

    def claim(self, pins: Iterable[int]) -> None:
        """Make these pins outputs, low.

        Raises PanelPartFailed where there is no RPi.GPIO, no such pin, or no permission.
        """
        gpio = self._gpio = self._gpio or _rpi_gpio()
        try:
            # Warnings are off because a pin that a killed predecessor left configured is the normal case after a crash.
            gpio.setwarnings(False)
            gpio.setmode(gpio.BCM)
            for pin in pins:
                gpio.setup(pin, gpio.OUT, initial=gpio.LOW)
                self._claimed.add(pin)
        except (OSError, RuntimeError, ValueError) as error:
            raise _failed(error) from error

    def put(self, pin: int, *, high: bool) -> None:
        """Set the level of a claimed pin.

        Raises PanelPartFailed if the pin does not answer; KeyError if it was not claimed.
        """
        if pin not in self._claimed:
            raise KeyError(pin)
        try:
            self._gpio.output(pin, self._gpio.HIGH if high else self._gpio.LOW)
        except (OSError, RuntimeError, ValueError) as error:
            raise _failed(error) from error

    def release(self) -> None:
        """Make all claimed pins dark and give them back.

        Raises PanelPartFailed if a pin cannot be made dark; they are given up nevertheless.
        """
        claimed, self._claimed = sorted(self._claimed), set()
        failure: Exception | None = None
        # Low before they float: a floating pin glows on through some drivers. One that fails does not spare the others.
        for act, pins in (*((self._darken, pin) for pin in claimed), (self._give_back, claimed)):
            try:
                act(pins)
            except (OSError, RuntimeError, ValueError) as error:
                failure = error
        if failure is not None:
            raise _failed(failure) from failure

    def _darken(self, pin: Any) -> None:
        self._gpio.output(pin, self._gpio.LOW)

    def _give_back(self, pins: Any) -> None:
        if pins:
            self._gpio.cleanup(pins)


def _rpi_gpio() -> Any:
    try:
        return importlib.import_module("RPi.GPIO")
    except ImportError as error:
        remedy = "Install rpi-lgpio (`pip install muleteer[pi]`), or remove [panel.lamps]"
        raise PanelPartFailed(part="lamps", problem="there is no RPi.GPIO here", remedy=remedy) from error
    except RuntimeError as error:
        # RPi.GPIO itself looks for a Raspberry Pi while it is imported.
        raise PanelPartFailed(part="lamps", problem=str(error), remedy="Remove [panel.lamps]") from error


def _failed(error: Exception) -> PanelPartFailed:
    return PanelPartFailed(part="lamps", problem=str(error), remedy="Check the pin numbers and the group gpio")
