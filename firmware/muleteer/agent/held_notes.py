# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell the sender of a packet in transit that it is held here: by a small, urgent note, once per packet.

Only a neighbour of ours is told, and only of packets that it sent through us: whoever queued a packet at this very box
asks `muleteer why`. A note is a text file, ``muleteer/held-<PACKET>.txt`` in the sender's incoming directory, at FLASH,
so it passes what is held; it says what `muleteer why` would.

Which packets were told of is kept as empty files SPOOL/muleteer/told/PACKET, made (durably) before the note is queued:
a cut between the two costs a note, never makes two. The mark goes when its packet does, so there are never more of
them than packets in tx.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from muleteer.agent.wording import duration_words, packets_words
from muleteer.errors import MuleteerError
from muleteer.formats.ids import PacketName, is_packet_name
from muleteer.formats.niceness import FLASH
from muleteer.spool.disk import ensure_dir
from muleteer.spool.layout import TX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from muleteer.config.model import Config
    from muleteer.formats.ids import NodeId
    from muleteer.spool.spool import Spool
    from muleteer.tossing.submit import Submitter

NOTES_MAX = 4  # queued at a time: one for each of so many senders
PACKETS_MAX = 50  # told of in one note; the rest follows in the next


@dataclass(frozen=True, slots=True)
class InTransit:
    """A packet that somebody else sent and that waits here; `since` is when it was queued, Unix time."""

    name: PacketName
    sender: NodeId
    since: float


def to_tell(
    packets: Iterable[InTransit], told: Iterable[PacketName], now: float, after_seconds: float
) -> dict[NodeId, list[InTransit]]:
    """Return whom to tell of which packets now, those that wait longest first. Pure.

    A packet from the future is not counted: the clock was wrong when it came, or is now.
    """
    known = set(told)
    held = [one for one in packets if one.name not in known and now - one.since >= after_seconds]
    found: dict[NodeId, list[InTransit]] = {}
    for one in sorted(held, key=lambda one: (one.since, one.name)):
        if one.sender in found or len(found) < NOTES_MAX:
            found.setdefault(one.sender, []).append(one)
    return {sender: some[:PACKETS_MAX] for sender, some in found.items()}


class HeldNotes:
    """The notes of the box that is called `name`. `why` gives the sentence for a packet, ``PACKET: ...``."""

    def __init__(
        self,
        name: str,
        config: Config,
        spool: Spool,
        submitter: Submitter,
        why: Callable[[str], str],
        after_seconds: float,
    ) -> None:
        self._name = name
        self._config = config
        self._spool = spool
        self._submitter = submitter
        self._why = why
        self._after = after_seconds
        self._directory = f"{spool.layout.root}/muleteer/told"

    def tell(self, now: float) -> int:
        """Queue the notes that are due; return how many. `now` is Unix time, and must be sure.

        Raises SpoolError when the disk fails.
        """
        packets = self._in_transit()
        told = self._told()
        self._forget(told.difference(one.name for one in packets))
        notes = to_tell(packets, told, now, self._after)
        for sender, some in notes.items():
            self._mark(one.name for one in some)
            self._send(sender, some, now)
        return len(notes)

    def _in_transit(self) -> list[InTransit]:
        own, found = self._config.me.id, []
        for node in self._spool.nodes():
            for entry in self._spool.entries(node, TX) if node != own else ():
                if entry.sender not in (own, node) and entry.sender in self._config.neighbours:
                    since = self._queued(node, entry.name)
                    found += [] if since is None else [InTransit(entry.name, entry.sender, since)]
        return found

    def _queued(self, node: NodeId, name: PacketName) -> float | None:
        with self._spool.guard:
            try:
                return self._spool.disk.stat(self._spool.path(node, TX, name)).mtime
            except FileNotFoundError:  # it has gone since
                return None

    def _send(self, sender: NodeId, packets: list[InTransit], now: float) -> None:
        text = note(self._name, [(self._sentence(one), now - one.since) for one in packets]).encode()
        left = memoryview(text)

        def read(view: memoryview) -> int:
            nonlocal left
            count = min(len(view), len(left))
            view[:count] = left[:count]
            left = left[count:]
            return count

        target = f"muleteer/held-{packets[0].name}.txt"
        self._submitter.file(
            self._config.neighbours[sender], FLASH, read, target, source="a note", size_known=len(text)
        )

    def _sentence(self, packet: InTransit) -> str:
        try:
            return self._why(str(packet.name))
        except MuleteerError:  # it has gone since, or cannot be read: the note is late, not wrong
            return f"{packet.name}"

    # ------------------------------------------------------------------------------------------ memory

    def _told(self) -> set[PacketName]:
        with self._spool.guard:
            try:
                names = self._spool.disk.listdir(self._directory)
            except FileNotFoundError:
                return set()
        return {PacketName.parse(name) for name in names if is_packet_name(name)}

    def _mark(self, names: Iterable[PacketName]) -> None:
        disk = self._spool.disk
        with self._spool.guard:
            ensure_dir(disk, self._directory)
            for name in names:
                try:
                    disk.create(f"{self._directory}/{name}").close()
                except FileExistsError:
                    continue
            disk.fsync_dir(self._directory)

    def _forget(self, names: Iterable[PacketName]) -> None:
        with self._spool.guard:
            for name in names:
                try:
                    self._spool.disk.unlink(f"{self._directory}/{name}")
                except FileNotFoundError:
                    continue


def note(name: str, held: list[tuple[str, float]]) -> str:
    """Return the text of a note from the box `name`: why each packet is held, and for how many seconds so far."""
    lines = [f"{sentence} It came {duration_words(seconds)} ago." for sentence, seconds in held]
    head = f"{packets_words(len(held))} that you sent through {name} could not go on yet. Nothing is lost."
    return "\n\n".join([head, *lines]) + "\n"
