# SPDX-License-Identifier: GPL-3.0-or-later
"""One box of the demonstration: a real agent process, and the latest it said of itself."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Self

from muleteer.agent.control_client import ControlClient
from muleteer.agent.status import BayState, Status
from muleteer.errors import AgentUnreachable, DemoFailed
from muleteer.spool.disk import RealDisk

if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.demo.world import Place

START_SECONDS = 20.0  # a Pi Zero needs five
STEP_SECONDS = 40.0  # no step of the play needs more than two
STOP_SECONDS = 10.0
UNSEEN_MAX = 100  # statuses; a round publishes about ten


class Box:
    """Runs ``muleteer agent`` at `place`; `status` is the newest it published, `unseen` are those not shown yet."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.status: Status | None = None
        self.unseen: deque[Status] = deque(maxlen=UNSEEN_MAX)
        self._process: subprocess.Popen[bytes] | None = None
        self._changed = threading.Condition()
        self._ended = False

    def __enter__(self) -> Self:
        argv = [sys.executable, "-m", "muleteer.cli.main", "agent", "--config", self.place.toml]
        with RealDisk().create(self.place.at("agent.log")) as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                argv, stdin=subprocess.DEVNULL, stdout=log.fileno(), stderr=log.fileno()
            )
        threading.Thread(target=self._watch, name=f"watch-{self.place.name}", daemon=True).start()
        self.wait(lambda _: True, START_SECONDS, "start")
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def wait_round(self) -> Status:
        """Wait until the stick may be pulled and what came is tossed."""
        return self.wait(lambda s: _safe(s) and not s.working and not s.waiting_toss, STEP_SECONDS, "finish its round")

    def wait_empty(self) -> Status:
        """Wait until the box has seen that the stick is out."""
        return self.wait(lambda s: all(b.state is BayState.EMPTY for b in s.bays), STEP_SECONDS, "see the stick go")

    def wait(self, true_of: Callable[[Status], bool], seconds: float, what: str) -> Status:
        """Wait until the status is so; raises DemoFailed if that takes longer than `seconds`."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while self.status is None or not true_of(self.status):
                if self._ended or not self._changed.wait(max(0.0, deadline - time.monotonic())):
                    raise DemoFailed(box=self.place.name, step=what, log=self._last_words())
            return self.status

    def _last_words(self) -> str:
        with open(self.place.at("agent.log"), encoding="utf-8", errors="replace") as log:
            return " / ".join(log.read().splitlines()[-3:])

    def _watch(self) -> None:
        while self._process is not None and self._process.poll() is None:
            try:
                with ControlClient(self.place.socket) as client:
                    for status in client.watch():
                        with self._changed:
                            self.status = status
                            self.unseen.append(status)
                            self._changed.notify_all()
            except AgentUnreachable:
                time.sleep(0.05)
        with self._changed:
            self._ended = True
            self._changed.notify_all()


def _safe(status: Status) -> bool:
    return any(bay.state in (BayState.SAFE, BayState.ATTENTION) for bay in status.bays)
