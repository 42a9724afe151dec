# SPDX-License-Identifier: GPL-3.0-or-later
"""Which carrier reaches which neighbour, by which addresses, and on what terms a session may run. Pure.

A *line* is one carrier for one neighbour. Three parties have a say in its terms: the carrier's rule (ceilings, times),
the neighbour's entry in nncp.hjson (its deadlines and rates), and, for a call from its `calls`, that entry. The tighter
one wins.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from muleteer.agent.wording import limit_words, nice_words
from muleteer.carriers.online import CHUNK_MAX, OnlineTerms
from muleteer.config.carrier_rules import NET, PIPE, Cost
from muleteer.config.zone import local_offset
from muleteer.formats.niceness import MAX
from muleteer.record import replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from muleteer.config.carrier_rules import CarrierRule, CarrierTerms
    from muleteer.config.model import Call, Neighbour
    from muleteer.config.zone import Offset
    from muleteer.hotplug.interfaces import Interface

IDLE_SECONDS = 10.0  # the reference's default of onlinedeadline
FRAME_SECONDS = 10.0  # the reference's patience with a frame
TERSE_FRAME_SECONDS = 60.0  # ours, where a peer's full frame may come slowly
TERSE_CHUNK = 8192  # a frame of it is through in a peer's 10 seconds from 830 bytes/s on
CALL_BYTES = 80_000  # what a session costs that moves nothing (65448, both ways), and what comes unasked
TERSE_CALL_BYTES = 4096  # the same where both sides greet without padding
PADDED_GREETING_BYTES = 32_700  # what a neighbour answers that pads its greeting, as every real NNCP peer does
SMALL_BUDGET_BYTES = 1_000_000  # below it padding would be a tenth and more of it: greet tersely
FRAME_BYTES = 80  # around the data of a frame
CHUNK_MIN = 1024  # below that the frames cost more than they carry
CHUNK_SECONDS = 4.0  # how long a chunk may take where the rate is known: half of a peer's patience, and less


@dataclass(frozen=True, slots=True)
class NeighbourLines:
    """What nncp.hjson says of reaching a neighbour; `of` takes it from there."""

    name: str
    addrs: Mapping[str, str]
    calls: tuple[Call, ...] = ()
    rxrate: int = 0
    txrate: int = 0
    onlinedeadline: int | None = None
    maxonlinetime: int = 0

    @classmethod
    def of(cls, neighbour: Neighbour) -> NeighbourLines:
        """Return what the configuration says."""
        return cls(
            neighbour.name,
            neighbour.addrs,
            neighbour.calls,
            neighbour.rxrate,
            neighbour.txrate,
            neighbour.onlinedeadline,
            neighbour.maxonlinetime,
        )


@dataclass(frozen=True, slots=True)
class Discovered:
    """Where a neighbour announced itself, and until when (monotonic) that holds."""

    address: str
    interface: str
    until: float


def addresses_of(rule: CarrierRule, neighbour: NeighbourLines, call: Call | None = None) -> tuple[str, ...]:
    """Return the configured addresses by which a carrier reaches a neighbour (for one call of its `calls`)."""
    wanted = dict.fromkeys(
        address
        for name, address in neighbour.addrs.items()
        if rule.fits_address(address, name) and (call is None or call.addr in (None, address))
    )
    extra = None if call is None or call.addr in neighbour.addrs.values() else call.addr
    if extra is not None and rule.fits_address(extra):
        wanted[extra] = None
    return tuple(wanted)


def is_bound(rule: CarrierRule) -> bool:
    """Return whether a carrier goes out by certain interfaces only."""
    match = rule.match
    return bool(match.interface or match.udev or match.port) and rule.kind == NET


def fits_interface(rule: CarrierRule, interface: Interface) -> bool:
    """Return whether an interface is one of this carrier's."""
    return rule.kind == NET and rule.match.fits_interface(interface.name, dict(interface.properties))


def may_be_discovered(rule: CarrierRule, found: Discovered, interfaces: Iterable[Interface]) -> bool:
    """Return whether a carrier may call an address that was announced on an interface."""
    if rule.kind != NET or rule.proxy is not None or not rule.fits_address(found.address):
        return False
    if not is_bound(rule):
        return True
    return any(one.name == found.interface and fits_interface(rule, one) for one in interfaces)


def carrier_of(rules: Iterable[CarrierRule], interface: Interface | None, *, pipe: bool = False) -> CarrierRule | None:
    """Return to which carrier an incoming session belongs that came in by this interface (None: not known).

    One that names its interfaces goes before one that takes any; then the first in the file does.
    """
    found: CarrierRule | None = None
    for rule in rules:
        if rule.kind != (PIPE if pipe else NET) or rule.proxy is not None:
            continue
        if pipe or not is_bound(rule):
            found = found or rule
        elif interface is not None and fits_interface(rule, interface):
            return rule
    return found


def answer_terms(
    rule: CarrierRule,
    neighbour: NeighbourLines,
    wall: float,
    sure: bool,  # noqa: FBT001 - as `Now.sure`
    offset: Offset = local_offset,
) -> OnlineTerms | None:
    """Return on what terms an incoming session may run; None: it is not to be answered now."""
    terms = rule.terms_at(wall, neighbour.name, sure, offset)
    if terms is None or not terms.answer:
        return None
    return online_terms(terms, neighbour, until_edge=seconds_to_edge(rule, terms, neighbour.name, wall, sure, offset))


def online_terms(
    terms: CarrierTerms, neighbour: NeighbourLines, call: Call | None = None, *, until_edge: float = math.inf
) -> OnlineTerms:
    """Return the terms of a session; `until_edge` seconds from now its carrier's rule becomes tighter."""
    deadline = neighbour.onlinedeadline if call is None else call.onlinedeadline
    longest = neighbour.maxonlinetime if call is None else call.maxonlinetime
    online = min(longest or math.inf, terms.online_s or math.inf, until_edge)
    return OnlineTerms(
        nice=terms.nice if call is None else min(terms.nice, call.nice),
        size=largest(terms),
        send=terms.send and (call is None or call.xx != "rx"),
        receive=terms.receive and (call is None or call.xx != "tx"),
        nock=call is not None and call.nock,
        padded=not is_terse(terms),
        chunk=chunk_of(terms),
        idle_seconds=float(terms.idle_s or deadline or IDLE_SECONDS),
        online_seconds=0.0 if online == math.inf else max(1.0, online),
        frame_seconds=TERSE_FRAME_SECONDS if is_terse(terms) else FRAME_SECONDS,
        rx_rate=neighbour.rxrate if call is None else call.rxrate,
        tx_rate=neighbour.txrate if call is None else call.txrate,
        bytes_rate=terms.rate or 0,
    )


def tersely(terms: OnlineTerms) -> OnlineTerms:
    """Return the terms for a line that turned out to be slow, though its rule does not say so."""
    return replace(
        terms,
        padded=False,
        chunk=min(terms.chunk, TERSE_CHUNK),
        frame_seconds=max(terms.frame_seconds, TERSE_FRAME_SECONDS),
    )


def is_terse(terms: CarrierTerms) -> bool:
    """Return whether sessions greet without padding: the rule says so, or a budget is too small for it."""
    return terms.terse or any(budget.amount < SMALL_BUDGET_BYTES for budget in terms.budgets)


def call_bytes(terms: CarrierTerms, *, is_brief: bool = False) -> int:
    """Return what a session may cost that moves nothing; `is_brief`: the neighbour is known to greet without padding.

    How the other side greets is not for us to say: a real NNCP peer pads its answer to the shortest greeting.
    """
    if not is_terse(terms):
        return CALL_BYTES
    return TERSE_CALL_BYTES if is_brief else TERSE_CALL_BYTES + PADDED_GREETING_BYTES


def largest(terms: CarrierTerms) -> int | None:
    """Return the size of the largest packet that terms take; None: any.

    What would use up more than a whole budget is not taken: it would be under way for several days, and nothing else
    would go meanwhile. A budget that two padded greetings would eat is taken as one for boxes that greet without.
    """
    chunk = chunk_of(terms)
    paid = (_paid_by(budget.amount, terms) * chunk // (chunk + FRAME_BYTES) for budget in terms.budgets)
    return min((size for size in (terms.size, *paid) if size is not None), default=None)


def _paid_by(amount: int, terms: CarrierTerms) -> int:
    """Return what a whole budget leaves when the session itself is paid for."""
    cost = call_bytes(terms)
    return max(0, amount - (call_bytes(terms, is_brief=True) if amount < 2 * cost else cost))


def chunk_of(terms: CarrierTerms) -> int:
    """Return how many bytes of a packet one frame may carry, so that a real peer's patience lasts."""
    most = TERSE_CHUNK if is_terse(terms) else CHUNK_MAX
    return most if terms.rate is None else max(CHUNK_MIN, min(most, int(terms.rate * CHUNK_SECONDS)))


def seconds_to_edge(
    rule: CarrierRule,
    terms: CarrierTerms,
    name: str | None,
    wall: float,
    sure: bool,  # noqa: FBT001 - as `Now.sure`
    offset: Offset = local_offset,
) -> float:
    """Return in how many seconds a rule forbids something that it allows now; infinity if it does not, or not soon."""
    edge = rule.next_change(wall, offset) if sure else None
    if edge is None:
        return math.inf
    then = rule.terms_at(edge, name, sure, offset)
    return math.inf if then is not None and not is_tighter(then, terms) else max(0.0, edge - wall)


def is_tighter(terms: CarrierTerms, other: CarrierTerms) -> bool:
    """Return whether terms forbid something that other terms allow."""
    return (
        terms.nice < other.nice
        or (terms.size or math.inf) < (other.size or math.inf)
        or terms.send < other.send
        or terms.receive < other.receive
        or (terms.rate or math.inf) < (other.rate or math.inf)
        or (terms.budgets, terms.air) != (other.budgets, other.air)
    )


def covers(done: OnlineTerms, wanted: OnlineTerms) -> bool:
    """Return whether a session on certain terms has done what one on others would have."""
    return (
        done.nice >= wanted.nice
        and (done.size or math.inf) >= (wanted.size or math.inf)
        and done.send >= wanted.send
        and done.receive >= wanted.receive
        and done.nock <= wanted.nock
    )


def rank(terms: CarrierTerms, *, metered: bool, order: int) -> tuple[int, int, int]:
    """Return what carriers are sorted by, the best first: priority, cost, order in the file."""
    return terms.priority, max(terms.cost, Cost.METERED) if metered else terms.cost, order


def ceilings(terms: CarrierTerms) -> str:
    """Return what terms take, in words: "up to 64 KB, FLASH or more urgent", "everything"."""
    nice = "" if terms.nice >= MAX else f"{nice_words(terms.nice)} or more urgent"
    most = largest(terms)
    size = "" if most is None else f"up to {limit_words(most)}"
    way = "" if terms.send and terms.receive else "what goes out" if terms.send else "what comes in"
    return ", ".join(word for word in (size, nice, way) if word) or "everything"
