# SPDX-License-Identifier: GPL-3.0-or-later
"""The two configuration files of every box in a world, as values: keys by name, routes, and the rules' own text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muleteer.config.appliance import parse_appliance, require_known_names
from muleteer.config.model import Config, Neighbour, Notify, OwnKeys
from muleteer.crypto.hashes import blake2b_256
from muleteer.crypto.keys import ExchangeKey
from muleteer.testing.packets import Person

if TYPE_CHECKING:
    from collections.abc import Collection

    from muleteer.config.appliance import Appliance
    from muleteer.testing.world.scenario import BoxPlan

SPOOL, INCOMING, LOG = "/spool", "/incoming", "/log"


def noise_of(name: str) -> ExchangeKey:
    """Return the key with which a box goes on line, always the same."""
    return ExchangeKey(blake2b_256(b"noise " + name.encode()))


def config_of(plan: BoxPlan, names: Collection[str], addresses: dict[str, dict[str, str]] | None = None) -> Config:
    """Return a box's nncp.hjson: it knows everybody, and the way to those who are no neighbours.

    `addresses` are those of the neighbours, by name.
    """
    people = {name: Person.named(name) for name in names}
    me = people[plan.name]
    neighbours = {
        person.id: Neighbour(
            name="self" if person is me else name,
            id=person.id,
            exchpub=person.exchange.public,
            signpub=person.sign.public,
            noisepub=noise_of(name).public,
            incoming=f"{INCOMING}/{name}",
            exec={},
            freq=None,
            via=tuple(people[relay].id for relay in plan.routes.get(name, ())),
            addrs=(addresses or {}).get(name, {}),
            rxrate=0,
            txrate=0,
            onlinedeadline=None,
            maxonlinetime=0,
            calls=(),
        )
        for name, person in people.items()
    }
    noise = noise_of(plan.name)
    own = OwnKeys(
        me.id,
        me.exchange.public,
        me.exchange.private,
        me.sign.public,
        me.sign.private,
        noise.public,
        noise.private,
    )
    return Config(
        path="/nncp.hjson",
        spool=SPOOL,
        log=LOG,
        umask=None,
        noprogress=True,
        nohdr=False,
        own=own,
        neighbours=neighbours,
        aliases={"self": me.id, **{name: person.id for name, person in people.items() if person is not me}},
        notify=Notify(None, None, {}),
        areas={},
        area_aliases={},
        mcd_listen=(),
        mcd_send={},
        yggdrasil_aliases={},
    )


def appliance_of(plan: BoxPlan, config: Config) -> Appliance:
    """Return a box's muleteer.toml, read by the real parser."""
    appliance = parse_appliance(plan.rules.encode(), f"/{plan.name}.toml")
    require_known_names(appliance, config)
    return appliance
