# SPDX-License-Identifier: GPL-3.0-or-later
"""``nncp-check``: verify that queued packets hash to their names, or check and promote ``.nock`` downloads."""

from __future__ import annotations

from muleteer.cli.flags import SWITCH, UINT, Flag
from muleteer.cli.nncp_say import remark
from muleteer.cli.nncp_setting import NODE, WORKING, load_setting
from muleteer.errors import NameMismatch
from muleteer.spool.check import is_sound, promote
from muleteer.spool.layout import NOCK, RX, TX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.cli.flags import Given
    from muleteer.cli.nncp_report import Report
    from muleteer.cli.nncp_setting import Setting
    from muleteer.formats.ids import NodeId, PacketName
    from muleteer.spool.spool import Spool

SUMMARY = """verify the checksums of queued packets

NAME [-node NODE] [-cycle SECONDS]
NAME -nock [-node NODE] [-cycle SECONDS]    check .nock downloads; good ones become packets"""
FLAGS = (
    *WORKING,
    NODE,
    Flag("nock", SWITCH, False, "check the downloads that were not checked when they arrived"),
    Flag("cycle", UINT, 0, "do it again every so many seconds, for ever"),
)


def run(given: Given) -> int:
    """Check; 1 if anything is damaged."""
    setting = load_setting(given)
    nodes = setting.chosen(given.text("node"))
    check = _Check(setting)
    while True:
        well = [check.nocks(node) if given.on("nock") else check.packets(node) for node, _ in nodes]
        if not given.number("cycle"):
            return 0 if all(well) else 1
        import time

        time.sleep(given.number("cycle"))


class _Check:
    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._spool: Spool = setting.spool()
        self._report: Report = setting.report()

    def packets(self, node: NodeId) -> bool:
        """Verify one neighbour's rx and tx; tell whether all packets are sound."""
        well = True
        for way in (RX, TX):
            strange: list[tuple[PacketName, int]] = []
            entries = self._spool.entries(node, way, strange=lambda *found, there=strange: there.append(found))
            for name, size in [*((entry.name, entry.size) for entry in entries), *strange]:
                show = self._setting.meter("check", str(name), size)
                if not is_sound(self._spool, node, way, name, show):
                    well = False
                    self._complain(node, way, name, size)
        return well

    def nocks(self, node: NodeId) -> bool:
        """Check and promote one neighbour's unchecked downloads; tell whether all were sound."""
        well = True
        for name, size in self._spool.nocks(node):
            try:
                promote(self._spool, node, name, self._setting.meter("check", str(name), size))
            except NameMismatch:
                well = False
                remark(f"nncp-check: {self._spool.path(node, RX, name)}{NOCK} checksum mismatch\n")
        return well

    def _complain(self, node: NodeId, way: str, name: PacketName, size: int) -> None:
        fields = [("XX", way), ("Node", str(node)), ("Pkt", str(name)), ("FullSize", str(size))]
        self._report.event("checking", f"Checking: {node}/{way}/{name}", fields, "bad")
