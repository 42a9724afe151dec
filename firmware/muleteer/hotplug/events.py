# SPDX-License-Identifier: GPL-3.0-or-later
"""What a source of insertions says, whether it is udev or a simulated bay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from muleteer.hotplug.recognise import StickFound


@dataclass(frozen=True, slots=True)
class Inserted:
    """A stick is in. It is in until `Pulled` names the same device."""

    stick: StickFound


@dataclass(frozen=True, slots=True)
class Ignored:
    """Something was plugged in that is left alone; `reason` ends the sentence "DEVICE is left alone: ..."."""

    device: str
    reason: str


@dataclass(frozen=True, slots=True)
class Pulled:
    """The stick that was `Inserted` as `device` is gone."""

    device: str


HotplugEvent = Inserted | Ignored | Pulled


class HotplugSource(Protocol):
    """Where insertions come from."""

    def events(self) -> AsyncIterator[HotplugEvent]:
        """Say first what is in already, then what changes; never ends by itself."""
