# SPDX-License-Identifier: GPL-3.0-or-later
"""``nncp-freq``: ask a node for one of its files."""

from __future__ import annotations

from muleteer.cli.flags import TEXT, UINT, Flag
from muleteer.cli.nncp import Misused
from muleteer.cli.nncp_setting import KIB, VIA, WORKING, load_setting
from muleteer.formats.niceness import parse_nice
from muleteer.formats.safename import clean_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.cli.flags import Given

SUMMARY = """ask a node for a file

NAME [flags] NODE:SOURCE [DESTINATION]

SOURCE is relative to `freq.path` there (. is the whole of it); DESTINATION, by default its last part (NODE.tar if that
is .), to `incoming` here. A directory comes as a tar archive."""
FLAGS = (
    *WORKING,
    VIA,
    Flag("nice", TEXT, "N", "how urgent the request is"),
    Flag("replynice", TEXT, "B", "how urgent the file shall be"),
    Flag("minsize", UINT, 0, "pad the packet to at least so many KiB"),
)


def run(given: Given) -> int:
    """Send the request."""
    name, colon, source = (given.words or ("",))[0].partition(":")
    if not colon:
        raise Misused
    nice, replynice = parse_nice(given.text("nice")), parse_nice(given.text("replynice"))
    # With more than two words the reference forgets the second one, too.
    target = given.words[1] if len(given.words) == 2 else clean_path(source).rpartition("/")[2]
    setting = load_setting(given)
    setting.require_keys()
    node = setting.find(name, "NODE")
    if target == ".":  # the reference would have it arrive beside `incoming`
        target = f"{node.name}.tar"
    minsize = given.number("minsize") * KIB
    setting.submitter().freq(node, nice, replynice, source, target, minsize=minsize, via=setting.via())
    return 0
