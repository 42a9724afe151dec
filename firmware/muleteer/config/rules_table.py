# SPDX-License-Identifier: GPL-3.0-or-later
"""Show the carrier rules as one table, as the box understands them (``muleteer rules show``). Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from muleteer.config.carrier_rules import STICK, CarrierTerms
from muleteer.config.carrier_table import NEVER, WAITING
from muleteer.config.units import show_days, show_duration, show_hours, show_size
from muleteer.formats.niceness import BULK, FLASH, MAX, NORMAL, PRIORITY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from muleteer.config.appliance import Appliance
    from muleteer.config.carrier_rules import Budget, CarrierRule, Variant, Window

HEAD = ("CARRIER", "WHEN, FOR WHOM", "NICENESS", "SIZE", "WAY", "BUDGET", "CALLS", "COST")
_CLASSES = {FLASH: "FLASH", PRIORITY: "PRIORITY", NORMAL: "NORMAL", BULK: "BULK", MAX: "MAX"}
_CELLS = {
    "nice": 2,
    "size": 3,
    "send": 4,
    "receive": 4,
    "budgets": 5,
    "air": 5,
    "when_waiting": 6,
    "crons": 6,
    "crons_waiting": 6,
    "cost": 7,
}
"""Where in a row of the table each field of CarrierTerms stands; the others are told below it."""

_PLAIN = CarrierTerms()


def table_text(appliance: Appliance) -> str:
    """Return the table, and below it what each carrier's rule says beyond it."""
    rows: list[tuple[str, ...]] = [HEAD]
    more: list[str] = []
    for rule in (*appliance.carriers.values(), *appliance.lines.values()):
        rows += _rows(rule)
        more += _more(rule)
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    notes = ["", "A line with a dot says what differs then; of several that hold, the lower one counts."]
    return "\n".join([*lines, *(["", *more] if more else []), *(notes if _varies(appliance) else [])]) + "\n"


def _varies(appliance: Appliance) -> bool:
    return any(rule.variants for rule in (*appliance.carriers.values(), *appliance.lines.values()))


def _rows(rule: CarrierRule) -> Iterator[tuple[str, ...]]:
    when = _when(rule.window, rule.neighbours)
    cells = _cells(rule.terms)
    if rule.kind == STICK:
        yield (rule.name, when, *cells[:3], "none", "-", "-")
    else:
        yield (rule.name, when, *cells[:4], "`calls` alone" if rule.implicit else cells[4], *cells[5:])
    for variant in rule.variants:
        yield _variant_row(rule, variant)


def _variant_row(rule: CarrierRule, variant: Variant) -> tuple[str, ...]:
    changes: dict[str, Any] = dict(variant.changes)
    cells = _cells(CarrierTerms(**{field: getattr(rule.terms, field) for field in _CELLS} | _known(changes)))
    shown = {_CELLS[field] for field in changes if field in _CELLS}
    row = tuple(cell if column in shown else "" for column, cell in enumerate(cells, 2))
    return (f" .{variant.name}", _when(variant.window, variant.neighbours), *row)


def _known(changes: dict[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in changes.items() if field in _CELLS}


def _cells(terms: CarrierTerms) -> tuple[str, ...]:
    """Return the cells from NICENESS on."""
    way = {(True, True): "both", (True, False): "tx", (False, True): "rx"}[terms.send, terms.receive]
    budgets = [_budget(budget, show_size) for budget in terms.budgets]
    budgets += [_budget(budget, show_duration) for budget in terms.air]
    calls = [WAITING] if terms.when_waiting else []
    calls += [cron.text for cron in terms.crons] + [f"{cron.text} {WAITING}" for cron in terms.crons_waiting]
    return (
        _nice(terms.nice),
        "any" if terms.size is None else show_size(terms.size),
        way,
        ", ".join(budgets) or "none",
        ", ".join(calls) or NEVER,
        terms.cost.name.lower(),
    )


def _budget(budget: Budget, show: Any) -> str:
    return f"{show(budget.amount)}/{budget.per.value}"


def _nice(nice: int) -> str:
    return _CLASSES.get(nice, str(nice))


def window_words(window: Window) -> str:
    """Return a time by the local clock as it is written: "01:00-06:00 Mon-Fri", "always"."""
    parts = [", ".join(show_hours(hours) for hours in window.hours)] if window.hours else []
    parts += [show_days(window.days)] if window.days is not None else []
    parts += [f"cron {window.cron.text}"] if window.cron is not None else []
    return " ".join(parts) or "always"


def _when(window: Window, neighbours: frozenset[str] | None) -> str:
    time = window_words(window)
    return time if neighbours is None else f"{time}, {', '.join(sorted(neighbours))}"


def _more(rule: CarrierRule) -> Iterator[str]:
    if rule.kind == STICK:
        return
    told = [*_match(rule), *_rest(rule.terms, _PLAIN)]
    if told or rule.kind != rule.name:
        yield f"{rule.name}: {'; '.join([rule.kind, *told])}"
    for variant in rule.variants:
        changed = CarrierTerms(**{field: value for field, value in variant.changes if field not in _CELLS})  # type: ignore[arg-type]
        rest = list(_rest(changed, _PLAIN))
        if rest:
            yield f"{rule.name}.{variant.name}: {'; '.join(rest)}"


def _match(rule: CarrierRule) -> Iterator[str]:
    match = rule.match
    if match.interface:
        yield f"interface {', '.join(match.interface)}"
    if match.address:
        yield f"address {', '.join(match.address)}"
    yield from (f"{key} {glob}" for key, glob in match.udev)
    if match.port is not None:
        yield f"port {match.port}"
    if rule.proxy is not None:
        yield f"through {rule.proxy}"


def _rest(terms: CarrierTerms, plain: CarrierTerms) -> Iterator[str]:
    """Yield what the table has no column for, as far as it is not the default."""
    words = {
        "wake": f"{_nice(terms.wake or MAX)} calls at once",
        "online_s": f"sessions up to {show_duration(terms.online_s or 0)}",
        "idle_s": f"sessions end after {show_duration(terms.idle_s or 0)} without traffic",
        "rate": f"sends at most {show_size(terms.rate or 0)}/s",
        "answer": "answers no calls",
        "retry_s": f"tries again after {show_duration(terms.retry_s)}",
        "retry_max_s": f"at the latest after {show_duration(terms.retry_max_s)}",
        "priority": f"priority {terms.priority}",
        "calls": f"{terms.calls} at once",
        "terse": "short handshake, small frames",
    }
    yield from (said for field, said in words.items() if getattr(terms, field) != getattr(plain, field))
