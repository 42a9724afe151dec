# SPDX-License-Identifier: GPL-3.0-or-later
"""Find what is on a stick without trusting it: RECIPIENT/SENDER/PACKET, at the root or under NNCP/.

The directories that matter have names that we know (our id, our neighbours' ids), so they are asked for by name:
a root with 100,000 other files costs nothing. What lies in OUR-ID/NEIGHBOUR/ is listed by `stick_inbox`.

Whose stick is it?

1. A runner of ours: a directory of our id or of a neighbour's, at the root or under NNCP/; or an NNCP/ with nothing in
   it, which somebody laid out. On a runner, the directory of a neighbour that has none is made on demand, in a base
   that is in use; for whom a stick may carry is decided by `carry`, not by the directories on it.
2. Another network's: directories of nodes, and none of them ours. It is left untouched, also where blank sticks may be
   laid out: our mail would travel to people who do not know us.
3. Blank, as far as NNCP goes: everything else.
4. Not known: the stick could not be read where this is decided (`is_doubtful`). It is left untouched, with a problem.

Nothing is followed: every directory on the way is looked at with lstat, files are opened with O_NOFOLLOW, and the mount
helper has told the kernel not to follow links on the stick either. The depth is three, or four under NNCP/, whatever a
stick contains, so a directory that contains itself leads nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from muleteer.errors import RunnerGone
from muleteer.formats.ids import NodeId, is_packet_name
from muleteer.spool.disk import DIRECTORY, FILE, LINK, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from muleteer.carriers.stick_medium import Medium
    from muleteer.carriers.stick_report import Refusals
    from muleteer.spool.disk import DirEntry

BUNDLE = "NNCP"  # the directory that NNCP's bundles unpack to; the reference's nncp-xfer takes it as its DIR
BASES = ("", BUNDLE)
DRAFT_PREFIX = "nncpxfer"  # the reference's name for what it has not finished writing
PAGE_MAX = 10_000  # candidates in memory at once, some 300 bytes each
UNKNOWN_MAX = 64  # entries in a row that cannot be looked at: four blocks of a table of inodes
LOOKED_AT_MAX = 10_000  # entries of a stick that is not ours, to tell a blank one from another network's

IS_LINK = "it is a symbolic link"
IS_DIRECTORY = "it is a directory where a packet should be"
IS_NO_DIRECTORY = "it is no directory, though its name is a node's"
IS_SPECIAL = "it is neither a file nor a directory"
NO_PACKET_NAME = "its name is not that of a packet"
STRANGER = "its sender is not a neighbour here"
TOO_SHORT = "it is too short for a packet"
NO_PACKET = "it does not begin like an NNCP packet"
OLD_PACKET = "it is a packet of an old NNCP"
NOT_FOR_US = "it is addressed to another node"
UNREADABLE = "the stick cannot read it"
WRONG_HASH = "its content does not hash to its name: damaged or forged"
FORGERIES = "too much of what lies beside it is damaged or forged: it was not looked at this time"
NOT_TRIED = "the stick could not read those around it: it was not tried this time"
SPOOL_FULL = "there is no room for it in the spool: it waits on the stick"


@dataclass(slots=True)
class StickLayout:
    """Which of the directories that concern us a stick has."""

    incoming: list[tuple[NodeId, str]] = field(default_factory=list)  # (sender, path of OUR-ID/SENDER)
    outgoing: dict[NodeId, list[str]] = field(default_factory=dict)  # recipient -> the bases that have its directory
    bases: list[str] = field(default_factory=list)  # those of `BASES` that are in use
    is_strange: bool = False  # it has directories of nodes, and none of them is ours or a neighbour's
    is_doubtful: bool = False  # something that decides could not be looked at

    @property
    def is_runner(self) -> bool:
        """Whether the stick is laid out for us."""
        return bool(self.bases)

    def base_for(self, node: NodeId) -> str:
        """Return where a recipient's directory is, or is to be made."""
        return (self.outgoing.get(node) or self.bases or [BUNDLE])[0]


def find_layout(medium: Medium, own: NodeId, neighbours: Collection[NodeId], refusals: Refusals) -> StickLayout:
    """Look for the directories of ours and our neighbours'."""
    layout = StickLayout()
    for base in BASES:
        if not base or _is_directory(medium, medium.path(base), layout, refusals):
            _look_into(medium, base, own, neighbours, layout, refusals)
    if not layout.is_runner:
        layout.is_strange = any(_has_nodes(medium, base) for base in BASES)
    layout.is_doubtful |= not layout.is_runner and medium.is_flawed
    return layout


def _look_into(
    medium: Medium,
    base: str,
    own: NodeId,
    neighbours: Collection[NodeId],
    layout: StickLayout,
    refusals: Refusals,
) -> None:
    in_use = False
    for node in dict.fromkeys((own, *neighbours)):
        path = medium.path(base, str(node))
        if not _is_directory(medium, path, layout, refusals):
            continue
        in_use = True
        layout.outgoing.setdefault(node, []).append(base)
        if node == own:
            layout.incoming += _senders(medium, path, neighbours, layout, refusals)
    if in_use or (base and next(listing(medium, medium.path(base)), None) is None and not medium.is_flawed):
        layout.bases.append(base)


def _has_nodes(medium: Medium, base: str) -> bool:
    """Tell whether directories with the names of nodes lie there, among the first `LOOKED_AT_MAX` entries."""
    path = medium.path(base)
    if medium.kind(path) != DIRECTORY:
        return False
    return any(entry.is_dir and is_packet_name(entry.name) for entry in islice(listing(medium, path), LOOKED_AT_MAX))


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
    for entry in listing(medium, directory):
        if entry.name in wanted:
            found.present[entry.name] = entry
        elif entry.kind == FILE and entry.name.startswith(DRAFT_PREFIX) and len(found.drafts) < PAGE_MAX:
            found.drafts.append(f"{directory}/{entry.name}")
    return found


def _senders(
    medium: Medium, directory: str, neighbours: Collection[NodeId], layout: StickLayout, refusals: Refusals
) -> list[tuple[NodeId, str]]:
    """Return the neighbours' directories in OUR-ID/; what else lies there is counted as refused."""
    found = []
    for node in neighbours:
        path = f"{directory}/{node}"
        if _is_directory(medium, path, layout, refusals):
            found.append((node, path))
    for entry in listing(medium, directory):
        if not is_packet_name(entry.name):
            refusals.add(medium.shown(f"{directory}/{entry.name}"), NO_PACKET_NAME)
        elif NodeId.parse(entry.name) not in neighbours:
            refusals.add(medium.shown(f"{directory}/{entry.name}"), STRANGER)
    return found


def _is_directory(medium: Medium, path: str, layout: StickLayout, refusals: Refusals) -> bool:
    kind = medium.kind(path)
    layout.is_doubtful |= kind == UNKNOWN
    if kind not in (DIRECTORY, UNKNOWN, None):
        refusals.add(medium.shown(path), IS_LINK if kind == LINK else IS_NO_DIRECTORY)
    return kind == DIRECTORY


def listing(medium: Medium, directory: str) -> Iterator[DirEntry]:
    """Stream a directory of the stick; one that cannot be read to its end is reported and at its end."""
    row = 0
    try:
        for entry in medium.disk.scandir(directory):
            row = row + 1 if entry.kind == UNKNOWN else 0
            if row and not medium.is_present():
                raise RunnerGone(runner=medium.runner)
            if row > UNKNOWN_MAX:
                medium.report(f"{medium.shown(directory)} cannot be listed to its end: {row} bad entries in a row")
                return
            yield entry
    except OSError as error:
        medium.trouble(f"{medium.shown(directory)} cannot be listed to its end", error)
