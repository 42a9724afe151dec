# SPDX-License-Identifier: GPL-3.0-or-later
"""People with keys, and whole packets in memory, for tests of any layer.

Everything here is reproducible: the same name gives the same keys. Nothing here belongs in a product.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from muleteer.crypto.hashes import blake2b_256
from muleteer.crypto.keys import ExchangeKey, SigningKey
from muleteer.formats.envelope import HEADER_SIZE, OUT_BUFFER, EnvelopeHeader, Opened, Opener, Sealer
from muleteer.formats.ids import NodeId, b32decode
from muleteer.formats.niceness import NORMAL
from muleteer.formats.packet import FILE, PlainHeader

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Person:
    """A node with all that it needs to send and to receive."""

    name: str
    id: NodeId
    sign: SigningKey
    exchange: ExchangeKey

    @classmethod
    def named(cls, name: str) -> Person:
        """Return the person of that name, always the same."""
        sign = SigningKey.from_seed(blake2b_256(b"sign " + name.encode()))
        exchange = ExchangeKey(blake2b_256(b"exchange " + name.encode()))
        return cls(name, NodeId(blake2b_256(sign.public)), sign, exchange)


def people_from(keys_json: str) -> dict[str, Person]:
    """Return the nodes of the test vectors from the text of their ``keys.json``."""
    return {
        name: Person(
            name,
            NodeId.parse(keys["id"]),
            SigningKey.from_private(b32decode(keys["signprv"])),
            ExchangeKey(b32decode(keys["exchprv"])),
        )
        for name, keys in json.loads(keys_json)["nodes"].items()
    }


@dataclass(frozen=True, slots=True)
class OpenPacket:
    """What was in a packet."""

    envelope: EnvelopeHeader
    header: PlainHeader
    payload: bytes
    opened: Opened


def pattern(size: int) -> bytes:
    """Return the bytes that the test vectors are made of: number i is (7 i + i div 251) mod 256."""
    return bytes([(7 * i + i // 251) % 256 for i in range(size)])


def reader(data: bytes | memoryview, piece: int = 1 << 62) -> Callable[[memoryview], int]:
    """Return a ``read(view) -> count`` over `data` that yields at most `piece` bytes at once."""
    view = memoryview(data)
    at = 0

    def read(into: memoryview) -> int:
        nonlocal at
        got = view[at : at + min(len(into), piece)]
        into[: len(got)] = got
        at += len(got)
        return len(got)

    return read


def seal(
    payload: bytes,
    *,
    sender: Person,
    recipient: Person,
    header: PlainHeader | None = None,
    nice: int = NORMAL,
    minsize: int = 0,
    hops: int = 1,
    ephemeral: ExchangeKey | None = None,
    piece: int = 1 << 62,
) -> bytes:
    """Return a packet; without `header` a file named ``name``. The input comes in pieces of `piece` bytes."""
    sealer = Sealer(
        sender=sender.id,
        sign=sender.sign,
        recipient=recipient.id,
        exchpub=recipient.exchange.public,
        nice=nice,
        ephemeral=ephemeral or ExchangeKey.generate(),
    )
    plain = (header or PlainHeader(FILE, nice, b"name")).pack()
    given: list[bytes] = []
    lent = memoryview(bytearray(OUT_BUFFER))
    sealer.run(
        plain,
        reader(payload, piece),
        lambda: lent,
        lambda view: given.append(bytes(view)),
        minsize=minsize,
        hops=hops,
    )
    return b"".join(given)


def open_packet(packet: bytes, *, recipient: Person, sender: Person, piece: int = 1 << 62) -> OpenPacket:
    """Verify and open a packet as a receiver would; raises what the receiver would."""
    envelope = EnvelopeHeader.unpack(packet)
    envelope.verify(sender.sign.public)
    headers: list[PlainHeader] = []
    payload: list[bytes] = []

    def on_header(header: PlainHeader) -> Callable[[memoryview], None]:
        headers.append(header)
        return lambda view: payload.append(bytes(view))

    opened = Opener(envelope, recipient.exchange).run(reader(memoryview(packet)[HEADER_SIZE:], piece), on_header)
    return OpenPacket(envelope, headers[0], b"".join(payload), opened)
