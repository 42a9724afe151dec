# SPDX-License-Identifier: GPL-3.0-or-later
"""Our daemon and those who are none of its neighbours, or flood it, or dawdle."""

import contextlib
import os
import signal
import socket
import time

import pytest
from cli_lab import KEYS
from online_lab import SECONDS, free_port, is_open, wait_until

pytestmark = pytest.mark.interop


def dial(address):
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=SECONDS)


def test_an_unknown_peer_is_cut_at_once(online):
    online.change("bob", lambda config: config["neigh"]["alice"].update(noisepub=KEYS["carol"]["noisepub"]))
    with online.daemon("ours", NNCPDEADLINE="30") as address:
        began = time.monotonic()
        online.call("go", at=address, status=1)
        assert time.monotonic() - began < 10
        wait_until(lambda: "Connected to unknown" in online.said("bob"))
    assert not online.here("bob", "alice", "rx", "").exists()


@pytest.mark.parametrize("greeting", [b"GET / HTTP/1.0\r\n\r\n", os.urandom(40000), b"NNCPS\0\0\1\xff\xff\xff\xff"])
def test_garbage_is_cut_at_once(online, greeting):
    with online.daemon("ours", NNCPDEADLINE="30") as address, dial(address) as connection:
        connection.sendall(greeting)
        with contextlib.suppress(ConnectionResetError):  # it did not read to the end
            assert connection.recv(1) == b""


@pytest.mark.parametrize("greeting", [b"", b"NNCPS\0\0\1"])
def test_silence_is_cut_at_the_deadline(online, greeting):
    with online.daemon("ours", NNCPDEADLINE="1") as address, dial(address) as connection:
        began = time.monotonic()
        connection.sendall(greeting)
        assert connection.recv(1) == b""
        assert 0.5 < time.monotonic() - began < 10


def test_a_flood_is_told_a_few_times(online):
    with online.daemon("ours") as address:
        for _ in range(60):
            with dial(address) as connection:
                connection.sendall(b"x" * 100)
                connection.recv(1)
        online.call("go", at=address)  # it still answers
    assert online.said("bob").count("unknown") <= 3
    assert len(online.records("bob")) < 20


def test_connections_are_limited(online):
    with online.daemon("ours", "-maxconn", "2", NNCPDEADLINE="30") as address:
        callers = [dial(address) for _ in range(2)]
        with dial(address) as third:
            assert third.recv(1) == b""
        callers.pop().close()
        wait_until(lambda: online.call("go", at=address, status=None) is not None)
        callers.pop().close()


def test_no_connections_at_all(online):
    assert "-maxconn" in online.run("ours", "daemon", "bob", "-maxconn", "0", status=1)


def test_a_neighbour_without_a_key_is_not_called(online):
    online.change("alice", lambda config: config["neigh"]["bob"].pop("noisepub"))
    assert "noisepub" in online.call("ours", at="127.0.0.1:1", status=1)


def test_sigterm_ends_the_daemon_in_good_order(online):
    """What has arrived is kept, and that at once."""
    (name,) = online.queue("alice", "bob", 24 << 20)
    part = online.here("bob", "alice", "rx", f"{name}.part")
    with online.program("ours", "daemon", "bob", "-bind", address := f"127.0.0.1:{free_port()}") as answering:
        wait_until(lambda: is_open(address))
        with online.program("go", "call", "alice", "-txrate", "100", "bob", address):
            wait_until(lambda: part.exists() and part.stat().st_size > 1 << 20)
            answering.send_signal(signal.SIGTERM)
            assert answering.wait(SECONDS) == 0
    assert "Finished call with alice" in online.said("bob")
    with online.daemon("ours") as address:
        online.call("go", at=address)
    assert online.packets("bob", "alice", "rx") == {name}


def test_a_recorded_call_of_a_real_caller_is_turned_away(online):
    """Whoever kept its first message can play it once at most; the neighbour itself gets through in between."""
    with socket.create_server(("127.0.0.1", 0)) as recorder:
        address = f"127.0.0.1:{recorder.getsockname()[1]}"
        with online.program("go", "call", "alice", "bob", address):
            connection, _ = recorder.accept()
            with connection:
                greeting = b""
                while len(greeting) < 32748:
                    greeting += connection.recv(1 << 16)
    online.queue("alice", "bob", 1000)
    with online.daemon("ours", NNCPDEADLINE="10") as address:
        with dial(address) as late:
            late.sendall(greeting)
            assert late.recv(1)  # it was never here: this may be the caller
        for _ in range(3):
            with dial(address) as recorded:
                recorded.sendall(greeting)
                assert recorded.recv(1) == b""
        wait_until(lambda: "Finished call with alice" in online.said("bob"))
        online.call("go", at=address)
    assert len(online.packets("bob", "alice", "rx")) == 1


def test_silent_strangers_of_this_machine_do_not_keep_a_neighbour_out(online):
    online.queue("alice", "bob", 1000)
    with online.daemon("ours", NNCPDEADLINE="30") as address, contextlib.ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(dial(address))
        online.call("go", at=address)
    assert len(online.packets("bob", "alice", "rx")) == 1
