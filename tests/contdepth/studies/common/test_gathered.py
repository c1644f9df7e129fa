"""Results of pieces by arm and seed: their order, and sets of seeds that do not fit."""

from __future__ import annotations

import pytest

from contdepth.studies.common.gathered import gathered, seeds_of


def piece(arm, seed):
    return {"arguments": {"arm": arm, "seed": seed}, "result": {"value": 10 * seed}, "weights": None}


def test_results_come_by_arm_in_the_order_of_their_seeds():
    found = gathered([piece("a", 1), piece("b", 0), piece("a", 0), piece("b", 1)])
    assert list(found) == ["a", "b"] and seeds_of(found) == [0, 1]
    assert [one["value"] for one in found["a"]] == [0, 10]


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [piece("a", 1), piece("a", 2)],
        [piece("a", 0), piece("a", 1), piece("b", 0)],
        [piece("a", 0), piece("a", 0)],
    ],
    ids=["none", "not from 0 on", "a seed of one arm is missing", "one twice"],
)
def test_seeds_that_do_not_fit_are_refused(pieces):
    with pytest.raises(ValueError, match="pieces: expected"):
        gathered(pieces)
