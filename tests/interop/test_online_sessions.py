# SPDX-License-Identifier: GPL-3.0-or-later
"""Online sessions between the real nncp-call and nncp-daemon and ours, in both roles."""

import pytest
from online_lab import PAIRS, free_port, is_open, wait_until

pytestmark = pytest.mark.interop

MIB = 1 << 20


@pytest.fixture(params=PAIRS, ids=["-calls-".join(pair) for pair in PAIRS])
def pair(request):
    """Who calls and who answers."""
    return request.param


@pytest.fixture
def caller(pair):
    return pair[0]


@pytest.fixture
def answerer(pair):
    return pair[1]


def moved(online, *, there, back):
    """Everything is where it belongs, and whole."""
    assert online.packets("bob", "alice", "rx") == set(there)
    assert online.packets("alice", "bob", "rx") == set(back)
    assert online.packets("alice", "bob", "tx") == set()
    assert online.packets("bob", "alice", "tx") == set()
    for node in ("alice", "bob"):
        online.check(node)


def test_one_packet(online, caller, answerer):
    there = online.queue("alice", "bob", 1000)
    with online.daemon(answerer) as address:
        said = online.call(caller, at=address)
    moved(online, there=there, back=[])
    assert "Packet <PKT> is sent" in said
    assert f"Connection to bob ({address})" in said


def test_nothing_to_do(online, caller, answerer):
    with online.daemon(answerer) as address:
        online.call(caller, at=address)
    moved(online, there=[], back=[])


def test_two_thousand_packets_each_way(online, caller, answerer):
    there = online.queue("alice", "bob", *[1024] * 2000)
    back = online.queue("bob", "alice", *[1024] * 2000)
    with online.daemon(answerer) as address:
        online.call(caller, at=address)
    moved(online, there=there, back=back)


def test_64_mib_both_ways_at_once(online, caller, answerer):
    there = online.queue("alice", "bob", 64 * MIB)
    back = online.queue("bob", "alice", 64 * MIB)
    with online.daemon(answerer) as address:
        online.call(caller, at=address)
    moved(online, there=there, back=back)


@pytest.mark.parametrize("size", [0, 1, 65232 - 620, 65232, 131072, 3 * 65232 + 5])
def test_sizes_around_the_chunk(online, caller, answerer, size):
    there, back = online.queue("alice", "bob", size), online.queue("bob", "alice", size)
    with online.daemon(answerer) as address:
        online.call(caller, at=address)
    moved(online, there=there, back=back)


@pytest.mark.parametrize("who_dies", ["caller", "answerer"])
def test_cut_in_the_middle_and_resumed(online, caller, answerer, who_dies):
    (name,) = online.queue("alice", "bob", 24 * MIB)
    part = online.here("bob", "alice", "rx", f"{name}.part")
    address = f"127.0.0.1:{free_port()}"
    with online.program(answerer, "daemon", "bob", "-bind", address) as answering:
        wait_until(lambda: is_open(address))
        with online.program(caller, "call", "alice", "-txrate", "100", "bob", address) as calling:
            wait_until(lambda: part.exists() and part.stat().st_size > 2 * MIB)
            (calling if who_dies == "caller" else answering).kill()
    size = part.stat().st_size
    assert 2 * MIB < size < 24 * MIB
    with online.daemon(answerer) as address:
        online.call(caller, at=address)
    moved(online, there=[name], back=[])
    offsets = [int(record["Offset"]) for record in online.records("bob") if record.get("Who") == "sp-info"]
    assert offsets[0] == 0
    assert offsets[-1] >= 2 * MIB  # nearly all of the first session was kept


def test_a_damaged_part_is_healed(online, caller, answerer):
    """The real program would keep the full-length part for ever; ours, when it receives, throws it away."""
    sender, receiver = ("alice", "bob") if answerer == "ours" else ("bob", "alice")
    (name,) = online.queue(sender, receiver, 3 * MIB)
    part = online.here(receiver, sender, "rx", f"{name}.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(MIB))
    with online.daemon(answerer) as address:
        online.call(caller, at=address, status=None)
        wait_until(lambda: not part.exists() and "call-finished" in online.whos("bob"))
        online.call(caller, at=address)
    assert online.packets(receiver, sender, "rx") == {name}
    assert online.packets(sender, receiver, "tx") == set()


def test_nice(online, caller, answerer):
    urgent = online.queue("alice", "bob", 100, nice=32)
    online.queue("alice", "bob", 101, nice=224)
    urgent_back = online.queue("bob", "alice", 100, nice=32)
    online.queue("bob", "alice", 101, nice=224)
    with online.daemon(answerer) as address:
        online.call(caller, "-nice", "PRIORITY", at=address)
    assert online.packets("bob", "alice", "rx") == set(urgent)
    assert online.packets("alice", "bob", "rx") == set(urgent_back)


def test_nice_of_the_daemon(online, caller, answerer):
    urgent = online.queue("alice", "bob", 100, nice=32)
    online.queue("alice", "bob", 101, nice=224)
    urgent_back = online.queue("bob", "alice", 100, nice=32)
    online.queue("bob", "alice", 101, nice=224)
    with online.daemon(answerer, "-nice", "PRIORITY") as address:
        online.call(caller, at=address, status=None)
    assert online.packets("bob", "alice", "rx") == set(urgent)
    assert online.packets("alice", "bob", "rx") == set(urgent_back)


def test_most_urgent_first(online, caller, answerer):
    nices = (224, 32, 160, 96)
    names = {nice: online.queue("alice", "bob", 200_000, nice=nice)[0] for nice in nices}
    with online.daemon(answerer) as address:
        online.call(caller, at=address)
    done = [record["Pkt"] for record in online.records("bob") if record.get("Who") == "sp-file-done"]
    if caller == "ours":  # the real one's queue has a known fault (its first request is answered last)
        assert done == [names[nice] for nice in sorted(nices)]
    assert set(done) == set(names.values())


@pytest.mark.parametrize(("flag", "goes", "comes"), [("-rx", False, True), ("-tx", True, False)])
def test_one_way_only(online, caller, answerer, flag, goes, comes):
    there, back = online.queue("alice", "bob", 5000), online.queue("bob", "alice", 5000)
    with online.daemon(answerer) as address:
        online.call(caller, flag, at=address)
    assert online.packets("bob", "alice", "rx") == (set(there) if goes else set())
    assert online.packets("alice", "bob", "rx") == (set(back) if comes else set())


def test_list(online, caller, answerer):
    online.queue("alice", "bob", 5000)
    back = online.queue("bob", "alice", 5000, 300_000)
    with online.daemon(answerer) as address:
        said = online.call(caller, "-list", at=address)
    assert online.packets("bob", "alice", "rx") == online.packets("alice", "bob", "rx") == set()
    assert online.packets("bob", "alice", "tx") == set(back)
    assert said.count("Packet <PKT> (") == 2
    assert "bob has got for us: 2 packets, 299 KiB" in said
    listed = {record["Pkt"] for record in online.records("alice") if record.get("Who") == "sp-info"}
    assert listed == set(back)


def test_pkts(online, caller, answerer):
    back = online.queue("bob", "alice", 100, 200, 300)
    with online.daemon(answerer) as address:
        online.call(caller, "-pkts", ",".join(back[:2]), at=address)
    assert online.packets("alice", "bob", "rx") == set(back[:2])
    assert online.packets("bob", "alice", "tx") == set(back[2:])


def test_nock(online, caller, answerer):
    back = online.queue("bob", "alice", 100, 300_000)
    with online.daemon(answerer) as address:
        online.call(caller, "-nock", at=address)
        assert online.packets("bob", "alice", "tx") == set(back)
        assert {path.name for path in online.here("alice", "bob", "rx", "").glob("*.nock")} == {
            f"{name}.nock" for name in back
        }
        online.run("go", "check", "alice", "-nock")
        wait_until(lambda: online.packets("alice", "bob", "rx") == set(back))
        online.call(caller, at=address)
    moved(online, there=[], back=back)


def test_nock_is_promoted_by_the_next_session(online, caller, answerer):
    back = online.queue("bob", "alice", 100, 300_000)
    with online.daemon(answerer) as address:
        online.call(caller, "-nock", at=address)
        online.call(caller, at=address, status=None)
    moved(online, there=[], back=back)


def test_nock_of_the_daemon(online, caller, answerer):
    there = online.queue("alice", "bob", 300_000)
    with online.daemon(answerer, "-nock") as address:
        online.call(caller, at=address, status=None)
    assert online.here("bob", "alice", "rx", f"{there[0]}.nock").exists()
    assert online.packets("alice", "bob", "tx") == set(there)


def test_packets_that_appear_during_a_session(online, caller, answerer):
    online.queue("alice", "bob", 1000)
    with (
        online.daemon(answerer) as address,
        online.program(caller, "call", "alice", "-onlinedeadline", "3", "bob", address) as calling,
    ):
        wait_until(lambda: online.packets("bob", "alice", "rx"))
        there = online.queue("alice", "bob", 2000)
        back = online.queue("bob", "alice", 3000)
        wait_until(lambda: set(there) <= online.packets("bob", "alice", "rx"))
        wait_until(lambda: set(back) == online.packets("alice", "bob", "rx"))
        assert calling.poll() is None


@pytest.mark.parametrize("limit", ["-txrate", "-rxrate"])
def test_rates(online, caller, answerer, limit):
    """Twenty frames at ten a second take two seconds, and arrive."""
    there = online.queue("alice", "bob", 20 * 65000) if limit == "-txrate" else []
    back = online.queue("bob", "alice", 20 * 65000) if limit == "-rxrate" else []
    # What lies in the kernel's buffers looks like silence to its sender.
    online.change("bob", lambda config: config["neigh"]["alice"].update(onlinedeadline=5))
    with online.daemon(answerer) as address:
        online.call(caller, limit, "10", at=address)
    moved(online, there=there, back=back)
    finished = [record for record in online.records("alice") if record.get("Who") == "call-finished"]
    assert int(finished[0]["Duration"]) >= 2


def test_maxonlinetime(online, caller, answerer):
    online.queue("alice", "bob", 30 * 65000)
    with online.daemon(answerer) as address:
        online.call(caller, "-maxonlinetime", "1", "-txrate", "10", at=address, status=1)
    finished = [record for record in online.records("alice") if record.get("Who") == "call-finished"]
    assert int(finished[0]["Duration"]) <= 2
    assert online.packets("alice", "bob", "tx")


def test_autotoss_answers_in_the_same_session(online, caller, answerer):
    """A request is tossed by the daemon as it arrives, its answer goes back at once, and is tossed here."""
    online.path("bob", "freq", "wanted").write_text("here it is")
    online.run("go", "freq", "alice", "bob:wanted", "got")
    online.change("bob", lambda config: config["neigh"]["alice"].update(onlinedeadline=3))
    with online.daemon(answerer, "-autotoss") as address:
        online.call(caller, "-onlinedeadline", "3", "-autotoss", at=address, status=None)
    assert online.path("alice", "incoming", "got").read_text() == "here it is"


def test_two_sessions_of_one_pair_at_a_time(online, caller, answerer):
    online.queue("alice", "bob", 24 * MIB)
    with (
        online.daemon(answerer) as address,
        online.program(caller, "call", "alice", "-txrate", "50", "bob", address) as calling,
    ):
        part = online.here("bob", "alice", "rx", "")
        wait_until(lambda: part.exists() and list(part.glob("*.part")))
        online.call(caller, at=address, status=1)  # our own lock
        assert calling.poll() is None
