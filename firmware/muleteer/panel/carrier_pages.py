# SPDX-License-Identifier: GPL-3.0-or-later
"""What the display says of the carriers: their sessions while these last, and what each of them waits for. Pure.

Of what a line or a session says in words (`said`) nothing is shown: it may hold names and addresses.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from muleteer.agent.status import LineState
from muleteer.panel import layout
from muleteer.panel.carriers import carriers, part_of_one
from muleteer.panel.layout import Talk, Way, fitting, justify
from muleteer.panel.rows import moved, past_row, queue_row, since, until
from muleteer.panel.wording import count, legible, part, size, size_of

if TYPE_CHECKING:
    from muleteer.agent.status import Status
    from muleteer.panel.carriers import Carrier
    from muleteer.panel.layout import Sheet
    from muleteer.panel.page import Page

SESSIONS_MAX: Final = 3
CARRIERS_MAX: Final = 4  # pages that take turns should come round within a minute

_LOOKS: Final = {  # icon and word of a carrier
    LineState.TALKING: ("both", "talking"),
    LineState.CALLING: ("calling", "calling"),
    LineState.EXHAUSTED: ("spent", "used up"),
    LineState.WAITING: ("up", "up"),
    LineState.IDLE: ("up", "up"),
    LineState.DOWN: ("down", "down"),
}


def session_pages(sheet: Sheet, status: Status, now: float | None) -> list[Page]:
    """Return a page for each carrier by which sessions are under way."""
    talking = [carrier for carrier in carriers(status) if carrier.state is LineState.TALKING]
    more = _more(len(talking) - SESSIONS_MAX)
    return [_session(replace(sheet, foot_right=more), carrier, now) for carrier in talking[:SESSIONS_MAX]]


def carrier_pages(sheet: Sheet, status: Status, now: float | None) -> list[Page]:
    """Return a page for each other carrier that has something to tell, the most urgent few."""
    speaking = [carrier for carrier in carriers(status) if carrier.speaks and carrier.state is not LineState.TALKING]
    chosen = sorted(speaking, key=lambda carrier: carrier.urgency)[:CARRIERS_MAX]
    sheet = replace(sheet, foot_right=_more(len(speaking) - len(chosen)))
    return [_page(replace(sheet, foot=_takes(carrier)), carrier, now) for carrier in speaking if carrier in chosen]


def _more(left_out: int) -> str:
    return f"{count(left_out)} more" if left_out > 0 else ""


def _session(sheet: Sheet, carrier: Carrier, now: float | None) -> Page:
    progress, columns = carrier.progress, sheet.columns
    inward, outward = progress.receiving_total, progress.sending_total
    time = since(carrier.since, now)
    talk = Talk(
        legible(carrier.name),
        _arrows(inward, outward),
        (
            _way("in", progress.received, progress.received_bytes, inward, columns),
            _way("out", progress.sent, progress.sent_bytes, outward, columns),
        ),
        part_of_one(progress.received_bytes + progress.sent_bytes, inward + outward),
        moved(progress.received, progress.sent),
        time,
    )
    who = f"{count(carrier.calls)} calls" if carrier.calls > 1 else "they called" if carrier.incoming else "we called"
    sheet = replace(sheet, foot=who, foot_right=sheet.foot_right or time)
    return replace(layout.talking(sheet, "session", talk), about=carrier.name)


def _arrows(inward: int, outward: int) -> str:
    if inward > 0 and outward <= 0:
        return "in"
    return "out" if outward > 0 and inward <= 0 else "both"


def _way(word: str, packets: int, done: int, whole: int, columns: int) -> Way:
    if whole <= 0 and packets <= 0:
        return Way(justify(word, "nothing", columns))
    left = f"{word} {count(packets)}"
    volume = fitting(left, (part(done, whole), size_of(done, whole)), columns) if whole > 0 else ""
    return Way(justify(left, volume, columns), part_of_one(done, whole))


def _page(sheet: Sheet, carrier: Carrier, now: float | None) -> Page:
    icon, _ = _LOOKS[carrier.state]
    rows = (_rows if sheet.roomy else _two_rows)(carrier, now, sheet.columns)
    gauge = None if carrier.budget is None else carrier.budget.fraction
    page = layout.carrier(sheet, "carrier", icon, legible(carrier.name), rows, gauge)
    return replace(page, about=carrier.name)


def _rows(carrier: Carrier, now: float | None, columns: int) -> list[str]:
    """Return all there is to tell, what matters most first."""
    rows = (
        _state(carrier, now, columns),
        _waiting(carrier, columns),
        _next_call(carrier, now, columns),
        _held(carrier),
        _last(carrier, now, columns),
    )
    return [row for row in rows if row]


def _two_rows(carrier: Carrier, now: float | None, columns: int) -> list[str]:
    """Return the same for two lines: what waits, and until when, goes into one."""
    state, *rest = _rows(carrier, now, columns)
    when = until(carrier.next_call, now)
    if carrier.waiting.packets > 0 and when:
        rest = [justify(f"{count(carrier.waiting.packets)} waiting", when, columns)]
    return [state, *rest]


def _state(carrier: Carrier, now: float | None, columns: int) -> str:
    """Return what it is doing, and what is left of its budget or, without one, since when."""
    _, word = _LOOKS[carrier.state]
    budget = carrier.budget
    if budget is None:
        word = "metered" if word == "up" and carrier.metered else word
        return justify(word, since(carrier.since, now), columns)
    if carrier.state is LineState.EXHAUSTED and budget.left <= 0:
        return justify(word, size(budget.whole), columns)
    choices = (f"{part(budget.left, budget.whole)} left", f"{size_of(budget.left, budget.whole)} left")
    return justify(word, fitting(word, choices, columns), columns)


def _waiting(carrier: Carrier, columns: int) -> str:
    return queue_row("waiting", carrier.waiting, columns) if carrier.waiting.packets > 0 else ""


def _takes(carrier: Carrier) -> str:
    """Return its ceilings as short as they can be said: "max 64 KB, FLASH"."""
    return carrier.takes.replace("up to ", "max ").removesuffix(" or more urgent")


def _next_call(carrier: Carrier, now: float | None, columns: int) -> str:
    if carrier.next_call is None:
        return ""
    return justify("next call", until(carrier.next_call, now) or "time unsure", columns)


def _held(carrier: Carrier) -> str:
    held = 0 if carrier.last is None else carrier.last.held
    return f"{count(held)} held back" if held > 0 else ""


def _last(carrier: Carrier, now: float | None, columns: int) -> str:
    last = carrier.last
    if last is None:
        return ""
    words = moved(last.received, last.sent) if last.established else "call failed"
    return past_row(words, last.ended, now, columns)
