# SPDX-License-Identifier: GPL-3.0-or-later
"""Find what is on a stick without trusting it: RECIPIENT/SENDER/PACKET, at the root or under NNCP/.

The directories that matter have names that we know (our id, our neighbours' ids), so they are asked for by name:
a root with 100,000 other files costs nothing. Only what lies in OUR-ID/NEIGHBOUR/ has to be listed. That listing is
read as a stream; a name that is no packet's costs a comparison and a counter, never memory, so any amount of junk can
stand before, between and behind the good packets. What looks like a packet is opened at once and must begin with a
header that is addressed to us; only such candidates are remembered, `PAGE_MAX` at a time. More than that are taken page
by page (and are urgent-first within each page only).

Nothing is followed: every directory on the way is looked at with lstat, files are opened with O_NOFOLLOW, and the mount
helper has told the kernel not to follow links on the stick either. The depth is three, or four under NNCP/, whatever a
stick contains, so a directory that contains itself leads nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from muleteer.carriers.stick_medium import Fault
from muleteer.errors import OldPacket, PeerError
from muleteer.formats.envelope_header import HEADER_SIZE, EnvelopeHeader
from muleteer.formats.ids import NodeId, PacketName, is_packet_name
from muleteer.spool.disk import DIRECTORY, FILE, LINK, read_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from muleteer.carriers.stick_medium import Medium
    from muleteer.carriers.stick_report import Refusals
    from muleteer.spool.disk import DirEntry

BUNDLE = "NNCP"  # the directory that NNCP's bundles unpack to; the reference's nncp-xfer takes it as its DIR
BASES = ("", BUNDLE)
DRAFT_PREFIX = "nncpxfer"  # the reference's name for what it has not finished writing
PAGE_MAX = 10_000  # candidates in memory at once, some 300 bytes each

IS_LINK = "it is a symbolic link"
IS_DIRECTORY = "it is a directory where a packet should be"
IS_NO_DIRECTORY = "it is no directory, though its name is a node's"
IS_SPECIAL = "it is neither a file nor a directory"
NO_PACKET_NAME = "its name is not that of a packet"
UNFINISHED = "it is an unfinished copy"
STRANGER = "its sender is not a neighbour here"
TOO_SHORT = "it is too short for a packet"
NO_PACKET = "it does not begin like an NNCP packet"
OLD_PACKET = "it is a packet of an old NNCP"
NOT_FOR_US = "it is addressed to another node"
UNREADABLE = "the stick cannot read it"
WRONG_HASH = "its content does not hash to its name: damaged or forged"
SPOOL_FULL = "there is no room for it in the spool: it waits on the stick"


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something on the stick that may be a packet for us: its place, name and header are right, its content unknown.

    `sender` is the neighbour in whose directory it lies; a relayed packet's header names its author instead. With
    `known` its header was not read (and `nice` is 0), because a packet of this name has been here before.
    """

    path: str
    sender: NodeId
    name: PacketName
    size: int
    nice: int
    known: bool = False


@dataclass(slots=True)
class StickLayout:
    """Which of the directories that concern us a stick has."""

    incoming: list[tuple[NodeId, str]] = field(default_factory=list)  # (sender, path of OUR-ID/SENDER)
    outgoing: dict[NodeId, list[str]] = field(default_factory=dict)  # recipient -> the bases that have its directory
    bases: list[str] = field(default_factory=list)  # those of `BASES` that are in use

    @property
    def is_runner(self) -> bool:
        """Whether the stick is laid out for NNCP at all."""
        return bool(self.bases)

    def base_for(self, node: NodeId) -> str:
        """Return where a recipient's directory is, or is to be made."""
        return (self.outgoing.get(node) or self.bases or [BUNDLE])[0]


def find_layout(medium: Medium, own: NodeId, neighbours: Collection[NodeId], refusals: Refusals) -> StickLayout:
    """Look for the directories of ours and our neighbours'."""
    layout = StickLayout()
    for base in BASES:
        if base and not _is_directory(medium, medium.path(base), refusals):
            continue
        in_use = bool(base)  # an empty NNCP/ is a stick that somebody laid out
        for node in {own, *neighbours}:
            path = medium.path(base, str(node))
            if not _is_directory(medium, path, refusals):
                continue
            in_use = True
            layout.outgoing.setdefault(node, []).append(base)
            if node == own:
                layout.incoming += _senders(medium, path, neighbours, refusals)
        if in_use:
            layout.bases.append(base)
    return layout


def candidates(
    medium: Medium,
    directory: str,
    sender: NodeId,
    own: NodeId,
    refusals: Refusals,
    is_known: Callable[[NodeId, PacketName, int], bool],
) -> Iterator[Candidate]:
    """Yield what may be packets in one OUR-ID/SENDER directory, in its order.

    Those that `is_known` (by sender, name and size) are passed without a look at their header.
    """
    for entry in _listing(medium, directory):
        path = f"{directory}/{entry.name}"
        reason = _refusal_by_name(entry)
        if reason is not None:
            refusals.add(medium.shown(path), reason)
            continue
        name = PacketName.parse(entry.name)
        known = is_known(sender, name, entry.size)
        nice = 0 if known else _nice_of(medium, path, own, refusals)
        if nice is not None:
            yield Candidate(path, sender, name, entry.size, nice, known)


@dataclass(slots=True)
class Outbox:
    """What lies in a directory that is ours to write: unfinished copies, and packets that we asked for by name."""

    drafts: list[str] = field(default_factory=list)
    present: dict[str, DirEntry] = field(default_factory=dict)


def outbox(medium: Medium, directory: str, wanted: Collection[str] = ()) -> Outbox:
    """List one RECIPIENT/OUR-ID directory; names that are neither drafts nor `wanted` cost nothing."""
    found = Outbox()
    if medium.kind(directory) != DIRECTORY:
        return found
    for entry in _listing(medium, directory):
        if entry.name in wanted:
            found.present[entry.name] = entry
        elif entry.kind == FILE and entry.name.startswith(DRAFT_PREFIX) and len(found.drafts) < PAGE_MAX:
            found.drafts.append(f"{directory}/{entry.name}")
    return found


def _senders(
    medium: Medium, directory: str, neighbours: Collection[NodeId], refusals: Refusals
) -> list[tuple[NodeId, str]]:
    """Return the neighbours' directories in OUR-ID/; what else lies there is counted as refused."""
    found = []
    for node in neighbours:
        path = f"{directory}/{node}"
        if _is_directory(medium, path, refusals):
            found.append((node, path))
    for entry in _listing(medium, directory):
        if not is_packet_name(entry.name):
            refusals.add(medium.shown(f"{directory}/{entry.name}"), NO_PACKET_NAME)
        elif NodeId.parse(entry.name) not in neighbours:
            refusals.add(medium.shown(f"{directory}/{entry.name}"), STRANGER)
    return found


def _is_directory(medium: Medium, path: str, refusals: Refusals) -> bool:
    kind = medium.kind(path)
    if kind not in (DIRECTORY, None):
        refusals.add(medium.shown(path), IS_LINK if kind == LINK else IS_NO_DIRECTORY)
    return kind == DIRECTORY


def _listing(medium: Medium, directory: str) -> Iterator[DirEntry]:
    """Stream a directory; one that cannot be read (to its end) is at its end."""
    try:
        yield from medium.disk.scandir(directory)
    except OSError as error:
        medium.meaning(error)


def _refusal_by_name(entry: DirEntry) -> str | None:
    if not is_packet_name(entry.name):
        return UNFINISHED if entry.name.startswith(DRAFT_PREFIX) else NO_PACKET_NAME
    if entry.kind == FILE:
        return None if entry.size >= HEADER_SIZE else TOO_SHORT
    return {DIRECTORY: IS_DIRECTORY, LINK: IS_LINK}.get(entry.kind, IS_SPECIAL)


def _nice_of(medium: Medium, path: str, own: NodeId, refusals: Refusals) -> int | None:
    """Read a packet's header; None (and a refusal) if it is none, or not for us."""
    try:
        head = read_whole(medium.disk, path, HEADER_SIZE)
    except OSError as error:
        if medium.meaning(error) is not Fault.VANISHED:
            refusals.add(medium.shown(path), UNREADABLE)
        return None
    try:
        header = EnvelopeHeader.unpack(head)
    except OldPacket:
        refusals.add(medium.shown(path), OLD_PACKET)
        return None
    except PeerError:
        refusals.add(medium.shown(path), NO_PACKET)
        return None
    if header.recipient != own:
        refusals.add(medium.shown(path), NOT_FOR_US)
        return None
    return header.nice
