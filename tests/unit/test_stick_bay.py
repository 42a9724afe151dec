# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated bay: a directory in which a subdirectory that appears is an insertion."""

from __future__ import annotations

import os

import pytest
import trio

from muleteer.hotplug.directory import STICKS_MAX, DirectoryBay
from muleteer.hotplug.events import Inserted, Pulled
from muleteer.hotplug.recognise import DIRECTORY


@pytest.fixture
def bay(tmp_path):
    (tmp_path / "bay").mkdir()
    return DirectoryBay(str(tmp_path / "bay"))


def test_in_and_out(bay, tmp_path):
    stick = tmp_path / "bay" / "BLUE"
    assert bay.poll() == []
    stick.mkdir()
    [event] = bay.poll()
    assert isinstance(event, Inserted)
    assert (event.stick.label, event.stick.fs_type, event.stick.directory) == ("BLUE", DIRECTORY, str(stick))
    assert bay.poll() == []
    stick.rename(tmp_path / "pocket")
    assert bay.poll() == [Pulled(str(stick))]
    assert bay.poll() == []


def test_swapped_between_two_looks(bay, tmp_path):
    stick = tmp_path / "bay" / "BLUE"
    stick.mkdir()
    bay.poll()
    stick.rename(tmp_path / "pocket")
    stick.mkdir()
    pulled, inserted = bay.poll()
    assert pulled == Pulled(str(stick))
    assert isinstance(inserted, Inserted)


def test_a_link_to_where_a_stick_is_mounted_is_a_stick(bay, tmp_path):
    (tmp_path / "media").mkdir()
    (tmp_path / "bay" / "BLUE").symlink_to(tmp_path / "media")
    (tmp_path / "bay" / "dangling").symlink_to(tmp_path / "nowhere")
    [event] = bay.poll()
    assert event.stick.label == "BLUE"


def test_a_link_in_the_bay_is_pulled_when_it_or_what_it_leads_to_goes(bay, tmp_path):
    media, link = tmp_path / "media", tmp_path / "bay" / "BLUE"
    media.mkdir()
    link.symlink_to(media)
    bay.poll()
    while bay.poll():
        pass
    bay.poll()  # by now the names are not listed any more
    media.rename(tmp_path / "ejected")
    assert bay.poll() == [Pulled(str(link))]
    (tmp_path / "ejected").rename(media)
    [event] = bay.poll()
    assert isinstance(event, Inserted), "the link was there before the desktop had mounted the stick"
    link.unlink()
    assert bay.poll() == [Pulled(str(link))]


def test_a_bay_at_rest_was_listed_ten_times_a_second(bay, tmp_path, monkeypatch):
    listed = []
    real = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: (listed.append(path), real(path))[1])
    for _ in range(10):
        bay.poll()
    assert len(listed) == 2, "once, and once more for what happened within the same tick of the clock"
    (tmp_path / "bay" / "BLUE").mkdir()
    os.utime(tmp_path / "bay", ns=(0, 0))
    assert len(bay.poll()) == 1


def test_files_and_hidden_names_are_not_sticks(bay, tmp_path):
    (tmp_path / "bay" / "readme.txt").write_text("no stick")
    (tmp_path / "bay" / ".preparing").mkdir()
    assert bay.poll() == []


def test_a_bay_that_is_not_there_is_empty(tmp_path):
    bay = DirectoryBay(str(tmp_path / "later"))
    assert bay.poll() == []
    (tmp_path / "later" / "BLUE").mkdir(parents=True)
    assert len(bay.poll()) == 1


def test_as_many_as_a_bay_can_hold(bay, tmp_path):
    for number in range(STICKS_MAX + 3):
        (tmp_path / "bay" / f"S{number:02}").mkdir()
    assert len(bay.poll()) == STICKS_MAX


async def test_as_a_source(bay, tmp_path, autojump_clock):
    events = bay.events()
    (tmp_path / "bay" / "BLUE").mkdir()
    first = await anext(events)
    assert isinstance(first, Inserted)

    async def pull():
        await trio.sleep(3)
        (tmp_path / "bay" / "BLUE").rmdir()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(pull)
        assert isinstance(await anext(events), Pulled)
    await events.aclose()
