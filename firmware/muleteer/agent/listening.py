# SPDX-License-Identifier: GPL-3.0-or-later
"""Listen for neighbours: accept connections, and have each answered in a worker thread.

Accepting is done in trio, so a box that nobody calls has no thread for it. An address that cannot be listened at (it
is not ours yet, or another program has the port) is a trouble of the box, and tried again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from muleteer.agent.events import TroubleChanged
from muleteer.agent.status import Problem
from muleteer.carriers.tcp import accept, listen
from muleteer.errors import LinkFailed

if TYPE_CHECKING:
    from _socket import socket as Socket  # noqa: N812 - as `carriers.tcp` has it
    from collections.abc import Awaitable, Callable, Iterable

    from muleteer.agent.events import Event
    from muleteer.agent.journal import Journal
    from muleteer.carriers.link import SocketLink
    from muleteer.carriers.listener import Door, Guest

    Answer = Callable[[SocketLink, Guest], None]
    Tell = Callable[[Event], Awaitable[None]]

AGAIN_SECONDS = 30.0  # until an address that could not be listened at is tried again
BREATH_SECONDS = 0.2  # before accepting again when descriptors have run out
THREADS_MAX = 128  # sessions that are answered at once; the door admits no more


class Listening:
    """Listens at some addresses until cancelled; sessions that are under way then are waited for."""

    def __init__(self, addresses: Iterable[str], door: Door, answer: Answer, tell: Tell, journal: Journal) -> None:
        self._addresses = tuple(addresses)
        self._door = door
        self._answer = answer
        self._tell = tell
        self._journal = journal
        self._limiter = trio.CapacityLimiter(THREADS_MAX)

    async def run(self) -> None:
        """Listen and answer; never ends by itself. Answers go on when this is cancelled, to their own end."""
        async with trio.open_nursery() as nursery:
            for address in self._addresses:
                nursery.start_soon(self._serve, address, nursery)

    async def _serve(self, address: str, nursery: trio.Nursery) -> None:
        sockets = await self._opened(address)
        try:
            async with trio.open_nursery() as accepting:
                for listening in sockets:
                    accepting.start_soon(self._accept, listening, nursery)
        finally:
            for listening in sockets:
                listening.close()

    async def _opened(self, address: str) -> list[Socket]:
        """Return listening sockets for an address as soon as it can be had."""
        told = False
        while True:
            try:
                sockets = listen(address)
            except LinkFailed as error:
                if not told:
                    self._journal.alarm("cannot listen", address=address, problem=error.facts.get("problem"))
                    await self._tell(TroubleChanged(f"listen {address}", _problem(error)))
                told = True
                await trio.sleep(AGAIN_SECONDS)
                continue
            self._journal.event("listening", address=address)
            await self._tell(TroubleChanged(f"listen {address}", None))
            return sockets

    async def _accept(self, listening: Socket, nursery: trio.Nursery) -> None:
        while True:
            await trio.lowlevel.wait_readable(listening.fileno())
            try:
                link = accept(listening)
            except OSError:  # no descriptors left: others must end first, and the caller waits in the kernel's queue
                await trio.sleep(BREATH_SECONDS)
                continue
            if link is None:
                continue
            guest = self._door.admit(link.name, link.hang_up)
            if guest is None:
                link.close()
            else:
                nursery.start_soon(self._host, link, guest)

    async def _host(self, link: SocketLink, guest: Guest) -> None:
        has_begun = False

        def answer() -> None:
            nonlocal has_begun
            has_begun = True
            self._answer(link, guest)

        with trio.CancelScope(shield=True):  # its end is for the stop flag to bring about
            try:
                await trio.to_thread.run_sync(answer, limiter=self._limiter)
            except RuntimeError:
                if has_begun:
                    raise
                link.close()  # the machine has no thread left: this caller has to come again, the others go on
            finally:
                guest.leave()


def _problem(error: LinkFailed) -> Problem:
    return Problem(
        "neighbours cannot call this box: its port cannot be listened at",
        "see `muleteer status`",
        None,
        (str(error), "If another program is to answer calls here, write listen = [] in muleteer.toml."),
    )
