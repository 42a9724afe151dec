# SPDX-License-Identifier: GPL-3.0-or-later
"""The real NNCP takes our packets."""

import subprocess

import pytest
from go_node import PEOPLE, GoNode

from muleteer.formats.envelope import BLOCK_SIZE, sealed_size
from muleteer.formats.mth import mth
from muleteer.formats.niceness import format_nice
from muleteer.formats.packet import ACK, EXEC, EXEC_FAT, FILE, FREQ, TRNS, PlainHeader, exec_path
from muleteer.formats.zstd import Compressor
from muleteer.testing.packets import pattern, seal

pytestmark = pytest.mark.interop

ALICE, BOB, CAROL = PEOPLE["alice"], PEOPLE["bob"], PEOPLE["carol"]
DATA = pattern(2 * BLOCK_SIZE + 20)
EDGES = sorted(
    {0, 1, 11}
    | {
        blocks * BLOCK_SIZE - head + step
        for blocks in (1, 2)
        for head in (276, 292)
        for step in (-16, -15, -1, 0, 1, 15, 16)
    }
)


def sealed(payload, header, **how):
    return seal(payload, sender=ALICE, recipient=BOB, header=header, **how)


@pytest.fixture
def bob(tmp_path):
    return GoNode("bob", tmp_path)


def test_toss_delivers_every_size_with_and_without_padding(bob):
    expected = {}
    for size in EDGES:
        for extra in (0, 1, 300, BLOCK_SIZE + 5):
            name = f"{size}+{extra}"
            minsize = sealed_size(size) + extra if extra else 0
            bob.receive(sealed(DATA[:size], PlainHeader(FILE, 160, name.encode()), minsize=minsize), "alice")
            expected[name] = DATA[:size]
    bob.run("check", "-quiet")
    bob.run("toss", "-quiet")
    assert bob.waiting("alice") == []
    assert {path.name: path.read_bytes() for path in bob.incoming.iterdir()} == expected


def test_hash_agrees_with_ours():
    for size in (0, 1, BLOCK_SIZE - 1, BLOCK_SIZE, BLOCK_SIZE + 1, 2 * BLOCK_SIZE, len(DATA)):
        run = subprocess.run(["/usr/bin/nncp-hash"], input=DATA[:size], capture_output=True, check=True)
        assert run.stdout.decode().strip() == mth(DATA[:size]).hex()


@pytest.mark.parametrize("nice", [1, 32, 65, 94, 160, 193, 254, 255])
def test_pkt_reads_the_envelope(bob, nice):
    shown = bob.run("pkt", stdin=sealed(b"x", PlainHeader(FILE, nice, b"name"), nice=nice)).stdout.decode()
    assert "Packet type: encrypted" in shown
    assert f"Niceness: {format_nice(nice)} ({nice})" in shown
    assert str(ALICE.id) in shown
    assert str(BOB.id) in shown


@pytest.mark.parametrize("size", [0, 11, BLOCK_SIZE - 276, BLOCK_SIZE + 5])
def test_pkt_dumps_the_plain_packet(bob, size):
    header = PlainHeader(FILE, 7, b"dir/name")
    packet = sealed(DATA[:size], header, minsize=1000)
    assert bob.run("pkt", "-dump", stdin=packet).stdout == header.pack() + DATA[:size]


@pytest.mark.parametrize("body", [b"", b"standard input\n" * 1000])
def test_toss_runs_our_exec_packets(bob, body):
    compressor = Compressor()
    packed = compressor.push(body) + compressor.finish()
    path = exec_path("dump", ["a b", "", "c"])
    bob.receive(sealed(packed, PlainHeader(EXEC, 77, path)), "alice")
    bob.receive(sealed(body, PlainHeader(EXEC_FAT, 77, path)), "alice")
    bob.run("toss", "-quiet")
    assert bob.waiting("alice") == []
    assert bob.ran() == [f"a b||c|{ALICE.id}|77|".encode() + body] * 2


def test_toss_relays_our_transit_packets_as_they_are(bob):
    inner = seal(b"payload!", sender=ALICE, recipient=CAROL, minsize=5000, hops=2)
    packet = sealed(inner, PlainHeader(TRNS, 0, CAROL.id))
    bob.receive(packet, "alice")
    bob.run("toss", "-quiet")
    assert bob.waiting("alice") == []
    assert bob.outgoing("carol") == [inner]
    assert 5000 <= len(packet) <= 5016


def test_toss_answers_our_requests(bob):
    (bob.root / "freq" / "dir").mkdir(parents=True)
    (bob.root / "freq" / "dir" / "wanted").write_bytes(b"content")
    bob.receive(sealed(b"where/to", PlainHeader(FREQ, 94, b"dir/wanted")), "alice")
    bob.run("toss", "-quiet")
    assert bob.waiting("alice") == []
    assert len(bob.outgoing("alice")) == 1


def test_toss_takes_our_acknowledgements(bob):
    source = bob.root / "file"
    source.write_bytes(b"x")
    bob.run("file", "-quiet", str(source), "alice:")
    (queued,) = bob.outgoing("alice")
    path = bob.spool / str(ALICE.id) / "tx" / str(mth(queued))
    path.write_bytes(queued)
    bob.receive(sealed(b"", PlainHeader(ACK, 160, mth(queued))), "alice")
    bob.run("toss", "-quiet")
    assert bob.waiting("alice") == []
    assert not path.exists()
