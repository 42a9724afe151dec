# SPDX-License-Identifier: GPL-3.0-or-later
"""``nncp-toss``: do what the packets that arrived are for."""

from __future__ import annotations

from muleteer.agent.clock import wall_now
from muleteer.cli.flags import SWITCH, TEXT, UINT, Flag
from muleteer.cli.nncp_setting import NODE, WORKING, load_setting
from muleteer.formats.niceness import parse_nice
from muleteer.formats.packet import ACK, AREA, EXEC, EXEC_FAT, FILE, FREQ, TRNS
from muleteer.spool.aside import Aside
from muleteer.tossing.terms import TossOptions
from muleteer.tossing.tosser import Tosser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.cli.flags import Given
    from muleteer.cli.nncp_setting import Setting

SUMMARY = """do what the packets that arrived are for: save files, run handles, answer requests, relay

NAME [flags] [-node NODE] [-nice NICE] [-cycle SECONDS]

A handle may run as long as it likes; only `muleteer agent` sets it a time limit. If NAME is killed, so are the handles
that it runs, and none of them sees half an input as a whole one."""
FLAGS = (
    *WORKING,
    NODE,
    Flag("nice", TEXT, "MAX", "only packets at least this urgent"),
    Flag("dryrun", SWITCH, False, "only tell what would be done"),
    Flag("seen", SWITCH, False, "remember what was tossed, so that a copy is not tossed again"),
    Flag("cycle", UINT, 0, "go on for ever: toss now, and every so many seconds if something arrived"),
    Flag("nofile", SWITCH, False, "leave files"),
    Flag("nofreq", SWITCH, False, "leave file requests"),
    Flag("noexec", SWITCH, False, "leave calls of handles"),
    Flag("notrns", SWITCH, False, "leave packets to be relayed"),
    Flag("noarea", SWITCH, False, "leave area packets"),
    Flag("noack", SWITCH, False, "leave acknowledgements"),
)
SKIPPED = {
    "nofile": (FILE,),
    "nofreq": (FREQ,),
    "noexec": (EXEC, EXEC_FAT),
    "notrns": (TRNS,),
    "noarea": (AREA,),
    "noack": (ACK,),
}
"""Which kinds of packets a flag leaves."""


def run(given: Given) -> int:
    """Toss; 1 if a packet could not be processed."""
    nice = parse_nice(given.text("nice"))
    setting = load_setting(given)
    setting.require_keys()
    options = TossOptions(
        nodes=frozenset([node for node, _ in setting.chosen(given.text("node"))]),
        nice=nice,
        skip=frozenset([kind for flag, kinds in SKIPPED.items() if given.on(flag) for kind in kinds]),
        dry_run=given.on("dryrun"),
        seen=given.on("seen"),
    )
    spool = setting.spool()
    tosser = Tosser(setting.config, spool, Aside(spool), setting.report(), options)
    if given.number("cycle"):
        _cycle(setting, tosser, given.number("cycle"))
    return 1 if tosser.toss(wall_now()).failed else 0


def _cycle(setting: Setting, tosser: Tosser, seconds: int) -> None:
    """Toss at once, and again whenever rx changed since; never returns."""
    import time

    spool = setting.spool()
    before: object = None
    while True:
        # Before tossing: what arrives meanwhile is seen next time.
        now = [(str(node), [entry.name for entry in spool.entries(node, "rx")]) for node in setting.config.neighbours]
        if now != before:
            tosser.toss(wall_now())
        before = now
        time.sleep(seconds)
