# SPDX-License-Identifier: GPL-3.0-or-later
"""What the scheduler remembers of one neighbour: its lines, what waits for it, and how its last sessions went."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from muleteer.agent.backoff import Backoff
from muleteer.agent.events import CallErrand
from muleteer.agent.line_desk import LineDesk, fitting
from muleteer.agent.lines import (
    Discovered,
    addresses_of,
    answer_terms,
    covers,
    is_bound,
    online_terms,
    seconds_to_edge,
    tersely,
)
from muleteer.agent.outcome import Outcome, is_brief, outcome_of, too_slow
from muleteer.agent.reasons import CallEntry, Reason, fresh, wish
from muleteer.agent.timetable import Timetable
from muleteer.config import cron as cron_dialect

if TYPE_CHECKING:
    from collections.abc import Iterable

    from muleteer.agent.events import AnswerEnded, CallEnded, Now, PeerDiscovered, Waiting
    from muleteer.agent.line_desk import Obstacle, Surroundings
    from muleteer.agent.lines import NeighbourLines
    from muleteer.agent.status import SessionSummary
    from muleteer.carriers.online import OnlineTerms
    from muleteer.config.carrier_rules import CarrierRule
    from muleteer.config.cron import Cron
    from muleteer.config.model import Call
    from muleteer.config.zone import Offset
    from muleteer.formats.ids import NodeId

SETTLE_SECONDS = 3.0  # after a session: a real peer keeps its locks for up to a second
EXPIRY_SECONDS = 120.0  # an announcement holds so long (nncp.md section 16)
FOUND_MAX = 8  # addresses at which a neighbour announces itself: two families on a few interfaces
LOCKED_SECONDS, LOCKED_SECONDS_MAX = 5.0, 300.0  # between tries while somebody else has the neighbour's locks


@dataclass(slots=True)
class _Ask:
    """Somebody wants a call now."""

    carrier: str | None
    tried: set[str] = field(default_factory=set)


@dataclass(slots=True)
class NeighbourDesk:
    """One neighbour. Monotonic times but where said otherwise."""

    node: NodeId
    facts: NeighbourLines
    lines: list[LineDesk]
    calls: list[CallEntry]
    around: Surroundings
    waiting: tuple[Waiting, ...] = ()
    as_of: float = -math.inf  # when the survey began that counted what waits
    ended: float = -math.inf  # the last session
    served: float = -math.inf
    rest: Backoff = field(default_factory=Backoff)  # it takes nothing of what waits
    locked: Backoff = field(default_factory=Backoff)  # somebody else is at work on its packets, or the disk fails
    asked: _Ask | None = None
    found: list[Discovered] = field(default_factory=list)
    _reason: Reason | None = None  # of the call under way
    _ranked: list[LineDesk] = field(default_factory=list)

    @classmethod
    def of(
        cls, node: NodeId, facts: NeighbourLines, rules: Iterable[CarrierRule], around: Surroundings
    ) -> NeighbourDesk:
        """Return the desk of a neighbour. Raises BadCron if a `calls` entry has no expression."""
        lines = [LineDesk.of(rule, order, node, facts, around) for order, rule in enumerate(rules)]
        calls = [CallEntry(call, cron_dialect.parse(call.cron), Timetable(-math.inf)) for call in facts.calls]
        return cls(node, facts, lines, calls, around)

    def line(self, carrier: str) -> LineDesk | None:
        """Return the line of a carrier."""
        return next((line for line in self.lines if line.rule.name == carrier), None)

    @property
    def sessions(self) -> int:
        """How many are under way, or about to be: calls and answered ones."""
        return sum(line.busy for line in self.lines)

    def ranked(self) -> list[LineDesk]:
        """Return the lines, the best first."""
        if not self._ranked:
            self._ranked = sorted(self.lines, key=lambda line: line.rank)
        return self._ranked

    # ------------------------------------------------------------------------------------------ news

    def look(self, now: Now, *, leapt: bool) -> None:
        """Take note of the time."""
        for line in self.lines:
            before = line.if_waiting.due
            line.look(now, leapt=leapt)
            if line.if_waiting.due and not before and line.terms is not None:
                line.if_waiting.due = fitting(line.terms, self.waiting) is not None
        for entry in self.calls:
            if entry.timetable.after == -math.inf:
                entry.timetable.begin(now.wall)
            if leapt:
                entry.timetable.leap(now)
            before = entry.timetable.due
            next_after = partial(_next_after, entry.cron, self.around.offset)
            entry.timetable.look(next_after, now, self.around.jitter)
            if entry.timetable.due and not before and entry.call.when_tx_exists:
                entry.timetable.due = self._has_tx_for(entry.call)
        self._ranked = []

    def _has_tx_for(self, call: Call) -> bool:
        """Return whether a call that is for something waiting has anything to carry; one that only fetches has."""
        return call.xx == "rx" or any(row.nice <= call.nice for row in self.waiting)

    def surveyed(self, rows: tuple[Waiting, ...], began: float, now: Now) -> None:
        """Take note of what waits. More of it than before is worth a try with a neighbour that took nothing lately."""
        known = {row.nice: (row.count, row.total) for row in self.waiting}
        fresh = any(row.count > known.get(row.nice, (0, 0))[0] for row in rows)
        if fresh and self.rest.holds(now.monotonic):
            first = min((line.rule.terms.retry_s for line in self.lines), default=0)
            self.rest.until = min(self.rest.until, max(now.monotonic, self.ended + first))
        self.waiting, self.as_of = rows, began

    def discovered(self, event: PeerDiscovered, now: Now) -> None:
        """Take note of an announcement; one at a new place ends the back-off of the lines that can use it."""
        here = Discovered(event.address, event.interface, now.monotonic + EXPIRY_SECONDS)
        others = [one for one in self.found if one.until > now.monotonic and one.address != event.address]
        news = not any(one.address == event.address and one.until > now.monotonic for one in self.found)
        self.found = [*others[1 - FOUND_MAX :], here]
        for line in self.lines if news else ():
            if line.found_here([here], now):
                line.encourage(now)

    def ask(self, carrier: str | None) -> None:
        """Take note that somebody wants a call; while a session is under way that one is followed."""
        if not self.sessions:
            self.asked = _Ask(carrier)

    # ------------------------------------------------------------------------------------------ calling

    def reachable(self, line: LineDesk, now: Now) -> bool:
        """Return whether there is an address that a carrier could call."""
        return bool(line.addresses or self._extra(line) or line.found_here(self.found, now))

    def _extra(self, line: LineDesk) -> bool:
        return any(addresses_of(line.rule, self.facts, entry.call) for entry in self.calls)

    def shows(self, line: LineDesk, now: Now) -> bool:
        """Return whether a line is worth showing."""
        is_for = line.rule.neighbours is None or self.facts.name in line.rule.neighbours
        return bool(line.last or line.busy or (is_for and self.reachable(line, now)))

    def obstacle(self, line: LineDesk, now: Now) -> Obstacle | None:
        """Return what stands in the way of any call by a line."""
        return line.obstacle(now, reachable=self.reachable(line, now))

    def reason(self, line: LineDesk, now: Now, *, patient: bool = True) -> Reason | None:
        """Return why to call by a line now, None if not; only one that is not `patient` passes over the back-off."""
        if self.asked is not None:
            wanted = self._forced(line)
        elif patient:
            wanted = None if self.held_until(line) > now.monotonic else wish(self, line, now)
        else:
            wanted = None if self.settled > now.monotonic else fresh(self, line, now)
        return None if wanted is None or self.obstacle(line, now) is not None else wanted

    def _forced(self, line: LineDesk) -> Reason | None:
        ask = self.asked
        if ask is None or ask.carrier not in (None, line.rule.name) or line.rule.name in ask.tried:
            return None
        return Reason("asked for", insist=True)

    def held_until(self, line: LineDesk) -> float:
        """Return until when a line is left alone, whatever is to be done."""
        return max(line.backoff.until, self.settled)

    @property
    def settled(self) -> float:
        """From when on the neighbour may be called at all."""
        return max(self.ended + SETTLE_SECONDS, self.locked.until)

    def addresses(self, line: LineDesk, call: Call | None, now: Now) -> tuple[str, ...]:
        """Return where to call, best first: where the neighbour announced itself, then as configured."""
        found = () if call is not None and call.mcd_ignore else line.found_here(self.found, now)
        configured = line.addresses if call is None else addresses_of(line.rule, self.facts, call)
        if not configured and call is None:
            configured = tuple(
                address for entry in self.calls for address in addresses_of(line.rule, self.facts, entry.call)
            )
        return tuple(dict.fromkeys([*(one.address for one in found), *configured]))

    def errand(self, line: LineDesk, reason: Reason, now: Now) -> CallErrand:
        """Begin a call."""
        errand = CallErrand(
            node=self.node,
            carrier=line.rule.name,
            addresses=self.addresses(line, reason.call, now),
            terms=self._terms(line, reason.call, now),
            scheduled=reason.words,
            interface=self._interface(line, now),
            proxy=line.rule.proxy,
            insist=reason.insist,
        )
        self.served = now.monotonic
        self._reason = reason
        line.errand = errand
        line.progress = None
        if self.asked is not None:
            self.asked.tried.add(line.rule.name)
        return errand

    def _terms(self, line: LineDesk, call: Call | None, now: Now) -> OnlineTerms:
        terms = line.terms or line.rule.terms
        edge = seconds_to_edge(line.rule, terms, self.facts.name, now.wall, now.sure, self.around.offset)
        session = online_terms(terms, self.facts, call, until_edge=edge)
        return tersely(session) if line.slow else session

    def _interface(self, line: LineDesk, now: Now) -> str | None:
        """Return by which interface to go out: where the neighbour announced itself, else one after the other."""
        names = [one.name for one in line.usable]
        if not is_bound(line.rule) or not names:
            return None
        found = [one.interface for one in line.found_here(self.found, now) if one.interface in names]
        return [*found, *names][line.backoff.failures % len([*found, *names])]

    # ------------------------------------------------------------------------------------------ endings

    def call_ended(self, line: LineDesk, event: CallEnded, now: Now, jitter: float) -> None:
        """Take note of how a call went."""
        outcome = outcome_of(event.report, event.errand.terms)
        reason, self._reason = self._reason, None
        line.errand = None
        line.slow |= too_slow(event.report)
        line.is_brief |= is_brief(event.report, event.errand.terms)
        self._ended(line, event.summary, outcome, now)
        self._wait(line, reason, outcome, now.monotonic, jitter)
        if outcome.talked:
            self.locked.reset()
            self.asked = None
        if outcome.done:
            self._satisfied(event.errand.terms)

    def _wait(self, line: LineDesk, reason: Reason | None, outcome: Outcome, now: float, jitter: float) -> None:
        """Put off what did not go well, and no longer what went well."""
        terms = line.terms or line.rule.terms
        retry, retry_max = terms.retry_s, terms.retry_max_s
        if outcome is Outcome.BROKEN or outcome.done:  # it worked, if only until it did not: that is no row of failures
            line.backoff.reset()
        match outcome:
            case Outcome.LOCKED:
                self.locked.fail(now, LOCKED_SECONDS, LOCKED_SECONDS_MAX, jitter)
            case Outcome.FAILED | Outcome.BROKEN:
                line.backoff.fail(now, retry, retry_max, jitter)
                for timetable in self._timetables():
                    if timetable is (reason and reason.timetable) or (timetable.due and line.has(timetable)):
                        timetable.failed()
            case Outcome.SPENT:
                line.backoff.rest(now, retry)
            case Outcome.CUT_SHORT:
                self.rest.rest(now, retry)
            case Outcome.IDLE if reason is not None and reason.for_waiting:
                self.rest.fail(now, retry, retry_max, jitter)
            case Outcome.MOVED:
                self.rest.reset()

    def answer_ended(self, line: LineDesk, event: AnswerEnded, now: Now) -> None:
        """Take note of how a session went that the neighbour began."""
        terms = answer_terms(line.rule, self.facts, now.wall, now.sure, self.around.offset)
        outcome = outcome_of(event.report, terms or online_terms(line.rule.terms, self.facts))
        line.answering -= 1
        self._ended(line, event.summary, outcome, now)
        if outcome.talked:
            self.served = now.monotonic
            line.encourage(now)
        if outcome is Outcome.MOVED:
            self.rest.reset()
        if outcome.done and terms is not None:
            self._satisfied(terms)

    def _ended(self, line: LineDesk, summary: SessionSummary, outcome: Outcome, now: Now) -> None:
        line.talking = line.answering > 0
        line.progress = None
        line.last = summary
        if outcome.talked:
            line.seen = summary.ended
            self.ended = now.monotonic

    def _satisfied(self, terms: OnlineTerms) -> None:
        """Let go of every timetable's wish that a session on these terms has fulfilled."""
        for line in self.lines:
            if line.terms is not None and covers(terms, online_terms(line.terms, self.facts)):
                line.timetable.due = line.if_waiting.due = False
            for entry in self.calls if line.terms is not None else ():
                if covers(terms, online_terms(line.terms or line.rule.terms, self.facts, entry.call)):
                    entry.timetable.due = False

    # ------------------------------------------------------------------------------------------ deadlines

    def times(self) -> Iterable[float]:
        """Yield the monotonic times at which something may be done that waits for nothing else."""
        if self.sessions:
            return
        yield from (self.ended + SETTLE_SECONDS, self.locked.until, self.rest.until)
        for line in self.lines:
            yield line.backoff.until
        for timetable in self._timetables():
            if timetable.held is not None:
                yield timetable.held
            if timetable.due:
                yield timetable.ready

    def walls(self, now: Now) -> Iterable[float]:
        """Yield the wall times at which something changes by itself."""
        for line in self.lines:
            if line.until < math.inf:
                yield line.until
            if not self.sessions and wish(self, line, now) is not None:
                yield from (left.until for left, _ in line.budgets(now) if left is not None and left.until is not None)
        for timetable in self._timetables():
            if timetable.upcoming is not None:
                yield timetable.upcoming

    def _timetables(self) -> Iterable[Timetable]:
        return [
            *(timetable for line in self.lines for timetable in line.timetables),
            *(entry.timetable for entry in self.calls),
        ]


def _next_after(cron: Cron, offset: Offset, after: float) -> float | None:
    return cron.next(after, offset)
