# SPDX-License-Identifier: GPL-3.0-or-later
"""Links made of commands."""

import os
import pathlib
import select
import time

import pytest

from muleteer.carriers import pipe
from muleteer.carriers.call import connect
from muleteer.carriers.link import FdLink
from muleteer.errors import LinkFailed


def read(link, count=100):
    assert select.select([link.readable_fd], [], [], 10)[0]
    buffer = memoryview(bytearray(count))
    return bytes(buffer[: link.recv_into(buffer)])


def test_what_is_sent_is_what_the_command_reads():
    link = connect("|tr a-z A-Z")
    assert link.name == "|tr a-z A-Z"
    assert link.send(memoryview(b"hello")) == 5
    link.send(memoryview(b"\n" * 70000))  # tr writes when it has enough
    assert read(link, 5) == b"HELLO"
    link.close()


def test_the_end():
    link = connect("|true")
    assert read(link) == b""
    link.close()
    link.close()


def test_nothing_there_yet_does_not_wait():
    link = connect("|cat")
    with pytest.raises(BlockingIOError):
        link.recv_into(memoryview(bytearray(1)))
    link.close()


def test_a_full_pipe_does_not_wait():
    link = connect("|read line")
    assert 0 < fill(link) < 1 << 24
    link.close()


def fill(link):
    """Send until nothing more is taken; return how much was."""
    count = 0
    while True:
        try:
            count += link.send(memoryview(bytes(65536)))
        except BlockingIOError:
            return count


@pytest.mark.parametrize("own_group", [True, False])
def test_a_command_that_does_not_end_is_killed(monkeypatch, own_group):
    monkeypatch.setattr(pipe, "CHILD_SECONDS", 0.05)
    link = pipe.open_pipe("exec sleep 1000", own_group=own_group)
    began = time.monotonic()
    link.close()
    assert time.monotonic() - began < 5


def test_its_children_are_killed_with_it(monkeypatch):
    monkeypatch.setattr(pipe, "CHILD_SECONDS", 0.05)
    link = connect("|sleep 1000 & echo $!; wait")
    child = int(read(link))
    link.close()
    deadline = time.monotonic() + 10
    while alive(child):
        assert time.monotonic() < deadline


def alive(pid):
    """Whether a process runs: a zombie that nobody waits for does not."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_shell_that_is_not_there(monkeypatch):
    monkeypatch.setattr(pipe, "_SHELL", "/nonexistent/sh")
    with pytest.raises(LinkFailed, match="no such file"):
        connect("|true")


def test_a_command_that_cannot_be_said():
    with pytest.raises(LinkFailed):
        connect("|echo \0")


def test_descriptors_of_others_are_given_back_as_they_were():
    reader, writer = os.pipe()
    other = os.dup(reader)
    link = FdLink(reader, writer, "x")
    assert not os.get_blocking(other)
    assert link.send(memoryview(b"abc")) == 3
    assert link.backlog() == 0  # a pipe does not tell
    assert read(link) == b"abc"
    link.close()
    assert os.get_blocking(other)
    os.close(other)
