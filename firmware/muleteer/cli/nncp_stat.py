# SPDX-License-Identifier: GPL-3.0-or-later
"""``nncp-stat``: show what is queued, per neighbour and niceness."""

from __future__ import annotations

from muleteer.cli.flags import SWITCH, TEXT, Flag
from muleteer.cli.nncp_say import put
from muleteer.cli.nncp_setting import CFG, DEBUG, SPOOL, load_setting
from muleteer.formats.niceness import format_nice
from muleteer.formats.recfile import human_size
from muleteer.spool.layout import NOCK, PART, RX, TX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.cli.flags import Given
    from muleteer.cli.nncp_setting import Setting
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
    lines: list[str] = []
    there = _directories(setting)
    spool = setting.spool() if there else None  # 0.4 ms of imports
    for node, name in setting.chosen(given.text("node")):
        lines.append(name)
        if spool and str(node) in there:
            _describe(spool, node, lines, listed=given.on("pkt"))
    put("".join([f"{line}\n" for line in lines]))
    return 0


def _directories(setting: Setting) -> set[str]:
    """Return what lies in the spool: most neighbours have nothing there, which one listing tells of all of them."""
    try:
        return set(setting.disk.listdir(setting.config.spool))
    except (FileNotFoundError, NotADirectoryError):
        return set()


def _describe(spool: Spool, node: NodeId, lines: list[str], *, listed: bool) -> None:
    parts = spool.parts(node)
    unchecked = _unchecked(spool, node)
    if listed:
        received, sent = _waiting(spool, node, RX), _waiting(spool, node, TX)
        lines += [_packet_line(RX, name, nice, size) for name, nice, size in received]
        lines += [_packet_line(RX, f"{name}{NOCK}", nice, size) for name, nice, size in unchecked]
        lines += [f"\t{RX} {name}{PART} {human_size(size)}" for name, size in parts]
        lines += [_packet_line(TX, name, nice, size) for name, nice, size in sent]
        sums = _sums(received), _sums(sent), _sums(unchecked)
    else:
        sums = spool.tally(node, RX), spool.tally(node, TX), _sums(unchecked)
    if parts:
        lines.append(f"\tpart: {human_size(sum(size for _, size in parts)):>10}, {len(parts): 3d} pkts")
    for nice in sorted({nice for column in sums for nice in column}):
        lines.append(_row(nice, *(column.get(nice, (0, 0)) for column in sums)))


def _waiting(spool: Spool, node: NodeId, way: str) -> list[tuple[object, int, int]]:
    return [(entry.name, entry.nice, entry.size) for entry in spool.entries(node, way)]


def _sums(packets: list[tuple[object, int, int]]) -> dict[int, tuple[int, int]]:
    """Return what Spool.tally does of packets that have been listed anyway."""
    found: dict[int, tuple[int, int]] = {}
    for _, nice, size in packets:
        count, total = found.get(nice, (0, 0))
        found[nice] = (count + 1, total + size)
    return found


def _unchecked(spool: Spool, node: NodeId) -> list[tuple[object, int, int]]:
    names = {f"{name}{NOCK}": name for name, _ in spool.nocks(node)}
    if not names:
        return []
    with spool.guard:
        heads = spool.disk.heads(spool.layout.way(node, RX), names, _HEAD_SIZE)
        return [(names[file], head[11], size) for file, size, head in heads if len(head) == _HEAD_SIZE]


def _packet_line(way: str, name: object, nice: int, size: int) -> str:
    return f"\t{way} {name} {human_size(size)} (nice: {format_nice(nice)})"


def _row(nice: int, received: tuple[int, int], sent: tuple[int, int], unchecked: tuple[int, int]) -> str:
    columns = [("Rx", received), ("Tx", sent)] + ([("NoCK", unchecked)] if unchecked[0] else [])
    cells = [f"{word}: {human_size(total):>10}, {count: 3d} pkts" for word, (count, total) in columns]
    return f"\tnice:{format_nice(nice):>4} | " + " | ".join(cells)
