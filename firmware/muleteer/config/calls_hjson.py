# SPDX-License-Identifier: GPL-3.0-or-later
"""Write carrier rules as `calls` of nncp.hjson (``muleteer rules export``), with comments on what calls cannot say.

Windows of hours and days become part of the cron expressions: a call is made in a window or it is not. A carrier that
calls when something waits, or something urgent (`wake`), becomes one that looks every minute whether something does
(`when-tx-exists`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from json import dumps
from typing import TYPE_CHECKING

from muleteer.config.carrier_rules import CarrierTerms
from muleteer.config.week import MINUTES, crons_of, due, terms_of_week
from muleteer.formats.niceness import BULK, FLASH, MAX, NORMAL, PRIORITY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from muleteer.config.appliance import Appliance
    from muleteer.config.carrier_rules import CarrierRule
    from muleteer.config.cron import Cron
    from muleteer.config.model import Config, Neighbour

_CLASSES = {FLASH: "FLASH", PRIORITY: "PRIORITY", NORMAL: "NORMAL", BULK: "BULK", MAX: "MAX"}
_HEAD = """\
# The rules of {toml} as `calls` for {hjson}, as far as calls can say them.
{{
  neigh: {{
"""
_NO_ANSWER = "# Whose calls are answered is not for `calls` to say: nncp-daemon answers all neighbours.\n"
_UNSAID = {
    "size": "size",
    "budgets": "budget",
    "air": "air",
    "cost": "cost",
    "rate": "rate",
    "retry_s": "retry",
    "retry_max_s": "retry_max",
    "priority": "priority",
    "calls": "calls",
}
_PLAIN = CarrierTerms()


@dataclass(frozen=True, slots=True)
class _Entry:
    cron: str
    terms: CarrierTerms
    waiting: bool


def calls_text(appliance: Appliance, config: Config) -> str:
    """Return the section `neigh` with the calls of every neighbour that a rule calls; it is valid Hjson."""
    lines: list[str] = []
    for name, node in config.aliases.items():
        neighbour = config.neighbours[node]
        if name != neighbour.name or name == "self":
            continue
        calls = [text for rule in appliance.lines.values() for text in _calls(rule, neighbour)]
        if calls:
            lines += [f"    {dumps(name)}: {{", "      calls: [", *calls, "      ]", "    }"]
    head = _HEAD.format(toml=appliance.path, hjson=config.path)
    if not all(rule.terms.answer for rule in appliance.lines.values()):
        head = _NO_ANSWER + head
    return "\n".join([head.rstrip("\n"), *(lines or ["    # No rule calls anybody."]), "  }", "}"]) + "\n"


def _calls(rule: CarrierRule, neighbour: Neighbour) -> Iterator[str]:
    if rule.implicit or (rule.neighbours is not None and neighbour.name not in rule.neighbours):
        return
    addresses = _addresses(rule, neighbour)
    if addresses is None:
        yield f"        # carrier {rule.name}: no address of {neighbour.name} is one of its"
        return
    entries, remarks = _entries(rule, neighbour.name)
    if not entries and not remarks:
        return
    yield f"        # carrier {rule.name}"
    unsaid = _unsaid(rule)
    if unsaid:
        yield f"        # cannot be expressed: its {', '.join(unsaid)}"
    yield from (f"        # {remark}" for remark in remarks)
    for entry in entries:
        for address in addresses:
            yield f"        {_entry(entry, address)}"


def _addresses(rule: CarrierRule, neighbour: Neighbour) -> list[str | None] | None:
    """Return names of addresses to call, [None] for all of them, None if there is none."""
    fitting = [name for name, address in neighbour.addrs.items() if rule.fits_address(address, name)]
    if not fitting:
        return None
    return [None] if len(fitting) == len(neighbour.addrs) else list(fitting)


def _entries(rule: CarrierRule, neighbour: str) -> tuple[list[_Entry], list[str]]:
    """Return the calls, and remarks on what could not be put into them."""
    windows = {"it": rule.window} | {f"`{one.name}`": one.window for one in rule.variants}
    remarks = [
        f"cannot be expressed: the cron expression that says when {name} applies; it is taken for a week of January"
        for name, window in windows.items()
        if window.cron is not None and not window.cron.is_weekly
    ]
    entries: list[_Entry] = []
    week: dict[CarrierTerms, set[int]] = {}
    for terms, minutes in terms_of_week(rule, neighbour).items():
        if terms is not None:
            week.setdefault(_said(terms), set()).update(minutes)
    for terms, minutes in week.items():
        any_time = _for_waiting(terms)
        if any_time is not None:
            entries += [_Entry(text, any_time, waiting=True) for text in crons_of(minutes)]
            remarks.append("it calls as soon as something waits; here, every minute looks whether something does")
        for waiting, crons in ((False, terms.crons), (terms.send, terms.crons_waiting)):
            for cron in crons:
                texts = _within(cron, minutes)
                if texts is None:
                    remarks.append(f"cannot be expressed: {cron.text!r} at certain hours only; it is left out")
                entries += [_Entry(text, terms, waiting) for text in texts or ()]
    return list(dict.fromkeys(entries)), list(dict.fromkeys(remarks))


def _for_waiting(terms: CarrierTerms) -> CarrierTerms | None:
    """Return the terms of the calls that are made as soon as something waits, None if there are none."""
    if not terms.send or not (terms.when_waiting or terms.wake is not None):
        return None
    return terms if terms.when_waiting else replace(terms, nice=min(terms.nice, terms.wake or 0))


def _said(terms: CarrierTerms) -> CarrierTerms:
    """Return what of terms matters to calls; the rest as in any others, so that they are not told apart by it."""
    unsaid = {field: getattr(_PLAIN, field) for field in (*_UNSAID, "answer", "terse")}
    return replace(terms, **unsaid)


def _within(cron: Cron, minutes: set[int]) -> list[str] | None:
    """Return expressions for the times of one that lie in some minutes of the week, None if that cannot be said."""
    if len(minutes) == MINUTES:
        return [cron.text]
    return crons_of(due(cron, minutes)) if cron.is_weekly else None


def _entry(entry: _Entry, address: str | None) -> str:
    terms = entry.terms
    fields = [f"cron: {dumps(entry.cron)}"]
    if terms.nice < MAX:
        fields.append(f"nice: {dumps(_CLASSES.get(terms.nice, str(terms.nice)))}")
    if terms.send != terms.receive:
        fields.append(f"xx: {dumps('tx' if terms.send else 'rx')}")
    if address is not None:
        fields.append(f"addr: {dumps(address, ensure_ascii=False)}")
    if terms.idle_s is not None:
        fields.append(f"onlinedeadline: {terms.idle_s}")
    if terms.online_s is not None:
        fields.append(f"maxonlinetime: {terms.online_s}")
    if entry.waiting:
        fields.append("when-tx-exists: true")
    return f"{{{', '.join(fields)}}}"


def _unsaid(rule: CarrierRule) -> list[str]:
    """Return the keys of a rule that calls have no word for."""
    match = {"interface": rule.match.interface, "udev": rule.match.udev, "port": rule.match.port, "proxy": rule.proxy}
    changed = {field for variant in rule.variants for field, _ in variant.changes}
    changed |= {field for field in _UNSAID if getattr(rule.terms, field) != getattr(_PLAIN, field)}
    return [key for key, value in match.items() if value] + [key for field, key in _UNSAID.items() if field in changed]
