# SPDX-License-Identifier: GPL-3.0-or-later
"""What the log says of a call as a whole, in the reference's words; what happens in it is the exchange's to tell.

Source: records of real nncp-call and nncp-daemon runs (tests/interop/test_online_records.py).
"""

from __future__ import annotations

from muleteer.errors import LinkFailed, UsageError
from muleteer.formats.recfile import human_size
from muleteer.formats.safename import show

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.carriers.online import Log, SessionReport
    from muleteer.errors import MuleteerError
    from muleteer.formats.ids import NodeId

    Fields = list[tuple[str, str]]


class CallLog:
    """Tells of the calls with one neighbour: of ours to it, or with `incoming` of its to us."""

    def __init__(self, log: Log, node: NodeId, name: str, *, incoming: bool = False) -> None:
        self._log = log
        self._node = str(node)
        self._name = show(name)
        self._incoming = incoming

    def started(self, address: str) -> None:
        """Tell that the other side has proven who it is."""
        self._log.event("call-started", self._connection(address), self._fields(address))

    def failed(self, address: str, error: MuleteerError | None) -> None:
        """Tell that an address led to no session; `error` None means that the other side just hung up."""
        if isinstance(error, LinkFailed | UsageError):
            words = f"Calling {self._name} ({show(address)})"
            self._log.event("calling", words, self._fields(address), str(error.facts.get("problem")))
            return
        self._log.event("call-started", self._connection(address), self._fields(address), str(error or "EOF"))

    def finished(self, address: str, report: SessionReport, seconds: float) -> None:
        """Tell how a session went that took so many seconds, and what broke it, if anything did."""
        whole = max(1, round(seconds))
        received, sent = report.wire_in, report.wire_out
        speeds = received // whole, sent // whole
        numbers = [("RxBytes", received), ("RxSpeed", speeds[0]), ("TxBytes", sent), ("TxSpeed", speeds[1])]
        if self._incoming:  # the reference's two programs differ
            numbers[1], numbers[2] = numbers[2], numbers[1]
        words = (
            f"Finished call with {self._name} ({_clock(whole)}): "
            f"{human_size(received)} received ({human_size(speeds[0])}/sec), "
            f"{human_size(sent)} transferred ({human_size(speeds[1])}/sec)"
        )
        fields = [*self._fields(address), ("Duration", str(whole)), *((key, str(value)) for key, value in numbers)]
        self._log.event("call-finished", words, fields, None if report.error is None else str(report.error))

    def _connection(self, address: str) -> str:
        return f"Connection {'with' if self._incoming else 'to'} {self._name} ({show(address)})"

    def _fields(self, address: str) -> Fields:
        return [("Node", self._node), *([] if self._incoming else [("Addr", show(address))])]


def _clock(seconds: int) -> str:
    return f"{seconds // 3600}:{seconds // 60 % 60}:{seconds % 60}"
