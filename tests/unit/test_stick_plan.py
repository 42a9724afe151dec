# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packets go on a stick: rules in, choice out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from muleteer.carriers.stick_plan import (
    FAT_FILE_SIZE_MAX,
    RESERVE_CLUSTERS,
    Queued,
    StickAllowance,
    StickTerms,
    StickTraits,
    cost_of,
    hold_of,
    plan,
    urgency,
)
from muleteer.carriers.stick_report import Hold
from muleteer.formats.ids import NodeId, PacketName

BOB, EVE = NodeId(b"b" * 32), NodeId(b"e" * 32)
FAT = StickTraits.of("vfat")
PLENTY = 1 << 40


def queued(size=1000, nice=100, *, node=BOB, number=0, **more):
    return Queued(node, PacketName(number.to_bytes(32, "big")), nice, size, **more)


def test_a_neighbour_with_terms_of_its_own_has_those_and_no_others():
    allowance = StickAllowance(nice=96, special={EVE: StickTerms(nice=200, size=500), BOB: StickTerms(send=False)})
    assert hold_of(queued(400, 200, node=EVE), allowance, FAT) is None
    assert hold_of(queued(501, node=EVE), allowance, FAT) is Hold.TOO_BIG
    assert hold_of(queued(1, 1), allowance, FAT) is Hold.ONE_WAY
    assert hold_of(queued(nice=97, node=NodeId(b"c" * 32)), allowance, FAT) is Hold.TOO_NICE


def test_ceilings_are_inclusive():
    allowance = StickAllowance(nice=96, size=5000)
    assert hold_of(queued(5000, 96), allowance, FAT) is None
    assert hold_of(queued(5001, 96), allowance, FAT) is Hold.TOO_BIG
    assert hold_of(queued(5000, 97), allowance, FAT) is Hold.TOO_NICE


def test_the_carry_list():
    allowance = StickAllowance(carry=frozenset({BOB}))
    assert hold_of(queued(), allowance, FAT) is None
    assert hold_of(queued(node=EVE), allowance, FAT) is Hold.NOT_CARRIED
    assert hold_of(queued(node=EVE), StickAllowance(), FAT) is None
    assert hold_of(queued(), StickAllowance(carry=frozenset()), FAT) is Hold.NOT_CARRIED


def test_fat_takes_one_byte_less_than_4_gib():
    assert hold_of(queued(FAT_FILE_SIZE_MAX), StickAllowance(), FAT) is None
    assert hold_of(queued(FAT_FILE_SIZE_MAX + 1), StickAllowance(), FAT) is Hold.FILE_LIMIT
    assert hold_of(queued(FAT_FILE_SIZE_MAX + 1), StickAllowance(), StickTraits.of("exfat")) is None


def test_a_copy_under_way_holds_its_packet():
    assert hold_of(queued(travels=True), StickAllowance(), FAT) is Hold.TRAVELS


def test_small_packets_cost_a_cluster_each():
    free = RESERVE_CLUSTERS * FAT.cluster + 3 * (FAT.cluster + 512)
    chosen = plan([queued(1, number=n) for n in range(10)], StickAllowance(), FAT, free)
    assert len(chosen.chosen) == 3
    assert {held.hold for held in chosen.held} == {Hold.NO_ROOM}


def test_what_lies_there_already_costs_nothing():
    assert plan([queued(present=True)], StickAllowance(), FAT, 0).chosen


def test_a_big_urgent_packet_does_not_block_a_small_one():
    big, small = queued(1 << 30, 1, number=1), queued(10, 200, number=2)
    chosen = plan([small, big], StickAllowance(), FAT, 1 << 27)
    assert chosen.chosen == [small]
    assert chosen.held == [big.held(Hold.NO_ROOM)]
    assert plan([small, big], StickAllowance(), FAT, PLENTY).chosen == [big, small]


packets = st.lists(
    st.builds(
        queued,
        st.integers(0, 1 << 22),
        st.integers(1, 255),
        node=st.sampled_from([BOB, EVE]),
        number=st.integers(0, 1 << 60),
        travels=st.booleans(),
        present=st.booleans(),
    ),
    max_size=30,
)


@given(packets, st.integers(1, 255), st.integers(0, 1 << 24))
def test_every_packet_is_chosen_or_held_and_the_room_is_kept(queue, nice, free):
    allowance = StickAllowance(nice=nice, carry=frozenset({BOB}))
    result = plan(queue, allowance, FAT, free)
    assert len(result.chosen) + len(result.held) == len(queue)
    assert result.chosen == sorted(result.chosen, key=urgency)
    new = [q for q in result.chosen if not q.present]
    assert not new or sum(cost_of(q.size, FAT) for q in new) <= free - RESERVE_CLUSTERS * FAT.cluster
    assert all(q.nice <= nice and q.node == BOB and not q.travels for q in result.chosen)
    for held in result.held:
        if held.hold is Hold.NO_ROOM:
            later = [q for q in new if (q.nice, q.size, q.name) < (held.nice, held.size, held.name)]
            taken = sum(cost_of(q.size, FAT) for q in later)
            assert taken + cost_of(held.size, FAT) > free - RESERVE_CLUSTERS * FAT.cluster
