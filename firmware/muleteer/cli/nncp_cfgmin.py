# SPDX-License-Identifier: GPL-3.0-or-later
"""``nncp-cfgmin``: print what of a configuration others may have: names and public keys."""

from __future__ import annotations

from muleteer.cli.nncp_say import put
from muleteer.cli.nncp_setting import CFG, load_setting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from muleteer.cli.flags import Given

SUMMARY = """print the configuration without its private keys

NAME [-cfg FILE] > nncp.min.hjson"""
FLAGS = (CFG,)


def run(given: Given) -> int:
    """Print it."""
    from muleteer.config.write import stripped_text

    put(stripped_text(load_setting(given).config))
    return 0
