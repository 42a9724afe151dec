# SPDX-License-Identifier: GPL-3.0-or-later
"""``nncp-daemon``: answer neighbours who call."""

from __future__ import annotations

import select
import time

from muleteer.carriers.address import parse_endpoint
from muleteer.carriers.call_log import CallLog
from muleteer.carriers.link import FdLink
from muleteer.carriers.listener import Door, DoorLimits, serve
from muleteer.carriers.multicast import Announcer
from muleteer.carriers.stream import run as run_stream
from muleteer.carriers.tcp import listen, port_of
from muleteer.cli.flags import INT, SWITCH, TEXT, Flag, Given
from muleteer.cli.nncp_autotoss import FLAGS as AUTOTOSS
from muleteer.cli.nncp_autotoss import AutoToss, rules_of
from muleteer.cli.nncp_online import Online, Wishes, remote_of, stop_on_signals
from muleteer.cli.nncp_say import take_streams
from muleteer.cli.nncp_setting import WORKING, environment, load_setting
from muleteer.errors import MuleteerError, NotYetSupported, UsageError
from muleteer.formats.mcd import PORT
from muleteer.formats.niceness import parse_nice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.carriers.link import Link
    from muleteer.carriers.listener import Guest
    from muleteer.carriers.online import Partner
    from muleteer.carriers.stream import WakeFlag
    from muleteer.cli.nncp_report import Report
    from muleteer.cli.nncp_setting import Setting
    from muleteer.config.model import Neighbour

SUMMARY = """answer neighbours who call, until stopped

NAME [flags] [-bind ADDRESS]

With -ucspi (or -inetd) it answers one of them through standard input and output, which inetd, tcpserver or a forced
command of ssh connected."""
FLAGS = (
    *WORKING,
    *AUTOTOSS,
    Flag("bind", TEXT, "[::]:5400", "listen there; empty: nowhere"),
    Flag("nice", TEXT, "MAX", "only packets at least this urgent"),
    Flag("maxconn", INT, 128, "at most so many connections at once"),
    Flag("nock", SWITCH, False, "leave what arrives unchecked, for nncp-check -nock"),
    Flag("mcd-once", SWITCH, False, "announce this node by multicast once, and exit"),
    Flag("ucspi", SWITCH, False, "answer one caller through standard input and output"),
    Flag("inetd", SWITCH, False, "the old name of -ucspi"),
    Flag("yggdrasil", TEXT, "", "not supported"),
)


def run(given: Given) -> int:
    """Answer until stopped; 1 if it cannot listen, or if the only caller of -ucspi was none of ours."""
    if given.text("yggdrasil"):
        raise NotYetSupported(feature="the Yggdrasil network")
    if given.on("ucspi") or given.on("inetd"):
        return _answer_one(given)
    if given.number("maxconn") < 1:
        raise UsageError(problem="-maxconn must be 1 or more")
    setting = load_setting(given)
    daemon = _Daemon(setting, given)
    if given.on("mcd-once"):
        return 0 if daemon.announce_once() else 1
    listeners = listen(given.text("bind"))
    with stop_on_signals() as stop:
        daemon.announce(stop)
        serve(listeners, daemon.door, lambda link, guest: daemon.host(link, guest, stop), stop)
    return 0


def _answer_one(given: Given) -> int:
    """Answer through standard input and output, from which everything else is kept away, standard error included."""
    reader, writer = take_streams()
    quiet = Given({**given.flags, "quiet": True, "debug": False}, given.words)
    daemon = _Daemon(load_setting(quiet), quiet)
    with stop_on_signals() as stop:
        guest = daemon.door.admit("")
        link = FdLink(reader, writer, remote_of(environment()))
        return 0 if guest is not None and daemon.answer(link, guest, stop) else 1


class _Daemon:
    """What all answers have in common."""

    def __init__(self, setting: Setting, given: Given) -> None:
        self.setting = setting
        self.online = Online(setting)
        self.given = given
        self.door = Door(DoorLimits(connections=given.number("maxconn")))
        self.log: Report = setting.report()
        self._wishes = Wishes(nice=parse_nice(given.text("nice")), nock=given.on("nock"))
        self._by_key = {each.noisepub: each for each in setting.config.neighbours.values() if each.noisepub}

    def answer(self, link: Link, guest: Guest, stop: WakeFlag) -> bool:
        """Have a session with whoever called; return whether it was one of ours."""
        return _Visit(self, link, guest).receive(stop)

    def host(self, link: Link, guest: Guest, stop: WakeFlag) -> None:
        """Answer one of many."""
        self.answer(link, guest, stop)

    def recognise(self, noisepub: bytes) -> tuple[Neighbour, Partner] | None:
        """Return who has a key."""
        neighbour = self._by_key.get(noisepub)
        return None if neighbour is None else (neighbour, self.online.partner(neighbour, self._wishes))

    def announce_once(self) -> bool:
        """Announce this node by multicast; return whether it went out anywhere."""
        announcer = self._announcer()
        return announcer is not None and any(error is None for _, error in self._tell(announcer))

    def announce(self, stop: WakeFlag) -> None:
        """Announce this node by multicast as long as it runs, in a thread of its own."""
        announcer = self._announcer()
        if announcer is None:
            return
        import threading

        def go_on() -> None:
            poll = select.poll()
            poll.register(stop.fileno(), select.POLLIN)
            while not stop.is_set:
                self._tell(announcer)
                at = announcer.deadline()
                poll.poll(None if at is None else max(0, int((at - time.monotonic()) * 1000) + 1))
            announcer.close()

        threading.Thread(target=go_on, name="mcd", daemon=True).start()

    def _announcer(self) -> Announcer | None:
        config, bind = self.setting.config, self.given.text("bind")
        if not config.mcd_send or not bind or config.own is None:
            return None
        port = port_of(parse_endpoint(bind))
        try:
            return Announcer(config.own.id, port, config.mcd_send)
        except OSError as error:  # discovery is a convenience; answering goes on
            self.log.event("mcd", f"MCD on port {port}", [], str(error.strerror))
            return None

    def _tell(self, announcer: Announcer) -> list[tuple[str, OSError | None]]:
        told = announcer.announce(time.monotonic())
        for interface, error in told:
            if error is not None and self.door.may_remark(f"{interface}:", time.monotonic()):
                self.log.event("mcd", f"MCD on {interface}/{PORT}", [("If", interface)], str(error.strerror))
        return told


class _Visit:
    """One connection, from the first byte to the last."""

    def __init__(self, daemon: _Daemon, link: Link, guest: Guest) -> None:
        self._daemon = daemon
        self._link = link
        self._guest = guest
        self._calls: CallLog | None = None
        self._toss: AutoToss | None = None
        self._begun = 0.0

    def receive(self, stop: WakeFlag) -> bool:
        """Have the session; return whether there was one."""
        exchange = self._daemon.online.answering(self._welcome, self)
        try:
            report = run_stream(self._link, exchange, stop, began=self._began)
        except MuleteerError as error:
            self._fail(error)
            return False
        finally:
            if self._toss is not None:
                self._toss.finish()
        if not report.established or self._calls is None:
            self._fail(report.error)
            return False
        self._calls.finished(self._link.name, report, time.monotonic() - self._begun)
        return True

    def event(self, who: str, message: str, fields: list[tuple[str, str]], err: str | None = None) -> None:
        """Log what the exchange tells; of strangers' trouble only so much."""
        if err is None or self._guest.is_known or self._may_remark():
            self._daemon.log.event(who, message, fields, err)

    def events(self, those: list[tuple[str, str, list[tuple[str, str]]]]) -> None:
        """Log what the exchange tells at once."""
        self._daemon.log.events(those)

    def _welcome(self, noisepub: bytes) -> Partner | None:
        known = self._daemon.recognise(noisepub)
        if known is None:
            return None
        neighbour, partner = known
        self._calls = CallLog(self._daemon.log, neighbour.id, neighbour.name, incoming=True)
        self._toss = AutoToss(self._daemon.setting, rules_of(self._daemon.given), neighbour.id)
        return partner

    def _began(self) -> None:
        self._guest.known()
        self._begun = time.monotonic()
        if self._calls is not None and self._toss is not None:
            self._calls.started(self._link.name)
            self._toss.start()

    def _fail(self, error: MuleteerError | None) -> None:
        if not self._may_remark():
            return
        if self._calls is not None:
            self._calls.failed(self._link.name, error)
        else:
            fields = [("Node", "unknown"), ("Addr", self._link.name)]
            self._daemon.log.event("call-started", f"Connected to unknown ({self._link.name})", fields)

    def _may_remark(self) -> bool:
        return self._daemon.door.may_remark(self._link.name, time.monotonic())
