# SPDX-License-Identifier: GPL-3.0-or-later
"""``nncp-call``: call a neighbour's daemon and exchange packets with it."""

from __future__ import annotations

import posix as os  # os itself takes 0.8 ms to import

from muleteer.carriers.call_log import CallLog
from muleteer.carriers.link import FdLink
from muleteer.cli.flags import INT, SWITCH, TEXT, UINT, Flag
from muleteer.cli.nncp import Misused
from muleteer.cli.nncp_autotoss import FLAGS as AUTOTOSS
from muleteer.cli.nncp_autotoss import AutoToss, rules_of
from muleteer.cli.nncp_calls import Calls
from muleteer.cli.nncp_online import Online, Wishes, remote_of
from muleteer.cli.nncp_setting import WORKING, environment, load_setting
from muleteer.errors import BadEncoding, UsageError
from muleteer.formats.ids import PacketName
from muleteer.formats.niceness import parse_nice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from muleteer.carriers.online import SessionReport
    from muleteer.cli.flags import Given
    from muleteer.cli.nncp_setting import Setting
    from muleteer.config.model import Neighbour

SUMMARY = """call a neighbour's daemon, send what waits for it and receive what it has for us

NAME [flags] NODE[:ADDR] [ADDRESS]

ADDR is the name of one of the neighbour's `addrs`, ADDRESS is used instead of them: HOST:PORT, |COMMAND, or
socks5://PROXY:PORT/HOST:PORT through a SOCKS5 proxy such as Tor's. Status 0: a session took place and left nothing."""
UNSET = -1
"""Default of the flags that otherwise leave it to the configuration."""
FLAGS = (
    *WORKING,
    *AUTOTOSS,
    Flag("nice", TEXT, "MAX", "only packets at least this urgent"),
    Flag("rx", SWITCH, False, "only receive"),
    Flag("tx", SWITCH, False, "only send"),
    Flag("list", SWITCH, False, "only list what the neighbour has for us"),
    Flag("pkts", TEXT, "", "receive only these packets, separated by commas"),
    Flag("nock", SWITCH, False, "leave what arrives unchecked, for nncp-check -nock"),
    Flag("rxrate", INT, UNSET, "receive at most so many frames a second"),
    Flag("txrate", INT, UNSET, "send at most so many frames a second"),
    Flag("onlinedeadline", UINT, 0, "hang up after so many seconds in which nothing was exchanged"),
    Flag("maxonlinetime", UINT, 0, "hang up after so many seconds"),
    Flag("mcd-wait", UINT, 0, "instead of the configured addresses, use those heard by multicast in so many seconds"),
    Flag("ucspi", SWITCH, False, "talk through descriptors 6 and 7, as a UCSPI client"),
)
UCSPI_FDS = 6, 7


def run(given: Given) -> int:
    """Call; 1 unless a session took place and left nothing to do."""
    if not 1 <= len(given.words) <= 2:
        raise Misused
    wishes = _wishes(given)
    setting = load_setting(given)
    online = Online(setting)
    name, colon, label = given.words[0].partition(":")
    neighbour = setting.find(name, "NODE")
    partner = online.partner(neighbour, wishes)
    log = setting.report()
    calls = Calls(CallLog(log, neighbour.id, neighbour.name), lambda: online.calling(partner, log))
    if given.on("ucspi"):
        return _status(given, setting, neighbour, lambda: calls.talk(FdLink(*UCSPI_FDS, remote_of(environment()))))
    addresses = _addresses(setting, given, neighbour, label if colon else "")
    return _status(given, setting, neighbour, lambda: calls.place(addresses, own_group=not os.isatty(0)))


def _status(given: Given, setting: Setting, neighbour: Neighbour, call: Callable[[], SessionReport | None]) -> int:
    """Call while tossing, if that is wanted; return the exit status."""
    toss = AutoToss(setting, rules_of(given), neighbour.id)
    toss.start()
    try:
        report = call()
    finally:
        tossed = toss.finish()
    if report is None or not report.established:
        return 1
    return 0 if tossed and report.error is None and (given.on("list") or not report.unfinished) else 1


def _wishes(given: Given) -> Wishes:
    if given.on("rx") and given.on("tx"):
        raise UsageError(problem="-rx and -tx contradict each other")
    return Wishes(
        nice=parse_nice(given.text("nice")),
        send=not given.on("rx"),
        receive=not given.on("tx"),
        list_only=given.on("list"),
        only=_packets(given.text("pkts")),
        nock=given.on("nock"),
        rx_rate=_given_number(given, "rxrate"),
        tx_rate=_given_number(given, "txrate"),
        idle_seconds=_given_number(given, "onlinedeadline"),
        online_seconds=_given_number(given, "maxonlinetime"),
    )


def _given_number(given: Given, flag: str) -> int | None:
    number = given.number(flag)
    return number if number > 0 or (number == 0 and flag.endswith("rate")) else None


def _packets(text: str) -> frozenset[PacketName] | None:
    if not text:
        return None
    try:
        return frozenset([PacketName.parse(name) for name in text.split(",")])
    except BadEncoding as error:
        raise UsageError(problem=f"-pkts {text!r} lists something that is no packet: {error}") from error


def _addresses(setting: Setting, given: Given, neighbour: Neighbour, label: str) -> Sequence[str]:
    """Return where to call, in order."""
    if given.number("mcd-wait"):
        from muleteer.cli.nncp_discovery import wait_for

        return wait_for(setting, neighbour, given.number("mcd-wait"))
    if len(given.words) == 2:
        return (given.words[1],)
    if label and label not in neighbour.addrs:
        raise UsageError(problem=f"{neighbour.name} has no address {label!r} in `addrs` of {setting.config.path}")
    if label:
        return (neighbour.addrs[label],)
    if not neighbour.addrs:
        raise UsageError(problem=f"{neighbour.name} has no `addrs` in {setting.config.path}: name an ADDRESS")
    return tuple(neighbour.addrs.values())
