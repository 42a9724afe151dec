# SPDX-License-Identifier: GPL-3.0-or-later
"""``muleteer send``: queue many files in one go, made durable in groups."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from muleteer.config.model import Config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the verb's own arguments."""
    parser.add_argument("sources", metavar="FILE", nargs="+", help="a file, or a directory (sent as a tar archive)")
    parser.add_argument("target", metavar="NODE:[FOLDER/]", help="the neighbour, and where in its incoming folder")
    parser.add_argument("-n", "--nice", default="BULK", help="how urgent: FLASH, PRIORITY, NORMAL, BULK, 1-255")
    parser.add_argument("-c", "--config", metavar="FILE", help="the muleteer.toml that names the nncp.hjson")
    parser.add_argument("--nncp", metavar="FILE", help="the nncp.hjson itself")
    parser.add_argument("-q", "--quiet", action="store_true", help="say only what goes wrong")


def run(args: argparse.Namespace) -> int:
    """Send; return 0 if all are queued, 1 if a file could not be read: the others are queued all the same.

    Raises:
        ConfigError, UsageError, SpoolError: nothing more is queued.

    """
    from muleteer.cli.nncp_report import Report
    from muleteer.errors import UsageError
    from muleteer.formats.niceness import parse_nice
    from muleteer.spool.disk import RealDisk
    from muleteer.spool.spool import Spool
    from muleteer.tossing.submit import Submitter

    name, colon, folder = args.target.partition(":")
    if not colon:
        raise UsageError(problem=f"{args.target!r} names no place: write NODE: or NODE:FOLDER/")
    if folder and not folder.endswith("/"):
        folder += "/"
    nice = parse_nice(args.nice)
    config = _config(args)
    node = config.find(name)
    disk = RealDisk(sync=not os.environ.get("NNCPNOSYNC"))
    spool = Spool(config.spool, disk, headers=not config.nohdr)
    submitter = Submitter(config, spool, Report(config.log, disk, None, quiet=args.quiet, debug=False))
    minsize = node.freq.minsize if node.freq else 0
    unread = 0
    with spool.batch() as batch:
        for source in args.sources:
            base = os.path.basename(source.rstrip("/")) + (".tar" if os.path.isdir(source) else "")
            try:
                submitter.path(node, nice, source, folder + base, minsize=minsize, batch=batch)
            except OSError as error:
                print(f"muleteer send: {source}: {error.strerror or error}; it is not sent", file=sys.stderr)
                unread += 1
    return 1 if unread else 0


def _config(args: argparse.Namespace) -> Config:
    from muleteer.config.appliance import load_appliance
    from muleteer.config.load import DEFAULT_PATH, load
    from muleteer.config.model import with_environment

    path = args.nncp or (load_appliance(args.config).nncp if args.config else DEFAULT_PATH)
    said = bool(args.nncp or args.config)  # what is said here wins over NNCPCFG
    config = with_environment(load(path, {} if said else os.environ), os.environ)
    if config.umask is not None:
        os.umask(config.umask)
    return config
