# SPDX-License-Identifier: GPL-3.0-or-later
"""Find a packet by its name, or the beginning of it, and gather what `muleteer.agent.why` needs to speak of it.

Serves the agent and, when none runs, the command line straight from the spool. Reads only and takes no lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muleteer.agent.lines import NeighbourLines
from muleteer.agent.outlook import outlooks
from muleteer.agent.survey import name_of
from muleteer.agent.why import Copy, PacketFacts, SetAside, World, why
from muleteer.config.zone import local_offset
from muleteer.errors import AmbiguousPacket, UnknownPacket
from muleteer.formats.safename import show
from muleteer.spool.layout import RX, TX

if TYPE_CHECKING:
    from muleteer.agent.allowance import Rules
    from muleteer.agent.outlook import Outlook
    from muleteer.agent.status import Status
    from muleteer.config.carrier_rules import CarrierRule
    from muleteer.config.model import Config
    from muleteer.config.zone import Offset
    from muleteer.formats.ids import NodeId
    from muleteer.spool.aside import Aside
    from muleteer.spool.ledger import Ledger
    from muleteer.spool.spool import Entry, Spool

NAMES_SHOWN_MAX = 3  # of an ambiguous beginning
NAME_LENGTH = 52
SHOWN_LENGTH = 12  # letters of a name that tell it from others well enough


class Inquiry:
    """Answers "why has this packet not moved?". Methods raise SpoolError when the disk fails."""

    def __init__(
        self,
        config: Config,
        rules: Rules,
        spool: Spool,
        aside: Aside,
        ledger: Ledger,
        lines: tuple[CarrierRule, ...] = (),
        *,
        offset: Offset = local_offset,
    ) -> None:
        self._config = config
        self._rules = rules
        self._lines = lines
        self._offset = offset
        self._spool = spool
        self._aside = aside
        self._ledger = ledger

    def why(self, packet: str, status: Status | None, now: float) -> str:
        """Return the sentence for the one packet whose name begins with `packet`; `status` is a running agent's.

        Raises:
            UnknownPacket: there is none here.
            AmbiguousPacket: there are several.

        """
        node, way, entry = self.find(packet)
        facts = PacketFacts(way, name_of(self._config, node), entry.nice, entry.size)
        return f"{entry.name}: {why(facts, self._world(node, way, entry, status, now))}"

    def find(self, packet: str) -> tuple[NodeId, str, Entry]:
        """Return where the one packet lies whose name begins with `packet`, and its entry."""
        wanted = packet.strip().upper()
        found = [
            (node, way, entry)
            for node in self._spool.nodes()
            for way in (TX, RX)
            for entry in self._spool.entries(node, way)
            if wanted and str(entry.name).startswith(wanted)
        ]
        names = sorted({str(entry.name) for _, _, entry in found})
        if not names:
            raise UnknownPacket(packet=show(packet[:NAME_LENGTH]))
        if len(names) > 1:
            shown = ", ".join(name[: max(SHOWN_LENGTH, len(wanted) + 4)] for name in names[:NAMES_SHOWN_MAX])
            raise AmbiguousPacket(packet=wanted, count=len(names), names=shown)
        return found[0]

    def _world(self, node: NodeId, way: str, entry: Entry, status: Status | None, now: float) -> World:
        name, sure = name_of(self._config, node), status is None or status.time_sure
        return World(
            now=now,
            sure=sure,
            offset=self._offset,
            carriers=self._rules.carriers,
            runners=self._rules.runners,
            bays=() if status is None else status.bays,
            carrier_of_bay=tuple((bay, rule.name) for bay, rule in self._rules.carrier_of_bay.items()),
            copies=tuple(Copy(copy.runner, copy.since) for copy in self._ledger.where(entry.name)) if way == TX else (),
            overdue_seconds=self._overdue(node),
            aside=self._set_aside(node, entry) if way == RX else None,
            tossing=status is not None and status.tossing,
            agent_runs=status is not None,
            outlooks=self._outlooks(node, entry, now, sure=sure) if way == TX else (),
            lines=() if status is None else tuple(line for line in status.lines if line.neighbour == name),
        )

    def _outlooks(self, node: NodeId, entry: Entry, now: float, *, sure: bool) -> tuple[Outlook, ...]:
        neighbour = self._config.neighbours.get(node)
        if neighbour is None:
            return ()
        return outlooks(self._lines, NeighbourLines.of(neighbour), entry.nice, entry.size, now, sure, self._offset)

    def _overdue(self, node: NodeId) -> float | None:
        return self._rules.acknowledging.get(node)

    def _set_aside(self, node: NodeId, entry: Entry) -> SetAside | None:
        note = self._aside.get(node, entry.name)
        return None if note is None else SetAside(show(note.reason), note.tries, note.due_at)
