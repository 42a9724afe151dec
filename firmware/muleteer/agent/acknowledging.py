# SPDX-License-Identifier: GPL-3.0-or-later
"""Queue the acknowledgements that a round asks for, as one group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muleteer.carriers.stick_plan import StickAllowance
from muleteer.formats.niceness import NORMAL
from muleteer.spool.layout import RX
from muleteer.tossing.acks import Acknowledger
from muleteer.tossing.submit import Submitter

if TYPE_CHECKING:
    from collections.abc import Collection

    from muleteer.config.model import Config
    from muleteer.formats.ids import NodeId, PacketName
    from muleteer.spool.spool import Spool
    from muleteer.tossing.records import Log


class RoundAcknowledger:
    """Acknowledges what a round takes in; `silent` are the neighbours whose packets are not acknowledged.

    `allowance` is that of the stick at hand: an acknowledgement whose packet is not here any more, and with it its
    urgency, is urgent enough to go by the carrier that brought the packet. Else it would wait for ever.

    What is queued is durable after `flush`; what a round that breaks off leaves unflushed is gone without a trace, its
    packets are still on the stick.
    """

    def __init__(
        self,
        config: Config,
        spool: Spool,
        log: Log,
        silent: Collection[NodeId],
        allowance: StickAllowance | None = None,
    ) -> None:
        self._config = config
        self._spool = spool
        self._silent = silent
        self._allowance = allowance or StickAllowance()
        self._submitter = Submitter(config, spool, log)
        self._acknowledger = Acknowledger(config, spool, self._submitter, relayed=True)
        self._batch = spool.batch()

    def acknowledge(self, node: NodeId, name: PacketName) -> PacketName | None:
        """Queue the acknowledgement of a packet from `node` that is durable in rx, or was.

        Returns its name, None if there is to be none. Raises SpoolError.
        """
        if node in self._silent or node == self._config.me.id:
            return None
        ack = self._acknowledger.acknowledge(node, name, batch=self._batch)
        if ack is None and not self._spool.has(node, RX, name):
            # Tossed already, just now or when it came the first time: its kind is not known any more. Should it have
            # been an acknowledgement, then its sender finds nothing to forget, and that is that.
            nice = min(NORMAL, self._allowance.terms_for(node).nice)
            ack = self._submitter.ack(self._config.neighbours[node], nice, name, batch=self._batch)
        return ack

    def flush(self) -> None:
        """Make what was queued durable. Raises SpoolError."""
        self._batch.flush()

    def discard(self) -> None:
        """Forget what was not flushed."""
        self._batch.discard()
