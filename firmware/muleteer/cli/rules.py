# SPDX-License-Identifier: GPL-3.0-or-later
"""``muleteer rules show|import|export``: the carrier rules as a table, from NNCP's `calls`, and as such."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from muleteer.config.appliance import Appliance
    from muleteer.config.model import Config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the verb's own arguments."""
    from muleteer.agent.box import DEFAULT_PATH

    parts = parser.add_subparsers(dest="what", required=True, metavar="show|import|export")
    show = parts.add_parser("show", help="print the table of carriers as the box understands it")
    take = parts.add_parser("import", help="print rules for muleteer.toml made from the `calls` of nncp.hjson")
    give = parts.add_parser("export", help="print `calls` for nncp.hjson made from the rules of muleteer.toml")
    for part in (show, take, give):
        part.add_argument(
            "-c", "--config", metavar="FILE", default=DEFAULT_PATH, help="muleteer.toml (default: %(default)s)"
        )
    for part in (take, give):
        part.add_argument("--nncp", metavar="FILE", help="nncp.hjson (default: the one that muleteer.toml names)")


def run(args: argparse.Namespace) -> int:
    """Print it; return 0.

    Raises:
        ConfigError: a file is missing or wrong.

    """
    text = {"show": _show, "import": _import, "export": _export}[args.what](args)
    sys.stdout.write(text)
    return 0


def _show(args: argparse.Namespace) -> str:
    from muleteer.config.appliance import load_appliance
    from muleteer.config.rules_table import table_text
    from muleteer.errors import ConfigError

    appliance = load_appliance(args.config)
    try:
        config = _config(appliance, None)
    except ConfigError as error:
        # The rules alone are worth seeing; who may read them may not read the keys.
        print(f"muleteer rules: {error}", file=sys.stderr)
        return table_text(appliance)
    return table_text(appliance) + _calls_beside(config)


def _import(args: argparse.Namespace) -> str:
    from muleteer.config.appliance import load_appliance
    from muleteer.config.calls_toml import rules_text
    from muleteer.config.load import load

    if args.nncp:
        return rules_text(load(args.nncp, {}))
    return rules_text(_config(load_appliance(args.config), None))


def _export(args: argparse.Namespace) -> str:
    from muleteer.config.appliance import load_appliance
    from muleteer.config.calls_hjson import calls_text

    appliance = load_appliance(args.config)
    return calls_text(appliance, _config(appliance, args.nncp))


def _config(appliance: Appliance, nncp: str | None) -> Config:
    from muleteer.config.appliance import require_known_names
    from muleteer.config.load import load

    plain = {name: value for name, value in os.environ.items() if name != "NNCPCFG"}  # as the agent does
    config = load(nncp or appliance.nncp, plain)
    require_known_names(appliance, config)
    return config


def _calls_beside(config: Config) -> str:
    calling = [neighbour.name for neighbour in config.neighbours.values() if neighbour.calls]
    if not calling:
        return ""
    return f"\nThe `calls` of {config.path} are kept as well, within these rules: for {', '.join(sorted(calling))}.\n"
