# SPDX-License-Identifier: GPL-3.0-or-later
"""The byte-moving loop, with an exchange that only plays a role."""

import select
import socket
import threading
import time
from types import SimpleNamespace

import pytest

from muleteer.carriers import stream
from muleteer.carriers.link import SocketLink
from muleteer.carriers.stream import WakeFlag, run


class Role:
    """Plays an exchange: says what it is told to, and remembers what was done to it. `until` closes it."""

    def __init__(self, *, says=(), until=lambda role: False):
        self.says = list(says)
        self.until = until
        self.heard = bytearray()
        self.done = []
        self.closed = self.established = False
        self.hungry = True
        self.is_checking = False
        self.due = None
        self.report = SimpleNamespace(established=True)

    def _did(self, what):
        self.done.append(what)
        if self.until(self):
            self.closed = True

    def open(self, now):
        self._did("open")

    def receive(self, data, now):
        self.heard += data
        self._did("receive")

    def settle(self, now):
        self._did("settle")

    def eof(self, now):
        self.closed = True
        self._did("eof")

    def to_send(self, out, now):
        piece = self.says.pop(0) if self.says else b""
        out[: len(piece)] = piece
        return len(piece)

    def deadline(self):
        return self.due

    def linger(self, now):
        self._did("linger")

    def on_deadline(self, now):
        self.due = None
        self._did("deadline")

    def close(self, reason, now):
        self.closed = True
        self._did(f"close {reason}")

    def finish(self, now):
        self._did("finish")


class Shy:
    """A socket link that moves a few bytes at a time."""

    def __init__(self, sock, piece):
        link = SocketLink(sock, "shy")
        self.name, self.readable_fd, self.writable_fd, self.close = (
            link.name,
            link.readable_fd,
            link.writable_fd,
            link.close,
        )
        self.recv_into = lambda view: link.recv_into(view[:piece])
        self.send = lambda view: link.send(view[:piece])
        self.backlog = link.backlog


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    theirs.settimeout(20)
    yield SocketLink(ours, "peer"), theirs
    theirs.close()


def go(link, role, **more):
    """Run the loop in a thread; return how to wait for its end."""
    thread = threading.Thread(target=run, args=(link, role), kwargs=more, daemon=True)
    thread.start()

    def joined():
        thread.join(20)
        assert not thread.is_alive()
        return role.done

    return joined


def read(sock, count):
    data = b""
    while len(data) < count:
        data += sock.recv(count - len(data))
    return data


def test_both_ways_and_to_the_end(pair):
    link, peer = pair
    joined = go(link, Role(says=[b"hello ", b"world"]))
    assert read(peer, 11) == b"hello world"
    peer.sendall(b"answer")
    peer.shutdown(socket.SHUT_WR)
    done = joined()
    assert done[0] == "open"
    assert done[-2:] == ["eof", "finish"]
    assert link._socket.fileno() == -1


def test_what_arrived_is_settled_once_input_runs_dry(pair):
    link, peer = pair
    role = Role(until=lambda role: role.done[-1] == "settle")
    joined = go(link, role)
    peer.sendall(b"x" * 1000)
    assert [what for what in joined() if what != "receive"] == ["open", "settle", "finish"]
    assert role.heard == b"x" * 1000


def test_much_in_small_pieces():
    """Partial sends are kept, both directions move at once."""
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    frames = [bytes([number]) * 60000 for number in range(20)]
    left, right = Role(says=frames), Role(says=frames)
    for role in (left, right):
        role.until = lambda role: len(role.heard) == 1_200_000 and not role.says
    joined = go(Shy(ours, 3333), left)
    go(Shy(theirs, 7777), right)()
    joined()
    assert left.heard == right.heard == b"".join(frames)


def test_buffers_grow_when_they_prove_too_small(pair):
    link, peer = pair
    sizes = []

    class Growing(Role):
        def to_send(self, out, now):
            sizes.append(len(out))
            return len(out) if len(sizes) < 4 else 0

    role = Growing(until=lambda role: role.done[-1] == "receive")
    role.established = True
    joined = go(link, role)
    read(peer, stream.BUFFER_MIN + stream.BUFFER_MAX)
    peer.sendall(b"x")
    joined()
    assert sizes[0] == stream.BUFFER_MIN
    assert sizes[-1] == stream.BUFFER_MAX


def test_a_stranger_gets_small_buffers_only(pair):
    link, peer = pair
    sizes = []

    class Asking(Role):
        def to_send(self, out, now):
            sizes.append(len(out))
            return len(out) if len(sizes) < 3 else 0

    joined = go(link, Asking(until=lambda role: role.done[-1] == "receive"))
    read(peer, 2 * stream.BUFFER_MIN)
    peer.sendall(b"x")
    joined()
    assert set(sizes) == {stream.BUFFER_MIN}


def test_deadlines_come_when_they_are_due(pair):
    link, _ = pair
    role = Role(until=lambda role: role.done[-1] == "deadline")
    role.due = time.monotonic() + 0.05
    wanted = role.due
    run(link, role)
    assert time.monotonic() >= wanted
    assert role.done == ["open", "deadline", "finish"]


def test_what_the_kernel_still_holds_is_no_silence(pair):
    """On a slow line that may be minutes' worth: a session must not end as idle meanwhile."""
    link, peer = pair
    role = Role(says=[b"not read yet"], until=lambda role: role.done[-1] == "deadline")
    role.due = time.monotonic() + 0.02
    run(link, role)
    assert role.done == ["open", "linger", "deadline", "finish"]
    assert peer.recv(100) == b"not read yet"


def test_what_was_acknowledged_is_no_backlog():
    ours, theirs = connected()
    link = SocketLink(ours, "peer")
    assert link.send(memoryview(b"hello")) == 5
    wait_until(lambda: not link.backlog())
    theirs.close()
    link.close()


def connected():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        return ours, listener.accept()[0]


def test_who_is_not_hungry_is_not_fed(pair):
    link, peer = pair
    peer.sendall(b"food")
    role = Role(until=lambda role: role.done[-1] == "deadline")
    role.hungry = False
    role.due = time.monotonic() + 0.05
    run(link, role)
    assert role.heard == b""


def test_stop(pair):
    link, _ = pair
    stop = WakeFlag()
    joined = go(link, Role(), stop=stop)
    stop.set()
    assert joined() == ["open", "close asked", "finish"]
    stop.close()


def test_stop_is_heard_even_if_it_came_first(pair):
    link, _ = pair
    stop = WakeFlag()
    stop.set()
    role = Role()
    run(link, role, stop)
    assert role.done == ["open", "close asked", "finish"]
    stop.close()


def test_it_is_told_once_when_the_session_stands(pair):
    link, peer = pair
    told = []
    role = Role()
    joined = go(link, role, began=lambda: told.append(len(role.heard)))
    peer.sendall(b"1")
    wait_until(lambda: role.heard == b"1")
    assert told == []
    role.established = True
    peer.sendall(b"2")
    peer.shutdown(socket.SHUT_WR)
    joined()
    assert len(told) == 1


def wait_until(true):
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        select.select([], [], [], 0.001)


def test_a_peer_that_takes_nothing_is_given_up(pair, monkeypatch):
    monkeypatch.setattr(stream, "SILENT_WRITE_SECONDS", 0.05)
    link, _ = pair
    role = Role(says=[bytes(100_000)] * 100)
    run(link, role)
    assert role.done == ["open", "close silence", "finish"]


def test_a_slow_peer_is_not(pair, monkeypatch):
    monkeypatch.setattr(stream, "SILENT_WRITE_SECONDS", 0.5)
    link, peer = pair
    says = [bytes(100_000)] * 20
    joined = go(link, Role(says=says))
    left = 2_000_000
    began = time.monotonic()
    while left:
        select.select([], [], [], 0.002)
        left -= len(peer.recv(min(left, 5000)))
    assert time.monotonic() - began > 0.5
    peer.close()
    assert joined()[-2:] == ["eof", "finish"]


def test_a_reset_is_the_end(pair):
    link, peer = pair
    joined = go(link, Role(says=[bytes(100_000)] * 100))
    peer.close()
    assert joined()[-2:] == ["eof", "finish"]


def test_a_link_that_cannot_be_read_is_the_end(pair):
    link, _ = pair

    def broken(view):
        raise OSError(5, "Input/output error")

    link.recv_into = broken
    pair[1].sendall(b"x")
    role = Role()
    run(link, role)
    assert role.done == ["open", "eof", "finish"]


def test_a_busy_spool_closes_the_link(pair):
    link, peer = pair
    role = Role()

    def locked(now):
        raise ValueError("busy")

    role.open = locked
    with pytest.raises(ValueError, match="busy"):
        run(link, role)
    assert peer.recv(1) == b""
    assert role.done == ["finish"]


def test_a_bug_in_the_exchange_still_finishes_it(pair):
    link, peer = pair
    peer.sendall(b"x")
    role = Role()

    def broken(data, now):
        raise RuntimeError("bug")

    role.receive = broken
    with pytest.raises(RuntimeError):
        run(link, role)
    assert role.done == ["open", "finish"]
    assert peer.recv(1) == b""


def test_a_flag_can_be_cleared():
    flag = WakeFlag()
    for _ in range(3):
        flag.set()
        flag.set()
        assert flag.is_set
        assert select.select([flag], [], [], 0)[0]
        flag.clear()
        assert not flag.is_set
        assert not select.select([flag], [], [], 0)[0]
    for _ in range(10_000):
        flag.set()
    flag.clear()
    flag.close()
    flag.set()
