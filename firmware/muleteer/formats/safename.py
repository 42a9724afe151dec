# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that strangers chose, made safe before anything else sees them.

A `SafeName` is relative and climbs nowhere, and what is delivered under it holds nothing that a terminal obeys: control
characters, which are legal in file names, become ``%XX`` (a name that is refused would wait in the spool for ever). A
name with ``%`` stays as it is: two names that become equal this way get numbers, as any equal ones. Deliveries accept
only this type, so that no later change can lose the check.
"""

from __future__ import annotations

from muleteer.errors import UnsafeName

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Text: TypeAlias = str | bytes | bytearray | memoryview

COMPONENT_SIZE_MAX = 255
"""Bytes of one file name: the limit of every file system in use."""

NAME_SIZE_MAX = 255
"""Bytes of a whole path: a packet cannot say more."""


class SafeName:
    """A relative path of a stranger, as non-empty `parts` without ``.`` and ``..``; `str` is escaped for people."""

    __slots__ = ("parts",)

    parts: tuple[str, ...]

    def __init__(self, parts: tuple[str, ...]) -> None:
        # Re-checked here so that no caller can build an unsafe one; `parse` gives the better reasons.
        if not parts or any(part in ("", ".", "..") or "/" in part or "\0" in part for part in parts):
            raise UnsafeName(name=show("/".join(parts)), problem="it is not a plain relative path")
        self.parts = parts

    @classmethod
    def parse(cls, path: bytes, *, escape: bool = True) -> SafeName:
        """Read the path of a packet; doubled slashes and ``.`` are cleaned away, bytes that are not UTF-8 survive.

        ``escape=False`` keeps control characters: for a request, which names a file that is there already. Raises
        UnsafeName if it is empty, absolute, climbs (``..`` anywhere), is too long, or holds a zero byte.
        """
        text = path.decode("utf-8", "surrogateescape")
        problem = _problem(path)
        if not problem:
            parts = tuple(part for part in text.split("/") if part not in ("", "."))
            if escape and not text.isprintable():
                parts = tuple(_tamed(part) for part in parts)
            if parts:
                return cls(parts)
            problem = "it names no file"
        raise UnsafeName(name=show(path[:NAME_SIZE_MAX]), problem=problem)

    def under(self, directory: str) -> str:
        """Return the path below `directory`."""
        return "/".join((directory.rstrip("/"), *self.parts))

    def suffixed(self, number: int) -> SafeName:
        """Return the name with ``.number`` appended, as is tried when it is taken.

        Raises UnsafeName if that is longer than a file system takes.
        """
        *parents, last = self.parts
        name = f"{last}.{number}"
        if len(name.encode("utf-8", "surrogateescape")) > COMPONENT_SIZE_MAX:
            raise UnsafeName(name=show(name), problem="it is taken, and too long for a number after it")
        return SafeName((*parents, name))

    def __str__(self) -> str:
        return show("/".join(self.parts))

    def __repr__(self) -> str:
        return f"SafeName({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return self.parts == other.parts if isinstance(other, SafeName) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.parts)


def _tamed(part: str) -> str:
    """Return a file name with its control characters as %XX of their bytes, cut to what a file system takes."""
    tame = "".join([_percent(c) if c < " " or "\x7f" <= c <= "\x9f" else c for c in part])
    return tame.encode("utf-8", "surrogateescape")[:COMPONENT_SIZE_MAX].decode("utf-8", "surrogateescape")


def _percent(character: str) -> str:
    return "".join([f"%{byte:02X}" for byte in character.encode()])


def _problem(path: bytes) -> str:
    if not path:
        return "it is empty"
    if len(path) > NAME_SIZE_MAX:
        return f"it has {len(path)} bytes, above {NAME_SIZE_MAX}"
    if path.startswith(b"/"):
        return "it is absolute"
    if b"\0" in path:
        return "it contains a zero byte"
    if b".." in path.split(b"/"):
        return "it climbs out of its directory"
    return ""


def clean_path(text: str) -> str:
    """Return the shortest equal path, as the reference writes it into packets: no ``//``, no ``.``, no inner ``..``.

    Leading ``..`` of a relative path stay (the receiver decides), those of an absolute one vanish; nothing gives ``.``.
    """
    rooted = text.startswith("/")
    kept: list[str] = []
    for part in text.split("/"):
        if part in ("", "."):
            continue
        if part == "..":
            if kept and kept[-1] != "..":
                kept.pop()
                continue
            if rooted:
                continue
        kept.append(part)
    return ("/" if rooted else "") + "/".join(kept) or "."


def show(text: Text) -> str:
    r"""Return text of a stranger fit for a log line or a screen: everything unprintable becomes ``\xNN`` or ``\uNNNN``.

    That includes line ends, terminal sequences, direction overrides and bytes that are not UTF-8.
    """
    readable = text if isinstance(text, str) else bytes(text).decode("utf-8", "surrogateescape")
    if readable.isprintable():
        return readable
    return "".join([c if c.isprintable() else _escape(c) for c in readable])


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was not UTF-8
        code -= 0xDC00
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
