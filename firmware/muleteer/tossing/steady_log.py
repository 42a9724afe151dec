# SPDX-License-Identifier: GPL-3.0-or-later
"""The log as tossing uses it: failing stops no mail, and what a group did is written at once."""

from __future__ import annotations

from muleteer.errors import SpoolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from muleteer.tossing.records import Fields, Log


class SteadyLog:
    """Passes events on to `log`; `problem` says why it has gaps. In a ``with`` block successes wait for its end."""

    def __init__(self, log: Log) -> None:
        self.problem = ""
        self._log = log
        self._held: list[tuple[str, str, Fields]] | None = None

    def __enter__(self) -> Self:
        self._held = []
        return self

    def __exit__(self, *exc_info: object) -> None:
        held, self._held = self._held, None
        if held:
            self.events(held)

    def event(self, who: str, message: str, fields: Fields, err: str | None = None) -> None:
        """Take one event; `err` marks it as an error."""
        if self._held is not None and err is None:
            self._held.append((who, message, fields))
            return
        try:
            self._log.event(who, message, fields, err)
        except (SpoolError, OSError) as error:
            self.problem = str(error)

    def events(self, those: list[tuple[str, str, Fields]]) -> None:
        """Take what happened together (who, message, fields)."""
        try:
            self._log.events(those)
        except (SpoolError, OSError) as error:
            self.problem = str(error)
