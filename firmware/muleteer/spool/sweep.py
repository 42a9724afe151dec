# SPDX-License-Identifier: GPL-3.0-or-later
"""Start-up recovery: the table of what a power cut (or kill -9) leaves behind, and what is done about it.

    ======================================  ==============================================================
    found                                   done
    ======================================  ==============================================================
    our draft (PREFIX + 32 hex digits)      removed if nobody holds its flock: nothing was promised
    the reference's draft (nncp + 16 hex)   removed if no process has it open *and* it was last written
                                            before this boot or more than a day ago; else left alone
    hdr/<PKT> without the packet            removed
    hdr/<PKT> that is not the packet's      removed: hdr/ is written without fsync, so it may be torn, and
    first 172 bytes                         the reference believes it instead of the packet
    tx/ack/<PKT> without the packet         removed if it was made before this boot or more than a day ago: a
                                            mark comes before its packet, which may be about to appear
    aside record without its packet         removed: the packet was processed by another program
    ledger or accounts with a torn tail     passed over by their reader; the next writer ends the torn line
    ledger entry without its packet in tx   forgotten
    a packet under its final name           kept, always: it is whole (the ritual), or ``nncp-check`` tells
    .part, .nock, seen/, locks              kept
    ======================================  ==============================================================

Running it twice changes nothing more, and running it beside living processes (ours or the reference's) harms none: a
draft at work is told by its flock or its open descriptor. Age alone would not do, because on a machine without a
battery clock the time leaps forward by days at the moment the network appears.
"""

from __future__ import annotations

from muleteer.formats.ids import is_packet_name
from muleteer.record import record
from muleteer.spool.aside import Aside
from muleteer.spool.layout import DELIVERY_PREFIX, DRAFT_PREFIX, HEAD_SIZE, RX, TX
from muleteer.spool.ledger import Ledger

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from muleteer.formats.ids import PacketName
    from muleteer.spool.port import Disk
    from muleteer.spool.spool import Spool

FOREIGN_AGE_SECONDS = 86400
_OUR_DIGITS, _PEER_DIGITS = 32, 16
_HEX = "0123456789abcdef"


@record
class Swept:
    """How much was removed."""

    drafts: int
    headers: int
    asides: int
    ledger: int
    marks: int = 0

    @property
    def total(self) -> int:
        """Everything together."""
        return self.drafts + self.headers + self.asides + self.ledger + self.marks


def sweep(spool: Spool, *, now: float, uptime: float, incoming: Iterable[str] = ()) -> Swept:
    """Recover a spool after a start; ``now`` is Unix time, ``uptime`` the seconds since boot.

    ``incoming`` are the directories (not those below them) where deliveries have their drafts, ``nncpfile<hex>``.
    Raises SpoolError when the disk fails; what was not reached is swept the next time.
    """
    with spool.guard:
        drafts = sweep_drafts(spool.disk, spool.layout.tmp)
        drafts += _sweep_foreign(spool.disk, spool.layout.tmp, now, uptime)
        drafts += sum(sweep_drafts(spool.disk, directory, DELIVERY_PREFIX) for directory in incoming)
    headers = marks = 0
    queued: list[PacketName] = []
    for node in spool.nodes():
        for way in (RX, TX):
            with spool.guard:
                headers += _sweep_headers(spool.disk, spool.layout.way(node, way))
        sending = [entry.name for entry in spool.entries(node, TX)]
        with spool.guard:
            marks += _sweep_marks(spool.disk, f"{spool.layout.way(node, TX)}/ack", set(map(str, sending)), now, uptime)
        queued.extend(sending)
    aside = Aside(spool)
    gone = [(node, name) for node, name in aside.records() if not spool.has(node, RX, name)]
    for node, name in gone:
        aside.clear(node, name)
    tidied = Ledger(spool).tidy(queued)
    return Swept(drafts=drafts, headers=headers, asides=len(gone), ledger=tidied, marks=marks)


def is_draft_name(name: str, prefix: str = DRAFT_PREFIX) -> bool:
    """Tell whether a file name is one that our drafts have (``prefix`` and 32 hexadecimal digits)."""
    return _has_digits(name, prefix, _OUR_DIGITS)


def sweep_drafts(disk: Disk, directory: str, prefix: str = DRAFT_PREFIX) -> int:
    """Remove our own drafts left in a directory and return how many; a missing directory has none.

    Also for sticks and incoming directories. There a peer chooses the names of files: deliver nothing under a name
    that :func:`is_draft_name`, or it would be swept away. Raises OSError.
    """
    return sum(_sweep_draft(disk, path) for path in _paths(disk, directory, prefix, _OUR_DIGITS))


def _sweep_draft(disk: Disk, path: str) -> bool:
    try:
        with disk.open_read(path) as file:
            if not file.try_lock():
                return False
            disk.unlink(path)  # while we hold the lock: see Draft.open for the other side
    except FileNotFoundError:
        return False
    return True


def _sweep_foreign(disk: Disk, directory: str, now: float, uptime: float) -> int:
    old = [path for path in _paths(disk, directory, DRAFT_PREFIX, _PEER_DIGITS) if _is_old(disk, path, now, uptime)]
    held = disk.in_use(old) if old else set()
    return sum(_remove(disk, path) for path in old if path not in held)


def _sweep_marks(disk: Disk, directory: str, sending: set[str], now: float, uptime: float) -> int:
    try:
        names = [name for name in disk.listdir(directory) if is_packet_name(name) and name not in sending]
    except (FileNotFoundError, NotADirectoryError):
        return 0
    paths = (f"{directory}/{name}" for name in sorted(names))
    return sum(_remove(disk, path) for path in paths if _is_old(disk, path, now, uptime))


def _is_old(disk: Disk, path: str, now: float, uptime: float) -> bool:
    """Tell whether a file was written before this boot, or more than a day ago."""
    try:
        return now - disk.stat(path).mtime > min(uptime, FOREIGN_AGE_SECONDS)
    except FileNotFoundError:
        return False


def _sweep_headers(disk: Disk, directory: str) -> int:
    try:
        names = sorted(name for name in disk.listdir(f"{directory}/hdr") if is_packet_name(name))
    except (FileNotFoundError, NotADirectoryError):
        return 0
    heads = {name: head for name, _, head in disk.heads(directory, names, HEAD_SIZE)}
    copies = {name: (size, head) for name, size, head in disk.heads(f"{directory}/hdr", names, HEAD_SIZE)}
    wrong = (name for name, copy in copies.items() if copy != (HEAD_SIZE, heads.get(name)))
    return sum(_remove(disk, f"{directory}/hdr/{name}") for name in wrong)


def _paths(disk: Disk, directory: str, prefix: str, digits: int) -> Iterable[str]:
    try:
        found = [e.name for e in disk.scandir(directory) if e.is_file and _has_digits(e.name, prefix, digits)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [f"{directory}/{name}" for name in sorted(found)]


def _has_digits(name: str, prefix: str, digits: int) -> bool:
    return len(name) == len(prefix) + digits and name.startswith(prefix) and not name[len(prefix) :].strip(_HEX)


def _remove(disk: Disk, path: str) -> bool:
    try:
        disk.unlink(path)
    except FileNotFoundError:
        return False
    return True
