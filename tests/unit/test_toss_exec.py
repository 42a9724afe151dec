# SPDX-License-Identifier: GPL-3.0-or-later
"""Exec handles: what a program gets, how it may end, and what must never reach it."""

import os
import pathlib
import time

import pytest
import zstandard
from toss_lab import carry, files, make_node, reason, sealed

from muleteer.config.model import Mail, Notify
from muleteer.formats.mth import mth
from muleteer.formats.packet import EXEC, EXEC_FAT, PlainHeader, exec_path
from muleteer.record import replace
from muleteer.testing.packets import pattern, reader
from muleteer.tossing.handles import OUTPUT_MAX, Excerpt, run
from muleteer.tossing.notify import compose, encoded

HERE = {"PATH": "/usr/bin:/bin"}


@pytest.fixture
def alice(tmp_path):
    return make_node("alice", tmp_path)


@pytest.fixture
def bob(tmp_path):
    node = make_node("bob", tmp_path)
    shell = ("/bin/sh", "-c")
    handles = {
        "env": (*shell, f"/usr/bin/env | sort > {tmp_path}/env; pwd > {tmp_path}/cwd", "env"),
        "args": (*shell, f'printf "%s|" "$@" > {tmp_path}/args', "args", "first"),
        "save": (*shell, f"cat > {tmp_path}/saved"),
        "count": (*shell, f"wc -c > {tmp_path}/counted"),
        "fail": (*shell, "echo out; echo err >&2; exit 3"),
        "deaf": ("true",),
        "missing": ("/nonexistent",),
        "killed": (*shell, "kill -9 $$"),
        "slow": (*shell, f"sleep 60 & echo $! > {tmp_path}/child; sleep 60"),
        "chatty": (*shell, "yes | head -c 1000000; exit 1"),
        "talker": (*shell, "echo said"),
    }
    node.change("alice", exec=handles)
    return node


def call(alice, bob, handle, *args, body=b"", compress=True):
    alice.submit.exec(alice.neighbour("bob"), 96, 77, handle, list(args), reader(body), compress=compress)
    (name,) = carry(alice, bob)
    return name


def test_the_environment_is_four_words(alice, bob, tmp_path):
    call(alice, bob, "env")
    assert bob.toss(path="/bin:/usr/bin").delivered == 1
    lines = (tmp_path / "env").read_text().split("\n")
    own = [line for line in lines if line and not line.startswith(("PWD=", "_=", "SHLVL="))]  # the shell's own
    assert own == [f"NNCP_NICE={77}", f"NNCP_SELF={bob.id}", f"NNCP_SENDER={alice.id}", "PATH=/bin:/usr/bin"]
    assert (tmp_path / "cwd").read_text().strip() == os.getcwd()


def test_arguments_arrive_as_they_are(alice, bob, tmp_path):
    call(alice, bob, "args", "a b", "", "$(id)", "ü\\")
    assert bob.toss().delivered == 1
    assert (tmp_path / "args").read_text() == "first|a b||$(id)|ü\\|"
    assert bob.log.only("rx").message.startswith("Got exec from alice to args a b  $(id) ü\\ (")


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("size", [0, 1, 200_000, 3_000_000])
def test_the_body_is_the_standard_input(alice, bob, tmp_path, size, compress):
    body = os.urandom(size // 2) + bytes(size - size // 2)
    call(alice, bob, "save", body=body, compress=compress)
    assert bob.toss().delivered == 1
    assert (tmp_path / "saved").read_bytes() == body


def test_a_large_body_through_a_route(alice, bob, tmp_path):
    carol = make_node("carol", tmp_path)
    body = os.urandom(1_500_000)
    alice.submit.exec(alice.neighbour("bob"), 96, 77, "save", [], reader(body), via=(carol.id,))
    carry(alice, carol, "alice", "carol")
    carol.toss()
    carry(carol, bob, "carol", "bob")
    assert bob.toss().delivered == 1
    assert (tmp_path / "saved").read_bytes() == body


def test_failure_keeps_packet_reason_and_output(alice, bob):
    name = call(alice, bob, "fail", "x")
    assert bob.toss().failed == 1
    event = bob.log.only("rx-handle")
    assert (event.err, event["Output"]) == ("exit status 3", "out\nerr")
    assert event.message == f"Tossing exec alice/{name} (9 B): fail x: handling".replace("9 B", "0 B")
    note = bob.aside.get(alice.id, name)
    assert note.output == b"out\nerr\n"
    assert "exit status 3" in note.reason
    assert bob.waiting("alice") == [name]


@pytest.mark.parametrize(
    ("handle", "problem"),
    [
        ("missing", "fork/exec /nonexistent: no such file or directory"),
        ("killed", "signal: killed"),
    ],
)
def test_other_ends(alice, bob, handle, problem):
    call(alice, bob, handle)
    bob.toss()
    assert bob.log.only("rx-handle").err == problem


def test_unknown_handle(alice, bob):
    name = call(alice, bob, "rm -rf", "x")
    bob.toss()
    assert bob.log.only("rx-no-handle").err == "No handle found"
    assert "not configured" in reason(bob, name)


def test_a_handle_that_does_not_read_is_no_failure(alice, bob):
    call(alice, bob, "deaf", body=os.urandom(4_000_000))
    call(alice, bob, "deaf", body=os.urandom(4_000_000), compress=False)
    assert bob.toss().delivered == 2


def test_an_overdue_handle_is_killed_with_its_children(alice, bob, tmp_path):
    name = call(alice, bob, "slow", body=os.urandom(2_000_000), compress=False)
    assert bob.toss(time_limit_s=0.5).failed == 1
    assert "its time was up" in reason(bob, name)
    child = (tmp_path / "child").read_text().strip()
    status = pathlib.Path(f"/proc/{child}/status")
    assert not status.exists() or "State:\tZ" in status.read_text()


def test_output_is_bounded(alice, bob):
    name = call(alice, bob, "chatty")
    bob.toss()
    output = bob.aside.get(alice.id, name).output
    assert len(output) <= OUTPUT_MAX
    assert b"bytes left out" in output


def test_an_excerpt_keeps_beginning_and_end():
    excerpt = Excerpt()
    text = os.urandom(3 * OUTPUT_MAX)
    for start in range(0, len(text), 1000):
        excerpt.add(text[start : start + 1000])
    kept = bytes(excerpt)
    half = OUTPUT_MAX // 2
    assert kept.startswith(text[:half])
    assert kept.endswith(text[-half:])
    assert f"[... {2 * OUTPUT_MAX} bytes left out ...]".encode() in kept
    short = Excerpt()
    short.add(text[: OUTPUT_MAX - 1])
    short.add(text[OUTPUT_MAX - 1 : OUTPUT_MAX])
    assert bytes(short) == text[:OUTPUT_MAX]


@pytest.mark.parametrize("size", [1000, 1_400_000])
@pytest.mark.parametrize("kind", [EXEC, EXEC_FAT])
def test_a_packet_with_a_bad_end_never_reaches_the_program(bob, tmp_path, size, kind):
    body = os.urandom(size)
    packet = bytearray(sealed(PlainHeader(kind, 77, exec_path("save", [])), body))
    packet[-1] ^= 1
    bob.receive(bytes(packet), "alice", mth(packet))
    assert bob.toss().failed == 1
    assert not (tmp_path / "saved").exists()


def test_a_packet_under_a_wrong_name_never_reaches_the_program(bob, tmp_path):
    packet = sealed(PlainHeader(EXEC_FAT, 77, exec_path("save", [])), b"x" * 2_000_000)
    name = bob.receive(packet, "alice", mth(b"other"))
    assert bob.toss().failed == 1
    assert "hashes to" in reason(bob, name)
    assert not (tmp_path / "saved").exists()


@pytest.mark.parametrize("size", [100_000, 3_000_000])
def test_a_body_that_does_not_decompress_never_looks_complete(bob, tmp_path, size):
    """The program may see a part of it, but it is killed before it sees an end of its input."""
    whole = zstandard.ZstdCompressor().compress(os.urandom(size))
    for body in (whole[:-2000], b"junk" * 1000, whole[: size // 2] + b"\xff" * 100):
        name = bob.receive(sealed(PlainHeader(EXEC, 77, exec_path("count", [])), body), "alice")
        assert bob.toss().failed == 1
        assert reason(bob, name)
        assert not (tmp_path / "counted").exists() or (tmp_path / "counted").read_bytes() == b""
        bob.spool.finish(bob.neighbour("alice").id, "rx", name)


def test_a_bomb_streams(bob, tmp_path):
    """64 MiB of zeros from a few KiB: counted by the program, never held by us."""
    bomb = zstandard.ZstdCompressor().compress(bytes(64 << 20))
    bob.receive(sealed(PlainHeader(EXEC, 77, exec_path("count", [])), bomb), "alice")
    assert bob.toss().delivered == 1
    assert (tmp_path / "counted").read_text().strip() == str(64 << 20)


def test_a_handle_finds_the_file_that_came_before_it(alice, bob, tmp_path):
    handles = {"look": ("/bin/sh", "-c", f"cp {tmp_path}/bob/incoming/data {tmp_path}/seen")}
    bob.change("alice", exec=handles)
    alice.submit.file(alice.neighbour("bob"), 10, reader(pattern(100)), "data")
    alice.submit.exec(alice.neighbour("bob"), 20, 20, "look", [], reader(b""))
    carry(alice, bob)
    assert bob.toss().delivered == 2
    assert (tmp_path / "seen").read_bytes() == pattern(100)


# ---------------------------------------------------------------------------------------------- programs alone


def test_run_is_not_stopped_by_a_background_child():
    outcome = run(["sh", "-c", "echo begun; sleep 60 & exit 0"], HERE)
    assert (outcome.problem, outcome.output) == ("", b"begun\n")


def test_each_program_cost_a_tenth_of_a_second():
    """Its end was looked for ten times a second once it had closed its output."""
    begun = time.monotonic()
    for _ in range(20):
        assert run(["true"], HERE, lambda feed: feed(b"x")).problem == ""
    assert time.monotonic() - begun < 20 * 0.1


def test_run_does_without_a_descriptor_of_the_process(monkeypatch):
    monkeypatch.delattr("os.pidfd_open")
    assert run(["sh", "-c", "exec >&- 2>&-; exit 5"], HERE).problem == "exit status 5"
    assert run(["sleep", "60"], HERE, seconds=0.2).problem.startswith("killed after 0.2 s")


def test_run_hears_a_program_that_closes_its_output_early():
    assert run(["sh", "-c", "exec >&- 2>&-; exit 5"], HERE).problem == "exit status 5"


def test_run_passes_on_what_the_body_raises():
    def body(feed):
        feed(b"x")
        raise LookupError

    with pytest.raises(LookupError):
        run(["sleep", "60"], HERE, body)


def test_run_survives_both_pipes_full():
    data = os.urandom(3_000_000)
    outcome = run(["cat"], HERE, lambda feed: feed(data), seconds=30)
    assert outcome.problem == ""
    assert outcome.output.startswith(data[:1000])


def test_run_says_what_stands_in_the_way(tmp_path):
    (tmp_path / "text").write_text("x")
    assert run([f"{tmp_path}/text"], HERE).problem == f"fork/exec {tmp_path}/text: permission denied"
    assert "null byte" in run(["true", b"a\0b"], HERE).problem


# ---------------------------------------------------------------------------------------------- mails


@pytest.fixture
def mailing(bob, tmp_path):
    mailbox = tmp_path / "mail"
    script = f'(echo "$@"; cat; echo; echo --) >> {mailbox}'
    bob.change("self", exec={"sendmail": ("/bin/sh", "-c", script, "sm", "-i")})
    mail = Mail("f@x", "t@x")
    bob.config = replace(bob.config, notify=Notify(file=mail, freq=mail, exec={"*.talker": mail, "alice.deaf": mail}))
    return mailbox


def test_mails_tell_what_arrived(alice, bob, tmp_path, mailing):
    (tmp_path / "bob" / "freq" / "f").write_bytes(b"")
    alice.submit.file(alice.neighbour("bob"), 1, reader(b"123456"), "sub/ü.txt")
    alice.submit.freq(alice.neighbour("bob"), 2, 2, "f", "g")
    alice.submit.exec(alice.neighbour("bob"), 3, 3, "talker", ["a", "b"], reader(b""))
    alice.submit.exec(alice.neighbour("bob"), 4, 4, "deaf", [], reader(b""))
    alice.submit.exec(alice.neighbour("bob"), 5, 5, "save", [], reader(b""))
    carry(alice, bob)
    assert bob.toss().delivered == 5
    mails = mailing.read_text().split("--\n")[:-1]
    assert [mail.split("\n")[0] for mail in mails] == ["-i t@x"] * 4
    assert mails[0].split("\n")[1:] == [
        "From: f@x",
        "To: t@x",
        "Subject: =?UTF-8?b?RmlsZSBmcm9tIGFsaWNlOiBzdWIvw7wudHh0ICg2IEIp?=",
        "",
    ]
    assert "Subject: Freq from alice: f" in mails[1]
    assert mails[2].split("\n")[3:] == [
        "Subject: Exec from alice: talker a b",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: base64",
        "",
        "c2FpZAo=",
        "",
        "",
    ]
    assert mails[3].endswith("Subject: Exec from alice: deaf\n")


def test_a_failing_mailer_is_only_logged(alice, bob, mailing, tmp_path):
    bob.change("self", exec={"sendmail": ("/bin/sh", "-c", "exit 4")})
    alice.submit.file(alice.neighbour("bob"), 1, reader(b"123456"), "f")
    carry(alice, bob)
    assert bob.toss().delivered == 1
    assert bob.log.only("rx-notify").err == "exit status 4"
    assert bob.log.only("rx-notify").message.endswith("(6 B): f: notifying")
    assert files(tmp_path / "bob" / "incoming") == {"f": b"123456"}


def test_mail_headers_cannot_be_forged():
    mail = compose(Mail("f@x", "t@x"), "File from a: x\nBcc: all@x", b"")
    assert b"\nBcc" not in mail
    long = encoded("ü" * 100)
    assert all(len(word) <= 75 for word in long.split("\n "))
    assert "".join(__import__("email.header", fromlist=["x"]).decode_header(long)[0][0].decode()) == "ü" * 100
