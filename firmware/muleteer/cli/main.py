# SPDX-License-Identifier: GPL-3.0-or-later
"""``muleteer VERB``: the appliance's own commands; each verb is a module with `add_arguments` and `run`."""

from __future__ import annotations

import argparse
import importlib
import sys
from typing import TYPE_CHECKING, Protocol, cast

from muleteer import __version__
from muleteer.errors import MuleteerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    class Verb(Protocol):
        """What each verb's module offers."""

        @staticmethod
        def add_arguments(parser: argparse.ArgumentParser) -> None:
            """Describe the verb's own arguments."""

        @staticmethod
        def run(args: argparse.Namespace) -> int:
            """Do it; return the exit status."""


VERBS = {
    "agent": ("muleteer.cli.agent", "run the box: watch the bays, carry, toss"),
    "status": ("muleteer.cli.status", "show what is queued, carried and wrong"),
    "why": ("muleteer.cli.why", "say why a packet has not moved, and what would move it"),
    "call": ("muleteer.cli.call", "call a neighbour now, and see it through"),
    "send": ("muleteer.cli.send", "queue many files in one go"),
    "rules": ("muleteer.cli.rules", "show the table of carriers; turn NNCP's `calls` into rules, and back"),
    "panel": ("muleteer.cli.panel", "show lamps and pages, on hardware or in the terminal"),
    "demo": ("muleteer.cli.demo", "two boxes and a stick, simulated, in this terminal"),
}
"""Verb -> module, imported only when called, and one line for the help."""

INTERRUPTED = 130
"""What shells report for a program that ended by Ctrl-C."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; return its exit status: 0 done, 2 misused, or the code of the error's class."""
    words = list(sys.argv[1:] if argv is None else argv)
    verb = words[0] if words else ""
    parser = _parser(verb)
    if verb not in VERBS:
        parser.parse_args(words)  # answers --help and --version itself, and complains about the rest
        parser.error("which verb?")
    module = cast("Verb", importlib.import_module(VERBS[verb][0]))
    module.add_arguments(parser)
    try:
        return module.run(parser.parse_args(words[1:]))
    except MuleteerError as error:
        print(f"muleteer {verb}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read our output has enough
        sys.stderr.close()
        return 0


def _parser(verb: str) -> argparse.ArgumentParser:
    if verb in VERBS:
        return argparse.ArgumentParser(prog=f"muleteer {verb}", description=VERBS[verb][1])
    verbs = "\n".join(f"  {name:8} {summary}" for name, (_, summary) in VERBS.items())
    parser = argparse.ArgumentParser(
        prog="muleteer",
        usage="muleteer VERB [ARGUMENTS]",
        description=f"A carrier for NNCP networks.\n\nverbs:\n{verbs}",
        epilog="muleteer VERB --help tells more; the nncp-* commands have -help.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"Muleteer {__version__}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
