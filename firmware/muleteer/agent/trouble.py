# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn an error into a `Problem`: words for everybody's eyes, and the error's own sentence as a detail. Pure.

The panel hangs where anybody passes. Errors name paths, packets, neighbours and sticks, so what it shows is taken from
this table, by the error's class, and never from the error.
"""

from __future__ import annotations

from muleteer.agent.status import Problem
from muleteer.errors import (
    ConfigError,
    MountRefused,
    MuleteerError,
    PeerError,
    RunnerFailed,
    RunnerGone,
    RunnerReadOnly,
    SpoolError,
    SpoolFull,
    SpoolLocked,
    SpoolMissing,
    StillMounted,
)

# The first class that fits: what, and what to do about it.
WORDS: tuple[tuple[type[MuleteerError], str, str], ...] = (
    (StillMounted, "still mounted", "do not pull: wait, or power off first"),
    (MountRefused, "the stick could not be mounted", "see `muleteer status`"),
    (RunnerGone, "pulled in the middle of its round", "put it back: nothing is lost, the round completes"),
    (RunnerReadOnly, "the stick is write-protected: nothing could be put on it", "slide its lock, or try another"),
    (RunnerFailed, "the stick failed", "try it again; if that repeats, retire it"),
    (SpoolFull, "no room is left in the spool", "make room: no mail is taken until then"),
    (SpoolMissing, "the spool is not there", "no mail is taken: see `muleteer status`"),
    (SpoolLocked, "another program is at work on the spool", "try again when it is done"),
    (SpoolError, "the spool failed", "no mail is taken: see `muleteer status`"),
    (PeerError, "a packet cannot be processed", "see `muleteer status`"),
    (ConfigError, "the configuration does not allow it", "see `muleteer status`"),
    (MuleteerError, "something did not go as it should", "see `muleteer status`"),
)


LOG_FAILED = "NNCP's log file cannot be written"


def problem_of(error: MuleteerError, since: float) -> Problem:
    """Return an error as what to show."""
    what, remedy = next((what, remedy) for kind, what, remedy in WORDS if isinstance(error, kind))
    return Problem(what, remedy, since, (str(error),))


def log_problem(problem: str, since: float | None = None) -> Problem | None:
    """Return what to show of a log that has gaps; None if `problem`, why it has them, is empty."""
    return Problem(LOG_FAILED, "see `muleteer status`", since, (problem,)) if problem else None
