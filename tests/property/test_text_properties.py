# SPDX-License-Identifier: GPL-3.0-or-later
"""Ids, names, niceness, plain headers and log records survive anything that strangers write."""

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muleteer.errors import PeerError, UnsafeName, UsageError
from muleteer.formats.ids import Id, b32decode, b32encode, is_packet_name
from muleteer.formats.niceness import format_nice, parse_nice
from muleteer.formats.packet import PlainHeader, exec_path, split_exec_path
from muleteer.formats.recfile import format_record, human_size, parse_records
from muleteer.formats.safename import SafeName, clean_path, show
from muleteer.formats.xdr import XdrReader, opaque

anything = st.text(max_size=100)
os_text = st.binary(max_size=60).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
pathlike = st.lists(st.sampled_from(["..", ".", "", "a", "b c", "\n", "\udcff", "é"]), max_size=8).map("/".join)


@given(st.binary(max_size=70))
def test_base32_round_trip(data):
    assert b32decode(b32encode(data)) == data


@given(st.one_of(anything, st.text("ABCXYZ234567Q", min_size=50, max_size=53)))
def test_a_listed_name_is_read_and_written_the_same(text):
    if is_packet_name(text):
        assert str(Id.parse(text)) == text


@given(anything)
def test_base32_accepts_or_refuses(text):
    try:
        data = b32decode(text)
    except PeerError:
        return
    assert b32decode(b32encode(data)) == data


@given(st.one_of(os_text, pathlike).map(lambda text: text.encode("utf-8", "surrogateescape")))
def test_a_safe_name_stays_in_its_directory(path):
    try:
        name = SafeName.parse(path)
    except UnsafeName as caught:
        refused = caught
    else:
        refused = None
    if refused is not None:
        assert str(refused).isprintable()
        return
    where = name.under("/srv/incoming")
    assert posixpath.normpath(where) == where
    assert where.startswith("/srv/incoming/")
    assert where != "/srv/incoming/"
    assert "\n" not in where
    assert str(name).isprintable()
    assert SafeName.parse("/".join(name.parts).encode("utf-8", "surrogateescape")) == name


@given(pathlike)
def test_cleaning_agrees_with_the_standard_library(text):
    expected = posixpath.normpath(text)
    assert clean_path(text) == ("/" + expected.lstrip("/") if text.startswith("/") else expected)
    assert clean_path(clean_path(text)) == clean_path(text)


@given(st.one_of(anything, os_text))
def test_shown_text_is_printable(text):
    assert show(text).isprintable()
    if text.isprintable():
        assert show(text) == text


@given(anything)
def test_niceness_is_in_range_or_refused(text):
    try:
        nice = parse_nice(text)
    except UsageError:
        return
    assert 1 <= nice <= 255
    assert parse_nice(format_nice(nice)) == nice


@given(st.binary(min_size=260, max_size=300))
def test_plain_headers_are_read_or_refused(data):
    raw = b"NNCPP\0\0\3" + bytes(11) + data
    try:
        header = PlainHeader.unpack(raw)
    except PeerError:
        return
    assert PlainHeader.unpack(header.pack()) == header


@given(st.text(max_size=20).filter(lambda t: "\0" not in t), st.lists(os_text.filter(lambda t: "\0" not in t)))
def test_exec_arguments_round_trip(handle, args):
    try:
        path = exec_path(handle, args)
    except UnicodeEncodeError:
        return  # a lone surrogate that no command line can hold
    assert split_exec_path(path) == (handle.encode(), [arg.encode("utf-8", "surrogateescape") for arg in args])


@given(st.binary(max_size=50), st.integers(0, 60))
def test_opaque_fields_are_read_or_refused(data, cut):
    packed = opaque(data)
    if cut >= len(packed):
        assert XdrReader(packed).opaque(50) == data
        return
    with pytest.raises(PeerError):
        XdrReader(packed[:cut]).opaque(50)


field_names = st.text("ABCabc", min_size=1, max_size=8)
values = os_text.map(lambda text: text.lstrip(" \t"))


@given(st.lists(st.lists(st.tuples(field_names, values), min_size=1, max_size=5), max_size=4))
def test_log_records_round_trip(records):
    raw = b"".join(format_record(record) for record in records)
    lines = [line + b"\n" for line in raw.split(b"\n")]
    assert list(parse_records(lines)) == records


@given(st.binary(max_size=300))
def test_any_log_can_be_read(raw):
    for record in parse_records(raw.splitlines(keepends=True)):
        assert record


@given(st.integers(0, 2**64 - 1))
def test_sizes_are_short(size):
    number, unit = human_size(size).split()
    assert len(number) <= 4
    assert unit in ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
