# SPDX-License-Identifier: GPL-3.0-or-later
"""``muleteer status``: what is queued, carried and wrong.

Asks the running agent; without one, counts the spool itself and says so. ``--json`` prints the agent's `Status` with
three keys more: ``agent`` (does one run), ``spool`` (its path and free bytes) and ``neighbours`` (packets and bytes in
rx and tx of each).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from muleteer.agent.box import Box
    from muleteer.agent.status import Status
    from muleteer.agent.survey import Survey


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the verb's own arguments."""
    from muleteer.agent.box import DEFAULT_PATH

    parser.add_argument("-c", "--config", metavar="FILE", default=DEFAULT_PATH, help="muleteer.toml (%(default)s)")
    parser.add_argument("--json", action="store_true", help="one line of JSON for programs")


def run(args: argparse.Namespace) -> int:
    """Print the status; return 0."""
    from muleteer.agent.box import Box
    from muleteer.agent.clock import wall_now
    from muleteer.agent.report import page

    box = Box.load(args.config, os.environ)
    box.spool().check()
    survey = box.surveyor().survey(wall_now())
    asked = _ask(box)
    status = asked or _from_spool(box, survey, wall_now())
    if args.json:
        print(_json(box, status, survey, agent_runs=asked is not None))
    else:
        print(page(status, survey.neighbours, wall_now(), agent_runs=asked is not None), end="")
    return 0


def _ask(box: Box) -> Status | None:
    from muleteer.agent.control_client import ControlClient
    from muleteer.errors import AgentUnreachable

    try:
        with ControlClient(box.appliance.agent.socket) as client:
            return client.status()
    except AgentUnreachable:
        return None


def _from_spool(box: Box, survey: Survey, now: float) -> Status:
    from muleteer import __version__
    from muleteer.agent.status import Status

    return Status(
        name=box.appliance.agent.name,
        node=str(box.config.me.id),
        version=__version__,
        now=now,
        queue=survey.queue,
        waiting_toss=survey.waiting_toss,
        set_aside=survey.set_aside,
        travelling=survey.travelling,
        problems=survey.problems,
    )


def _json(box: Box, status: Status, survey: Survey, *, agent_runs: bool) -> str:
    import json
    from dataclasses import asdict

    spool = {"path": box.config.spool, "free": box.disk().free_bytes(box.config.spool)}
    neighbours = [asdict(facts) for facts in survey.neighbours]
    more = {"agent": agent_runs, "spool": spool, "neighbours": neighbours}
    return json.dumps({**json.loads(status.to_json()), **more})
