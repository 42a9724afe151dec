# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the agent's log: one event per fact, one line an event, to a stream (stderr under systemd).

A line is the fact in words, then ``key=value`` pairs: ``round ended bay=left runner=BLUE received=9 sent=14``. Values
may be a stranger's words and are escaped. The time stands in front unless the journal of systemd takes the stream and
stamps it itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from muleteer.agent.clock import stamp
from muleteer.formats.safename import show

if TYPE_CHECKING:
    from collections.abc import Callable

VALUE_LENGTH_MAX = 200  # characters; the reason of a refusal is shorter, a hostile label need not be


class Journal:
    """Where the agent's events go; `quiet` drops all but what wants attention."""

    def __init__(self, stream: TextIO, wall: Callable[[], float], *, quiet: bool = False, stamped: bool = True) -> None:
        self._stream = stream
        self._wall = wall
        self._quiet = quiet
        self._stamped = stamped

    def event(self, fact: str, **keys: object) -> None:
        """Write one event; keys whose value is None or empty are left out."""
        if not self._quiet:
            self._write(fact, keys)

    def alarm(self, fact: str, **keys: object) -> None:
        """Write one event that a person should see, quiet or not."""
        self._write(fact, keys)

    def _write(self, fact: str, keys: dict[str, object]) -> None:
        pairs = [f" {key}={_shown(value)}" for key, value in keys.items() if value is not None and value != ""]
        when = f"{stamp(self._wall())} " if self._stamped else ""
        self._stream.write(f"{when}{fact}{''.join(pairs)}\n")
        self._stream.flush()


def _shown(value: object) -> str:
    text = show(str(value))
    if len(text) > VALUE_LENGTH_MAX:
        text = text[: VALUE_LENGTH_MAX - 1] + "…"
    return '"' + text.replace('"', "'") + '"' if " " in text or '"' in text else text
