# SPDX-License-Identifier: GPL-3.0-or-later
"""Write NNCP configurations: a new node's or area's (nncp-cfgnew), and what a node may show to others (nncp-cfgmin)."""

from __future__ import annotations

import re
from json import dumps

from muleteer.config.model import OwnKeys
from muleteer.config.templates import AREA, AREA_COMMENTS, NODE, NODE_COMMENTS
from muleteer.crypto.hashes import blake2b_256
from muleteer.crypto.keys import ExchangeKey, SigningKey
from muleteer.formats.ids import NodeId, b32encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.config.model import Config, Neighbour

SPOOL = "/var/spool/nncp"
"""Debian's place for the spool, and with `/log` for the log."""

_OWN = ("id", "exchpub", "exchprv", "signpub", "signprv", "noisepub", "noiseprv")
_PUBLIC = ("id", "exchpub", "signpub", "noisepub")
_QUOTELESS_KEY = re.compile(r"[A-Za-z0-9_.*+@=-]+")
_QUOTELESS_TEXT = re.compile(r"(?!/[/*])[A-Za-z/][^\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]*")
_WORDS = {"true", "false", "null"}


def new_keys() -> OwnKeys:
    """Make the keys of a new node."""
    exchange, noise, signing = ExchangeKey.generate(), ExchangeKey.generate(), SigningKey.generate()
    return OwnKeys(
        id=NodeId(blake2b_256(signing.public)),
        exchpub=exchange.public,
        exchprv=exchange.private,
        signpub=signing.public,
        signprv=signing.private,
        noisepub=noise.public,
        noiseprv=noise.private,
    )


def new_node_text(keys: OwnKeys, *, comments: bool, spool: str = SPOOL) -> str:
    """Return the configuration of a new node that has no neighbours yet."""
    own: dict[str, str] = {name: b32encode(getattr(keys, name)) for name in _OWN}
    fields = own | {"spool": _text(spool), "log": _text(f"{spool}/log")}
    return _fill(NODE_COMMENTS if comments else NODE, fields)


def new_area_text(name: str, *, comments: bool) -> str:
    """Return the section `areas` with one new area, to be put into a configuration."""
    pair = ExchangeKey.generate()
    fields = {
        "name": _key(name),
        "id": b32encode(blake2b_256(pair.public)),
        "pub": b32encode(pair.public),
        "prv": b32encode(pair.private),
    }
    return _fill(AREA_COMMENTS if comments else AREA, fields)


def stripped_text(config: Config) -> str:
    """Return the configuration without private keys and without what is nobody else's business."""
    lines = ["{", f"  spool: {_text(config.spool)}", f"  log: {_text(config.log)}", "  self: null", "  neigh:", "  {"]
    for name in sorted(config.aliases, key=str.encode):
        lines += [f"    {_key(name)}:", "    {"]
        lines += [f"      {line}" for line in _public_keys(config.neighbours[config.aliases[name]])]
        lines += ["    }"]
    return "\n".join([*lines, "  }", "}"])


def _public_keys(node: Neighbour) -> list[str]:
    keys = [(name, getattr(node, name)) for name in _PUBLIC]
    return [f"{name}: {b32encode(key)}" for name, key in keys if key is not None]


def _fill(template: str, fields: dict[str, str]) -> str:
    # Braces are Hjson's, so str.format will not do.
    return re.sub(r"@([a-z]+)@", lambda match: fields[match[1]], template)


def _key(name: str) -> str:
    return name if _QUOTELESS_KEY.fullmatch(name) else dumps(name, ensure_ascii=False)


def _text(text: str) -> str:
    """Write a text so that it is read back as one: a quoteless one goes on to the end of its line."""
    if _QUOTELESS_TEXT.fullmatch(text) and text not in _WORDS and text == text.strip():
        return text
    return dumps(text, ensure_ascii=False)
