# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames kept as PNG files: what the panel showed, for a look afterwards and for machines without a display.

Files are called NUMBER-PAGE.png and numbered on across restarts; the oldest go when there are more than FRAMES_MAX.
Only names of this form are ever removed. A frame is written when the page changes, pages of one kind (a growing bar) at
most once a second; calm pages that take turns are written once, not at every turn, as cards wear out by being written.
They are not synced: a power cut may take the last ones.
"""

from __future__ import annotations

import io
import os
import re
from collections import deque
from typing import TYPE_CHECKING, Final

from PIL import Image

from muleteer.errors import PanelPartFailed
from muleteer.panel.draw import draw

if TYPE_CHECKING:
    from muleteer.panel.page import Page, Size
    from muleteer.panel.picture import Picture
    from muleteer.spool.port import Disk

FRAMES_MAX: Final = 500
SCALE: Final = 4  # a page at its own size is a stamp on today's monitors
_SECONDS_BETWEEN: Final = 1.0
_CALM_MAX: Final = 16  # pages that take turns; a deck is shorter
_NAME: Final = re.compile(r"(\d{6})-[a-z]+\.png")


class Album:
    """A screen that is a directory; it is made if missing."""

    def __init__(self, disk: Disk, directory: str, size: Size, frames_max: int = FRAMES_MAX) -> None:
        self.name = "album"
        self.size = size
        self._disk = disk
        self._directory = directory
        self._frames_max = frames_max
        self._kept: deque[str] = deque()
        self._number = 0
        self._page: Page | None = None
        self._calm: deque[Page] = deque(maxlen=_CALM_MAX)  # kept since the last page that was not calm
        self._written = 0.0

    def open(self) -> None:
        """Find the directory and where the numbering stands.

        Raises PanelPartFailed.
        """
        try:
            try:
                names = self._disk.listdir(self._directory)
            except FileNotFoundError:
                self._disk.mkdir(self._directory)
                names = []
        except OSError as error:
            raise self._failed(error) from error
        self._kept = deque(sorted(name for name in names if _NAME.fullmatch(name)))
        self._number = int(self._kept[-1][:6]) if self._kept else 0
        self._page = None
        self._calm.clear()

    def show(self, picture: Picture) -> None:
        """Keep the page, if it is another one.

        Raises PanelPartFailed.
        """
        page, last = picture.page, self._page
        if page == last or page in self._calm:
            return
        alike = last is not None and (page.kind, page.about) == (last.kind, last.about)
        if alike and 0 <= picture.now - self._written < _SECONDS_BETWEEN:
            return
        try:
            self._keep(page)
        except OSError as error:
            raise self._failed(error) from error
        self._page, self._written = page, picture.now
        if page.calm:
            self._calm.append(page)
        else:
            self._calm.clear()

    def close(self) -> None:
        """Do nothing: every frame is complete as soon as it is there."""

    def _keep(self, page: Page) -> None:
        self._number += 1
        name = f"{self._number:06d}-{page.kind}.png"
        draft = os.path.join(self._directory, f".{name}.{self._disk.unique()}")
        with self._disk.create(draft, 0o644) as file:
            file.write(png(page))
        self._disk.rename(draft, os.path.join(self._directory, name))
        self._kept.append(name)
        while len(self._kept) > self._frames_max:
            self._forget(self._kept.popleft())

    def _forget(self, name: str) -> None:
        try:
            self._disk.unlink(os.path.join(self._directory, name))
        except FileNotFoundError:
            return  # somebody tidied up

    def _failed(self, error: OSError) -> PanelPartFailed:
        problem = f"{self._directory}: {error.strerror or error}"
        return PanelPartFailed(part="album", problem=problem, remedy="Check `png` in [panel]")


def png(page: Page, scale: int = SCALE) -> bytes:
    """Return the page as a PNG file, enlarged without smoothing."""
    image = draw(page)
    large = image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    large.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
