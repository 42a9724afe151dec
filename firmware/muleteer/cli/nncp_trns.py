# SPDX-License-Identifier: GPL-3.0-or-later
"""``nncp-trns``: send a packet that is sealed already by way of relays."""

from __future__ import annotations

import os

from muleteer.cli.flags import TEXT, Flag
from muleteer.cli.nncp import Misused
from muleteer.cli.nncp_setting import VIA, WORKING, load_setting
from muleteer.errors import UsageError
from muleteer.formats.envelope_header import HEADER_SIZE, EnvelopeHeader
from muleteer.formats.ids import PacketName
from muleteer.formats.niceness import parse_nice
from muleteer.spool.layout import TX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.cli.flags import Given
    from muleteer.cli.nncp_setting import Setting
    from muleteer.config.model import Neighbour
    from muleteer.spool.port import DiskFile

SUMMARY = """send a sealed packet by way of relays; the original stays where it is

NAME [flags] -via RELAY[,RELAY ...] NODE:PACKET     a packet queued for NODE
NAME [flags] -via RELAY[,RELAY ...] PATH            a packet anywhere"""
FLAGS = (*WORKING, VIA, Flag("nice", TEXT, "B", "how urgent the outer packet is"))


def run(given: Given) -> int:
    """Queue it."""
    if len(given.words) != 1:
        raise Misused
    nice = parse_nice(given.text("nice"))
    setting = load_setting(given)
    setting.require_keys()
    node, file = _packet(setting, given.words[0])
    with file:
        via = node.via if setting.via() is None else setting.via()
        if not via:
            raise UsageError(problem=f"no relays: name them with -via, or as `via` of {node.name} in the configuration")
        setting.submitter().trns(node, nice, file.read_into, via=via)
    return 0


def _packet(setting: Setting, text: str) -> tuple[Neighbour, DiskFile]:
    """Return whom the packet is for, and the open packet."""
    if os.path.exists(text):
        file = setting.disk.open_read(text, follow=True)
        head = memoryview(bytearray(HEADER_SIZE))
        header = EnvelopeHeader.unpack(head[: file.read_into(head)])
        file.seek(0)
        return setting.find(str(header.recipient), "the packet's recipient"), file
    name, colon, packet = text.partition(":")
    if not colon:
        raise UsageError(problem=f"{text!r} is neither a file nor NODE:PACKET")
    node = setting.find(name, "NODE")
    return node, setting.spool().open(node.id, TX, PacketName.parse(packet))
