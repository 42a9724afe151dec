# SPDX-License-Identifier: GPL-3.0-or-later
"""Count the spool: what waits for which carrier, what came in, what was set aside, what is overdue.

Reads only and takes no lock, so it may run beside everything else; what it says is as of the moment it looked.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from muleteer.agent.events import Waiting
from muleteer.agent.lines import NeighbourLines
from muleteer.agent.outlook import ever, stick_ever
from muleteer.agent.status import Problem, Queue
from muleteer.agent.wording import packets_words
from muleteer.formats.safename import show
from muleteer.spool.layout import RX, TX

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from muleteer.agent.allowance import Rules
    from muleteer.config.carrier_rules import CarrierRule
    from muleteer.config.model import Config
    from muleteer.formats.ids import NodeId
    from muleteer.spool.aside import Aside, Note
    from muleteer.spool.ledger import Ledger
    from muleteer.spool.spool import Entry, Spool

REASONS_MAX = 8  # shown of what was set aside; packets with the same reason are counted together


@dataclass(frozen=True, slots=True)
class WayFacts:
    """Packets and bytes in one direction of one neighbour."""

    packets: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class NeighbourFacts:
    """What the spool holds for and from one neighbour; `name` is its id where the configuration has no name."""

    name: str
    id: str
    rx: WayFacts
    tx: WayFacts


@dataclass(frozen=True, slots=True)
class Survey:
    """The spool at one moment."""

    neighbours: tuple[NeighbourFacts, ...]
    queue: tuple[Queue, ...]
    waiting_toss: int
    set_aside: int
    travelling: int
    problems: tuple[Problem, ...]
    waiting: tuple[Waiting, ...] = ()  # everything in tx, what travels on runners too: a line that takes it delivers it


class Surveyor:
    """Counts one spool by the owner's rules. Methods raise SpoolError when the disk fails."""

    def __init__(
        self,
        config: Config,
        rules: Rules,
        spool: Spool,
        aside: Aside,
        ledger: Ledger,
        lines: tuple[CarrierRule, ...] = (),
    ) -> None:
        self._config = config
        self._rules = rules
        self._lines = lines
        self._spool = spool
        self._aside = aside
        self._ledger = ledger

    def survey(self, now: float) -> Survey:
        """Look once; `now` is Unix time."""
        own = self._config.me.id
        overdue = {
            copy.name: copy.runner
            for node, seconds in self._rules.acknowledging.items()
            for copy in self._ledger.overdue(now, seconds, node)
        }
        carried = set(self._ledger.names()).difference(overdue)
        sums: dict[str, list[int]] = {}
        neighbours: list[NeighbourFacts] = []
        travelling = 0
        waiting: list[Waiting] = []
        for node in self._spool.nodes():
            rx, tx = self._spool.entries(node, RX), self._spool.entries(node, TX)
            if rx or tx:
                facts = (WayFacts(len(way), sum(entry.size for entry in way)) for way in (rx, tx))
                neighbours.append(NeighbourFacts(name_of(self._config, node), str(node), *facts))
            if node == own:
                continue
            waiting += _rows(node, tx)
            takers = self._takers(node)
            for entry in tx:
                if entry.name in carried and node in self._rules.acknowledging:
                    travelling += 1
                else:
                    _count(sums, entry, takers)
        notes = self._aside.all()
        return Survey(
            tuple(sorted(neighbours, key=lambda facts: facts.name)),
            self._queue(sums),
            sum(facts.rx.packets for facts in neighbours),
            len(notes),
            travelling,
            (*_overdue_problem(overdue.values()), *_aside_problem(notes)),
            tuple(waiting),
        )

    def _takers(self, node: NodeId) -> list[tuple[str, list[tuple[int, float]]]]:
        """Return the carriers that may take packets for a neighbour at some time, each with its ceilings.

        Sticks first, which is what a person can do something about; then those that call, the best first.
        """
        sticks = [(rule.name, stick_ever(rule, name_of(self._config, node))) for rule in self._rules.carriers]
        neighbour = self._config.neighbours.get(node)
        if neighbour is None:
            return sticks
        facts = NeighbourLines.of(neighbour)
        best = sorted(self._lines, key=lambda rule: (rule.terms.priority, rule.terms.cost))
        return sticks + [(rule.name, ever(rule, facts)) for rule in best]

    def _queue(self, sums: dict[str, list[int]]) -> tuple[Queue, ...]:
        order = [*(rule.name for rule in (*self._rules.carriers, *self._lines)), ""]
        return tuple(Queue(name, *sums[name]) for name in order if name in sums)


def _count(sums: dict[str, list[int]], entry: Entry, takers: list[tuple[str, list[tuple[int, float]]]]) -> None:
    """Count a packet for the first carrier that takes it, for "" if none does."""
    fitting = (name for name, found in takers if any(entry.nice <= nice and entry.size <= size for nice, size in found))
    carrier = next(fitting, "")
    packets, size, nice = sums.get(carrier, (0, 0, 255))
    sums[carrier] = [packets + 1, size + entry.size, min(nice, entry.nice)]


def _rows(node: NodeId, entries: Iterable[Entry]) -> Iterable[Waiting]:
    """Yield what waits for a node, by niceness; entries come sorted by that."""
    for nice, same in groupby(entries, key=lambda entry: entry.nice):
        sizes = [entry.size for entry in same]
        yield Waiting(node, nice, len(sizes), min(sizes), sum(sizes))


def name_of(config: Config, node: NodeId) -> str:
    """Return a node's name, or its id if it has none here."""
    neighbour = config.neighbours.get(node)
    return str(node) if neighbour is None else neighbour.name


def _aside_problem(notes: Collection[Note]) -> Iterable[Problem]:
    """Give one problem for all that was set aside. The reasons name neighbours and files, so they are its details."""
    if not notes:
        return
    counts = Counter(note.reason for note in notes)
    details = [f"{packets_words(count)}: {show(reason)}" for reason, count in counts.most_common(REASONS_MAX)]
    if len(counts) > REASONS_MAX:
        details.append(f"and {len(counts) - REASONS_MAX} more reasons")
    what = f"{packets_words(len(notes))} set aside"
    yield Problem(
        what,
        "kept and tried again: see `muleteer status`",
        min(note.first for note in notes),
        tuple(details),
    )


def _overdue_problem(runners: Iterable[str]) -> Iterable[Problem]:
    counts = Counter(runners)
    if not counts:
        return
    who = "a runner is" if len(counts) == 1 else f"{len(counts)} runners are"
    details = [f"{show(runner)}: {packets_words(count)}" for runner, count in counts.most_common(REASONS_MAX)]
    what = f"{who} overdue with {packets_words(counts.total())}"
    yield Problem(what, "the next runner takes them again; nothing is lost", None, tuple(details))
