# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes of the test vectors with their spools in a folder, and packets made to measure."""

import pathlib

from muleteer.config.load import load
from muleteer.formats.packet import FILE, PlainHeader
from muleteer.testing.nodes import Node
from muleteer.testing.packets import people_from, seal

DATA = pathlib.Path(__file__).parent.parent / "vectors" / "data"
PEOPLE = people_from((DATA / "cfg" / "keys.json").read_text())


def make_node(name: str, root: pathlib.Path) -> Node:
    """One of alice, bob, carol and dave."""
    base = root / name
    for folder in ("spool", "incoming", "freq"):
        (base / folder).mkdir(parents=True)
    text = (DATA / "cfg" / f"{name}.hjson").read_text().replace(f"/srv/nncp-vec/{name}", str(base))
    (base / "nncp.json").write_text(text)
    return Node(load(str(base / "nncp.json"), {}, ()))


def carry(sender, recipient, sender_name="alice", recipient_name="bob"):
    """Move what waits, as a stick would."""
    return [recipient.receive(packet, sender_name) for packet in sender.take(recipient_name)]


def sealed(header, payload=b"", *, sender="alice", recipient="bob", nice=100):
    return seal(payload, sender=PEOPLE[sender], recipient=PEOPLE[recipient], header=header, nice=nice)


def file_packet(path=b"name", payload=b"body", **options):
    return sealed(PlainHeader(FILE, 100, path), payload, **options)


def files(directory):
    """Every file below a directory, with what is in it."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def reason(node, name, sender="alice"):
    """Why a packet was set aside."""
    note = node.aside.get(node.neighbour(sender).id, name)
    assert note is not None
    return note.reason
