# SPDX-License-Identifier: GPL-3.0-or-later
"""From a page to its pixels, through luma's canvas and bitmap fonts: no font file or library version moves a dot.

The faces: SMALL is luma's LCD font (5 by 7 in a pitch of 6), which has Cyrillic; marks (umlauts, accents) are set on
its letters here. TALL and CAPS are its CP437 font with every row doubled, which evens out the stems (2 pixels) and the
bars (1 pixel); HUGE is that once more, smoothed by the Scale2x rule. Letters CP437 lacks are taken from SMALL.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias, assert_never

from luma.core.legacy.font import CP437_FONT, LCD_FONT
from luma.core.render import canvas
from PIL import Image

from muleteer.panel.icons import ICONS
from muleteer.panel.page import Bar, Block, Dots, Face, Icon, Mark, Page, Text
from muleteer.panel.wording import CYRILLIC

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL.ImageDraw import ImageDraw

    from muleteer.panel.page import Size

Bits: TypeAlias = tuple[str, ...]  # rows of "#" and "."

_MARKS: Final[dict[str, dict[int, tuple[int, ...]]]] = {  # combining mark -> row -> columns of a letter five wide
    "\u0300": {0: (1,), 1: (2,)},  # grave
    "\u0301": {0: (3,), 1: (2,)},  # acute
    "\u0302": {0: (2,), 1: (1, 3)},  # circumflex
    "\u0303": {0: (1, 2, 3)},  # tilde: room for a stroke only
    "\u0306": {0: (1, 3), 1: (2,)},  # breve
    "\u0308": {0: (1, 3)},  # diaeresis
    "\u030a": {0: (2,), 1: (2,)},  # ring
    "\u030c": {0: (1, 3), 1: (2,)},  # caron
    "\u0327": {7: (1, 2)},  # cedilla
}

_HUNG: Final[dict[str, Bits]] = {  # luma's font keeps every letter on the line: these hang below it again, in row 7
    "g": (".####", "#...#", "#...#", ".####", "....#", ".###."),
    "j": ("..##.", "...#.", "...#.", "...#.", "#..#.", ".##.."),
    "p": ("####.", "#...#", "#...#", "####.", "#....", "#...."),
    "q": (".####", "#...#", "#...#", ".####", "....#", "....#"),
    "y": ("#...#", "#...#", "#...#", ".####", "....#", ".###."),
    ",": (".....", ".....", ".....", ".##..", "..#..", ".#..."),
    ";": (".##..", ".##..", ".....", ".##..", "..#..", ".#..."),
}
_HUNG_TOO: Final = {"\u0440": "p", "\u0443": "y"}  # Cyrillic er and u


class _Paper:
    """What luma's canvas takes for a device: it keeps the picture."""

    mode = "1"

    def __init__(self, size: Size) -> None:
        self.size = size
        self.image = Image.new("1", size)

    def display(self, image: Image.Image) -> None:
        self.image = image


def draw(page: Page) -> Image.Image:
    """Return the page as a 1-bit picture of its size; lit pixels are 1."""
    paper = _Paper(page.size)
    with canvas(paper) as pen:
        for mark in page.marks:
            _draw(pen, mark)
    return paper.image


def shifted(image: Image.Image, by: tuple[int, int]) -> Image.Image:
    """Return the picture moved right and down; what leaves it is lost."""
    moved = Image.new("1", image.size)
    moved.paste(image, by)
    return moved


def _draw(pen: ImageDraw, mark: Mark) -> None:
    match mark:
        case Text():
            for n, char in enumerate(mark.text):
                pen.bitmap((mark.x + n * mark.face.pitch, mark.y), _glyph(char, mark.face), fill=int(not mark.dark))
        case Icon():
            pen.bitmap((mark.x, mark.y), _icon(mark.name), fill=int(not mark.dark))
        case Block():
            _block(pen, mark)
        case Bar():
            _bar(pen, mark)
        case Dots():
            for n in range(mark.count):
                x = mark.x + n * mark.PITCH
                pen.rectangle((x, mark.y, x + 2, mark.y + 2), fill=int(n == mark.lit), outline=1)
        case _:
            assert_never(mark)


def _block(pen: ImageDraw, block: Block) -> None:
    # Rounded by leaving out corner pixels: Pillow's rounded_rectangle has changed its mind about them between versions.
    left, top, right, bottom = block.x, block.y, block.x + block.width - 1, block.y + block.height - 1
    pen.rectangle((left + 2, top, right - 2, bottom), fill=1)
    pen.rectangle((left + 1, top + 1, right - 1, bottom - 1), fill=1)
    pen.rectangle((left, top + 2, right, bottom - 2), fill=1)


def _bar(pen: ImageDraw, bar: Bar) -> None:
    right, bottom = bar.x + bar.width - 1, bar.y + bar.height - 1
    pen.rectangle((bar.x, bar.y, right, bottom), fill=0, outline=1)
    room = bar.width - 4
    # Anything begun shows, anything unfinished leaves a gap.
    filled = int(room * bar.fraction)
    filled = max(filled, 1) if bar.fraction > 0 else 0
    if filled:
        pen.rectangle((bar.x + 2, bar.y + 2, bar.x + 1 + filled, bottom - 2), fill=1)


@lru_cache(maxsize=512)
def _glyph(char: str, face: Face) -> Image.Image:
    match face:
        case Face.SMALL:
            bits = _small(char)
        case Face.TALL | Face.CAPS:
            bits = _tall(char)[: face.height]
        case Face.HUGE:
            bits = _doubled(_tall(char))[: face.height]
        case _:
            assert_never(face)
    return _mask(bits)


@lru_cache(maxsize=16)
def _icon(name: str) -> Image.Image:
    return _mask(ICONS[name])


def _small(char: str) -> Bits:
    """Return a letter of the small face, 6 by 8; a mark is set over the letter, which makes room if it must."""
    base, *marks = [char] if ord(char) in CYRILLIC else list(unicodedata.normalize("NFD", char))
    rows = _plain(base)
    if not marks:
        return rows
    dots = _MARKS[marks[0]]
    if 0 in dots:
        rows = ("......", "......", *_lowered(rows)) if base not in "ij" else ("......", "......", *rows[2:])
    return tuple(_dotted(row, dots.get(n, ())) for n, row in enumerate(rows))


def _plain(char: str) -> Bits:
    hung = _HUNG.get(_HUNG_TOO.get(char, char))
    if hung is None:
        return _rows(LCD_FONT[_lcd_code(char)][:6])
    top = "...#.." if char == "j" else "......"
    return (top, "......", *(row + "." for row in hung))


def _lowered(rows: Bits) -> Bits:
    """Return rows 2 to 7 of a letter with all of it pressed into them; rows that repeat the one above go first."""
    body = list(rows[:7])
    while len(body) > 5:
        twin = next((n for n in range(1, len(body)) if body[n] == body[n - 1]), 3)
        del body[twin if "#" in body[0] else 0]
    return (*body, rows[7])


def _dotted(row: str, places: Sequence[int]) -> str:
    return "".join("#" if n in places else bit for n, bit in enumerate(row))


def _lcd_code(char: str) -> int:
    if ord(char) in CYRILLIC:
        return 0x80 + (ord(char) - 0x410 + 0x10) % 0x40
    return ord(char) if char.isascii() else ord("?")


def _tall(char: str) -> Bits:
    """Return a letter of the tall face, 8 by 16."""
    try:
        rows = _rows(CP437_FONT[char.encode("cp437")[0]])
    except UnicodeEncodeError:
        rows = tuple(row + ".." for row in _small(char))
    return tuple(row for row in rows for _ in range(2))


def _doubled(bits: Bits) -> Bits:
    """Return the picture at twice the size, its stairs smoothed by the Scale2x rule."""
    rows = []
    for y, row in enumerate(bits):
        above, below = bits[max(y - 1, 0)], bits[min(y + 1, len(bits) - 1)]
        upper, lower = "", ""
        for x, dot in enumerate(row):
            quad = _scale2x(dot, above[x], below[x], row[max(x - 1, 0)], row[min(x + 1, len(row) - 1)])
            upper += quad[:2]
            lower += quad[2:]
        rows += [upper, lower]
    return tuple(rows)


def _scale2x(dot: str, up: str, down: str, left: str, right: str) -> str:
    if up == down or left == right:
        return dot * 4
    return "".join((
        left if left == up else dot,
        right if up == right else dot,
        left if left == down else dot,
        right if down == right else dot,
    ))  # fmt: skip


def _rows(columns: Sequence[int]) -> Bits:
    return tuple("".join("#" if column >> y & 1 else "." for column in columns) for y in range(8))


def _mask(bits: Bits) -> Image.Image:
    image = Image.new("1", (len(bits[0]), len(bits)))
    image.putdata([int(bit == "#") for row in bits for bit in row])
    return image
