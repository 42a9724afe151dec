# SPDX-License-Identifier: GPL-3.0-or-later
"""Gather what is wrong with the whole box, in the order in which a person should look at it. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from muleteer.agent.status import BayState, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from muleteer.agent.status import Bay

PROBLEMS_MAX = 16  # shown at once; a person reads the first
SESSION_LOG = "session log"


class Troubles:
    """What is wrong, by who said so; bays tell theirs themselves."""

    def __init__(self) -> None:
        self._toss: Problem | None = None
        self._standing: dict[str, Problem] = {}  # by source: the port, the clock
        self._lost: dict[str, Problem] = {}  # runner -> pulled in the middle, and not seen since
        self._survey: tuple[Problem, ...] = ()

    def shown(self, bays: Iterable[Bay]) -> tuple[Problem, ...]:
        """Return all there is to say, but for what a bay says already."""
        first = () if self._toss is None else (self._toss,)
        said = {bay.runner for bay in bays if bay.state in (BayState.PULLED, BayState.WORKING)}
        lost = (problem for runner, problem in self._lost.items() if runner not in said)
        standing = (p for p in self._standing.values() if self._toss is None or p.what != self._toss.what)
        return (*first, *standing, *lost, *self._survey)[:PROBLEMS_MAX]

    def toss(self, problem: Problem | None, wall: float) -> None:
        """Take how the last toss went."""
        self._toss = problem and replace(problem, since=wall)

    def survey(self, problems: tuple[Problem, ...]) -> None:
        """Take what the last survey found."""
        self._survey = problems

    def standing(self, source: str, problem: Problem | None, wall: float) -> None:
        """Take what lasts until its source says that it is over (None)."""
        before = self._standing.pop(source, None)
        if problem is not None:
            since = wall if before is None else before.since
            self._standing[source] = replace(problem, since=problem.since or since)

    def session_log(self, problem: Problem | None, wall: float) -> None:
        """Take how the last session fared with NNCP's log."""
        self.standing(SESSION_LOG, problem, wall)

    def lost(self, runner: str, wall: float) -> None:
        """Take that a runner was pulled in the middle of its round."""
        self._lost.pop(runner, None)
        self._lost[runner] = replace(pulled_problem(runner), since=wall)
        while len(self._lost) > PROBLEMS_MAX:
            self._lost.pop(next(iter(self._lost)))

    def found(self, runner: str) -> None:
        """Take that a runner has completed its round."""
        self._lost.pop(runner, None)


def pulled_problem(runner: str) -> Problem:
    """Return what to say of a runner that was pulled in the middle of its round."""
    return Problem(
        what="a stick was pulled in the middle of its round",
        remedy="put it back: nothing is lost, the round completes",
        details=(f"it was {runner}",) if runner else (),
    )
