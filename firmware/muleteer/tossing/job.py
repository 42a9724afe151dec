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
from muleteer.record import replace
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

SMALL = 1 << 14
"""Bytes of a packet up to which it is read at once: two system calls instead of four."""

LARGE = 1 << 20
"""Bytes of a packet from which on buffers are lent, instead of each block being copied once."""


class Job:
    """A packet that waits in the rx of `node`.

    `entry` is what the listing says of it; sender and niceness are those of the verified header before anything acts.
    """

    __slots__ = ("_config", "_file", "_header", "_key", "_neighbour", "entry", "is_done", "node", "subject")

    def __init__(self, node: NodeId, entry: Entry, config: Config, key: ExchangeKey) -> None:
        self.node = node
        self.is_done = False
        self._config = config
        self._key = key
        self._file: DiskFile | None = None
        self._header: EnvelopeHeader | None = None
        self._describe(entry)

    def _describe(self, entry: Entry) -> None:
        self.entry = entry
        self._neighbour = self._config.neighbours.get(entry.sender)
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
        read = _in_one_piece(file, self.entry.size) if self.entry.size < SMALL else file.read_into
        head = _read_head(read)
        self._header = header = EnvelopeHeader.unpack(head)
        if (header.nice, header.sender) != (self.entry.nice, self.entry.sender):  # another file since it was listed
            self._describe(replace(self.entry, nice=header.nice, sender=header.sender))
        if header.recipient != me:
            raise WrongRecipient(recipient=str(header.recipient))
        header.verify(self.neighbour.signpub)
        hasher = MthHasher()
        hasher.update(head)

        def read_hashed(view: memoryview) -> int:
            got = read(view)
            hasher.update(view[:got])
            return got

        opener = Opener(header, self._key)
        if self.entry.size < LARGE:
            opener.run(read_hashed, lambda plain: begin(plain).write)
        else:
            opener.pour(read_hashed, lambda plain: _taker(begin(plain)))
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


def _read_head(read: Read) -> bytes:
    head = bytearray(HEADER_SIZE)
    return bytes(head[: _filled(read, memoryview(head))])


def _filled(read: Read, view: memoryview) -> int:
    """Fill `view` as far as there is something to read; return how far."""
    filled = 0
    while filled < len(view) and (got := read(view[filled:])):
        filled += got
    return filled


def _in_one_piece(file: DiskFile, size: int) -> Read:
    """Return a `read` of a file of about `size` bytes; should it have grown, the rest comes from the file."""
    buffer = memoryview(bytearray(size + 1))
    end = _filled(file.read_into, buffer)
    at = 0

    def read(view: memoryview) -> int:
        nonlocal at
        if at == end:
            return file.read_into(view) if end > size else 0
        got = min(len(view), end - at)
        view[:got] = buffer[at : at + got]
        at += got
        return got

    return read
