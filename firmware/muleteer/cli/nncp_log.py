# SPDX-License-Identifier: GPL-3.0-or-later
"""``nncp-log``: print the log for people."""

from __future__ import annotations

from muleteer.cli.nncp_report import human_line
from muleteer.cli.nncp_say import line
from muleteer.cli.nncp_setting import CFG, DEBUG, LOG, load_setting
from muleteer.errors import UsageError
from muleteer.formats.recfile import parse_records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.cli.flags import Given

SUMMARY = """print the log, one line per event

NAME [-log FILE]"""
FLAGS = (CFG, DEBUG, LOG)


def run(given: Given) -> int:
    """Print the log."""
    path = load_setting(given).config.log
    try:
        log = open(path, "rb")  # noqa: SIM115 - the block below is for reading, not for failing to open
    except OSError as error:
        raise UsageError(problem=f"cannot open the log {path}: {(error.strerror or str(error)).lower()}") from error
    with log:
        for fields in parse_records(log):
            record = dict(fields)
            raw = "map[" + " ".join([f"{key}:{record[key]}" for key in sorted(record)]) + "]"
            if given.on("debug"):
                line(raw)
            when = _to_the_second(record.get("When", ""))
            if when:
                line(human_line(when, record.get("Msg", ""), record.get("Err")))
            else:
                line(f"Cannot humanize: {record.get('When', '')!r} is no time\n{raw}")
    return 0


def _to_the_second(when: str) -> str:
    """Return an RFC 3339 time without its fraction; empty if it is none."""
    shape = "".join(["0" if c.isdigit() else c for c in when[:19]])
    if shape != "0000-00-00T00:00:00":
        return ""
    fraction = when[19:]
    zone = fraction.lstrip(".0123456789") if fraction[:1] == "." else fraction
    return when[:19] + zone if zone == "Z" or zone[:1] in ("+", "-") else ""
