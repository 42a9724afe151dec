# SPDX-License-Identifier: GPL-3.0-or-later
"""What `nncp.hjson` says, as frozen values: parsed once at the edge, trusted everywhere inside.

Every ``nncp-*`` command imports this module, so it imports next to nothing (see muleteer.record).
"""

from __future__ import annotations

from muleteer.errors import UsageError
from muleteer.formats.ids import Id, NodeId
from muleteer.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

NO_LIMIT = (1 << 63) - 1
"""A `maxsize` that was not given: no packet reaches it."""


@record
class OwnKeys:
    """This node's keys; absent from a stripped configuration. Its repr shows the id only."""

    id: NodeId
    exchpub: bytes
    exchprv: bytes
    signpub: bytes
    signprv: bytes
    noisepub: bytes
    noiseprv: bytes

    def __repr__(self) -> str:
        return f"OwnKeys({self.id}, private keys hidden)"


@record
class Freq:
    """What a neighbour may request: files below `path` (None: nothing), limits in bytes.

    The limits stand without a path too: they are also the defaults of what *we* send to that neighbour.
    """

    path: str | None
    chunked: int = 0
    minsize: int = 0
    maxsize: int = NO_LIMIT


@record
class Call:
    """One entry of a neighbour's `calls`; rates and deadline it does not give are the neighbour's."""

    cron: str
    nice: int
    xx: str | None
    addr: str | None
    rxrate: int
    txrate: int
    onlinedeadline: int | None
    maxonlinetime: int
    when_tx_exists: bool
    nock: bool
    mcd_ignore: bool
    autotoss: bool
    doseen: bool
    nofile: bool
    nofreq: bool
    noexec: bool
    notrns: bool
    noarea: bool


@record
class Neighbour:
    """One entry of `neigh`. Rates are packets per second, 0 = unlimited; times are seconds.

    `onlinedeadline` None means the default (NNCPDEADLINE or 10); `maxonlinetime` 0 means none.
    `via` is in travelling order: its first element gets the packet from us.
    """

    name: str
    id: NodeId
    exchpub: bytes
    signpub: bytes
    noisepub: bytes | None
    incoming: str | None
    exec: dict[str, tuple[str, ...]]
    freq: Freq | None
    via: tuple[NodeId, ...]
    addrs: dict[str, str]
    rxrate: int
    txrate: int
    onlinedeadline: int | None
    maxonlinetime: int
    calls: tuple[Call, ...]


@record
class Mail:
    """Sender and recipient of notification mails."""

    sender: str
    recipient: str


@record
class Notify:
    """Which events are mailed. `exec` is keyed "NODE.HANDLE" or "*.HANDLE"; the exact key wins."""

    file: Mail | None
    freq: Mail | None
    exec: dict[str, Mail]

    def for_exec(self, node: str, handle: str) -> Mail | None:
        """Return who is told that `node` called `handle`, if anyone is."""
        return self.exec.get(f"{node}.{handle}") or self.exec.get(f"*.{handle}")


@record
class Area:
    """One entry of `areas`; without `prv` we only relay for it. Its repr hides the private key."""

    name: str
    id: Id
    pub: bytes | None
    prv: bytes | None
    subs: tuple[NodeId, ...]
    incoming: str | None
    exec: dict[str, tuple[str, ...]]
    allow_unknown: bool

    def __repr__(self) -> str:
        return f"Area({self.name!r}, {self.id})"


@record
class Config:
    """A whole `nncp.hjson`. `own` is None in a stripped configuration (only key-less commands work then).

    `aliases` maps every name in `neigh` to its id, `area_aliases` likewise for `areas`. A name can share its id with
    another (`self` and this node's own name, say): `neighbours` then holds the entry `self`, or else the first one.
    """

    path: str
    spool: str
    log: str
    umask: int | None
    noprogress: bool
    nohdr: bool
    own: OwnKeys | None
    neighbours: dict[NodeId, Neighbour]
    aliases: dict[str, NodeId]
    notify: Notify
    areas: dict[Id, Area]
    area_aliases: dict[str, Id]
    mcd_listen: tuple[str, ...]
    mcd_send: dict[str, int]
    yggdrasil_aliases: dict[str, str]

    @property
    def me(self) -> Neighbour:
        """The entry `self` of `neigh`, which every valid configuration has."""
        return self.neighbours[self.aliases["self"]]

    def find(self, text: str) -> Neighbour:
        """Return the neighbour that a NODE argument means: a name in `neigh` or a base32 id.

        Raises:
            UsageError: it is neither.

        """
        node = self.aliases.get(text) or _id_or_none(text)
        if node is None or node not in self.neighbours:
            raise UsageError(problem="unknown node")
        return self.neighbours[node]

    def find_area(self, text: str) -> Area:
        """Return the area that an AREA argument means: a name in `areas` or a base32 id.

        Raises:
            UsageError: it is neither.

        """
        area = self.area_aliases.get(text) or _id_or_none(text)
        if area is None or area not in self.areas:
            raise UsageError(problem="unknown area")
        return self.areas[area]


def with_environment(config: Config, environ: Mapping[str, str]) -> Config:
    """Apply NNCPSPOOL and NNCPLOG; the `-spool` and `-log` flags win over them in turn."""
    spool, log = environ.get("NNCPSPOOL"), environ.get("NNCPLOG")
    if not spool and not log:
        return config
    return relocate(config, spool, log)


def relocate(config: Config, spool: str | None, log: str | None) -> Config:
    """Return the configuration with another spool or log; an empty or absent value changes nothing."""
    from muleteer.record import replace  # most runs relocate nothing

    return replace(config, spool=spool or config.spool, log=log or config.log)


def _id_or_none(text: str) -> NodeId | None:
    from muleteer.errors import BadEncoding  # names are the common case

    try:
        return NodeId.parse(text)
    except BadEncoding:
        return None
