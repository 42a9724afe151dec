# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the `calls` of nncp.hjson as carrier rules of muleteer.toml (``muleteer rules import``).

Calls that differ in nothing but their time become one carrier, for all neighbours that have the same. What rules cannot
say stands beside them as a comment.
"""

from __future__ import annotations

from dataclasses import dataclass
from json import dumps
from typing import TYPE_CHECKING

from muleteer.config.carrier_rules import NET, PIPE
from muleteer.config.carrier_table import WAITING
from muleteer.config.section import NAME_SIZE_MAX
from muleteer.config.units import show_duration
from muleteer.formats.niceness import BULK, FLASH, MAX, NORMAL, PRIORITY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from muleteer.config.model import Call, Config, Neighbour

_CLASSES = {FLASH: "FLASH", PRIORITY: "PRIORITY", NORMAL: "NORMAL", BULK: "BULK", MAX: "MAX"}
_BARE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
_UNSAID = (
    ("rxrate", "rxrate (packets a second; `rate` counts bytes)"),
    ("txrate", "txrate (packets a second; `rate` counts bytes)"),
    ("nock", "nock (what comes in is checked at once)"),
)
_FOUND = "[fe80:*"
"""What the addresses look like at which neighbours are found by multicast, and which the reference tries first."""
_NO_TOSS = ("doseen", "nofile", "nofreq", "noexec", "notrns", "noarea")
"""The agent tosses after every call, all of it: `autotoss` needs no word, what limits it cannot be said."""

_HEAD = """\
# The `calls` of {path} as carrier rules for muleteer.toml. Take them out of there when these are in use: they
# are kept beside the rules. `muleteer rules show` prints what the box understood.
"""
_ANSWER = """
# Neighbours may call us, and `muleteer call` may use every address; nothing calls by it on its own.
[carrier.{kind}]
call = "never"
"""


@dataclass(frozen=True, slots=True)
class _Way:
    """What calls must have in common to become one carrier; `address` is a name in `addrs`, or else the address."""

    kind: str
    address: str | None
    nice: int
    xx: str | None
    idle: int | None
    online: int
    found: bool = True  # where the neighbour was found nearby is called, too


@dataclass(slots=True)
class _Plan:
    """One carrier to be."""

    way: _Way
    calls: tuple[str, ...]
    neighbours: list[str]
    remarks: list[str]


def rules_text(config: Config) -> str:
    """Return the rules; it is a whole muleteer.toml but for `nncp`."""
    neighbours = [neighbour for neighbour in config.neighbours.values() if neighbour.name != "self"]
    kinds = {kind for neighbour in neighbours for kind in _kinds(neighbour.addrs.values())}
    parts = [_HEAD.format(path=config.path), *(_ANSWER.format(kind=kind) for kind in sorted({NET} | kinds))]
    names = {NET, PIPE, "stick"}
    for plan in _plans(neighbours, listens=bool(config.mcd_listen)):
        name = _free_name(plan.way.address or plan.neighbours[0], plan.neighbours[0], names)
        names.add(name)
        parts.append("\n" + "\n".join(_table(name, plan)) + "\n")
    if len(names) == 3:
        parts.append("\n# There are no `calls`: nothing else calls anybody.\n")
    return "".join(parts)


def _kinds(addresses: Iterable[str]) -> set[str]:
    return {PIPE if address.startswith("|") else NET for address in addresses}


def _plans(neighbours: list[Neighbour], *, listens: bool) -> list[_Plan]:
    plans: list[_Plan] = []
    for neighbour in neighbours:
        by_way: dict[_Way, list[Call]] = {}
        for call in neighbour.calls:
            for way in _ways(neighbour, call, listens=listens):
                by_way.setdefault(way, []).append(call)
        for way, calls in by_way.items():
            words = tuple(dict.fromkeys(_when(call) for call in calls))
            remarks = [f"{_text(neighbour.name)}: {remark}" for remark in _remarks(neighbour, way, calls)]
            known = next((plan for plan in plans if (plan.way, plan.calls) == (way, words)), None)
            if known is None:
                plans.append(_Plan(way, words, [neighbour.name], remarks))
            else:
                known.neighbours.append(neighbour.name)
                known.remarks += remarks
    return plans


def _ways(neighbour: Neighbour, call: Call, *, listens: bool) -> Iterator[_Way]:
    rest = (call.nice, call.xx, call.onlinedeadline, call.maxonlinetime, listens and not call.mcd_ignore)
    if call.addr is None:
        for kind in sorted(_kinds(neighbour.addrs.values()) or {NET}):
            yield _Way(kind, None, *rest)
        return
    (kind,) = _kinds([call.addr])
    name = next((name for name, address in neighbour.addrs.items() if address == call.addr), call.addr)
    yield _Way(kind, name, *rest)


def _when(call: Call) -> str:
    cron = " ".join(call.cron.split())  # its gaps may be tabs and line ends, which no text of muleteer.toml has
    return f"{cron} {WAITING}" if call.when_tx_exists and call.xx != "rx" else cron


def _remarks(neighbour: Neighbour, way: _Way, calls: list[Call]) -> Iterator[str]:
    """Yield what of these calls the rules do not say."""
    for field, words in _UNSAID:
        if any(getattr(call, field) for call in calls):
            yield f"cannot be expressed: {words}"
    if way.address is None and any(call.mcd_ignore for call in calls):
        yield "cannot be expressed: mcd-ignore, without the name of an address"
    if any(getattr(call, flag) for call in calls for flag in _NO_TOSS):
        yield "cannot be expressed: what `autotoss-no...` leaves out; the agent tosses everything"
    if any(call.when_tx_exists and call.xx == "rx" for call in calls):
        yield "when-tx-exists is left out: who only receives need not wait for something to send"
    if way.address is not None and way.address not in neighbour.addrs:
        yield f"its address {_text(way.address)} must get a name in `addrs` to be called by rules"


def _free_name(wanted: str, otherwise: str, taken: set[str]) -> str:
    name = next((name for name in (wanted, otherwise) if set(name) <= _BARE and len(name) < NAME_SIZE_MAX - 3), "line")
    numbered = (f"{name}-{number}" for number in range(2, 1000))
    return name if name not in taken else next(one for one in numbered if one not in taken)


def _table(name: str, plan: _Plan) -> Iterator[str]:
    way = plan.way
    yield f"[carrier.{name}]"
    yield from (f"# {remark}" for remark in plan.remarks)
    yield f"kind = {dumps(way.kind)}"
    if way.address is not None:
        nearby = [_FOUND] if way.found and way.kind == NET else []
        yield f"address = {_words([way.address, *nearby])}"
    yield f"neighbour = {_words(plan.neighbours)}"
    if way.nice != MAX:
        yield f"nice = {_nice(way.nice)}"
    if way.xx is not None:
        yield f"direction = {dumps(way.xx)}"
    if way.idle is not None:
        yield f"idle = {dumps(show_duration(way.idle))}"
    if way.online:
        yield f"online = {dumps(show_duration(way.online))}"
    yield f"call = {_words(plan.calls)}"
    if way.kind == NET:
        yield "answer = false"


def _nice(nice: int) -> str:
    return dumps(_CLASSES[nice]) if nice in _CLASSES else str(nice)


def _words(words: Iterable[str]) -> str:
    texts = [_text(word) for word in words]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def _text(text: str) -> str:
    # A basic string of TOML is one of JSON, but for DEL.
    return dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
