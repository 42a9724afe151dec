# SPDX-License-Identifier: GPL-3.0-or-later
"""Making packets: from what somebody sends to a durable packet in the first hop's tx.

Every method seals into a draft, commits it, writes one log record and returns the packet's name: from then on it
survives a power cut. What goes wrong before that leaves nothing behind.
"""

from __future__ import annotations

from muleteer.crypto.entropy import random_bytes
from muleteer.errors import NotYetSupported, PacketTooBig, SpoolFull, UsageError
from muleteer.formats.niceness import format_nice
from muleteer.formats.packet import ACK, EXEC, EXEC_FAT, FILE, FREQ, PLAIN_HEADER_SIZE, TRNS, PlainHeader, exec_path
from muleteer.formats.recfile import human_size
from muleteer.formats.safename import clean_path, show
from muleteer.formats.sealer import NO_LIMIT
from muleteer.spool.ack_marks import AckMarks
from muleteer.spool.layout import TX
from muleteer.tossing.records import TOO_BIG, sent
from muleteer.tossing.route import Enveloper, hops_to, relays_to, routed_size
from muleteer.tossing.source import STDIN, open_source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.config.model import Config, Neighbour
    from muleteer.formats.ids import NodeId, PacketName
    from muleteer.spool.batch import Batch
    from muleteer.spool.spool import Spool
    from muleteer.tossing.records import Log

    Read = Callable[[memoryview], int]


class Submitter:
    """Makes packets of ours. `random` is the source of ephemeral keys.

    Common arguments: `nice` 1 to 255; `minsize` and `maxsize` in bytes; `via` the relays instead of the configured
    ones (an empty tuple: none); with `batch` the packet is durable, and logged, when that is committed. All methods
    raise UsageError and PacketTooBig for what cannot be sent, SpoolError when the disk fails, and what their `read`
    raises.
    """

    def __init__(
        self, config: Config, spool: Spool, log: Log, *, random: Callable[[int], bytes] = random_bytes
    ) -> None:
        self._config = config
        self._spool = spool
        self._log = log
        self._random = random

    # ------------------------------------------------------------------------------------------ kinds

    def path(
        self,
        node: Neighbour,
        nice: int,
        source: str,
        target: str = "",
        *,
        minsize: int = 0,
        maxsize: int = NO_LIMIT,
        chunked: int = 0,
        via: tuple[NodeId, ...] | None = None,
        batch: Batch | None = None,
    ) -> PacketName:
        """Send a file, a directory (as a tar), or standard input (``-``); `target` defaults to the source's name.

        Raises OSError if the source cannot be read, NotYetSupported if it would have to be cut in chunks.
        """
        if source == STDIN and not target:
            raise UsageError(problem="Must provide destination filename")
        with open_source(self._spool.disk, source) as opened:
            if chunked and not (opened.size and opened.size <= chunked):
                raise NotYetSupported(feature="a file in chunks")
            if not target:
                target = clean_path(source).rpartition("/")[2] + (".tar" if opened.is_archive else "")
            return self.file(
                node,
                nice,
                opened.read,
                target,
                source=source,
                minsize=minsize,
                maxsize=maxsize,
                size_known=opened.size,
                via=via,
                batch=batch,
            )

    def file(
        self,
        node: Neighbour,
        nice: int,
        read: Read,
        target: str,
        *,
        source: str = STDIN,
        minsize: int = 0,
        maxsize: int = NO_LIMIT,
        size_known: int | None = None,
        via: tuple[NodeId, ...] | None = None,
        batch: Batch | None = None,
    ) -> PacketName:
        """Send what `read` yields as the file `target`; `source` is what the log calls it."""
        target = clean_path(target)
        if target.startswith("/"):
            raise UsageError(problem="Relative destination path required")
        header = PlainHeader(FILE, nice, _encoded(target))

        def record(name: PacketName | None, size: int, err: str | None = None) -> None:
            fields = [("Src", show(source)), ("Dst", show(target)), ("Size", str(size)), ("Pkt", str(name or ""))]
            words = f"File {show(source)} ({human_size(size)}) is sent to {node.name}:{show(target)}"
            sent(self._log, FILE, node.id, nice, fields, words, err=err)

        try:
            name, _ = self._send(
                node,
                nice,
                header,
                read,
                minsize=minsize,
                maxsize=maxsize,
                size_known=size_known,
                via=via,
                batch=batch,
                then=lambda name, size: record(name, PLAIN_HEADER_SIZE + size),
            )
        except PacketTooBig:
            record(None, 0, TOO_BIG)
            raise
        return name

    def exec(
        self,
        node: Neighbour,
        nice: int,
        replynice: int,
        handle: str,
        args: list[str],
        read: Read,
        *,
        minsize: int = 0,
        maxsize: int = NO_LIMIT,
        compress: bool = True,
        via: tuple[NodeId, ...] | None = None,
    ) -> PacketName:
        """Call the exec handle of `node` with `args`; what `read` yields becomes its standard input."""
        header = PlainHeader(EXEC if compress else EXEC_FAT, replynice, exec_path(handle, args))
        if not compress:
            name, size = self._send(node, nice, header, read, minsize=minsize, maxsize=maxsize, via=via)
        else:
            from muleteer.tossing.squeeze import Squeezed  # for exec only

            with Squeezed(read) as squeezed:
                name, size = self._send(node, nice, header, squeezed, minsize=minsize, maxsize=maxsize, via=via)
        size += PLAIN_HEADER_SIZE
        target = show(" ".join([handle, *args]))
        fields = [("ReplyNice", str(replynice)), ("Dst", target), ("Size", str(size)), ("Pkt", str(name))]
        sent(self._log, EXEC, node.id, nice, fields, f"Exec is sent to {node.name}@{target} ({human_size(size)})")
        return name

    def freq(
        self,
        node: Neighbour,
        nice: int,
        replynice: int,
        source: str,
        target: str,
        *,
        minsize: int = 0,
        via: tuple[NodeId, ...] | None = None,
    ) -> PacketName:
        """Ask `node` for its file `source`; it is to come back as `target`, with niceness `replynice`."""
        source, target = clean_path(source), clean_path(target)
        if source.startswith("/"):
            raise UsageError(problem="Relative source path required")
        if target.startswith("/"):
            raise UsageError(problem="Relative destination path required")
        header = PlainHeader(FREQ, replynice, _encoded(source))
        name, _ = self._send(node, nice, header, _reader(_encoded(target)), minsize=minsize, via=via)
        shown, wanted = show(source), show(target)
        fields = [("ReplyNice", str(replynice)), ("Src", shown), ("Dst", wanted), ("Pkt", str(name))]
        sent(self._log, FREQ, node.id, nice, fields, f"File request from {node.name}:{shown} to {wanted} is sent")
        return name

    def ack(
        self,
        node: Neighbour,
        nice: int,
        packet: PacketName,
        *,
        minsize: int = 0,
        via: tuple[NodeId, ...] | None = None,
        batch: Batch | None = None,
        then: Callable[[PacketName], None] | None = None,
    ) -> PacketName:
        """Tell `node` that its packet arrived, so that it may forget it; `then` hears when that is durable."""
        header = PlainHeader(ACK, nice, bytes(packet))

        def record(name: PacketName, _size: int) -> None:
            if then is not None:
                then(name)
            fields = [("Pkt", str(packet)), ("NewPkt", str(name))]
            sent(self._log, ACK, node.id, nice, fields, f"ACK to {node.name} of {packet} is sent")

        mark = AckMarks(self._spool).make
        name, _ = self._send(
            node, nice, header, _reader(b""), minsize=minsize, via=via, batch=batch, before=mark, then=record
        )
        return name

    def trns(self, node: Neighbour, nice: int, read: Read, *, via: tuple[NodeId, ...] | None = None) -> PacketName:
        """Queue a packet that is sealed for `node` already: as it is, or in an envelope for each relay. Not logged."""
        relays = relays_to(self._config, node, via)
        if not relays:
            return self._copy(node, read)
        header = PlainHeader(TRNS, 0, bytes(node.id))
        draft = self._spool.draft()
        try:
            self._enveloper().seal(relays, header, nice, read, draft)
            return self._spool.commit(draft, relays[0].id, TX, alias=relays[0].name)
        finally:
            draft.discard()

    def record_relay(self, node: Neighbour, nice: int, size: int) -> None:
        """Log that a packet of `size` bytes was queued as it came, for `node`."""
        words = f"Transitional packet to {node.name} ({human_size(size)}) (nice {format_nice(nice)})"
        sent(self._log, TRNS, node.id, nice, [("Size", str(size))], words)

    # ------------------------------------------------------------------------------------------ inside

    def _send(
        self,
        node: Neighbour,
        nice: int,
        header: PlainHeader,
        read: Read,
        *,
        minsize: int = 0,
        maxsize: int = NO_LIMIT,
        size_known: int | None = None,
        via: tuple[NodeId, ...] | None = None,
        batch: Batch | None = None,
        before: Callable[[NodeId, PacketName], None] | None = None,
        then: Callable[[PacketName, int], None] | None = None,
    ) -> tuple[PacketName, int]:
        """Seal and commit; return the packet's name and the size of its payload.

        `before` is called with the first hop and the name when the packet is about to appear, `then` with name and
        size when it is durable: now, or with `batch` when that is committed.
        """
        hops = hops_to(self._config, node, via)
        self._spool.check()
        if size_known:
            self._require_room(routed_size(size_known, len(hops), minsize), maxsize)
        draft = self._spool.draft()
        try:
            size = self._enveloper().seal(hops, header, nice, read, draft, minsize=minsize, maxsize=maxsize)
            name = draft.finish_writing()
            if before is not None:
                before(hops[0].id, name)
            durable = None if then is None else lambda: then(name, size)
            self._spool.commit(draft, hops[0].id, TX, alias=hops[0].name, batch=batch, then=durable)
        except BaseException:
            draft.discard()
            raise
        return name, size

    def _enveloper(self) -> Enveloper:
        own = self._config.own
        if own is None:
            raise UsageError(problem=f"{self._config.path} holds no private keys (`self`): nothing can be sealed")
        return Enveloper(own, self._random)

    def _require_room(self, size: int, maxsize: int) -> None:
        if size > maxsize:
            raise PacketTooBig(size=size, limit=maxsize)
        root = self._spool.layout.root
        with self._spool.guard:
            free = self._spool.disk.free_bytes(root)
        if free <= size:
            raise SpoolFull(path=root, needed=size, free=free)

    def _copy(self, node: Neighbour, read: Read) -> PacketName:
        draft = self._spool.draft()
        try:
            while size := read(view := draft.take()):
                draft.give(view[:size])
            return self._spool.commit(draft, node.id, TX, alias=node.name)
        finally:
            draft.discard()


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _reader(data: bytes) -> Read:
    """Return a `read` that yields `data`."""
    rest = [memoryview(data)]

    def read(view: memoryview) -> int:
        size = min(len(view), len(rest[0]))
        view[:size] = rest[0][:size]
        rest[0] = rest[0][size:]
        return size

    return read
