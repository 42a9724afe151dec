# SPDX-License-Identifier: GPL-3.0-or-later
import tracemalloc

import pytest

from muleteer.crypto.aead import Aead
from muleteer.crypto.hashes import derive_key
from muleteer.errors import (
    BadBlock,
    BadEncoding,
    BadPadding,
    BadSignature,
    NotAPacket,
    OldPacket,
    PacketTooBig,
    PeerError,
    TruncatedPacket,
    UsageError,
)
from muleteer.formats.envelope import (
    BLOCK_SIZE,
    HEADER_SIZE,
    OUT_BUFFER,
    PLAIN_BUFFER,
    SEALED_BLOCK,
    EnvelopeHeader,
    Opener,
    Sealer,
    padding_for,
    sealed_size,
)
from muleteer.formats.packet import ACK, FILE, PlainHeader
from muleteer.formats.sealer import SIZE_CONTEXT
from muleteer.testing.anatomy import dissect
from muleteer.testing.packets import Person, open_packet, pattern, reader, seal

ALICE = Person.named("alice")
BOB = Person.named("bob")
DATA = pattern(3 * BLOCK_SIZE)
HEADER = PlainHeader(FILE, 160, b"name")

# Payload sizes around every edge: of the plain packet (276 more), of the SIZE block (292 more), of one to five blocks.
EDGES = sorted(
    {0, 1, 15, 16, 17}
    | {
        blocks * BLOCK_SIZE - head + step
        for blocks in (1, 2, 4, 5)
        for head in (276, 292)
        for step in (-16, -15, -1, 0, 1, 15, 16)
    }
)


def sealed(payload, **how):
    return seal(payload, sender=ALICE, recipient=BOB, header=HEADER, **how)


def opened(packet, **how):
    return open_packet(packet, recipient=BOB, sender=ALICE, **how)


def data(size):
    return (DATA * 2)[:size]


@pytest.mark.parametrize("size", EDGES)
def test_round_trip_at_every_edge(size):
    packet = sealed(data(size))
    assert len(packet) == sealed_size(size)
    anatomy = dissect(packet, BOB.exchange)
    assert anatomy.plain == HEADER.pack() + data(size)
    result = opened(packet)
    assert result.header == HEADER
    assert result.payload == data(size)
    assert (result.opened.payload_size, result.opened.pad_size) == (size, 0)


@pytest.mark.parametrize("extra", [1, 15, 16, 17, 1000, BLOCK_SIZE, 2 * BLOCK_SIZE + 1])
@pytest.mark.parametrize("size", [0, 1, BLOCK_SIZE - 293, BLOCK_SIZE - 292, BLOCK_SIZE - 291, BLOCK_SIZE - 276])
def test_padding_brings_it_to_the_very_size(size, extra):
    minsize = sealed_size(size) + extra
    packet = sealed(data(size), minsize=minsize)
    assert len(packet) == minsize
    anatomy = dissect(packet, BOB.exchange)
    assert anatomy.plain == HEADER.pack() + data(size)
    assert anatomy.pad_size == extra == anatomy.zeros + anatomy.tail
    result = opened(packet)
    assert result.payload == data(size)
    assert result.opened.pad_size == extra


def test_a_packet_that_is_large_enough_is_not_padded():
    assert len(sealed(b"x" * 1000, minsize=sealed_size(1000))) == sealed_size(1000)
    assert padding_for(1000, 0, 1) == 0


def test_padding_counts_the_envelopes_around():
    # 200 KiB through two relays: 32 bytes more than asked for, as the reference makes it.
    size = len(sealed(b"payload!", minsize=204800, hops=3))
    assert sealed_size(sealed_size(size)) == 204832


@pytest.mark.parametrize("piece", [1, 13, 4096, 131072])
@pytest.mark.parametrize("size", [0, 300, BLOCK_SIZE - 284])
def test_input_may_come_in_pieces(size, piece):
    packet = sealed(data(size), piece=max(piece, size // 500))
    assert opened(packet, piece=max(piece, size // 500)).payload == data(size)


def test_length_of_input_need_not_be_known_for_a_batch_edge():
    size = PLAIN_BUFFER - len(HEADER.pack())
    assert opened(sealed(data(size))).payload == data(size)


def test_one_ephemeral_key_gives_one_packet():
    packets = {sealed(data(1000), ephemeral=BOB.exchange) for _ in range(2)}
    assert len(packets) == 1
    assert sealed(data(1000)) != sealed(data(1000))


def test_a_sealer_seals_once():
    sealer = _sealer()
    lent = memoryview(bytearray(OUT_BUFFER))
    sealer.run(HEADER.pack(), reader(b""), lambda: lent, lambda _: None)
    with pytest.raises(ValueError, match="one packet"):
        sealer.run(HEADER.pack(), reader(b""), lambda: lent, lambda _: None)


def _sealer(**changes):
    arguments = {
        "sender": ALICE.id,
        "sign": ALICE.sign,
        "recipient": BOB.id,
        "exchpub": BOB.exchange.public,
        "nice": 7,
        "ephemeral": ALICE.exchange,
    }
    return Sealer(**{**arguments, **changes})


def test_a_useless_exchange_key_is_the_owners_mistake():
    with pytest.raises(UsageError, match="exchpub"):
        _sealer(exchpub=bytes(32))


@pytest.mark.parametrize("size", [1000, 2_000_000])
def test_maxsize_counts_header_and_payload(size):
    lent = memoryview(bytearray(OUT_BUFFER))
    payload = bytes(size)
    taken = _sealer().run(HEADER.pack(), reader(payload), lambda: lent, lambda _: None, maxsize=size + 276)
    assert taken == size
    with pytest.raises(PacketTooBig):
        _sealer().run(HEADER.pack(), reader(payload), lambda: lent, lambda _: None, maxsize=size + 275)


def test_a_packet_above_maxsize_is_noticed_while_it_streams():
    read = []

    def endless(view):
        read.append(len(view))
        return len(view)

    lent = memoryview(bytearray(OUT_BUFFER))
    with pytest.raises(PacketTooBig):
        _sealer().run(HEADER.pack(), endless, lambda: lent, lambda _: None, maxsize=5 << 20)
    assert sum(read) < 6 << 20


def test_buffers_are_given_in_order_and_filled():
    lent, given = [], []

    def take():
        lent.append(memoryview(bytearray(OUT_BUFFER)))
        return lent[-1]

    payload = data(9 * 65536) * 4
    _sealer().run(HEADER.pack(), reader(payload), take, given.append)
    assert all(view.obj is buffer.obj for view, buffer in zip(given, lent, strict=True))
    assert all(len(view) >= 4 * SEALED_BLOCK for view in given[:-1])
    assert opened(b"".join(given)).payload == payload


def test_pour_decrypts_into_lent_buffers():
    class Taker:
        def __init__(self):
            self.lent, self.given = [], []

        def take(self):
            self.lent.append(memoryview(bytearray(PLAIN_BUFFER)))
            return self.lent[-1]

        def give(self, view):
            self.given.append(view)

    taker = Taker()
    payload = data(9 * 65536) * 4
    packet = sealed(payload, minsize=3_000_000)
    header = EnvelopeHeader.unpack(packet)
    result = Opener(header, BOB.exchange).pour(reader(packet[HEADER_SIZE:]), lambda _: taker)
    assert result.payload_size == len(payload)
    assert b"".join(taker.given) == payload
    assert all(view.obj is buffer.obj for view, buffer in zip(taker.given, taker.lent, strict=True))


@pytest.mark.parametrize("size", [0, 100, BLOCK_SIZE - 276, 3 * BLOCK_SIZE])
@pytest.mark.parametrize("minsize", [0, 400_000])
def test_peek_reads_no_more_than_it_must(size, minsize):
    packet = sealed(data(size), minsize=minsize)
    read = reader(packet[HEADER_SIZE:], 50_000)
    taken = []

    def counting(view):
        taken.append(read(view))
        return taken[-1]

    assert Opener(EnvelopeHeader.unpack(packet), BOB.exchange).peek(counting) == HEADER
    assert sum(taken) <= 4 * SEALED_BLOCK


def test_peek_does_not_believe_a_forgery():
    packet = bytearray(sealed(b"x"))
    packet[-1] ^= 1
    with pytest.raises(BadBlock):
        Opener(EnvelopeHeader.unpack(packet), BOB.exchange).peek(reader(bytes(packet[HEADER_SIZE:])))


def test_header_layout():
    header = EnvelopeHeader.unpack(sealed(b"x"))
    assert header.pack()[:8] == b"NNCPE\0\0\6"
    assert header.pack()[8:12] == b"\0\0\0\xa0"
    assert (header.sender, header.recipient) == (ALICE.id, BOB.id)
    assert EnvelopeHeader.unpack(header.pack()) == header
    header.verify(ALICE.sign.public)
    with pytest.raises(BadSignature, match=str(ALICE.id)):
        header.verify(BOB.sign.public)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda raw: b"", TruncatedPacket),
        (lambda raw: raw[:5], TruncatedPacket),
        (lambda raw: raw[: HEADER_SIZE - 1], TruncatedPacket),
        (lambda raw: b"NNCPE\0\0\5" + raw[8:], OldPacket),
        (lambda raw: b"NNCPE\0\0\7" + raw[8:], NotAPacket),
        (lambda raw: b"NNCPP\0\0\3" + raw[8:], NotAPacket),
        (lambda raw: b"junk", NotAPacket),
        (lambda raw: raw[:8] + bytes(4) + raw[12:], BadEncoding),
        (lambda raw: raw[:8] + b"\0\0\1\0" + raw[12:], BadEncoding),
    ],
)
def test_malformed_headers_are_refused(change, error):
    with pytest.raises(error):
        EnvelopeHeader.unpack(change(sealed(b"x")))


def test_an_ephemeral_key_of_low_order_is_refused():
    header = EnvelopeHeader(1, ALICE.id, BOB.id, bytes(32), bytes(64))
    with pytest.raises(BadEncoding, match="low order"):
        Opener(header, BOB.exchange)


SMALL = sealed(b"eleven byte", ephemeral=ALICE.exchange)
PADDED = sealed(b"x", minsize=200_000, ephemeral=ALICE.exchange)
EDGED = sealed(data(BLOCK_SIZE - 291), ephemeral=ALICE.exchange)  # the sizes push one byte into a block of its own
WHOLE = sealed(data(BLOCK_SIZE - 292), ephemeral=ALICE.exchange)  # ends with a full block
LONG = sealed(data(2 * BLOCK_SIZE + 100), ephemeral=ALICE.exchange)


def test_every_flipped_bit_is_refused():
    for at in range(len(SMALL) * 8):
        damaged = bytearray(SMALL)
        damaged[at // 8] ^= 1 << at % 8
        expected = (NotAPacket, OldPacket, BadEncoding, BadSignature) if at < HEADER_SIZE * 8 else BadBlock
        with pytest.raises(expected):
            opened(bytes(damaged))


@pytest.mark.parametrize(
    ("packet", "at", "error"),
    [
        (PADDED, HEADER_SIZE + SEALED_BLOCK - 1, BadBlock),
        (PADDED, HEADER_SIZE + SEALED_BLOCK, BadPadding),
        (PADDED, len(PADDED) - 1, BadPadding),
        (EDGED, HEADER_SIZE + 5, BadBlock),
        (EDGED, len(EDGED) - 1, BadBlock),
        (LONG, HEADER_SIZE + 5, BadBlock),
        (LONG, HEADER_SIZE + SEALED_BLOCK, BadBlock),
        (LONG, len(LONG) - 1, BadBlock),
    ],
)
def test_flips_in_large_packets_are_refused_with_the_right_reason(packet, at, error):
    damaged = bytearray(packet)
    damaged[at] ^= 0x10
    with pytest.raises(error):
        opened(bytes(damaged))


def test_every_truncation_is_refused():
    for size in range(len(SMALL)):
        expected = TruncatedPacket if size < HEADER_SIZE + 32 else BadBlock
        with pytest.raises(expected):
            opened(SMALL[:size])


@pytest.mark.parametrize(
    ("packet", "size", "error"),
    [
        (PADDED, len(PADDED) - 1, TruncatedPacket),
        (PADDED, HEADER_SIZE + SEALED_BLOCK, TruncatedPacket),
        (EDGED, len(EDGED) - 1, TruncatedPacket),
        (EDGED, HEADER_SIZE + SEALED_BLOCK, TruncatedPacket),
        (WHOLE, len(WHOLE) - 1, BadBlock),
        (LONG, HEADER_SIZE + SEALED_BLOCK, TruncatedPacket),
        (LONG, HEADER_SIZE + 2 * SEALED_BLOCK, TruncatedPacket),
        (LONG, len(LONG) - 1, BadBlock),
    ],
)
def test_large_packets_cut_short_are_refused(packet, size, error):
    with pytest.raises(error):
        opened(packet[:size])


@pytest.mark.parametrize("garbage", [b"\0", b"x" * 16, bytes(200_000)])
@pytest.mark.parametrize(
    ("packet", "error"), [(SMALL, BadBlock), (PADDED, BadPadding), (EDGED, BadPadding), (WHOLE, BadPadding)]
)
def test_appended_garbage_is_refused_even_where_the_reference_ignores_it(packet, error, garbage):
    with pytest.raises(error):
        opened(packet + garbage)


def test_blocks_cannot_change_places():
    first = slice(HEADER_SIZE, HEADER_SIZE + SEALED_BLOCK)
    second = slice(first.stop, first.stop + SEALED_BLOCK)
    swapped = LONG[:HEADER_SIZE] + LONG[second] + LONG[first] + LONG[second.stop :]
    with pytest.raises(BadBlock, match="Block 0 "):
        opened(swapped)
    with pytest.raises(BadBlock, match="Block 1 "):
        opened(LONG[: first.stop] + LONG[second.stop :])


def test_another_recipient_cannot_open():
    with pytest.raises(BadBlock):
        open_packet(SMALL, recipient=ALICE, sender=ALICE)


class Forger(Sealer):
    """Signs what nobody honest would: `blocks` is all that comes after the blocks before the sizes."""

    def __init__(self, *blocks):
        arguments = {"sender": ALICE.id, "sign": ALICE.sign, "recipient": BOB.id}
        super().__init__(**arguments, exchpub=BOB.exchange.public, nice=1, ephemeral=ALICE.exchange)
        self._forged = blocks

    def _finish(self, total, pad, tail, out):
        first, *others = self._forged
        self._seal(Aead(derive_key(SIZE_CONTEXT, self._secret)), memoryview(first), out)
        for block in others:
            self._seal(self._full, memoryview(block), out)

    def packet(self, plain=b"", payload=b""):
        given = []
        lent = memoryview(bytearray(OUT_BUFFER))
        self.run(plain, reader(payload), lambda: lent, lambda view: given.append(bytes(view)))
        return b"".join(given)


def sizes(total, pad=0):
    return total.to_bytes(8, "big") + pad.to_bytes(8, "big")


FULL_FIRST = HEADER.pack() + data(BLOCK_SIZE - 276)


@pytest.mark.parametrize(
    ("blocks", "error"),
    [
        ([sizes(0) + HEADER.pack()], BadPadding),
        ([sizes(275) + HEADER.pack()], BadPadding),
        ([sizes(277) + HEADER.pack()], BadPadding),
        ([sizes(2**64 - 1) + HEADER.pack()], BadPadding),
        ([sizes(276, 1) + HEADER.pack()], BadPadding),
        ([sizes(276, 1) + HEADER.pack() + b"\1"], BadPadding),
        ([sizes(276) + HEADER.pack(), b"x"], BadBlock),
        ([sizes(BLOCK_SIZE) + FULL_FIRST[:-16]], TruncatedPacket),
        ([sizes(BLOCK_SIZE) + FULL_FIRST[:-16], FULL_FIRST[-16:-1]], TruncatedPacket),
        ([sizes(BLOCK_SIZE) + FULL_FIRST[:-16], FULL_FIRST[-16:] + b"x"], BadBlock),
        ([sizes(2**64 - 1) + FULL_FIRST[:-16]], TruncatedPacket),
        ([sizes(100) + bytes(100)], BadEncoding),
        ([sizes(0)], BadEncoding),
        ([sizes(276) + bytes(276)], NotAPacket),
    ],
)
def test_lying_sizes_and_missing_headers_are_refused(blocks, error):
    with pytest.raises(error):
        opened(Forger(*blocks).packet())


def test_sizes_smaller_than_what_came_before_are_refused():
    honest = Forger(sizes(BLOCK_SIZE + 5) + b"12345").packet(HEADER.pack(), data(BLOCK_SIZE - 276))
    assert opened(honest).payload == data(BLOCK_SIZE - 276) + b"12345"
    with pytest.raises(BadPadding, match="after more than that"):
        opened(Forger(sizes(BLOCK_SIZE - 1)).packet(HEADER.pack(), data(BLOCK_SIZE - 276)))


def test_a_sender_that_knew_the_size_beforehand_is_understood():
    # The sizes may stand in the first block, with more blocks after it: no known sender does, the reference reads it.
    whole = sizes(276 + 2 * BLOCK_SIZE) + HEADER.pack() + data(2 * BLOCK_SIZE)
    blocks = [whole[at : at + BLOCK_SIZE] for at in range(0, len(whole), BLOCK_SIZE)]
    assert opened(Forger(*blocks).packet()).payload == data(2 * BLOCK_SIZE)


def test_nothing_is_delivered_before_it_is_authentic():
    damaged = bytearray(LONG)
    damaged[HEADER_SIZE + SEALED_BLOCK + 1] ^= 1
    delivered = []
    opener = Opener(EnvelopeHeader.unpack(LONG), BOB.exchange)
    with pytest.raises(PeerError):
        opener.run(reader(bytes(damaged[HEADER_SIZE:])), lambda _: lambda view: delivered.append(bytes(view)))
    assert b"".join(delivered) == data(len(b"".join(delivered)))


def test_an_acknowledgement_has_no_payload():
    header = PlainHeader(ACK, 160, bytes(32))
    packet = seal(b"", sender=ALICE, recipient=BOB, header=header)
    delivered = []
    opener = Opener(EnvelopeHeader.unpack(packet), BOB.exchange)
    opener.run(reader(packet[HEADER_SIZE:]), lambda _: delivered.append)
    assert delivered == []


def test_secrets_do_not_show():
    assert repr(_sealer()) == "Sealer(hidden)"
    assert repr(Opener(EnvelopeHeader.unpack(SMALL), BOB.exchange)) == "Opener(hidden)"


def _sealed_until(limit, **how):
    """Seal and stop after `limit` bytes of packet; return the peak of memory that it took."""
    given = 0

    class Enough(Exception):
        pass

    def give(view):
        nonlocal given
        given += len(view)
        if given > limit:
            raise Enough

    lent = memoryview(bytearray(OUT_BUFFER))
    sealer = _sealer()
    tracemalloc.start()
    try:
        with pytest.raises(Enough):
            sealer.run(HEADER.pack(), how.pop("read", reader(b"x")), lambda: lent, give, **how)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_padding_of_500_gigabytes_is_made_in_pieces():
    assert _sealed_until(5 << 20, minsize=500 * 10**9) < 1 << 20


def test_memory_does_not_grow_with_the_packet():
    assert _sealed_until(40 << 20, read=len) < 1 << 20


def test_opening_takes_two_small_buffers_however_long_the_packet():
    packet = sealed(bytes(40 << 20), minsize=60 << 20)
    header = EnvelopeHeader.unpack(packet)
    read = reader(memoryview(packet)[HEADER_SIZE:])
    opener = Opener(header, BOB.exchange)
    tracemalloc.start()
    try:
        opener.run(read, lambda _: lambda _: None)
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()
