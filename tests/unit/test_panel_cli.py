# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import sys
import types

import pytest

from muleteer.agent import box
from muleteer.cli import panel
from muleteer.cli.main import main
from muleteer.panel import app
from muleteer.testing.pins import MockGpio


@pytest.fixture
def config(tmp_path):
    def write(text):
        path = tmp_path / "muleteer.toml"
        path.write_text(f'[bay.left]\ncarrier = "stick"\ndirectory = "{tmp_path}"\n[carrier.stick]\n' + text)
        return str(path)

    return write


@pytest.fixture
def gpio(monkeypatch):
    gpio = MockGpio()
    monkeypatch.setitem(sys.modules, "RPi", types.ModuleType("RPi"))
    monkeypatch.setitem(sys.modules, "RPi.GPIO", gpio)
    return gpio


@pytest.fixture
def equipment(monkeypatch):
    """Run nothing; say what would be used."""
    seen = []

    async def run(self):
        return None

    def note(self, socket_path, equipment, bays, complain, *, names=False):
        seen.append((equipment, bays, names))

    monkeypatch.setattr(app.PanelApp, "__init__", note)
    monkeypatch.setattr(app.PanelApp, "run", run)
    return seen


def test_it_looks_where_the_agent_looks():
    assert panel._DEFAULT_PATH == box.DEFAULT_PATH


def test_without_hardware_it_draws_in_the_terminal(config, equipment):
    assert main(["panel", "-c", config("")]) == 0
    ((used, bays, names),) = equipment
    assert used.view is not None
    assert used.board is None
    assert list(used.screens) == []
    assert (bays, names) == (["left"], False)


def test_hardware_and_album_are_used_as_configured(config, equipment, tmp_path):
    text = f'[panel]\noled = "auto"\npng = "{tmp_path}/png"\n[panel.lamps]\npower = 5\n[panel.lamps.pull]\nleft = 19\n'
    assert main(["panel", "--names", "-c", config(text)]) == 0
    ((used, _, names),) = equipment
    assert used.view is None
    assert used.board.wired
    assert [screen.name for screen in used.screens] == ["display", "album"]
    assert names


def test_lamps_a_killed_panel_left_lit_are_made_dark(config, gpio):
    text = "[panel.lamps]\npower = 5\n[panel.lamps.pull]\nleft = 19\n"
    gpio.header.levels[19] = True
    assert main(["panel", "--dark", "-c", config(text)]) == 0
    assert not gpio.header.lit(19)


def test_making_dark_is_done_where_there_are_no_lamps(config):
    assert main(["panel", "--dark", "-c", config("")]) == 0


def test_making_dark_where_there_are_no_pins_says_so(config, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "RPi", None)
    monkeypatch.setitem(sys.modules, "RPi.GPIO", None)
    assert main(["panel", "--dark", "-c", config("[panel.lamps]\npower = 5\n")]) == 80
    assert "rpi-lgpio" in capsys.readouterr().err
