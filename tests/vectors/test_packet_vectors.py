# SPDX-License-Identifier: GPL-3.0-or-later
"""Every packet that the reference made opens to the stated values, layer by layer."""

import hashlib
import json
import pathlib

import pytest

from muleteer.crypto.hashes import blake2b_256
from muleteer.crypto.keys import ExchangeKey
from muleteer.formats.envelope import HEADER_SIZE, EnvelopeHeader, Opener
from muleteer.formats.ids import NodeId, b32decode
from muleteer.formats.mth import mth
from muleteer.formats.packet import PlainHeader
from muleteer.formats.zstd import Decompressor
from muleteer.testing.anatomy import dissect
from muleteer.testing.packets import Person, open_packet, people_from, reader, seal

DATA = pathlib.Path(__file__).parent / "data"
KEYS = (DATA / "cfg" / "keys.json").read_text()
AREA = json.loads(KEYS)["area_ar"]
PEOPLE = people_from(KEYS)
# An area is opened like a node; nothing is ever signed by it.
PEOPLE["area:ar"] = Person(
    "area:ar", NodeId.parse(AREA["id"]), PEOPLE["alice"].sign, ExchangeKey(b32decode(AREA["prv"]))
)
ALICE = PEOPLE["alice"]
KINDS = {"file": 1, "freq": 2, "exec": 3, "trns": 4, "execfat": 5, "area": 6, "ack": 7}


def load():
    for path in sorted((DATA / "packets").glob("*.pkt")):
        packet = path.read_bytes()
        facts = json.loads(path.with_suffix(".json").read_text())
        yield path.stem, packet, facts


PACKETS = {name: (packet, facts) for name, packet, facts in load()}


def layers():
    """Every layer of every packet, as (packet bytes, stated values)."""
    for name, (packet, facts) in PACKETS.items():
        inner = packet
        for number, layer in enumerate(facts["layers"]):
            yield pytest.param(inner, layer, id=f"{name}-{number}")
            inner = open_packet(inner, recipient=PEOPLE[layer["recipient"]], sender=ALICE).payload


LAYERS = list(layers())


def test_all_vectors_are_there():
    assert len(PACKETS) == 18
    assert len(LAYERS) == 24


@pytest.mark.parametrize("name", PACKETS)
def test_file_name_is_the_tree_hash(name):
    packet, facts = PACKETS[name]
    assert len(packet) == facts["size"]
    assert str(mth(packet)) == facts["spool_name"]


@pytest.mark.parametrize(("packet", "layer"), LAYERS)
def test_envelope(packet, layer):
    header = EnvelopeHeader.unpack(packet)
    assert str(header.sender) == layer["sender_id"]
    assert str(header.recipient) == layer["recipient_id"]
    assert header.nice == layer["enc_nice"]
    assert header.ephemeral.hex() == layer["ephemeral_pub"]
    assert header.pack() == packet[:HEADER_SIZE]
    header.verify(ALICE.sign.public)


@pytest.mark.parametrize("piece", [1 << 30, 1000])
@pytest.mark.parametrize(("packet", "layer"), LAYERS)
def test_content(packet, layer, piece):
    result = open_packet(packet, recipient=PEOPLE[layer["recipient"]], sender=ALICE, piece=piece)
    assert result.header == PlainHeader(
        layer["plain_type_number"], layer["plain_nice"], bytes.fromhex(layer["path_hex"])
    )
    assert result.header.kind == KINDS[layer["plain_type"]]
    assert len(result.payload) == layer["payload_size"] == result.opened.payload_size
    assert hashlib.sha256(result.payload).hexdigest() == layer["payload_sha256"]
    assert result.opened.pad_size == layer["size_field_pad"]


@pytest.mark.parametrize(("packet", "layer"), LAYERS)
def test_blocks(packet, layer):
    anatomy = dissect(packet, PEOPLE[layer["recipient"]].exchange)
    assert [list(block) for block in anatomy.blocks] == layer["blocks"]
    assert len(anatomy.plain) == layer["size_field_payload"]
    assert anatomy.pad_size == layer["size_field_pad"]
    assert anatomy.zeros == layer["inner_pad_zeros"]
    assert anatomy.tail == layer["outer_pad_xof"]


@pytest.mark.parametrize(("packet", "layer"), LAYERS)
def test_our_packet_of_the_same_content_has_the_same_build(packet, layer):
    # The ephemeral private keys are not known, so the bytes cannot be equal; everything else is.
    recipient = PEOPLE[layer["recipient"]]
    theirs = open_packet(packet, recipient=recipient, sender=ALICE)
    minsize = len(packet) if theirs.opened.pad_size else 0
    nice = theirs.envelope.nice
    ours = seal(theirs.payload, sender=ALICE, recipient=recipient, header=theirs.header, nice=nice, minsize=minsize)
    assert dissect(ours, recipient.exchange) == dissect(packet, recipient.exchange)
    assert ours[:76] == packet[:76]
    assert open_packet(ours, recipient=recipient, sender=ALICE).payload == theirs.payload


@pytest.mark.parametrize(("packet", "layer"), LAYERS)
def test_peek(packet, layer):
    opener = Opener(EnvelopeHeader.unpack(packet), PEOPLE[layer["recipient"]].exchange)
    assert opener.peek(reader(packet[HEADER_SIZE:])).kind == layer["plain_type_number"]


def test_padding_through_hops_is_the_references():
    _, facts = PACKETS["trns-2hops-min5k"]
    innermost = facts["layers"][-1]
    ours = seal(b"payload!", sender=ALICE, recipient=PEOPLE["dave"], minsize=5120, hops=3)
    assert len(ours) == facts["layers"][1]["payload_size"]
    assert dissect(ours, PEOPLE["dave"].exchange).pad_size == innermost["size_field_pad"]


def test_the_plain_dump_is_the_plain_packet():
    packet, _ = PACKETS["file-11"]
    assert dissect(packet, PEOPLE["bob"].exchange).plain == (DATA / "packets" / "file-11.plain").read_bytes()


def test_exec_bodies_decompress():
    bodies = {}
    for name in ("exec", "exec-fat", "exec-empty-stdin"):
        result = open_packet(PACKETS[name][0], recipient=PEOPLE["bob"], sender=ALICE)
        bodies[name] = bytearray()
        if name == "exec-fat":
            bodies[name] += result.payload
            continue
        decompressor = Decompressor(bodies[name].extend)
        decompressor.push(result.payload)
        decompressor.finish()
    assert bodies == {"exec": b"BODY\n" * 50, "exec-fat": b"BODY\n" * 50, "exec-empty-stdin": b""}


@pytest.mark.parametrize("name", ["area-to-self", "area-to-bob"])
def test_an_area_message_is_known_by_its_inner_header(name):
    packet, facts = PACKETS[name]
    inner = open_packet(packet, recipient=PEOPLE[facts["layers"][0]["recipient"]], sender=ALICE).payload
    assert str(NodeId(blake2b_256(inner[:HEADER_SIZE]))) == facts["area_msg_hash"]


@pytest.mark.parametrize("name", [name for name in PACKETS if name.startswith("file")])
def test_damage_to_a_packet_of_the_reference_is_refused(name):
    packet, _ = PACKETS[name]
    for at in (0, 9, 20, 60, 90, 150, HEADER_SIZE, len(packet) // 2, len(packet) - 1):
        damaged = bytearray(packet)
        damaged[at] ^= 0x40
        with pytest.raises(Exception, match=r"(?i)packet|padding|data") as caught:
            open_packet(bytes(damaged), recipient=PEOPLE["bob"], sender=ALICE)
        assert type(caught.value).__module__ == "muleteer.errors"
