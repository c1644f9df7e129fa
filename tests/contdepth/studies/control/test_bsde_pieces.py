"""Pieces of deep BSDE: settings of the authors, what is left of the residual, the same again."""

from __future__ import annotations

import math

import pytest
import torch
from piece_checks import plain
from tiny_pieces import TINY

from contdepth.studies.control.bsde_assembled import errors_of, left_of, mean_of_estimates
from contdepth.studies.control.bsde_pieces import ARMS, _fresh, picard_arm, step_nets_arm
from contdepth.studies.control.per_step_nets import train_step_nets


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


def test_what_is_left_is_measured_with_moments_at_rest() -> None:
    make, plan = ARMS["hjb"]
    model = train_step_nets(make(2), 3, 5, 0)
    moments = [each.clone() for each in model.buffers()]
    _fresh(make(2), model, 3, 0)
    assert moments and all(torch.equal(a, b) for a, b in zip(moments, model.buffers(), strict=True))


def test_estimates_of_pieces_are_drawn_anew_for_each_seed() -> None:
    found = [picard_arm(**TINY[picard_arm], arm="default-risk", seed=seed)["estimates"] for seed in (0, 1)]
    assert len({*found[0], *found[1]}) == 8


def test_pieces_are_assembled_in_the_order_of_their_seeds() -> None:
    pieces = [
        {"arguments": {"arm": "hjb", "seed": seed}, "result": {"value": 4.0 + seed, "left": 0.1 * seed}}
        for seed in (1, 0, 2)
    ]
    found = errors_of(pieces, 5.0)
    assert found["seeds"] == (0, 1, 2)
    assert found["value"] == pytest.approx([20.0, 0.0, 20.0])
    assert left_of(pieces)["value"] == pytest.approx([0.0, 0.1, 0.2])
    parts = [{"arguments": {"seed": seed}, "result": {"estimates": [1.0 + seed, 3.0 + seed]}} for seed in (0, 1)]
    mean, error = mean_of_estimates(parts)
    assert mean == pytest.approx(2.5) and error == pytest.approx(math.sqrt(5 / 3 / 4))
