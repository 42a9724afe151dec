# SPDX-License-Identifier: GPL-3.0-or-later
"""What `muleteer.toml` says: the rules of this box, beside the NNCP configuration that it names.

Every key has a default: an empty file gives a box with one bay for sticks at any USB port. `example.toml` in this
folder explains all keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from muleteer.config import toml
from muleteer.config.complaints import Complaints, show_value, suggestion
from muleteer.config.positions import toml_lines
from muleteer.config.read import decode, read_file
from muleteer.config.section import Section
from muleteer.errors import ConfigError
from muleteer.formats.niceness import MAX

if TYPE_CHECKING:
    from muleteer.config.model import Config

CARRIER_KINDS = ["stick"]
OLED_KINDS = ["none", "auto", "ssd1306-128x64", "ssd1306-128x32", "sh1106-128x64"]
LAMPS = ["power", "working", "attention"]
BCM_PIN_MAX = 27
"""The 40-pin header leads out BCM 0 to 27."""

SOCKET_SIZE_MAX = 107
"""Bytes of a unix socket's path: sun_path of unix(7), less its NUL."""

DAY_SECONDS = 86400


@dataclass(frozen=True, slots=True)
class AgentRules:
    """`[agent]`: the name on the panel, and where the agent listens for `muleteer status`."""

    name: str
    socket: str


@dataclass(frozen=True, slots=True)
class TossRules:
    """`[toss]`: PATH and time limit of exec handles; whether marks of tossed packets are kept."""

    path: str
    time_limit_s: int
    seen: bool


@dataclass(frozen=True, slots=True)
class CarrierRule:
    """`[carrier.NAME]`: a way packets travel, and the highest niceness and size (bytes; None: any) it takes."""

    name: str
    kind: str
    nice: int
    size: int | None


@dataclass(frozen=True, slots=True)
class BayRule:
    """`[bay.NAME]`: where sticks go in: a simulated bay's directory, or a glob on the ID_PATH of real ports."""

    name: str
    carrier: str
    directory: str | None
    port: str | None


@dataclass(frozen=True, slots=True)
class RunnerRule:
    """`[runner.NAME]`: one stick, matched by all of label, uuid and serial that are given, and what it may carry.

    `carry` None means for all neighbours; `size` None means any.
    """

    name: str
    label: str | None
    uuid: str | None
    serial: str | None
    nice: int
    size: int | None
    carry: tuple[str, ...] | None
    initialise: bool


@dataclass(frozen=True, slots=True)
class NeighbourRule:
    """`[neighbour.NAME]`: whether we acknowledge its packets, whether it does ours, and when a load is overdue."""

    name: str
    acknowledge: bool = True
    acknowledges: bool = False
    overdue_s: int = 14 * DAY_SECONDS


@dataclass(frozen=True, slots=True)
class PanelRules:
    """`[panel]`: the display, where frames are kept as PNG, and BCM pins of lamps (`pull`: by bay)."""

    oled: str
    png: str | None
    lamps: dict[str, int]
    pull: dict[str, int]


@dataclass(frozen=True, slots=True)
class Appliance:
    """A whole muleteer.toml."""

    path: str
    nncp: str
    agent: AgentRules
    toss: TossRules
    carriers: dict[str, CarrierRule]
    bays: dict[str, BayRule]
    runners: tuple[RunnerRule, ...]
    neighbours: dict[str, NeighbourRule]
    panel: PanelRules

    def neighbour(self, name: str) -> NeighbourRule:
        """Return the rule for a neighbour, the default one if none is written."""
        return self.neighbours.get(name) or NeighbourRule(name)


def load_appliance(path: str) -> Appliance:
    """Load muleteer.toml.

    Raises:
        ConfigError, ConfigErrors: it is missing, unreadable or wrong; the message tells where and what would be right.

    """
    return parse_appliance(read_file(path, "Copy example.toml there and adapt it.")[0], path)


def parse_appliance(data: bytes, path: str) -> Appliance:
    """Turn the content of a muleteer.toml into rules; `path` is for complaints.

    Raises:
        ConfigError, ConfigErrors: as `load_appliance`.

    """
    text = decode(data, path).replace("\r\n", "\n")
    complaints = Complaints(path, lambda key: toml_lines(text).of(key))
    top = Section(toml.parse(text, path), (), complaints)
    carriers = {name: _carrier(name, section) for name, section in top.tables("carrier")}
    carriers = carriers or {"stick": CarrierRule("stick", "stick", MAX, None)}
    bays = {name: _bay(name, section, carriers) for name, section in top.tables("bay")}
    bays = bays or {"usb": BayRule("usb", next(iter(carriers)), None, "*")}
    appliance = Appliance(
        path=path,
        nncp=top.path_text("nncp") or "/etc/nncp.hjson",
        agent=_agent(top.table("agent")),
        toss=_toss(top.table("toss")),
        carriers=carriers,
        bays=bays,
        runners=tuple(_runner(name, section) for name, section in top.tables("runner")),
        neighbours={name: _neighbour(name, section) for name, section in top.tables("neighbour")},
        panel=_panel(top.table("panel"), bays),
    )
    top.finish()
    complaints.raise_if_any()
    return appliance


def require_known_names(appliance: Appliance, config: Config) -> None:
    """Check that every neighbour that the rules name is one in the NNCP configuration.

    Raises:
        ConfigError, ConfigErrors: which are not, with the nearest name.

    """
    complaints = Complaints(appliance.path, lambda key: _lines_of(appliance.path, key))
    known = sorted(config.aliases)
    used: list[tuple[tuple[str, ...], str]] = [(("neighbour", name), name) for name in appliance.neighbours]
    for runner in appliance.runners:
        used += [(("runner", runner.name, "carry"), name) for name in runner.carry or ()]
    for path, name in used:
        if name not in config.aliases:
            problem = f"{show_value(name)} is no neighbour in {config.path}"
            complaints.add(path, problem, suggestion(name, known))
    complaints.raise_if_any()


def _lines_of(path: str, key: tuple[str | int, ...]) -> int | None:
    # Complaints may come long after the file was read: it is read again, and if it went meanwhile there is no line.
    try:
        return toml_lines(decode(read_file(path, "")[0], path)).of(key)
    except ConfigError:
        return None


def _agent(section: Section) -> AgentRules:
    rules = AgentRules(section.text("name", "muleteer"), section.path_text("socket") or "/run/muleteer/agent.sock")
    if len(rules.socket.encode()) > SOCKET_SIZE_MAX:
        section.complain("socket", "this path is too long for a socket", f"Use at most {SOCKET_SIZE_MAX} bytes")
    section.finish()
    return rules


def _toss(section: Section) -> TossRules:
    path = section.text("path", "/usr/local/bin:/usr/bin:/bin")
    if not all(part.startswith("/") for part in path.split(":")):
        # An empty or relative entry means the current directory: whatever lies there would be run.
        section.complain("path", "not all of its directories are absolute", "Write absolute ones with `:` between")
    rules = TossRules(path, section.seconds("time_limit", 600), section.value("seen", bool, True))
    section.finish()
    return rules


def _carrier(name: str, section: Section) -> CarrierRule:
    kind = section.choice("kind", CARRIER_KINDS, "stick")
    rule = CarrierRule(name, kind, section.nice("nice", MAX), section.size("size"))
    section.finish()
    return rule


def _bay(name: str, section: Section, carriers: dict[str, CarrierRule]) -> BayRule:
    carrier = section.text("carrier", "stick" if "stick" in carriers else next(iter(carriers)))
    if carrier not in carriers:
        section.complain("carrier", f"{show_value(carrier)} is no carrier", suggestion(carrier, [*carriers]))
    rule = BayRule(name, carrier, section.path_text("directory"), section.optional_text("port"))
    # A misspelt key is enough of a complaint: to write a port beside it would open all of them.
    if rule.directory is None and rule.port is None and not section.unknown():
        section.complain(None, "it says neither `directory` nor `port`", 'Write port = "*" for a bay at any USB port')
    if rule.directory is not None and rule.port is not None:
        section.complain(None, "it says both `directory` and `port`", "Keep `port` for a real bay, else `directory`")
    section.finish()
    return rule


def _runner(name: str, section: Section) -> RunnerRule:
    rule = RunnerRule(
        name=name,
        label=section.optional_text("label"),
        uuid=section.optional_text("uuid"),
        serial=section.optional_text("serial"),
        nice=section.nice("nice", MAX),
        size=section.size("size"),
        carry=section.texts("carry"),
        initialise=section.value("initialise", bool, False),
    )
    if not (rule.label or rule.uuid or rule.serial):
        section.complain(
            None, "it does not say which stick it is", 'Write its label = "...", uuid = "..." or serial = "..."'
        )
    section.finish()
    return rule


def _neighbour(name: str, section: Section) -> NeighbourRule:
    acknowledge, acknowledges = section.value("acknowledge", bool, True), section.value("acknowledges", bool, False)
    rule = NeighbourRule(name, acknowledge, acknowledges, section.seconds("overdue", 14 * DAY_SECONDS))
    section.finish()
    return rule


def _panel(section: Section, bays: dict[str, BayRule]) -> PanelRules:
    lamps = section.table("lamps")
    pull = lamps.table("pull")
    taken: dict[int, str] = {}
    rules = PanelRules(
        oled=section.choice("oled", OLED_KINDS, "none"),
        png=section.path_text("png"),
        lamps=_pins(lamps, LAMPS, taken),
        pull=_pins(pull, list(bays), taken),
    )
    for part in (pull, lamps, section):
        part.finish()
    return rules


def _pins(section: Section, names: list[str], taken: dict[int, str]) -> dict[str, int]:
    pins: dict[str, int] = {}
    for name in names:
        pin = section.value(name, int, 0)
        if name not in section:
            continue
        if not 0 <= pin <= BCM_PIN_MAX:
            section.complain(name, f"{pin} is no pin of the header", f"Write a BCM number, 0-{BCM_PIN_MAX}")
        elif pin in taken:
            section.complain(
                name, f"pin {pin} is already the lamp of `{taken[pin]}`", "Give each lamp a pin of its own"
            )
        else:
            pins[name] = pin
            taken[pin] = name
    return pins
