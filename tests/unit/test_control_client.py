# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket
import threading

import pytest

from muleteer.agent.control_client import ControlClient
from muleteer.agent.status import Bay, BayState, Status
from muleteer.errors import AgentRefused, AgentUnreachable

STATUS = Status(name="home", bays=(Bay(name="left", state=BayState.SAFE),), sequence=7)


def answering(path, *chunks: bytes):
    """Listen on `path`; take one request, then send the chunks and hang up."""
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen()
    asked = []

    def answer():
        connection, _ = listening.accept()
        with listening, connection:
            asked.append(connection.recv(4096))
            for chunk in chunks:
                connection.sendall(chunk)

    thread = threading.Thread(target=answer)
    thread.start()
    return thread, asked


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "s")


def test_status_is_read_in_pieces(path):
    line = b'{"status":' + STATUS.to_json().encode() + b"}\n"
    thread, asked = answering(path, line[:20], line[20:])
    with ControlClient(path) as client:
        assert client.status() == STATUS
    thread.join()
    assert asked == [b'{"verb": "status"}\n']


def test_watch_yields_each_line_then_says_that_the_agent_went(path):
    line = b'{"status":' + STATUS.to_json().encode() + b"}\n"
    thread, _ = answering(path, line + line)
    with ControlClient(path) as client:
        changes = client.watch()
        assert [next(changes), next(changes)] == [STATUS, STATUS]
        with pytest.raises(AgentUnreachable, match="hung up"):
            next(changes)
    thread.join()


def test_no_news_within_the_timeout_is_none_and_keeps_a_half_line(path):
    line = b'{"status":' + STATUS.to_json().encode() + b"}\n"
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen()
    with listening, ControlClient(path) as client:
        client.start_watch()
        connection, _ = listening.accept()
        with connection:
            connection.sendall(line[:30])
            assert client.next_status(timeout=0.01) is None
            connection.sendall(line[30:])
            assert client.next_status(timeout=5) == STATUS


def test_a_refusal_carries_the_agents_words(path):
    thread, _ = answering(path, b'{"error": "No packet here is called X.", "code": 63}\n')
    with ControlClient(path) as client, pytest.raises(AgentRefused, match="No packet here is called X"):
        client.why("X")
    thread.join()


@pytest.mark.parametrize("line", [b"hello\n", b"[1]\n", b"{}\n", b'{"status": 3}\n', b'{"status": {"name": "x"}}\n'])
def test_somebody_else_on_the_socket_is_no_agent(path, line):
    thread, _ = answering(path, line)
    with ControlClient(path) as client, pytest.raises(AgentUnreachable):
        client.status()
    thread.join()


def test_an_endless_line_is_cut_off(path, monkeypatch):
    monkeypatch.setattr("muleteer.agent.control_client.REPLY_SIZE_MAX", 1000)
    thread, _ = answering(path, b"x" * 3000)
    with ControlClient(path) as client, pytest.raises(AgentUnreachable, match="longer"):
        client.status()
    thread.join()


def test_nobody_there(path):
    with pytest.raises(AgentUnreachable, match="No agent answers at"):
        ControlClient(path).open()


def test_asking_before_connecting(path):
    with pytest.raises(AgentUnreachable, match="not connected"):
        ControlClient(path).status()
