# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks that take long (hashing what was downloaded in an earlier session, syncing a gigabyte) beside a session.

A session must go on talking meanwhile: its peer hangs up after ten seconds of silence. So large ones are checked in one
worker thread, one after the other, and small ones at once where the caller stands. Who asked looks for the outcome.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import queue
    import threading
    from collections.abc import Callable
    from typing import Any

    Job = Callable[[Callable[[], bool]], bool | None]
    Outcome = tuple[Any, bool | None, BaseException | None]


class Checker:
    """Runs jobs. A job is given a function that tells whether to stop, and returns its verdict, None if it stopped.

    `waiting` is how many outcomes nobody has taken yet.
    """

    def __init__(self) -> None:
        self._done: list[Outcome] = []
        self._jobs: queue.SimpleQueue[tuple[Any, Job] | None] | None = None
        self._thread: threading.Thread | None = None
        self.waiting = 0
        self._is_hurried: Callable[[], bool] = _never

    def submit(self, key: object, job: Job, *, beside: bool) -> None:
        """Run a job, in the worker thread if `beside`; its outcome will be told under `key`."""
        self.waiting += 1
        if not beside:
            self._run_one(key, job)
            return
        if self._jobs is None:
            self._start()
        if self._jobs is not None:
            self._jobs.put((key, job))

    def take_outcomes(self) -> list[tuple[Any, bool | None]]:
        """Return (key, verdict) of what is done. What a job raised is raised here, when it is its turn."""
        found: list[tuple[Any, bool | None]] = []
        while self._done:
            key, verdict, error = self._done[0]
            if error is not None and found:
                break
            del self._done[0]
            self.waiting -= 1
            if error is not None:
                raise error
            found.append((key, verdict))
        return found

    def finish(self, is_hurried: Callable[[], bool]) -> None:
        """Wait for all jobs; as soon as `is_hurried()` (asked by the worker) those stop that care."""
        self._is_hurried = is_hurried
        thread, self._thread = self._thread, None
        if thread is not None and self._jobs is not None:
            self._jobs.put(None)
            thread.join()
            self._jobs = None

    def _is_told_to_stop(self) -> bool:
        return self._is_hurried()

    def _start(self) -> None:
        import queue  # threads only for large packets
        import threading

        self._jobs = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, args=(self._jobs,), name="checker", daemon=True)
        self._thread.start()

    def _work(self, jobs: queue.SimpleQueue[tuple[Any, Job] | None]) -> None:
        while (given := jobs.get()) is not None:
            self._run_one(*given)

    def _run_one(self, key: object, job: Job) -> None:
        verdict: bool | None = None
        failure: BaseException | None = None
        try:
            verdict = job(self._is_told_to_stop)
        except BaseException as error:  # noqa: BLE001 - not swallowed: raised again in the thread that asked
            failure = error
        self._done.append((key, verdict, failure))


def _never() -> bool:
    return False
