# SPDX-License-Identifier: GPL-3.0-or-later
"""A configuration as nested tuples of plain values, the form in which the cache keeps it.

Bump FORMAT whenever the records in `model` or the meaning of a field change.
"""

from __future__ import annotations

from muleteer.config.model import Area, Call, Config, Freq, Mail, Neighbour, Notify, OwnKeys
from muleteer.formats.ids import Id, NodeId

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FORMAT = 1


def to_plain(value: Any) -> Any:
    """Turn a record, and everything in it, into tuples, dicts, bytes, str, int, bool and None."""
    if isinstance(value, bytes):
        return bytes(value)
    if isinstance(value, tuple):
        return tuple(to_plain(v) for v in value)
    if isinstance(value, dict):
        return {to_plain(k): to_plain(v) for k, v in value.items()}
    if value is None or isinstance(value, str | int):
        return value
    return tuple(to_plain(getattr(value, field)) for field in value.__slots__)


def to_config(plain: Any) -> Config:
    """Rebuild a configuration from what `to_plain` made of it."""
    (path, spool, log, umask, noprogress, nohdr, own, neighbours, aliases, notify, areas, area_aliases, *rest) = plain
    mcd_listen, mcd_send, yggdrasil = rest
    return Config(
        path,
        spool,
        log,
        umask,
        noprogress,
        nohdr,
        own and OwnKeys(NodeId(own[0]), *own[1:]),
        {NodeId(node): _neighbour(fields) for node, fields in neighbours.items()},
        {name: NodeId(node) for name, node in aliases.items()},
        _notify(notify),
        {Id(area): _area(fields) for area, fields in areas.items()},
        {name: Id(area) for name, area in area_aliases.items()},
        mcd_listen,
        mcd_send,
        yggdrasil,
    )


def _neighbour(plain: Any) -> Neighbour:
    name, node, exchpub, signpub, noisepub, incoming, exec_, freq, via, addrs, rxrate, txrate, *rest = plain
    onlinedeadline, maxonlinetime, calls = rest
    return Neighbour(
        name,
        NodeId(node),
        exchpub,
        signpub,
        noisepub,
        incoming,
        exec_,
        freq and Freq(*freq),
        tuple([NodeId(hop) for hop in via]),
        addrs,
        rxrate,
        txrate,
        onlinedeadline,
        maxonlinetime,
        tuple([Call(*call) for call in calls]),
    )


def _notify(plain: Any) -> Notify:
    file, freq, handles = plain
    return Notify(file and Mail(*file), freq and Mail(*freq), {key: Mail(*mail) for key, mail in handles.items()})


def _area(plain: Any) -> Area:
    name, area, pub, prv, subs, *rest = plain
    return Area(name, Id(area), pub, prv, tuple([NodeId(sub) for sub in subs]), *rest)
