# SPDX-License-Identifier: GPL-3.0-or-later
"""Which runner carries a copy of which packet in tx, and since when.

Where a neighbour acknowledges, its packets stay in tx after they went out on a stick; the ledger keeps us from loading
the same packet on each stick that comes by, and tells when a runner is overdue and the next one should carry it again.
Losing it would cost copies, never mail, so it is kept simple: SPOOL/muleteer/ledger is a :mod:`.line_file`.

    muleteer-ledger 1 <generation>
    + <since> <NODE> <PKT> <runner> <crc>        a copy of PKT, for NODE, left on this runner
    - <PKT> <crc>                                PKT is no longer in tx
    ~ <NODE> <PKT> <runner> <crc>                NODE has PKT; a copy that still lies on this runner is litter
    . <PKT> <runner> <crc>                       it does not lie there any more

A copy is litter only once its recipient has said that it has the packet, by an acknowledgement or on line. What left tx
in another way is forgotten, and its copies stay where they are: one of them may be the only one.
"""

from __future__ import annotations

from itertools import islice

from muleteer.formats.ids import NodeId, PacketName, is_packet_name
from muleteer.record import record
from muleteer.spool.line_file import LineFile, escape, unescape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from muleteer.spool.spool import Spool

COPIES_MAX = 8  # runners remembered per packet; older ones have long been superseded
PACKETS_MAX = 100_000  # 13 MB of ledger; a longer queue forgets its oldest entries and loads those again
LITTER_MAX = 20_000  # copies on runners, 3 MB of ledger; the oldest are forgotten, and stay where they are
RUNNER_MAX = 64
_HISTORY_MAX = 256
_FORGOTTEN_AT_ONCE = 1_000  # to make room for one more: a dictionary is slow to give up its oldest entries one by one


@record
class Carried:
    """One copy: ``since`` is Unix time in seconds."""

    runner: str
    node: NodeId
    name: PacketName
    since: int


class Ledger:
    """The ledger of one spool. All methods raise SpoolError when the disk fails."""

    def __init__(self, spool: Spool) -> None:
        self._memory = _Copies()
        self._file = LineFile(spool, spool.layout.ledger, "muleteer-ledger 1", self._memory)

    def carried(self, runner: str, node: NodeId, names: Iterable[PacketName], now: float) -> None:
        """Record that the runner left with copies of these packets of ``node``; durable on return."""
        lines = [_plus(Carried(runner[:RUNNER_MAX], node, name, int(now))) for name in names]
        if lines:
            self._file.append(lambda: lines)

    def forget(self, names: Iterable[PacketName]) -> None:
        """Record that these packets are no longer in tx, for whatever reason; durable on return."""
        copies = self._read()
        lines = [f"- {name}" for name in names if name in copies]
        if lines:
            self._file.append(lambda: lines)

    def retire(self, names: Iterable[PacketName]) -> None:
        """Record that their recipients have these packets: forgotten, but for what is litter now; durable on return."""
        copies = self._read()
        lines = []
        for name in names:
            lines += [f"~ {copy.node} {name} {escape(copy.runner)}" for copy in copies.get(name, ())]
            lines += [f"- {name}"] if name in copies else []
        if lines:
            self._file.append(lambda: lines)

    def litter(self, runner: str, node: NodeId) -> list[PacketName]:
        """Return the packets for ``node`` which it has, and of which a copy may still lie on the runner."""
        self._read()
        where = (escape(runner[:RUNNER_MAX]), str(node))
        found = (name for (name, on), to in self._memory.litter.items() if (on, to) == where)
        return [PacketName.parse(name) for name in found if is_packet_name(name)]

    def cleared(self, runner: str, names: Iterable[PacketName]) -> None:
        """Record that these copies lie on the runner no more; durable on return."""
        self._read()
        litter, on = self._memory.litter, escape(runner[:RUNNER_MAX])
        lines = [f". {name} {on}" for name in names if (str(name), on) in litter]
        if lines:
            self._file.append(lambda: lines)

    def where(self, name: PacketName) -> list[Carried]:
        """Return the copies of a packet, the latest last."""
        return list(self._read().get(name, ()))

    def names(self) -> list[PacketName]:
        """Return the packets that some runner carries."""
        return list(self._read())

    def overdue(self, now: float, seconds: float, node: NodeId | None = None) -> list[Carried]:
        """Return the latest copy of each packet (of ``node``) that left longer ago than ``seconds``.

        A copy that left in the future, because the clock was wrong then or is now, counts as overdue: one copy too
        many is better than a packet that waits for the year 2099.
        """
        latest = (copies[-1] for copies in self._read().values())
        return [copy for copy in latest if (node is None or copy.node == node) and not 0 <= now - copy.since <= seconds]

    def tidy(self, keep: Iterable[PacketName]) -> int:
        """Forget every packet that is not in ``keep``, and rewrite the file if that made it mostly history."""
        wanted = set(keep)
        gone = [name for name in self.names() if name not in wanted]
        if gone:
            self.forget(gone)
        return len(gone)

    def _read(self) -> dict[PacketName, list[Carried]]:
        self._file.read()
        return self._memory.copies


class _Copies:
    """What the lines say: by packet, the latest copy last; and by packet and runner as they are written, for whom.

    The latter are many and rarely looked at: they are not parsed before they are.
    """

    def __init__(self) -> None:
        self.copies: dict[PacketName, list[Carried]] = {}
        self.litter: dict[tuple[str, str], str] = {}

    def clear(self) -> None:
        self.copies, self.litter = {}, {}

    def take(self, words: list[str]) -> None:
        match words:
            case ["+", since, node, name, runner]:
                copy = Carried(unescape(runner), NodeId.parse(node), PacketName.parse(name), int(since))
                copies = [old for old in self.copies.pop(copy.name, ()) if old.runner != copy.runner]
                self.copies[copy.name] = [*copies[1 - COPIES_MAX :], copy]
                self.litter.pop((name, runner), None)
            case ["-", name]:
                self.copies.pop(PacketName.parse(name), None)
            case ["~", node, name, runner]:
                self.litter[name, runner] = node
                if len(self.litter) > LITTER_MAX:
                    self.litter = dict(islice(self.litter.items(), _FORGOTTEN_AT_ONCE, None))
            case [".", name, runner]:
                self.litter.pop((name, runner), None)

    def lines(self) -> Iterator[str]:
        for copies in list(self.copies.values())[-PACKETS_MAX:]:
            yield from map(_plus, copies)
        for (name, runner), node in self.litter.items():
            yield f"~ {node} {name} {runner}"

    def worn(self, lines: int) -> bool:
        living = sum(map(len, self.copies.values())) + len(self.litter)
        return lines > 2 * living + _HISTORY_MAX or len(self.copies) > PACKETS_MAX


def _plus(copy: Carried) -> str:
    return f"+ {copy.since} {copy.node} {copy.name} {escape(copy.runner)}"
