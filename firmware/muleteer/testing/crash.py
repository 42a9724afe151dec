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

What may survive a cut stands in :mod:`.survivors`. The power may fail twice: from each cut one survivor's recovery is
cut, too, at CUTS_AGAIN places chosen by the seed.

A second loop, :func:`enumerate_failures`, lets each verb of the flow fail instead, once and from then on, with EIO,
ENOSPC and EROFS. Afterwards the program starts again and does the whole flow once more, which must complete. After a
single failure that happens on the same machine, whose kernel has told its error and will not tell it again: a flow
that finds something there and believes it, because this time the fsync succeeds, is caught.
"""

from __future__ import annotations

import copy
import errno
import itertools
import os
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from muleteer.errors import MuleteerError, SpoolError
from muleteer.testing.disk_tree import Mark
from muleteer.testing.survivors import survivors

if TYPE_CHECKING:
    from collections.abc import Callable

    from muleteer.testing.disk import FakeDisk
    from muleteer.testing.disk_tree import Image

SHOWN_MAX = 5
CUTS_AGAIN = 2
SURVIVORS_AGAIN = 3


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
    chance = random.Random(seed)
    for index in range(len(disk.journal) + 1):
        rest = disk.journal[index:]
        cut = Cut(rest[0].text if rest else "the end", _marks(disk, index), finished=not rest)
        found = list(survivors(disk, index, limit=limit, seed=seed))
        twice = {number: inode.copy() for number, inode in chance.choice(found).items()}
        for inodes in found:
            judge.judge(disk.reborn(inodes), cut)
        judge.cut_again(disk.reborn(twice), cut, chance)
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
    program alone, a power cut right after, and what a further whole run leaves, which must not fail: after a failure
    that lasted on a machine that was started anew, after a single one also on the one that goes on.
    """
    scene = build()
    scene.settle()
    clean = copy.deepcopy(scene)
    act(clean)
    judge = _Judge(recover, check)
    runs = 0
    for code, sticky, index in itertools.product(codes, (False, True), range(len(clean.trace))):
        call = clean.trace[index]
        if not call.path.startswith(under) or not (call.changes or code == errno.EIO):
            continue
        disk = copy.deepcopy(scene)
        disk.fail(index, code, sticky=sticky, under=under)
        failure = _outcome(act, disk)
        disk.heal()
        runs += 1
        what = f"{os.strerror(code)}{' from here on' if sticky else ''} at {call.verb} {call.path}"
        cut = Cut(what, _marks(disk), finished=failure is None, failure=failure)
        if failure is not None and not isinstance(failure, expected):
            judge.violations.append(f"{what}: the flow raised {failure!r}")
        found = list(survivors(disk, len(disk.journal), limit=limit, seed=seed))
        again = copy.deepcopy(disk) if sticky else disk
        for inodes in found:
            judge.judge(disk.reborn(inodes), cut)
        judge.run_again(again, act, cut, seed)
    return judge.verdict(runs)


def _marks(disk: FakeDisk, index: int | None = None) -> tuple[str, ...]:
    return tuple(entry.text for entry in disk.journal[:index] if isinstance(entry, Mark))


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

    def cut_again(self, disk: FakeDisk, cut: Cut, chance: random.Random) -> None:
        """Judge a second cut, during the recovery from the first."""
        disk.settle()
        if _outcome(self._recover, disk) is not None:
            return  # told by judge() already
        places = range(1, len(disk.journal))
        for index in sorted(chance.sample(places, min(CUTS_AGAIN, len(places)))):
            again = replace(cut, before=f"{cut.before}; then in the recovery before: {disk.journal[index].text}")
            found = list(survivors(disk, index, limit=SURVIVORS_AGAIN, seed=index))
            for inodes in chance.sample(found, min(SURVIVORS_AGAIN, len(found))):
                self.judge(disk.reborn(inodes), again)

    def run_again(self, disk: FakeDisk, act: Act, cut: Cut, seed: int) -> None:
        """Start the program again after a failure, do the flow once more, and judge what is there if the power goes."""
        disk.restart()
        before = cut.marks if not disk.journal else ()
        failure = _outcome(lambda disk: (self._recover(disk), act(disk)), disk)
        if failure is not None:
            self.violations.append(f"a further run after {cut.before} raised {failure!r}")
            return
        done = Cut(f"the end of a further run after {cut.before}", before + _marks(disk), finished=True)
        for inodes in survivors(disk, len(disk.journal), limit=SURVIVORS_AGAIN, seed=seed):
            self.judge(disk.reborn(inodes), done)

    def verdict(self, cuts: int) -> Coverage:
        if self.violations:
            shown = "\n".join(self.violations[:SHOWN_MAX])
            raise PromiseBroken(f"{len(self.violations)} of {len(self._known)} survivors break a promise:\n{shown}")
        return Coverage(cuts, len(self._known))


def _show(image: Image) -> str:
    lines = []
    for path, what in image.items():
        if isinstance(what, bytes):
            lines.append(f"    {path}  {len(what)} bytes {what[:16]!r}")
        elif what is not None:
            lines.append(f"    {path} -> {what}")
    return "\n".join(lines)
