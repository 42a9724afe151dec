# SPDX-License-Identifier: GPL-3.0-or-later
"""What the log says of a packet: the reference's event names, fields and wording, which scripts search for.

Pure. The text after "Err" is the reference's where it has a fixed phrase; else it is our own error's sentence.
Sources: records of real nncp-* runs (tests/vectors/data/spool, tests/interop/test_toss_records.py); nncp.md section 11.
"""

from __future__ import annotations

from muleteer.errors import (
    DeliveryFailed,
    FilesRefused,
    FreqMissing,
    FreqRefused,
    HandleFailed,
    NotYetHandled,
    PacketTooBig,
    UnknownHandle,
    UnknownNextHop,
    UnknownSender,
    UnknownType,
    UnsafeName,
)
from muleteer.formats.envelope_header import HEADER_SIZE, SEALED_BLOCK, SIZES_SIZE, TAG
from muleteer.formats.packet import ACK, EXEC, EXEC_FAT, FILE, FREQ, PLAIN_HEADER_SIZE, TRNS, kind_name
from muleteer.formats.recfile import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol, TypeAlias

    from muleteer.errors import MuleteerError
    from muleteer.formats.ids import NodeId, PacketName

    Fields: TypeAlias = list[tuple[str, str]]

    class Log(Protocol):
        """Takes events: `spool.logbook` writes them to the log file, the commands also show them to people."""

        def event(self, who: str, message: str, fields: Fields, err: str | None = None) -> None:
            """Take one event; `err` marks it as an error. Values of strangers are escaped already."""

        def events(self, those: list[tuple[str, str, Fields]]) -> None:
            """Take what happened together (who, message, fields)."""


TOO_BIG = "Too big than allowed"

# Error class -> event, what was being done, the reference's phrase (None: our own sentence).
_REFUSALS: dict[type, tuple[str, str, str | None]] = {
    UnknownSender: ("rx-open", "", "unknown node"),
    FilesRefused: ("rx-no-incoming", "", "incoming is not allowed"),
    FreqRefused: ("rx-no-freq", "", "freqing is not allowed"),
    FreqMissing: ("rx-tx", "txing", None),
    PacketTooBig: ("rx-tx", "txing", TOO_BIG),
    UnknownHandle: ("rx-no-handle", "", "No handle found"),
    HandleFailed: ("rx-handle", "handling", None),
    UnknownNextHop: ("rx-unknown", "", "unknown node"),
    UnknownType: ("rx-type-unknown", "", "unknown type"),
    NotYetHandled: ("rx-not-yet", "", None),
    DeliveryFailed: ("rx-copy", "copying", None),
}
_PHRASES_WITH_FACT: dict[type, str] = {HandleFailed: "problem", FreqMissing: "problem", DeliveryFailed: "problem"}


def tossed_size(file_size: int) -> int:
    """Return the size that the reference names for an arrived packet: payload and padding, without the overheads."""
    sealed = file_size - HEADER_SIZE
    return sealed - PLAIN_HEADER_SIZE - SIZES_SIZE - TAG * -(-sealed // SEALED_BLOCK)


class Subject:
    """The packet that a record is about; grows as more of it is known. All texts are escaped; ids stand as text."""

    __slots__ = ("kind", "name", "nice", "node", "sender", "size", "source", "target", "target_node")

    def __init__(self, sender: NodeId, node: str, name: PacketName, nice: int, size: int) -> None:
        self.sender = str(sender)
        self.node = node
        self.name = str(name)
        self.nice = nice
        self.size = size
        self.kind = 0
        self.source = ""
        self.target = ""
        self.target_node = ""

    def fields(self) -> Fields:
        """Return the fields in the reference's order."""
        fields = [("Node", self.sender), ("Pkt", self.name), ("Nice", str(self.nice))]
        if not self.kind:
            return fields
        fields += [("Size", str(self.size)), ("Type", self._word)]
        if self.kind == ACK:
            return [*fields, ("Pkt", self.target)]
        if self.kind == FREQ:
            fields.append(("Src", self.source))
        return [*fields, ("Dst", self.target)]

    @property
    def _word(self) -> str:
        return kind_name(EXEC if self.kind == EXEC_FAT else self.kind)

    def tossing(self, doing: str = "") -> str:
        """Return the message of a failure."""
        words = f"Tossing {self.node}/{self.name}"
        if self.kind:
            words = f"Tossing {self._word} {self.node}/{self.name} ({human_size(self.size)}): {self._about}"
        return f"{words}: {doing}" if doing else words

    def got(self) -> str:
        """Return the message of success."""
        size = human_size(self.size)
        if self.kind == FILE:
            return f"Got file {self.target} ({size}) from {self.node}"
        if self.kind == FREQ:
            return f"Got file request {self.source} to {self.node}"
        if self.kind == TRNS:
            return f"Got transitional packet from {self.node} to {self.target_node} ({size})"
        if self.kind == ACK:
            return f"Got ACK packet from {self.node} of {self.target}"
        return f"Got exec from {self.node} to {self.target} ({size})"

    @property
    def _about(self) -> str:
        return f"{self.source} -> {self.target}" if self.kind == FREQ else self.target

    def refusal(self, error: MuleteerError) -> tuple[str, str, str]:
        """Return (event, message, phrase) for an error met while tossing this packet."""
        if isinstance(error, UnsafeName):
            return self._unsafe(error)
        for kind in type(error).__mro__:
            if kind in _REFUSALS:
                who, doing, phrase = _REFUSALS[kind]
                fact = error.facts.get(_PHRASES_WITH_FACT.get(kind, ""))
                return who, self.tossing(doing), phrase or str(fact or error)
        if self.kind in (EXEC, EXEC_FAT):
            return "rx-handle", self.tossing("handling"), str(error)
        if self.kind:
            return "rx-copy", self.tossing("copying"), str(error)
        return "rx-unmarshal", self.tossing("unmarshal"), str(error)

    def _unsafe(self, error: UnsafeName) -> tuple[str, str, str]:
        if "absolute" in str(error.facts.get("problem")):
            what = "source" if self.kind == FREQ else "destination"
            return "rx-non-rel", self.tossing(), f"non-relative {what} path"
        if self.kind == FREQ:
            return "rx-no-freq", self.tossing(), "freqing path traversal"
        if "climbs" in str(error.facts.get("problem")):
            return "rx-traversal", self.tossing("traversal"), "incoming path traversal"
        return "rx-traversal", self.tossing("traversal"), str(error)


def sent(log: Log, kind: int, node: NodeId, nice: int, fields: Fields, message: str, *, err: str | None = None) -> None:
    """Log that a packet of ours was queued, or why it was not."""
    log.event("tx", message, [("Type", kind_name(kind)), ("Node", str(node)), ("Nice", str(nice)), *fields], err)
