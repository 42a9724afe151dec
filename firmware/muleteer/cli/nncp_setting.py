# SPDX-License-Identifier: GPL-3.0-or-later
"""What the drop-in commands have in common: their shared flags, and a configuration with its spool and log."""

from __future__ import annotations

import posix as os  # os itself takes 0.8 ms to import
import sys

from muleteer.cli.flags import SWITCH, TEXT, Flag
from muleteer.config.load import DEFAULT_PATH, load
from muleteer.config.model import relocate, with_environment
from muleteer.errors import NotYetSupported, UsageError
from muleteer.spool.disk import RealDisk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.cli.flags import Given
    from muleteer.cli.nncp_report import Report
    from muleteer.config.model import Config, Neighbour
    from muleteer.formats.ids import NodeId
    from muleteer.spool.spool import Spool
    from muleteer.tossing.submit import Submitter

CFG = Flag("cfg", TEXT, DEFAULT_PATH, "configuration file; NNCPCFG in the environment wins over it")
SPOOL = Flag("spool", TEXT, "", "use this spool")
LOG = Flag("log", TEXT, "", "write this log file, or FD:N")
DEBUG = Flag("debug", SWITCH, False, "show log records on standard error")
QUIET = Flag("quiet", SWITCH, False, "say nothing on standard error unless the command as a whole fails")
PROGRESS = Flag("progress", SWITCH, False, "show progress even if the configuration says `noprogress`")
NOPROGRESS = Flag("noprogress", SWITCH, False, "show no progress")
NODE = Flag("node", TEXT, "", "only this neighbour")
VIA = Flag("via", TEXT, "", "relays to take, first one first, instead of the configured ones; - for none")
WORKING = (CFG, SPOOL, LOG, DEBUG, QUIET, PROGRESS, NOPROGRESS)
"""The flags of every command that writes to the log."""

KIB = 1024
"""What the size flags count in."""


class Setting:
    """A configuration as this run uses it: flags and environment applied."""

    def __init__(self, config: Config, given: Given) -> None:
        self.config = config
        self.disk = RealDisk(sync=not environment().get("NNCPNOSYNC"))
        self._given = given
        self._progress = not given.on("quiet") and (
            given.on("progress") or not (given.on("noprogress") or config.noprogress)
        )

    def spool(self) -> Spool:
        """Return the spool; whether it is there shows when it is used."""
        from muleteer.spool.spool import Spool

        return Spool(self.config.spool, self.disk, headers=not self.config.nohdr)

    def report(self) -> Report:
        """Return what takes the events: the log file, and standard error as -quiet and -debug say."""
        from muleteer.cli.nncp_report import Report

        watch = self.meter if self._progress else None
        quiet, debug = self._given.on("quiet"), self._given.on("debug")
        return Report(self.config.log, self.disk, watch, quiet=quiet, debug=debug)

    def submitter(self) -> Submitter:
        """Return what makes packets; keys are needed for it."""
        from muleteer.tossing.submit import Submitter

        return Submitter(self.config, self.spool(), self.report())

    def meter(self, verb: str, name: str, size: int, begun: float | None = None) -> Callable[[int], None] | None:
        """Return what to call with the bytes done of one packet; None if no progress is wanted."""
        if not self._progress:
            return None
        from muleteer.cli.nncp_meter import Meter

        return Meter(verb, name, size, begun).show

    def require_keys(self) -> None:
        """Raise UsageError in a configuration without private keys (one made by ``nncp-cfgmin``)."""
        if self.config.own is None:
            raise UsageError(problem=f"{self.config.path} holds no private keys (`self`), which this command needs")

    def find(self, text: str, what: str) -> Neighbour:
        """Return the neighbour that `text`, the value of `what`, means; UsageError names both if there is none."""
        try:
            return self.config.find(text)
        except UsageError as error:
            raise UsageError(problem=f"{what} {text!r} is no neighbour in {self.config.path}") from error

    def chosen(self, only: str) -> list[tuple[NodeId, str]]:
        """Return the neighbours to work on, by name: the one given to -node, or all."""
        if only:
            found = self.find(only, "-node")
            return [(found.id, found.name)]
        return sorted(((node.id, node.name) for node in self.config.neighbours.values()), key=_name)

    def via(self) -> tuple[NodeId, ...] | None:
        """Return the relays that -via names: None if it is absent, none at all for ``-``."""
        text = self._given.text("via")
        if not text:
            return None
        return () if text == "-" else tuple([self.find(name, "-via").id for name in text.split(",")])


def load_setting(given: Given) -> Setting:
    """Load the configuration that flags and environment name, and take its umask.

    Raises ConfigError, NotYetSupported, or UsageError for contradicting flags.
    """
    if given.on("progress") and given.on("noprogress"):
        raise UsageError(problem="-progress and -noprogress contradict each other")
    environ = environment()
    config = with_environment(load(given.text("cfg"), environ), environ)
    if given.text("spool") or given.text("log"):
        config = relocate(config, given.text("spool"), given.text("log"))
    if config.log.startswith("FD:") and not (config.log[3:].isascii() and config.log[3:].isdigit()):
        raise UsageError(problem=f"the log {config.log!r} needs a number after FD:")
    if config.umask is not None:
        os.umask(config.umask)
    return Setting(config, given)


def environment() -> dict[str, str]:
    """Return the environment that this process was started with: os.environ, without os."""
    how = (sys.getfilesystemencoding(), sys.getfilesystemencodeerrors())
    return {name.decode(*how): value.decode(*how) for name, value in os.environ.items()}


def refuse_area(name: str) -> None:
    """Raise NotYetSupported if `name`, what stands before the colon of a destination, asks for an area."""
    if name == "area":
        raise NotYetSupported(feature="sending to an area")


def _name(pair: tuple[NodeId, str]) -> str:
    return pair[1]
