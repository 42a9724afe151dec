# SPDX-License-Identifier: GPL-3.0-or-later
"""``muleteer agent``: run the box until told to stop (SIGTERM, SIGINT)."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the verb's own arguments."""
    from muleteer.agent.box import DEFAULT_PATH

    parser.add_argument("-c", "--config", metavar="FILE", default=DEFAULT_PATH, help="muleteer.toml (%(default)s)")
    parser.add_argument("-q", "--quiet", action="store_true", help="log only what wants a person's attention")


def run(args: argparse.Namespace) -> int:
    """Run the agent; return 0 after a clean stop.

    Raises:
        ConfigError: a rule is wrong; nothing was touched.

    """
    from muleteer.agent.box import Box

    box = Box.load(args.config, os.environ)
    box.own  # noqa: B018 - complains if there are no keys: before trio is imported and anything is touched
    box.spool().check()
    if box.config.umask is not None:
        os.umask(box.config.umask)

    import trio

    from muleteer.agent.agent import Agent
    from muleteer.agent.clock import RealClock
    from muleteer.agent.journal import Journal

    clock = RealClock()
    # systemd's journal stamps each line itself.
    journal = Journal(sys.stderr, clock.wall, quiet=args.quiet, stamped="JOURNAL_STREAM" not in os.environ)
    trio.run(Agent(box, clock, journal).run)
    return 0
