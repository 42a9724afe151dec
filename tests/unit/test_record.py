# SPDX-License-Identifier: GPL-3.0-or-later
"""`record` keeps its promise: what a frozen, slotted dataclass gives."""

from __future__ import annotations

import pickle
from dataclasses import dataclass

import pytest

from muleteer.record import record, replace


@record
class Pair:
    left: int
    right: int = 3

    def total(self) -> int:
        return self.left + self.right


@dataclass(frozen=True, slots=True)
class Model:
    left: int
    right: int = 3


def test_it_behaves_as_a_dataclass_does():
    for args, kwargs in (((1,), {}), ((1, 2), {}), ((), {"left": 5}), ((4,), {"right": 9})):
        ours, model = Pair(*args, **kwargs), Model(*args, **kwargs)
        assert (ours.left, ours.right) == (model.left, model.right)
        assert repr(ours) == repr(model).replace("Model", "Pair")
        assert ours == Pair(*args, **kwargs)
        assert hash(ours) == hash(Pair(*args, **kwargs))
    for args, kwargs in (((), {}), ((1, 2, 3), {}), ((1,), {"middle": 2}), ((1,), {"left": 2})):
        for kind in (Pair, Model):
            with pytest.raises(TypeError):
                kind(*args, **kwargs)


def test_it_is_frozen_and_slotted():
    pair = Pair(1)
    for change in (lambda: setattr(pair, "left", 2), lambda: setattr(pair, "new", 2), lambda: delattr(pair, "left")):
        with pytest.raises(AttributeError):
            change()
    assert not hasattr(pair, "__dict__")


def test_it_is_equal_only_to_its_own_kind():
    assert Pair(1) != Model(1)
    assert Pair(1) != Pair(2)
    assert len({Pair(1), Pair(1, 3), Pair(2)}) == 2


def test_it_matches_pickles_and_is_replaced():
    match Pair(7, 8):
        case Pair(left, right):
            assert (left, right) == (7, 8)
    assert pickle.loads(pickle.dumps(Pair(7, 8))) == Pair(7, 8)
    assert replace(Pair(7, 8), right=1) == Pair(7, 1)
    assert Pair(1).total() == 4


def test_the_hundredth_instance_is_made_as_the_first():
    @record
    class Triple:
        first: int
        second: int = 2
        third: int = 3

    made = [Triple(number) for number in range(100)]
    assert made == [Triple(first=number, third=3) for number in range(100)]
    assert {(each.second, each.third) for each in made} == {(2, 3)}


def test_wrong_arguments_are_refused_from_the_first_instance_on():
    for args in ((), (1, 2, 3)):

        @record
        class Fresh:
            left: int
            right: int = 3

        with pytest.raises(TypeError, match="argument"):
            Fresh(*args)
    with pytest.raises(TypeError):
        replace(Pair(1), middle=2)
