"""Pieces of deep BSDE: settings of the authors, what is left of the residual, the same again."""

from __future__ import annotations

import pytest
from piece_checks import plain
from tiny_pieces import TINY

from contdepth.studies.control.bsde_pieces import ARMS, picard_arm, step_nets_arm


@pytest.mark.parametrize("arm", ARMS)
def test_a_piece_is_the_same_again_and_another_for_another_seed(arm: str) -> None:
    results = [step_nets_arm(**TINY[step_nets_arm], arm=arm, seed=seed) for seed in (0, 0, 1)]
    for one in results:
        one.pop("seconds")
    first, again, other = map(plain, results)
    assert first == again != other
    _, plan = ARMS[arm]
    assert plan.began[0] - 1 < results[0]["value"] < plan.began[1] + 1


def test_settings_are_those_of_the_authors_configurations() -> None:
    plans = {name: (plan.steps, plan.iterations, plan.rate, plan.began) for name, (_, plan) in ARMS.items()}
    assert plans == {
        "hjb": (20, 2000, 0.01, (0, 1)),
        "allen-cahn": (20, 4000, 5e-4, (0.3, 0.5)),
        "default-risk": (40, 6000, 8e-3, (40, 50)),
    }


def test_training_lowers_what_is_left() -> None:
    short, longer = (step_nets_arm(arm="hjb", seed=0, dim=2, steps=3, iterations=count) for count in (2, 400))
    assert longer["left"] < 0.7 * short["left"]
    assert len(longer["course"]) == 100 and longer["value"] > short["value"]


def test_estimates_of_pieces_are_drawn_anew_for_each_seed() -> None:
    found = [picard_arm(**TINY[picard_arm], arm="default-risk", seed=seed)["estimates"] for seed in (0, 1)]
    assert len({*found[0], *found[1]}) == 8
