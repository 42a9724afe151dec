# SPDX-License-Identifier: GPL-3.0-or-later
"""Tossing: every packet in rx is proven and does what it is for, the most urgent first.

House rules:

1. The most urgent packet first, across all neighbours; each neighbour's rx is worked on under its toss.lock, and one
   that another process works on is left to it.
2. A packet that cannot be processed stays where it is, with its reason set aside, and stops no other. Only a spool
   that cannot even take the reason ends a toss.
3. Deliveries are committed in groups, one while the next is proven. If committing fails, the group's packets are
   processed one by one: only the guilty one is set aside. Once it is committed, every packet of it leaves rx, whatever
   fails on the way: none is delivered twice because of another's trouble.
4. With `seen`, a packet whose mark is there was processed before (it came back on a stick, or the power went between
   mark and removal): it is removed, and does nothing a second time.
5. A dry run proves and logs, and changes nothing.
6. Where files are running out, what is prepared is committed first, and the packet tried again.
"""

from __future__ import annotations

from muleteer.crypto.keys import ExchangeKey
from muleteer.errors import (
    HandleFailed,
    MuleteerError,
    SpoolError,
    SpoolFull,
    SpoolLocked,
    SpoolMissing,
    UsageError,
)
from muleteer.formats.packet import FILE
from muleteer.formats.recfile import human_size
from muleteer.formats.safename import show
from muleteer.spool.layout import RX, TOSS
from muleteer.tossing.deliveries import failed
from muleteer.tossing.group import Group, is_out_of_files
from muleteer.tossing.incoming import Incoming
from muleteer.tossing.job import Job
from muleteer.tossing.kinds import delivery_of
from muleteer.tossing.notify import Mailer
from muleteer.tossing.steady_log import SteadyLog
from muleteer.tossing.submit import Submitter
from muleteer.tossing.terms import TossOptions, TossReport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.config.model import Config, Mail
    from muleteer.formats.ids import NodeId, PacketName
    from muleteer.formats.packet import PlainHeader
    from muleteer.spool.aside import Aside
    from muleteer.spool.batch import Batch
    from muleteer.spool.port import Lock
    from muleteer.spool.spool import Entry, Spool
    from muleteer.tossing.deliveries import Delivery
    from muleteer.tossing.records import Log


class _PassedOverError(Exception):
    """The packet's kind is not to be tossed now."""


class _BrokenError(Exception):
    """The spool failed where no packet is to blame; carries the SpoolError."""

    def __init__(self, error: MuleteerError) -> None:
        super().__init__()
        self.error = error


class Tosser:
    """Tosses what waits in the rx of all neighbours. Raises UsageError without private keys."""

    def __init__(
        self, config: Config, spool: Spool, aside: Aside, log: Log, options: TossOptions | None = None
    ) -> None:
        if config.own is None:
            raise UsageError(problem=f"{config.path} holds no private keys (`self`): nothing can be opened")
        self.config = config
        self.own = config.own
        self.options = options or TossOptions()
        self.spool = spool
        self.incoming = Incoming(spool.disk)
        self._log = SteadyLog(log)
        self.submitter = Submitter(config, spool, self._log)
        self._aside = aside
        self._key = ExchangeKey(config.own.exchprv)
        self._mailer = Mailer(config, self.options.time_limit_s)
        self._now = 0.0
        self._begin()

    def _begin(self) -> None:
        self._noted: set[tuple[NodeId, PacketName]] = set()
        self._delivered = self._repeated = self._failed = self._strange = 0
        self._locks: dict[NodeId, Lock | None] = {}
        self._group = self._new_group()
        self._committing: Group | None = None
        self._retired: list[PacketName] = []
        self._next_try: float | None = None
        self._log.problem = ""

    def toss(self, now: float) -> TossReport:
        """Toss everything once; `now` is Unix time, for the set-aside records. Raises SpoolError."""
        self._begin()
        self._now = now
        self.spool.check()
        self._noted.update(self._aside.records())
        try:
            for node, entry in self._waiting():
                if self.options.stop is not None and self.options.stop():
                    break
                if self._is_wanted(node, entry):
                    self._attempt(Job(node, entry, self.config, self._key))
            self._flush()
            self.spool.settle()
        except _BrokenError as broken:
            raise broken.error from broken
        finally:
            for group in (self._committing, self._group):
                if group is not None:
                    group.abandon()
            for lock in self._locks.values():
                if lock is not None:
                    lock.release()
        return TossReport(
            delivered=self._delivered,
            repeated=self._repeated,
            failed=self._failed,
            strange=self._strange,
            locked=sum(lock is None for lock in self._locks.values()),
            retired=tuple(self._retired),
            next_try=self._next_try,
            log_problem=self._log.problem,
        )

    # ------------------------------------------------------------------------------------------ which packets

    def _waiting(self) -> list[tuple[NodeId, Entry]]:
        """Return what waits, the most urgent first."""
        found: list[tuple[NodeId, Entry]] = []
        for node in self.config.neighbours:
            if self.options.nodes is None or node in self.options.nodes:
                entries = self.spool.entries(node, RX, strange=self._stranger(node))
                found += [(node, entry) for entry in entries if entry.nice <= self.options.nice]
        found.sort(key=_niceness)
        return found

    def _is_wanted(self, node: NodeId, entry: Entry) -> bool:
        if not self._is_due(node, entry.name):
            return False
        if node not in self._locks:
            self._locks[node] = self._lock(node)
        return self._locks[node] is not None

    def _is_due(self, node: NodeId, name: PacketName) -> bool:
        """Tell whether to try a packet now; if it is to wait, note until when."""
        if self.options.respect_backoff and (node, name) in self._noted:
            note = self._aside.get(node, name)
            if note is not None and not note.is_due(self._now):
                self._is_due_at(note.due_at)
                return False
        return True

    def _lock(self, node: NodeId) -> Lock | None:
        try:
            return self.spool.lock(node, TOSS)
        except SpoolLocked as error:
            path = str(error.facts["lock"])
            words = f"Locking directory: locking {path}"
            self._log.event("lockdir-flock", words, [("Path", path)], "resource temporarily unavailable")
            return None

    def _stranger(self, node: NodeId) -> Callable[[PacketName, int], None]:
        def met(name: PacketName, size: int) -> None:
            if not self._is_due(node, name):
                return
            self._strange += 1
            fields = [("XX", RX), ("Name", str(name)), ("Size", str(size))]
            words = f"Job {RX}/{name} size: {human_size(size)}"
            self._log.event("job", words, fields, "Unknown magic number")
            self._set_aside(node, name, "It is named like a packet and is none: cut short, of an old format, or junk.")

        return met

    # ------------------------------------------------------------------------------------------ one packet

    def _attempt(self, job: Job, *, alone: bool = False) -> None:
        """Process one packet, or have it refused."""
        try:
            if self._is_repeated(job):
                return
            self._process(job)
            if alone:
                self._flush()
        except _PassedOverError:
            return
        except MuleteerError as error:
            if job.is_done:  # it was delivered: only the spool's own upkeep can have failed
                raise _BrokenError(error) from error
            if is_out_of_files(error) and (self._group.members or self._committing):
                job.close()
                self._flush()
                self._attempt(job)
            else:
                self._refuse(job, error)
        finally:
            job.close()

    def _process(self, job: Job) -> None:
        try:
            delivery = job.prove(self.spool, self.own.id, self._choose)
        except SpoolError:
            if self.spool.has(job.node, RX, job.entry.name):
                raise
            return  # another process was quicker
        try:
            delivery.judge()
            if self.options.dry_run:
                self._log.event("rx", job.subject.got(), job.subject.fields())
            elif delivery.is_grouped:
                self._join(job, delivery)
            else:
                self._flush()
                delivery.complete()
                job.is_done = True
                with self.spool.guard:
                    delivery.finish()
                self.spool.settle()
        finally:
            delivery.discard()

    def _choose(self, job: Job, header: PlainHeader) -> Delivery:
        kind = header.kind
        if kind in self.options.skip:
            raise _PassedOverError
        job.subject.kind = kind
        return delivery_of(job, header, self)

    def _is_repeated(self, job: Job) -> bool:
        if not self.options.seen or self.options.dry_run or not self.spool.is_seen(job.node, job.entry.name):
            return False
        self.spool.finish(job.node, RX, job.entry.name, settle=False)
        self._repeated += 1
        self._delivered += 1
        self._log.event("rx-seen", f"{job.subject.tossing()}: tossed before, removed", job.subject.fields())
        return True

    def _refuse(self, job: Job, error: MuleteerError) -> None:
        if isinstance(error, SpoolMissing):
            raise error
        who, words, phrase = job.subject.refusal(error)
        fields = job.subject.fields()
        output = b""
        if isinstance(error, HandleFailed):
            output = error.facts["output"] if isinstance(error.facts["output"], bytes) else b""
            lines = output.decode("utf-8", "surrogateescape").rstrip("\n").split("\n")
            fields.append(("Output", "\n".join([show(line) for line in lines])))
        self._failed += 1
        self._log.event(who, words, fields, phrase)
        self._set_aside(job.node, job.entry.name, show(str(error)), output)

    def _set_aside(self, node: NodeId, name: PacketName, reason: str, output: bytes = b"") -> None:
        if self.options.dry_run:
            return
        try:
            self._is_due_at(self._aside.note(node, name, reason, self._now, output).due_at)
        except SpoolFull:
            return  # no room for the reason: the packet is there, and tried again at the next toss
        self._noted.add((node, name))

    def _is_due_at(self, when: float) -> None:
        self._next_try = when if self._next_try is None else min(self._next_try, when)

    # ------------------------------------------------------------------------------------------ the group

    @property
    def batch(self) -> Batch:
        """What collects the drafts of the present group."""
        return self._group.batch

    def _new_group(self) -> Group:
        return Group(self.spool.disk, files_kept=len(self._locks))

    def _join(self, job: Job, delivery: Delivery) -> None:
        delivery.complete()
        job.close()
        self._group.add(job, delivery)
        if self._group.is_full:
            self._collect()
            group, self._group = self._group, self._new_group()
            self._committing = group
            group.begin()

    def _flush(self) -> None:
        """Have everything committed that was delivered so far."""
        self._collect()
        if self._group.members:
            self._committing, self._group = self._group, self._new_group()
            self._collect()

    def _collect(self) -> None:
        """Finish the group that is being committed; if it failed, process its packets one by one."""
        group, self._committing = self._committing, None
        if group is None:
            return
        try:
            group.wait()
        except MuleteerError as error:
            raise _BrokenError(error) from error
        except OSError as error:
            self._retry(group, error)
        else:
            self._finish(group)

    def _finish(self, group: Group) -> None:
        """Have every packet of a committed group leave rx; only then raise the first thing that went wrong."""
        failures: list[MuleteerError] = []
        try:
            self.spool.settle()  # what acknowledgements removed
        except SpoolError as error:
            failures.append(error)
        settled = not failures
        with self._log:
            for _, delivery in group.members:
                if settled or not delivery.retires:
                    self._finish_one(delivery, failures)
        if failures:
            raise _BrokenError(failures[0]) from failures[0]

    def _finish_one(self, delivery: Delivery, failures: list[MuleteerError]) -> None:
        try:
            with self.spool.guard:
                delivery.finish()
        except MuleteerError as error:
            failures.append(error)

    def _retry(self, group: Group, error: OSError) -> None:
        self.incoming.forget()
        if len(group.members) == 1:
            job = group.members[0][0]
            self._refuse(job, failed(job, error) if job.subject.kind == FILE else self.spool.guard.translate(error))
            return
        present, self._group = self._group, self._new_group()
        try:
            for job, _ in group.members:
                self._attempt(job, alone=True)
        finally:
            self._group.abandon()
            self._group = present

    # ------------------------------------------------------------------------------------------ what deliveries ask

    def done(self, job: Job) -> None:
        """Remove a packet whose effect is durable, and log it."""
        self._delivered += 1
        name = job.entry.name
        self.spool.finish(job.node, RX, name, seen=self.options.seen, settle=False)
        if (job.node, name) in self._noted:
            self._aside.clear(job.node, name)
        self._log.event("rx", job.subject.got(), job.subject.fields())

    def retired(self, name: PacketName) -> None:
        """Note that a packet of ours was acknowledged."""
        self._retired.append(name)

    def notify(self, job: Job, mail: Mail | None, subject: str, output: bytes = b"") -> None:
        """Send a mail; its failure is only logged."""
        problem = self._mailer.send(mail, subject, output)
        if problem:
            self._log.event("rx-notify", job.subject.tossing("notifying"), job.subject.fields(), problem)


def _niceness(item: tuple[NodeId, Entry]) -> int:
    return item[1].nice
