# SPDX-License-Identifier: GPL-3.0-or-later
import datetime as dt

import pytest

from muleteer.formats.recfile import format_record, human_size, parse_records, rfc3339

FIELDS = [("When", "2026-11-20T12:53:38Z"), ("Who", "tx"), ("Output", "one\n\ntwo"), ("Msg", "Sent: x")]


def records(data):
    return list(parse_records(data.splitlines(keepends=True)))


def test_layout():
    assert format_record(FIELDS) == (b"\nWhen: 2026-11-20T12:53:38Z\nWho: tx\nOutput: one\n+ \n+ two\nMsg: Sent: x\n")


def test_records_come_back():
    assert records(format_record(FIELDS) * 2) == [FIELDS, FIELDS]


def test_leading_blanks_are_stripped_and_bytes_survive():
    assert records(format_record([("Dst", "  \udcff x"), ("Src", "")])) == [[("Dst", "\udcff x"), ("Src", "")]]


def test_a_value_cannot_forge_a_field():
    assert records(format_record([("Dst", "x\nErr: forged\n\nWho: me")])) == [[("Dst", "x\nErr: forged\n\nWho: me")]]


def test_torn_lines_comments_and_strays_are_skipped():
    log = b"+ stray\n% comment: x\n# comment: y\nWho: tx\nhalf a li\n\n\n\nWho: rx\n+more\nLast"
    assert records(log) == [[("Who", "tx")], [("Who", "rx\nmore")]]


def test_an_endless_record_is_cut():
    assert len(list(parse_records(b"A: b\n" for _ in range(250_000)))) == 3


# As in the reference's log: powers of 1024, one decimal below 10.
@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (9, "9 B"),
        (10, "10 B"),
        (287, "287 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1075, "1.0 KiB"),
        (1076, "1.1 KiB"),
        (10188, "9.9 KiB"),
        (10189, "10 KiB"),
        (10240, "10 KiB"),
        (131072, "128 KiB"),
        (1048575, "1024 KiB"),
        (1048576, "1.0 MiB"),
        (5 * 2**30, "5.0 GiB"),
        (2**40, "1.0 TiB"),
        (2**50, "1.0 PiB"),
        (2**63, "8.0 EiB"),
    ],
)
def test_sizes_read_as_in_the_reference(size, text):
    assert human_size(size) == text


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_795_179_218_548_313_486, "2026-11-20T12:53:38.548313486Z"),
        (1_795_179_218_574_570_000, "2026-11-20T12:53:38.57457Z"),
        (951_782_400 * 10**9, "2000-02-29T00:00:00Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
    ],
)
def test_times_are_written_as_go_does(nanoseconds, text):
    assert rfc3339(nanoseconds) == text


def test_the_human_form_has_no_fraction():
    assert rfc3339(1_500_000_000, fraction=False) == "1970-01-01T00:00:01Z"


def test_calendar_agrees_with_the_standard_library():
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    for day in range(-30_000, 60_000, 37):
        expected = (epoch + dt.timedelta(days=day)).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert rfc3339(day * 86_400_000_000_000) == expected
