# SPDX-License-Identifier: GPL-3.0-or-later
"""Any packets, terms, pieces and cuts: what moves is what was offered and is allowed, and nothing else changes."""

from hypothesis import given, settings
from hypothesis import strategies as st

from muleteer.carriers.online import OnlineTerms
from muleteer.spool.layout import RX, TX
from muleteer.testing.disk import FakeDisk
from muleteer.testing.disk_tree import Volume
from muleteer.testing.exchanges import Call, Station, name_of, packet
from muleteer.testing.nodes import MemoryLog
from muleteer.testing.spools import check_spool

NICENESSES = st.sampled_from((1, 32, 96, 97, 160, 224, 255))
LETTERS = st.lists(st.tuples(st.integers(172, 3000), NICENESSES), max_size=5)


@st.composite
def terms(draw):
    return OnlineTerms(
        nice=draw(st.sampled_from((32, 96, 160, 255, 255))),
        size=draw(st.sampled_from((None, None, 500, 2000))),
        send=draw(st.sampled_from((True, True, True, False))),
        receive=draw(st.sampled_from((True, True, True, False))),
        padded=draw(st.booleans()),
        chunk=draw(st.sampled_from((100, 700, 65232))),
    )


def allowed(size, nice, sender, receiver):
    sizes_max = [end.size for end in (sender, receiver) if end.size is not None]
    return (
        sender.send and receiver.receive and nice <= min(sender.nice, receiver.nice) and size <= min([size, *sizes_max])
    )


class Scene:
    def __init__(self, out, back):
        self.disk = FakeDisk({"/a": Volume(), "/b": Volume()})
        self.alice, self.bob = Station.on(self.disk, "alice", "/a"), Station.on(self.disk, "bob", "/b")
        self.out = self.queue(self.alice, self.bob, out, 0)
        self.back = self.queue(self.bob, self.alice, back, 100)

    @staticmethod
    def queue(sender, receiver, letters, base):
        packets = [(packet(base + number, size, nice), size, nice) for number, (size, nice) in enumerate(letters)]
        return {sender.queue(data, receiver): (data, size, nice) for data, size, nice in packets}

    def check_nothing_is_lost(self):
        for sender, receiver, mail in ((self.alice, self.bob, self.out), (self.bob, self.alice, self.back)):
            assert set(mail) <= sender.waiting(TX, receiver) | receiver.waiting(RX, sender)
        for root in ("/a", "/b"):
            check_spool(self.disk, root)

    def check_moved(self, sender, receiver, mail, sender_terms, receiver_terms):
        moved = {name for name, (_, size, nice) in mail.items() if allowed(size, nice, sender_terms, receiver_terms)}
        assert receiver.waiting(RX, sender) == moved
        assert sender.waiting(TX, receiver) == set(mail) - moved


@settings(max_examples=60)
@given(LETTERS, LETTERS, terms(), terms(), st.integers(1, 140_000))
def test_what_moves_is_offered_and_allowed(out, back, ours, theirs, piece):
    scene = Scene(out, back)
    call = Call(scene.alice, scene.bob, ours, theirs, piece=max(piece, 37)).run()
    scene.check_moved(scene.alice, scene.bob, scene.out, ours, theirs)
    scene.check_moved(scene.bob, scene.alice, scene.back, theirs, ours)
    scene.check_nothing_is_lost()
    assert call.here.report.error is call.there.report.error is None
    assert not call.here.report.unfinished
    assert not [path for path in scene.disk.image() if path.endswith(".part")]


@settings(max_examples=60)
@given(LETTERS, LETTERS, terms(), terms(), st.lists(st.integers(0, 12_000), min_size=1, max_size=4))
def test_a_link_that_breaks_anywhere_costs_time_only(out, back, ours, theirs, cuts):
    scene = Scene(out, back)
    greetings = 65_600 if ours.padded and theirs.padded else 400
    for cut in cuts:
        Call(scene.alice, scene.bob, ours, theirs, cut_after=greetings + cut).run()
        scene.check_nothing_is_lost()
    Call(scene.alice, scene.bob, ours, theirs).run()
    scene.check_moved(scene.alice, scene.bob, scene.out, ours, theirs)
    scene.check_moved(scene.bob, scene.alice, scene.back, theirs, ours)
    scene.check_nothing_is_lost()


@settings(max_examples=40)
@given(
    LETTERS, st.lists(st.tuples(st.sampled_from((".part", ".nock", "")), st.binary(max_size=40), st.integers(0, 3000)))
)
def test_whatever_lies_in_rx_nothing_wrong_stays_and_everything_arrives(out, found):
    scene = Scene(out, [])
    rx = scene.bob.spool.layout.way(scene.alice.id, RX)
    for (name, (data, _, _)), (suffix, junk, length) in zip(scene.out.items(), found, strict=False):
        scene.disk.put(f"{rx}/{name}{suffix}", data[:length] + junk)
    Call(scene.alice, scene.bob).run()
    names = {str(name) for name in scene.out}
    assert {name: name_of(scene.bob.got(name, scene.alice)) for name in scene.out} == {name: name for name in scene.out}
    files = [path for path in scene.disk.image() if path.startswith(f"{rx}/")]
    assert {path.removeprefix(f"{rx}/") for path in files if "/hdr" not in path} == names
    assert not scene.alice.waiting(TX, scene.bob)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(172, 900), NICENESSES), min_size=2, max_size=12), st.sampled_from((100, 65232)))
def test_the_most_urgent_arrives_first(out, chunk):
    scene = Scene(out, [])
    log = MemoryLog()
    Call(scene.alice, scene.bob, OnlineTerms(chunk=chunk), called_log=log).run()
    arrived = [event["Pkt"] for event in log.heard if event.who == "sp-file-done"]
    niceness = {str(name): nice for name, (_, _, nice) in scene.out.items()}
    assert len(arrived) == len(niceness)
    assert [niceness[name] for name in arrived] == sorted(niceness.values())
