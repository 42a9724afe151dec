# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from muleteer.errors import UnsafeName
from muleteer.formats.safename import SafeName, clean_path, show


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        (b"name", ("name",)),
        (b"dir/name.bin", ("dir", "name.bin")),
        (b"./a//b/./c/", ("a", "b", "c")),
        (b"...", ("...",)),
        (b"..a/b..", ("..a", "b..")),
        (b" ", (" ",)),
        (b"-rf", ("-rf",)),
        (b"a\\b", ("a\\b",)),
        ("größe/日本".encode(), ("größe", "日本")),
        (b"\xff\xfe", ("\udcff\udcfe",)),
        (b"n" * 255, ("n" * 255,)),
    ],
)
def test_relative_names_are_taken(path, parts):
    assert SafeName.parse(path).parts == parts


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (b"", "empty"),
        (b".", "no file"),
        (b"././/", "no file"),
        (b"/etc/passwd", "absolute"),
        (b"//x", "absolute"),
        (b"..", "climbs"),
        (b"../x", "climbs"),
        (b"a/../b", "climbs"),
        (b"a/..", "climbs"),
        (b"a\0b", "zero byte"),
        (b"n" * 256, "above 255"),
        (b"a/" * 200, "above 255"),
    ],
)
def test_everything_else_is_refused_with_its_reason(path, reason):
    with pytest.raises(UnsafeName, match=reason) as caught:
        SafeName.parse(path)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        (b"a\nb", ("a%0Ab",)),
        (b"\x1b[2J", ("%1B[2J",)),
        (b"a\x7f/b\t", ("a%7F", "b%09")),
        ("a\x85b".encode(), ("a%C2%85b",)),
        (b"100%", ("100%",)),
        (b"\n" * 255, ("%0A" * 85,)),
    ],
)
def test_a_name_with_control_characters_waited_in_the_spool_for_ever(path, parts):
    assert SafeName.parse(path).parts == parts
    assert SafeName.parse(path, escape=False).under("") == "/" + path.decode()


@pytest.mark.parametrize("parts", [(), ("",), (".",), ("a", ".."), ("a/b",), ("a\0",)])
def test_an_unsafe_one_cannot_be_made_by_hand_either(parts):
    with pytest.raises(UnsafeName):
        SafeName(parts)


def test_names_are_joined_and_numbered():
    name = SafeName.parse(b"dir/name.bin")
    assert name.under("/srv/in/") == "/srv/in/dir/name.bin"
    assert name.under("/") == "/dir/name.bin"
    assert name.suffixed(3) == SafeName.parse(b"dir/name.bin.3")
    assert name.suffixed(3).parts == ("dir", "name.bin.3")
    assert name != "dir/name.bin"
    assert len({name, SafeName(name.parts)}) == 1
    with pytest.raises(UnsafeName, match="too long"):
        SafeName.parse(b"n" * 254).suffixed(0)


def test_people_see_it_escaped():
    assert str(SafeName.parse(b"d/\xffa")) == "d/\\xffa"
    assert repr(SafeName.parse("a\u202eb".encode())) == repr("a\\u202eb").join(("SafeName(", ")"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain name", "plain name"),
        ("größe", "größe"),
        ("a\nb\tc", "a\\x0ab\\x09c"),
        ("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\U000e0041", "\\U000e0041"),
        ("\udc80", "\\x80"),
        ("\ud800", "\\ud800"),
        (b"\xff\x00ok", "\\xff\\x00ok"),
        (memoryview(b"ok"), "ok"),
    ],
)
def test_unprintable_text_is_shown_escaped(text, shown):
    assert show(text) == shown


# What Go's path cleaning gives, by its documentation; the freq vector proves two of them on the wire.
@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("", "."),
        (".", "."),
        ("a/b", "a/b"),
        ("a//b/", "a/b"),
        ("some/../dir/file", "dir/file"),
        ("dst/a/../n", "dst/n"),
        ("a/..", "."),
        ("../a", "../a"),
        ("../../a/../b", "../../b"),
        ("a/../..", ".."),
        ("/", "/"),
        ("/..", "/"),
        ("//a/./b/../c", "/a/c"),
    ],
)
def test_paths_are_cleaned_at_the_sender(text, cleaned):
    assert clean_path(text) == cleaned
