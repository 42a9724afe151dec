# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be found after a power cut, built from the journal of a fake disk.

Per volume:

JOURNALLED
    The changes of names up to some point, in order; at least up to the last change of each directory synced before the
    cut. (A synced file does not bring its name along: POSIX does not promise it.)
FAT
    Any subset of the changes of names whose directory was not synced since; a rename is two changes. All subsets of up
    to SUBSETS_BITS changes, beyond that a seeded sample with all "one missing" and "only one" cases.

A sync that failed has spent its error: what it should have made durable, bytes or new names, may be missing whatever is
synced later, on either personality, and also under changes that were made after it. Nobody is told a second time. (Only
of names that were removed the next sync is believed: nobody can remove them again, and a removal that is undone costs a
copy, no mail.)

Each file with unsynced bytes has lost them, has them all, has half of them, or has zeros in their place; all files
alike, or mixed by the seed. Beyond ``limit`` survivors a cut is sampled; the extremes are always there.

:func:`draw` picks a single one of them by chance, :func:`loose` says what of the present a cut might undo.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from muleteer.spool.disk import DIRECTORY
from muleteer.testing.disk_tree import JOURNALLED, Inode, Names, Synced, Written

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from muleteer.testing.disk import FakeDisk
    from muleteer.testing.disk_tree import Record

SUBSETS_BITS = 5
_FULL, _LOST, _HALF, _ZERO, _MIXED = range(5)
_Change = tuple[int, str, int | None]


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
    known = set()
    for kept, mode in [*extremes, *rest]:
        changes = tuple(change for _, _, change in sorted(itertools.chain.from_iterable(kept)))
        chosen = _choose(contents, mode, chance)
        key = (changes, tuple(chosen.values()))
        if key not in known:  # often: when all bytes are synced the modes are all the same
            known.add(key)
            yield _build(disk, changes, chosen)


def draw(disk: FakeDisk, chance: random.Random, volumes: Sequence[str] | None = None) -> dict[int, Inode]:
    """Return one of the survivors of a cut now, at random: all there is of it, or of some volumes alone."""
    places = sorted(disk.volumes) if volumes is None else volumes
    kept = [change for place in places for change in _draw_names(disk, place, chance)]
    contents = _contents(disk, disk.journal)
    chosen = _choose(contents, chance.choice((_FULL, _LOST, _HALF, _ZERO, _MIXED)), chance)
    return _build(disk, tuple(change for _, _, change in sorted(kept)), chosen)


def loose(disk: FakeDisk, volume: str) -> list[str]:
    """Return in words the changes of a volume that a cut now might undo; removals of names, which cost no mail, too.

    Bytes of files that have no name any more do not count.
    """
    groups, syncs = _changes(disk, disk.journal, volume)
    texts = {place: entry.text for place, entry in enumerate(disk.journal)}
    found = [texts[group[0][0]] for group in groups if _fate(group, syncs) != _FIRM]
    contents = _contents(disk, disk.journal)
    dirty = {number for number, content in contents.items() if content.durable != content.current}
    places = (node.entries for node in disk.inodes.values() if node.volume == volume)
    return found + [f"bytes of /{name}" for names in places for name, inode in names.items() if inode in dirty]


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


_LOOSE, _FIRM, _DOOMED = range(3)
_Syncs = dict[int, list[tuple[int, bool]]]
"""By directory: when it was synced, and whether that failed."""


def _plans(disk: FakeDisk, records: list[Record], volume: str, chance: random.Random) -> list[_Kept]:
    """Return the ways in which the names of one volume may survive, from the fewest to all."""
    groups, syncs = _changes(disk, records, volume)
    if disk.volumes[volume].personality == JOURNALLED:
        return _in_order(groups, [_fate(group, syncs) for group in groups])
    changes = list(itertools.chain.from_iterable(groups))
    fates = [_fate([change], syncs) for change in changes]
    certain = [change for change, fate in zip(changes, fates, strict=True) if fate == _FIRM]
    loose = [change for change, fate in zip(changes, fates, strict=True) if fate != _FIRM]
    return [[*certain, *subset] for subset in _subsets(loose, chance)]


def _changes(disk: FakeDisk, records: list[Record], volume: str) -> tuple[list[_Kept], _Syncs]:
    """Return the changes of names of one volume, those made together as one group, and the syncs of directories."""
    groups: list[_Kept] = []
    syncs: _Syncs = {}
    for place, entry in enumerate(records):
        if isinstance(entry, Names) and entry.volume == volume:
            groups.append([(place, part, change) for part, change in enumerate(entry.changes)])
        elif isinstance(entry, Synced) and entry.inode in disk.inodes and disk.inodes[entry.inode].kind == DIRECTORY:
            syncs.setdefault(entry.inode, []).append((place, entry.lost))
    return groups, syncs


def _draw_names(disk: FakeDisk, volume: str, chance: random.Random) -> _Kept:
    """Return one of the ways of :func:`_plans`, without making the others."""
    groups, syncs = _changes(disk, disk.journal, volume)
    if disk.volumes[volume].personality == JOURNALLED:
        fates = [_fate(group, syncs) for group in groups]
        count = chance.randint(_least(fates), len(groups))
        holed = chance.random() < 0.5
        kept = [group for group, fate in zip(groups[:count], fates, strict=False) if not (holed and fate == _DOOMED)]
        return list(itertools.chain.from_iterable(kept))
    share = chance.choice((0.0, 0.1, 0.5, 0.9, 1.0))
    changes = itertools.chain.from_iterable(groups)
    return [change for change in changes if _fate([change], syncs) == _FIRM or chance.random() < share]


def _fate(group: _Kept, syncs: _Syncs) -> int:
    """Tell what the first sync after some changes, of a directory of theirs, made of them."""
    after = [sync for place, _, change in group for sync in syncs.get(change[0], ()) if sync[0] > place]
    if all(change[2] is None for _, _, change in group):
        after = [(place, lost) for place, lost in after if not lost]
    if not after:
        return _LOOSE
    return _DOOMED if min(after)[1] else _FIRM


def _least(fates: list[int]) -> int:
    return max((number + 1 for number, fate in enumerate(fates) if fate == _FIRM), default=0)


def _in_order(groups: list[_Kept], fates: list[int]) -> list[_Kept]:
    counts = range(_least(fates), len(groups) + 1)
    whole = [groups[:count] for count in counts]
    holed = []
    if _DOOMED in fates:
        holed = [[group for group, fate in zip(groups[:n], fates, strict=False) if fate != _DOOMED] for n in counts]
    return [list(itertools.chain.from_iterable(kept)) for kept in (*holed, *whole)]


def _subsets(loose: _Kept, chance: random.Random) -> list[_Kept]:
    if len(loose) <= SUBSETS_BITS:
        sizes = range(len(loose) + 1)
        return [list(subset) for size in sizes for subset in itertools.combinations(loose, size)]
    one_missing = [[other for other in loose if other is not change] for change in loose]
    mixed = [[change for change in loose if chance.random() < 0.5] for _ in range(2**SUBSETS_BITS)]
    return [[], *([change] for change in loose), *mixed, *one_missing, loose]


@dataclass(slots=True)
class _Content:
    """A file's bytes at the cut: what is durable, what was written, and what of that waits for a sync."""

    durable: bytearray
    current: bytearray
    waiting: list[tuple[int, bytes]] = field(default_factory=list)

    def write(self, offset: int, data: bytes) -> None:
        _patch(self.current, offset, data)
        self.waiting.append((offset, data))

    def sync(self, *, lost: bool) -> None:
        for offset, data in () if lost else self.waiting:
            _patch(self.durable, offset, data)
        self.waiting.clear()


def _patch(content: bytearray, offset: int, data: bytes) -> None:
    content.extend(bytes(max(0, offset - len(content))))
    content[offset : offset + len(data)] = data


def _contents(disk: FakeDisk, records: list[Record]) -> dict[int, _Content]:
    found: dict[int, _Content] = {}
    for entry in records:
        if isinstance(entry, Written):
            base = disk.base[entry.inode].data if entry.inode in disk.base else b""
            content = found.setdefault(entry.inode, _Content(bytearray(base), bytearray(base)))
            content.write(entry.offset, entry.data)
        elif isinstance(entry, Synced) and entry.inode in found:
            found[entry.inode].sync(lost=entry.lost)
    return found


def _choose(contents: dict[int, _Content], mode: int, chance: random.Random) -> dict[int, bytes]:
    def one(content: _Content) -> bytes:
        kept, current = bytes(content.durable), bytes(content.current)
        way = chance.randrange(4) if mode == _MIXED else mode
        if kept == current or way == _LOST:
            return kept
        if way == _HALF and len(current) > len(kept):
            return current[: (len(kept) + len(current)) // 2]
        if way == _HALF:
            return current[: len(current) // 2] + kept[len(current) // 2 :]
        return current if way == _FULL else kept + bytes(max(0, len(current) - len(kept)))

    return {inode: one(content) for inode, content in contents.items()}


def _build(disk: FakeDisk, changes: tuple[_Change, ...], contents: dict[int, bytes]) -> dict[int, Inode]:
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
