# SPDX-License-Identifier: GPL-3.0-or-later
"""A page: the marks that stand on the display at one instant, with their places; and the size of everything.

All faces have a fixed pitch, so that a page can be laid out by counting columns, without asking the font, and numbers
do not wander while they grow. A page keeps one column at the right and one row at the bottom free: `care` moves the
picture about by that pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

Size: TypeAlias = tuple[int, int]  # width, height in pixels
SIZES: Final[tuple[Size, ...]] = ((128, 64), (128, 32))


class Face(Enum):
    """The type faces; a value is (pitch, height) in pixels."""

    SMALL = (6, 8)
    TALL = (8, 16)
    CAPS = (8, 14)  # the same letters, for words of capitals: no room below the line
    HUGE = (16, 28)  # capitals only

    @property
    def pitch(self) -> int:
        """Pixels from one character to the next."""
        return self.value[0]

    @property
    def height(self) -> int:
        """Pixels from the top of a line to its bottom, descenders included."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text; its top left corner stands at x, y. `dark` is for text on a `Block`."""

    x: int
    y: int
    text: str
    face: Face = Face.SMALL
    dark: bool = False

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom; the latter two just outside."""
        return self.x, self.y, self.x + self.face.pitch * len(self.text), self.y + self.face.height


@dataclass(frozen=True, slots=True)
class Bar:
    """A framed bar, filled from the left by `fraction` (0 to 1)."""

    x: int
    y: int
    width: int
    height: int
    fraction: float

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom; the latter two just outside."""
        return self.x, self.y, self.x + self.width, self.y + self.height


@dataclass(frozen=True, slots=True)
class Block:
    """A lit area with rounded corners; dark text stands on it."""

    x: int
    y: int
    width: int
    height: int

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom; the latter two just outside."""
        return self.x, self.y, self.x + self.width, self.y + self.height


@dataclass(frozen=True, slots=True)
class Icon:
    """A picture of 16 by 14 pixels, by its name in `icons`."""

    x: int
    y: int
    name: str
    dark: bool = False

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom; the latter two just outside."""
        return self.x, self.y, self.x + 16, self.y + 14


@dataclass(frozen=True, slots=True)
class Dots:
    """A row of `count` dots with number `lit` (from 0) filled: which page of how many this is."""

    x: int
    y: int
    count: int
    lit: int

    PITCH = 5

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom; the latter two just outside."""
        return self.x, self.y, self.x + self.PITCH * self.count - 2, self.y + 3


Mark: TypeAlias = Text | Bar | Block | Icon | Dots


@dataclass(frozen=True, slots=True)
class Page:
    """What is on the display, and for how long when others wait for their turn.

    `kind` names the sort of page and `about` the bay it is about; a `calm` page may be dimmed.
    """

    kind: str
    size: Size
    marks: tuple[Mark, ...]
    about: str = ""
    seconds: float = 4.0
    calm: bool = False

    @property
    def words(self) -> str:
        """All its text, for tests and for who cannot see."""
        return "\n".join(mark.text for mark in self.marks if isinstance(mark, Text))
