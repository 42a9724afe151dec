# SPDX-License-Identifier: GPL-3.0-or-later
"""One packet in rx, being proven: the only way from bytes in the spool to something that may act.

Proven means: it is for us, its sender is a neighbour, its signature and every block are authentic, its padding is
right, nothing follows it, and its bytes hash to its name. One pass over the file shows all of that. (The reference
streams each block to its destination at once and does not look at the name.)
"""

from __future__ import annotations

from muleteer.errors import NameMismatch, UnknownSender, WrongRecipient
from muleteer.formats.envelope_header import HEADER_SIZE, EnvelopeHeader
from muleteer.formats.mth import MthHasher
from muleteer.formats.opener import PLAIN_BUFFER, Opener
from muleteer.formats.recfile import human_size
from muleteer.spool.layout import RX
from muleteer.tossing.records import Subject, tossed_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.config.model import Config, Neighbour
    from muleteer.crypto.keys import ExchangeKey
    from muleteer.formats.ids import NodeId
    from muleteer.formats.opener import Taker
    from muleteer.formats.packet import PlainHeader
    from muleteer.spool.port import DiskFile
    from muleteer.spool.spool import Entry, Spool
    from muleteer.tossing.deliveries import Delivery

    Read = Callable[[memoryview], int]
    Write = Callable[[memoryview], None]

LARGE = 1 << 20
"""Bytes of a packet from which on buffers are lent, instead of each block being copied once."""


class Job:
    """A packet that waits in the rx of `node`; `entry` is what its unverified header says."""

    __slots__ = ("_file", "_header", "_key", "_neighbour", "entry", "is_done", "node", "subject")

    def __init__(self, node: NodeId, entry: Entry, config: Config, key: ExchangeKey) -> None:
        self.node = node
        self.entry = entry
        self.is_done = False
        self._key = key
        self._file: DiskFile | None = None
        self._header: EnvelopeHeader | None = None
        self._neighbour = config.neighbours.get(entry.sender)
        name = self._neighbour.name if self._neighbour else str(entry.sender)
        self.subject = Subject(entry.sender, name, entry.name, entry.nice, tossed_size(entry.size))

    @property
    def neighbour(self) -> Neighbour:
        """The sender. Raises UnknownSender if it is no neighbour."""
        if self._neighbour is None:
            raise UnknownSender(sender=str(self.entry.sender))
        return self._neighbour

    @property
    def human_size(self) -> str:
        """The size as the log names it."""
        return human_size(self.subject.size)

    def prove(self, spool: Spool, me: NodeId, choose: Callable[[Job, PlainHeader], Delivery]) -> Delivery:
        """Read the whole packet and return its delivery, which has taken the payload and may now complete.

        `choose` makes the delivery once the first block is authenticated. The file stays open until `close`.
        Raises PeerError for anything unproven, and what the delivery raises; it is discarded then.
        """
        self._file = spool.open(self.node, RX, self.entry.name)
        chosen: list[Delivery] = []

        def begin(header: PlainHeader) -> Delivery:
            chosen.append(choose(self, header))
            return chosen[0]

        try:
            with spool.guard:
                self._prove(self._file, me, begin)
        except BaseException:
            for delivery in chosen:
                delivery.discard()
            raise
        return chosen[0]

    def again(self, sink: Write) -> None:
        """Decrypt a proven packet once more, into `sink`; each block is authenticated again."""
        lender = Lender(sink)
        self._reopen().pour(self._opened().read_into, lambda _header: lender)

    def again_into(self, taker: Taker) -> None:
        """Decrypt a proven packet once more, into the buffers of `taker`."""
        self._reopen().pour(self._opened().read_into, lambda _header: taker)

    def close(self) -> None:
        """Close the file; may be repeated."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _prove(self, file: DiskFile, me: NodeId, begin: Callable[[PlainHeader], Delivery]) -> None:
        head = _read_head(file)
        self._header = header = EnvelopeHeader.unpack(head)
        if header.recipient != me:
            raise WrongRecipient(recipient=str(header.recipient))
        header.verify(self.neighbour.signpub)
        hasher = MthHasher()
        hasher.update(head)

        def read(view: memoryview) -> int:
            got = file.read_into(view)
            hasher.update(view[:got])
            return got

        opener = Opener(header, self._key)
        if self.entry.size < LARGE:
            opener.run(read, lambda plain: begin(plain).write)
        else:
            opener.pour(read, lambda plain: _taker(begin(plain)))
        actual = hasher.digest()
        if actual != self.entry.name:
            raise NameMismatch(actual=str(actual), name=str(self.entry.name))

    def _reopen(self) -> Opener:
        if self._header is None:
            raise ValueError("the packet was not proven")
        self._opened().seek(HEADER_SIZE)
        return Opener(self._header, self._key)

    def _opened(self) -> DiskFile:
        if self._file is None:
            raise ValueError("the packet is not open")
        return self._file


class Lender:
    """One buffer, lent again and again; what it is filled with goes to `sink`."""

    __slots__ = ("_buffer", "_sink")

    def __init__(self, sink: Write) -> None:
        self._sink = sink
        self._buffer = memoryview(bytearray(PLAIN_BUFFER))

    def take(self) -> memoryview:
        """Lend the buffer."""
        return self._buffer

    def give(self, view: memoryview) -> None:
        """Pass on what was filled."""
        self._sink(view)


def _taker(delivery: Delivery) -> Taker:
    """Return the delivery's own buffers if it has some, else one that `write` empties."""
    return delivery.taker() or Lender(delivery.write)


def _read_head(file: DiskFile) -> bytes:
    head = bytearray(HEADER_SIZE)
    view, filled = memoryview(head), 0
    while filled < HEADER_SIZE and (got := file.read_into(view[filled:])):
        filled += got
    return bytes(view[:filled])
