# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw round.png: the panel through one round, from the same code that drives the real one.

Run it again when pages or lamps change: ``python hw/pictures/round.py``.
"""

from __future__ import annotations

import pathlib

from PIL import Image, ImageDraw

from muleteer.agent.status import Bay, BayState, Phase, Problem, Progress, Queue, RoundSummary, Status
from muleteer.panel.draw import draw
from muleteer.panel.lamps import OFF, STEADY, lamps
from muleteer.panel.pages import deck

SCALE = 3
SIZE = (128, 64)
MARGIN, GAP, LID = 14, 18, 34
GLASS, DARK, BEZEL, LAMP_ON, LAMP_OFF = "#9fe8ff", "#05080a", "#23282c", "#ffd257", "#4a4a44"
NOW = 1_800_000_000.0

LAST = RoundSummary("left", "BLUE", ended=NOW, received=9, received_bytes=31 << 20, sent=14, sent_bytes=118 << 20)
IDLE = Status("home", now=NOW, bays=(Bay("left"),), queue=(Queue("stick", 14, 118 << 20, 96),), last_round=LAST)
WORKING = Progress(Phase.SENDING, 6, 14, 51 << 20, 118 << 20, 23.0)
PROBLEM = Problem("Stick pulled too early", "Put it back: nothing is lost, the round completes.")
SCENES = (
    ("waiting for a stick", IDLE),
    ("a stick is in", IDLE.with_bay(Bay("left", BayState.WORKING, "BLUE", WORKING))),
    ("done", IDLE.with_bay(Bay("left", BayState.SAFE, "BLUE", last=LAST))),
    ("pulled too early", IDLE.with_bay(Bay("left", BayState.PULLED, "BLUE", problem=PROBLEM))),
)


def scene(title: str, status: Status) -> Image.Image:
    """One box: display above, lamps below; a blinking lamp is drawn half lit, with its rhythm beside it."""
    frame = draw(deck(status, SIZE, NOW)[0])
    glass = frame.resize((SIZE[0] * SCALE, SIZE[1] * SCALE), Image.Resampling.NEAREST)
    image = Image.new("RGB", (glass.width + 2 * MARGIN, glass.height + 2 * MARGIN + 4 * LID), BEZEL)
    image.paste(DARK, (MARGIN - 6, MARGIN - 6, glass.width + MARGIN + 6, glass.height + MARGIN + 6))
    image.paste(GLASS, (MARGIN, MARGIN), glass.convert("L"))
    pen = ImageDraw.Draw(image)
    pen.fontmode = "L"
    for row, lit in enumerate(lamps(status, ("left",))):
        y = glass.height + 2 * MARGIN + row * (LID - 4) + 10
        fill = {STEADY: LAMP_ON, OFF: LAMP_OFF}.get(lit.pattern, LAMP_ON)
        pen.ellipse((MARGIN, y, MARGIN + 16, y + 16), fill=fill, outline="#111111", width=2)
        words = f"{lit.bay or lit.lamp.value}: {lit.pattern.name} ({lit.says})"
        pen.text((MARGIN + 26, y), words, "#d8dde0", font_size=15)
    titled = Image.new("RGB", (image.width, image.height + LID), "white")
    titled.paste(image, (0, LID))
    ImageDraw.Draw(titled).text((4, 6), title, "#333333", font_size=20)
    return titled


def main() -> None:
    """Compose the scenes, two in a row."""
    scenes = [scene(title, status) for title, status in SCENES]
    width, height = scenes[0].size
    sheet = Image.new("RGB", (2 * width + GAP, 2 * height + GAP), "white")
    for number, image in enumerate(scenes):
        sheet.paste(image, ((number % 2) * (width + GAP), (number // 2) * (height + GAP)))
    sheet.save(pathlib.Path(__file__).with_suffix(".png"), optimize=True)


if __name__ == "__main__":
    main()
