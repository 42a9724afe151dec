# SPDX-License-Identifier: GPL-3.0-or-later
"""``nncp-xfer``: exchange packets with a directory, on a stick for example."""

from __future__ import annotations

from muleteer.carriers.xfer import XferRules, xfer
from muleteer.cli.flags import SWITCH, TEXT, Flag
from muleteer.cli.nncp import Misused
from muleteer.cli.nncp_setting import NODE, WORKING, load_setting
from muleteer.errors import UsageError
from muleteer.formats.niceness import parse_nice
from muleteer.formats.safename import clean_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.cli.flags import Given

SUMMARY = """receive the packets for this node from a directory, then leave the queued ones there

NAME [-rx | -tx] [-node NODE] [-nice NICE] [-mkdir] [-keep] DIRECTORY"""
FLAGS = (
    *WORKING,
    NODE,
    Flag("nice", TEXT, "MAX", "only packets at least this urgent"),
    Flag("rx", SWITCH, False, "only receive"),
    Flag("tx", SWITCH, False, "only send"),
    Flag("mkdir", SWITCH, False, "make the directories that are missing"),
    Flag("keep", SWITCH, False, "delete nothing that was transferred"),
)


def run(given: Given) -> int:
    """Transfer; 1 if something failed."""
    if len(given.words) != 1:
        raise Misused
    nice = parse_nice(given.text("nice"))
    if given.on("rx") and given.on("tx"):
        raise UsageError(problem="-rx and -tx contradict each other")
    setting = load_setting(given)
    rules = XferRules(
        directory=clean_path(given.words[0]),
        own=setting.config.me.id,
        names=dict(setting.chosen(given.text("node"))),
        nice=nice,
        receive=not given.on("tx"),
        send=not given.on("rx"),
        keep=given.on("keep"),
        mkdir=given.on("mkdir"),
    )
    well = xfer(setting.spool(), setting.disk, setting.report(), rules, setting.meter)
    return 0 if well else 1
