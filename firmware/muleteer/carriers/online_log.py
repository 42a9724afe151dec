# SPDX-License-Identifier: GPL-3.0-or-later
"""What an online session writes into the log: the reference's events, fields and sentences, compared with real runs.

``call-started`` and ``call-finished`` belong to who knows the address. Records are gathered and written together: each
write takes the log's lock, and a session of two thousand letters has six thousand records.
"""

from __future__ import annotations

from muleteer.formats.niceness import format_nice
from muleteer.formats.recfile import human_size
from muleteer.formats.safename import show
from muleteer.spool.layout import RX, TX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.carriers.online import Log, Partner
    from muleteer.formats.ids import PacketName

    Fields = list[tuple[str, str]]

GATHERED_MAX = 256

INFOS_MAX = 10_000
"""Announced packets that a session names one by one: a neighbour that invents them shall not fill the disk."""


class OnlineLog:
    """The log of one session; without a `log` it says nothing."""

    def __init__(self, log: Log | None) -> None:
        self._log = log
        self._name = ""
        self._node: Fields = []
        self._common: Fields = []
        self._gathered: list[tuple[str, str, Fields]] = []
        self._infos = 0

    def introduce(self, partner: Partner) -> None:
        """Say who is at the other end, before anything else is said."""
        self._name = partner.name
        self._node = [("Node", str(partner.node))]
        self._common = [*self._node, ("Nice", str(partner.terms.nice))]

    def flush(self) -> None:
        """Write what was gathered."""
        gathered, self._gathered = self._gathered, []
        if gathered and self._log is not None:
            self._log.events(gathered)

    # ------------------------------------------------------------------------------------------ what is announced

    def offered(self, count: int, size: int) -> None:
        """So many packets wait for the other side; none is not worth a word."""
        if count:
            message = f"We have got for {self._name}: {count} packets, {human_size(size)}"
            self._say("sp-infos-tx", message, [("XX", TX), *self._node, ("Pkts", str(count)), ("Size", str(size))])

    def announced(self, count: int, size: int) -> None:
        """So many packets wait for us over there."""
        if count:
            message = f"{self._name} has got for us: {count} packets, {human_size(size)}"
            self._say("sp-infos-rx", message, [("XX", RX), *self._node, ("Pkts", str(count)), ("Size", str(size))])

    def info(self, name: PacketName, nice: int, size: int, offset: int) -> None:
        """A packet that is asked for from `offset` on (or would be)."""
        done = offset * 100 // size if size else 0
        self._info("sp-info", name, nice, size, f"{done}%", [("Offset", str(offset))])

    def here(self, name: PacketName, nice: int, size: int) -> None:
        """A packet that waits in rx already."""
        self._info("sp-info-done", name, nice, size, "already done")

    def seen(self, name: PacketName, nice: int, size: int) -> None:
        """A packet that was delivered already."""
        self._info("sp-info-seen", name, nice, size, "already seen")

    def unchecked(self, name: PacketName, nice: int, size: int) -> None:
        """A packet that was downloaded, and not checked."""
        self._info("sp-info-nock", name, nice, size, "still not checksummed")

    def no_room(self, name: PacketName, nice: int, size: int) -> None:
        """A packet for which the disk has no room."""
        self._info("sp-info-no-space", name, nice, size, "not enough space")

    # ------------------------------------------------------------------------------------------ what happened to it

    def received(self, name: PacketName, size: int) -> None:
        """A packet came in one go, and is durable."""
        self._got("sp-file-done", name, size, "done")

    def downloaded(self, name: PacketName, size: int) -> None:
        """The last bytes of a packet came; it is still to be checked."""
        self._got("sp-file-downloaded", name, size, "downloaded")

    def checked(self, name: PacketName, size: int) -> None:
        """A packet that came in several goes is whole and durable."""
        message = f"Packet {name} is retreived ({human_size(size)})"
        self._say("sp-checker-done", message, [("XX", RX), *self._node, ("Pkt", str(name)), ("Size", str(size))])

    def damaged(self, name: PacketName, size: int) -> None:
        """A packet that came in one go does not hash to its name: the other side has a damaged one."""
        fields, message = self._file(name, size)
        self._complain("sp-file-bad-checksum", message, fields, "checksum mismatch")

    def healed(self, name: PacketName, size: int) -> None:
        """What came in several goes does not hash to its name: it was removed, to be fetched again."""
        fields = [("XX", RX), *self._node, ("Pkt", str(name)), ("Size", str(size))]
        message = f"Checksumming {self._name}/rx/{name} ({human_size(size)})"
        self._complain("sp-checker", message, fields, "checksum mismatch")

    def sent(self, name: PacketName) -> None:
        """The other side has a packet, and it is gone here."""
        fields = [*self._common, ("Type", "done"), ("Pkt", str(name)), ("XX", TX)]
        self._say("sp-done", f"Packet {name} is sent", fields)

    def unreadable(self, name: PacketName, problem: str) -> None:
        """A packet of ours cannot be read; it is passed over."""
        fields = [*self._common, ("Type", "file"), ("XX", TX), ("Pkt", str(name))]
        self._complain("sp-file-open", f"Packet {name}: reading", fields, problem)

    def strange(self, what: str) -> None:
        """The other side did something odd, which was passed over."""
        self._complain("sp-process", f"Session with {self._name}", self._node, show(what))

    # ------------------------------------------------------------------------------------------ inside

    def _info(self, who: str, name: PacketName, nice: int, size: int, state: str, more: Fields | None = None) -> None:
        self._infos += 1
        if self._infos == INFOS_MAX + 1:
            self.strange(f"more than {INFOS_MAX} packets are announced: no more are logged one by one")
        if self._log is not None and self._infos <= INFOS_MAX:
            text = str(name)
            fields = [*self._common, ("Type", "info"), ("Pkt", text), ("Size", str(size)), ("PktNice", str(nice))]
            message = f"Packet {text} ({human_size(size)}) (nice {format_nice(nice)}): {state}"
            self._say(who, message, fields + more if more else fields)

    def _got(self, who: str, name: PacketName, size: int, state: str) -> None:
        if self._log is not None:
            fields, message = self._file(name, size)
            self._say(who, f"{message}: {state}", fields)

    def _file(self, name: PacketName, size: int) -> tuple[Fields, str]:
        text, whole, human = str(name), str(size), human_size(size)
        fields = [("Type", "file"), ("XX", RX), ("Pkt", text), ("Size", whole), ("FullSize", whole)]
        return [*self._common, *fields], f"Got packet {text} 100% ({human} / {human})"

    def _say(self, who: str, message: str, fields: Fields) -> None:
        if self._log is not None:
            self._gathered.append((who, message, fields))
            if len(self._gathered) >= GATHERED_MAX:
                self.flush()

    def _complain(self, who: str, message: str, fields: Fields, err: str) -> None:
        self.flush()
        if self._log is not None:
            self._log.event(who, message, fields, err)
