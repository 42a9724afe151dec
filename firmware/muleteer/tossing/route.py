# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes: the envelopes around a packet that travels through relays, the innermost for its destination.

Every layer names us as the sender and is signed by us, so each relay must know us (nncp.md section 6). The layers are
sealed at the same time, each in a thread that feeds the next, so that a packet of any size passes in bounded memory.
"""

from __future__ import annotations

from muleteer.crypto.keys import ExchangeKey, SigningKey
from muleteer.errors import UsageError
from muleteer.formats.envelope_header import padding_for, sealed_size
from muleteer.formats.packet import TRNS, PlainHeader
from muleteer.formats.sealer import NO_LIMIT, OUT_BUFFER, Sealer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from muleteer.config.model import Config, Neighbour, OwnKeys
    from muleteer.formats.ids import NodeId

    class Output(Protocol):
        """Lends buffers and takes them back filled, in order: a Draft, or a Channel."""

        def take(self) -> memoryview:
            """Lend a buffer of at least OUT_BUFFER bytes."""

        def give(self, view: memoryview) -> None:
            """Take the filled beginning of the lent buffer."""


def hops_to(config: Config, node: Neighbour, via: tuple[NodeId, ...] | None) -> list[Neighbour]:
    """Return the nodes on the way, the first hop first and `node` last; `via` None means the configured way.

    Raises UsageError if a relay is no neighbour.
    """
    return [*relays_to(config, node, via), node]


def relays_to(config: Config, node: Neighbour, via: tuple[NodeId, ...] | None) -> list[Neighbour]:
    """Return the relays on the way to `node`, the first hop first."""
    relays = node.via if via is None else via
    unknown = [relay for relay in relays if relay not in config.neighbours]
    if unknown:
        raise UsageError(problem=f"the relay {unknown[0]} on the way to {node.name} is not a neighbour")
    return [config.neighbours[relay] for relay in relays]


def routed_size(payload_size: int, hops: int, minsize: int) -> int:
    """Return the bytes of the whole packet as it leaves for the first of `hops` nodes."""
    size = sealed_size(payload_size) + padding_for(payload_size, minsize, hops)
    for _ in range(hops - 1):
        size = sealed_size(size)
    return size


class Enveloper:
    """Puts packets into as many envelopes as the route has hops. `random` gives the bytes of ephemeral keys."""

    def __init__(self, own: OwnKeys, random: Callable[[int], bytes]) -> None:
        self._own = own
        self._sign = SigningKey.from_private(own.signprv)
        self._random = random

    def seal(
        self,
        hops: list[Neighbour],
        header: PlainHeader,
        nice: int,
        read: Callable[[memoryview], int],
        out: Output,
        *,
        minsize: int = 0,
        maxsize: int = NO_LIMIT,
    ) -> int:
        """Seal `header` and what `read` yields for the last of `hops`, then for each before it.

        Returns the size of the payload. Only the innermost envelope is padded and limited. Raises PacketTooBig,
        UsageError, and what `read` raises.
        """
        count = len(hops)
        sealer = self._sealer(hops[-1], nice)
        plain = header.pack()
        if count == 1:
            return sealer.run(plain, read, out.take, out.give, minsize=minsize, maxsize=maxsize)

        from muleteer.tossing.channel import Channel  # threads only for routes

        sizes: list[int] = []

        def innermost(channel: Channel) -> None:
            sizes.append(
                sealer.run(plain, read, channel.take, channel.give, minsize=minsize, hops=count, maxsize=maxsize)
            )

        with Channel(innermost, OUT_BUFFER) as channel:
            wrapper = PlainHeader(TRNS, 0, bytes(hops[-1].id))
            self.seal(hops[:-1], wrapper, nice, channel.read, out)
        return sizes[0]

    def _sealer(self, recipient: Neighbour, nice: int) -> Sealer:
        return Sealer(
            sender=self._own.id,
            sign=self._sign,
            recipient=recipient.id,
            exchpub=recipient.exchpub,
            nice=nice,
            ephemeral=ExchangeKey(self._random(32)),
        )
