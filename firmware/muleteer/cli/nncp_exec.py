# SPDX-License-Identifier: GPL-3.0-or-later
"""``nncp-exec``: call an exec handle of a node with standard input; mail servers send mail this way."""

from __future__ import annotations

import posix as os  # os itself takes 0.8 ms to import

from muleteer.cli.flags import SWITCH, TEXT, UINT, Flag
from muleteer.cli.nncp import Misused
from muleteer.cli.nncp_setting import KIB, VIA, WORKING, load_setting, refuse_area
from muleteer.formats.niceness import parse_nice
from muleteer.formats.sealer import NO_LIMIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.cli.flags import Given

SUMMARY = """call an exec handle of a node; standard input becomes its standard input

NAME [flags] NODE HANDLE [ARGUMENT ...]"""
FLAGS = (
    *WORKING,
    VIA,
    Flag("nice", TEXT, "P", "how urgent the packet is"),
    Flag("replynice", TEXT, "B", "how urgent a reply would be: NNCP_NICE of the handle"),
    Flag("minsize", UINT, 0, "pad the packet to at least so many KiB"),
    Flag("maxsize", UINT, 0, "refuse to make a packet of more than so many KiB; 0: no limit"),
    Flag("nocompress", SWITCH, False, "do not compress standard input"),
)


def run(given: Given) -> int:
    """Send the call."""
    if len(given.words) < 2:
        raise Misused
    name, handle, *args = given.words
    nice, replynice = parse_nice(given.text("nice")), parse_nice(given.text("replynice"))
    refuse_area(name.partition(":")[0] if ":" in name else "")
    setting = load_setting(given)
    setting.require_keys()
    node = setting.find(name, "NODE")
    setting.submitter().exec(
        node,
        nice,
        replynice,
        handle,
        args,
        lambda view: os.readv(0, [view]),
        minsize=given.number("minsize") * KIB,
        maxsize=given.number("maxsize") * KIB or NO_LIMIT,
        compress=not given.on("nocompress"),
        via=setting.via(),
    )
    return 0
