# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference's log files read, and write back to the very bytes."""

import pathlib
import re

import pytest

from muleteer.formats.recfile import format_record, human_size, parse_records

DATA = pathlib.Path(__file__).parent / "data" / "spool"


@pytest.mark.parametrize("name", ["alice.log", "bob.log"])
def test_a_log_writes_back_to_the_same_bytes(name):
    raw = (DATA / name).read_bytes()
    records = list(parse_records(raw.splitlines(keepends=True)))
    assert len(records) > 2
    assert b"".join(format_record(record) for record in records) == raw


def test_sizes_in_messages_are_printed_as_there():
    seen = 0
    for name in ("alice.log", "bob.log"):
        for record in parse_records((DATA / name).read_bytes().splitlines(keepends=True)):
            fields = dict(record)
            if fields.get("Who") == "tx" and (match := re.search(r"\(([\d.]+ \w+)\)", fields["Msg"])):
                assert human_size(int(fields["Size"])) == match[1]
                seen += 1
    assert seen >= 3
