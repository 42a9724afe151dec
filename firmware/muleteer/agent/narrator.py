# SPDX-License-Identifier: GPL-3.0-or-later
"""Say in the log what happens: one line for each event and errand that is a fact to a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muleteer.agent.events import (
    AnswerEnded,
    CallEnded,
    CallErrand,
    Ending,
    InterfacesChanged,
    RoundEnded,
    RoundErrand,
    SessionBegan,
    StickAppeared,
    StickVanished,
    TossEnded,
    TroubleChanged,
)

if TYPE_CHECKING:
    from muleteer.agent.events import Errand, Event
    from muleteer.agent.journal import Journal
    from muleteer.agent.status import Problem, SessionSummary
    from muleteer.config.model import Config
    from muleteer.formats.ids import NodeId

    OfLinks = CallErrand | SessionBegan | CallEnded | AnswerEnded | InterfacesChanged | TroubleChanged

WORDS = {
    Ending.COMPLETE: "round complete",
    Ending.BLEMISHED: "round ended with a problem",
    Ending.FOREIGN: "not a runner, left untouched",
    Ending.NOT_NOW: "stick left untouched",
    Ending.GONE: "pulled in the middle of its round",
    Ending.BROKEN_OFF: "round broken off",
    Ending.STUCK: "agent stops, and the stick is still mounted",
}


def narrate(journal: Journal, fact: Event | Errand, config: Config | None = None) -> None:
    """Log one event or errand; those that repeat without news (progress, surveys) are not told.

    `config` gives neighbours their names.
    """
    match fact:
        case StickAppeared(bay, stick):
            journal.event("stick appeared", bay=bay, device=stick.device, label=stick.label, port=stick.port)
        case StickVanished(bay, device):
            journal.event("stick vanished", bay=bay, device=device)
        case RoundErrand(bay, _, runner, _, not_now):
            if not_now is None:
                journal.event("round begins", bay=bay, runner=runner)
        case RoundEnded():
            _round_ended(journal, fact)
        case TossEnded(delivered, retired, _, problem):
            if problem is not None:
                journal.alarm("toss failed", problem=_words(problem))
            elif delivered:
                journal.event("tossed", packets=delivered, acknowledged=retired or None)
        case CallErrand() | SessionBegan() | CallEnded() | AnswerEnded() | InterfacesChanged() | TroubleChanged():
            _of_links(journal, fact, config)
        case _:
            pass


def _of_links(journal: Journal, fact: OfLinks, config: Config | None) -> None:
    match fact:
        case CallErrand():
            journal.event("calling", neighbour=_name(fact.node, config), carrier=fact.carrier, why=fact.scheduled)
        case SessionBegan(node, carrier, incoming):
            who = "they called" if incoming else "we called"
            journal.event("session began", neighbour=_name(node, config), carrier=carrier, who=who)
        case CallEnded(errand, _, summary, _):
            _session_ended(journal, _name(errand.node, config), errand.carrier, summary)
        case AnswerEnded(node, carrier, _, summary, _):
            _session_ended(journal, _name(node, config), carrier, summary)
        case InterfacesChanged(interfaces):
            journal.event("interfaces", up=" ".join(i.name for i in interfaces if i.up) or "none")
        case TroubleChanged(source, problem):
            if problem is not None:
                journal.alarm(problem.what, source=source, problem=_words(problem))


def _session_ended(journal: Journal, neighbour: str, carrier: str, summary: SessionSummary) -> None:
    journal.event(
        "session ended" if summary.established else "call failed",
        neighbour=neighbour,
        carrier=carrier,
        received=summary.received if summary.established else None,
        sent=summary.sent if summary.established else None,
        wire=summary.wire or None,
        held=summary.held or None,
        why=summary.said,
    )


def _name(node: NodeId, config: Config | None) -> str:
    neighbour = None if config is None else config.neighbours.get(node)
    return str(node) if neighbour is None else neighbour.name


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
