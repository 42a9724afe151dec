# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold in every spool at rest, whatever happened before: for crash tests and simulations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muleteer.formats.ids import is_packet_name
from muleteer.formats.mth import mth
from muleteer.spool.layout import DELIVERY_PREFIX, HEAD_SIZE
from muleteer.spool.sweep import is_draft_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from muleteer.testing.disk import FakeDisk


def check_spool(disk: FakeDisk, root: str, *, incoming: Iterable[str] = ()) -> None:
    """Raise AssertionError unless the spool is sound after a sweep.

    A packet's bytes hash to its name; hdr/ holds what the packets begin with; no drafts and no other litter is left,
    neither in the spool nor (``nncpfile`` drafts) in the directories ``incoming``.
    """
    image = disk.image()
    for path, what in image.items():
        if path.startswith(f"{root}/"):
            _check(image, path, path[len(root) + 1 :].split("/"), what)
        above, _, name = path.rpartition("/")
        if above in incoming:
            assert not is_draft_name(name, DELIVERY_PREFIX), f"litter: {path}"


def _check(image: dict[str, bytes | str | None], path: str, parts: list[str], what: bytes | str | None) -> None:
    match parts:
        case ["tmp", _]:
            raise AssertionError(f"litter: {path}")
        case [_, "rx" | "tx", name] if is_packet_name(name) and isinstance(what, bytes):
            assert str(mth(what)) == name, f"a name that is no promise: {path} has {len(what)} bytes of something else"
        case [node, "rx" | "tx" as way, "hdr", name]:
            packet = image.get("/".join([path.split("/" + node, maxsplit=1)[0], node, way, name]))
            assert isinstance(packet, bytes), f"litter: {path} has no packet"
            assert what == packet[:HEAD_SIZE], f"{path} is not the packet's header"
        case ["muleteer", "aside", node, name]:
            waiting = f"{path.split('/muleteer/', maxsplit=1)[0]}/{node}/rx/{name}"
            assert waiting in image, f"litter: {path} has no packet"
