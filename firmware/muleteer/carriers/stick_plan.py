# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide which queued packets go on a stick, in which order, and why the others wait. Pure.

Order: lower niceness number first; among equals the smaller first (more letters arrive if the stick fills up or is
pulled), then by name. A packet that does not fit never blocks a later one that does: it is held with its reason and
waits for a roomier stick.

Room is counted in clusters, because a FAT stick of 32 KiB clusters holds 32,000 packets of 1 KiB per GiB, not a
million. The count may still be wrong (directories grow, other files' slack is unknown): a stick that says "full"
earlier than planned is an ordinary case of the sender.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from muleteer.carriers.stick_report import Held, Hold

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from muleteer.formats.ids import NodeId, PacketName

NICE_MAX = 255
FAT_FILE_SIZE_MAX = (1 << 32) - 1  # a FAT directory entry has 32 bits for the length
CLUSTER_SIZE = 32 << 10  # bytes; what formatters choose for FAT32 of 16 GB and more
RESERVE_CLUSTERS = 32  # left free for directories that grow, and for the next person's letter
NAME_COST = 512  # bytes of directory: a 52-character name takes five 32-byte entries, its draft's three, rounded up


@dataclass(frozen=True, slots=True)
class StickTerms:
    """What a stick may do for one neighbour: ceilings for what it loads (`size` in bytes, None: any), and both ways."""

    nice: int = NICE_MAX
    size: int | None = None
    send: bool = True
    receive: bool = True


@dataclass(frozen=True, slots=True)
class StickAllowance:
    """What one stick may carry: the rules of its carrier and of its runner, combined.

    `nice`, `size`, `send` and `receive` are its terms for everybody but those who have `special` ones. `carry` has the
    neighbours it may load packets for, None for all (ourselves only when named). `acknowledging` has the neighbours
    that acknowledge our packets, each with the seconds after which a packet that is still unacknowledged travels again.
    `initialise`: whether a stick without NNCP directories may be laid out.
    """

    nice: int = NICE_MAX
    size: int | None = None
    carry: frozenset[NodeId] | None = None
    initialise: bool = False
    acknowledging: Mapping[NodeId, float] = field(default_factory=dict)
    send: bool = True
    receive: bool = True
    special: Mapping[NodeId, StickTerms] = field(default_factory=dict)

    def terms_for(self, node: NodeId) -> StickTerms:
        """Return the terms for a neighbour."""
        return self.special.get(node) or StickTerms(self.nice, self.size, self.send, self.receive)

    def carries_for(self, node: NodeId) -> bool:
        """Tell whether the `carry` list admits a neighbour."""
        return self.carry is None or node in self.carry

    def loads_for(self, node: NodeId) -> bool:
        """Tell whether anything may be loaded for a neighbour."""
        return self.carries_for(node) and self.terms_for(node).send


@dataclass(frozen=True, slots=True)
class StickTraits:
    """What the stick's file system can do. `cluster` is in bytes; `file_size_max` None means no limit that matters."""

    file_size_max: int | None = None
    cluster: int = CLUSTER_SIZE
    read_only: bool = False

    @classmethod
    def of(cls, fs_type: str, *, read_only: bool = False) -> StickTraits:
        """Return the traits of a file system by its kernel name."""
        fat = fs_type in ("vfat", "msdos")
        cluster = CLUSTER_SIZE if fat else 128 << 10 if fs_type == "exfat" else 4096
        return cls(FAT_FILE_SIZE_MAX if fat else None, cluster, read_only)


@dataclass(frozen=True, slots=True)
class Queued:
    """One packet of our queue.

    `travels`: a copy is under way and not overdue. `present`: it lies on this stick. `kept`: it stays in tx until it is
    acknowledged.
    """

    node: NodeId
    name: PacketName
    nice: int
    size: int
    travels: bool = False
    present: bool = False
    kept: bool = False

    def held(self, hold: Hold) -> Held:
        """Return it as waiting for this reason."""
        return Held(self.node, self.name, self.nice, self.size, hold)


@dataclass(frozen=True, slots=True)
class Plan:
    """What goes, most urgent first, and what waits."""

    chosen: list[Queued]
    held: list[Held]

    @property
    def size(self) -> int:
        """Bytes of what goes."""
        return sum(queued.size for queued in self.chosen)


def plan(queue: Iterable[Queued], allowance: StickAllowance, traits: StickTraits, free: int) -> Plan:
    """Choose what goes on a stick with `free` bytes of room."""
    room = free - RESERVE_CLUSTERS * traits.cluster
    result = Plan([], [])
    for queued in sorted(queue, key=urgency):
        hold = hold_of(queued, allowance, traits)
        cost = 0 if queued.present else cost_of(queued.size, traits)
        if hold is None and cost > max(room, 0):
            hold = Hold.NO_ROOM
        if hold is None:
            result.chosen.append(queued)
            room -= cost
        else:
            result.held.append(queued.held(hold))
    return result


def urgency(queued: Queued) -> tuple[int, int, bytes]:
    """Return the sort key of a queue: urgent first, then small first."""
    return queued.nice, queued.size, queued.name


def hold_of(queued: Queued, allowance: StickAllowance, traits: StickTraits) -> Hold | None:
    """Return why a packet may not travel on this stick, however empty it is; None if it may."""
    if not allowance.carries_for(queued.node):
        return Hold.NOT_CARRIED
    terms = allowance.terms_for(queued.node)
    if not terms.send:
        return Hold.ONE_WAY
    if queued.nice > terms.nice:
        return Hold.TOO_NICE
    if terms.size is not None and queued.size > terms.size:
        return Hold.TOO_BIG
    if traits.file_size_max is not None and queued.size > traits.file_size_max:
        return Hold.FILE_LIMIT
    return Hold.TRAVELS if queued.travels else None


def cost_of(size: int, traits: StickTraits) -> int:
    """Return how many bytes of room a new file of `size` bytes takes."""
    return -(-size // traits.cluster) * traits.cluster + NAME_COST
