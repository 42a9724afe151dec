# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import trio

from muleteer.agent.call_desk import CallDesk, CallEnd
from muleteer.agent.events import AnswerEnded, CallEnded, CallErrand, SpoolChanged
from muleteer.agent.exchanges import unreached
from muleteer.agent.status import Line, LineState, SessionProgress, SessionSummary
from muleteer.carriers.online import OnlineTerms
from muleteer.formats.ids import NodeId

BOB, EVE = NodeId(bytes(32)), NodeId(b"\1" * 32)
GOOD, BAD = SessionSummary(established=True), SessionSummary()


def errand(carrier="net", node=BOB):
    return CallErrand(node, carrier, ("bob:5400",), OnlineTerms(), "asked for", insist=True)


def ended(summary, carrier="net", node=BOB):
    return CallEnded(errand(carrier, node), unreached(node, None), summary)


async def nothing(ticket):
    with trio.move_on_after(0.001) as scope:
        await ticket.next()
    return scope.cancelled_caught


async def test_who_asked_is_told_the_busy_line_at_each_change_and_then_the_end():
    desk = CallDesk()
    with desk.follow(BOB, "bob") as ticket:
        desk.note(SpoolChanged(), (), (Line("net", "bob"), Line("net", "eve", LineState.TALKING)))
        assert await nothing(ticket)
        calling = Line("net", "bob", LineState.CALLING)
        desk.note(SpoolChanged(), (), (calling,))
        assert await ticket.next() == calling
        desk.note(SpoolChanged(), (), (calling,))
        assert await nothing(ticket)
        talking = Line("net", "bob", LineState.TALKING, progress=SessionProgress(received=1))
        desk.note(None, (), (calling,))
        desk.note(None, (), (talking,))
        assert await ticket.next() == talking
        desk.note(ended(GOOD), (), ())
        assert await ticket.next() == CallEnd("net", GOOD)


async def test_a_call_that_goes_on_by_another_carrier_is_not_over():
    desk = CallDesk()
    with desk.follow(BOB, "bob") as ticket:
        desk.note(ended(BAD), (errand("cell"),), ())
        desk.note(ended(BAD, node=EVE), (), ())
        assert await nothing(ticket)
        desk.note(ended(GOOD, "cell"), (), ())
        assert await ticket.next() == CallEnd("cell", GOOD)


async def test_who_asks_while_the_neighbour_is_on_line_follows_that_session():
    desk = CallDesk()
    with desk.follow(BOB, "bob") as ticket:
        desk.note(AnswerEnded(EVE, "net", unreached(EVE, None), BAD), (), ())
        assert await nothing(ticket)
        desk.note(AnswerEnded(BOB, "net", unreached(BOB, None), GOOD), (), ())
        assert await ticket.next() == CallEnd("net", GOOD)


async def test_who_has_left_is_told_nothing():
    desk = CallDesk()
    with desk.follow(BOB, "bob") as ticket:
        pass
    desk.note(ended(GOOD), (), ())
    assert await nothing(ticket)
