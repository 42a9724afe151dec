# SPDX-License-Identifier: GPL-3.0-or-later
"""``nncp-ack``: acknowledge packets that wait in rx, so that their senders may forget them."""

from __future__ import annotations

import fcntl
import posix as os  # os itself takes 0.8 ms to import

from muleteer.cli.flags import SWITCH, TEXT, UINT, Flag
from muleteer.cli.nncp import Misused
from muleteer.cli.nncp_setting import KIB, VIA, WORKING, load_setting
from muleteer.formats.ids import PacketName
from muleteer.formats.niceness import parse_nice
from muleteer.spool.disk import RealFile
from muleteer.spool.layout import RX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.cli.flags import Given
    from muleteer.cli.nncp_setting import Setting
    from muleteer.formats.ids import NodeId

SUMMARY = """acknowledge packets that arrived

NAME [flags] -all
NAME [flags] -node NODE[,NODE ...]
NAME [flags] -node NODE -pkt PACKET

The acknowledgements' names (NODE/PACKET) are written to file descriptor 4 if it is open."""
FLAGS = (
    *WORKING,
    VIA,
    Flag("all", SWITCH, False, "the packets of all neighbours"),
    Flag("node", TEXT, "", "the packets of these neighbours"),
    Flag("pkt", TEXT, "", "only this packet, whether it is here or not"),
    Flag("nice", TEXT, "N", "how urgent the acknowledgement is"),
    Flag("minsize", UINT, 0, "pad the packet to at least so many KiB"),
)
_NAMES_FD = 4


def run(given: Given) -> int:
    """Queue the acknowledgements."""
    names = given.text("node").split(",") if given.text("node") else []
    packet = given.text("pkt")
    if given.on("all") == bool(names) or (packet and len(names) != 1):
        raise Misused
    out = _inherited(_NAMES_FD)
    nice = parse_nice(given.text("nice"))
    setting = load_setting(given)
    setting.require_keys()
    nodes = [setting.find(name, "-node").id for name in names] or [node for node, _ in setting.chosen("")]
    made: list[str] = []
    try:
        if packet:
            made.append(f"{nodes[0]}/{_acknowledge_one(setting, nodes[0], PacketName.parse(packet), nice, given)}\n")
        else:
            _acknowledge_all(setting, nodes, nice, given, made)
    finally:  # what is queued is named, whatever failed later
        if out is not None:
            out.write("".join(made).encode())
    return 0


def _acknowledge_one(setting: Setting, node: NodeId, packet: PacketName, nice: int, given: Given) -> PacketName:
    neighbour = setting.config.neighbours[node]
    minsize = given.number("minsize") * KIB
    return setting.submitter().ack(neighbour, nice, packet, minsize=minsize, via=setting.via())


def _acknowledge_all(setting: Setting, nodes: list[NodeId], nice: int, given: Given, made: list[str]) -> None:
    """Acknowledge all that waits; add to `made` what is queued for good."""
    from muleteer.tossing.acks import Acknowledger

    spool = setting.spool()
    report = setting.report()
    submitter = setting.submitter()
    acknowledger = Acknowledger(setting.config, spool, submitter, nice=nice, minsize=given.number("minsize") * KIB)
    via = None if given.on("all") else setting.via()  # the reference ignores -via with -all
    with spool.batch() as batch:
        for node in nodes:
            for entry in spool.entries(node, RX):
                then = lambda name, node=node: made.append(f"{node}/{name}\n")  # noqa: E731
                name = acknowledger.acknowledge(node, entry.name, via=via, batch=batch, then=then)
                if name is None and _is_ack(setting, node, entry.name):
                    fields = [("Node", str(node)), ("Pkt", str(entry.name))]
                    words = f"ACKing {setting.config.neighbours[node].name}/{entry.name}: it is ACK, skipping"
                    report.event("ack-read-if-ack", words, fields)


def _is_ack(setting: Setting, node: NodeId, packet: PacketName) -> bool:
    """Tell whether a packet that gets no acknowledgement is one itself, which needs no worry."""
    from muleteer.crypto.keys import ExchangeKey
    from muleteer.errors import PeerError, SpoolError
    from muleteer.formats.envelope import HEADER_SIZE, EnvelopeHeader, Opener
    from muleteer.formats.packet import ACK

    assert setting.config.own is not None  # noqa: S101 - require_keys
    spool = setting.spool()
    try:
        file = spool.open(node, RX, packet)
    except SpoolError:
        if spool.has(node, RX, packet):
            raise
        return False  # tossed meanwhile
    with file:
        head = memoryview(bytearray(HEADER_SIZE))
        try:
            header = EnvelopeHeader.unpack(head[: file.read_into(head)])
            return Opener(header, ExchangeKey(setting.config.own.exchprv)).peek(file.read_into).kind == ACK
        except PeerError:
            return False


def _inherited(descriptor: int) -> RealFile | None:
    """Return a descriptor that our parent opened for us, None if it is closed or our own."""
    try:
        ours = fcntl.fcntl(descriptor, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
    except OSError:
        return None
    return None if ours else RealFile(os.dup(descriptor), sync=False)
