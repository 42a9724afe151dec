# SPDX-License-Identifier: GPL-3.0-or-later
"""``muleteer panel``: show the agent's state on lamps, OLED, PNG files, or in this terminal, until told to stop."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from muleteer.config.appliance import Appliance
    from muleteer.panel.app import Equipment, Screen
    from muleteer.panel.lampboard import LampBoard
    from muleteer.panel.terminal import TerminalView

_DEFAULT_PATH = "/etc/muleteer.toml"  # as agent.box says; importing that would load the whole agent into the panel


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the verb's own arguments."""
    parser.add_argument("-c", "--config", metavar="FILE", default=_DEFAULT_PATH, help="muleteer.toml (%(default)s)")
    parser.add_argument("-t", "--terminal", action="store_true", help="draw in the terminal, whatever else there is")
    parser.add_argument("--names", action="store_true", help="show the labels of sticks to whoever passes by")
    parser.add_argument(
        "--dark", action="store_true", help="make all lamps dark and end: for after a panel that was killed"
    )


def run(args: argparse.Namespace) -> int:
    """Run the panel; return 0 after a clean stop.

    Without lamps and OLED in the configuration it draws in the terminal.

    Raises:
        ConfigError: the configuration cannot be used.
        PanelPartFailed: only with ``--dark``: the pins do not obey. Otherwise a part that fails is left out.

    """
    from muleteer.config.appliance import load_appliance

    appliance = load_appliance(args.config)
    board = _board(appliance)
    if args.dark:
        board.open()
        board.close()
        return 0
    screens = _screens(appliance)
    hardware = board.wired or appliance.panel.oled != "none"
    view = _view() if args.terminal or not hardware else None
    equipment = _equipment(board if board.wired else None, screens, view)

    import trio

    from muleteer.panel.app import PanelApp

    bays = list(appliance.bays)
    trio.run(PanelApp(appliance.agent.socket, equipment, bays, _complain, names=args.names).run)
    return 0


def _board(appliance: Appliance) -> LampBoard:
    from muleteer.panel.lampboard import LampBoard
    from muleteer.panel.pins import GpioPins, NoPins

    rules = appliance.panel
    return LampBoard(GpioPins() if rules.lamps or rules.pull else NoPins(), rules.lamps, rules.pull)


def _screens(appliance: Appliance) -> list[Screen]:
    screens: list[Screen] = []
    rules = appliance.panel
    if rules.oled != "none":
        from muleteer.panel.oled import Oled

        screens.append(Oled(rules.oled))
    if rules.png is not None:
        from muleteer.panel.album import Album
        from muleteer.spool.disk import RealDisk

        size = (128, 32) if rules.oled.endswith("x32") else (128, 64)
        screens.append(Album(RealDisk(), rules.png, size))
    return screens


def _view() -> TerminalView:
    from muleteer.panel.terminal import TerminalView

    return TerminalView(sys.stdout, shutil.get_terminal_size, live=sys.stdout.isatty())


def _equipment(board: LampBoard | None, screens: list[Screen], view: TerminalView | None) -> Equipment:
    from muleteer.panel.app import Equipment

    return Equipment(board, screens, view)


def _complain(line: str) -> None:
    print(f"muleteer panel: {line}", file=sys.stderr)
