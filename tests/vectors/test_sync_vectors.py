# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine against a recorded session of the real nncp-daemon 8.8.2, byte for byte.

We are the recorded initiator (its ephemeral key is known). The daemon's ephemeral key is not, so its side is checked
from its cipher on: what it sent is what our engine would have sent.
"""

import json
import pathlib

from muleteer.crypto.keys import ExchangeKey
from muleteer.engines.sync import CARRYING, SyncEngine
from muleteer.engines.sync_events import Announced, Chunk, Established, Finished
from muleteer.engines.sync_frames import HEAD_SIZE
from muleteer.engines.sync_messages import Freq, Info, parse
from muleteer.engines.sync_offered import Offered
from muleteer.engines.sync_outbox import greeting_payload
from muleteer.engines.sync_terms import Offer, SyncTerms
from muleteer.formats.ids import PacketName, b32decode
from muleteer.formats.mth import mth

DATA = pathlib.Path(__file__).parent / "data"
KEYS = json.loads((DATA / "cfg" / "keys.json").read_text())["nodes"]
RECORDED = json.loads((DATA / "sp" / "transcript.json").read_text())
FRAMES = [path.read_bytes() for path in sorted((DATA / "sp").glob("*.bin"))]
PACKETS = {PacketName.parse(path.name[8:]): path.read_bytes() for path in (DATA / "sp").glob("offered-*")}


def caller():
    engine = SyncEngine(
        initiator=True,
        static=ExchangeKey(b32decode(KEYS["bob"]["noiseprv"])),
        peer=b32decode(KEYS["alice"]["noisepub"]),
        ephemeral=ExchangeKey(bytes.fromhex(RECORDED["initiator_ephemeral_private_hex"])),
        terms=SyncTerms(),
        now=0.0,
        source=lambda *_: 0,
    )
    engine.start([])
    return engine


def sent(engine):
    out = memoryview(bytearray(200_000))
    return bytes(out[: engine.to_send(out, 0.0)])


def events(engine):
    found = []
    while (event := engine.next_event()) is not None:
        found.append(event)
    return found


def test_our_side_of_the_recorded_session():
    engine = caller()
    assert sent(engine) == FRAMES[0]
    engine.receive(FRAMES[1], 0.0)
    established, *announced = events(engine)
    assert established == Established()
    assert [(one.nice, one.size, str(one.name)) for one in announced] == [
        (info["nice"], info["size"], info["hash"]) for info in RECORDED["infos"]
    ]
    assert all(isinstance(one, Announced) for one in announced)
    for one in announced:
        engine.request(one.name, 0)
    assert sent(engine) == FRAMES[2]
    got = dict.fromkeys(PACKETS, b"")
    finished = []
    for frame in FRAMES[3:6]:
        engine.receive(frame, 0.0)
        for event in events(engine):
            if isinstance(event, Chunk):
                assert event.offset == len(got[event.name])
                got[event.name] += bytes(event.data)
            else:
                assert isinstance(event, Finished)
                finished.append(event.name)
    assert got == PACKETS
    assert all(mth(data) == name for name, data in got.items())
    assert not engine.unfinished
    for name, frame in zip(sorted(finished, key=lambda n: len(PACKETS[n])), FRAMES[6:], strict=True):
        engine.confirm(name)
        assert sent(engine) == frame
    assert engine.state == CARRYING
    assert engine.wire_in == sum(map(len, FRAMES[1:2] + FRAMES[3:6]))
    assert engine.wire_out == sum(len(FRAMES[n]) for n in (0, 2, 6, 7))


def test_every_fragmentation_of_the_recorded_session_reads_the_same():
    greeting, files = FRAMES[1], b"".join(FRAMES[3:6])
    for step in (1, 7, 4096, 65_309, len(files)):
        engine = caller()
        sent(engine)
        told = []
        for part in (greeting, files):
            for at in range(0, len(part), step):
                engine.receive(part[at : at + step], 0.0)
                for event in events(engine):
                    if isinstance(event, Announced):
                        engine.request(event.name, 0)
                    told.append((type(event), bytes(event.data) if isinstance(event, Chunk) else event))
        assert [kind for kind, _ in told] == [
            Established,
            Announced,
            Announced,
            Chunk,
            Chunk,
            Finished,
            Chunk,
            Finished,
        ]
        assert {mth(told[3][1] + told[4][1]), mth(told[6][1])} == set(PACKETS)


def payloads():
    """What each recorded frame holds, by our own keys."""
    engine = caller()
    sent(engine)
    channel = engine._channel
    found = []
    for frame in (FRAMES[1], *FRAMES[3:6]):
        channel.feed(frame)
        found.append(bytes(channel.next_payload()))
    return found


def test_the_real_peers_payloads_are_what_we_would_send():
    greeting, *files = payloads()
    offers = [Offer(PacketName.parse(i["hash"]), i["nice"], i["size"]) for i in RECORDED["infos"]]
    assert greeting == greeting_payload(offers, padded=True)
    assert [Info(o.nice, o.size, o.name) for o in offers] == parse(memoryview(greeting))[:2]

    def source(name, offset, view):
        piece = PACKETS[name][offset : offset + len(view)]
        view[: len(piece)] = piece
        return len(piece)

    # The reference's queue has a bug: of two, the less urgent went out first. So ask in its order, one by one.
    ours = Offered(SyncTerms(), source)
    ours.add(offers)
    made = []
    for offer in reversed(offers):
        ours.on_freq(Freq(offer.name, 0))
        while len(ours):
            view = memoryview(bytearray(65_280))
            made.append(bytes(view[: ours.fill(view, alone=False)]))
    assert made == files


def test_frame_sizes_of_the_reference():
    # measured with the real peer: payload 32,640 + 24 for each packet, at most 1,360 of them
    offers = [Offer(PacketName(i.to_bytes(32, "big")), 1, 1) for i in range(1360)]
    for count, size in ((0, 32_700), (1, 32_724), (2, 32_748), (10, 32_940), (1360, 65_340)):
        assert HEAD_SIZE + 48 + len(greeting_payload(offers[:count], padded=True)) == size
