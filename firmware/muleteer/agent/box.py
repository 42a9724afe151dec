# SPDX-License-Identifier: GPL-3.0-or-later
"""One Muleteer box as its two configuration files describe it, and the tools made from them.

Every errand makes its own tools: a `Spool` belongs to one thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from muleteer.agent.allowance import Rules, resolve
from muleteer.agent.inquiry import Inquiry
from muleteer.agent.survey import Surveyor
from muleteer.config.appliance import load_appliance, require_known_names
from muleteer.config.load import load
from muleteer.errors import ConfigError
from muleteer.spool.aside import Aside
from muleteer.spool.disk import RealDisk
from muleteer.spool.ledger import Ledger
from muleteer.spool.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Mapping

    from muleteer.config.appliance import Appliance
    from muleteer.config.carrier_rules import CarrierRule
    from muleteer.config.model import Config, OwnKeys
    from muleteer.spool.port import Disk

DEFAULT_PATH = "/etc/muleteer.toml"


@dataclass(frozen=True, slots=True)
class Box:
    """The owner's two files, read and checked against each other."""

    appliance: Appliance
    config: Config
    rules: Rules
    sync: bool = True  # False skips every fsync, as the reference does when NNCPNOSYNC is set

    @classmethod
    def load(cls, path: str, environ: Mapping[str, str]) -> Box:
        """Read muleteer.toml and the NNCP configuration that it names.

        NNCPCFG, NNCPSPOOL and NNCPLOG of the environment do not count here: a box is what its files say.

        Raises:
            ConfigError: a file is missing or wrong; nothing was touched.

        """
        appliance = load_appliance(path)
        plain = {name: value for name, value in environ.items() if name != "NNCPCFG"}
        config = load(appliance.nncp, plain)
        require_known_names(appliance, config)
        return cls(appliance, config, resolve(appliance, config), sync=not environ.get("NNCPNOSYNC"))

    @property
    def own(self) -> OwnKeys:
        """This node's keys.

        Raises:
            ConfigError: the configuration has none, so nothing could be opened.

        """
        if self.config.own is None:
            raise ConfigError(
                where=f"{self.config.path}: self",
                problem="this node's private keys are not there",
                remedy="Name the full configuration in muleteer.toml, not one made by nncp-cfgmin.",
            )
        return self.config.own

    @property
    def lines(self) -> tuple[CarrierRule, ...]:
        """The rules of the carriers that sessions go by, in the owner's order."""
        return tuple(self.appliance.lines.values())

    def disk(self) -> Disk:
        """Return the machine's disk."""
        return RealDisk(sync=self.sync)

    def spool(self) -> Spool:
        """Return the spool, for one thread."""
        return Spool(self.config.spool, self.disk(), headers=not self.config.nohdr)

    def ledger(self, spool: Spool) -> Ledger:
        """Return the ledger of the spool's runners."""
        return Ledger(spool)

    def surveyor(self) -> Surveyor:
        """Return who counts the spool."""
        spool = self.spool()
        return Surveyor(self.config, self.rules, spool, Aside(spool), Ledger(spool), self.lines)

    def inquiry(self) -> Inquiry:
        """Return who knows why a packet has not moved."""
        spool = self.spool()
        return Inquiry(self.config, self.rules, spool, Aside(spool), Ledger(spool), self.lines)
