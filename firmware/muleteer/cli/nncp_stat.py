# SPDX-License-Identifier: GPL-3.0-or-later
"""``nncp-stat``: show what is queued, per neighbour and niceness."""

from __future__ import annotations

import sys

from muleteer.cli.flags import SWITCH, TEXT, Flag
from muleteer.cli.nncp_setting import CFG, DEBUG, SPOOL, load_setting
from muleteer.formats.niceness import format_nice
from muleteer.formats.recfile import human_size
from muleteer.spool.layout import NOCK, PART, RX, TX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.cli.flags import Given
    from muleteer.formats.ids import NodeId
    from muleteer.spool.spool import Spool

SUMMARY = """show what is queued, in and out

NAME [-pkt] [-node NODE]"""
FLAGS = (
    CFG,
    DEBUG,
    SPOOL,
    Flag("node", TEXT, "", "only this neighbour"),
    Flag("pkt", SWITCH, False, "list each packet"),
)
_HEAD_SIZE = 12  # magic and niceness


def run(given: Given) -> int:
    """Print the table."""
    setting = load_setting(given)
    spool = setting.spool()
    lines: list[str] = []
    for node, name in setting.chosen(given.text("node")):
        lines.append(name)
        _describe(spool, node, lines, listed=given.on("pkt"))
    sys.stdout.write("".join([f"{line}\n" for line in lines]))
    return 0


def _describe(spool: Spool, node: NodeId, lines: list[str], *, listed: bool) -> None:
    table: dict[int, list[int]] = {}  # niceness -> bytes and packets of rx, tx, nock
    parts = spool.parts(node)
    packets = [(RX, f"{name}", nice, size, 0) for name, nice, size in _waiting(spool, node, RX)]
    packets += [(RX, f"{name}{NOCK}", nice, size, 4) for name, nice, size in _unchecked(spool, node)]
    sent = [(TX, f"{name}", nice, size, 2) for name, nice, size in _waiting(spool, node, TX)]
    for _, _, nice, size, column in (*packets, *sent):
        row = table.setdefault(nice, [0] * 6)
        row[column] += size
        row[column + 1] += 1
    if listed:
        lines += [_packet_line(*packet) for packet in packets]
        lines += [f"\t{RX} {name}{PART} {human_size(size)}" for name, size in parts]
        lines += [_packet_line(*packet) for packet in sent]
    if parts:
        lines.append(f"\tpart: {human_size(sum(size for _, size in parts)):>10}, {len(parts): 3d} pkts")
    lines += [_row(nice, table[nice]) for nice in sorted(table)]


def _waiting(spool: Spool, node: NodeId, way: str) -> list[tuple[object, int, int]]:
    return [(entry.name, entry.nice, entry.size) for entry in spool.entries(node, way)]


def _unchecked(spool: Spool, node: NodeId) -> list[tuple[object, int, int]]:
    names = {f"{name}{NOCK}": name for name, _ in spool.nocks(node)}
    if not names:
        return []
    with spool.guard:
        heads = spool.disk.heads(spool.layout.way(node, RX), names, _HEAD_SIZE)
        return [(names[file], head[11], size) for file, size, head in heads if len(head) == _HEAD_SIZE]


def _packet_line(way: str, name: str, nice: int, size: int, _column: int) -> str:
    return f"\t{way} {name} {human_size(size)} (nice: {format_nice(nice)})"


def _row(nice: int, row: list[int]) -> str:
    columns = [("Rx", 0), ("Tx", 2)] + ([("NoCK", 4)] if row[5] else [])
    cells = [f"{word}: {human_size(row[at]):>10}, {row[at + 1]: 3d} pkts" for word, at in columns]
    return f"\tnice:{format_nice(nice):>4} | " + " | ".join(cells)
