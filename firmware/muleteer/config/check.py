# SPDX-License-Identifier: GPL-3.0-or-later
"""From a parsed `nncp.hjson` to a Config: the rules of the reference, with complaints that tell what would be right.

What the reference accepts is accepted with the same meaning, except (all of it refused here, with the reason):

* an exec handle without a program: the reference would take the program from the packet, that is, from the peer;
* a NUL in a text, which no path or argument can hold;
* sizes beyond 2**63 bytes, which the reference lets wrap around;
* a cron range that runs backwards: to the reference it names nothing, or crashes nncp-caller;
* a comment that never ends, which to the reference is the rest of the file.

The other way round, escaped surrogate pairs and a byte order mark are read as they are meant; the reference does not.

A cron expression is parsed here to see that it is one; its text goes into the configuration.
"""

from __future__ import annotations

from muleteer.config import cron
from muleteer.config.complaints import Complaints, show_value
from muleteer.config.model import (
    NO_LIMIT,
    Area,
    Call,
    Config,
    Freq,
    Mail,
    Neighbour,
    Notify,
    OwnKeys,
)
from muleteer.config.schema import SCHEMA
from muleteer.config.shape import fit
from muleteer.errors import BadCron, BadEncoding, UsageError
from muleteer.formats.ids import Id, NodeId, b32decode
from muleteer.formats.niceness import MAX, parse_nice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    from muleteer.config.complaints import KeyPath

    AnId = TypeVar("AnId", bound=Id)

_KEY_SIZE = 32
_SIGNPRV_SIZE = 64
_NOBODY = NodeId(bytes(32))
"""Stands in for an id that was complained of; no Config with it leaves this module."""

_OWN_KEYS = ("exchpub", "exchprv", "signpub", "signprv", "noisepub", "noiseprv")
_CALL_FLAGS = {
    "when_tx_exists": "when-tx-exists",
    "nock": "nock",
    "mcd_ignore": "mcd-ignore",
    "autotoss": "autotoss",
    "doseen": "autotoss-doseen",
    "nofile": "autotoss-nofile",
    "nofreq": "autotoss-nofreq",
    "noexec": "autotoss-noexec",
    "notrns": "autotoss-notrns",
    "noarea": "autotoss-noarea",
}


def check(raw: dict[str, object], path: str, complaints: Complaints) -> Config:
    """Turn the parsed tree of the file at `path` into a configuration.

    Raises:
        ConfigError, ConfigErrors: what `complaints` collected.

    """
    tree = fit(SCHEMA, raw, (), complaints)
    config = _Checker(complaints).config(tree, path)
    complaints.raise_if_any()
    return config


class _Checker:
    def __init__(self, complaints: Complaints) -> None:
        self._complaints = complaints
        self._aliases: dict[str, NodeId] = {}

    def config(self, tree: dict[str, Any], path: str) -> Config:
        nodes = {name: node or {} for name, node in (tree.get("neigh") or {}).items()}
        if "self" not in nodes:
            self._complain(
                ("neigh", "self"),
                "it is missing",
                "Every configuration needs it: repeat id, exchpub, signpub and noisepub of the section `self` there",
            )
        self._aliases = {name: self._id(NodeId, node, ("neigh", name)) for name, node in nodes.items()}
        neighbours: dict[NodeId, Neighbour] = {}
        for name, node in sorted(nodes.items(), key=lambda item: item[0] != "self"):
            # Two names for one node: `self` wins, then the first. The reference leaves it to chance.
            neighbours.setdefault(self._aliases[name], self._neighbour(name, node))
        areas = {name: self._area(name, area or {}) for name, area in (tree.get("areas") or {}).items()}
        return Config(
            path=path,
            spool=self._absolute(tree, "spool", ()) or self._missing(("spool",), "spool: /var/spool/nncp"),
            log=self._absolute(tree, "log", ()) or self._missing(("log",), "log: /var/spool/nncp/log"),
            umask=self._umask(tree.get("umask")),
            noprogress=bool(tree.get("noprogress")),
            nohdr=bool(tree.get("nohdr")),
            own=self._own(tree.get("self")),
            neighbours={self._aliases[name]: neighbours[self._aliases[name]] for name in nodes},
            aliases=self._aliases,
            notify=_notify(tree.get("notify") or {}),
            areas={area.id: areas[name] for name, area in reversed(areas.items())},
            area_aliases={name: area.id for name, area in areas.items()},
            mcd_listen=tuple(tree.get("mcd-listen") or ()),
            mcd_send=tree.get("mcd-send") or {},
            yggdrasil_aliases=tree.get("yggdrasil-aliases") or {},
        )

    def _own(self, own: dict[str, Any] | None) -> OwnKeys | None:
        if own is None:
            return None
        keys = {
            name: self._key(own, name, ("self",), _SIGNPRV_SIZE if name == "signprv" else _KEY_SIZE)
            for name in _OWN_KEYS
        }
        return OwnKeys(id=self._id(NodeId, own, ("self",)), **keys)

    def _neighbour(self, name: str, node: dict[str, Any]) -> Neighbour:
        path = ("neigh", name)
        onlinedeadline = self._deadline(node, path)
        rxrate, txrate = max(0, node.get("rxrate") or 0), max(0, node.get("txrate") or 0)
        addrs = node.get("addrs") or {}
        calls = [
            self._call(call or {}, (*path, "calls", n), addrs, rxrate, txrate, onlinedeadline)
            for n, call in enumerate(node.get("calls") or ())
        ]
        return Neighbour(
            name=name,
            id=self._aliases[name],
            exchpub=self._key(node, "exchpub", path),
            signpub=self._key(node, "signpub", path),
            noisepub=None if node.get("noisepub") is None else self._key(node, "noisepub", path),
            incoming=self._absolute(node, "incoming", path),
            exec=self._handles(node, path),
            freq=self._freq(node.get("freq"), (*path, "freq")),
            via=self._nodes(node, "via", path),
            addrs=addrs,
            rxrate=rxrate,
            txrate=txrate,
            onlinedeadline=onlinedeadline,
            maxonlinetime=node.get("maxonlinetime") or 0,
            calls=tuple(calls),
        )

    def _call(
        self,
        call: dict[str, Any],
        path: KeyPath,
        addrs: dict[str, str],
        rxrate: int,
        txrate: int,
        onlinedeadline: int | None,
    ) -> Call:
        xx = call.get("xx")
        if xx not in (None, "rx", "tx"):
            self._complain(
                (*path, "xx"), f"{show_value(xx)} is no direction", "Write rx or tx, or leave it out for both"
            )
        addr = call.get("addr")
        return Call(
            cron=self._cron(call.get("cron"), (*path, "cron")),
            nice=self._nice(call.get("nice"), (*path, "nice")),
            xx=xx,
            addr=None if addr is None else addrs.get(addr, addr),
            rxrate=rxrate if call.get("rxrate") is None else max(0, call["rxrate"]),
            txrate=txrate if call.get("txrate") is None else max(0, call["txrate"]),
            onlinedeadline=self._deadline(call, path) or onlinedeadline,
            maxonlinetime=call.get("maxonlinetime") or 0,
            **{field: bool(call.get(key)) for field, key in _CALL_FLAGS.items()},
        )

    def _area(self, name: str, area: dict[str, Any]) -> Area:
        path = ("areas", name)
        pub = None if area.get("pub") is None else self._key(area, "pub", path)
        prv = None if area.get("prv") is None else self._key(area, "prv", path)
        if prv is not None and pub is None:
            self._complain((*path, "prv"), "it stands without `pub`", "Add the area's `pub`, which belongs to it")
        return Area(
            name=name,
            id=self._id(Id, area, path),
            pub=pub,
            prv=prv,
            subs=self._nodes(area, "subs", path),
            incoming=None if area.get("incoming") is None else _cleaned(area["incoming"]),
            exec=self._handles(area, path),
            allow_unknown=bool(area.get("allow-unknown")),
        )

    # ------------------------------------------------------------------------------------------ single values

    def _complain(self, path: KeyPath, problem: str, remedy: str) -> None:
        self._complaints.add(path, problem, f"{remedy}.")

    def _missing(self, path: KeyPath, example: str) -> str:
        if not self._complaints.concern(path):
            self._complain(path, "it is missing", f"Write for example `{example}`")
        return "/"

    def _id(self, kind: type[AnId], section: dict[str, Any], path: KeyPath) -> AnId:
        return kind(self._key(section, "id", path))

    def _key(self, section: dict[str, Any], name: str, path: KeyPath, size: int = _KEY_SIZE) -> bytes:
        """Decode one key; its text never gets into a message, as it may be a secret one."""
        path = (*path, name)
        text = section.get(name)
        remedy = f"Copy it again, whole: {(size * 8 + 4) // 5} characters A-Z and 2-7"
        if text is None:
            if not self._complaints.concern(path):
                self._complain(path, "it is missing", remedy)
            return bytes(size)
        try:
            key = b32decode(text.replace("\r", "").replace("\n", ""))  # line ends inside do not count, as in Go
        except BadEncoding:
            self._complain(path, "it is not Base32", remedy)
            return bytes(size)
        if len(key) != size:
            self._complain(path, f"it has {len(key)} bytes, not {size}", remedy)
            return bytes(size)
        return key

    def _absolute(self, section: dict[str, Any], name: str, path: KeyPath) -> str | None:
        text = section.get(name)
        if text is None:
            return None
        if not text.startswith("/"):
            self._complain((*path, name), f"{show_value(text)} is no absolute path", "Begin it with `/`")
            return "/"
        return _cleaned(text)

    def _umask(self, text: str | None) -> int | None:
        if text is None:
            return None
        if text and not text.strip("01234567") and int(text, 8) <= 0xFFFF:
            return int(text, 8)
        self._complain(("umask",), f"{show_value(text)} is no umask", 'Write octal digits in quotes, like "022"')
        return None

    def _handles(self, section: dict[str, Any], path: KeyPath) -> dict[str, tuple[str, ...]]:
        handles = {name: tuple(argv or ()) for name, argv in (section.get("exec") or {}).items()}
        for name, argv in handles.items():
            if not argv or not argv[0]:
                remedy = f'Write the program and its fixed arguments, like {name}: ["/usr/bin/program", "-x"]'
                self._complain((*path, "exec", name), "it names no program", remedy)
        return handles

    def _freq(self, freq: dict[str, Any] | None, path: KeyPath) -> Freq | None:
        if freq is None:
            return None
        if freq.get("chunked") == 0:
            self._complain((*path, "chunked"), "0 is no chunk size", "Write KiB per chunk, or leave it out: no chunks")
        return Freq(
            path=self._absolute(freq, "path", path),
            chunked=self._kib(freq, "chunked", path, 0),
            minsize=self._kib(freq, "minsize", path, 0),
            maxsize=self._kib(freq, "maxsize", path, NO_LIMIT),
        )

    def _kib(self, section: dict[str, Any], name: str, path: KeyPath, default: int) -> int:
        kib = section.get(name)
        if kib is None:
            return default
        if kib > NO_LIMIT // 1024:
            self._complain((*path, name), f"{kib} KiB is beyond all bounds", "Write a size in KiB that a disk can hold")
            return default
        return int(kib) * 1024

    def _nodes(self, section: dict[str, Any], name: str, path: KeyPath) -> tuple[NodeId, ...]:
        return tuple(self._node(text, (*path, name, n)) for n, text in enumerate(section.get(name) or ()))

    def _node(self, text: str, path: KeyPath) -> NodeId:
        node = self._aliases.get(text)
        if node is None:
            try:
                node = NodeId(b32decode(text))
            except BadEncoding:
                node = None
        if node is None or node not in self._aliases.values():
            remedy = "Write the name of an entry in `neigh`, or its id"
            self._complain(path, f"{show_value(text)} is no neighbour", remedy)
            return _NOBODY
        return node

    def _deadline(self, section: dict[str, Any], path: KeyPath) -> int | None:
        seconds: int | None = section.get("onlinedeadline")
        if seconds == 0:
            self._complain((*path, "onlinedeadline"), "0 is no deadline", "Write at least 1 (seconds)")
        return seconds

    def _nice(self, text: str | None, path: KeyPath) -> int:
        if text is None:
            return MAX
        try:
            return parse_nice(text)
        except UsageError:
            self._complain(path, f"{show_value(text)} is no niceness", NICE_REMEDY)
            return MAX

    def _cron(self, text: str | None, path: KeyPath) -> str:
        text = text or ""
        try:
            cron.parse(text)
        except BadCron as error:
            remedy = 'Write minute, hour, day, month and weekday, like "*/10 * * * *"'
            self._complain(path, f"{show_value(text)} is no cron expression: {error.facts['problem']}", remedy)
        return text


NICE_REMEDY = "Write FLASH, PRIORITY, NORMAL, BULK, MAX, FLASH+1... or 1-255"
"""What is said wherever a niceness is wrong."""


def _notify(tree: dict[str, Any]) -> Notify:
    handles = {key: _mail(mail) for key, mail in (tree.get("exec") or {}).items() if mail is not None}
    file, freq = tree.get("file"), tree.get("freq")
    return Notify(
        file=None if file is None else _mail(file),
        freq=None if freq is None else _mail(freq),
        exec=handles,
    )


def _mail(tree: dict[str, Any]) -> Mail:
    return Mail(sender=tree.get("from") or "", recipient=tree.get("to") or "")


def _cleaned(path: str) -> str:
    """Clean a path as the reference does; two leading slashes are one, other than in POSIX."""
    from posixpath import normpath  # always loaded; named here because nothing else needs it

    return normpath("/" + path.lstrip("/")) if path.startswith("/") else normpath(path)
