# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole nodes for tests of tossing: a configuration, a spool on any disk, and a log in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from muleteer.formats.ids import NodeId, PacketName, is_packet_name
from muleteer.formats.mth import mth
from muleteer.record import replace
from muleteer.spool.aside import Aside
from muleteer.spool.disk import RealDisk, read_whole
from muleteer.spool.layout import RX, TX
from muleteer.spool.spool import Spool
from muleteer.tossing.submit import Submitter
from muleteer.tossing.terms import TossOptions
from muleteer.tossing.tosser import Tosser

if TYPE_CHECKING:
    from muleteer.config.model import Config, Neighbour
    from muleteer.spool.port import Disk
    from muleteer.tossing.terms import TossReport

WHOLE = 1 << 30


@dataclass(frozen=True, slots=True)
class Event:
    """One log record."""

    who: str
    message: str
    fields: list[tuple[str, str]]
    err: str | None

    def __getitem__(self, name: str) -> str:
        return dict(self.fields)[name]


@dataclass(slots=True)
class MemoryLog:
    """A log that a test can look at."""

    heard: list[Event] = field(default_factory=list)

    def event(self, who: str, message: str, fields: list[tuple[str, str]], err: str | None = None) -> None:
        """Keep one event."""
        self.heard.append(Event(who, message, fields, err))

    def events(self, those: list[tuple[str, str, list[tuple[str, str]]]]) -> None:
        """Keep what happened together."""
        self.heard += [Event(who, message, fields, None) for who, message, fields in those]

    @property
    def whos(self) -> list[str]:
        """What happened, in order."""
        return [event.who for event in self.heard]

    def only(self, who: str) -> Event:
        """Return the one event of that kind."""
        (event,) = [event for event in self.heard if event.who == who]
        return event


class Node:
    """One node: submits, receives and tosses."""

    def __init__(self, config: Config, disk: Disk | None = None) -> None:
        self.config = config
        self.disk = disk or RealDisk(sync=False)
        self.spool = Spool(config.spool, self.disk)
        self.aside = Aside(self.spool)
        self.log = MemoryLog()
        self.now = 1_800_000_000.0

    @property
    def id(self) -> NodeId:
        """Our id."""
        assert self.config.own is not None
        return self.config.own.id

    @property
    def submit(self) -> Submitter:
        """Return a fresh submitter."""
        return Submitter(self.config, self.spool, self.log)

    def neighbour(self, name: str) -> Neighbour:
        """Return a neighbour's entry."""
        return self.config.find(name)

    def change(self, name: str, **changes: Any) -> None:
        """Change fields of a neighbour's entry."""
        entry = replace(self.neighbour(name), **changes)
        self.config = replace(self.config, neighbours=self.config.neighbours | {entry.id: entry})

    def toss(self, **options: Any) -> TossReport:
        """Toss once."""
        tosser = Tosser(self.config, self.spool, self.aside, self.log, TossOptions(**options))
        return tosser.toss(self.now)

    def receive(self, packet: bytes, sender: str, name: PacketName | None = None) -> PacketName:
        """Put a packet into rx, as a carrier would; `name` makes it a wrong one."""
        name = name or mth(packet)
        with self.spool.draft() as draft:
            draft.write(packet)
            with self.spool.batch() as batch:
                batch.add(draft, self.spool.layout.way(self.neighbour(sender).id, RX), str(name))
        return name

    def take(self, recipient: str) -> list[bytes]:
        """Take what waits for a neighbour out of tx, the most urgent first."""
        node = self.neighbour(recipient).id
        taken = []
        for entry in self.spool.entries(node, TX):
            taken.append(read_whole(self.disk, self.spool.path(node, TX, entry.name), WHOLE))
            self.spool.finish(node, TX, entry.name)
        return taken

    def waiting(self, sender: str) -> list[PacketName]:
        """Return what is in rx from a neighbour, whatever it is."""
        try:
            names = self.disk.listdir(self.spool.layout.way(self.neighbour(sender).id, RX))
        except FileNotFoundError:
            return []
        return [PacketName.parse(name) for name in sorted(names) if is_packet_name(name)]
