# SPDX-License-Identifier: GPL-3.0-or-later
"""Toss a neighbour's packets while it is online and once more at the end: what ``-autotoss`` asks for.

A request that arrives in a session is thus answered in the same session: what tossing queues is offered at once.
"""

from __future__ import annotations

import posix as os  # os itself takes 0.8 ms to import

from muleteer.agent.clock import wall_now
from muleteer.cli.flags import SWITCH, Flag
from muleteer.cli.nncp_say import remark
from muleteer.errors import MuleteerError
from muleteer.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading

    from muleteer.cli.flags import Given
    from muleteer.cli.nncp_setting import Setting
    from muleteer.config.model import Call
    from muleteer.formats.ids import NodeId

FLAGS = (
    Flag("autotoss", SWITCH, False, "toss what arrived, during the session and at its end"),
    Flag("autotoss-seen", SWITCH, False, "then remember what was tossed, so that a copy is not tossed again"),
    Flag("autotoss-nofile", SWITCH, False, "then leave files"),
    Flag("autotoss-nofreq", SWITCH, False, "then leave file requests"),
    Flag("autotoss-noexec", SWITCH, False, "then leave calls of handles"),
    Flag("autotoss-notrns", SWITCH, False, "then leave packets to be relayed"),
    Flag("autotoss-noarea", SWITCH, False, "then leave area packets"),
    Flag("autotoss-noack", SWITCH, False, "then leave acknowledgements"),
)
LOOK_SECONDS = 1.0
"""How often rx is looked at during a session."""


@record
class AutoTossRules:
    """What to toss of what arrived; nothing unless `wanted`."""

    wanted: bool
    seen: bool
    skip: frozenset[int]


def rules_of(given: Given, call: Call | None = None) -> AutoTossRules:
    """Return what the flags say, or what an entry of `calls` says besides."""
    if not (given.on("autotoss") or (call is not None and call.autotoss)):
        return AutoTossRules(wanted=False, seen=False, skip=frozenset())
    from muleteer.cli.nncp_toss import SKIPPED  # with all of tossing behind it (7 ms)

    skipped = {flag for flag in SKIPPED if given.on(f"autotoss-{flag}") or (call is not None and _says(call, flag))}
    return AutoTossRules(
        wanted=True,
        seen=given.on("autotoss-seen") or (call is not None and call.doseen),
        skip=frozenset([kind for flag in skipped for kind in SKIPPED[flag]]),
    )


def _says(call: Call, flag: str) -> bool:
    return bool(getattr(call, flag, False))  # `calls` of the reference's 8.8 have no noack


class AutoToss:
    """Tosses what one neighbour sends, in a thread of its own, from `start` to `finish`."""

    def __init__(self, setting: Setting, rules: AutoTossRules, node: NodeId) -> None:
        self._setting = setting
        self._rules = rules
        self._node = node
        self._well = True
        self._before: object = None
        self._over: threading.Event | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, if tossing is wanted at all."""
        if not self._rules.wanted:
            return
        import threading

        self._over = over = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(over,), name="autotoss", daemon=True)
        self._thread.start()

    def finish(self) -> bool:
        """Toss what is left; return whether all of it could be processed. Nothing to do if it was not started."""
        if self._over is not None and self._thread is not None:
            self._over.set()
            self._thread.join()
        return self._well

    def _run(self, over: threading.Event) -> None:
        from muleteer.spool.aside import Aside
        from muleteer.tossing.terms import TossOptions
        from muleteer.tossing.tosser import Tosser

        spool = self._setting.spool()
        options = TossOptions(nodes=frozenset([self._node]), skip=self._rules.skip, seen=self._rules.seen)
        tosser = Tosser(self._setting.config, spool, Aside(spool), self._setting.report(), options)
        rx = spool.layout.way(self._node, "rx")
        is_over = False
        while not is_over:
            is_over = over.wait(LOOK_SECONDS)
            try:
                changed = self._has_changed(rx)
                if changed or is_over:
                    self._well = not tosser.toss(wall_now()).failed
            except MuleteerError as error:
                remark(f"tossing: {error}\n")
                self._well = False

    def _has_changed(self, rx: str) -> bool:
        """Whether anything came or went in rx since this was asked last; before tossing, so that nothing is missed."""
        try:
            now: object = os.stat(rx).st_mtime_ns
        except OSError:
            now = None
        changed = now != self._before
        self._before = now
        return changed
