# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the events of a drop-in command go: to the log, and as one line for people to standard error."""

from __future__ import annotations

from muleteer.agent.clock import wall_now_ns
from muleteer.cli.nncp_say import remark
from muleteer.errors import SpoolError
from muleteer.formats.recfile import rfc3339
from muleteer.spool.logbook import DESCRIPTOR, Logbook

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.spool.port import Disk

    Watch = Callable[[str, str, int], Callable[[int], None] | None]


class Report:
    """Takes events. `quiet` silences the lines for people, errors included; the log gets everything.

    `debug` shows the log records on standard error, too. A log that cannot be written is told there and stops nothing,
    as in the reference: the mail matters more. `watch` (verb, name, bytes) draws the progress line of a packet,
    here only once it is made or delivered: its makers know no progress.
    """

    def __init__(self, target: str, disk: Disk, watch: Watch | None, *, quiet: bool, debug: bool) -> None:
        self._target = target
        self._log = Logbook(target, disk, wall_now_ns)
        self._watch = watch
        self._quiet = quiet
        self._debug = debug

    def event(self, who: str, message: str, fields: list[tuple[str, str]], err: str | None = None) -> None:
        """Record one event; `err` marks it as an error."""
        self._append(self._told(who, message, fields, err))

    def events(self, those: list[tuple[str, str, list[tuple[str, str]]]]) -> None:
        """Record what happened together (who, message, fields), by one write to the log."""
        if those:
            self._append(b"".join([self._told(who, message, fields, None) for who, message, fields in those]))

    def _told(self, who: str, message: str, fields: list[tuple[str, str]], err: str | None) -> bytes:
        """Show an event to people; return its record."""
        if self._watch is not None and err is None:
            _draw_whole(self._watch, who, dict(fields))
        record = self._log.compose(who, message, fields, err)
        if self._debug:
            remark(record.decode("utf-8", "surrogateescape"))
        if not self._quiet:
            remark(f"{human_line(rfc3339(wall_now_ns(), fraction=False), message, err)}\n")
        return record

    def _append(self, records: bytes) -> None:
        try:
            self._log.append(records)
        except SpoolError as error:
            if not (self._quiet and self._target.startswith(DESCRIPTOR)):  # the reference never tells of such a log
                remark(f"{error}\n")


def _draw_whole(watch: Watch, who: str, fields: dict[str, str]) -> None:
    """Draw the progress line of a packet that is done."""
    kind = fields.get("Type")
    if who == "tx":
        from muleteer.formats.envelope_header import sealed_size
        from muleteer.formats.packet import PLAIN_HEADER_SIZE

        payload = int(fields["Size"]) - PLAIN_HEADER_SIZE if "Size" in fields else 0
        verb, name, size = "Tx", fields.get("Dst") or fields.get("Pkt", ""), sealed_size(payload)
    elif who == "rx" and kind == "file":
        verb, name, size = "Rx file", fields.get("Pkt", ""), int(fields.get("Size", "0"))
    else:
        return
    show = watch(verb, name, size)
    if show is not None:
        show(size)


def human_line(when: str, message: str, err: str | None) -> str:
    """Return an event as people read it, on standard error and from ``nncp-log``."""
    return f"{when} {message}" if err is None else f"{when} ERROR {message}: {err}"
