# SPDX-License-Identifier: GPL-3.0-or-later
"""What `panel.pins` promises of every backend: the mock pins, and the real backend over a double of RPi.GPIO's API."""

from __future__ import annotations

import sys
import types

import pytest

from muleteer.errors import PanelPartFailed
from muleteer.panel.pins import GpioPins, NoPins
from muleteer.testing.pins import Header, MockGpio, MockPins, ShortCircuitError


@pytest.fixture
def header():
    return Header()


@pytest.fixture(params=["mock", "gpio"])
def pins(request, header):
    return MockPins(header) if request.param == "mock" else GpioPins(MockGpio(header))


def test_a_claimed_pin_is_low_until_told_otherwise(pins, header):
    assert header.level(5) is None
    pins.claim([5, 6])
    assert header.level(5) is header.level(6) is False


def test_a_level_takes_effect_at_once(pins, header):
    pins.claim([5])
    pins.put(5, high=True)
    assert header.lit(5)
    pins.put(5, high=False)
    assert not header.lit(5)


def test_only_claimed_pins_are_touched(pins, header):
    pins.claim([5])
    pins.put(5, high=True)
    with pytest.raises(KeyError):
        pins.put(6, high=True)
    pins.release()
    assert {pin for pin, _ in header.history} == {5}


def test_release_leaves_no_lamp_lit(pins, header):
    pins.claim([5, 6])
    pins.put(5, high=True)
    pins.release()
    assert not header.lit(5)
    assert header.level(5) is header.level(6) is None
    assert (5, False) in header.history[-4:], "low before it floats"


def test_release_can_be_repeated_and_claimed_again(pins, header):
    pins.release()
    pins.claim([5])
    pins.release()
    pins.release()
    pins.claim([5])
    pins.put(5, high=True)
    assert header.lit(5)


def test_a_pin_that_is_not_there_is_refused(pins):
    with pytest.raises(PanelPartFailed, match="99"):
        pins.claim([99])


@pytest.mark.parametrize("failure", [OSError(5, "Input/output error"), RuntimeError("No access to /dev/mem")])
def test_pins_that_do_not_answer_say_so(pins, header, failure):
    pins.claim([5])
    header.failure = failure
    with pytest.raises(PanelPartFailed, match=r"Input/output error|/dev/mem"):
        pins.put(5, high=True)


def test_pins_that_failed_can_be_claimed_again(pins, header):
    pins.claim([5])
    pins.put(5, high=True)
    header.failure = OSError(5, "Input/output error")
    with pytest.raises(PanelPartFailed):
        pins.release()
    header.failure = None
    pins.claim([5])
    assert not header.lit(5)


def test_two_outputs_on_one_wire_are_a_short_circuit(pins, header):
    header.wire(5, 6)
    pins.claim([5, 6])
    with pytest.raises(ShortCircuitError):
        pins.put(5, high=True)


def test_a_wire_carries_the_level(pins, header):
    header.wire(5, 9)
    pins.claim([5])
    pins.put(5, high=True)
    assert header.level(9) is True


def test_one_pin_that_fails_does_not_keep_the_others_lit():
    class OneDead(MockGpio):
        def output(self, channel, level):
            if channel == 5:
                raise RuntimeError("pin 5 is on fire")
            super().output(channel, level)

    gpio = OneDead()
    pins = GpioPins(gpio)
    pins.claim([5, 6])
    pins.put(6, high=True)
    with pytest.raises(PanelPartFailed, match="fire"):
        pins.release()
    assert gpio.header.level(6) is None


def test_without_rpi_gpio_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "RPi", None)
    monkeypatch.setitem(sys.modules, "RPi.GPIO", None)
    with pytest.raises(PanelPartFailed, match="rpi-lgpio"):
        GpioPins().claim([5])


def test_rpi_gpio_is_found_by_its_name(monkeypatch):
    gpio = MockGpio()
    package = types.ModuleType("RPi")
    monkeypatch.setitem(sys.modules, "RPi", package)
    monkeypatch.setitem(sys.modules, "RPi.GPIO", gpio)
    pins = GpioPins()
    pins.claim([5])
    pins.put(5, high=True)
    assert gpio.header.lit(5)


def test_no_pins_refuse_lamps_and_take_their_absence():
    pins = NoPins()
    pins.claim([])
    pins.release()
    with pytest.raises(PanelPartFailed, match="5"):
        pins.claim([5])
