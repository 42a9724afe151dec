# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be true of every world, whatever happens in it. Knows the letters and looks at the disks; acts on nothing.

=====================  ==========================================================================================
nothing invented       what stands in an incoming directory is a letter that was sent, whole, to this box
nothing twice          where marks are kept, a letter is delivered again only if power or disk failed in between
nothing lost           at the end every letter that the rules let pass has arrived, or waits where it may not go on
spools                 after each start, and at the end, every name is a promise and no litter is left (`spools`)
allowance              no packet gets onto a stick above the ceilings of carrier and runner
niceness               what a round writes, it writes in the order of niceness
lines                  hours, budgets, rates and ceilings of links (`line_checkers`)
safe to pull           a steady pull-lamp means: unmounted, and nothing on the stick was left to luck
bounds                 what a status shows, and what is kept beside the packets, does not grow for ever
=====================  ==========================================================================================
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from muleteer.agent.events import RoundErrand
from muleteer.agent.status import Phase, Progress
from muleteer.formats.ids import is_packet_name
from muleteer.spool.layout import DELIVERY_PREFIX
from muleteer.spool.sweep import is_draft_name
from muleteer.testing.spools import check_spool
from muleteer.testing.world.line_checkers import LineCheckers
from muleteer.testing.world.people import INCOMING, SPOOL
from muleteer.testing.world.stick import BASE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from muleteer.agent.events import Errand, Event
    from muleteer.agent.status import Problem, Status
    from muleteer.testing.world.agent import WorldAgent
    from muleteer.testing.world.disk import WorldDisk
    from muleteer.testing.world.machine import Machine
    from muleteer.testing.world.rulebook import LineRule
    from muleteer.testing.world.scenario import Letter
    from muleteer.testing.world.session import WorldSession

VIOLATIONS_MAX = 20
PROBLEMS_MAX = 16  # that a status shows
DROPPED_PHASES = (Phase.WAITING, Phase.RECEIVING)  # a second round under one errand begins anew


class Checkers:
    """Watches one world; what it finds is in `violations`."""

    def __init__(self, letters: Mapping[str, Letter], rules: Mapping[str, LineRule], now: Callable[[], float]) -> None:
        self.lines = LineCheckers(rules, self.broken)
        self.violations: list[str] = []
        self.counts: Counter[str] = Counter()
        self.arrived: dict[int, float] = {}
        self.sent_again: set[int] = set()  # letters whose command did not come to its end: there may be two packets
        self.machines: dict[str, Machine] = {}
        self._letters = letters
        self._now = now
        self._rounds: dict[tuple[str, str], RoundErrand] = {}
        self._nices: dict[tuple[str, str], int] = {}
        self._renamed: set[str] = set()

    def broken(self, who: str, what: str) -> None:
        """Note that something is not as it must be."""
        if len(self.violations) < VIOLATIONS_MAX:
            self.violations.append(f"{self._now():.0f} s, {who}: {what}")

    def _machine(self, agent: WorldAgent) -> Machine:
        return self.machines[agent.box.appliance.agent.name]

    # ------------------------------------------------------------------------------------------ what agents do

    def status(self, agent: WorldAgent, status: Status) -> None:
        """See `agent.Watching`: lamps and bounds."""
        machine = self._machine(agent)
        machine.panel.show(status)
        self.counts["statuses"] += 1
        for bay, stick in machine.bays.inside.items():
            if stick is not None and machine.panel.says_safe(bay):
                self.counts["safe lamps"] += 1
                if stick.device in agent.power.mounts.mounted:
                    self.broken(machine.name, f"{bay} says safe to pull, and {stick.label} is mounted")
                elif stick.loose:
                    self.broken(machine.name, f"{bay} says safe to pull, but a pull might undo {stick.loose[:5]}")
        if len(status.problems) > PROBLEMS_MAX:
            self.broken(machine.name, f"a status shows {len(status.problems)} problems")

    def errand(self, agent: WorldAgent, errand: Errand) -> None:
        """See `agent.Watching`."""
        self.counts[type(errand).__name__] += 1
        if isinstance(errand, RoundErrand):
            place = f"{BASE}/{errand.stick.device.rpartition('/')[2]}"
            self._rounds[self._machine(agent).name, place] = errand
            self._nices.pop((self._machine(agent).name, place), None)

    def news(self, agent: WorldAgent, bay: str, news: Progress | Problem) -> None:
        """See `agent.Watching`."""
        if isinstance(news, Progress) and news.phase in DROPPED_PHASES:
            name = self._machine(agent).name
            for key, errand in self._rounds.items():
                if key[0] == name and errand.bay == bay:
                    self._nices.pop(key, None)

    def ended(self, agent: WorldAgent, errand: Errand, event: Event) -> None:
        """See `agent.Watching`."""

    def swept(self, agent: WorldAgent) -> None:
        """See `agent.Watching`: a start has cleaned up."""
        self.look_at(self._machine(agent))

    def moved(self, session: WorldSession, received: int, sent: int) -> None:
        """See `agent.Watching`."""
        self.counts["bytes onto wires"] += sent
        self.counts["bytes from wires"] += received
        self.lines.moved(session, sent)

    # ------------------------------------------------------------------------------------------ what gets a name

    def named(self, machine: Machine, text: str) -> None:
        """Judge a new name on a disk: a delivery, or a packet on a stick."""
        verb, _, path = text.rpartition(" -> ")
        if text.startswith(f"unlink {BASE}/"):  # a group that failed is taken back, and its packets go one by one
            self._nices.pop((machine.name, "/".join(path.split(" ")[1].split("/")[:3])), None)
        if verb.startswith(f"rename {BASE}/") and is_packet_name(verb.rpartition("/")[2]):
            self._renamed.add(path)
        if path.startswith(f"{INCOMING}/") and " -> " in text:
            self._delivered(machine, path)
        elif path.startswith(f"{BASE}/") and is_packet_name(path.rpartition("/")[2]) and " -> " in text:
            self._loaded(machine, path, text)
        elif "/rx/" in path and is_packet_name(path.rpartition("/")[2]) and " -> " in text and "/hdr/" not in path:
            self._arrived(machine, path)

    def _delivered(self, machine: Machine, path: str) -> None:
        if is_draft_name(path.rpartition("/")[2], DELIVERY_PREFIX):
            return
        disk = machine.disk
        letter = self._judge_delivery(machine, path, bytes(disk.inodes[disk.find(path)].data))
        if letter is not None:
            again = letter.number in self.arrived
            self.counts["delivered again" if again else "delivered"] += 1
            marked = machine.appliance.toss.seen and letter.number not in self.sent_again
            if again and marked and machine.shaken_at < self.arrived[letter.number]:
                self.broken(machine.name, f"{path} is delivered again: its mark says that it was, and power held")
            self.arrived.setdefault(letter.number, self._now())

    def _arrived(self, machine: Machine, path: str) -> None:
        session = None if machine.agent is None else machine.agent.session
        if session is not None:
            data = machine.disk.inodes[machine.disk.find(path)].data
            self.counts["packets over links"] += 1
            self.lines.arrived(session, data[11], len(data))

    def _judge_delivery(self, machine: Machine, path: str, content: bytes) -> Letter | None:
        sender, name = path.split("/")[-2:]
        letter = self._letters.get(name.partition(".")[0])
        if letter is None or letter.body != content or (letter.sender, letter.recipient) != (sender, machine.name):
            self.broken(machine.name, f"{path} with {len(content)} bytes {content[:20]!r} is no letter for this box")
            return None
        return letter

    def _loaded(self, machine: Machine, path: str, text: str) -> None:
        place = "/".join(path.split("/")[:3])
        errand = self._rounds.get((machine.name, place))
        disk = machine.disk
        data = disk.inodes[disk.find(path)].data
        nice, size = data[11], len(data)
        self.counts["packets onto sticks"] += 1
        if errand is None:
            self.broken(machine.name, f"{path} was written without a round")
            return
        allowance = errand.allowance
        if nice > allowance.nice or (allowance.size is not None and size > allowance.size):
            self.broken(machine.name, f"{path}, {nice=} {size=}, is above what {errand.runner} may carry: {allowance}")
        if text.split(" ")[1] in self._renamed:
            self._renamed.discard(text.split(" ")[1])
            return  # it was there already and is only named anew
        before = self._nices.get((machine.name, place), 0)
        if nice < before:
            self.broken(machine.name, f"{path}, {nice=}, was written to {errand.runner} after one of {before}")
        self._nices[machine.name, place] = nice

    # ------------------------------------------------------------------------------------------ whole disks

    def look_at(self, machine: Machine) -> set[int]:
        """Judge a whole disk; return the numbers of the letters that have arrived there."""
        disk: WorldDisk = machine.disk
        image = disk.image()
        found = set()
        try:
            check_spool(disk, SPOOL)
        except AssertionError as problem:
            self.broken(machine.name, str(problem))
        for path, content in image.items():
            if path.startswith(f"{INCOMING}/") and isinstance(content, bytes):
                if is_draft_name(path.rpartition("/")[2], DELIVERY_PREFIX):
                    continue  # removed when something is delivered there next
                letter = self._judge_delivery(machine, path, content)
                found |= {letter.number} if letter is not None else set()
        self.counts["disks looked at"] += 1
        return found
