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


FRAMES = os.path.join(tempfile.gettempdir(), "muleteer-demo-frames")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the verb's own arguments."""
    parser.add_argument("--keep", action="store_true", help="leave the folders for a look")
    parser.add_argument("--frames", metavar="DIR", default=FRAMES, help="keep the displays' pages here (%(default)s)")
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
    arrived = False
    try:
        world = World(root)
        world.build()
        stage = TerminalStage(sys.stdout, view)
        story = Story(world, stage)
        try:
            arrivals = story.play(stage.raise_curtain)
        finally:
            stage.drop_curtain()
        _keep_frames(story, args.frames)
        arrived = _summary(story, arrivals, time.monotonic() - started, args.frames)
    finally:
        if args.keep or not arrived:  # the logs tell what went wrong
            print(f"Everything else is in {root}.")
        else:
            shutil.rmtree(root)
    return 0 if arrived else 1


def _keep_frames(story: Story, target: str) -> None:
    """Keep this run's pages in place of the last one's."""
    for name in ("home", "cabin"):
        kept = os.path.join(target, name)
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(story.world.places[name].at("frames"), kept)


def _summary(story: Story, arrivals: list[Arrival], seconds: float, frames: str) -> bool:
    open_ends = story.unacknowledged()
    print("\nWhat arrived:")
    for arrival in arrivals:
        print(f"  {'ok      ' if arrival.whole else 'MISSING '} {arrival.what:30} {arrival.way}")
    print(f"  {'ok      ' if not open_ends else 'MISSING '} acknowledgements to home{'':7}cabin > stick > home")
    print(f"The hill was {story.guest.program}. {seconds:.0f} seconds. The displays' pages are kept in {frames}.")
    return all(arrival.whole for arrival in arrivals) and not open_ends
