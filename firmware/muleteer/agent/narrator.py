# SPDX-License-Identifier: GPL-3.0-or-later
"""Say in the log what happens: one line for each event and errand that is a fact to a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muleteer.agent.events import Ending, RoundEnded, RoundErrand, StickAppeared, StickVanished, TossEnded

if TYPE_CHECKING:
    from muleteer.agent.events import Errand, Event
    from muleteer.agent.journal import Journal
    from muleteer.agent.status import Problem

WORDS = {
    Ending.COMPLETE: "round complete",
    Ending.BLEMISHED: "round ended with a problem",
    Ending.FOREIGN: "not a runner, left untouched",
    Ending.GONE: "pulled in the middle of its round",
    Ending.BROKEN_OFF: "round broken off",
    Ending.STUCK: "agent stops, and the stick is still mounted",
}


def narrate(journal: Journal, fact: Event | Errand) -> None:
    """Log one event or errand; those that repeat without news (progress, surveys) are not told."""
    match fact:
        case StickAppeared(bay, stick):
            journal.event("stick appeared", bay=bay, device=stick.device, label=stick.label, port=stick.port)
        case StickVanished(bay, device):
            journal.event("stick vanished", bay=bay, device=device)
        case RoundErrand(bay, _, runner, _):
            journal.event("round begins", bay=bay, runner=runner)
        case RoundEnded():
            _round_ended(journal, fact)
        case TossEnded(delivered, retired, _, problem):
            if problem is not None:
                journal.alarm("toss failed", problem=_words(problem))
            elif delivered:
                journal.event("tossed", packets=delivered, acknowledged=retired or None)
        case _:
            pass


def _round_ended(journal: Journal, event: RoundEnded) -> None:
    summary = event.summary
    tell = journal.alarm if event.ending in (Ending.BLEMISHED, Ending.STUCK) else journal.event
    tell(
        WORDS[event.ending],
        bay=event.bay,
        runner=summary.runner,
        received=summary.received,
        sent=summary.sent,
        waiting=summary.waiting or None,
        refused=summary.refused or None,
        problem=None if event.problem is None else _words(event.problem),
    )


def _words(problem: Problem) -> str:
    """Return a problem in the words for those who may read the log."""
    return "; ".join(problem.details) or problem.what
