# SPDX-License-Identifier: GPL-3.0-or-later
"""``nncp-caller``: call neighbours by the timetable of their `calls`, for ever.

One loop waits for times and announcements; only a call under way has a thread.
"""

from __future__ import annotations

import select

from muleteer.agent.clock import wall_now
from muleteer.carriers.call_log import CallLog
from muleteer.carriers.stream import WakeFlag
from muleteer.cli.nncp_autotoss import FLAGS as AUTOTOSS
from muleteer.cli.nncp_autotoss import AutoToss, rules_of
from muleteer.cli.nncp_calls import Calls
from muleteer.cli.nncp_discovery import Neighbourhood
from muleteer.cli.nncp_online import Online, Wishes, stop_on_signals
from muleteer.cli.nncp_setting import WORKING, load_setting
from muleteer.cli.nncp_timetable import Entry, Timetable
from muleteer.config.cron import parse as parse_cron
from muleteer.errors import MuleteerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading

    from muleteer.cli.flags import Given
    from muleteer.cli.nncp_report import Report
    from muleteer.cli.nncp_setting import Setting

SUMMARY = """call neighbours when their `calls` say so, until stopped

NAME [flags] [NODE...]"""
FLAGS = (*WORKING, *AUTOTOSS)
LOOK_SECONDS = 30.0
"""How long the loop sleeps at most: so much later, at worst, it notices that the clock leapt."""


def run(given: Given) -> int:
    """Call for ever; 0 when stopped by a signal, or if there is nothing to call."""
    setting = load_setting(given)
    online = Online(setting)
    names = given.words or tuple(neighbour.name for neighbour in setting.config.neighbours.values())
    neighbours = [setting.find(name, "NODE") for name in names]
    entries = [
        Entry(neighbour, index, call, parse_cron(call.cron))
        for neighbour in neighbours
        if neighbour.noisepub is not None
        for index, call in enumerate(neighbour.calls)
    ]
    with stop_on_signals() as stop:
        _Caller(setting, online, given, entries, stop).run()
    return 0


class _Caller:
    """The loop."""

    def __init__(self, setting: Setting, online: Online, given: Given, entries: list[Entry], stop: WakeFlag) -> None:
        self._setting = setting
        self._online = online
        self._given = given
        self._stop = stop
        self._log: Report = setting.report()
        self._timetable = Timetable(entries, wall_now())
        self._ended: list[Entry] = []
        self._woken = WakeFlag()
        self._threads: set[threading.Thread] = set()
        self._hearing: Neighbourhood | None = None

    def run(self) -> None:
        """Call until stopped, or until nothing is left to be called."""
        self._hear()
        poll = select.poll()
        for waiting in (self._stop, self._woken, self._hearing):
            if waiting is not None:
                poll.register(waiting.fileno(), select.POLLIN)
        while not self._stop.is_set:
            self._look()
            if self._timetable.is_empty:
                break
            next_at = self._timetable.next_at()
            seconds = LOOK_SECONDS if next_at is None else min(max(0.0, next_at - wall_now()), LOOK_SECONDS)
            poll.poll(int(seconds * 1000) + 1)
        for thread in self._threads:
            thread.join()

    def _hear(self) -> None:
        if not self._setting.config.mcd_listen:
            return
        try:
            self._hearing = Neighbourhood(self._setting.config, self._log)
        except OSError as error:  # discovery is a convenience; the calls go on
            self._log.event("mcd", "MCD", [], str(error.strerror))

    def _look(self) -> None:
        """Do what is due."""
        self._woken.clear()
        if self._hearing is not None:
            self._hearing.hear()
        while self._ended:
            self._timetable.ended(self._ended.pop(), wall_now())
        for entry in self._timetable.take_dropped():
            fields = [("Node", str(entry.neighbour.id)), ("CallIndex", str(entry.index))]
            self._log.event("caller", str(entry), fields, "got zero time")
        for entry in self._timetable.due(wall_now()):
            self._begin(entry)

    def _begin(self, entry: Entry) -> None:
        """Place a call in a thread of its own."""
        import threading

        self._threads = {thread for thread in self._threads if thread.is_alive()}
        thread = threading.Thread(target=self._call, args=(entry,), name=str(entry), daemon=True)
        self._threads.add(thread)
        thread.start()

    def _call(self, entry: Entry) -> None:
        try:
            if self._is_worth_it(entry):
                self._place(entry)
        except MuleteerError as error:
            fields = [("Node", str(entry.neighbour.id)), ("CallIndex", str(entry.index))]
            self._log.event("caller", str(entry), fields, str(error))
        finally:
            self._ended.append(entry)
            self._woken.set()

    def _is_worth_it(self, entry: Entry) -> bool:
        """Whether there is something to send, if the entry asks for that; one that only receives is always worth it."""
        if not entry.call.when_tx_exists or entry.call.xx == "rx":
            return True
        waiting = self._setting.spool().entries(entry.neighbour.id, "tx")
        return any(packet.nice <= entry.call.nice for packet in waiting)

    def _place(self, entry: Entry) -> None:
        neighbour, call = entry.neighbour, entry.call
        partner = self._online.partner(neighbour, _wishes(entry))
        log = CallLog(self._log, neighbour.id, neighbour.name)
        calls = Calls(log, lambda: self._online.calling(partner, self._log), self._stop)
        toss = AutoToss(self._setting, rules_of(self._given, call), neighbour.id)
        toss.start()
        try:
            calls.place(self._addresses(entry))
        finally:
            toss.finish()

    def _addresses(self, entry: Entry) -> tuple[str, ...]:
        """Return where to call: first where it was heard lately, then what is configured."""
        neighbour, call = entry.neighbour, entry.call
        heard = () if self._hearing is None or call.mcd_ignore else self._hearing.addresses(neighbour.id)
        if call.addr:
            return (*heard, neighbour.addrs.get(call.addr, call.addr))
        return (*heard, *neighbour.addrs.values())


def _wishes(entry: Entry) -> Wishes:
    call = entry.call
    return Wishes(
        nice=call.nice,
        send=call.xx != "rx",
        receive=call.xx != "tx",
        nock=call.nock,
        rx_rate=call.rxrate,
        tx_rate=call.txrate,
        idle_seconds=call.onlinedeadline,
        online_seconds=call.maxonlinetime,
    )
