# SPDX-License-Identifier: GPL-3.0-or-later
"""nncp-caller: calls by timetable, the real one against our daemon and ours against both."""

import signal

import pytest
from online_lab import PAIR, SECONDS, wait_until

pytestmark = pytest.mark.interop

BOTH = pytest.mark.parametrize("caller", ["go", "ours"])
EVERY_SECOND = "* * * * * * *"


def plan(online, *calls, addrs=None):
    online.change("alice", lambda config: config["neigh"]["bob"].update(calls=list(calls), addrs=addrs or {}))


def calls_made(online):
    return online.whos("alice").count("call-finished")


@PAIR
def test_it_calls_again_and_again(online, caller, answerer):
    with online.daemon(answerer) as address:
        plan(online, {"cron": EVERY_SECOND, "onlinedeadline": 1}, addrs={"lan": address})
        with online.program(caller, "caller", "alice"):
            for number in range(2):
                there = online.queue("alice", "bob", 1000 + number)
                back = online.queue("bob", "alice", 2000 + number)
                wait_until(lambda there=there: set(there) <= online.packets("bob", "alice", "rx"))
                wait_until(lambda back=back: set(back) <= online.packets("alice", "bob", "rx"))
                made = calls_made(online)
                wait_until(lambda made=made: calls_made(online) > made)


@PAIR
def test_only_when_there_is_something_to_send(online, caller, answerer):
    with online.daemon(answerer) as address:
        call = {"cron": EVERY_SECOND, "onlinedeadline": 1, "when-tx-exists": True, "nice": "PRIORITY"}
        plan(online, call, addrs={"lan": address})
        online.queue("alice", "bob", 100, nice=200)
        with online.program(caller, "caller", "alice"):
            online.run("go", "call", "alice", "-onlinedeadline", "2", "-list", "bob", address)  # two seconds pass
            assert calls_made(online) == 1
            there = online.queue("alice", "bob", 1000, nice=32)
            wait_until(lambda: online.packets("bob", "alice", "rx") == set(there))


@BOTH
def test_an_address_by_its_name(online, caller):
    with online.daemon("ours") as address:
        call = {"cron": EVERY_SECOND, "onlinedeadline": 1, "addr": "lan"}
        plan(online, call, addrs={"wan": "127.0.0.1:1", "lan": address})
        there = online.queue("alice", "bob", 1000)
        with online.program(caller, "caller", "alice", "bob"):
            wait_until(lambda: online.packets("bob", "alice", "rx") == set(there))
    assert "127.0.0.1:1)" not in online.said("alice")


@BOTH
def test_an_address_of_its_own(online, caller):
    with online.daemon("ours") as address:
        plan(online, {"cron": EVERY_SECOND, "onlinedeadline": 1, "addr": address})
        there = online.queue("alice", "bob", 1000)
        with online.program(caller, "caller", "alice"):
            wait_until(lambda: online.packets("bob", "alice", "rx") == set(there))


@BOTH
@pytest.mark.parametrize(("way", "goes", "comes"), [("rx", False, True), ("tx", True, False)])
def test_one_way(online, caller, way, goes, comes):
    with online.daemon("ours") as address:
        plan(online, {"cron": EVERY_SECOND, "onlinedeadline": 1, "xx": way}, addrs={"lan": address})
        there, back = online.queue("alice", "bob", 100), online.queue("bob", "alice", 100)
        with online.program(caller, "caller", "alice"):
            wait_until(lambda: calls_made(online))
    assert online.packets("bob", "alice", "rx") == (set(there) if goes else set())
    assert online.packets("alice", "bob", "rx") == (set(back) if comes else set())


def test_a_receiving_call_needs_nothing_to_send(online):
    """The real one asks for something in tx even then."""
    with online.daemon("go") as address:
        call = {"cron": EVERY_SECOND, "onlinedeadline": 1, "xx": "rx", "when-tx-exists": True}
        plan(online, call, addrs={"lan": address})
        back = online.queue("bob", "alice", 100)
        with online.program("ours", "caller", "alice"):
            wait_until(lambda: online.packets("alice", "bob", "rx") == set(back))


@BOTH
def test_autotoss_of_a_call(online, caller):
    with online.daemon("ours") as address:
        call = {"cron": EVERY_SECOND, "onlinedeadline": 1, "autotoss": True, "autotoss-doseen": True}
        plan(online, call, addrs={"lan": address})
        (back,) = online.queue("bob", "alice", 100)
        with online.program(caller, "caller", "alice"):
            wait_until(lambda: online.path("alice", "incoming", "bob-96-0").exists())
            wait_until(lambda: online.here("alice", "bob", "rx", f"seen/{back}").exists())


@BOTH
def test_an_unreachable_neighbour_is_told_and_tried_again(online, caller):
    plan(online, {"cron": EVERY_SECOND}, addrs={"lan": "127.0.0.1:1"})
    with online.program(caller, "caller", "alice"):
        wait_until(lambda: online.whos("alice").count("calling") >= 2)
    assert "ERROR Calling bob (127.0.0.1:1): " in online.said("alice")


@BOTH
@pytest.mark.parametrize("words", [(), ("bob", "carol")])
def test_nothing_to_call(online, caller, words):
    assert online.run(caller, "caller", "alice", *words) == ""


@BOTH
def test_a_date_that_never_comes(online, caller):
    plan(online, {"cron": "0 0 30 2 *"})
    assert "ERROR bob node, call 0: got zero time" in online.run(caller, "caller", "alice")


@BOTH
def test_an_unknown_node(online, caller):
    online.run(caller, "caller", "alice", "nobody", status=1)


def test_sigterm_ends_a_session_in_good_order(online):
    """What has arrived is kept, the locks are free, and that at once."""
    with online.daemon("go") as address:
        call = {"cron": EVERY_SECOND, "onlinedeadline": 30, "rxrate": 100}
        plan(online, call, addrs={"lan": address})
        (name,) = online.queue("bob", "alice", 24 << 20)
        part = online.here("alice", "bob", "rx", f"{name}.part")
        with online.program("ours", "caller", "alice") as calling:
            wait_until(lambda: part.exists() and part.stat().st_size > 1 << 20)
            calling.send_signal(signal.SIGTERM)
            assert calling.wait(SECONDS) == 0
        assert "Finished call with bob" in online.said("alice")
        wait_until(lambda: "call-finished" in online.whos("bob"))
        online.call("ours", at=address)
    assert online.packets("alice", "bob", "rx") == {name}


def test_an_interrupted_call_keeps_what_it_has(online):
    """Ctrl-C: it ends by that signal, and the next call goes on from there."""
    with online.daemon("go") as address:
        (name,) = online.queue("bob", "alice", 24 << 20)
        part = online.here("alice", "bob", "rx", f"{name}.part")
        with online.program("ours", "call", "alice", "-rxrate", "100", "bob", address) as calling:
            wait_until(lambda: part.exists() and part.stat().st_size > 1 << 20)
            calling.send_signal(signal.SIGINT)
            assert calling.wait(SECONDS) == -signal.SIGINT
        wait_until(lambda: "call-finished" in online.whos("bob"))
        online.call("ours", at=address)
    assert online.packets("alice", "bob", "rx") == {name}
    offsets = [int(record["Offset"]) for record in online.records("alice") if record.get("Who") == "sp-info"]
    assert offsets[-1] > 1 << 20
