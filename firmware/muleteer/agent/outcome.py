# SPDX-License-Identifier: GPL-3.0-or-later
"""What a call's report means for the next one. Pure."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from muleteer.agent.lines import PADDED_GREETING_BYTES
from muleteer.agent.watched_exchange import CUT_OFF
from muleteer.carriers.online import BUDGET, DISK, LOCKED
from muleteer.engines.sync_events import SILENCE, TIME

if TYPE_CHECKING:
    from muleteer.carriers.online import OnlineTerms, SessionReport

GREETING_BYTES = 32_748  # ours, padded, with nothing to announce
TERSE_GREETING_BYTES = 108
NOISE_BYTES = 4096  # what else goes over the wire either way in a session that moves nothing


class Outcome(Enum):
    """How a call went, for whoever decides about the next one."""

    LOCKED = auto()  # our own side was at work on that neighbour's packets, or our disk failed
    FAILED = auto()  # no session
    BROKEN = auto()  # a session that moved something, or part of it, and broke off
    SPENT = auto()  # a session that came to the end of its carrier's budget
    CUT_SHORT = auto()  # a session that came to its longest time, or ended while something was under way
    IDLE = auto()  # a session that moved nothing
    MOVED = auto()  # a session that moved something and came to its end

    @property
    def talked(self) -> bool:
        """Whether the neighbour was there."""
        return self not in (Outcome.LOCKED, Outcome.FAILED)

    @property
    def done(self) -> bool:
        """Whether a session came to its proper end."""
        return self.talked and self is not Outcome.BROKEN


def outcome_of(report: SessionReport, terms: OnlineTerms) -> Outcome:
    """Return what a report means; `terms` were the session's."""
    if not report.established:
        return Outcome.LOCKED if report.ended in (LOCKED, DISK) else Outcome.FAILED
    greeting = GREETING_BYTES if terms.padded else TERSE_GREETING_BYTES
    whole = report.sent + report.received > 0
    part = report.wire_out > greeting + NOISE_BYTES or report.wire_in > PADDED_GREETING_BYTES + NOISE_BYTES
    if report.error is not None or report.ended == CUT_OFF:
        return Outcome.BROKEN if whole or part else Outcome.FAILED
    if report.ended == BUDGET:
        return Outcome.SPENT
    if report.ended == TIME or (part and not whole):
        return Outcome.CUT_SHORT
    return Outcome.MOVED if whole else Outcome.IDLE


def is_brief(report: SessionReport, terms: OnlineTerms) -> bool:
    """Return whether a call on these terms proves that the neighbour greets without padding, if we do."""
    return report.established and not terms.padded and report.wire_in < PADDED_GREETING_BYTES


def too_slow(report: SessionReport) -> bool:
    """Return whether a call may have failed because the greeting did not come through in time: the line is slow."""
    return not report.established and report.ended == SILENCE and report.wire_out > 0
