# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse `[carrier.NAME]` tables of muleteer.toml into carrier rules.

The kind, where it is not written: `interface` or `proxy` make a carrier "net"; so do addresses, "pipe" if all begin
with ``|``; a carrier called net, pipe or stick is one; any other is "stick". A key that its kind has no use for is
complained of: nobody shall believe in a limit that is not kept.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from muleteer.config import cron
from muleteer.config.carrier_rules import (
    NET,
    PIPE,
    STICK,
    Budget,
    CarrierMatch,
    CarrierRule,
    CarrierTerms,
    Cost,
    Period,
    Variant,
    Window,
)
from muleteer.config.units import (
    AIR_REMEDY,
    BUDGET_REMEDY,
    DAYS_REMEDY,
    HOURS_REMEDY,
    RATE_REMEDY,
    parse_air,
    parse_budget,
    parse_days,
    parse_hours,
    parse_rate,
)
from muleteer.errors import BadCron
from muleteer.formats.niceness import MAX

if TYPE_CHECKING:
    from muleteer.config.section import Section

KINDS = [STICK, NET, PIPE]
CRON_REMEDY = 'Write minute, hour, day, month and weekday, like "*/10 * * * *"'
PRIORITY_MAX = 1000
CALLS_MAX = 64
"""Sessions at once: each has a thread and up to 2 MiB of buffers."""

_BASE_KEYS = ("kind", "nice", "size")
_TERM_KEYS = (
    *("nice", "size", "direction", "budget", "air", "cost", "online", "idle", "rate"),
    *("call", "wake", "answer", "retry", "retry_max", "priority", "calls", "terse"),
)
_WINDOW_KEYS = ("hours", "days", "cron", "neighbour")
_MATCH_KEYS = ("interface", "address", "udev", "port", "proxy")
_ALL_KEYS = frozenset((*_BASE_KEYS, *_TERM_KEYS, *_WINDOW_KEYS, *_MATCH_KEYS))
_KEYS = {
    STICK: frozenset((*_BASE_KEYS, "direction", *_WINDOW_KEYS)),
    NET: _ALL_KEYS,
    PIPE: _ALL_KEYS - {"interface", "udev", "port", "proxy", "answer"},
}
_STICK_REMEDY = (
    'Write interface = "..." or kind = "net" for a network; sticks: nice, size, direction, hours, days, cron, neighbour'
)
_USELESS = {
    STICK: ("sticks know no `{key}`", _STICK_REMEDY),
    PIPE: ("commands (`|...`) know no `{key}`", "Leave it out; it is for carriers of the kind net"),
}

WAITING, NEVER = "when waiting", "never"
_PORT_REMEDY = 'Write it in the [bay.NAME] that names this carrier, or kind = "net" here for a network'
_CALL_REMEDY = f'Write "{WAITING}", "{NEVER}", a cron expression like "*/10 * * * *", or "*/10 * * * * {WAITING}"'
_PROXY = "socks5://"


def carrier(name: str, section: Section) -> CarrierRule:
    """Parse one table; complaints go where the section's do."""
    addresses = section.words("address")
    kind = section.choice("kind", KINDS, _kind(name, section, addresses))
    _refuse_useless(section, kind)
    rule = _stick(name, section) if kind == STICK else _line(name, kind, section, addresses)
    section.finish()
    return rule


def implicit_lines() -> tuple[CarrierRule, ...]:
    """Return the carriers of a file that names none but sticks: what the Go configuration says simply works."""
    terms = CarrierTerms(when_waiting=False)
    return CarrierRule(NET, NET, terms=terms, implicit=True), CarrierRule(PIPE, PIPE, terms=terms, implicit=True)


def _kind(name: str, section: Section, addresses: tuple[str, ...]) -> str:
    if "interface" in section or "proxy" in section:
        return NET
    if addresses:
        return PIPE if all(address.startswith("|") for address in addresses) else NET
    return name if name in KINDS else STICK


def _refuse_useless(section: Section, kind: str) -> None:
    for key in [key for key in section if key in _ALL_KEYS - _KEYS[kind]]:
        problem, remedy = _USELESS[kind]
        section.refuse(key, problem.format(key=key), _PORT_REMEDY if (kind, key) == (STICK, "port") else remedy)


def _stick(name: str, section: Section) -> CarrierRule:
    terms = replace(CarrierTerms(), **_changes(section, name, STICK))
    variants = [_variant(part, table, f"{name}.{part}", STICK) for part, table in section.other_tables(_ALL_KEYS)]
    window, neighbours = _conditions(section)
    return CarrierRule(
        name,
        STICK,
        terms.nice,
        terms.size,
        terms=terms,
        window=window,
        neighbours=neighbours,
        variants=tuple(variants),
    )


def _line(name: str, kind: str, section: Section, addresses: tuple[str, ...]) -> CarrierRule:
    changes = _changes(section, name, kind)
    variants = [_variant(part, table, f"{name}.{part}", kind) for part, table in section.other_tables(_ALL_KEYS)]
    if "terse" not in changes:
        changes["terse"] = _is_slow(changes)
        variants = [_with_terse(variant, changes) for variant in variants]
    window, neighbours = _conditions(section)
    terms = replace(CarrierTerms(), **changes)
    match = CarrierMatch(address=addresses)
    if kind == NET:
        if any(address.startswith("|") for address in addresses):
            section.complain("address", "a network carrier runs no commands", "Give them a carrier of their own")
        udev = section.table("udev")
        match = CarrierMatch(
            interface=section.words("interface"),
            address=addresses,
            udev=tuple((key, udev.text(key, "*")) for key in udev),
            port=section.optional_text("port"),
        )
    proxy = _proxy(section) if kind == NET else None
    return CarrierRule(name, kind, terms.nice, terms.size, match, terms, window, neighbours, tuple(variants), proxy)


def _variant(name: str, section: Section, account: str, kind: str) -> Variant:
    _refuse_useless(section, kind)
    window, neighbours = _conditions(section)
    changes = _changes(section, account, kind)
    unknown = section.unknown()
    section.finish()
    if not any(key in section for key in _WINDOW_KEYS) and not unknown:
        remedy = "Write its hours, days, cron or neighbour; what applies always stands in the table above it"
        section.complain(None, "it does not say when or for whom it applies", remedy)
    return Variant(name, window, neighbours, tuple(changes.items()))


def _with_terse(variant: Variant, base: dict[str, Any]) -> Variant:
    """Add to a variant that changes cost or rate what follows from them."""
    changes = dict(variant.changes)
    if "terse" in changes or not changes.keys() & {"cost", "rate"}:
        return variant
    return replace(variant, changes=(*variant.changes, ("terse", _is_slow(base | changes))))


def _is_slow(changes: dict[str, Any]) -> bool:
    return changes.get("cost", Cost.FREE) != Cost.FREE or changes.get("rate") is not None


def _conditions(section: Section) -> tuple[Window, frozenset[str] | None]:
    """Read hours, days, cron and neighbour."""
    days = section.parsed("days", parse_days, DAYS_REMEDY, "weekday")
    crons = section.parsed("cron", _cron, CRON_REMEDY, "cron expression")
    if len(crons) > 1:
        section.complain("cron", "one expression is wanted", "Write what all of them name as one, with commas")
    window = Window(
        hours=section.parsed("hours", parse_hours, HOURS_REMEDY, "time of day"),
        days=frozenset().union(*days) if days else None,
        cron=crons[0] if crons else None,
    )
    neighbours = section.words("neighbour")
    return window, frozenset(neighbours) if "neighbour" in section else None


def _changes(section: Section, account: str, kind: str) -> dict[str, Any]:
    """Read the keys that stand in a table, as fields of CarrierTerms."""
    direction = section.choice("direction", ["both", "rx", "tx"], "both")
    read: dict[str, dict[str, object]] = {
        "nice": {"nice": section.nice("nice", MAX)},
        "size": {"size": section.size("size")},
        "direction": {"send": direction != "rx", "receive": direction != "tx"},
    }
    if kind != STICK:
        read |= _session_terms(section, account)
    if kind == NET:
        read["answer"] = {"answer": section.value("answer", bool, True)}
    return {field: value for key, fields in read.items() if key in section for field, value in fields.items()}


def _session_terms(section: Section, account: str) -> dict[str, dict[str, object]]:
    """Read what only carriers with sessions know, by key."""
    rates = section.parsed("rate", parse_rate, RATE_REMEDY, "rate")
    return {
        "budget": {"budgets": _budgets(section.parsed("budget", parse_budget, BUDGET_REMEDY, "budget"), account)},
        "air": {"air": _budgets(section.parsed("air", parse_air, AIR_REMEDY, "budget of air"), account)},
        "cost": {"cost": Cost[section.choice("cost", [cost.name.lower() for cost in Cost], "free").upper()]},
        "online": {"online_s": section.seconds("online", 1)},
        "idle": {"idle_s": section.seconds("idle", 1)},
        "rate": {"rate": rates[0] if rates else None},
        "call": _call(section),
        "wake": {"wake": section.nice("wake", MAX)},
        "priority": {"priority": _number(section, "priority", 0, PRIORITY_MAX)},
        "calls": {"calls": _number(section, "calls", 1, CALLS_MAX)},
        "terse": {"terse": section.value("terse", bool, False)},
        **_retries(section),
    }


def _budgets(found: tuple[tuple[int, str], ...], account: str) -> tuple[Budget, ...]:
    return tuple(Budget(amount, Period(per), account) for amount, per in found)


def _retries(section: Section) -> dict[str, dict[str, object]]:
    first, longest = section.seconds("retry", 60), section.seconds("retry_max", 3600)
    if first > longest:
        if "retry_max" in section:
            section.complain("retry_max", "it is shorter than `retry`", "Write how long retries wait at most")
        longest = first
    return {"retry": {"retry_s": first, "retry_max_s": longest}, "retry_max": {"retry_max_s": longest}}


def _call(section: Section) -> dict[str, object]:
    words = section.words("call")
    if NEVER in words and len(words) > 1:
        section.complain("call", f"`{NEVER}` stands beside something else", _CALL_REMEDY)
    always: list[cron.Cron] = []
    waiting: list[cron.Cron] = []
    for word in words:
        if word in (WAITING, NEVER):
            continue
        text = word.removesuffix(WAITING)
        try:
            (always if text == word else waiting).append(_cron(text.strip()))
        except BadCron as error:
            section.complain("call", f"{word!r} is no time to call: {error.facts['problem']}", _CALL_REMEDY)
    return {"when_waiting": WAITING in words, "crons": tuple(always), "crons_waiting": tuple(waiting)}


def _cron(text: str) -> cron.Cron:
    parsed = cron.parse(text)
    if parsed.next_civil(0) is None:
        raise BadCron(text=text, problem="there is no such date")
    return parsed


def _number(section: Section, key: str, low: int, high: int) -> int:
    number = section.value(key, int, low)
    if not low <= number <= high:
        section.complain(key, f"{number} is out of bounds", f"Write a number from {low} to {high}")
    return number


def _proxy(section: Section) -> str | None:
    text = section.optional_text("proxy")
    host, colon, port = (text or "").removeprefix(_PROXY).rpartition(":")
    if text is not None and not (text.startswith(_PROXY) and host and colon and port.isdigit()):
        section.complain("proxy", f"{text!r} is no proxy", f'Write one like "{_PROXY}127.0.0.1:9050"')
    return text
