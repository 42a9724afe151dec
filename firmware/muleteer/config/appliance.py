# SPDX-License-Identifier: GPL-3.0-or-later
"""What `muleteer.toml` says: the rules of this box, beside the NNCP configuration that it names.

Every key has a default: an empty file gives a box with one bay for sticks at any USB port. `example.toml` in this
folder explains all keys.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from muleteer.config import toml
from muleteer.config.carrier_rules import STICK, CarrierRule
from muleteer.config.carrier_table import carrier, implicit_lines
from muleteer.config.complaints import Complaints, show_value, suggestion
from muleteer.config.positions import toml_lines
from muleteer.config.read import decode, read_file
from muleteer.config.section import Section
from muleteer.errors import ConfigError
from muleteer.formats.niceness import MAX

if TYPE_CHECKING:
    from muleteer.config.model import Config

OLED_KINDS = ["none", "auto", "ssd1306-128x64", "ssd1306-128x32", "sh1106-128x64"]
LAMPS = ["power", "working", "attention"]
BCM_PIN_MAX = 27
"""The 40-pin header leads out BCM 0 to 27."""

SOCKET_SIZE_MAX = 107
"""Bytes of a unix socket's path: sun_path of unix(7), less its NUL."""

DAY_SECONDS = 86400


LISTEN = ("[::]:5400",)
"""Where neighbours may call: NNCP's port on every interface, IPv4 as well as IPv6."""


@dataclass(frozen=True, slots=True)
class AgentRules:
    """`[agent]`: the name on the panel, and where the agent listens for `muleteer status` (a socket).

    `listen` are addresses where neighbours may call; with `multicast` they hear of us, and we of them, as far as
    `mcd-send` and `mcd-listen` in nncp.hjson say.
    """

    name: str
    socket: str
    listen: tuple[str, ...] = LISTEN
    multicast: bool = True


@dataclass(frozen=True, slots=True)
class HeldRules:
    """`[held]`: whether the sender of a packet in transit is told that it is held, and after how many seconds."""

    tell: bool = False
    after_s: int = DAY_SECONDS


@dataclass(frozen=True, slots=True)
class TossRules:
    """`[toss]`: PATH and time limit of exec handles; whether marks of tossed packets are kept."""

    path: str
    time_limit_s: int
    seen: bool


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
    """A muleteer.toml: `carriers` are those of sticks, `lines` those that call (net, pipe), in the file's order."""

    path: str
    nncp: str
    agent: AgentRules
    toss: TossRules
    carriers: dict[str, CarrierRule]
    bays: dict[str, BayRule]
    runners: tuple[RunnerRule, ...]
    neighbours: dict[str, NeighbourRule]
    panel: PanelRules
    lines: dict[str, CarrierRule] = field(default_factory=lambda: {rule.name: rule for rule in implicit_lines()})
    held: HeldRules = HeldRules()

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
    written = {name: carrier(name, section) for name, section in top.tables("carrier")}
    carriers = {name: rule for name, rule in written.items() if rule.kind == STICK} or {
        "stick": CarrierRule("stick", STICK)
    }
    lines = {name: rule for name, rule in written.items() if rule.kind != STICK}
    bays = {name: _bay(name, section, carriers, lines) for name, section in top.tables("bay")}
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
        lines=lines or {rule.name: rule for rule in implicit_lines()},
        held=_held(top.table("held")),
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
    for rule in (*appliance.carriers.values(), *appliance.lines.values()):
        used += [(("carrier", rule.name, "neighbour"), name) for name in sorted(rule.neighbours or ())]
        for variant in rule.variants:
            path = ("carrier", rule.name, variant.name, "neighbour")
            used += [(path, name) for name in sorted(variant.neighbours or ())]
    for runner in appliance.runners:
        used += [(("runner", runner.name, "carry"), name) for name in runner.carry or ()]
    for where, name in used:
        if name not in config.aliases:
            problem = f"{show_value(name)} is no neighbour in {config.path}"
            complaints.add(where, problem, suggestion(name, known))
    complaints.raise_if_any()


def _lines_of(path: str, key: tuple[str | int, ...]) -> int | None:
    # Complaints may come long after the file was read: it is read again, and if it went meanwhile there is no line.
    try:
        return toml_lines(decode(read_file(path, "")[0], path)).of(key)
    except ConfigError:
        return None


def _agent(section: Section) -> AgentRules:
    rules = AgentRules(
        section.text("name", "muleteer"),
        section.path_text("socket") or "/run/muleteer/agent.sock",
        _listen(section),
        section.value("multicast", bool, True),
    )
    if len(rules.socket.encode()) > SOCKET_SIZE_MAX:
        section.complain("socket", "this path is too long for a socket", f"Use at most {SOCKET_SIZE_MAX} bytes")
    section.finish()
    return rules


def _listen(section: Section) -> tuple[str, ...]:
    if "listen" not in section:
        return LISTEN
    addresses = section.texts("listen") or ()  # an empty list: nobody may call
    for address in addresses:
        host, colon, port = address.rpartition(":")
        if not colon or not port.isdigit() or (":" in host and not (host.startswith("[") and host.endswith("]"))):
            remedy = f'Write a list of host:port, like ["{LISTEN[0]}"], or [] to answer no calls'
            section.complain("listen", f"{show_value(address)} is no address", remedy)
    return addresses


def _held(section: Section) -> HeldRules:
    rules = HeldRules(section.value("tell", bool, False), section.seconds("after", DAY_SECONDS))
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


def _bay(name: str, section: Section, carriers: dict[str, CarrierRule], lines: dict[str, CarrierRule]) -> BayRule:
    of_bay = section.text("carrier", "stick" if "stick" in carriers else next(iter(carriers)))
    if of_bay not in carriers:
        problem = "carries no sticks" if of_bay in lines else "is no carrier"
        section.complain("carrier", f"{show_value(of_bay)} {problem}", suggestion(of_bay, [*carriers]))
    rule = BayRule(name, of_bay, section.path_text("directory"), section.optional_text("port"))
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
