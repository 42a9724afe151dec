# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things stand on a page of either height: seven forms, which `pages` and `carrier_pages` fill with words. Pure.

On 64 rows a page is a headline, four lines and a foot (whose bay this is, dots for the other pages); on 32 rows it is a
headline and two lines. What must be read from afar is a headline; "safe to pull" alone is dark on a lit block, so that
it is told from the other side of a room.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from muleteer.panel.page import Bar, Block, Dots, Face, Icon, Mark, Page, Size, Text
from muleteer.panel.wording import clip, wrap

if TYPE_CHECKING:
    from collections.abc import Sequence

SCREENS_MAX: Final = 4  # of one notice: who has to read more reads `muleteer status`
_FOOT: Final = 55


@dataclass(frozen=True, slots=True)
class Sheet:
    """An empty page: its size, and what its foot says at the left and at the right."""

    size: Size
    foot: str = ""
    foot_right: str = ""

    @property
    def width(self) -> int:
        """Usable width in pixels: one column stays free for `care`."""
        return self.size[0] - 1

    @property
    def height(self) -> int:
        """Usable height in pixels."""
        return self.size[1] - 1

    @property
    def roomy(self) -> bool:
        """Whether there is room for four lines and a foot."""
        return self.size[1] >= 64

    @property
    def lines(self) -> int:
        """How many lines stand below a headline."""
        return 4 if self.roomy else 2

    @property
    def columns(self) -> int:
        """How many characters of the small face stand in a line."""
        return self.width // Face.SMALL.pitch

    def line(self, number: int) -> int:
        """Return the top of a line below the headline, counted from 0."""
        return 18 + 9 * number if self.roomy else 15 + 8 * number


def justify(left: str, right: str, columns: int) -> str:
    """Return one line with `left` and `right` at its ends; `left` is cut if both do not fit."""
    room = columns - len(right) - 1 if right else columns
    return clip(left, room).ljust(room) + (" " + right if right else "")


def fitting(left: str, choices: Sequence[str], columns: int) -> str:
    """Return the first of `choices` that leaves room for all of `left` in the line, or "" if none does."""
    return next((choice for choice in choices if len(left) + 1 + len(choice) <= columns), "")


def centred(sheet: Sheet, y: int, text: str, face: Face, *, dark: bool = False) -> Text:
    """Return `text` in the middle of the page's width."""
    return Text((sheet.width - face.pitch * len(text)) // 2, y, text, face, dark)


def notice(sheet: Sheet, kind: str, icon: str, headline: str, lines: Sequence[str]) -> list[Page]:
    """Return a notice as one screen or several: an icon, a headline of at most 13 capitals, and text."""
    per_screen = sheet.lines
    if len(lines) > per_screen * SCREENS_MAX:
        lines = list(lines[: per_screen * SCREENS_MAX])
        lines[-1] = clip(lines[-1] + " ...", sheet.columns)
    screens = [lines[at : at + per_screen] for at in range(0, len(lines), per_screen)] or [[]]
    head: tuple[Mark, ...] = (Icon(0, 0, icon), Text(21, 0, headline, Face.CAPS))
    return [
        finished(sheet, kind, (*head, *_lines(sheet, screen)), seconds=1.5 + 0.9 * len(screen)) for screen in screens
    ]


def safe(sheet: Sheet, kind: str, moved: str, remark: str) -> Page:
    """Return the page everybody waits for; `moved` says what was carried, `remark` what was not."""
    if not sheet.roomy:
        line = justify(sheet.foot, moved, sheet.columns) if sheet.foot else justify(moved, remark, sheet.columns)
        return finished(sheet, kind, (
            Block(0, 0, sheet.width, 20),
            Icon(5, 3, "pull", dark=True), Text(25, 3, "SAFE TO PULL", Face.CAPS, dark=True),
            Text(0, 23, line)), seconds=6)  # fmt: skip
    face = Face.TALL if Face.TALL.pitch * len(moved) <= sheet.width else Face.SMALL
    return finished(replace(sheet, foot_right=remark), kind, (
        Block(0, 0, sheet.width, 36),
        Text(11, 3, "SAFE", Face.CAPS, dark=True), Text(19, 19, "TO", Face.CAPS, dark=True),
        Text(52, 4, "PULL", Face.HUGE, dark=True),
        centred(sheet, 38, moved, face)), seconds=6)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a round in progress, in words; "" or None where it is not."""

    phase: str
    fraction: float | None = None
    packets: str = ""
    volume: str = ""
    time: str = ""


def moving(sheet: Sheet, kind: str, facts: Facts) -> Page:
    """Return the page of a round in progress."""
    phase, fraction, packets, time = facts.phase, facts.fraction, facts.packets, facts.time
    percent = "" if fraction is None else f"{int(100 * fraction)}%"
    if not sheet.roomy:
        place = Text(sheet.width - 8 * len(percent), 0, percent, Face.CAPS)
        left = f"{sheet.foot} {packets}" if sheet.foot else f"{phase} {packets}"
        marks = [Text(0, 0, "DO NOT PULL", Face.CAPS), place, Text(0, 23, justify(left, time, sheet.columns))]
        return finished(sheet, kind, (*marks, *_bar(sheet, 16, 6, fraction)))
    ending = fitting(phase, (f"{time} left", time), sheet.columns) if time else ""
    return finished(sheet, kind, (
        Icon(0, 0, "stay"), Text(21, 0, "DO NOT PULL", Face.CAPS),
        Text(0, 18, justify(phase, ending, sheet.columns)),
        *_bar(sheet, 27, 8, fraction),
        Text(0, 37, justify(f"{packets} packets" if packets else "", percent, sheet.columns)),
        Text(0, 46, facts.volume)))  # fmt: skip


def calm(sheet: Sheet, kind: str, name: str, rows: Sequence[str]) -> list[Page]:
    """Return the pages of a box at rest: its name above, the rows below, on as many pages as they need."""
    columns = sheet.width // Face.TALL.pitch
    head: tuple[Mark, ...] = (Text(0, 0, clip(name, columns), Face.TALL),)
    if len(name) > columns:
        # Rather small than cut: a long name still has to be told from its sister's.
        first, *rest = wrap(name, sheet.columns)
        lines = [first, clip(" ".join(rest), sheet.columns)]
        head = tuple(Text(0, 7 * n, line) for n, line in enumerate(lines) if line)
    chunks = [rows[at : at + sheet.lines] for at in range(0, len(rows), sheet.lines)]
    return [finished(sheet, kind, (*head, *_lines(sheet, chunk)), calm=True) for chunk in chunks]


@dataclass(frozen=True, slots=True)
class Way:
    """One direction of a session: the line about it, and how far it is (None: there is nothing to measure)."""

    line: str
    fraction: float | None = None


@dataclass(frozen=True, slots=True)
class Talk:
    """A session in words; `short` is all of it in half a line, for a display of 32 rows."""

    name: str
    icon: str
    ways: tuple[Way, Way]
    fraction: float | None
    short: str
    time: str


def talking(sheet: Sheet, kind: str, talk: Talk) -> Page:
    """Return the page of a session under way: on 64 rows a bar for each direction, on 32 one for both."""
    percent = "" if talk.fraction is None else f"{int(100 * talk.fraction)}%"
    marks = list(_title(sheet, talk.icon, talk.name, percent))
    if not sheet.roomy:
        last = Text(0, 23, justify(talk.short, talk.time, sheet.columns))
        return finished(sheet, kind, (*marks, *_bar(sheet, 16, 6, talk.fraction), last), seconds=6, calm=True)
    for way, y in zip(talk.ways, (sheet.line(0), sheet.line(2)), strict=True):
        marks += [Text(0, y, way.line), *_bar(sheet, y + 9, 7, way.fraction)]
    return finished(sheet, kind, tuple(marks), seconds=6, calm=True)


def carrier(sheet: Sheet, kind: str, icon: str, name: str, rows: Sequence[str], gauge: float | None = None) -> Page:
    """Return the page of a carrier: as many of `rows` as there is room for.

    On 64 rows a bar stands below the first one if there is a `gauge` (0 to 1).
    """
    marks = list(_title(sheet, icon, name))
    tops = [sheet.line(n) for n in range(sheet.lines)]
    if sheet.roomy and gauge is not None:
        marks += _bar(sheet, tops.pop(1), 8, gauge)
    marks += [Text(0, top, row) for top, row in zip(tops, rows, strict=False)]
    return finished(sheet, kind, tuple(marks), calm=True)


@dataclass(frozen=True, slots=True)
class Row:
    """One bay in the overview: at most eight capitals, lit up if they say to pull."""

    name: str
    word: str
    pull: bool = False


def overview(sheet: Sheet, kind: str, rows: Sequence[Row]) -> list[Page]:
    """Return all bays side by side, four (two) to a page."""
    tops = (0, 16, 32, 47) if sheet.roomy else (0, 15)
    chunks = [rows[at : at + len(tops)] for at in range(0, len(rows), len(tops))]
    bare = replace(sheet, foot="", foot_right="")
    pages = []
    for chunk in chunks:
        marks = tuple(mark for top, row in zip(tops, chunk, strict=False) for mark in _row(sheet, top, row))
        pages.append(finished(bare, kind, marks, seconds=5))
    return pages


def finished(sheet: Sheet, kind: str, marks: tuple[Mark, ...], *, seconds: float = 4.0, calm: bool = False) -> Page:
    """Return a page of these marks and the foot, on a display that has room for one."""
    foot: tuple[Mark, ...] = ()
    if sheet.roomy and (sheet.foot or sheet.foot_right):
        foot = (Text(0, _FOOT, justify(sheet.foot, sheet.foot_right, sheet.columns)),)
    return Page(kind, sheet.size, (*(mark for mark in marks if not _blank(mark)), *foot), seconds=seconds, calm=calm)


def numbered(deck: Sequence[Page]) -> list[Page]:
    """Return the pages of a deck with dots in the foot that say which of how many each is."""
    count = len(deck)
    if count < 2 or deck[0].size[1] < 64:
        return list(deck)
    return [_dotted(page, count, number) for number, page in enumerate(deck)]


def _dotted(page: Page, count: int, number: int) -> Page:
    width = Dots.PITCH * count - 2
    dots = Dots(page.size[0] - 1 - width, _FOOT + 3, count, number)
    columns = (page.size[0] - 1 - width - 3) // Face.SMALL.pitch
    marks = tuple(_above_dots(mark, columns) for mark in page.marks)
    # An overview uses the foot for its fourth row.
    return page if page.kind == "overview" else replace(page, marks=(*marks, dots))


def _above_dots(mark: Mark, columns: int) -> Mark:
    if not isinstance(mark, Text) or mark.y != _FOOT or len(mark.text) <= columns:
        return mark
    left, _, right = mark.text.rstrip().partition("  ")
    return replace(mark, text=justify(left, right.strip(), columns) if right else clip(left, columns))


def _title(sheet: Sheet, icon: str, name: str, right: str = "") -> tuple[Mark, ...]:
    """Return an icon and a name, in the small face if it is too long for the tall one, and something at the right."""
    room = sheet.width - 21 - (Face.TALL.pitch * len(right) + 3 if right else 0)
    text = Text(21, 0, name, Face.TALL)
    if text.box[2] > 21 + room:
        text = Text(21, 3, clip(name, room // Face.SMALL.pitch))
    return Icon(0, 0, icon), text, Text(sheet.width - Face.TALL.pitch * len(right), 0, right, Face.TALL)


def _lines(sheet: Sheet, lines: Sequence[str]) -> tuple[Text, ...]:
    return tuple(Text(0, sheet.line(n), line) for n, line in enumerate(lines))


def _bar(sheet: Sheet, y: int, height: int, fraction: float | None) -> tuple[Bar, ...]:
    return () if fraction is None else (Bar(0, y, sheet.width, height, fraction),)


def _row(sheet: Sheet, y: int, row: Row) -> tuple[Mark, ...]:
    width = 8 * len(row.word)
    x = sheet.width - width - 3
    columns = (sheet.width - 8 * 8 - 6) // Face.SMALL.pitch
    name = Text(0, y + 4, clip(row.name, columns))
    word = Text(x, y + 1, row.word, Face.CAPS, dark=row.pull)
    return (name, Block(x - 3, y, width + 6, 16), word) if row.pull else (name, word)


def _blank(mark: Mark) -> bool:
    return isinstance(mark, Text) and not mark.text.strip()
