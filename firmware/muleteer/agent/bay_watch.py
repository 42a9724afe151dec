# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn what hotplug says into the dispatcher's events: tell which bay it is that something went into.

A simulated bay has its own source. All real bays share udev; a stick belongs to the first bay, in the order of
muleteer.toml, whose `port` glob its ID_PATH matches, and is left alone if there is none.
"""

from __future__ import annotations

import fnmatch
from contextlib import aclosing
from typing import TYPE_CHECKING, cast

from muleteer.agent.events import StickAppeared, StickVanished
from muleteer.hotplug.directory import DirectoryBay
from muleteer.hotplug.events import Ignored, Inserted, Pulled

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

    from muleteer.agent.events import Event
    from muleteer.agent.journal import Journal
    from muleteer.hotplug.events import HotplugEvent, HotplugSource

    Tell = Callable[[Event], Awaitable[None]]


async def watch_directory(bay: str, path: str, tell: Tell) -> None:
    """Tell of what goes into, and out of, one simulated bay."""
    async with _closing(DirectoryBay(path)) as events:
        async for event in events:
            match event:
                case Inserted():
                    await tell(StickAppeared(bay, event.stick))
                case Pulled():
                    await tell(StickVanished(bay, event.device))


async def watch_ports(bays: Sequence[tuple[str, str]], tell: Tell, journal: Journal) -> None:
    """Tell of what goes into, and out of, the real bays: pairs of a name and a glob."""
    from muleteer.hotplug.udev import Udev  # 3 MB that a box with simulated bays does not need

    try:
        source: HotplugSource = Udev()
    except OSError as error:
        journal.alarm("no udev here: real bays stay empty", problem=error.strerror)
        return
    switch = PortSwitch(bays)
    async with _closing(source) as events:
        async for event in events:
            if isinstance(event, Ignored):
                journal.event("device left alone", device=event.device, reason=event.reason)
            elif (told := switch.route(event)) is not None:
                await tell(told)
            elif isinstance(event, Inserted):
                journal.event("stick left alone", device=event.stick.device, reason="no bay is at its port")


class PortSwitch:
    """Knows which bay each stick went into."""

    def __init__(self, bays: Sequence[tuple[str, str]]) -> None:
        self._bays = tuple(bays)
        self._inside: dict[str, str] = {}

    def route(self, event: HotplugEvent) -> StickAppeared | StickVanished | None:
        """Return what it means for which bay; None if for none."""
        match event:
            case Inserted(stick):
                bay = next((bay for bay, port in self._bays if fnmatch.fnmatchcase(stick.port, port)), None)
                if bay is None:
                    return None
                self._inside[stick.device] = bay
                return StickAppeared(bay, stick)
            case Pulled(device):
                bay = self._inside.pop(device, None)
                return None if bay is None else StickVanished(bay, device)
            case _:
                return None


def _closing(source: HotplugSource) -> aclosing[AsyncGenerator[HotplugEvent, None]]:
    """Close a source's generator in the task that runs it, not when the garbage collector finds it."""
    return aclosing(cast("AsyncGenerator[HotplugEvent, None]", source.events()))
