# SPDX-License-Identifier: GPL-3.0-or-later
"""The display behind a bus that understands what SSD1306 and SH1106 understand: what arrives is what was drawn."""

from __future__ import annotations

import errno

import pytest
from panel_cases import CASES, NOW

from muleteer.errors import PanelPartFailed
from muleteer.panel.draw import draw, shifted
from muleteer.panel.oled import MODELS, Oled
from muleteer.panel.pages import deck
from muleteer.panel.picture import Picture

# luma reads pictures by a method that Pillow wants renamed by its version 14.
pytestmark = pytest.mark.filterwarnings("ignore:Image.Image.getdata:DeprecationWarning")


class Glass:
    """A display on an I2C bus: the part of the controllers' command set that a frame needs."""

    def __init__(self, address=0x3C, status=0x06, width=128, offset=0):
        self.address, self.status, self.offset = address, status, offset
        self.memory = {}
        self.page = self.column = 0
        self.window = (0, width - 1)
        self.contrast = None
        self.on = False
        self.plugged = True

    def read_byte_data(self, address, register):
        self._check(address)
        return 0x40 | self.status

    def write_i2c_block_data(self, address, register, data):
        self._check(address)
        if register == 0x40:
            self._data(data)
        else:
            self._command(data)

    def _check(self, address):
        if not self.plugged or address != self.address:
            raise OSError(errno.EREMOTEIO, "Remote I/O error")

    def _data(self, data):
        for byte in data:
            self.memory[self.column - self.offset, self.page] = byte
            self.column += 1
            if self.column > self.window[1] and not self.offset:
                self.column, self.page = self.window[0], self.page + 1

    def _command(self, data):
        first = data[0]
        if first == 0x21:
            self.window = (data[1], data[2])
            self.column, self.page = data[1], data[4]
        elif 0xB0 <= first <= 0xB7:
            self.page, self.column = first - 0xB0, (data[1] & 0x0F) | (data[2] & 0x0F) << 4
        elif first == 0x81:
            self.contrast = data[1]
        elif first in (0xAE, 0xAF) and len(data) == 1:
            self.on = first == 0xAF

    def lit(self, x, y):
        return self.memory.get((x, y // 8), 0) >> (y % 8) & 1


def picture(size, shift=(0, 0), contrast=0xCF):
    return Picture(deck(CASES["safe"], size, NOW)[0], shift, contrast)


def arrived(glass, size):
    return [[glass.lit(x, y) for x in range(size[0])] for y in range(size[1])]


def sent(picture):
    image = shifted(draw(picture.page), picture.shift)
    return [[int(bool(image.getpixel((x, y)))) for x in range(image.width)] for y in range(image.height)]


@pytest.mark.parametrize("model", MODELS)
def test_what_is_drawn_arrives_on_the_glass(model):
    size = MODELS[model][1]
    glass = Glass(offset=2 if "sh1106" in model else 0)
    oled = Oled(model, bus=glass)
    oled.open()
    assert glass.on
    for shift in ((0, 0), (1, 1)):
        oled.show(picture(size, shift))
        assert arrived(glass, size) == sent(picture(size, shift))


@pytest.mark.parametrize(
    ("status", "address", "size", "offset"),
    [(0x06, 0x3C, (128, 64), 0), (0x03, 0x3D, (128, 32), 0), (0x08, 0x3C, (128, 64), 2), (0x07, 0x3D, (128, 64), 0)],
)
def test_a_display_is_found_by_itself(status, address, size, offset):
    glass = Glass(address, status, offset=offset)
    oled = Oled("auto", bus=glass)
    oled.open()
    assert oled.size == size
    oled.show(picture(size))
    assert arrived(glass, size) == sent(picture(size))


def test_brightness_is_set_once_not_with_every_frame():
    glass = Glass()
    oled = Oled("auto", bus=glass)
    oled.open()
    oled.show(picture((128, 64), contrast=7))
    assert glass.contrast == 7
    glass.contrast = None
    oled.show(picture((128, 64), contrast=7))
    assert glass.contrast is None


def test_a_missing_display_says_what_to_check():
    glass = Glass()
    glass.plugged = False
    with pytest.raises(PanelPartFailed, match="nothing answers at 0x3C or 0x3D"):
        Oled("auto", bus=glass).open()


def test_a_display_that_is_pulled_off_can_be_opened_again():
    glass = Glass()
    oled = Oled("auto", bus=glass)
    oled.open()
    glass.plugged = False
    with pytest.raises(PanelPartFailed):
        oled.show(picture((128, 64)))
    oled.close()
    with pytest.raises(PanelPartFailed):
        oled.open()
    glass.plugged = True
    glass.memory.clear()
    oled.open()
    oled.show(picture((128, 64)))
    assert arrived(glass, (128, 64)) == sent(picture((128, 64)))


def test_a_closed_display_is_dark():
    glass = Glass()
    oled = Oled("auto", bus=glass)
    oled.open()
    oled.close()
    oled.close()
    assert not glass.on


def test_showing_on_a_closed_display_is_a_failure_not_a_crash():
    with pytest.raises(PanelPartFailed, match="not open"):
        Oled("auto", bus=Glass()).show(picture((128, 64)))


def test_a_machine_without_a_bus_says_how_to_switch_it_on(monkeypatch):
    import smbus2

    def no_bus(port):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", "/dev/i2c-1")

    monkeypatch.setattr(smbus2, "SMBus", no_bus)
    with pytest.raises(PanelPartFailed, match="i2c_arm=on"):
        Oled("auto").open()
