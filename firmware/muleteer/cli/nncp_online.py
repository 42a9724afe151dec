# SPDX-License-Identifier: GPL-3.0-or-later
"""What the commands of the online protocol have in common: sessions with neighbours as the configuration has them."""

from __future__ import annotations

import time

from muleteer.carriers.exchange import Exchange
from muleteer.carriers.online import OnlineTerms, Partner
from muleteer.carriers.stream import WakeFlag
from muleteer.cli.nncp_setting import environment
from muleteer.crypto.keys import ExchangeKey
from muleteer.errors import UsageError
from muleteer.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.carriers.online import Log, SessionProgress
    from muleteer.cli.nncp_setting import Setting
    from muleteer.config.model import Neighbour
    from muleteer.formats.ids import PacketName

    Welcome = Callable[[bytes], Partner | None]

DEADLINE_SECONDS = 10
"""The reference's deadline for nearly everything, if NNCPDEADLINE does not say otherwise."""

_UCSPI_PEER = (("TCPREMOTEHOST", "TCPREMOTEIP"), "TCPREMOTEPORT")


@record
class Wishes:
    """What the command line or an entry of `calls` asks of a session, beyond what the neighbour's entry says.

    None leaves the neighbour's own rates and times.
    """

    nice: int
    send: bool = True
    receive: bool = True
    list_only: bool = False
    only: frozenset[PacketName] | None = None
    nock: bool = False
    rx_rate: int | None = None
    tx_rate: int | None = None
    idle_seconds: int | None = None
    online_seconds: int | None = None


class Online:
    """This node as it talks online. Raises UsageError without private keys, or if NNCPDEADLINE is no number."""

    def __init__(self, setting: Setting) -> None:
        setting.require_keys()
        self.setting = setting
        self._deadline = _deadline(environment().get("NNCPDEADLINE"))
        own = setting.config.own
        self._static = ExchangeKey(own.noiseprv if own is not None else b"")

    def partner(self, neighbour: Neighbour, wishes: Wishes) -> Partner:
        """Return a neighbour as a session takes it. Raises UsageError if it has no key for that."""
        if neighbour.noisepub is None:
            raise UsageError(problem=f"{neighbour.name} has no `noisepub`: it takes no part in online sessions")
        return Partner(neighbour.id, neighbour.name, neighbour.noisepub, self.terms(neighbour, wishes))

    def terms(self, neighbour: Neighbour, wishes: Wishes) -> OnlineTerms:
        """Return what may be carried, and how fast and long."""
        idle = _first(wishes.idle_seconds, neighbour.onlinedeadline, self._deadline)
        return OnlineTerms(
            nice=wishes.nice,
            send=wishes.send,
            receive=wishes.receive,
            list_only=wishes.list_only,
            only=wishes.only,
            nock=wishes.nock,
            idle_seconds=float(idle),
            online_seconds=float(_first(wishes.online_seconds, neighbour.maxonlinetime, 0)),
            frame_seconds=float(self._deadline),
            rx_rate=_first(wishes.rx_rate, neighbour.rxrate, 0),
            tx_rate=_first(wishes.tx_rate, neighbour.txrate, 0),
        )

    def calling(self, partner: Partner, log: Log) -> Exchange:
        """Return a fresh exchange for calling a neighbour."""
        return Exchange(
            self.setting.spool(),
            self._static,
            partner=partner,
            ephemeral=ExchangeKey.generate(),
            log=log,
            progress=Meters(self.setting).show,
        )

    def answering(self, welcome: Welcome, log: Log) -> Exchange:
        """Return a fresh exchange for answering whoever calls and is welcome."""
        return Exchange(
            self.setting.spool(),
            self._static,
            welcome=welcome,
            ephemeral=ExchangeKey.generate(),
            log=log,
            progress=Meters(self.setting).show,
            frame_seconds=float(self._deadline),
        )


class Meters:
    """The progress lines of one session: one packet at a time in each direction.

    What is shown first of a packet may be its end: it began when the one before it ended, or the session.
    """

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._since = {way: time.monotonic() for way in ("rx", "tx")}
        self._current: dict[str, tuple[bytes, Callable[[int], None] | None]] = {}

    def show(self, progress: SessionProgress) -> None:
        """Draw how far a packet is."""
        name, meter = self._current.get(progress.way, (b"", None))
        if name != progress.name:
            verb, since = progress.way.capitalize(), self._since[progress.way]
            meter = self._setting.meter(verb, str(progress.name), progress.size, since)
            self._current[progress.way] = progress.name, meter
        if meter is not None:
            meter(progress.done)
        if progress.done >= progress.size:
            self._since[progress.way] = time.monotonic()


def remote_of(environ: dict[str, str]) -> str:
    """Return the peer's address as a UCSPI server or client tells it; ``-`` if it does not."""
    (names, port) = _UCSPI_PEER
    if environ.get("PROTO") != "TCP":
        return "-"
    host = next((environ[name] for name in names if environ.get(name)), "")
    return f"{host}:{environ[port]}" if environ.get(port) else host or "-"


def _deadline(text: str | None) -> int:
    if not text:
        return DEADLINE_SECONDS
    if not (text.isascii() and text.isdigit()):
        raise UsageError(problem=f"NNCPDEADLINE is {text!r}, no number of seconds")
    return int(text)


def _first(*values: int | None) -> int:
    """Return the first that is given."""
    return next(value for value in values if value is not None)


class stop_on_signals:  # noqa: N801 - used like a function
    """A context in which SIGTERM and SIGINT end what is going on in good order: it gives the flag they set."""

    def __enter__(self) -> WakeFlag:
        import signal

        self._flag = WakeFlag()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._flag.set())
        return self._flag

    def __exit__(self, *_: object) -> None:
        import signal

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
