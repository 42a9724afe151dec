# SPDX-License-Identifier: GPL-3.0-or-later
"""Follow the block devices of this machine through udev: the only module that knows pyudev.

The monitor listens before the present devices are listed, so that nothing is missed between the two; `roster` takes
the doubles out. Waiting is trio's `wait_readable` on the monitor's socket: no thread, no polling, cancelled like any
other wait.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Protocol

import pyudev
import trio

from muleteer.hotplug.roster import Roster

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from muleteer.hotplug.events import HotplugEvent

    class Device(Protocol):
        """What we ask of a pyudev device."""

        action: str | None
        properties: Mapping[str, str]

    class Monitor(Protocol):
        """What we ask of a pyudev monitor."""

        def start(self) -> None:
            """Begin to listen."""

        def fileno(self) -> int:
            """Return the descriptor to wait on."""

        def poll(self, timeout: float) -> Device | None:
            """Return the next event; None if there is none within `timeout` seconds."""


BUFFER_SIZE = (
    1 << 20
)  # bytes of kernel queue: a hub with many sticks says some hundred KiB at once; the default drops them


class Udev:
    """Insertions and removals of USB sticks on this machine.

    `monitor` and `present` are for tests; by default they are the machine's own. Raises OSError (from the constructor)
    where the machine has no udev.
    """

    def __init__(
        self, *, monitor: Monitor | None = None, present: Iterable[Device] | None = None, allow_ext4: bool = False
    ) -> None:
        if monitor is None or present is None:
            monitor, present = _of_this_machine()
        self._monitor = monitor
        self._present = present
        self._roster = Roster(allow_ext4=allow_ext4)

    async def events(self) -> AsyncIterator[HotplugEvent]:
        """Say first what is in already, then what changes; never ends by itself."""
        self._monitor.start()
        for device in self._present:
            for event in self._roster.heard("add", _known_of(device)):
                yield event
        while True:
            await trio.lowlevel.wait_readable(self._monitor.fileno())
            while (device_now := self._monitor.poll(timeout=0)) is not None:
                for event in self._roster.heard(device_now.action or "add", _known_of(device_now)):
                    yield event


def _of_this_machine() -> tuple[Monitor, Iterable[Device]]:
    try:
        context = pyudev.Context()
    except ImportError as error:  # what pyudev says when the C library is not installed
        raise OSError(errno.ENOSYS, "libudev is not installed") from error
    monitor = pyudev.Monitor.from_netlink(context)
    monitor.filter_by("block")
    monitor.set_receive_buffer_size(BUFFER_SIZE)
    return monitor, context.list_devices(subsystem="block")


def _known_of(device: Device) -> dict[str, str]:
    """Copy the properties: pyudev reads them lazily from the device, which may be gone a moment later."""
    return {key: device.properties[key] for key in list(device.properties)}
