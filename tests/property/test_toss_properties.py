# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a neighbour names or damages: nothing leaves its directory, and nothing unproven acts."""

import json
import os
import pathlib
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muleteer.config.load import load
from muleteer.formats.mth import mth
from muleteer.formats.packet import EXEC, EXEC_FAT, FILE, FREQ, PlainHeader, exec_path
from muleteer.testing.nodes import Node
from muleteer.testing.packets import people_from, reader, seal
from muleteer.tossing.channel import Channel
from muleteer.tossing.squeeze import THREAD_AFTER, Squeezed

DATA = pathlib.Path(__file__).parent.parent / "vectors" / "data"
PEOPLE = people_from((DATA / "cfg" / "keys.json").read_text())
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

names = st.one_of(
    st.binary(max_size=255),
    st.lists(st.sampled_from([b"..", b".", b"", b"a", b"b", b"\xff", b"link", b"x" * 60]), max_size=8).map(
        lambda parts: b"/".join(parts)[:255]
    ),
)


@pytest.fixture
def bob(tmp_path):
    config = json.loads((DATA / "cfg" / "bob.hjson").read_text().replace("/srv/nncp-vec/bob", str(tmp_path / "bob")))
    config["neigh"]["alice"]["exec"] = {"run": ["/bin/sh", "-c", f"cat >> {tmp_path}/ran"]}
    for folder in ("spool", "incoming", "freq"):
        (tmp_path / "bob" / folder).mkdir(parents=True)
    (tmp_path / "nncp.json").write_text(json.dumps(config))
    return Node(load(str(tmp_path / "nncp.json"), {}, ()))


def emptied(bob, name):
    """Forget a packet that stayed, so that the next example begins afresh."""
    bob.spool.finish(PEOPLE["alice"].id, "rx", name)
    bob.log.heard.clear()


def everything(root):
    return {path for path, _, _ in os.walk(root)} | {
        f"{path}/{name}" for path, _, found in os.walk(root) for name in found
    }


@QUICK
@given(path=names)
def test_no_file_name_leaves_incoming(bob, tmp_path, path):
    incoming = tmp_path / "bob" / "incoming"
    shutil.rmtree(incoming)
    incoming.mkdir()
    (tmp_path / "outside").mkdir(exist_ok=True)
    (incoming / "link").symlink_to(tmp_path / "outside")
    before = everything(tmp_path / "outside") | {str(p) for p in tmp_path.iterdir()}
    packet = seal(b"x", sender=PEOPLE["alice"], recipient=PEOPLE["bob"], header=PlainHeader(FILE, 9, path))
    name = bob.receive(packet, "alice")
    report = bob.toss()
    assert report.delivered + report.failed == 1
    arrived = [p for p in incoming.rglob("*") if p.is_file() and not p.is_symlink()]
    assert len(arrived) == report.delivered
    assert everything(tmp_path / "outside") | {str(p) for p in tmp_path.iterdir()} == before
    assert all(event.message.isprintable() for event in bob.log.heard)
    emptied(bob, name)


@QUICK
@given(path=names)
def test_no_request_leaves_freq(bob, tmp_path, path):
    (tmp_path / "bob" / "secret").write_bytes(b"secret")
    (tmp_path / "bob" / "freq" / "a").mkdir(exist_ok=True)
    packet = seal(b"back", sender=PEOPLE["alice"], recipient=PEOPLE["bob"], header=PlainHeader(FREQ, 9, path))
    name = bob.receive(packet, "alice")
    report = bob.toss()
    assert report.delivered + report.failed == 1
    if report.delivered:
        sources = [event["Src"] for event in bob.log.heard if event.who == "tx"]
        freq = f"{tmp_path}/bob/freq"  # itself, for a request of "."
        assert all(source == freq or source.startswith(f"{freq}/a") for source in sources)
    bob.take("alice")
    emptied(bob, name)


@QUICK
@given(
    kind=st.sampled_from([EXEC, EXEC_FAT]),
    place=st.integers(0, 10**9),
    bit=st.integers(0, 7),
    change=st.sampled_from(["flip", "cut", "grow"]),
    rename=st.booleans(),
)
def test_nothing_damaged_ever_runs(bob, tmp_path, kind, place, bit, change, rename):
    """Neither under its old name nor under the one that the damaged bytes hash to."""
    header = PlainHeader(kind, 9, exec_path("run", []))
    packet = bytearray(seal(bytes(140_000), sender=PEOPLE["alice"], recipient=PEOPLE["bob"], header=header))
    name = mth(packet)
    place %= len(packet)
    if change == "flip":
        packet[place] ^= 1 << bit
    elif change == "cut":
        del packet[place:]
    else:
        packet += bytes(1 + bit)
    name = mth(packet) if rename else name
    bob.receive(bytes(packet), "alice", name)
    bob.toss()
    assert not (tmp_path / "ran").exists()
    assert bob.waiting("alice") == [name]
    emptied(bob, name)


@given(size=st.integers(0, 3 * THREAD_AFTER), piece=st.integers(1, THREAD_AFTER), step=st.integers(1, 300_000))
@settings(max_examples=25, deadline=None)
def test_a_squeezed_body_is_the_body(size, piece, step):
    from muleteer.formats.zstd import Decompressor

    body = (b"%d " % size * (size // 2 + 1))[:size]
    found = []
    decompressor = Decompressor(found.append)
    with Squeezed(reader(body, piece)) as squeezed:
        view = memoryview(bytearray(step))
        while got := squeezed(view):
            decompressor.push(bytes(view[:got]))
        assert squeezed(view) == 0
    decompressor.finish()
    assert b"".join(bytes(part) for part in found) == body


@given(sizes=st.lists(st.integers(0, 100), max_size=20), step=st.integers(1, 150))
@settings(max_examples=40, deadline=None)
def test_a_channel_carries_bytes_in_order(sizes, step):
    sent = [bytes([number % 256]) * size for number, size in enumerate(sizes)]

    def produce(channel):
        for data in sent:
            view = channel.take()
            view[: len(data)] = data
            channel.give(view[: len(data)])

    got = b""
    with Channel(produce, 100) as channel:
        view = memoryview(bytearray(step))
        while count := channel.read(view):
            got += bytes(view[:count])
    assert got == b"".join(sent)


def test_empty_pieces_do_not_use_up_a_channel_s_buffers():
    def produce(channel):
        for size in (0, 0, 0, 5):
            channel.give(channel.take()[:size])

    with Channel(produce, 10) as channel:
        assert channel.read(memoryview(bytearray(10))) == 5
        assert channel.read(memoryview(bytearray(10))) == 0


def test_a_channel_passes_on_a_failure_and_ends_when_left():
    def failing(channel):
        view = channel.take()
        view[:1] = b"x"
        channel.give(view[:1])
        raise LookupError

    with Channel(failing, 10) as channel:
        view = memoryview(bytearray(5))
        assert channel.read(view) == 1
        for _ in range(2):
            with pytest.raises(LookupError):
                channel.read(view)

    def endless(channel):
        while True:
            channel.give(channel.take())

    with Channel(endless, 10) as channel:
        assert channel.read(view)
    assert not channel._thread.is_alive()
