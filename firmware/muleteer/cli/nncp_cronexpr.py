# SPDX-License-Identifier: GPL-3.0-or-later
"""``nncp-cronexpr``: print when a cron expression of `calls` comes due next, in UTC."""

from __future__ import annotations

from muleteer.cli.flags import UINT, Flag
from muleteer.cli.nncp_say import line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.cli.flags import Given

SUMMARY = """check a cron expression: print the next times it names

NAME [-num N] CRON-EXPRESSION"""
FLAGS = (Flag("num", UINT, 10, "how many times to print"),)

_SECOND_NS = 1_000_000_000


def run(given: Given) -> int:
    """Print now and the next times; fewer than asked for if the expression names no more.

    Raises:
        BadCron: it is no cron expression.

    """
    from muleteer.agent.clock import wall_now_ns
    from muleteer.config.cron import parse

    cron = parse(" ".join(given.words))
    now = wall_now_ns()
    line(f"Now:\t{_utc(now // _SECOND_NS, now % _SECOND_NS)}")
    after: float | None = now // _SECOND_NS
    for number in range(given.number("num")):
        after = None if after is None else cron.next(after)
        if after is None:
            break
        line(f"{number}:\t{_utc(int(after), 0)}")
    return 0


def _utc(unix: int, nanoseconds: int) -> str:
    from muleteer.config.zone import DAY, date_of

    days, second = divmod(unix, DAY)
    date = "{:04}-{:02}-{:02}".format(*date_of(days))
    fraction = f".{nanoseconds:09}".rstrip("0") if nanoseconds else ""
    return f"{date}T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}{fraction}Z"
