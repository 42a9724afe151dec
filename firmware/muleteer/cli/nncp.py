# SPDX-License-Identifier: GPL-3.0-or-later
"""The drop-in ``nncp-*`` commands: told apart by the name they were called by.

Exit status, as the reference has it: 0 done, 1 failed or misused, 2 malformed flags. Every error class is flattened
to 1 here: scripts and mail servers know no other.
"""

from __future__ import annotations

import sys

from muleteer import __version__
from muleteer.cli.flags import SWITCH, BadFlag, Flag, parse
from muleteer.cli.nncp_say import claim_streams, end_output, line, remark
from muleteer.errors import MuleteerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn, Protocol

    from muleteer.cli.flags import Given

    class Command(Protocol):
        """What each ``cli.nncp_*`` module offers."""

        SUMMARY: str
        FLAGS: Sequence[Flag]

        @staticmethod
        def run(given: Given) -> int:
            """Do it; return the exit status."""


COMMANDS = {
    "nncp-ack": "nncp_ack",
    "nncp-call": "nncp_call",
    "nncp-caller": "nncp_caller",
    "nncp-cfgmin": "nncp_cfgmin",
    "nncp-cfgnew": "nncp_cfgnew",
    "nncp-check": "nncp_check",
    "nncp-cronexpr": "nncp_cronexpr",
    "nncp-daemon": "nncp_daemon",
    "nncp-exec": "nncp_exec",
    "nncp-file": "nncp_file",
    "nncp-freq": "nncp_freq",
    "nncp-hash": "nncp_hash",
    "nncp-log": "nncp_log",
    "nncp-pkt": "nncp_pkt",
    "nncp-stat": "nncp_stat",
    "nncp-toss": "nncp_toss",
    "nncp-trns": "nncp_trns",
    "nncp-xfer": "nncp_xfer",
}

EVERYWHERE = (
    Flag("version", SWITCH, False, "print the version and exit"),
    Flag("warranty", SWITCH, False, "print the warranty and exit"),
)


_GARBAGE_AFTER = 20_000
"""Objects until the collector looks for garbage. After 700, its default, it goes through what is being imported again
and again: 0.6 ms of each nncp-file."""


class Misused(Exception):
    """The words on the command line make no sense together: show the usage, exit 1."""


def main(argv: Sequence[str]) -> int:
    """Run the command named `argv[0]`; return its exit status."""
    name = argv[0].rpartition("/")[2]
    module = COMMANDS.get(name)
    if module is None:
        remark(f"muleteer: {name} is none of {', '.join(COMMANDS)}\n")
        return 1
    command = _load(module)
    table = (*command.FLAGS, *EVERYWHERE)
    try:
        return _run(command, table, argv[1:])
    except BadFlag as problem:
        return _show_usage(name, command, table, str(problem)) if str(problem) else _help(name, command, table)
    except Misused:
        _show_usage(name, command, table, "")
    except BrokenPipeError:
        raise
    except (MuleteerError, OSError) as error:
        remark(f"{name}: {error if isinstance(error, MuleteerError) else _os_sentence(error)}\n")
    return 1


def start(argv: Sequence[str]) -> NoReturn:
    """Be the process: run the command and end with its status, without the interpreter's tidying up (1 ms)."""
    import gc
    import posix

    gc.set_threshold(_GARBAGE_AFTER)
    claim_streams()
    try:
        status = main(argv)
        if status == 0:
            end_output(argv[0].rpartition("/")[2])
    except (KeyboardInterrupt, BrokenPipeError) as problem:
        status = _die_of(problem)
    except Exception:  # noqa: BLE001 - a bug: its trace is for us, its exit status for the caller
        sys.excepthook(*sys.exc_info())
        status = 1
    posix._exit(status)  # noqa: SLF001 - its public name is os._exit


def _load(module: str) -> Command:
    # importlib's own function would cost another millisecond; a fromlist makes this one return the module itself.
    return __import__(f"muleteer.cli.{module}", fromlist=("run",))  # type: ignore[return-value]


def _run(command: Command, table: Sequence[Flag], words: Sequence[str]) -> int:
    given = parse(table, words)
    return _about(given) if given.on("version") or given.on("warranty") else command.run(given)


def _about(given: Given) -> int:
    if given.on("warranty"):
        from muleteer.cli.nncp_usage import WARRANTY

        line(WARRANTY)
    else:
        line(f"Muleteer {__version__} (in place of NNCP 8)")
    return 0


def _show_usage(name: str, command: Command, table: Sequence[Flag], problem: str) -> int:
    from muleteer.cli.nncp_usage import usage

    remark((f"{problem}\n" if problem else "") + usage(name, command.SUMMARY, table))
    return 2


def _help(name: str, command: Command, table: Sequence[Flag]) -> int:
    _show_usage(name, command, table, "")
    return 0


def _os_sentence(error: OSError) -> str:
    what = (error.strerror or str(error)).lower()
    return f"{error.filename}: {what}" if error.filename else what


def _die_of(problem: BaseException) -> int:
    """End by the signal that this exception stands for, as programs without one do; callers look at that."""
    import os
    import signal

    number = signal.SIGINT if isinstance(problem, KeyboardInterrupt) else signal.SIGPIPE
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return 1
