# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that make packets, beside the real ones: nncp-file, nncp-exec, nncp-freq, nncp-ack, nncp-trns."""

import os
import shutil
import subprocess

import pytest
from cli_lab import KEYS, ours, pattern

pytestmark = pytest.mark.interop

ALICE, BOB, CAROL, DAVE = (KEYS[name]["id"] for name in ("alice", "bob", "carol", "dave"))


@pytest.fixture
def sources(both):
    both.write("small", pattern(500))
    both.write("large", pattern(300_000))
    both.write("folder/one", b"1")
    both.write("folder/deeper/two", b"22")
    return both


def compare(both, node="alice"):
    """Same trees, sizes, nicenesses and records."""
    trees = [[line for line in lab.tree(node, "spool") if "/hdr/" not in line] for lab in (both.ours, both.go)]
    assert trees[0] == trees[1]
    stats = [lab("stat", node).out for lab in (both.ours, both.go)]
    assert stats[0] == stats[1]
    assert both.ours.records(node) == both.go.records(node)


@pytest.mark.parametrize(
    "words",
    [
        ("small", "bob:"),
        ("small", "bob:dst"),
        ("small", "bob:a/./b//c"),
        ("small", "bob:../up"),
        ("small", "bob:with:colon"),
        ("small", f"{BOB}:by-id"),
        ("small", "self:"),
        ("./folder/../small", "bob:"),
        ("{lab}/small", "bob:"),
        ("large", "bob:"),
        ("small", "dave:two-relays"),
        ("-via", "-", "small", "dave:direct"),
        ("-via", "carol", "small", "bob:"),
        ("-via", f"carol,{DAVE}", "small", "bob:"),
        ("-nice", "F+3", "small", "bob:"),
        ("-nice=1", "small", "bob:"),
        ("--nice", "max", "small", "bob:"),
        ("-minsize", "7", "small", "bob:"),
        ("-minsize", "200", "small", "bob:"),
        ("-minsize", "20", "small", "dave:"),
        ("-minsize", "-5", "small", "bob:"),
        ("-maxsize", "1", "small", "bob:"),
        ("-maxsize", "0", "small", "bob:"),
        ("-chunked", "0", "small", "bob:"),
        ("-chunked", "1", "small", "bob:"),
        ("-quiet", "small", "bob:"),
        ("-quiet=false", "small", "bob:"),
        ("-debug", "small", "bob:"),
        ("--", "small", "bob:"),
        ("-spool", "{lab}/bob/spool", "small", "bob:"),
        ("folder", "bob:"),
        ("folder/", "bob:named"),
    ],
)
def test_file(sources, words):
    sources.same("file", "alice", *words)
    compare(sources)
    assert sources.go("check", "alice", "-spool", str(sources.ours.path("alice", "spool"))).status == 0


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("small",),
        ("small", "bob"),
        ("small", "bob:", "more"),
        ("small", "nobody:"),
        ("small", "bob:/absolute"),
        ("nofile", "bob:"),
        ("-", "bob:"),
        ("small", "bob:" + "x" * 256),
        ("-nice", "Q", "small", "bob:"),
        ("-nice", "0", "small", "bob:"),
        ("-nice", "256", "small", "bob:"),
        ("-minsize", "x", "small", "bob:"),
        ("-maxsize", "-1", "small", "bob:"),
        ("-via", "nobody", "small", "bob:"),
        ("-via", "carol,nobody", "small", "bob:"),
        ("-progress", "-noprogress", "small", "bob:"),
        ("-spool", "/nonexistent", "small", "bob:"),
        ("-cfg", "/nonexistent", "small", "bob:"),
        ("-log", "FD:x", "small", "bob:"),
        ("-nice",),
        ("---", "small", "bob:"),
        ("-=x", "small", "bob:"),
        ("-quiet=maybe", "small", "bob:"),
    ],
)
def test_file_refused(sources, words):
    assert sources.same("file", "alice", *words).status != 0
    assert not sources.ours.packets("alice", "bob", "tx")
    assert not [path for path in sources.ours.path("alice", "spool").rglob("*") if path.is_file()]


def test_file_too_big(sources):
    """The reference logs it and then repeats the reason; so do we."""
    go, ours_ = sources("file", "alice", "-maxsize", "100", "large", "bob:")
    assert ours_.status == go.status == 1
    assert not sources.ours.packets("alice", "bob", "tx")


def test_file_from_standard_input(sources):
    sources.same("file", "alice", "-", "bob:piped", stdin=pattern(200_000))
    sources.same("file", "alice", "-", "bob:nothing", stdin=b"")
    compare(sources)


def test_file_arrives(sources):
    """Ours, through both programs' xfer and toss, with every odd size."""
    lab = sources.ours
    sizes = (0, 1, 130_780, 130_781, 130_796, 130_797, 300_000)
    for size in sizes:
        assert lab("file", "alice", "-quiet", "-", f"bob:{size}", stdin=pattern(size)).status == 0
    lab.path("stick").mkdir()
    lab("xfer", "alice", "-mkdir", "-quiet", "stick")
    shutil.copytree(lab.path("stick"), sources.go.path("stick"))
    for each in (sources.go, lab):
        assert each("xfer", "bob", "-quiet", "stick").status == 0
        assert each("toss", "bob", "-quiet").status == 0
        for size in sizes:
            assert each.path("bob", "incoming", str(size)).read_bytes() == pattern(size)


@pytest.mark.parametrize(
    "words",
    [
        ("bob", "cat"),
        ("bob", "cat", "a b", "", "c"),
        ("bob", "cat", "-flag-of-the-handle"),
        (BOB, "cat"),
        ("dave", "cat"),
        ("-via", "-", "dave", "cat"),
        ("-nice", "F", "-replynice", "P-2", "bob", "cat"),
        ("-minsize", "9", "bob", "cat"),
        ("-nocompress", "bob", "cat"),
        ("-nocompress", "-minsize", "9", "bob", "cat"),
        ("-quiet", "-nice", "P", "bob", "rsmtp", "user@example.com"),
    ],
)
@pytest.mark.parametrize("size", [0, 1, 5000])
def test_exec(both, words, size):
    if "-nocompress" in words or size < 2:
        both.same("exec", "alice", *words, stdin=b"mail\n" * size)
        compare(both)
        return
    go, ours_ = both("exec", "alice", *words, stdin=b"mail\n" * size)
    assert ours_.status == go.status == 0
    # Compressors of equal level still differ by some bytes.
    assert [note.rsplit("(", 1)[0] for note in ours_.notes] == [note.rsplit("(", 1)[0] for note in go.notes]


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("bob",),
        ("nobody", "cat"),
        ("-nice", "0", "bob", "cat"),
        ("-replynice", "zz", "bob", "cat"),
        ("-minsize", "-1", "bob", "cat"),
        ("bob", "cat", "x" * 300),
        ("-via", "x", "bob", "cat"),
        ("-use-tmp", "bob", "cat"),
        ("-maxsize", "1", "-nocompress", "bob", "cat"),
    ],
)
def test_exec_refused(both, words):
    go, ours_ = both("exec", "alice", *words, stdin=pattern(5000))
    assert ours_.status == go.status != 0
    assert ours_.used_wrongly == go.used_wrongly
    assert ours_.err
    assert not both.ours.packets("alice", "bob", "tx")


def test_exec_compresses_as_well_as_the_reference(both):
    text = b"".join(b"2026-11-20 host daemon[%d]: session %x closed\n" % (i % 977, i * 7919) for i in range(20_000))
    both("exec", "alice", "bob", "cat", stdin=text)
    (go,), (ours_,) = (lab.packets("alice", "bob", "tx") for lab in (both.go, both.ours))
    assert ours_.stat().st_size <= go.stat().st_size * 1.05


MAIL = b"From: root@alice\nTo: user@example.com\nSubject: test\n\nHello.\n"


@pytest.mark.parametrize(("sender", "receiver"), [("go", "ours"), ("ours", "go"), ("ours", "ours")])
def test_mail_server(both, sender, receiver):
    """What Postfix or Exim do: ``nncp-exec -quiet -nice P NODE rsmtp < mail``; exit 0 and not a word."""
    labs = {"go": both.go, "ours": both.ours}
    handle = labs[receiver].path("handle")
    handle.write_text(
        f'#!/bin/sh\n/bin/cat > {handle.parent}/mail\necho "$@ $NNCP_SENDER $NNCP_NICE" > {handle.parent}/how\n'
    )
    handle.chmod(0o755)
    config = labs[receiver].path("bob.hjson")
    config.write_text(config.read_text().replace("/bin/cat", str(handle)).replace('"cat"', '"rsmtp"'))
    sent = labs[sender]("exec", "alice", "-quiet", "-nice", "P", "bob", "rsmtp", "user@example.com", stdin=MAIL)
    assert (sent.status, sent.out, sent.err) == (0, b"", "")
    shutil.copytree(labs[sender].path("alice", "spool", BOB, "tx"), labs[receiver].path("bob", "spool", ALICE, "rx"))
    assert labs[receiver]("toss", "bob", "-quiet").status == 0
    assert labs[receiver].path("mail").read_bytes() == MAIL
    assert labs[receiver].path("how").read_text() == f"user@example.com {ALICE} 224\n"


@pytest.mark.parametrize(
    "words",
    [
        ("bob:src",),
        ("bob:src", "dst"),
        ("bob:src", "dst", "ignored"),
        ("bob:a/../b/c", "d/../e"),
        ("bob:a/b/c",),
        ("bob:..",),
        ("bob:x:y",),
        (f"{BOB}:src",),
        ("dave:src",),
        ("-nice", "F+3", "-replynice", "P-2", "bob:src"),
        ("-minsize", "3", "bob:src"),
        ("-quiet", "bob:src"),
        ("-via", "carol", "bob:src"),
    ],
)
def test_freq(both, words):
    both.same("freq", "alice", *words)
    compare(both)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("bob",),
        ("bob:/absolute",),
        ("bob:src", "/absolute"),
        ("nobody:src",),
        ("area:ar:src",),
        ("-replynice", "FOO", "bob:src"),
        ("-minsize", "-1", "bob:src"),
        ("bob:" + "x" * 256,),
    ],
)
def test_freq_refused(both, words):
    assert both.same("freq", "alice", *words).status != 0
    assert not both.ours.packets("alice", "bob", "tx")


@pytest.fixture
def arrived(both):
    """Three packets from alice, one of them an acknowledgement, in bob's rx; the same for both."""
    both.go("file", "alice", "-quiet", "-", "bob:f", stdin=pattern(500))
    both.go("exec", "alice", "-quiet", "bob", "cat")
    both.go("ack", "alice", "-quiet", "-node", "bob", "-pkt", "A" * 52)
    shutil.copytree(both.go.path("alice", "spool", BOB, "tx"), both.go.path("bob", "spool", ALICE, "rx"))
    both.copy_spools()
    return both


@pytest.mark.parametrize(
    "words",
    [
        ("-all",),
        ("-node", "alice"),
        ("-node", f"carol,{ALICE}"),
        ("-all", "-nice", "F", "-minsize", "2"),
        ("-all", "-quiet"),
        ("-all", "-via", "carol"),
        ("-node", "carol", "-pkt", "A" * 52),
        ("-node", "carol"),
        (),
        ("word",),
        ("-all", "-node", "alice"),
        ("-all", "-pkt", "A" * 52),
        ("-pkt", "A" * 52),
        ("-node", "alice,carol", "-pkt", "A" * 52),
        ("-node", "alice", "-pkt", "short"),
        ("-node", "nobody"),
        ("-all", "-nice", "0"),
        ("-all", "word"),
    ],
)
def test_ack(arrived, words):
    arrived.same("ack", "bob", *words)
    trees = [[line for line in lab.tree("bob", "spool") if "/hdr" not in line] for lab in (arrived.ours, arrived.go)]
    assert trees[0] == trees[1]
    key = str
    assert sorted(arrived.ours.records("bob"), key=key) == sorted(arrived.go.records("bob"), key=key)
    assert arrived.ours("stat", "bob").out == arrived.go("stat", "bob").out


def test_ack_by_way_of_a_relay(arrived):
    """As documented, and not with -all; the reference listens to -via only together with -pkt."""
    assert arrived.ours("ack", "bob", "-node", "alice", "-via", "carol").status == 0
    assert len(arrived.ours.packets("bob", "carol", "tx")) == 2
    assert not arrived.ours.packets("bob", "alice", "tx")


def test_ack_names_its_packets_on_descriptor_four(arrived):
    lab = arrived.ours
    script = 'exec "$@" 4>named'
    words = ["/bin/sh", "-c", script, "sh", *ours("ack"), "-cfg", str(lab.path("bob.hjson")), "-all", "-quiet"]
    subprocess.run(words, cwd=lab.folder, check=True, timeout=60)
    named = lab.path("named").read_text().splitlines()
    assert sorted(named) == sorted(f"{ALICE}/{path.name}" for path in lab.packets("bob", "alice", "tx"))
    assert len(named) == 2


@pytest.mark.parametrize("go_acknowledges", [True, False])
def test_ack_makes_the_other_program_forget(arrived, go_acknowledges):
    acker, sender = (arrived.go, arrived.ours) if go_acknowledges else (arrived.ours, arrived.go)
    acker("ack", "bob", "-all", "-quiet")
    shutil.copytree(acker.path("bob", "spool", ALICE, "tx"), sender.path("alice", "spool", BOB, "rx"))
    assert len(sender.packets("alice", "bob", "tx")) == 3
    assert sender("toss", "alice", "-quiet").status == 0
    assert len(sender.packets("alice", "bob", "tx")) == 1  # the acknowledgement itself is not acknowledged


@pytest.fixture
def queued(both):
    both.go("file", "alice", "-quiet", "-", "bob:f", stdin=pattern(500))
    both.copy_spools()
    both.go.path("alice", "log").unlink()
    return both


@pytest.mark.parametrize(
    "via", [("-via", "carol"), ("-via", "carol,dave"), ("-via", "carol", "-nice", "F"), ("-quiet", "-via", "carol")]
)
@pytest.mark.parametrize("as_path", [True, False])
def test_trns(queued, via, as_path):
    name = queued.go.packets("alice", "bob", "tx")[0].name
    word = f"{{lab}}/alice/spool/{BOB}/tx/{name}" if as_path else f"bob:{name}"
    queued.same("trns", "alice", *via, word)
    compare(queued)
    assert len(queued.ours.packets("alice", "carol", "tx")) == 1


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("-via", "carol"),
        ("-via", "carol", "bob:x", "more"),
        ("-via", "carol", "nobody:x"),
        ("-via", "nobody", "bob:x"),
        ("-via", "carol", "bob:zz"),
        ("-via", "carol", "bob:" + "A" * 52),
        ("-via", "carol", "nofile"),
        ("-via", "carol", "{lab}/alice.hjson"),
        ("-nice", "0", "-via", "carol", "bob:x"),
    ],
)
def test_trns_refused(queued, words):
    go, ours_ = queued("trns", "alice", *words)
    assert ours_.status == go.status != 0
    assert ours_.used_wrongly == go.used_wrongly
    assert ours_.err
    assert not queued.ours.packets("alice", "carol", "tx")


@pytest.mark.parametrize("words", [("bob:",), ("-via", "-", "bob:")])
def test_trns_without_relays(queued, words):
    """Here the reference crashes."""
    name = queued.ours.packets("alice", "bob", "tx")[0].name
    refused = queued.ours("trns", "alice", *words[:-1], words[-1] + name)
    assert refused.status == 1
    assert "no relays" in refused.err


@pytest.mark.parametrize("command", ["file", "exec", "freq", "ack", "trns", "toss"])
def test_without_private_keys(both, command):
    words = {"file": ("alice.hjson", "bob:"), "exec": ("bob", "cat"), "freq": ("bob:x",), "ack": ("-all",)}
    for lab in (both.go, both.ours):
        lab.path("min.hjson").write_bytes(lab("cfgmin", "alice").out)
    refused = both.same(
        command, "", "-cfg", "min.hjson", *words.get(command, ("-via", "bob", "carol:x") if command == "trns" else ())
    )
    assert refused.status == 1


@pytest.mark.parametrize(
    ("command", "words", "feature"),
    [
        ("file", ("small", "area:ar:"), "area"),
        ("exec", ("area:ar", "cat"), "area"),
        ("file", ("-chunked", "1", "large", "bob:"), "chunks"),
        ("file", ("-chunked", "1", "-", "bob:x"), "chunks"),
        ("cfgnew", ("-yggdrasil",), "yggdrasil"),
    ],
)
def test_not_yet(sources, command, words, feature):
    lab = sources.ours
    refused = lab(command, "alice" if command != "cfgnew" else "", *words)
    assert refused.status == 1
    assert "not yet supported" in refused.err
    assert feature in refused.err
    assert not refused.out
    assert not [path for path in lab.path("alice", "spool").rglob("*") if path.is_file()]


def test_chunks_of_the_configuration(sources):
    """freq.chunked of a neighbour is the default of nncp-file; what fits in one chunk is sent whole."""
    lab = sources.ours
    config = lab.path("alice.hjson")
    config.write_text(config.read_text().replace('"freq": {', '"freq": {"chunked": 1, "minsize": 2,'))
    assert lab("file", "alice", "small", "bob:").status == 0
    assert [path.stat().st_size for path in lab.packets("alice", "bob", "tx")] == [2048]
    assert "not yet supported" in lab("file", "alice", "large", "bob:").err
    assert lab("file", "alice", "-chunked", "0", "-minsize", "0", "large", "bob:").status == 0


# ---------------------------------------------------------------------------------------------- surroundings


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"NNCPSPOOL": "/nonexistent"}, ()),
        ({"NNCPSPOOL": "/nonexistent"}, ("-spool", "{lab}/alice/spool")),
        ({"NNCPLOG": "FD:2"}, ()),
        ({"NNCPLOG": "FD:x"}, ()),
        ({"NNCPLOG": "/nonexistent/log"}, ("-log", "{lab}/alice/log")),
        ({"NNCPLOG": "other.log"}, ()),
        ({"NNCPNOSYNC": "1"}, ()),
        ({"NNCPCFG": "bob.hjson"}, ()),
        ({"NNCPCFG": "/nonexistent"}, ()),
    ],
)
def test_environment(sources, env, words):
    sources.same("file", "alice", *words, "small", "carol:", env=env)
    for node in ("alice", "bob"):
        compare(sources, node)
    logs = [lab.path("other.log").exists() for lab in (sources.ours, sources.go)]
    assert logs[0] == logs[1]


def test_log_that_cannot_be_written(sources):
    go, ours_ = sources("file", "alice", "-log", "/nonexistent/log", "small", "bob:")
    assert ours_.status == go.status == 0
    assert ours_.notes == go.notes
    assert "log" in ours_.err


def test_each_reads_the_others_log(sources):
    sources("file", "alice", "-quiet", "small", "bob:a")
    sources("file", "alice", "-quiet", "small", "bob:b")
    sources("freq", "alice", "-quiet", "bob:c")
    for log in (sources.go.path("alice", "log"), sources.ours.path("alice", "log")):
        go, ours_ = sources("log", "alice", "-log", str(log))
        assert ours_.out == go.out
        assert ours_.out.count(b"\n") == 3


def test_one_spool_used_in_turn(sources):
    """Either program finishes what the other began, in the very same folders."""
    lab = sources.ours
    go = sources.go
    spool = ("-spool", str(lab.path("alice", "spool")))
    for turn in range(3):
        assert go("file", "alice", *spool, "-quiet", "-", f"bob:go{turn}", stdin=pattern(turn)).status == 0
        assert lab("file", "alice", "-quiet", "-", f"bob:ours{turn}", stdin=pattern(turn)).status == 0
        assert lab("stat", "alice").out == go("stat", "alice", *spool).out
    lab.path("stick").mkdir()
    assert go("xfer", "alice", *spool, "-quiet", "-mkdir", "-keep", str(lab.path("stick"))).status == 0
    assert lab("xfer", "alice", "-quiet", "stick").status == 0
    assert len(lab.packets("alice", "bob", "tx")) == 6  # all were there already: kept
    theirs = ("-spool", str(lab.path("bob", "spool")))
    assert go("xfer", "bob", *theirs, "-quiet", "-nice", "B", str(lab.path("stick"))).status == 0
    assert go("toss", "bob", *theirs, "-quiet").status == 0
    assert lab("toss", "bob", "-quiet").status == 0
    assert len(os.listdir(go.path("bob", "incoming"))) == 6
    assert not lab.packets("bob", "alice", "rx")


def test_progress(sources):
    for lab in (sources.go, sources.ours):
        config = lab.path("alice.hjson")
        config.write_text(config.read_text().replace('"noprogress": true,', ""))
    for words in (("small", "bob:x"), ("-quiet", "small", "bob:x"), ("-noprogress", "small", "bob:x")):
        go, ours_ = sources("file", "alice", *words)
        assert ("\x1b[2K" in ours_.err) == ("\x1b[2K" in go.err) == (len(words) == 2)
        if len(words) == 2:
            assert "Tx x 980 B/980 B 100% (" in ours_.err
            assert "Tx x 980 B/980 B 100% (" in go.err
