# SPDX-License-Identifier: GPL-3.0-or-later
"""TCP: dial, listen, names."""

import select
import socket
import threading
import time

import pytest

from muleteer.carriers import tcp
from muleteer.carriers.address import Endpoint
from muleteer.carriers.stream import WakeFlag
from muleteer.errors import CannotListen, LinkFailed, UsageError


def port_of(listener):
    return str(listener.getsockname()[1])


def meet(listener, endpoint):
    """Connect a dialled link with the accepted one."""
    ours = tcp.dial(endpoint, seconds=10)
    assert select.select([listener], [], [], 10)[0]
    theirs = tcp.accept(listener)
    return ours, theirs


def say(sender, receiver, words):
    assert sender.send(memoryview(words)) == len(words)
    buffer = memoryview(bytearray(100))
    assert select.select([receiver.readable_fd], [], [], 10)[0]
    assert bytes(buffer[: receiver.recv_into(buffer)]) == words


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_one_socket_for_both_families(host):
    (listener,) = tcp.listen("[::]:0")
    ours, theirs = meet(listener, Endpoint(host, port_of(listener)))
    say(ours, theirs, b"there")
    say(theirs, ours, b"and back")
    assert theirs.name.startswith(("127.0.0.1:", "[::1]:"))
    for each in (ours, theirs, listener):
        each.close()


@pytest.mark.parametrize("bind", ["127.0.0.1:0", "[::1]:0", ":0"])
def test_listen(bind):
    (listener,) = tcp.listen(bind)
    with pytest.raises(CannotListen, match="in use"):
        tcp.listen(bind.replace(":0", f":{port_of(listener)}"))
    listener.close()


def test_listen_nowhere():
    assert tcp.listen("") == []


@pytest.mark.parametrize("bind", ["5400", "[::]", "x:y:z"])
def test_listen_to_nonsense(bind):
    with pytest.raises(UsageError):
        tcp.listen(bind)


def test_listen_at_an_address_that_is_not_ours():
    with pytest.raises(CannotListen, match="cannot assign"):
        tcp.listen("192.0.2.1:0")


def test_nobody_there():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = port_of(unused)
    with pytest.raises(LinkFailed, match="refused") as caught:
        tcp.dial(Endpoint("127.0.0.1", port), seconds=10)
    assert caught.value.facts["address"] == f"127.0.0.1:{port}"


@pytest.mark.parametrize("endpoint", [Endpoint("host.invalid", "1"), Endpoint("127.0.0.1", "no-such-service")])
def test_a_name_that_means_nothing(endpoint):
    with pytest.raises(LinkFailed):
        tcp.dial(endpoint, seconds=1)


def test_the_next_address_is_tried(monkeypatch):
    (listener,) = tcp.listen("127.0.0.1:0")
    good = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", int(port_of(listener))))
    bad = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", int(port_of(listener)), 0, 0))
    monkeypatch.setattr(tcp, "resolve", lambda endpoint: [bad, good])
    link = tcp.dial(Endpoint("both", "1"), seconds=10)
    link.close()
    listener.close()


@pytest.fixture
def deaf():
    """An address that does not answer: a listener whose queue is full."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    callers = []
    for _ in range(3):
        caller = socket.socket()
        caller.setblocking(False)
        caller.connect_ex(listener.getsockname())
        callers.append(caller)
    yield Endpoint("127.0.0.1", port_of(listener))
    for each in (*callers, listener):
        each.close()


def test_no_answer(deaf):
    began = time.monotonic()
    with pytest.raises(LinkFailed, match="no answer in time"):
        tcp.dial(deaf, seconds=0.05)
    assert time.monotonic() - began < 5


def test_stopped(deaf):
    stop = WakeFlag()
    threading.Timer(0.05, stop.set).start()
    with pytest.raises(LinkFailed, match="stopped"):
        tcp.dial(deaf, seconds=60, stop=stop)
    stop.close()


def test_by_an_interface():
    (listener,) = tcp.listen("127.0.0.1:0")
    endpoint = Endpoint("127.0.0.1", port_of(listener))
    tcp.dial(endpoint, seconds=10, interface="lo").close()
    with pytest.raises(LinkFailed):
        tcp.dial(endpoint, seconds=10, interface="nosuch0")
    listener.close()


def test_nobody_to_accept():
    (listener,) = tcp.listen("127.0.0.1:0")
    assert tcp.accept(listener) is None
    listener.close()


@pytest.mark.parametrize(
    ("where", "name"),
    [
        (("10.0.0.1", 5400), "10.0.0.1:5400"),
        (("::ffff:10.0.0.1", 5400, 0, 0), "10.0.0.1:5400"),
        (("::1", 5400, 0, 0), "[::1]:5400"),
        (("fe80::1", 5400, 0, 1), "[fe80::1%lo]:5400"),
        (("fe80::1", 5400, 0, 99999), "[fe80::1%99999]:5400"),
    ],
)
def test_names(where, name):
    assert tcp.name_of(where) == name


def test_ports_by_the_name_of_their_service():
    assert tcp.port_of(Endpoint("", "5400")) == 5400
    assert tcp.port_of(Endpoint("", "ssh")) == 22


def test_an_address_that_leads_nowhere_leaves_time_for_the_next(monkeypatch):
    (listener,) = tcp.listen("127.0.0.1:0")
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    waiting = [socket.socket() for _ in range(4)]
    for each in waiting:  # the kernel takes no more here: who calls gets no answer
        each.setblocking(False)
        each.connect_ex(full.getsockname())
    found = [(socket.AF_INET, 1, 6, "", each.getsockname()) for each in (full, listener)]
    monkeypatch.setattr(tcp, "resolve", lambda _endpoint: found)
    monkeypatch.setattr(tcp, "SHARE_SECONDS", 0.1)
    link = tcp.dial(Endpoint("twofold", port_of(listener)), seconds=0.6)
    for each in (link, listener, full, *waiting):
        each.close()


def test_a_family_that_this_machine_lacks_is_passed_over(monkeypatch):
    (listener,) = tcp.listen("127.0.0.1:0")
    found = [(12345, 1, 6, "", ("::1", 1, 0, 0)), (socket.AF_INET, 1, 6, "", listener.getsockname())]
    monkeypatch.setattr(tcp, "resolve", lambda _endpoint: found)
    tcp.dial(Endpoint("twofold", port_of(listener)), seconds=10).close()
    del found[1]
    with pytest.raises(LinkFailed, match="not supported"):
        tcp.dial(Endpoint("twofold", port_of(listener)), seconds=10)
    listener.close()
