# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import pathlib
import threading

import pytest

from muleteer.agent.control_client import ControlClient
from muleteer.agent.status import Status
from muleteer.cli.main import main
from muleteer.errors import ConfigError, SpoolMissing, UnknownPacket
from muleteer.formats.ids import PacketName
from muleteer.formats.magic import ENVELOPE
from muleteer.testing.agents import AgentBox

CFG = pathlib.Path(__file__).parent.parent / "vectors" / "data" / "cfg"
NAME = PacketName(b"\1" * 32)


@pytest.fixture
def box(tmp_path):
    box = AgentBox(str(tmp_path / "home"), (CFG / "alice.hjson").read_text())
    tx = f"{box.spool}/M2AS4STFTUVWJ2DAPLQLEXSQN2VHNYUYXX5UDUDG7ZGUDYWLLOPA/tx"
    os.makedirs(tx)
    with open(f"{tx}/{NAME}", "wb") as file:
        file.write((ENVELOPE + b"\0\0\0\x60").ljust(1000, b"\1"))
    return box


@pytest.fixture
def answering(monkeypatch):
    """Pretend that an agent answers, in these words."""

    def pretend(**answers):
        monkeypatch.setattr(ControlClient, "open", lambda self: None)
        for name, answer in answers.items():
            monkeypatch.setattr(ControlClient, name, answer)

    return pretend


def test_status_without_an_agent_is_straight_from_the_spool(box, capsys):
    assert main(["status", "-c", box.config]) == 0
    page = capsys.readouterr().out
    assert "no agent runs" in page
    assert "1 packet  1 KB  most urgent PRIORITY" in page


def test_status_as_json_is_the_status_and_facts_of_the_spool(box, capsys):
    assert main(["status", "--json", "-c", box.config]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts.pop("agent") is False
    assert facts.pop("spool")["path"] == box.spool
    (bob,) = facts.pop("neighbours")
    assert (bob["name"], bob["tx"]) == ("bob", {"packets": 1, "size": 1000})
    assert Status.from_json(json.dumps(facts)).queue[0].packets == 1


def test_status_shows_what_a_running_agent_says(box, capsys, answering):
    answering(status=lambda self: Status(name="the agent's word", delivered=77))
    assert main(["status", "-c", box.config]) == 0
    page = capsys.readouterr().out
    assert page.startswith("the agent's word")
    assert "77 packets tossed" in page


def test_why_without_an_agent_is_straight_from_the_spool(box, capsys):
    assert main(["why", "-c", box.config, str(NAME)[:6]]) == 0
    assert "PRIORITY for bob waits for a stick" in capsys.readouterr().out


def test_why_of_an_unknown_packet_is_one_line_and_a_code(box, capsys):
    assert main(["why", "-c", box.config, "XYZ"]) == UnknownPacket.exit_code
    assert capsys.readouterr().err.startswith("muleteer why: No packet here is called 'XYZ'.")


def test_why_hands_on_what_a_running_agent_says(box, capsys, answering):
    answering(why=lambda self, packet: f"{packet} is at sea.")
    assert main(["why", "-c", box.config, "ABC"]) == 0
    assert capsys.readouterr().out == "ABC is at sea.\n"


def test_why_hands_on_a_refusal_with_its_code(box, capsys):
    import socket

    listening = socket.socket(socket.AF_UNIX)
    listening.bind(box.socket)
    listening.listen()

    def refuse():
        connection, _ = listening.accept()
        with listening, connection:
            connection.recv(4096)
            connection.sendall(b'{"error": "No packet here is called X.", "code": 63}\n')

    thread = threading.Thread(target=refuse)
    thread.start()
    assert main(["why", "-c", box.config, "X"]) == 63
    thread.join()
    assert capsys.readouterr().err == "muleteer why: No packet here is called X.\n"


@pytest.mark.parametrize("verb", ["agent", "status", "why"])
def test_a_wrong_configuration_is_refused_before_anything_is_touched(box, capsys, verb):
    with open(box.config, "a") as file:
        file.write('\n[carrier.stick]\nnise = "BULK"\n')
    words = [verb, "-c", box.config, *(["X"] if verb == "why" else [])]
    assert main(words) == ConfigError.exit_code
    complaint = capsys.readouterr().err
    assert complaint.startswith(f"muleteer {verb}: {box.config}: carrier.stick.nise")
    assert "nice" in complaint
    assert not os.path.lexists(box.socket + ".lock")


def test_an_agent_without_its_keys_is_refused(box, capsys):
    with open(box.nncp) as file:
        nncp = json.load(file)
    del nncp["self"]
    with open(box.nncp, "w") as file:
        json.dump(nncp, file)
    assert main(["agent", "-c", box.config]) == ConfigError.exit_code
    assert "private keys" in capsys.readouterr().err


def test_an_agent_without_its_spool_is_refused(box, capsys):
    os.rename(box.spool, box.spool + ".away")
    assert main(["agent", "-c", box.config]) == SpoolMissing.exit_code
    assert box.spool in capsys.readouterr().err


def test_a_rule_for_a_stranger_is_refused(box, capsys):
    with open(box.config, "a") as file:
        file.write('\n[runner.blue]\nlabel = "BLUE"\ncarry = ["bop"]\n')
    assert main(["status", "-c", box.config]) == ConfigError.exit_code
    assert "bob" in capsys.readouterr().err
