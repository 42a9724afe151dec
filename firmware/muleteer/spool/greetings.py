# SPDX-License-Identifier: GPL-3.0-or-later
"""Remember who has greeted us, so that a recorded greeting is good for nothing.

The first message of an online session can be recorded and sent again by anybody (`crypto.noise`). The session that it
begins can carry nothing, but it would hold its neighbour's locks until it is given up, spend a budget, and look as if
the neighbour was there; and as a real caller with nothing to say is silent for a minute, one cannot tell them apart by
waiting. But each call has a fresh ephemeral key, so one that came before is a repetition.

SPOOL/muleteer/greetings/NODE holds the keys of the last calls, 16 bytes of each. Only who has the neighbour's own key
can fill it. It is written without a sync: what a power cut takes from it lets a recording in once more, no packet is
touched by it. So does an older recording than the last `KEPT_MAX`, once.
"""

from __future__ import annotations

from muleteer.errors import SpoolError
from muleteer.spool.disk import ensure_dir, read_whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.formats.ids import NodeId
    from muleteer.spool.spool import Spool

KEPT_MAX = 8192
"""Greetings that are remembered of a neighbour: more than five days of a call a minute, 128 KiB."""

_SIZE = 16  # bytes of each; two calls do not share them


class Greetings:
    """The greetings of all neighbours of one spool."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def is_new(self, node: NodeId, ephemeral: bytes) -> bool:
        """Tell whether a call with this ephemeral key did not come before, and remember it.

        A disk that can neither tell nor remember shuts out nobody. Never raises.
        """
        mark = ephemeral[:_SIZE]
        directory = f"{self._spool.layout.root}/muleteer/greetings"
        path = f"{directory}/{node}"
        try:
            with self._spool.guard:
                known = self._known(path)
                if any(known[at : at + _SIZE] == mark for at in range(0, len(known), _SIZE)):
                    return False
                ensure_dir(self._spool.disk, directory)
                if len(known) >= 2 * KEPT_MAX * _SIZE:
                    self._shorten(path, known[-KEPT_MAX * _SIZE :])
                with self._spool.disk.append(path) as file:
                    file.write(bytes(-file.size() % _SIZE) + mark)  # after what a cut has torn
        except SpoolError:
            return True
        return True

    def _known(self, path: str) -> bytes:
        try:
            return read_whole(self._spool.disk, path, 3 * KEPT_MAX * _SIZE)
        except FileNotFoundError:
            return b""

    def _shorten(self, path: str, rest: bytes) -> None:
        """Forget the older half; two that do this at once, or a cut, lose more of it."""
        disk = self._spool.disk
        temporary = f"{path}.{disk.unique()}"
        with disk.create(temporary) as file:
            file.write(rest)
        disk.rename(temporary, path)  # a power cut before this leaves 128 KiB behind, once in many a year
