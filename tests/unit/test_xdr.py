# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from muleteer.errors import BadEncoding
from muleteer.formats.xdr import XdrReader, fixed, opaque, u32, u64


def test_values_come_back_in_order():
    data = u32(7) + u64(1 << 40) + opaque(b"abcde") + fixed(b"xyz") + u32(200)
    reader = XdrReader(data)
    assert reader.u32() == 7
    assert reader.u64() == 1 << 40
    assert reader.opaque(5) == b"abcde"
    assert reader.fixed(3) == b"xyz"
    assert reader.left == 4
    assert reader.u8() == 200
    reader.end()


def test_layout():
    assert opaque(b"abcde") == b"\0\0\0\5abcde\0\0\0"
    assert opaque(b"") == b"\0\0\0\0"
    assert fixed(b"abcd") == b"abcd"


def test_padding_is_not_checked_as_in_the_reference():
    assert XdrReader(b"\0\0\0\1a\1\2\3").opaque(1) == b"a"


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (b"\0\0\0", XdrReader.u32),
        (b"\0\0\1\0", XdrReader.u8),
        (b"\0" * 7, XdrReader.u64),
        (b"\0\0\0\5abcd", lambda r: r.opaque(10)),
        (b"\0\0\0\5abcde\0\0", lambda r: r.opaque(10)),
        (b"\xff\xff\xff\xff", lambda r: r.opaque(10)),
        (b"abc", lambda r: r.fixed(3)),
        (b"a", XdrReader.end),
    ],
)
def test_short_or_excessive_data_is_refused(data, read):
    with pytest.raises(BadEncoding):
        read(XdrReader(data))


@pytest.mark.parametrize(("write", "value"), [(u32, 1 << 32), (u32, -1), (u64, 1 << 64)])
def test_numbers_that_do_not_fit_are_our_own_bug(write, value):
    with pytest.raises(OverflowError):
        write(value)
