# SPDX-License-Identifier: GPL-3.0-or-later
"""What sessions leave in the log and say to people: the real programs beside ours, step by step."""

import re

import pytest
from online_lab import OnlineLab, wait_until

pytestmark = pytest.mark.interop


class Two:
    """The same steps among real programs and among ours."""

    def __init__(self, folder):
        self.labs = {who: OnlineLab(folder / who) for who in ("go", "ours")}

    def each(self, step):
        return [step(who, lab) for who, lab in self.labs.items()]

    def records(self, node):
        """What both logs hold: (event, names of the fields, message without what differs by nature), sorted."""
        go, ours = (
            [shape(record) for record in lab.records(node) if "Who" in record and record.get("Pkts") != "0"]
            for lab in self.labs.values()
        )
        return sorted(go, key=str), sorted(ours, key=str)


def shape(record):
    message = re.sub(r"\b[A-Z2-7]{52}\b", "<PKT>", record["Msg"])
    message = re.sub(r"127\.0\.0\.1:\d+", "<ADDR>", message)
    if record["Who"] == "call-finished":
        message = re.sub(r"[\d.]+ [KM]?i?B", "<SIZE>", message)
        message = re.sub(r"\(\d+:\d+:\d+\)", "<TIME>", message)
    return record["Who"], [name for name in record if name != "When"], message


@pytest.fixture
def two(tmp_path):
    return Two(tmp_path)


def spoken(text):
    text = re.sub(r"127\.0\.0\.1:\d+", "<ADDR>", text)
    passed_over = ("Finished call", "0 packets, 0 B")  # sizes differ a little; nothing is not worth a word
    return sorted(line for line in text.splitlines() if not any(words in line for words in passed_over))


@pytest.mark.parametrize("flags", [(), ("-rx",), ("-tx",), ("-list",), ("-nock",), ("-nice", "32"), ("-quiet",)])
def test_a_session(two, flags):
    def step(who, lab):
        lab.queue("alice", "bob", 1000, 200_000, nice=32)
        lab.queue("bob", "alice", 2000, nice=96)
        lab.queue("bob", "alice", 300_000, nice=32)
        (lab.path("alice", "log")).unlink(missing_ok=True)
        with lab.daemon(who) as address:
            said = lab.call(who, *flags, at=address)
            wait_until(lambda: "call-finished" in lab.whos("bob"))
            return said

    go, ours = two.each(step)
    assert spoken(ours) == spoken(go)
    for node in ("alice", "bob"):
        go, ours = two.records(node)
        assert ours == go


def test_a_session_that_resumes_and_meets_what_is_here_already(two):
    def step(who, lab):
        here, seen, part = lab.queue("bob", "alice", 1000, 2000, 300_000)
        rx = lab.here("alice", "bob", "rx", "")
        (rx / "seen").mkdir(parents=True)
        (rx / "seen" / seen).touch()
        (rx / here).write_bytes(lab.here("bob", "alice", "tx", here).read_bytes())
        (rx / f"{part}.part").write_bytes(lab.here("bob", "alice", "tx", part).read_bytes()[:100_000])
        with lab.daemon(who) as address:
            said = lab.call(who, at=address)
            wait_until(lambda: "call-finished" in lab.whos("bob"))
        assert lab.packets("bob", "alice", "tx") == set()
        return said

    go, ours = two.each(step)
    assert spoken(ours) == spoken(go)
    for node in ("alice", "bob"):
        go, ours = two.records(node)
        assert ours == go


@pytest.mark.parametrize(
    "words",
    [
        ("bob", "127.0.0.1:1"),
        ("bob", "nonsense"),
        ("bob",),
        ("bob:lan",),
        ("nobody", "127.0.0.1:1"),
        (),
        ("bob", "a", "b"),
        ("-rx", "-tx", "bob", "127.0.0.1:1"),
        ("-nice", "x", "bob", "127.0.0.1:1"),
        ("-pkts", "x", "bob", "127.0.0.1:1"),
        ("-progress", "-noprogress", "bob", "127.0.0.1:1"),
        ("-bogus",),
        ("-onlinedeadline", "x", "bob"),
    ],
)
def test_calls_that_cannot_be(two, words):
    def step(who, lab):
        lab.run(who, "call", "alice", *words, status=2 if words[:1] in (("-bogus",), ("-onlinedeadline",)) else 1)
        return [(record["Who"], record["Msg"], "Err" in record) for record in lab.records("alice") if "Who" in record]

    go, ours = two.each(step)
    assert ours == go


@pytest.mark.parametrize("words", [("-bind", "192.0.2.1:5411"), ("-bind", "nonsense"), ("-nice", "x"), ("-bogus",)])
def test_daemons_that_cannot_be(two, words):
    two.each(lambda who, lab: lab.run(who, "daemon", "bob", *words, status=2 if words == ("-bogus",) else 1))


def test_an_unreachable_deadline_in_the_environment(two):
    two.each(lambda who, lab: lab.run(who, "call", "alice", "bob", "127.0.0.1:1", status=1, NNCPDEADLINE="soon"))


def test_keyless_configurations(two):
    """Without private keys nothing can be said."""

    def step(who, lab):
        lab.change("alice", lambda config: config.pop("self"))
        for command, words in (("call", ("bob", "127.0.0.1:1")), ("caller", ()), ("daemon", ("-bind", ""))):
            lab.run(who, command, "alice", *words, status=1)

    two.each(step)
