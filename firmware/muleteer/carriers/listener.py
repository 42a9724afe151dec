# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may come in: connections are counted before they are believed.

Until a caller has proven who it is (one handshake message, 10 seconds at most) it is a *stranger*. Strangers are few at
a time, in all and from one source, so that a flood costs us a few buffers and not our memory; a known neighbour is
counted only among all connections. When there are too many strangers in all, one of the source that has most of them
makes room, the longest there: else a few who say nothing would keep the neighbours out. A source is an IPv4 address or
an IPv6 /64, which is what one subscriber has. This machine itself is no source that is limited: everything behind a
tunnel or a hidden service comes from there.

What is logged about trouble is bounded, too: a few lines a minute for each source, and in all.
"""

from __future__ import annotations

import select
import time

from muleteer.carriers.tcp import accept
from muleteer.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from _socket import socket as Socket  # noqa: N812 - it is a class
    from collections.abc import Callable, Sequence

    from muleteer.carriers.link import SocketLink
    from muleteer.carriers.stream import WakeFlag

    Answer = Callable[["SocketLink", "Guest"], None]

_WINDOW_SECONDS = 60.0
_PAUSE_SECONDS = 0.2  # before accepting again when descriptors have run out
_EVERYONE = "*"


@record
class DoorLimits:
    """How many at once: connections in all and from one source, strangers in all and from one source.

    `remarks` lines about trouble are logged a minute for one source, `remarks_in_all` for all together.
    """

    connections: int = 128
    per_source: int = 16
    strangers: int = 32
    strangers_per_source: int = 8
    remarks: int = 3
    remarks_in_all: int = 30


class Door:
    """Admits connections and counts them. Pure but for its counts; they may be used from any thread."""

    def __init__(self, limits: DoorLimits | None = None) -> None:
        import threading

        self._limits = limits or DoorLimits()
        self._lock = threading.Lock()
        self._guests: list[Guest] = []  # never longer than limits.connections
        self._said: dict[str, int] = {}  # never longer than limits.remarks_in_all + 1
        self._window_ends = 0.0

    def admit(self, address: str, hang_up: Callable[[], None] | None = None) -> Guest | None:
        """Let in a connection from `address` (``host:port``), or return None: it is to be closed at once.

        `hang_up` ends it while it is a stranger that has to make room for another; any thread may call it. Without, it
        makes no room.
        """
        source = source_of(address)
        limits = self._limits
        with self._lock:
            same = [guest for guest in self._guests if guest.source == source and source]
            strangers = [guest for guest in self._guests if not guest.is_known]
            if len(self._guests) >= limits.connections:
                return None
            if len(same) >= limits.per_source:
                return None
            if sum(not guest.is_known for guest in same) >= limits.strangers_per_source:
                return None
            if len(strangers) >= limits.strangers:
                evicted = _one_too_many(strangers)
                if evicted is None or evicted.hang_up is None:
                    return None
                self._guests.remove(evicted)
                evicted.hang_up()
            guest = Guest(self, source, hang_up)
            self._guests.append(guest)
            return guest

    def may_remark(self, address: str, now: float) -> bool:
        """Tell whether one more line about trouble with this address may be logged; `now` is monotonic seconds."""
        source = source_of(address)
        with self._lock:
            if now >= self._window_ends:
                self._said.clear()
                self._window_ends = now + _WINDOW_SECONDS
            if self._said.get(_EVERYONE, 0) >= self._limits.remarks_in_all:
                return False
            if self._said.get(source, 0) >= self._limits.remarks:
                return False
            for key in (source, _EVERYONE):
                self._said[key] = self._said.get(key, 0) + 1
            return True

    @property
    def guests(self) -> int:
        """How many are in."""
        return len(self._guests)

    def dismiss(self, guest: Guest) -> None:
        """Forget a guest that left."""
        with self._lock:
            if guest in self._guests:
                self._guests.remove(guest)


class Guest:
    """One admitted connection: a stranger until `known`."""

    __slots__ = ("_door", "hang_up", "is_known", "source")

    def __init__(self, door: Door, source: str, hang_up: Callable[[], None] | None = None) -> None:
        self._door = door
        self.source = source
        self.hang_up = hang_up
        self.is_known = False

    def known(self) -> None:
        """Note that it has proven who it is."""
        self.is_known = True

    def leave(self) -> None:
        """Note that it is gone; once or more often."""
        self._door.dismiss(self)


def _one_too_many(strangers: list[Guest]) -> Guest | None:
    """Return who can make room: of those from the most frequent source, the one that came first."""
    counts: dict[str, int] = {}
    for each in strangers:
        counts[each.source] = counts.get(each.source, 0) + 1
    able = [each for each in strangers if each.hang_up is not None]
    return max(able, key=lambda each: counts[each.source], default=None)  # of equal ones the first


def source_of(address: str) -> str:
    """Return whom a peer's address belongs to as far as limits go; empty for this machine itself."""
    host = address.rpartition(":")[0].strip("[]").partition("%")[0]
    if host.startswith("127.") or host == "::1":
        return ""
    if ":" not in host:
        return host
    head, gap, tail = host.partition("::")
    groups = head.split(":") if head else []
    if gap:
        after = tail.split(":") if tail else []
        groups += ["0"] * (8 - len(groups) - len(after)) + after
    return ":".join(groups[:4])


def serve(listeners: Sequence[Socket], door: Door, answer: Answer, stop: WakeFlag) -> None:
    """Accept connections until `stop`, in this thread; answer each in a thread of its own, and see them all end.

    ``answer(link, guest)`` carries a session to its end (it closes the link) and looks at `stop` itself.
    """
    reception = _Reception(door, answer)
    poll = select.poll()
    by_fd = {listener.fileno(): listener for listener in listeners}
    for fd in (*by_fd, stop.fileno()):
        poll.register(fd, select.POLLIN)
    while not stop.is_set:
        for fd, _ in poll.poll():
            if fd in by_fd:
                reception.welcome(by_fd[fd])
    reception.see_off()


class _Reception:
    """Accepts, and keeps the threads."""

    def __init__(self, door: Door, answer: Answer) -> None:
        self._door = door
        self._answer = answer
        self._threads: set[threading.Thread] = set()

    def welcome(self, listener: Socket) -> None:
        """Take one connection."""
        import threading

        try:
            link = accept(listener)
        except OSError:  # no descriptors left: others must end first, and the connection waits in the kernel's queue
            time.sleep(_PAUSE_SECONDS)
            return
        if link is None:
            return
        guest = self._door.admit(link.name, link.hang_up)
        if guest is None:
            link.close()
            return
        thread = threading.Thread(target=self._host, args=(link, guest), name=link.name, daemon=True)
        self._threads = {other for other in self._threads if other.is_alive()}
        try:
            thread.start()
        except RuntimeError:  # no thread to be had: it is only this one who is not answered
            guest.leave()
            link.close()
            return
        self._threads.add(thread)

    def _host(self, link: SocketLink, guest: Guest) -> None:
        try:
            self._answer(link, guest)
        finally:
            link.close()
            guest.leave()

    def see_off(self) -> None:
        for thread in self._threads:
            thread.join()
