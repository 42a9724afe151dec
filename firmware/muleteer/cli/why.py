# SPDX-License-Identifier: GPL-3.0-or-later
"""``muleteer why PACKET``: one sentence why a packet has not moved, and what would move it.

Asks the running agent; without one, looks into the spool itself and says so.
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
    parser.add_argument("packet", metavar="PACKET", help="its name as nncp-stat -pkt shows it, or the beginning of it")


def run(args: argparse.Namespace) -> int:
    """Print the sentence; return 0, or the code of the error's class."""
    from muleteer.agent.box import Box
    from muleteer.agent.clock import wall_now
    from muleteer.agent.control_client import ControlClient
    from muleteer.errors import AgentRefused, AgentUnreachable

    box = Box.load(args.config, os.environ)
    try:
        with ControlClient(box.appliance.agent.socket) as client:
            sentence = client.why(args.packet)
    except AgentUnreachable:
        sentence = box.inquiry().why(args.packet, None, wall_now())
    except AgentRefused as refusal:
        print(f"muleteer why: {refusal}", file=sys.stderr)
        return int(str(refusal.facts.get("code", AgentRefused.exit_code)))
    print(_laid_out(sentence) if sys.stdout.isatty() else sentence)
    return 0


def _laid_out(sentence: str) -> str:
    """Put the packet's name on a line of its own, and below it what is said of it, as wide as the terminal."""
    import shutil
    import textwrap

    name, said, words = sentence.partition(": ")
    if not said:
        return sentence
    width = min(shutil.get_terminal_size().columns, 100)
    return f"{name}\n" + textwrap.fill(words, width, initial_indent="  ", subsequent_indent="  ")
