# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn the stream of udev events into insertions and removals, each said exactly once.

udev repeats itself: the monitor is started before the devices are listed, so that nothing falls between, and what is
plugged in at that moment comes twice. A "change" event comes for a medium put into a card reader, for one taken out
of it, for a stick formatted in place, and for nothing at all.

| known      | event says        | said                                    |
|------------|-------------------|-----------------------------------------|
| nothing    | a stick           | Inserted                                |
| nothing    | not for us        | Ignored, once for each reason; nothing  |
|            |                   | of what is not on USB: nobody asks why  |
|            |                   | the machine's own disks are left alone  |
| a stick    | the same stick    | nothing                                 |
| a stick    | another stick     | Pulled, Inserted                        |
| a stick    | not for us        | Pulled, Ignored                         |
| a stick    | removed           | Pulled                                  |
| nothing    | removed           | nothing                                 |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from muleteer.hotplug.events import Ignored, Inserted, Pulled
from muleteer.hotplug.recognise import Ignore, StickFound, recognise

if TYPE_CHECKING:
    from collections.abc import Mapping

    from muleteer.hotplug.events import HotplugEvent

DEVICES_MAX = 256  # remembered at once; a hub tree has 127 devices, a card reader four units


class Roster:
    """Who is plugged in, as far as it was said."""

    def __init__(self, *, allow_ext4: bool = False) -> None:
        self._allow_ext4 = allow_ext4
        self._known: dict[str, StickFound | Ignore] = {}

    def heard(self, action: str, properties: Mapping[str, str]) -> list[HotplugEvent]:
        """Take one udev event (for a device that was listed, `action` is "add") and return what it means."""
        device = properties.get("DEVNAME", "")
        before = self._known.get(device)
        if action in ("remove", "offline"):
            self._known.pop(device, None)
            return [Pulled(device)] if isinstance(before, StickFound) else []
        now = recognise(properties, allow_ext4=self._allow_ext4)
        if not device or now == before or (before is None and len(self._known) >= DEVICES_MAX):
            return []
        self._known.pop(device, None)
        said: list[HotplugEvent] = [Pulled(device)] if isinstance(before, StickFound) else []
        if isinstance(now, Ignore) and not now.plugged:
            return said  # nor remembered: a machine may have hundreds of loop devices
        self._known[device] = now
        said.append(Inserted(now) if isinstance(now, StickFound) else Ignored(device, now.reason))
        return said
