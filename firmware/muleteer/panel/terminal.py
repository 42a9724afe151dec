# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel in a terminal: frames in block or Braille characters, lamps as a glyph and words.

A frame of 128 by 64 takes 128 columns and 32 rows in half blocks (the most legible), 64 and 16 in Braille dots;
`render` takes the former where all boxes fit side by side, else the latter, with as many boxes in a row as fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from muleteer.panel.lamps import Lamp
from muleteer.panel.wording import clip, legible

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TextIO

    from PIL.Image import Image

    from muleteer.panel.lamps import Lit

LIT, DARK = "●", "○"
GAP: Final = 2  # columns between boxes
_HALVES: Final = " ▀▄█"
_BRAILLE: Final = 0x2800
_DOTS: Final = (
    (0, 0, 0x01),
    (0, 1, 0x02),
    (0, 2, 0x04),
    (1, 0, 0x08),
    (1, 1, 0x10),
    (1, 2, 0x20),
    (0, 3, 0x40),
    (1, 3, 0x80),
)
_GLASS, _GLOW, _PLAIN = "\x1b[96;40m", "\x1b[93m", "\x1b[0m"  # light on black like the display, whatever the theme
_HIDE, _SHOW, _CLEAR_REST = "\x1b[?25l", "\x1b[?25h", "\x1b[J"


@dataclass(frozen=True, slots=True)
class Box:
    """One box to be drawn: what is written on its lid, its display, and its lamps."""

    title: str
    frame: Image
    lamps: Sequence[Lit]


def render(
    boxes: Sequence[Box], now_ms: int, columns: int, rows: int | None = None, *, colour: bool = False
) -> list[str]:
    """Return the lines that show these boxes in a terminal of so many columns and rows (None: paper, without end).

    `now_ms` is the instant of the monotonic clock, for lamps that blink.
    """
    widest = max(box.frame.width for box in boxes)
    tallest = max(box.frame.height // 2 + 4 + (len(box.lamps) + 1) // 2 for box in boxes)
    needed = len(boxes) * (widest + 2) + (len(boxes) - 1) * GAP
    large = needed <= columns and (rows is None or tallest < rows)
    paint, inner = (_halves, widest) if large else (_braille, widest // 2)
    per_row = max((columns + GAP) // (inner + 2 + GAP), 1)
    lines: list[str] = []
    for at in range(0, len(boxes), per_row):
        blocks = [_block(box, now_ms, paint, inner, colour=colour) for box in boxes[at : at + per_row]]
        height = max(len(block) for block in blocks)
        padded = [block + [" " * (inner + 2)] * (height - len(block)) for block in blocks]
        lines += [(" " * GAP).join(parts).rstrip() for parts in zip(*padded, strict=True)]
    return lines


def _block(box: Box, now_ms: int, paint: Callable[[bytes, int], list[str]], inner: int, *, colour: bool) -> list[str]:
    """Return one box as lines of inner + 2 columns: lid, display, power lamps, pull-lamps."""
    title = clip(legible(box.title), inner - 4)
    glass, plain = (_GLASS, _PLAIN) if colour else ("", "")
    lines = ["╭─ " + title + " " + "─" * (inner - 3 - len(title)) + "╮"]
    lines += [f"│{glass}{line}{plain}│" for line in paint(box.frame.tobytes(), box.frame.width)]
    lines.append("├" + "─" * inner + "┤")
    own = [lamp for lamp in box.lamps if lamp.lamp is not Lamp.PULL]
    # A long name is cut before what its lamp says is.
    pull = [
        (lamp, f"{clip(legible(lamp.bay), inner // 2 - 6 - len(lamp.says))}: {lamp.says}")
        for lamp in box.lamps
        if lamp.lamp is Lamp.PULL
    ]
    rows = [[(lamp, lamp.lamp.value) for lamp in own]] if own else []
    rows += [pull[at : at + 2] for at in range(0, len(pull), 2)]
    lines += [_lamp_row(row, now_ms, inner, colour=colour) for row in rows]
    return [*lines, "╰" + "─" * inner + "╯"]


def _lamp_row(row: list[tuple[Lit, str]], now_ms: int, inner: int, *, colour: bool) -> str:
    """Return a line of lamps, each in an equal share of the width: none pushes the next one about."""
    share = inner // len(row)
    text = ""
    for lamp, words in row:
        lit = lamp.pattern.lit(now_ms)
        glow, plain = (_GLOW, _PLAIN) if colour and lit else ("", "")
        text += f" {glow}{LIT if lit else DARK}{plain} {clip(words, share - 4):<{share - 3}}"
    return "│" + text + " " * (inner - share * len(row)) + "│"


@lru_cache(maxsize=16)
def _halves(pixels: bytes, width: int) -> list[str]:
    lit, height = _reader(pixels, width)
    return ["".join(_HALVES[lit(x, y) + 2 * lit(x, y + 1)] for x in range(width)) for y in range(0, height, 2)]


@lru_cache(maxsize=16)
def _braille(pixels: bytes, width: int) -> list[str]:
    lit, height = _reader(pixels, width)

    def cell(x: int, y: int) -> str:
        return chr(_BRAILLE + sum(dot for dx, dy, dot in _DOTS if lit(x + dx, y + dy)))

    return ["".join(cell(x, y) for x in range(0, width, 2)) for y in range(0, height, 4)]


def _reader(pixels: bytes, width: int) -> tuple[Callable[[int, int], int], int]:
    """Return a function that reads a pixel (0 or 1) of a 1-bit picture, and how many rows it has."""
    stride = (width + 7) // 8

    def lit(x: int, y: int) -> int:
        return pixels[y * stride + x // 8] >> (7 - x % 8) & 1

    return lit, len(pixels) // stride


class TerminalView:
    """Boxes drawn over and over in the same place of a terminal (`live`).

    On anything else they are drawn one below the other, at every change that matters.
    """

    def __init__(self, stream: TextIO, size: Callable[[], tuple[int, int]], *, live: bool) -> None:
        self._stream = stream
        self._size = size
        self._live = live
        self._lines: list[str] = []
        self._matter: object = None

    def draw(self, boxes: Sequence[Box], now_ms: int, below: Sequence[str] = ()) -> None:
        """Bring the boxes out, if they look different from the last time, with lines of text `below` where live."""
        columns, rows = self._size()
        if self._live:
            words = [clip(line, columns) for line in below]
            # What is higher than the terminal would scroll, and be drawn over and over below itself.
            room = max(rows - 1 - len(words), 0)
            self._redraw(render(boxes, now_ms, columns, room, colour=True)[:room] + words)
            return
        # Blinking is no news on paper: lamps count by what they say.
        matter = [(box.title, box.frame.tobytes(), [lamp.says for lamp in box.lamps]) for box in boxes]
        if matter != self._matter:
            self._matter = matter
            self._write("\n".join(render(boxes, now_ms, columns)) + "\n")

    def close(self) -> None:
        """Leave the terminal as it was, below the last picture."""
        if self._live and self._lines:
            self._write(_SHOW)

    def _redraw(self, lines: list[str]) -> None:
        if lines == self._lines:
            return
        back = f"\x1b[{len(self._lines)}A\r" if self._lines else _HIDE
        rest = _CLEAR_REST if len(lines) != len(self._lines) else ""
        self._write(back + rest + "".join(f"{line}\x1b[K\n" for line in lines))
        self._lines = lines

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
