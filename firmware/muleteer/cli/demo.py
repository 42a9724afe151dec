# SPDX-License-Identifier: GPL-3.0-or-later
"""``muleteer demo``: two boxes, a stick and a guest, simulated, in this terminal."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from muleteer.demo.story import Arrival, Story


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the verb's own arguments."""
    parser.add_argument("--keep", action="store_true", help="leave the folders for a look")
    parser.add_argument("--plain", action="store_true", help="tell the story in lines, do not draw the panels")


def run(args: argparse.Namespace) -> int:
    """Play the demonstration; return 0 if everything arrived.

    Raises:
        DemoFailed: a step did not come to its end.

    """
    from muleteer.demo.stage import TerminalStage
    from muleteer.demo.story import Story
    from muleteer.demo.world import World
    from muleteer.panel.terminal import TerminalView

    live = sys.stdout.isatty() and not args.plain
    view = TerminalView(sys.stdout, shutil.get_terminal_size, live=True) if live else None
    root = tempfile.mkdtemp(prefix="muleteer-demo-")
    started = time.monotonic()
    try:
        world = World(root)
        world.build()
        stage = TerminalStage(sys.stdout, view)
        story = Story(world, stage)
        try:
            arrivals = story.play(stage.raise_curtain)
        finally:
            stage.drop_curtain()
        return _summary(story, arrivals, time.monotonic() - started)
    except BaseException:
        args.keep = True  # the logs tell what went wrong
        raise
    finally:
        if args.keep:
            print(f"\nEverything is in {root}; the panels' frames are in {root}/*/frames.")
        else:
            shutil.rmtree(root)


def _summary(story: Story, arrivals: list[Arrival], seconds: float) -> int:
    open_ends = story.unacknowledged()
    frames = sum(len(os.listdir(place.at("frames"))) for place in story.world.places.values() if place.name != "hill")
    print("\nWhat arrived:")
    for arrival in arrivals:
        print(f"  {'ok      ' if arrival.whole else 'MISSING '} {arrival.what:30} {arrival.way}")
    print(f"  {'ok      ' if not open_ends else 'MISSING '} acknowledgements to home{'':7}cabin > stick > home")
    print(f"The hill was {story.guest.program}. {frames} panel frames were kept as PNG. {seconds:.0f} seconds.")
    return 0 if all(arrival.whole for arrival in arrivals) and not open_ends else 1
