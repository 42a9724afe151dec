# SPDX-License-Identifier: GPL-3.0-or-later
"""Tossing where something beside the packets fails: the log, the disk, descriptors, another process at work."""

import errno
import os
import resource

import pytest
from toss_lab import PEOPLE, carry, file_packet, files, make_node, sealed

from muleteer.config.model import Freq
from muleteer.errors import LogError, SpoolError
from muleteer.formats.packet import FREQ, TRNS, PlainHeader
from muleteer.spool.layout import RX, TX
from muleteer.testing.packets import reader
from muleteer.tossing.acks import Acknowledger


@pytest.fixture
def alice(tmp_path):
    return make_node("alice", tmp_path)


@pytest.fixture
def bob(tmp_path):
    return make_node("bob", tmp_path)


@pytest.fixture
def incoming(tmp_path):
    return tmp_path / "bob" / "incoming"


class FailingLog:
    def __init__(self, error):
        self._error = error

    def event(self, *_args):
        raise self._error

    events = event


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "no space left on device"), LogError(path="/l", problem="no")])
def test_a_group_whose_log_failed_was_delivered_again(bob, incoming, error):
    bob.log = FailingLog(error)
    for number in range(3):
        bob.receive(file_packet(b"%d" % number), "alice")
    report = bob.toss()
    assert (report.delivered, report.failed) == (3, 0)
    assert report.log_problem == str(error)
    assert files(incoming).keys() == {"0", "1", "2"}
    assert bob.waiting("alice") == []


def test_a_failure_after_the_commit_left_the_rest_of_the_group_in_rx(bob, incoming, monkeypatch):
    names = [bob.receive(file_packet(b"%d" % number), "alice") for number in range(5)]
    guilty = sorted(names)[1]
    unlink = bob.disk.unlink

    def failing(path):
        if path.endswith(f"rx/{guilty}"):
            raise OSError(errno.EIO, "input/output error", path)
        unlink(path)

    monkeypatch.setattr(bob.disk, "unlink", failing)
    with pytest.raises(SpoolError, match="input/output"):
        bob.toss()
    assert bob.waiting("alice") == [guilty]
    assert len(files(incoming)) == 5


def test_an_ack_whose_effect_does_not_last_stays_but_its_group_goes(alice, bob, incoming, monkeypatch):
    alice.submit.file(alice.neighbour("bob"), 100, reader(b"x"), "f")
    (name,) = [entry.name for entry in alice.spool.entries(bob.id, TX)]
    bob.submit.ack(bob.neighbour("alice"), 50, name)
    (ack,) = carry(bob, alice, "bob", "alice")
    alice.receive(file_packet(sender="bob", recipient="alice"), "bob")
    fsync_dir = alice.disk.fsync_dir

    def failing(path):
        if path.endswith("/tx"):
            raise OSError(errno.EIO, "input/output error", path)
        fsync_dir(path)

    monkeypatch.setattr(alice.disk, "fsync_dir", failing)
    with pytest.raises(SpoolError):
        alice.toss()
    assert alice.waiting("bob") == [ack]


def test_a_retry_that_broke_off_left_drafts_behind(bob, incoming, monkeypatch):
    """The group that was being filled when a committed one failed is given up with everything else."""
    monkeypatch.setattr("muleteer.tossing.group.GROUP_MAX", 4)
    for number in range(10):
        bob.receive(file_packet(b"%d" % number), "alice")

    def failing(source, target):
        raise OSError(errno.EIO, "input/output error", target)

    def broken(*_args, **_more):
        raise SpoolError(path="aside", problem="broken")

    monkeypatch.setattr(bob.disk, "publish", failing)
    monkeypatch.setattr(bob.aside, "note", broken)
    with pytest.raises(SpoolError, match="broken"):
        bob.toss()
    assert files(incoming) == {}


@pytest.fixture
def few_files():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    yield lambda spare: resource.setrlimit(resource.RLIMIT_NOFILE, (highest + spare, before[1]))
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("spare", [20, 45])
def test_many_packets_with_few_descriptors_failed(bob, incoming, few_files, spare, monkeypatch):
    """As under ``ulimit -n 40``; with the limit unknown, those that fail are tried again with nothing else open."""
    if spare == 20:
        monkeypatch.setattr("muleteer.tossing.group.os.sysconf", lambda _name: 1024)
    for number in range(100):
        bob.receive(file_packet(b"%d" % number), "alice")
    few_files(spare)
    report = bob.toss()
    assert (report.delivered, report.failed) == (100, 0)
    assert len(files(incoming)) == 100


def test_an_acknowledgement_of_a_packet_that_was_tossed_meanwhile_was_an_error(bob, monkeypatch):
    name = bob.receive(file_packet(), "alice")
    acknowledger = Acknowledger(bob.config, bob.spool, bob.submit)
    bob.toss()
    assert acknowledger.acknowledge(PEOPLE["alice"].id, name) is None
    kept = bob.receive(file_packet(), "alice")
    monkeypatch.setattr(bob.disk, "open_read", lambda path, **_more: os.open(f"{path}/none", 0))
    with pytest.raises(SpoolError):
        acknowledger.acknowledge(PEOPLE["alice"].id, kept)


def test_names_of_acknowledgements_are_heard_only_when_they_last(bob):
    name = bob.receive(file_packet(), "alice")
    heard = []
    with bob.spool.batch() as batch:
        acknowledger = Acknowledger(bob.config, bob.spool, bob.submit)
        made = acknowledger.acknowledge(PEOPLE["alice"].id, name, batch=batch, then=heard.append)
        assert heard == []
    assert heard == [made]


def test_a_request_for_the_whole_directory_was_refused(alice, bob, tmp_path):
    (tmp_path / "bob" / "freq" / "a").write_bytes(b"A")
    bob.change("alice", freq=Freq(str(tmp_path / "bob" / "freq"), 0, 0, 1 << 40))
    bob.receive(sealed(PlainHeader(FREQ, 77, b"."), b"all.tar"), "alice")
    assert bob.toss().delivered == 1
    carry(bob, alice, "bob", "alice")
    assert alice.toss().delivered == 1
    assert b"freq/a" in files(tmp_path / "alice" / "incoming")["all.tar"]


def test_a_requested_file_with_a_line_end_in_its_name_is_found(bob, tmp_path):
    (tmp_path / "bob" / "freq" / "a\nb").write_bytes(b"A")
    bob.change("alice", freq=Freq(str(tmp_path / "bob" / "freq"), 0, 0, 1 << 40))
    bob.receive(sealed(PlainHeader(FREQ, 77, b"a\nb"), b"back"), "alice")
    assert bob.toss().delivered == 1


def test_a_file_with_a_line_end_in_its_name_stayed_for_ever(bob, incoming):
    for name in (b"d\x1b/a\nb", b"d%1B/a%0Ab"):
        bob.receive(file_packet(name, nice=100 if b"\n" in name else 200), "alice")
    assert bob.toss().delivered == 2
    assert files(incoming).keys() == {"d%1B/a%0Ab", "d%1B/a%0Ab.0"}
    assert all(event.message.isprintable() for event in bob.log.heard)


def test_niceness_and_sender_are_the_verified_header_s(bob, monkeypatch):
    """Another file may have taken the place of the one that was listed, or hdr/ may lie."""
    inner = sealed(PlainHeader(1, 100, b"x"), b"", sender="alice", recipient="carol")
    name = bob.receive(sealed(PlainHeader(TRNS, 0, bytes(PEOPLE["carol"].id)), inner, nice=120), "alice")
    (true,) = bob.spool.entries(PEOPLE["alice"].id, RX)
    listed = type(true)(name, 7, true.size, PEOPLE["dave"].id, true.recipient)
    monkeypatch.setattr(bob.spool, "entries", lambda node, *_a, **_m: [listed] if node == PEOPLE["alice"].id else [])
    assert bob.toss().delivered == 1
    assert bob.log.only("tx")["Nice"] == "120"
    assert bob.log.only("rx")["Node"] == str(PEOPLE["alice"].id)
