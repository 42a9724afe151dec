# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from muleteer.engines.sync_messages import (
    HALT,
    PING,
    Chunk,
    Done,
    Freq,
    Halt,
    Info,
    Ping,
    close_file,
    file_size,
    pack_done,
    pack_freq,
    pack_info,
    parse,
)
from muleteer.engines.sync_outbox import Outbox, greeting_payload
from muleteer.engines.sync_terms import Offer
from muleteer.errors import BadEncoding
from muleteer.formats.ids import PacketName

NAME = PacketName(bytes(range(32)))


def file_message(data, offset=7):
    view = memoryview(bytearray(file_size(len(data))))
    view[48 : 48 + len(data)] = data
    assert close_file(view, NAME, offset, len(data)) == len(view)
    return bytes(view)


def read(payload):
    return parse(memoryview(payload))


def test_sizes_are_the_documented_ones():
    assert len(pack_info(1, 2, NAME)) == 48
    assert len(pack_freq(NAME, 2)) == 44
    assert len(pack_done(NAME)) == 36
    assert [file_size(n) for n in (0, 1, 4, 65_232)] == [48, 52, 52, 65_280]


def test_bytes_on_the_wire():
    assert pack_info(32, 0x0102, NAME).hex() == "00000000000000200000000000000102" + NAME.hex()
    assert pack_freq(NAME, 5).hex() == "00000001" + NAME.hex() + "0000000000000005"
    assert file_message(b"abc").hex() == "00000002" + NAME.hex() + "00000000000000070000000361626300"
    assert pack_done(NAME).hex() == "00000003" + NAME.hex()


def test_one_payload_of_all_kinds():
    payload = b"".join(
        [pack_info(255, 1 << 63, NAME), pack_freq(NAME, 1), PING, file_message(b"abcde"), HALT, pack_done(NAME), PING]
    )
    info, freq, ping, chunk, halt, done, last = read(payload)
    assert info == Info(255, 1 << 63, NAME)
    assert freq == Freq(NAME, 1)
    assert (ping, halt, last) == (Ping(), Halt(), Ping())
    assert (chunk.name, chunk.offset, bytes(chunk.data)) == (NAME, 7, b"abcde")
    assert done == Done(NAME)
    assert isinstance(chunk, Chunk)


def test_padding_of_halts_is_read_at_once():
    assert read(pack_info(1, 1, NAME) + HALT * 8154) == [Info(1, 1, NAME), Halt()]
    assert read(HALT * 3 + PING) == [Halt()] * 3 + [Ping()]


def test_empty_payload():
    assert read(b"") == []


@pytest.mark.parametrize(
    "whole", [pack_info(1, 2, NAME), pack_freq(NAME, 0), file_message(b"abcde"), pack_done(NAME), HALT, PING]
)
def test_every_cut_is_noticed(whole):
    for end in range(1, len(whole)):
        with pytest.raises(BadEncoding):
            read(PING + whole[:end])


@pytest.mark.parametrize("kind", [6, 7, 255, 0xFFFFFFFF])
def test_unknown_types_end_it(kind):
    with pytest.raises(BadEncoding, match=str(kind)):
        read(PING + kind.to_bytes(4, "big") + bytes(64))


def test_a_niceness_has_one_byte():
    with pytest.raises(BadEncoding, match="256"):
        read(pack_info(256, 1, NAME))


def test_a_length_beyond_the_payload():
    lying = bytearray(file_message(b"abcde"))
    lying[44:48] = b"\xff\xff\xff\xff"
    with pytest.raises(BadEncoding, match="4294967295"):
        read(lying)


def test_stale_bytes_do_not_leak_in_the_padding():
    view = memoryview(bytearray(b"\xff" * 56))
    size = close_file(view, NAME, 0, 5)
    assert bytes(view[53:size]) == bytes(3)


def offers(count, nice=9):
    return [Offer(PacketName(i.to_bytes(32, "big")), nice, i) for i in range(count)]


@pytest.mark.parametrize("count", [0, 1, 3, 1360])
def test_greeting_is_padded_as_the_reference_does_it(count):
    assert len(greeting_payload(offers(count), padded=True)) == 32_640 + 24 * count
    assert len(greeting_payload(offers(count), padded=False)) == 48 * count


def test_outbox_says_replies_before_announcements_and_fills_what_there_is():
    outbox = Outbox()
    assert not outbox
    outbox.announce(offers(3))
    outbox.reply(pack_done(NAME))
    outbox.ping = True
    view = memoryview(bytearray(4 + 36 + 48 + 47))
    size, said = outbox.fill(view)
    assert (size, said) == (4 + 36 + 48, True)
    assert [type(m) for m in parse(view[:size])] == [Ping, Done, Info]
    assert outbox.waits
    size, said = outbox.fill(memoryview(bytearray(1000)))
    assert (size, said) == (96, True)
    assert not outbox


def test_outbox_does_not_pass_a_reply_by():
    outbox = Outbox()
    outbox.announce(offers(1))
    outbox.reply(bytes(80))
    assert outbox.fill(memoryview(bytearray(60))) == (0, False)


def test_a_ping_alone_says_nothing():
    outbox = Outbox()
    outbox.ping = True
    assert not outbox.waits
    assert outbox.fill(memoryview(bytearray(60))) == (4, False)
