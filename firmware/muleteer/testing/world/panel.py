# SPDX-License-Identifier: GPL-3.0-or-later
"""The lamps of a simulated box: the panel's own rules and board, on pins of mock. A person looks at them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muleteer.panel.lampboard import LampBoard
from muleteer.panel.lamps import lamps
from muleteer.testing.pins import Header, MockPins

if TYPE_CHECKING:
    from muleteer.agent.status import Status
    from muleteer.config.appliance import PanelRules

GLANCES_MS = (0, 130, 260, 510, 1030, 1270, 1990)  # enough to tell every rhythm from a steady light


class Panel:
    """Shows one status at a time; without one (`None`: no agent) it says that nothing is known."""

    def __init__(self, rules: PanelRules) -> None:
        self._rules = rules
        self._header = Header()
        self._board = LampBoard(MockPins(self._header), rules.lamps, rules.pull)
        self._board.open()
        self._safe: dict[str, bool] = {}

    def show(self, status: Status | None) -> None:
        """Show a status; a person looks for two seconds."""
        lit = lamps(status, self._rules.pull)
        seen: dict[str, list[bool]] = {bay: [] for bay in self._rules.pull}
        for glance in GLANCES_MS:
            self._board.show(lit, glance)
            for bay, pin in self._rules.pull.items():
                seen[bay].append(self._header.lit(pin))
        self._safe = {bay: all(glances) for bay, glances in seen.items()}

    def says_safe(self, bay: str) -> bool:
        """Tell whether a bay's pull-lamp is steadily lit: "safe to pull"."""
        return self._safe.get(bay, False)

    def dark(self) -> None:
        """Let the power go."""
        self._safe = {}
