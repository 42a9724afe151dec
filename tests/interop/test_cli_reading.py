# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that only look: nncp-stat, nncp-pkt, nncp-hash, nncp-log, nncp-check, nncp-cfgmin, nncp-cfgnew."""

import shutil

import pytest
from cli_lab import KEYS, VECTORS, pattern

pytestmark = pytest.mark.interop

COMMANDS = (
    "ack",
    "cfgmin",
    "cfgnew",
    "check",
    "exec",
    "file",
    "freq",
    "hash",
    "log",
    "pkt",
    "stat",
    "toss",
    "trns",
    "xfer",
)
PACKETS = sorted(path.stem for path in (VECTORS / "packets").glob("*.pkt"))


@pytest.fixture
def spools(both):
    """A busy spool of alice's, the same for both."""
    both.go.path("small").write_bytes(pattern(500))
    both.go.path("large").write_bytes(pattern(300_000))
    for nice in ("1", "F", "P+24", "N", "B", "MAX"):
        both.go("file", "alice", "-quiet", "-nice", nice, "small", "bob:small")
    both.go("file", "alice", "-quiet", "large", "dave:large")
    both.go("exec", "alice", "-quiet", "self", "sendmail", "root")
    queued = both.go.packets("alice", "bob", "tx")
    rx = queued[0].parent.parent / "rx"
    rx.mkdir()
    for number, packet in enumerate(queued):
        shutil.copy(packet, rx / (packet.name + ("", ".nock")[number % 2]))
    (rx / (queued[0].name + ".part")).write_bytes(b"123456789012345")
    (rx / ("A" * 52)).write_bytes(b"no packet")
    (rx / "README").write_bytes(b"no packet")
    both.copy_spools()
    both.go.path("alice", "log").unlink()
    return both


# ---------------------------------------------------------------------------------------------- stat


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("-node", "bob"),
        ("-node", KEYS["bob"]["id"]),
        ("-debug",),
        ("ignored", "words"),
        ("-spool", "/nonexistent"),
        ("-node", "nobody"),
        ("-quiet",),
        ("-bogus",),
        ("-help",),
        ("-node",),
    ],
)
def test_stat(spools, words):
    spools.same("stat", "alice", *words)


def test_stat_lists_packets(spools):
    go, ours = (sorted(outcome.out.splitlines()) for outcome in spools("stat", "alice", "-pkt"))
    assert ours == go
    assert len(ours) > 20


def test_stat_of_more_packets_than_three_digits_count(both):
    both.go("file", "alice", "-quiet", "-", "bob:x", stdin=b"x")
    (packet,) = both.go.packets("alice", "bob", "tx")
    letters = "ABCDEFGHIJ"
    for number in range(1000):
        name = "".join(letters[int(digit)] for digit in f"{number:03}")
        shutil.copy(packet, packet.with_name(name + packet.name[3:]))
    both.copy_spools()
    assert b"  1000 pkts" in both.same("stat", "alice").out or b" 1001 pkts" in both.same("stat", "alice").out


# ---------------------------------------------------------------------------------------------- pkt


@pytest.mark.parametrize("node", ["alice", "bob"])
@pytest.mark.parametrize("name", PACKETS)
def test_pkt_tells_what_a_packet_is(both, name, node):
    both.same("pkt", node, stdin=(VECTORS / "packets" / f"{name}.pkt").read_bytes())


@pytest.mark.parametrize("name", PACKETS)
def test_pkt_dumps_and_tells_what_is_inside(both, name):
    data = (VECTORS / "packets" / f"{name}.pkt").read_bytes()
    node = "alice" if name == "area-to-self" else "bob"
    go, ours = both("pkt", node, "-dump", stdin=data)
    assert ours.status == go.status == 0
    assert ours.out == go.out
    both.same("pkt", node, stdin=go.out)
    go, ours = both("pkt", node, "-dump", stdin=go.out)
    assert ours.out == go.out


def test_pkt_decompresses(both):
    plain = both.go("pkt", "bob", "-dump", stdin=(VECTORS / "packets" / "exec.pkt").read_bytes()).out
    go, ours = both("pkt", "bob", "-dump", "-decompress", stdin=plain)
    assert ours.out == go.out
    assert len(ours.out) > 100
    fat = both.go("pkt", "bob", "-dump", stdin=(VECTORS / "packets" / "exec-fat.pkt").read_bytes()).out
    both.same("pkt", "bob", "-dump", "-decompress", stdin=fat)


@pytest.mark.parametrize(
    "words",
    [
        ("-overheads",),
        ("-quiet",),
        ("-help",),
        ("-dump",),
        ("-cfg", "/nonexistent"),
        ("-cfg", "/nonexistent", "-overheads"),
    ],
)
def test_pkt_flags(both, words):
    both.same("pkt", "bob", *words)


def damaged(name, at, value):
    data = bytearray((VECTORS / "packets" / name).read_bytes())
    data[at] ^= value
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello\n",
        bytes(200),
        bytes(300),
        damaged("file-11.pkt", 7, 2),  # version 4
        damaged("file-11.plain", 7, 1),  # version 2
        damaged("file-11.plain", 11, 98),  # unknown kind
        damaged("file-11.pkt", 120, 1),  # signature
        damaged("file-11.pkt", 300, 1),  # block
        damaged("file-11.pkt", 20, 1),  # sender
        (VECTORS / "packets" / "file-11.pkt").read_bytes()[:100],
        (VECTORS / "packets" / "file-11.pkt").read_bytes()[:200],
        (VECTORS / "packets" / "file-11.pkt").read_bytes() + b"more",
        (VECTORS / "packets" / "file-130797.pkt").read_bytes()[:131200],
    ],
)
@pytest.mark.parametrize("words", [(), ("-dump",)])
def test_pkt_of_what_is_no_good_packet(both, data, words):
    go, ours = both("pkt", "bob", *words, stdin=data)
    assert ours.status == go.status, (go, ours)
    assert ours.out == go.out
    assert bool(ours.err) == bool(go.err)


# ---------------------------------------------------------------------------------------------- hash


@pytest.mark.parametrize("size", [0, 1, 131072, 131073, 300_000, 1_048_577])
def test_hash(both, size):
    both.write("data", pattern(size))
    both.same("hash", "", stdin=pattern(size))
    both.same("hash", "", "-file", "data")
    both.same("hash", "", "-file", "data", "-force-fat")


@pytest.mark.parametrize("seek", ["1", "131072", "140000", "299999", "300000", "0x100"])
def test_hash_from_the_middle(both, seek):
    both.write("data", pattern(300_000))
    both.same("hash", "", "-file", "data", "-seek", seek)


@pytest.mark.parametrize("size", [0, 6, 131072, 262144, 262145, 393216, 524289, 655360, 800_000, 917_504, 1_048_577])
@pytest.mark.parametrize("words", [(), ("-force-fat",)])
def test_hash_tells_its_steps(both, size, words):
    both.write("data", pattern(size))
    both.same("hash", "", "-file", "data", "-debug", *words)


@pytest.mark.parametrize("size", [262144, 262145, 655360, 800_000])
@pytest.mark.parametrize("seek", ["131072", "140000"])
def test_hash_from_the_middle_tells_its_leaves(both, size, seek):
    both.write("data", pattern(size))
    go, ours = both("hash", "", "-file", "data", "-debug", "-seek", seek)
    leaves = [[line for line in outcome.out.splitlines() if line.startswith(b"Add\t000")] for outcome in (go, ours)]
    assert leaves[0] == leaves[1]
    assert ours.out.splitlines()[-1] == go.out.splitlines()[-1]


@pytest.mark.parametrize(
    "words",
    [
        ("-file", "nofile"),
        ("-file", "alice"),
        ("-seek", "3"),
        ("-seek", "-3"),
        ("-quiet",),
        ("word",),
        ("-help",),
        ("-cfg", "x"),
    ],
)
def test_hash_misused(both, words):
    both.same("hash", "", *words)


def test_hash_shows_progress(both):
    both.write("data", pattern(300_000))
    go, ours = both("hash", "", "-file", "data", "-progress", "-seek", "131072")
    assert ours.out == go.out
    for outcome in (go, ours):
        assert "\n\x1b[1A\x1b[2K20" in outcome.err
        assert "Z hash data 165 KiB/165 KiB 100% (" in outcome.err
        assert "Z prehash data 128 KiB/128 KiB 100% (" in outcome.err


# ---------------------------------------------------------------------------------------------- log


def log_of(*lines):
    return "\n".join(lines).encode()


LOGS = {
    "plain": log_of("", "When: 2026-11-20T14:44:53.123456789Z", "Who: x", "Msg: hello", ""),
    "error": log_of("", "When: 2026-11-20T14:44:53Z", "Err: why", "Who: x", "Msg: hello", ""),
    "zone": log_of("", "When: 2026-11-20T14:44:53.5+09:00", "Who: x", "Msg: hello", ""),
    "no message": log_of("", "When: 2026-11-20T14:44:53Z", "Who: x", "Err: only", ""),
    "continued": log_of("", "When: 2026-11-20T14:44:53Z", "Msg: one", "+ two", "+", "+ three", ""),
    "no line end": log_of("", "When: 2026-11-20T14:44:53Z", "Msg: x"),
    "empty": b"",
    "gaps": log_of("", "", "When: 2026-11-20T14:44:53Z", "Msg: a", "", "", "When: 2026-11-20T14:44:54Z", "Msg: b", ""),
}


@pytest.mark.parametrize("words", [(), ("-debug",)])
@pytest.mark.parametrize("name", LOGS)
def test_log(both, name, words):
    both.write("some.log", LOGS[name])
    go, ours = both("log", "alice", "-log", "some.log", *words)
    assert ours.status == go.status == 0
    assert ours.out == go.out


def test_log_that_is_not_there(both):
    both.same("log", "alice")
    both.same("log", "alice", "-log", "/nonexistent")
    both.same("log", "alice", "-quiet")


def test_log_with_a_strange_time(both):
    both.write("some.log", log_of("", "When: yesterday", "Msg: x", "", "When: 2026-11-20T14:44:53Z", "Msg: y", ""))
    go, ours = both("log", "alice", "-log", "some.log")
    assert ours.status == go.status == 0
    assert ours.out.splitlines()[1:] == go.out.splitlines()[1:]


# ---------------------------------------------------------------------------------------------- check


def damage(packet):
    with packet.open("ab") as file:
        file.write(b"!")


@pytest.fixture
def packets(spools):
    """The same without a file that only has a packet's name: we call that damaged, the reference passes it over."""
    for lab in (spools.go, spools.ours):
        lab.path("alice", "spool", KEYS["bob"]["id"], "rx", "A" * 52).unlink()
    return spools


def test_check_calls_a_packet_without_a_header_damaged(spools):
    go, ours = spools("check", "alice")
    assert (go.status, ours.status) == (0, 1)
    assert f"/rx/{'A' * 52}: bad" in ours.err


def test_check_of_sound_packets(packets):
    spools = packets
    assert spools.same("check", "alice").status == 0
    assert not spools.ours.records("alice")


@pytest.mark.parametrize(
    "words", [(), ("-quiet",), ("-node", "bob"), ("-node", "carol"), ("word",), ("-node", "no"), ("-cycle", "x")]
)
def test_check_finds_damage(packets, words):
    spools = packets
    for lab in (spools.go, spools.ours):
        damage(lab.packets("alice", "bob", "tx")[1])
    spools.same("check", "alice", *words)
    assert spools.ours.records("alice") == spools.go.records("alice")


def test_check_finds_all_damage(packets):
    """Where the reference leaves off a neighbour at the first damaged packet."""
    for lab in (packets.go, packets.ours):
        for way in ("rx", "tx"):
            damage(lab.packets("alice", "bob", way)[0])
            damage(lab.packets("alice", "bob", way)[1])
    go, ours = packets("check", "alice")
    assert ours.status == go.status == 1
    assert len(ours.notes) == 4
    assert set(go.notes) <= set(ours.notes)


def test_check_promotes_unchecked_downloads(packets):
    spools = packets
    before = len(spools.ours.packets("alice", "bob", "rx"))
    assert spools.same("check", "alice", "-nock").status == 0
    trees = [[line for line in lab.tree("alice", "spool") if "/hdr" not in line] for lab in (spools.ours, spools.go)]
    assert trees[0] == trees[1]
    assert len(spools.ours.packets("alice", "bob", "rx")) > before
    spools.same("stat", "alice")


def test_check_leaves_damaged_downloads(spools):
    for lab in (spools.go, spools.ours):
        rx = lab.path("alice", "spool", KEYS["carol"]["id"], "rx")
        rx.mkdir(parents=True)
        (rx / ("A" * 52 + ".nock")).write_bytes((VECTORS / "packets" / "file-11.pkt").read_bytes())
    go, ours = spools("check", "alice", "-nock", "-node", "carol")
    assert ours.status == go.status == 1
    assert "checksum mismatch" in ours.err
    assert spools.ours.tree("alice", "spool", KEYS["carol"]["id"], "rx") == ["<PKT>.nock"]


# ---------------------------------------------------------------------------------------------- configurations


def test_cfgmin(both):
    both.same("cfgmin", "alice")
    both.same("cfgmin", "alice", "word")
    both.same("cfgmin", "", "-cfg", "nothing")
    both.same("cfgmin", "alice", "-quiet")


@pytest.mark.parametrize("words", [(), ("-nocomments",), ("-area", "letters"), ("-area", "letters", "-nocomments")])
def test_cfgnew_makes_configurations_that_both_read(both, words):
    new = both.ours("cfgnew", "", *words)
    assert new.status == 0
    assert not new.err
    text = new.out.decode()
    if "-area" in words:
        minimal = both.go("cfgnew", "", "-nocomments").out.decode()
        text = minimal.rstrip().removesuffix("}") + text + "}\n"
    both.write("new.hjson", text.encode())
    assert both.same("stat", "", "-cfg", "new.hjson").out == b"self\n"


def test_cfgnew_misused(both):
    both.same("cfgnew", "", "-bogus")
    both.same("cfgnew", "", "-help")
    yggdrasil = both.ours("cfgnew", "", "-yggdrasil")
    assert yggdrasil.status == 1
    assert "not yet supported" in yggdrasil.err
    assert not yggdrasil.out


# ---------------------------------------------------------------------------------------------- themselves


@pytest.mark.parametrize("command", COMMANDS)
def test_what_they_say_about_themselves(both, command):
    both.same(command, "", "-help")
    both.same(command, "", "--h")
    both.same(command, "", "-nosuchflag")
    for flag in ("-version", "-warranty"):
        go, ours = both(command, "", flag, "word")
        assert ours.status == go.status == 0
        assert ours.out
        assert not ours.err
