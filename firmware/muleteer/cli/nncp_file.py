# SPDX-License-Identifier: GPL-3.0-or-later
"""``nncp-file``: send a file, a directory, or standard input."""

from __future__ import annotations

from muleteer.cli.flags import INT, TEXT, UINT, Flag
from muleteer.cli.nncp import Misused
from muleteer.cli.nncp_setting import KIB, VIA, WORKING, load_setting, refuse_area
from muleteer.formats.niceness import parse_nice
from muleteer.formats.sealer import NO_LIMIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.cli.flags import Given

SUMMARY = """send a file to a node

NAME [flags] SOURCE NODE:[DESTINATION]

SOURCE is a file, a directory (sent as a tar archive), or - for standard input."""
FLAGS = (
    *WORKING,
    VIA,
    Flag("nice", TEXT, "B", "how urgent the packet is"),
    Flag("minsize", INT, -1, "pad the packet to at least so many KiB; below 0: as `freq.minsize` of NODE says"),
    Flag("maxsize", UINT, 0, "refuse to make a packet of more than so many KiB; 0: no limit"),
    Flag("chunked", INT, -1, "cut in chunks of so many KiB; 0: do not; below 0: as `freq.chunked` of NODE says"),
)


def run(given: Given) -> int:
    """Send."""
    if len(given.words) != 2:
        raise Misused
    source, (name, colon, target) = given.words[0], given.words[1].partition(":")
    if not colon:
        raise Misused
    nice = parse_nice(given.text("nice"))
    refuse_area(name)
    setting = load_setting(given)
    setting.require_keys()
    node = setting.find(name, "NODE")
    freq = node.freq
    minsize, chunked, maxsize = (given.number(flag) * KIB for flag in ("minsize", "chunked", "maxsize"))
    setting.submitter().path(
        node,
        nice,
        source,
        target,
        minsize=minsize if minsize >= 0 else (freq.minsize if freq else 0),
        maxsize=maxsize or NO_LIMIT,
        chunked=chunked if chunked >= 0 else (freq.chunked if freq else 0),
        via=setting.via(),
    )
    return 0
