# SPDX-License-Identifier: GPL-3.0-or-later
"""Play many worlds: ``python -m muleteer.testing.world --seeds 200``."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

from muleteer.testing.world.night import play_the_week
from muleteer.testing.world.world import Outcome, play

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SHOWN_MAX = 5  # violations of one seed
LINES_SHOWN = 40  # of the event log of a seed that failed
BATCH = 40  # seeds between two looks at the watch


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the worlds that the command line asks for; 1 if any rule was broken."""
    options = _parser().parse_args(arguments)
    if options.week:
        return play_the_week(_say)
    if options.verbose:
        return _tell([_told(play(options.start, _say))])
    outcomes: list[Outcome] = []
    with multiprocessing.get_context("fork").Pool(options.jobs) as pool:
        for seeds in _batches(options.start, options.seeds, options.minutes * 60):
            outcomes += [_told(outcome) for outcome in pool.imap_unordered(play, seeds)]
    return _tell(outcomes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m muleteer.testing.world", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many worlds (default 200)")
    parser.add_argument("--from", type=int, default=0, dest="start", metavar="SEED", help="the first seed (default 0)")
    parser.add_argument("--minutes", type=float, default=0.0, help="go on with new seeds for so long instead")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes at once (default: one per core)")
    parser.add_argument("--verbose", action="store_true", help="play one seed and print its event log")
    parser.add_argument("--week", action="store_true", help="play a week of night transfers and print the table")
    return parser


def _batches(first: int, count: int, seconds: float) -> Iterator[range]:
    """Give so many seeds, or new ones for so long."""
    if not seconds:
        yield range(first, first + count)
        return
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield range(first, first + BATCH)
        first += BATCH


def _told(outcome: Outcome) -> Outcome:
    if not outcome.ok:
        _say(f"seed {outcome.seed}: BROKEN after {outcome.days:.1f} days, log {outcome.digest}")
        for violation in outcome.violations[:SHOWN_MAX]:
            _say(f"    {violation}")
        for line in outcome.lines[-LINES_SHOWN:]:
            _say(f"      {line}")
    return outcome


def _tell(outcomes: Sequence[Outcome]) -> int:
    faults: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for outcome in outcomes:
        faults += outcome.faults
        counts += outcome.counts
    broken = sorted(outcome.seed for outcome in outcomes if not outcome.ok)
    _say(f"{len(outcomes)} worlds, {sum(outcome.days for outcome in outcomes):.0f} days, {faults.total()} faults:")
    for kind, count in sorted(faults.items()):
        _say(f"  {count:>9}  {kind}")
    _say("what was watched:")
    for kind, count in sorted(counts.items()):
        _say(f"  {count:>9}  {kind}")
    _say(f"BROKEN: {broken}" if broken else "every rule held")
    return 1 if broken else 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
