# SPDX-License-Identifier: GPL-3.0-or-later
"""Cut the power before every operation of a flow, build what may have survived, recover, check.

A *flow* is any function of a FakeDisk: one commit, a whole toss, a round of a stick. It runs once; from the journal it
leaves, every cut is judged::

    enumerate_cuts(
        build=lambda: disk_with_three_packets_on_the_stick(),   # -> FakeDisk, settled (all of it durable)
        act=lambda disk: receive(Spool("/spool", disk)),        # may call disk.mark("promised X")
        recover=lambda disk: sweep(Spool("/spool", disk), now=disk.now, uptime=0),
        check=lambda disk, cut: ...,                            # AssertionError if something is lost
    )

What may survive a cut, per volume:

JOURNALLED
    The changes of names up to some point, in order; at least up to the last change of each directory synced before the
    cut. (A synced file does not bring its name along: POSIX does not promise it.)
FAT
    Any subset of the changes of names whose directory was not synced since; a rename is two changes. All subsets of up
    to SUBSETS_BITS changes, beyond that a seeded sample with all "one missing" and "only one" cases.

Each file with unsynced bytes has lost them, has them all, has half of them, or has zeros in their place; all files
alike, or mixed by the seed. Beyond ``limit`` survivors a cut is sampled; the extremes are always there.

A second loop, :func:`enumerate_failures`, lets each verb of the flow fail instead, once and from then on, with EIO,
ENOSPC and EROFS.
"""

from __future__ import annotations

import errno
import itertools
import os
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from muleteer.errors import MuleteerError, SpoolError
from muleteer.spool.disk import DIRECTORY
from muleteer.testing.disk_tree import JOURNALLED, Inode, Mark, Names, Synced, Written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from muleteer.testing.disk import FakeDisk
    from muleteer.testing.disk_tree import Image, Record

SUBSETS_BITS = 5
SHOWN_MAX = 5
_FULL, _LOST, _HALF, _ZERO, _MIXED = range(5)
_Change = tuple[int, str, int | None]


@dataclass(frozen=True, slots=True)
class Cut:
    """The moment that is judged.

    ``marks`` are what the flow had promised by then (:meth:`FakeDisk.mark`), ``finished`` whether it had come to its
    end, ``failure`` what it raised when a verb was made to fail.
    """

    before: str
    marks: tuple[str, ...]
    finished: bool
    failure: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much was judged; a test asserts that it is not nothing."""

    cuts: int
    survivors: int


class PromiseBroken(AssertionError):
    """Some cut breaks a promise; the message shows the first few, with the state of the disk."""


if TYPE_CHECKING:
    Build = Callable[[], FakeDisk]
    Act = Callable[[FakeDisk], object]
    Check = Callable[[FakeDisk, Cut], None]


def enumerate_cuts(build: Build, act: Act, recover: Act, check: Check, *, limit: int = 48, seed: int = 1) -> Coverage:
    """Judge every cut of a flow.

    Raises PromiseBroken if ``check`` or ``recover`` fails, or a second recovery changes anything. Returns how many cuts
    and different survivors were judged.
    """
    disk = build()
    disk.settle()
    act(disk)
    judge = _Judge(recover, check)
    for index in range(len(disk.journal) + 1):
        rest = disk.journal[index:]
        marks = tuple(entry.text for entry in disk.journal[:index] if isinstance(entry, Mark))
        cut = Cut(rest[0].text if rest else "the end", marks, finished=not rest)
        for inodes in survivors(disk, index, limit=limit, seed=seed):
            judge.judge(disk.reborn(inodes), cut)
    return judge.verdict(len(disk.journal) + 1)


def enumerate_failures(
    build: Build,
    act: Act,
    recover: Act,
    check: Check,
    *,
    codes: tuple[int, ...] = (errno.EIO, errno.ENOSPC, errno.EROFS),
    expected: tuple[type[BaseException], ...] = (SpoolError,),
    under: str = "/",
    limit: int = 12,
    seed: int = 1,
) -> Coverage:
    """Let each verb of a flow (on paths below ``under``) fail, once and for good, and judge what is there afterwards.

    The flow may get over it or raise one of ``expected``; anything else is a violation. Judged are a restart of the
    program alone, and a power cut right after.
    """
    clean = build()
    clean.settle()
    act(clean)
    judge = _Judge(recover, check)
    runs = 0
    for code, sticky, index in itertools.product(codes, (False, True), range(len(clean.trace))):
        call = clean.trace[index]
        if not call.path.startswith(under) or not (call.changes or code == errno.EIO):
            continue
        disk = build()
        disk.settle()
        disk.fail(index, code, sticky=sticky, under=under)
        failure = _outcome(act, disk)
        disk.heal()
        runs += 1
        marks = tuple(entry.text for entry in disk.journal if isinstance(entry, Mark))
        what = f"{os.strerror(code)}{' from here on' if sticky else ''} at {call.verb} {call.path}"
        cut = Cut(what, marks, finished=failure is None, failure=failure)
        if failure is not None and not isinstance(failure, expected):
            judge.violations.append(f"{what}: the flow raised {failure!r}")
        for inodes in survivors(disk, len(disk.journal), limit=limit, seed=seed):
            judge.judge(disk.reborn(inodes), cut)
    return judge.verdict(runs)


def _outcome(act: Act, disk: FakeDisk) -> BaseException | None:
    try:
        act(disk)
    except (MuleteerError, OSError, ArithmeticError, AssertionError, LookupError, RuntimeError, ValueError) as failure:
        return failure
    return None


class _Judge:
    def __init__(self, recover: Act, check: Check) -> None:
        self._recover = recover
        self._check = check
        self._known: set[int] = set()
        self.violations: list[str] = []

    def judge(self, disk: FakeDisk, cut: Cut) -> None:
        before = disk.image()
        key = hash((tuple(before.items()), cut.marks, cut.finished, repr(cut.failure)))
        if key in self._known:
            return
        self._known.add(key)
        try:
            self._recover(disk)
            after = disk.image()
            self._check(disk, cut)
            self._recover(disk)
            assert disk.image() == after, "a second recovery changed something"
        except (AssertionError, MuleteerError, OSError, LookupError, ValueError) as problem:
            self.violations.append(f"cut before: {cut.before}\n  {problem!r} {problem}\n{_show(before)}")

    def verdict(self, cuts: int) -> Coverage:
        if self.violations:
            shown = "\n".join(self.violations[:SHOWN_MAX])
            raise PromiseBroken(f"{len(self.violations)} of {len(self._known)} survivors break a promise:\n{shown}")
        return Coverage(cuts, len(self._known))


def survivors(disk: FakeDisk, index: int, *, limit: int, seed: int) -> Iterator[dict[int, Inode]]:
    """Yield what may be found after a cut before ``disk.journal[index]``, at most about ``limit`` of them."""
    records = disk.journal[:index]
    chance = random.Random(seed * 1_000_003 + index)
    plans = [_plans(disk, records, volume, chance) for volume in sorted(disk.volumes)]
    contents = _contents(disk, records)
    modes = range(5 if contents else 1)
    everything = [(kept, mode) for kept in _pick(plans, limit, chance) for mode in modes]
    extremes = [(tuple(plan[0] for plan in plans), mode) for mode in modes]
    extremes += [(tuple(plan[-1] for plan in plans), mode) for mode in modes]
    rest = chance.sample(everything, limit) if len(everything) > limit else everything
    for kept, mode in [*extremes, *rest]:
        changes = sorted(itertools.chain.from_iterable(kept))
        yield _build(disk, [change for _, _, change in changes], _choose(contents, mode, chance))


_Kept = list[tuple[int, int, _Change]]
"""Changes of names that survive, each with its place in the journal."""


def _pick(plans: list[list[_Kept]], limit: int, chance: random.Random) -> Iterator[tuple[_Kept, ...]]:
    total = 1
    for plan in plans:
        total *= len(plan)
    if total <= limit:
        yield from itertools.product(*plans)
    else:
        for _ in range(limit):
            yield tuple(chance.choice(plan) for plan in plans)


def _plans(disk: FakeDisk, records: list[Record], volume: str, chance: random.Random) -> list[_Kept]:
    """Return the ways in which the names of one volume may survive, from the fewest to all."""
    groups: list[_Kept] = []
    synced: dict[int, int] = {}
    for place, entry in enumerate(records):
        if isinstance(entry, Names) and entry.volume == volume:
            groups.append([(place, part, change) for part, change in enumerate(entry.changes)])
        elif isinstance(entry, Synced) and disk.inodes[entry.inode].kind == DIRECTORY:
            synced[entry.inode] = place
    durable = [[place < synced.get(change[0], -1) for place, _, change in group] for group in groups]
    if disk.volumes[volume].personality == JOURNALLED:
        least = max((number + 1 for number, flags in enumerate(durable) if any(flags)), default=0)
        return [list(itertools.chain.from_iterable(groups[:count])) for count in range(least, len(groups) + 1)]
    changes = list(itertools.chain.from_iterable(groups))
    firm = list(itertools.chain.from_iterable(durable))
    certain = [change for change, is_firm in zip(changes, firm, strict=True) if is_firm]
    loose = [change for change, is_firm in zip(changes, firm, strict=True) if not is_firm]
    return [[*certain, *subset] for subset in _subsets(loose, chance)]


def _subsets(loose: _Kept, chance: random.Random) -> list[_Kept]:
    if len(loose) <= SUBSETS_BITS:
        sizes = range(len(loose) + 1)
        return [list(subset) for size in sizes for subset in itertools.combinations(loose, size)]
    one_missing = [[other for other in loose if other is not change] for change in loose]
    mixed = [[change for change in loose if chance.random() < 0.5] for _ in range(2**SUBSETS_BITS)]
    return [[], *([change] for change in loose), *mixed, *one_missing, loose]


@dataclass(slots=True)
class _Content:
    """A file's bytes at the cut: what was synced, and what was written."""

    durable: bytes
    current: bytearray
    spoilt: bool = False


def _contents(disk: FakeDisk, records: list[Record]) -> dict[int, _Content]:
    found: dict[int, _Content] = {}
    for entry in records:
        if isinstance(entry, Written):
            base = bytes(disk.base[entry.inode].data) if entry.inode in disk.base else b""
            content = found.setdefault(entry.inode, _Content(base, bytearray(base)))
            content.current[entry.offset : entry.offset + len(entry.data)] = entry.data
        elif isinstance(entry, Synced) and entry.inode in found:
            content = found[entry.inode]
            content.spoilt |= entry.lost
            if not content.spoilt:
                content.durable = bytes(content.current)
    return found


def _choose(contents: dict[int, _Content], mode: int, chance: random.Random) -> dict[int, bytes]:
    def one(content: _Content) -> bytes:
        kept, size = content.durable, len(content.current)
        way = chance.randrange(4) if mode == _MIXED else mode
        half = (len(kept) + size) // 2 if size > len(kept) else size // 2
        return {
            _FULL: bytes(content.current),
            _LOST: kept,
            _HALF: kept if bytes(content.current) == kept else bytes(content.current[:half]),
            _ZERO: kept + bytes(max(0, size - len(kept))),
        }[way]

    return {inode: one(content) for inode, content in contents.items()}


def _build(disk: FakeDisk, changes: list[_Change], contents: dict[int, bytes]) -> dict[int, Inode]:
    inodes = {number: _copy(disk, number) for number in disk.inodes}
    for directory, name, inode in changes:
        entries = inodes[directory].entries
        entries.pop(name, None)
        if inode is not None:
            entries[name] = inode
    for number, data in contents.items():
        inodes[number].data = bytearray(data)
    inodes[0].names = 1
    for found in inodes.values():
        for child in found.entries.values():
            inodes[child].names += 1
    return inodes


def _copy(disk: FakeDisk, number: int) -> Inode:
    """Return an inode as it was before the flow began, or as it was born, without names or bytes."""
    old = disk.base.get(number)
    if old is not None:
        copied = old.copy()
        copied.names = 0
        return copied
    new = disk.inodes[number]
    return Inode(new.kind, new.volume, new.mtime, target=new.target)


def _show(image: Image) -> str:
    lines = []
    for path, what in image.items():
        if isinstance(what, bytes):
            lines.append(f"    {path}  {len(what)} bytes {what[:16]!r}")
        elif what is not None:
            lines.append(f"    {path} -> {what}")
    return "\n".join(lines)
