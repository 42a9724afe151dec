# SPDX-License-Identifier: GPL-3.0-or-later
"""Find and read `nncp.hjson`; the way in for every command.

The common case, a configuration that did not change since the last command, is one stat and one small read.
"""

from __future__ import annotations

import _stat as stat
import posix as os  # os itself takes 0.8 ms to import

from muleteer.config import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from muleteer.config.model import Config

DEFAULT_PATH = "/etc/nncp.hjson"
"""Debian's; upstream's is /usr/local/etc/nncp.hjson."""


def config_path(flag: str | None, environ: Mapping[str, str]) -> str:
    """Return which file counts: NNCPCFG wins over the `-cfg` flag (as in the reference), then Debian's default."""
    return environ.get("NNCPCFG") or flag or DEFAULT_PATH


def load(path: str | None, environ: Mapping[str, str], places: tuple[str, ...] | None = None) -> Config:
    """Load the configuration that the `-cfg` flag and the environment name.

    `places` are the cache directories to use instead of the usual ones. NNCPSPOOL and NNCPLOG are not applied here:
    see `model.with_environment`.

    Raises:
        ConfigError: it is missing, unreadable or wrong; the message tells where and what would be right.
        NotYetSupported: it is encrypted (nncp-cfgenc) or a directory (nncp-cfgdir).

    """
    name = config_path(path, environ)
    places = cache.directories(environ) if places is None else places
    try:
        status = os.stat(name)
    except (OSError, ValueError):
        status = None
    if status and stat.S_ISREG(status.st_mode):
        config = cache.recall(name, status, places)
        if config is not None:
            return config
    from muleteer.config.read import read_config  # imports the Hjson library: only when needed

    config, status = read_config(name)
    if status is not None:
        cache.remember(config, status, places)
    return config
