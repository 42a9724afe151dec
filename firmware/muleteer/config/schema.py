# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of `nncp.hjson`: every key that the reference knows, and the type of its value."""

from __future__ import annotations

from muleteer.config.shape import COUNT, FLAG, INT, TEXT, ListOf, MapOf, RecordOf

_TEXTS = ListOf(TEXT)
_HANDLES = MapOf(_TEXTS)
_PUBLIC = {"id": TEXT, "exchpub": TEXT, "signpub": TEXT, "noisepub": TEXT}
_MAIL = RecordOf({"from": TEXT, "to": TEXT})

_CALL = RecordOf(
    {
        "cron": TEXT,
        "nice": TEXT,
        "xx": TEXT,
        "rxrate": INT,
        "txrate": INT,
        "addr": TEXT,
        "onlinedeadline": COUNT,
        "maxonlinetime": COUNT,
        "when-tx-exists": FLAG,
        "nock": FLAG,
        "mcd-ignore": FLAG,
        "autotoss": FLAG,
        "autotoss-doseen": FLAG,
        "autotoss-nofile": FLAG,
        "autotoss-nofreq": FLAG,
        "autotoss-noexec": FLAG,
        "autotoss-notrns": FLAG,
        "autotoss-noarea": FLAG,
    }
)

_NEIGHBOUR = RecordOf(
    {
        **_PUBLIC,
        "incoming": TEXT,
        "exec": _HANDLES,
        "freq": RecordOf({"path": TEXT, "chunked": COUNT, "minsize": COUNT, "maxsize": COUNT}),
        "via": _TEXTS,
        "calls": ListOf(_CALL),
        "addrs": MapOf(TEXT),
        "rxrate": INT,
        "txrate": INT,
        "onlinedeadline": COUNT,
        "maxonlinetime": COUNT,
    }
)

_AREA = RecordOf(
    {
        "id": TEXT,
        "pub": TEXT,
        "prv": TEXT,
        "subs": _TEXTS,
        "incoming": TEXT,
        "exec": _HANDLES,
        "allow-unknown": FLAG,
    }
)

SCHEMA = RecordOf(
    {
        "spool": TEXT,
        "log": TEXT,
        "umask": TEXT,
        "noprogress": FLAG,
        "nohdr": FLAG,
        "mcd-listen": _TEXTS,
        "mcd-send": MapOf(INT),
        "notify": RecordOf({"file": _MAIL, "freq": _MAIL, "exec": MapOf(_MAIL)}),
        "self": RecordOf({**_PUBLIC, "exchprv": TEXT, "signprv": TEXT, "noiseprv": TEXT}),
        "neigh": MapOf(_NEIGHBOUR),
        "areas": MapOf(_AREA),
        "yggdrasil-aliases": MapOf(TEXT),
    }
)
