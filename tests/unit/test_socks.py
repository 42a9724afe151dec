# SPDX-License-Identifier: GPL-3.0-or-later
"""SOCKS5, the client's side, without and with a proxy."""

import socket
import threading

import pytest

from muleteer.carriers.address import Endpoint, Proxy
from muleteer.carriers.call import connect
from muleteer.carriers.socks import dial, handshake
from muleteer.carriers.stream import WakeFlag
from muleteer.errors import LinkFailed, UsageError

GRANTED = bytes((5, 0, 0, 1, 10))


def talk(answers, host="host", port=5400, **login):
    """Play the proxy's answers; return what was asked of it."""
    step = handshake(host, port, **login)
    asked = []
    request, wanted = next(step)
    for answer in answers:
        asked.append(request)
        assert len(answer) == wanted
        try:
            request, wanted = step.send(answer)
        except StopIteration:
            return asked
    raise AssertionError("it wants more")


def test_a_name_is_left_to_the_proxy():
    asked = talk([b"\5\0", GRANTED, bytes(5)], "abc.onion", 5400)
    assert asked == [b"\5\1\0", b"\5\1\0\3\x09abc.onion\x15\x18", b""]


@pytest.mark.parametrize(
    ("host", "target"),
    [("1.2.3.4", b"\1\1\2\3\4"), ("::1", b"\4" + bytes(15) + b"\1"), ("ü.example", b"\3\x0fxn--tda.example")],
)
def test_how_hosts_are_written(host, target):
    assert talk([b"\5\0", GRANTED, bytes(5)], host, 1)[1] == b"\5\1\0" + target + b"\0\1"


@pytest.mark.parametrize(("kind", "first", "rest"), [(1, 9, 5), (3, 7, 9), (4, 0, 17)])
def test_the_bound_address_is_read_to_its_end(kind, first, rest):
    assert talk([b"\5\0", bytes((5, 0, 0, kind, first)), bytes(rest)])


def test_login():
    asked = talk([b"\5\2", b"\1\0", GRANTED, bytes(5)], user="me", password="secret")
    assert asked[:2] == [b"\5\2\0\2", b"\1\2me\6secret"]
    assert talk([b"\5\0", GRANTED, bytes(5)], user="me", password="")[0] == b"\5\2\0\2"


@pytest.mark.parametrize(
    ("answers", "login", "words"),
    [
        ([b"HT"], {}, "no SOCKS5 proxy"),
        ([b"\5\xff"], {}, "wants a user"),
        ([b"\5\2"], {}, "wants a user"),
        ([b"\5\xff"], {"user": "me"}, "another kind"),
        ([b"\5\2", b"\1\1"], {"user": "me"}, "refuses this user"),
        ([b"\5\0", b"\5\5\0\1\0"], {}, "refused there"),
        ([b"\5\0", b"\5\x63\0\1\0"], {}, "error 99"),
        ([b"\5\0", b"\4\0\0\1\0"], {}, "no SOCKS5 proxy"),
        ([b"\5\0", b"\5\0\0\2\0"], {}, "no sense"),
    ],
)
def test_refusals(answers, login, words):
    with pytest.raises(ValueError, match=words):
        talk([*answers, b""], **login)


@pytest.mark.parametrize("host", ["", "a" * 256, "ü" * 80])
def test_impossible_names(host):
    with pytest.raises(UsageError):
        talk([b"\5\0", GRANTED], host)


@pytest.fixture
def proxy():
    """A proxy that plays what a test puts on its list: bytes are sent, numbers are read."""
    script, heard = [], []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listener.accept()
        with connection:
            for step in script:
                if isinstance(step, bytes):
                    connection.sendall(step)
                else:
                    heard.append(connection.recv(step, socket.MSG_WAITALL))

    thread = threading.Thread(target=serve)
    endpoint = Endpoint("127.0.0.1", str(listener.getsockname()[1]))
    yield endpoint, script, heard, thread
    thread.join(10)
    listener.close()


def test_dial(proxy):
    endpoint, script, heard, thread = proxy
    script += [3, b"\5\0", 12, GRANTED + bytes(5) + b"first bytes of the neighbour", 2]
    thread.start()
    link = dial(Proxy(endpoint), Endpoint("a.org", "5400"), seconds=10)
    assert link.name == "a.org:5400"
    assert link.send(memoryview(b"hi")) == 2
    thread.join(10)
    buffer = memoryview(bytearray(100))
    assert bytes(buffer[: link.recv_into(buffer)]) == b"first bytes of the neighbour"
    assert heard[1:] == [b"\5\1\0\3\5a.org\x15\x18", b"hi"]
    link.close()


@pytest.mark.parametrize("answers", [[3], [3, b"\5"], [3, b"\5\0", 12, b"\5\1\0\1\0"]])
def test_a_proxy_that_does_not_play_along(proxy, answers):
    endpoint, script, _, thread = proxy
    script += answers
    thread.start()
    with pytest.raises(LinkFailed, match=r"through 127\.0\.0\.1"):
        dial(Proxy(endpoint), Endpoint("a.org", "5400"), seconds=10)


def test_a_silent_proxy(proxy):
    endpoint, script, _, thread = proxy
    script.append(4)  # one byte more than comes
    thread.start()
    with pytest.raises(LinkFailed, match="no answer in time"):
        dial(Proxy(endpoint), Endpoint("a.org", "5400"), seconds=0.05)


def test_stopped(proxy):
    endpoint, script, _, thread = proxy
    script.append(4)
    thread.start()
    stop = WakeFlag()
    threading.Timer(0.05, stop.set).start()
    with pytest.raises(LinkFailed, match="stopped"):
        dial(Proxy(endpoint), Endpoint("a.org", "5400"), seconds=60, stop=stop)
    stop.close()


def test_an_impossible_name_leaves_no_socket_behind(proxy):
    endpoint, script, _, thread = proxy
    script += [3, b"\5\0", 100]
    thread.start()
    with pytest.raises(UsageError):
        dial(Proxy(endpoint), Endpoint("a" * 300, "5400"), seconds=10)


def test_an_interface_is_for_the_way_out_and_not_for_a_proxy_on_this_machine(proxy):
    """Tor listens on the loopback, which no other interface leads to."""
    endpoint, script, _, thread = proxy
    script += [3, b"\5\0", 12, GRANTED + bytes(5)]
    thread.start()
    connect("a.org:5400", interface="nosuch0", proxy=f"socks5://{endpoint}").close()
