# SPDX-License-Identifier: GPL-3.0-or-later
"""How to go through many files of a stick on which some cannot be read. Pure.

Each file that fails may take the kernel half a minute, so a stick that only fails must be given up; but a worn stick
with one bad region must give what is good, however much lies in that region and wherever in the listing it stands.

1. In the given order, until `SPREAD_AFTER` files in a row have failed.
2. Then the rest is tried in strides that are spread evenly over it, from a place that differs from round to round:
   what was written together lies together, so the good ones are elsewhere.
3. `ROW_MAX` failures in a row end it. Whatever can be read, begins the count anew: good files are never given up for
   the number of bad ones, only for the lack of good ones between them.
"""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Item = TypeVar("Item")

SPREAD_AFTER = 8
ROW_MAX = 32
_GOLDEN = 0.618  # steps of this part of a length come back to no place before all others had their turn


class Patience(Generic[Item]):
    """Hands out `items`; say `worked` or `failed` after each. `untried` are those that were given up."""

    def __init__(self, items: Sequence[Item], start: int = 0) -> None:
        self.untried: list[Item] = []
        self._items = items
        self._start = start
        self._row = 0

    def __iter__(self) -> Iterator[Item]:
        position = 0
        while position < len(self._items) and self._row < SPREAD_AFTER:
            yield self._items[position]
            position += 1
        for index in spread(len(self._items) - position, self._start):
            item = self._items[position + index]
            if self._row < ROW_MAX:
                yield item
            else:
                self.untried.append(item)

    def worked(self) -> None:
        """Count a file that could be read, whatever was in it."""
        self._row = 0

    def failed(self) -> None:
        """Count a file that could not."""
        self._row += 1


def spread(count: int, start: int = 0) -> Iterator[int]:
    """Yield 0 to `count` - 1, each once, any few of them in a row spread over the whole."""
    stride = max(1, int(count * _GOLDEN))
    while gcd(stride, count) > 1:
        stride += 1
    for step in range(count):
        yield (start + step * stride) % count
