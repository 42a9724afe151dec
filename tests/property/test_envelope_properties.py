# SPDX-License-Identifier: GPL-3.0-or-later
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from muleteer.errors import PeerError
from muleteer.formats.envelope import BLOCK_SIZE, HEADER_SIZE, padding_for, sealed_size
from muleteer.formats.packet import PlainHeader
from muleteer.testing.anatomy import dissect
from muleteer.testing.packets import Person, open_packet, pattern, seal

ALICE = Person.named("alice")
BOB = Person.named("bob")
DATA = pattern(3 * BLOCK_SIZE)

near_edges = st.builds(
    lambda blocks, step: max(0, blocks * BLOCK_SIZE - 284 + step), st.integers(0, 2), st.integers(-30, 30)
)
sizes = st.one_of(st.integers(0, 2000), near_edges, st.integers(0, len(DATA)))
headers = st.builds(PlainHeader, st.integers(1, 7), st.integers(0, 255), st.binary(max_size=255))


@settings(max_examples=60)
@given(
    header=headers,
    nice=st.integers(1, 255),
    size=sizes,
    minsize=st.one_of(st.just(0), st.integers(0, 500_000)),
    hops=st.integers(1, 4),
    pieces=st.tuples(st.integers(1000, 200_000), st.integers(1000, 200_000)),
)
def test_what_is_sealed_opens_to_the_same(header, nice, size, minsize, hops, pieces):
    payload = DATA[:size]
    packet = seal(
        payload,
        sender=ALICE,
        recipient=BOB,
        header=header,
        nice=nice,
        minsize=minsize,
        hops=hops,
        piece=pieces[0],
    )
    pad = padding_for(size, minsize, hops)
    assert len(packet) == sealed_size(size) + pad
    result = open_packet(packet, recipient=BOB, sender=ALICE, piece=pieces[1])
    assert (result.header, result.payload, result.envelope.nice) == (header, payload, nice)
    assert (result.opened.payload_size, result.opened.pad_size) == (size, pad)
    anatomy = dissect(packet, BOB.exchange)
    assert anatomy.plain == header.pack() + payload
    if hops == 1 and pad:
        assert len(packet) == minsize


@given(size=st.integers(0, 1 << 50), minsize=st.integers(0, 1 << 50), hops=st.integers(1, 6))
@example(size=8, minsize=204800, hops=3)
def test_padding_reaches_the_size_and_hardly_exceeds_it(size, minsize, hops):
    pad = padding_for(size, minsize, hops)
    total = sealed_size(size) + pad
    for _ in range(hops - 1):
        total = sealed_size(total)
    unpadded = size
    for _ in range(hops):
        unpadded = sealed_size(unpadded)
    assert total >= minsize
    if not pad:
        assert total == unpadded
    else:
        # The tail has no tags, so the outer envelopes may need a tag more or fewer per block of it.
        assert total - minsize <= 16 * hops * (pad // BLOCK_SIZE + 1)


SMALL = seal(DATA[:500], sender=ALICE, recipient=BOB, minsize=900, ephemeral=ALICE.exchange)
LARGE = seal(DATA[: BLOCK_SIZE + 99], sender=ALICE, recipient=BOB, minsize=400_000, ephemeral=ALICE.exchange)
packets = st.sampled_from([SMALL, LARGE])


@settings(max_examples=150)
@given(packet=packets, data=st.data())
def test_any_change_is_refused(packet, data):
    at = data.draw(st.integers(0, len(packet) - 1))
    change = data.draw(st.binary(min_size=1, max_size=40))
    how = data.draw(st.sampled_from(["replace", "insert", "remove", "truncate"]))
    end = at + (0 if how == "insert" else len(change))
    changed = packet[:at] + (change if how in ("replace", "insert") else b"") + packet[end:]
    if how == "truncate":
        changed = packet[:at]
    if changed == packet:
        return
    with pytest.raises(PeerError) as caught:
        open_packet(changed, recipient=BOB, sender=ALICE)
    assert "<" not in str(caught.value)  # every fact of the sentence is there


@settings(max_examples=100)
@given(junk=st.binary(max_size=600))
def test_junk_is_refused(junk):
    for packet in (junk, SMALL[:HEADER_SIZE] + junk):
        with pytest.raises(PeerError):
            open_packet(packet, recipient=BOB, sender=ALICE)
