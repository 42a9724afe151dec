# SPDX-License-Identifier: GPL-3.0-or-later
"""We take the packets of the real NNCP."""

import pytest
from go_node import PEOPLE, GoNode

from muleteer.errors import PeerError
from muleteer.formats.envelope import BLOCK_SIZE, sealed_size
from muleteer.formats.ids import PacketName
from muleteer.formats.packet import ACK, EXEC, EXEC_FAT, FILE, FREQ, TRNS, PlainHeader, exec_path
from muleteer.formats.safename import clean_path
from muleteer.formats.zstd import Decompressor
from muleteer.testing.anatomy import dissect
from muleteer.testing.packets import open_packet, pattern, seal

pytestmark = pytest.mark.interop

ALICE, BOB = PEOPLE["alice"], PEOPLE["bob"]
DATA = pattern(2 * BLOCK_SIZE + 20)
EDGES = [
    0,
    1,
    *(edge + step for edge in (BLOCK_SIZE - 292, BLOCK_SIZE - 276, 2 * BLOCK_SIZE - 276) for step in (-1, 0, 1, 15)),
]


@pytest.fixture
def alice(tmp_path):
    return GoNode("alice", tmp_path)


def opened(packet, recipient=BOB):
    return open_packet(packet, recipient=recipient, sender=ALICE)


@pytest.mark.parametrize("minsize_kib", [0, 200])
@pytest.mark.parametrize("size", EDGES)
def test_files_of_every_size(alice, size, minsize_kib):
    source = alice.root / "source"
    source.write_bytes(DATA[:size])
    alice.run("file", "-quiet", "-chunked", "0", "-minsize", str(minsize_kib), "-nice", "P+3", str(source), "bob:d/n")
    (packet,) = alice.outgoing("bob")
    result = opened(packet)
    assert result.header == PlainHeader(FILE, 99, b"d/n")
    assert result.envelope.nice == 99
    assert result.payload == DATA[:size]
    assert len(packet) == max(sealed_size(size), minsize_kib * 1024)
    ours = seal(result.payload, sender=ALICE, recipient=BOB, header=result.header, nice=99, minsize=minsize_kib * 1024)
    assert dissect(ours, BOB.exchange) == dissect(packet, BOB.exchange)
    with pytest.raises(PeerError):
        opened(packet[:-1])
    with pytest.raises(PeerError):
        opened(packet + b"x")


@pytest.mark.parametrize("body", [b"", b"x", DATA])
def test_exec(alice, body):
    words = ["-quiet", "-nice", "B-2", "-replynice", "77", "bob", "dump", "a b", "", "c"]
    alice.run("exec", *words, stdin=body)
    (packet,) = alice.outgoing("bob")
    result = opened(packet)
    assert result.header == PlainHeader(EXEC, 77, exec_path("dump", ["a b", "", "c"]))
    out = bytearray()
    decompressor = Decompressor(out.extend)
    decompressor.push(result.payload)
    decompressor.finish()
    assert out == body
    alice.run("exec", "-nocompress", *words, stdin=body)
    (packet,) = alice.outgoing("bob")
    assert (opened(packet).header.kind, opened(packet).payload) == (EXEC_FAT, body)


@pytest.mark.parametrize(
    ("source", "target"), [("some/../dir/file", "dst/a/../n"), ("a//b/", "../x"), ("../../a", "./y")]
)
def test_freq_cleans_its_paths_as_we_do(alice, source, target):
    alice.run("freq", "-quiet", "-replynice", "P-2", f"bob:{source}", target)
    (packet,) = alice.outgoing("bob")
    result = opened(packet)
    assert result.header == PlainHeader(FREQ, 94, clean_path(source).encode())
    assert result.payload == clean_path(target).encode()


def test_ack(alice):
    acknowledged = "YYPFDTZ2H7E4SJE3ERRQCXQNC6Q2ZXHCYK5OYHNY3XC5QTYKVFPQ"
    alice.run("ack", "-quiet", "-node", "bob", "-pkt", acknowledged)
    (packet,) = alice.outgoing("bob")
    assert opened(packet).header == PlainHeader(ACK, 160, PacketName.parse(acknowledged))
    assert opened(packet).payload == b""


@pytest.mark.parametrize("minsize_kib", [0, 5, 200])
def test_three_envelopes(alice, minsize_kib):
    alice.run("file", "-quiet", "-minsize", str(minsize_kib), str(alice.config), "dave:name")
    (packet,) = alice.outgoing("bob")
    outer = opened(packet)
    middle = opened(outer.payload, PEOPLE["carol"])
    inner = opened(middle.payload, PEOPLE["dave"])
    assert (outer.header.kind, outer.header.path) == (TRNS, PEOPLE["carol"].id)
    assert (middle.header.kind, middle.header.path) == (TRNS, PEOPLE["dave"].id)
    assert inner.payload == alice.config.read_bytes()
    ours = seal(inner.payload, sender=ALICE, recipient=PEOPLE["dave"], minsize=minsize_kib * 1024, hops=3)
    assert len(ours) == len(middle.payload)
