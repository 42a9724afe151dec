# SPDX-License-Identifier: GPL-3.0-or-later
"""Acknowledging packets that arrived, so that their senders may forget them.

Only what could have come from a neighbour is acknowledged: for us, from a known sender, signed, its first block
authentic. Acknowledgements themselves are not: two nodes would go on for ever. One that was relayed may be, towards
its relay: that one cannot know what it carries, and keeps it until somebody says that it arrived.
"""

from __future__ import annotations

from muleteer.crypto.keys import ExchangeKey
from muleteer.errors import PeerError, SpoolError, UnknownSender, UsageError, WrongRecipient
from muleteer.formats.envelope_header import HEADER_SIZE, EnvelopeHeader
from muleteer.formats.niceness import NORMAL
from muleteer.formats.opener import Opener
from muleteer.formats.packet import ACK
from muleteer.spool.layout import RX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.config.model import Config
    from muleteer.formats.ids import NodeId, PacketName
    from muleteer.spool.batch import Batch
    from muleteer.spool.spool import Spool
    from muleteer.tossing.submit import Submitter


class Acknowledger:
    """Acknowledges packets in rx to the node in whose rx they lie: it is that one's tx which still holds them.

    `nice` None means: as urgent as the packet, but at least NORMAL, so that what could come can be acknowledged by the
    same carrier. `minsize` is in bytes. `relayed` acknowledges acknowledgements, too, if they came through a relay.
    """

    def __init__(
        self,
        config: Config,
        spool: Spool,
        submitter: Submitter,
        *,
        nice: int | None = None,
        minsize: int = 0,
        relayed: bool = False,
    ) -> None:
        if config.own is None:
            raise UsageError(problem=f"{config.path} holds no private keys (`self`): nothing can be acknowledged")
        self._config = config
        self._me = config.own.id
        self._key = ExchangeKey(config.own.exchprv)
        self._spool = spool
        self._submitter = submitter
        self._nice = nice
        self._minsize = minsize
        self._relayed = relayed

    def acknowledge(
        self,
        node: NodeId,
        name: PacketName,
        *,
        via: tuple[NodeId, ...] | None = None,
        batch: Batch | None = None,
        then: Callable[[PacketName], None] | None = None,
    ) -> PacketName | None:
        """Queue an acknowledgement of a packet in the rx of `node`; return its name, None if the packet gets none.

        So it is with a packet that has gone meanwhile (a toss is at work). `then` is called with the name when the
        acknowledgement is durable: with `batch`, when that is committed.

        Raises UnknownSender if `node` is no neighbour, and SpoolError.
        """
        neighbour = self._config.neighbours.get(node)
        if neighbour is None:
            raise UnknownSender(sender=str(node))
        try:
            nice = self._nice_of(node, name)
        except PeerError:  # tossing it will say what is wrong with it
            return None
        except SpoolError:
            if self._spool.has(node, RX, name):
                raise
            return None
        if nice is None:
            return None
        chosen = min(NORMAL, nice) if self._nice is None else self._nice
        return self._submitter.ack(neighbour, chosen, name, minsize=self._minsize, via=via, batch=batch, then=then)

    def _nice_of(self, node: NodeId, name: PacketName) -> int | None:
        """Return the niceness of a packet that deserves an acknowledgement, None for one that is one."""
        with self._spool.open(node, RX, name) as file, self._spool.guard:
            head = bytearray(HEADER_SIZE)
            size = file.read_into(memoryview(head))
            header = EnvelopeHeader.unpack(head[:size])
            if header.recipient != self._me:
                raise WrongRecipient(recipient=str(header.recipient))
            sender = self._config.neighbours.get(header.sender)
            if sender is None:
                raise UnknownSender(sender=str(header.sender))
            header.verify(sender.signpub)
            plain = Opener(header, self._key).peek(file.read_into)
        ends_here = plain.kind == ACK and not (self._relayed and header.sender != node)
        return None if ends_here else header.nice
