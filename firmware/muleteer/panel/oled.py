# SPDX-License-Identifier: GPL-3.0-or-later
"""The OLED on the I2C bus: SSD1306 (128x64, 128x32) and SH1106 (128x64), driven by luma.

"auto" finds the display by itself: these modules answer at 0x3C, or 0x3D with a jumper, and their status register tells
the controllers apart in its low nibble: 8 is an SH1106, 3 an SSD1306 with 32 rows, anything else (6, rarely 7) one with
64. (The registers are not in the data sheets; widely used Arduino drivers rely on the same values.)

A display that fails is closed and may be opened anew: whoever shows something here tries again (see `outlet`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import luma.core.error
from luma.core.interface.serial import i2c
from luma.oled.device import sh1106, ssd1306

from muleteer.errors import PanelPartFailed
from muleteer.panel.draw import draw, shifted

if TYPE_CHECKING:
    from muleteer.panel.page import Size
    from muleteer.panel.picture import Picture

ADDRESSES: Final = (0x3C, 0x3D)
MODELS: Final[dict[str, tuple[Any, Size]]] = {
    "ssd1306-128x64": (ssd1306, (128, 64)),
    "ssd1306-128x32": (ssd1306, (128, 32)),
    "sh1106-128x64": (sh1106, (128, 64)),
}
_BY_STATUS: Final = {0x8: "sh1106-128x64", 0x3: "ssd1306-128x32"}
_PORT: Final = 1  # the Pi's I2C bus on pins 3 and 5


class Oled:
    """One display; `open` finds it and switches it on. `model` is a key of MODELS or "auto".

    `bus` stands for the I2C bus in tests; without it, /dev/i2c-1 is opened.
    """

    def __init__(self, model: str, *, bus: Any = None) -> None:
        self.name = "display"
        self.size: Size = MODELS[model][1] if model in MODELS else (128, 64)
        self._model = model
        self._bus = bus
        self._device: Any = None
        self._contrast: int | None = None

    def open(self) -> None:
        """Find the display and switch it on.

        Raises PanelPartFailed if there is none, or the bus is switched off or closed to us.
        """
        try:
            address, found = self._probe()
            model = found if self._model == "auto" else self._model
            driver, self.size = MODELS[model]
            wire = i2c(bus=self._bus, address=address) if self._bus else i2c(port=_PORT, address=address)
            self._device = driver(wire, width=self.size[0], height=self.size[1])
        except (OSError, luma.core.error.Error) as error:
            raise _failed(error) from error
        self._contrast = None

    def show(self, picture: Picture) -> None:
        """Put a page of our size on the display.

        Raises PanelPartFailed if the display does not answer any more.
        """
        if self._device is None:
            raise PanelPartFailed(part="display", problem="it is not open", remedy="Open it first")
        try:
            if picture.contrast != self._contrast:
                self._device.contrast(picture.contrast)
                self._contrast = picture.contrast
            self._device.display(shifted(draw(picture.page), picture.shift))
        except (OSError, luma.core.error.Error) as error:
            raise _failed(error) from error

    def close(self) -> None:
        """Switch the display off and let the bus go; a display that does not answer is just let go."""
        device, self._device = self._device, None
        if device is None:
            return
        try:
            device.cleanup()
        except (OSError, luma.core.error.Error):
            return

    def _probe(self) -> tuple[int, str]:
        """Return the address that answers and the model its status tells.

        luma registers every display it makes to be switched off at exit; one is made only where something answers.
        """
        if self._bus is not None:
            return _find(self._bus)
        from smbus2 import SMBus  # without the bus there is nothing to import it for

        with SMBus(_PORT) as bus:
            return _find(bus)


def _find(bus: Any) -> tuple[int, str]:
    missing: OSError | None = None
    for address in ADDRESSES:
        try:
            status = bus.read_byte_data(address, 0) & 0x0F
        except OSError as error:
            missing = error
            continue
        return address, _BY_STATUS.get(status, "ssd1306-128x64")
    raise luma.core.error.DeviceNotFoundError("nothing answers at 0x3C or 0x3D") from missing


def _failed(error: Exception) -> PanelPartFailed:
    hints: dict[type[Exception], str] = {
        FileNotFoundError: "Switch I2C on (dtparam=i2c_arm=on in config.txt)",
        PermissionError: "Put the panel's user into the group i2c",
    }
    remedy = hints.get(type(error), "Check its four wires")
    return PanelPartFailed(part="display", problem=str(error), remedy=remedy)
