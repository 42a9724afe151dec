# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import threading

import trio

from muleteer.agent.events import SessionBegan, SessionProgressed, SpoolChanged
from muleteer.agent.mailbox import Mailbox
from muleteer.agent.status import SessionProgress
from muleteer.formats.ids import NodeId

BOB, EVE = NodeId(bytes(32)), NodeId(b"\1" * 32)


def progress(node, received):
    return SessionProgressed(node, "net", SessionProgress(received=received))


async def taken(mailbox, count):
    with trio.fail_after(10):
        return [await mailbox.take() for _ in range(count)]


async def test_what_a_thread_puts_comes_in_its_order_and_of_progress_the_newest():
    mailbox = Mailbox()
    began = SessionBegan(BOB, "net", incoming=True)

    def talk():
        mailbox.put(began)
        for received in range(1000):
            mailbox.put(progress(BOB, received))
            mailbox.put(progress(EVE, received))
        mailbox.put(SpoolChanged())

    thread = threading.Thread(target=talk)
    thread.start()
    thread.join()
    assert await taken(mailbox, 4) == [began, progress(BOB, 999), progress(EVE, 999), SpoolChanged()]


async def test_who_waits_is_woken_by_a_thread(nursery):
    mailbox = Mailbox()
    got = []

    async def take():
        got.append(await mailbox.take())
        nursery.cancel_scope.cancel()

    nursery.start_soon(take)
    await trio.testing.wait_all_tasks_blocked()
    assert got == []
    await trio.to_thread.run_sync(mailbox.put, SpoolChanged())
    with trio.fail_after(10):
        await trio.sleep_forever()


def test_a_session_that_outlives_the_agents_loop_puts_into_the_void():
    mailbox = Mailbox()
    mailbox.put(SpoolChanged())
    assert trio.run(mailbox.take) == SpoolChanged()
    mailbox.put(SpoolChanged())
