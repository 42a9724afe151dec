# SPDX-License-Identifier: GPL-3.0-or-later
"""``muleteer call NODE [--via CARRIER]``: have a neighbour called now, and see it through.

The agent places the call: timetables and waiting after failures do not count, ceilings and budgets do. Without an agent
there is nobody to call; ``nncp-call`` needs none. Exit status: 0 if the session came about and left nothing undone that
it might have done, 1 if not, or the code of the error's class.
"""

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
    parser.add_argument("--via", metavar="CARRIER", help="by this carrier and no other")
    parser.add_argument("-q", "--quiet", action="store_true", help="say only how it ended")
    parser.add_argument("node", metavar="NODE", help="a neighbour's name or id")


def run(args: argparse.Namespace) -> int:
    """Ask for the call and follow it; return 0 if all went well.

    Raises:
        AgentUnreachable: no agent runs.

    """
    from muleteer.agent.box import Box
    from muleteer.agent.control_client import ControlClient
    from muleteer.agent.line_words import line_words, summary_words
    from muleteer.agent.status import Line
    from muleteer.errors import AgentRefused

    box = Box.load(args.config, os.environ)
    name = box.config.find(args.node).name
    try:
        with ControlClient(box.appliance.agent.socket) as client:
            for news in client.call(args.node, args.via):
                if not isinstance(news, Line):
                    carrier, summary = news
                    print(f"{name} by {carrier}: {summary_words(summary)}")
                    return 0 if summary.established and summary.complete else 1
                if not args.quiet:
                    print(f"{name} by {news.carrier}: {line_words(news)}", file=sys.stderr)
    except AgentRefused as refusal:
        print(f"muleteer call: {refusal}", file=sys.stderr)
        return int(str(refusal.facts.get("code", AgentRefused.exit_code)))
    return 1
