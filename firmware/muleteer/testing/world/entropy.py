# SPDX-License-Identifier: GPL-3.0-or-later
"""Random bytes that a seed decides, in place of the kernel's: the same seed makes the same packets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self
from unittest import mock

from muleteer.crypto import entropy

if TYPE_CHECKING:
    import random


class SeededEntropy:
    """While entered, `crypto.entropy` draws from `chance`. For one world at a time in a process."""

    def __init__(self, chance: random.Random) -> None:
        self._patch = mock.patch.object(entropy, "urandom", chance.randbytes)

    def __enter__(self) -> Self:
        self._patch.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._patch.stop()
