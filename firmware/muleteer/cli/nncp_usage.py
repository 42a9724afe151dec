# SPDX-License-Identifier: GPL-3.0-or-later
"""What the drop-in commands say about themselves; loaded only when asked or misused."""

from __future__ import annotations

from muleteer.cli.flags import SWITCH, TEXT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from muleteer.cli.flags import Flag

WARRANTY = """\
This program is free software: you can redistribute it and/or modify
it under the terms of the GNU General Public License as published by
the Free Software Foundation, either version 3 of the License, or
(at your option) any later version.

This program is distributed in the hope that it will be useful,
but WITHOUT ANY WARRANTY; without even the implied warranty of
MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE.  See the
GNU General Public License for more details.

You should have received a copy of the GNU General Public License
along with this program.  If not, see <https://www.gnu.org/licenses/>."""


def usage(name: str, summary: str, table: Sequence[Flag]) -> str:
    """Return the usage text. `summary` is a sentence, then lines of synopsis in which NAME stands for the command."""
    lines = [f"{name}: {summary.replace('NAME', name)}", "", "Flags (before any argument):"]
    lines += [_line(flag) for flag in sorted(table, key=lambda flag: flag.name)]
    return "\n".join(lines) + "\n"


def _line(flag: Flag) -> str:
    left = f"-{flag.name}" if flag.kind == SWITCH else f"-{flag.name} {'TEXT' if flag.kind == TEXT else 'N'}"
    default = "" if flag.default in ("", 0, False) else f" (default {flag.default})"
    return f"  {left:20} {flag.help}{default}"
