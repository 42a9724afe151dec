# SPDX-License-Identifier: GPL-3.0-or-later
"""What a proven packet does: file, freq, trns and ack (exec stands in `execution`).

A delivery is made when the first block of a packet is authenticated: then it may refuse, or prepare what can be undone
(a draft). It takes the payload by `write` or, for a large packet, through a lent buffer (`taker`). Only `complete`
acts, and it is called only when the whole packet is proven and its name is right. `discard` undoes what was prepared.

House rules:

1. Files, relays and acknowledgements are committed in groups (``is_grouped``); everything else first has the group
   before it committed, so that a program finds the file that came before it.
2. A packet leaves rx when what it brought is durable.
3. Symbolic links below freq.path are followed, as in the reference: who made one there publishes what it leads to.
   Requests themselves are `SafeName`, or ``.``: the whole of freq.path, as an archive.
"""

from __future__ import annotations

import errno
import posix as os  # os itself takes 0.8 ms to import

from muleteer.errors import (
    BadEncoding,
    DeliveryFailed,
    FilesRefused,
    FreqMissing,
    FreqRefused,
    NotYetHandled,
    NotYetSupported,
    UnknownNextHop,
)
from muleteer.formats.envelope_header import HEADER_SIZE
from muleteer.formats.ids import ID_SIZE, NodeId, PacketName
from muleteer.formats.magic import ENVELOPE
from muleteer.formats.safename import SafeName, show
from muleteer.formats.sealer import OUT_BUFFER
from muleteer.spool.layout import RX, TX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from muleteer.config.model import Config, Freq, Mail, OwnKeys
    from muleteer.formats.opener import Taker
    from muleteer.formats.packet import PlainHeader
    from muleteer.spool.batch import Batch
    from muleteer.spool.draft import Draft
    from muleteer.spool.spool import Spool
    from muleteer.tossing.incoming import Incoming
    from muleteer.tossing.job import Job
    from muleteer.tossing.submit import Submitter
    from muleteer.tossing.terms import TossOptions

    class Desk(Protocol):
        """What the deliveries of one toss share (the tosser)."""

        config: Config
        own: OwnKeys
        options: TossOptions
        spool: Spool
        incoming: Incoming
        submitter: Submitter

        @property
        def batch(self) -> Batch:
            """What collects the drafts of the present group."""

        def done(self, job: Job) -> None:
            """Log success and remove the packet: what it brought is durable."""

        def retired(self, name: PacketName) -> None:
            """Note that a packet of ours was acknowledged."""

        def notify(self, job: Job, mail: Mail | None, subject: str, output: bytes = b"") -> None:
            """Send a mail; its failure is only logged."""


_TARGET_MAX = 4096  # bytes of the longest path that Linux takes; a request names one


class Delivery:
    """One packet's effect; `is_grouped` says whether it is committed with others, `retires` whether it removes one."""

    is_grouped = False
    retires = False

    def __init__(self, job: Job, desk: Desk) -> None:
        self._job = job
        self._desk = desk

    def write(self, view: memoryview) -> None:
        """Take a piece of the payload; it is valid only during the call."""

    def taker(self) -> Taker | None:
        """Return who lends buffers to decrypt into; None if `write` is as good."""
        return None

    def judge(self) -> None:
        """Refuse, if that takes the whole payload to tell; also asked in a dry run."""

    def complete(self) -> None:
        """Act: the packet is proven. If grouped, only prepare: `finish` follows when the group is durable."""

    def finish(self) -> None:
        """Say that it is done, and who is to know: what was prepared is durable."""
        self._desk.done(self._job)

    def discard(self) -> None:
        """Undo what was prepared; may be repeated, and changes nothing after `complete`."""


class FileDelivery(Delivery):
    """A file, for the neighbour's incoming directory."""

    is_grouped = True

    def __init__(self, job: Job, header: PlainHeader, desk: Desk) -> None:
        super().__init__(job, desk)
        self._draft: Draft | None = None
        job.subject.target = show(header.path)
        root = job.neighbour.incoming
        if root is None:
            raise FilesRefused(sender=job.neighbour.name)
        self._name = SafeName.parse(header.path)
        self._directory = ""
        if not desk.options.dry_run:
            self._draft, self._directory = desk.incoming.draft(root, self._name, _Writing(job))

    def write(self, view: memoryview) -> None:
        """Write into the draft."""
        if self._draft:
            self._draft.write(view)

    def taker(self) -> Draft | None:
        """Return the draft, to decrypt straight into its buffers."""
        return self._draft

    def complete(self) -> None:
        """Have the draft published with its group."""
        draft, self._draft = self._draft, None
        if draft:
            names = self._desk.incoming.names(self._directory, self._name)
            self._desk.batch.deliver(draft, self._directory, names)

    def discard(self) -> None:
        """Remove the draft."""
        draft, self._draft = self._draft, None
        if draft:
            draft.discard()

    def finish(self) -> None:
        """Log and mail."""
        super().finish()
        subject = f"File from {self._job.neighbour.name}: {self._job.subject.target} ({self._job.human_size})"
        self._desk.notify(self._job, self._desk.config.notify.file, subject)


class FreqDelivery(Delivery):
    """A request for one of our files."""

    def __init__(self, job: Job, header: PlainHeader, desk: Desk) -> None:
        super().__init__(job, desk)
        self._nice = header.nice
        self._target = b""
        self._source = header.path
        job.subject.source = show(header.path)

    def write(self, view: memoryview) -> None:
        """Collect the name under which the file is to go back."""
        self._target += bytes(view)
        self._job.subject.target = show(self._target)
        if len(self._target) > _TARGET_MAX:
            raise BadEncoding(problem="a file request names a path of more than 4096 bytes")

    def judge(self) -> None:
        """Raise FreqRefused, or UnsafeName if the request leaves the directory."""
        self._served()

    def complete(self) -> None:
        """Send the file. Raises FreqMissing, NotYetHandled, PacketTooBig."""
        freq, path = self._served()
        try:
            self._desk.submitter.path(
                self._job.neighbour,
                self._nice,
                path,
                self._target.decode("utf-8", "surrogateescape"),
                minsize=freq.minsize,
                maxsize=freq.maxsize,
                chunked=freq.chunked,
            )
        except OSError as error:
            problem = f"stat {show(path)}: {(error.strerror or str(error)).lower()}"
            facts = {"sender": self._job.neighbour.name, "path": self._job.subject.source, "problem": problem}
            raise FreqMissing(**facts) from error
        except NotYetSupported as error:
            raise NotYetHandled(feature="Sending a file in chunks (freq.chunked)") from error

    def finish(self) -> None:
        """Log and mail."""
        super().finish()
        subject = f"Freq from {self._job.neighbour.name}: {self._job.subject.source}"
        self._desk.notify(self._job, self._desk.config.notify.freq, subject)

    def _served(self) -> tuple[Freq, str]:
        freq = self._job.neighbour.freq
        if freq is None or freq.path is None:
            raise FreqRefused(sender=self._job.neighbour.name)
        if self._source == b".":  # the reference cleans paths where they are sent
            return freq, freq.path
        return freq, SafeName.parse(self._source, escape=False).under(freq.path)


class RelayDelivery(Delivery):
    """A packet for somebody else: queued for the next node, wrapped again if the way there leads through relays.

    A packet whose next hop is this very node (its sender's route passes here twice) goes to our own rx.
    """

    is_grouped = True

    def __init__(self, job: Job, header: PlainHeader, desk: Desk) -> None:
        super().__init__(job, desk)
        self._draft: Draft | None = None
        self._size = 0
        self._head = b""
        if len(header.path) != ID_SIZE:
            raise BadEncoding(problem=f"a relayed packet's next node has {ID_SIZE} bytes, not {len(header.path)}")
        node = NodeId(header.path)
        job.subject.target = str(node)
        found = desk.config.neighbours.get(node)
        if found is None:
            raise UnknownNextHop(node=str(node))
        self._next = found
        job.subject.target_node = found.name
        if found.via and not self._is_own:
            self.is_grouped = False
        elif not desk.options.dry_run:
            self._draft = desk.spool.draft()

    @property
    def _is_own(self) -> bool:
        return self._next.id == self._desk.own.id

    def write(self, view: memoryview) -> None:
        """Write into the draft; a packet that is wrapped again is only looked at now."""
        if len(self._head) < HEADER_SIZE:
            self._head += bytes(view[: HEADER_SIZE - len(self._head)])
        if self._draft:
            self._draft.write(view)

    def complete(self) -> None:
        """Queue it. Raises BadEncoding if what is to be relayed is no packet."""
        if len(self._head) < HEADER_SIZE or not self._head.startswith(ENVELOPE):
            raise BadEncoding(problem="what is to be relayed is not an encrypted packet")
        if self.is_grouped:
            self._queue()
        else:
            self._wrap()

    def finish(self) -> None:
        """Log."""
        if self.is_grouped:
            self._desk.submitter.record_relay(self._next, self._job.entry.nice, self._size)
        super().finish()

    def discard(self) -> None:
        """Remove the draft."""
        draft, self._draft = self._draft, None
        if draft:
            draft.discard()

    def _queue(self) -> None:
        draft, self._draft = self._draft, None
        if draft is None:
            return
        way = RX if self._is_own else TX
        self._desk.spool.commit(draft, self._next.id, way, alias=self._next.name, batch=self._desk.batch)
        self._size = draft.size

    def _wrap(self) -> None:
        from muleteer.tossing.channel import Channel  # threads only here

        with Channel(self._job.again_into, OUT_BUFFER) as channel:
            self._desk.submitter.trns(self._next, self._job.entry.nice, channel.read)


class AckDelivery(Delivery):
    """The neighbour says that it has a packet of ours.

    The packet's removal must last before the acknowledgement may go: without it the packet would travel for ever.
    """

    is_grouped = True
    retires = True

    def __init__(self, job: Job, header: PlainHeader, desk: Desk) -> None:
        super().__init__(job, desk)
        if len(header.path) != ID_SIZE:
            raise BadEncoding(problem=f"an acknowledgement names {ID_SIZE} bytes, not {len(header.path)}")
        self._name = PacketName(header.path)
        job.subject.target = str(self._name)

    def complete(self) -> None:
        """Forget the packet, if it waits for this neighbour; another's packets are none of its business."""
        node = self._job.neighbour.id
        spool = self._desk.spool
        if spool.has(node, TX, self._name):
            spool.finish(node, TX, self._name, settle=False)
            self._desk.retired(self._name)


class _Writing:
    """Turns what an incoming directory's disk says into a reason for this one packet."""

    __slots__ = ("_job",)

    def __init__(self, job: Job) -> None:
        self._job = job

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise failed(self._job, error) from error


def failed(job: Job, error: OSError) -> DeliveryFailed:
    """Return the reason why a file could not be delivered."""
    what = os.strerror(error.errno).lower() if error.errno else str(error)
    where = f" ({error.filename})" if isinstance(error.filename, str) and error.errno != errno.ENOSPC else ""
    return DeliveryFailed(name=job.subject.target, sender=job.neighbour.name, problem=show(f"{what}{where}"))
