# SPDX-License-Identifier: GPL-3.0-or-later
"""What the display says: a Status (or None: no agent) as a deck of pages, most urgent first. Pure.

House rules:

1. A bay with something in it comes before everything else; a box at rest shows its sessions, then its name, its queue
   and its last round, then its carriers. While a stick is in, calls are the working lamp's affair: a page about them
   could be taken for one about the stick.
2. Of several such bays an overview comes first, then each of them: stuck, put back, attention, safe, foreign, working.
3. The box's own problems follow; on a box at rest they precede its rest.
4. No names of sticks and no ids unless `names`; never contents, neighbours or the niceness of mail. (A Problem's words
   are the agent's; it writes them for everybody's eyes.)
5. "Safe to pull" is said of a bay that is SAFE and of no other.
6. While the time is not sure, that is said, and nothing is said of how long ago anything was or when it will be.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from muleteer.agent.status import Bay, BayState, Phase, Problem, Progress, Queue, RoundSummary, Status
from muleteer.panel import layout
from muleteer.panel.carrier_pages import carrier_pages, session_pages
from muleteer.panel.layout import Facts, Row, Sheet
from muleteer.panel.rows import moved, past_row, queue_row
from muleteer.panel.wording import count, left, legible, nameless, sentence, size, size_of, wrap

if TYPE_CHECKING:
    from collections.abc import Iterable

    from muleteer.panel.page import Page, Size

PAGES_MAX: Final = 12  # a deck that takes longer than a minute is read by nobody
PROBLEMS_MAX: Final = 4
BAYS_MAX: Final = 16

_URGENCY: Final = (
    *(BayState.STUCK, BayState.PULLED, BayState.ATTENTION),
    *(BayState.SAFE, BayState.FOREIGN, BayState.WORKING),
)
_WORDS: Final = {
    BayState.EMPTY: "EMPTY",
    BayState.WORKING: "WAIT",
    BayState.STUCK: "STUCK",
    BayState.SAFE: "PULL",
    BayState.ATTENTION: "CHECK",
    BayState.FOREIGN: "NOT OURS",
    BayState.PULLED: "PUT BACK",
}
_NO_AGENT: Final = ("Nothing is lost.", "Leave sticks in; restart the box if this stays.")
_PULLED: Final = ("Nothing is lost: the round then completes.",)
_STUCK: Final = ("Still mounted: wait, or power off first.",)
_FOREIGN: Final = ("Left untouched.", "You may pull it.")
_UNSAID: Final = Problem("The round did not go as it should.", "Try again.")


def deck(status: Status | None, size: Size, now: float | None, *, names: bool = False) -> tuple[Page, ...]:
    """Return the pages to show in turn, at least one.

    `now` is the wall clock of the status (None: unknown); with `names`, labels of sticks are shown.
    """
    sheet = Sheet(size)
    if status is None:
        return tuple(layout.numbered(_told(sheet, "agent", "broken", "NO AGENT", _NO_AGENT)))
    bays = status.bays[:BAYS_MAX]
    busy = sorted((bay for bay in bays if bay.state is not BayState.EMPTY), key=lambda bay: _URGENCY.index(bay.state))
    pages = layout.overview(sheet, "overview", [_row(bay) for bay in bays]) if len(busy) > 1 else []
    for bay in busy:
        pages += _bay(sheet, status, bay, names=names)
    pages += _problems(sheet, status)
    if not busy:
        now = now if status.time_sure else None
        pages += session_pages(sheet, status, now) + _rest(sheet, status, now) + carrier_pages(sheet, status, now)
    return tuple(layout.numbered(pages[:PAGES_MAX]))


def _bay(sheet: Sheet, status: Status, bay: Bay, *, names: bool) -> list[Page]:
    # Whose page it is: on a box with one bay there is nothing to tell apart.
    place = legible(bay.name) if len(status.bays) > 1 else ""
    if names and bay.runner:
        place = f"{place} {legible(bay.runner)}".strip()
    sheet = replace(sheet, foot=place)
    match bay.state:
        case BayState.SAFE:
            pages = [_safe(sheet, bay.last)]
        case BayState.WORKING:
            pages = [_working(sheet, bay.progress)]
        case BayState.PULLED:
            pages = _told(sheet, "pulled", "back", "PUT IT BACK", _PULLED)
        case BayState.STUCK:
            pages = _told(sheet, "stuck", "warning", "DO NOT PULL", _STUCK)
        case BayState.FOREIGN:
            pages = _told(sheet, "foreign", "stranger", "NOT OURS", _FOREIGN)
        case BayState.ATTENTION | BayState.EMPTY:
            problem = bay.problem or _UNSAID
            pages = _told(
                sheet, "attention", "warning", "ATTENTION", [problem.what, problem.remedy, "You may pull it."]
            )
    return [replace(page, about=bay.name) for page in pages]


def _safe(sheet: Sheet, last: RoundSummary | None) -> Page:
    if last is None:
        return layout.safe(sheet, "safe", "done", "")
    remark = f"{count(last.waiting)} waiting" if last.waiting > 0 else ""
    if last.refused > 0:
        remark = f"{count(last.refused)} refused"
    return layout.safe(sheet, "safe", moved(last.received, last.sent), remark)


def _working(sheet: Sheet, progress: Progress | None) -> Page:
    if progress is None:
        return layout.moving(sheet, "working", Facts("starting"))
    packets = volume = ""
    if progress.packets_total > 0:
        packets = f"{count(progress.packets_done)}/{count(progress.packets_total)}"
    if progress.bytes_total > 0:
        volume = f"{size_of(progress.bytes_done, progress.bytes_total)} of {size(progress.bytes_total)}"
    time = left(progress.seconds_left)
    return layout.moving(sheet, "working", Facts(progress.phase.value, _fraction(progress), packets, volume, time))


def _fraction(progress: Progress) -> float | None:
    done, total = progress.bytes_done, progress.bytes_total
    if total <= 0:
        done, total = progress.packets_done, progress.packets_total
    if progress.phase is Phase.DONE:
        return 1.0
    return None if total <= 0 else min(max(done / total, 0.0), 1.0)


def _told(sheet: Sheet, kind: str, icon: str, headline: str, texts: Iterable[str]) -> list[Page]:
    lines = [line for text in texts for line in wrap(legible(sentence(nameless(text))), sheet.columns)]
    return layout.notice(sheet, kind, icon, headline, lines)


def _problems(sheet: Sheet, status: Status) -> list[Page]:
    shown = status.problems[:PROBLEMS_MAX]
    more = len(status.problems) - len(shown)
    sheet = replace(sheet, foot=legible(status.name), foot_right=f"{count(more)} more" if more else "")
    return [page for p in shown for page in _told(sheet, "problem", "warning", "ATTENTION", [p.what, p.remedy])]


def _rest(sheet: Sheet, status: Status, now: float | None) -> list[Page]:
    rows = [
        queue_row(legible(queue.carrier) or "held", queue, sheet.columns) for queue in status.queue if queue.packets > 0
    ]
    rows = rows or ["nothing waits"]
    if status.waiting_toss > 0:
        rows.append(queue_row("to toss", Queue("", status.waiting_toss), sheet.columns))
    if not status.time_sure:
        rows.append("time unsure")
    if (last := status.last_round) is not None:
        words = moved(last.received, last.sent) if last.complete else "broken off"
        rows.append(past_row(words, last.ended, now, sheet.columns))
    foot = "tossing" if status.tossing else "put a stick in" if status.bays else "at rest" if status.lines else "no bay"
    return layout.calm(replace(sheet, foot=foot), "idle", legible(status.name), rows)


def _row(bay: Bay) -> Row:
    word = _WORDS[bay.state]
    fraction = None if bay.progress is None or bay.state is not BayState.WORKING else _fraction(bay.progress)
    if fraction is not None:
        word = f"{int(100 * fraction)}%".rjust(8 - len(word)).join((word, ""))
    return Row(legible(bay.name), word, pull=bay.state is BayState.SAFE)
