# SPDX-License-Identifier: GPL-3.0-or-later
import pathlib

import pytest

from muleteer.errors import UsageError
from muleteer.formats.niceness import format_nice, parse_nice

TABLE = pathlib.Path(__file__).parent / "data" / "misc" / "niceness.tsv"
ROWS = [line.split("\t") for line in TABLE.read_text().splitlines() if not line.startswith("#")]


def test_all_vectors_are_there():
    assert len(ROWS) >= 40


@pytest.mark.parametrize(("argument", "accepted", "number", "text"), ROWS)
def test_niceness_reads_and_prints_as_in_the_reference(argument, accepted, number, text):
    if accepted == "no":
        with pytest.raises(UsageError):
            parse_nice(argument)
        return
    nice = parse_nice(argument)
    assert str(nice) == number
    assert f"Niceness: {format_nice(nice)} ({nice})" == text
