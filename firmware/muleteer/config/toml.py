# SPDX-License-Identifier: GPL-3.0-or-later
"""Read TOML, the notation of muleteer.toml; the only importer of tomllib."""

from __future__ import annotations

import re
import tomllib

from muleteer.errors import ConfigError


def parse(text: str, name: str) -> dict[str, object]:
    """Parse a whole TOML text.

    Raises:
        ConfigError: it is not TOML.

    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problem, _, place = str(error).partition(" (at ")
        line = re.match(r"line (\d+)", place)
        where = f"{name} (line {line[1]})" if line else name
        remedy = "Compare with example.toml: texts stand in double quotes, one `key = value` a line."
        raise ConfigError(
            where=where, problem=f"not valid TOML: {problem[:1].lower()}{problem[1:]}", remedy=remedy
        ) from None
    except (RecursionError, ValueError):
        # ValueError: a number of more than 4,300 digits.
        problem = "not valid TOML: nested too deep, or a number beyond all bounds"
        raise ConfigError(where=name, problem=problem, remedy="Compare with example.toml.") from None
