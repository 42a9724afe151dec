# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of one bay as a table: (place, sign) -> place.

House rules:

1. SAFE, ATTENTION, WAITING, FOREIGN and EMPTY are entered only when the file system is unmounted for real: by the end
   of a round that has looked, or because the stick is out. As long as unmounting is refused the round does not end, and
   the bay is STUCK: do not pull.
2. A round is never called back. A stick that is pulled leaves its round behind (LEAVING); the next stick waits until
   that round has noticed (CHANGING).
3. After SAFE nothing happens until the stick vanishes: who saw the lamp may pull at any time.
4. PULLED stays until a stick goes in: the box wants its half-done runner back.
5. WAITING is for hours to come in which the stick may be used: then its round begins, unasked. Whoever saw that it may
   be pulled, and pulls it in that instant, has pulled it in the middle of a round, and is told so.
6. A pair that is not in the table changes nothing.
"""

from __future__ import annotations

from enum import Enum, auto

from muleteer.agent.events import Ending
from muleteer.agent.status import BayState


class Place(Enum):
    """Where a bay is in its life."""

    EMPTY = auto()
    WORKING = auto()
    LEAVING = auto()  # pulled; the round has not noticed yet
    CHANGING = auto()  # pulled, and the next stick is in already; the round has not noticed yet
    PULLED = auto()
    LOST = auto()  # the round says the stick is gone, the bay has not said so (yet)
    STUCK = auto()  # still mounted though the round has nothing left to do; it goes on trying to unmount
    MOUNTED = auto()  # as STUCK, but nobody tries any more: the agent stops
    SAFE = auto()
    ATTENTION = auto()
    WAITING = auto()
    FOREIGN = auto()


class Sign(Enum):
    """What can happen to a bay."""

    APPEARED = auto()
    VANISHED = auto()
    STILL_MOUNTED = auto()  # said by a round that goes on
    LEFT_MOUNTED = auto()  # said by a round that ends because the agent stops
    COMPLETE = auto()
    BLEMISHED = auto()
    NOT_OURS = auto()
    NOT_NOW = auto()
    HOURS_BEGIN = auto()
    GONE = auto()
    PATIENCE_OVER = auto()  # the stick is still in, though its round lost it: a bad contact


TABLE: dict[tuple[Place, Sign], Place] = {
    (Place.EMPTY, Sign.APPEARED): Place.WORKING,
    (Place.PULLED, Sign.APPEARED): Place.WORKING,
    (Place.WORKING, Sign.COMPLETE): Place.SAFE,
    (Place.WORKING, Sign.BLEMISHED): Place.ATTENTION,
    (Place.WORKING, Sign.NOT_OURS): Place.FOREIGN,
    (Place.WORKING, Sign.NOT_NOW): Place.WAITING,
    (Place.WORKING, Sign.GONE): Place.LOST,
    (Place.WORKING, Sign.VANISHED): Place.LEAVING,
    (Place.WORKING, Sign.STILL_MOUNTED): Place.STUCK,
    (Place.WORKING, Sign.LEFT_MOUNTED): Place.MOUNTED,
    (Place.STUCK, Sign.COMPLETE): Place.SAFE,
    (Place.STUCK, Sign.BLEMISHED): Place.ATTENTION,
    (Place.STUCK, Sign.NOT_OURS): Place.FOREIGN,
    (Place.STUCK, Sign.NOT_NOW): Place.WAITING,
    (Place.STUCK, Sign.GONE): Place.LOST,
    (Place.STUCK, Sign.LEFT_MOUNTED): Place.MOUNTED,
    (Place.STUCK, Sign.VANISHED): Place.LEAVING,
    (Place.MOUNTED, Sign.VANISHED): Place.PULLED,
    (Place.LOST, Sign.VANISHED): Place.PULLED,
    (Place.LOST, Sign.PATIENCE_OVER): Place.WORKING,
    (Place.LEAVING, Sign.APPEARED): Place.CHANGING,
    (Place.LEAVING, Sign.COMPLETE): Place.EMPTY,  # it was pulled in the instant in which it became safe
    (Place.LEAVING, Sign.BLEMISHED): Place.PULLED,
    (Place.LEAVING, Sign.NOT_OURS): Place.EMPTY,
    (Place.LEAVING, Sign.NOT_NOW): Place.EMPTY,
    (Place.LEAVING, Sign.GONE): Place.PULLED,
    (Place.LEAVING, Sign.LEFT_MOUNTED): Place.PULLED,
    (Place.CHANGING, Sign.VANISHED): Place.LEAVING,
    (Place.CHANGING, Sign.COMPLETE): Place.WORKING,
    (Place.CHANGING, Sign.BLEMISHED): Place.WORKING,
    (Place.CHANGING, Sign.NOT_OURS): Place.WORKING,
    (Place.CHANGING, Sign.NOT_NOW): Place.WORKING,
    (Place.CHANGING, Sign.GONE): Place.WORKING,
    (Place.CHANGING, Sign.LEFT_MOUNTED): Place.WORKING,
    (Place.SAFE, Sign.VANISHED): Place.EMPTY,
    (Place.ATTENTION, Sign.VANISHED): Place.EMPTY,
    (Place.WAITING, Sign.VANISHED): Place.EMPTY,
    (Place.WAITING, Sign.HOURS_BEGIN): Place.WORKING,
    (Place.FOREIGN, Sign.VANISHED): Place.EMPTY,
}

ENDED: dict[Ending, Sign] = {
    Ending.COMPLETE: Sign.COMPLETE,
    Ending.BLEMISHED: Sign.BLEMISHED,
    Ending.FOREIGN: Sign.NOT_OURS,
    Ending.NOT_NOW: Sign.NOT_NOW,
    Ending.GONE: Sign.GONE,
    Ending.BROKEN_OFF: Sign.BLEMISHED,
    Ending.STUCK: Sign.LEFT_MOUNTED,
}

SHOWN: dict[Place, BayState] = {
    Place.EMPTY: BayState.EMPTY,
    Place.WORKING: BayState.WORKING,
    Place.LEAVING: BayState.PULLED,
    Place.CHANGING: BayState.WORKING,
    Place.PULLED: BayState.PULLED,
    Place.LOST: BayState.PULLED,
    Place.STUCK: BayState.STUCK,
    Place.MOUNTED: BayState.STUCK,
    Place.SAFE: BayState.SAFE,
    Place.ATTENTION: BayState.ATTENTION,
    Place.WAITING: BayState.ATTENTION,
    Place.FOREIGN: BayState.FOREIGN,
}


def next_place(place: Place, sign: Sign) -> Place:
    """Return where `sign` takes a bay that is at `place`."""
    return TABLE.get((place, sign), place)
