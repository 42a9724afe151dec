# SPDX-License-Identifier: GPL-3.0-or-later
"""``nncp-cfgnew``: print the configuration of a new node, or a new area's section of one."""

from __future__ import annotations

from muleteer.cli.flags import SWITCH, TEXT, Flag
from muleteer.cli.nncp_say import put
from muleteer.errors import NotYetSupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.cli.flags import Given

SUMMARY = """print a configuration with new keys

NAME [-nocomments] > nncp.hjson
NAME -area AREA [-nocomments]"""
FLAGS = (
    Flag("area", TEXT, "", "make the keys of an area of this name instead"),
    Flag("nocomments", SWITCH, False, "leave out the explanations"),
    Flag("yggdrasil", SWITCH, False, "make keys for an Yggdrasil network instead"),
)


def run(given: Given) -> int:
    """Print new keys."""
    if given.on("yggdrasil"):
        raise NotYetSupported(feature="-yggdrasil")
    from muleteer.config.write import new_area_text, new_keys, new_node_text

    comments = not given.on("nocomments")
    area = given.text("area")
    text = new_area_text(area, comments=comments) if area else new_node_text(new_keys(), comments=comments)
    put(text)
    return 0
