# SPDX-License-Identifier: GPL-3.0-or-later
"""Queue the acknowledgements that a round asks for.

Whether a packet in tx is an acknowledgement (for which none is waited) is told by its mark, see
`muleteer.carriers.stick_acks`. The round makes the mark when the packet is there; a cut between the two would leave an
acknowledgement that is kept, and loaded again when overdue, for ever. So it is marked here already, before the packet
appears: its name is known once it is sealed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muleteer.errors import SpoolError
from muleteer.formats.niceness import NORMAL
from muleteer.spool.disk import ensure_dir
from muleteer.spool.layout import RX, TX
from muleteer.tossing.acks import Acknowledger
from muleteer.tossing.submit import Submitter

if TYPE_CHECKING:
    from collections.abc import Collection

    from muleteer.config.model import Config
    from muleteer.formats.ids import NodeId, PacketName
    from muleteer.spool.spool import Spool
    from muleteer.tossing.records import Log


class RoundAcknowledger:
    """Acknowledges what a round takes in; `silent` are the neighbours whose packets are not acknowledged."""

    def __init__(self, config: Config, spool: Spool, log: Log, silent: Collection[NodeId]) -> None:
        self._config = config
        self._spool = spool
        self._silent = silent
        self._submitter = Submitter(config, spool, log)
        self._acknowledger = Acknowledger(config, spool, self._submitter)

    def acknowledge(self, node: NodeId, name: PacketName) -> PacketName | None:
        """Queue the acknowledgement of a packet from `node` that is durable in rx, or was; on return it is durable.

        Returns its name, None if there is to be none. Raises SpoolError.
        """
        if node in self._silent or node == self._config.me.id:
            return None
        with self._spool.batch() as batch:
            try:
                ack = self._acknowledger.acknowledge(node, name, batch=batch)
            except SpoolError:
                if self._spool.has(node, RX, name):
                    raise
                # Tossed already, just now or when it came the first time: its kind is not known any more. Should it
                # have been an acknowledgement, then its sender finds nothing to forget, and that is that.
                ack = self._submitter.ack(self._config.neighbours[node], NORMAL, name, batch=batch)
            if ack is not None:
                self._mark(node, ack)
        return ack

    def _mark(self, node: NodeId, ack: PacketName) -> None:
        via = self._config.neighbours[node].via
        directory = f"{self._spool.layout.way(via[0] if via else node, TX)}/ack"
        with self._spool.guard:
            ensure_dir(self._spool.disk, directory)
            try:
                self._spool.disk.create(f"{directory}/{ack}").close()
            except FileExistsError:
                return
