"""Stopping rules against enumeration and by hand."""

from __future__ import annotations

import math

import pytest
import torch
from stopping_bank import BEST, EPISODES, LOSSES, N, Table, bank, best_returns

from contdepth.restoration.stopping.rules import (
    NOISE_LINE,
    Line,
    best_fixed,
    by_noise_level,
    first_stop,
    fit_line,
    fixed,
    greedy,
    mean_steps,
    oracle,
    regret,
)


def test_oracle_and_best_fixed_step():
    assert oracle(LOSSES).tolist() == BEST
    assert oracle(torch.tensor([[2.0, 1.0, 1.0]])).tolist() == [1]
    assert LOSSES.mean(0).tolist() == pytest.approx([2.6, 2.1, 2.2, 2.54, 2.54])
    assert best_fixed(LOSSES) == 1
    assert best_fixed(torch.tensor([[3.0, 2.0, 1.0]])) == 2
    assert fixed(3, 2).tolist() == [3, 3]


@pytest.mark.parametrize(
    ("values", "stop"),
    [
        ([-1.0, 5.0, 5.0], 0),
        ([1.0, -1.0, 5.0], 1),
        ([1.0, 1.0, -1.0], 2),
        ([1.0, 1.0, 1.0], 3),
        ([0.0, 1.0, 1.0], 0),
        ([1e-30, -1e-30, 1.0], 1),
    ],
)
def test_first_stop(values, stop):
    assert first_stop(torch.tensor([values])).tolist() == [stop]


def test_greedy_with_the_true_values_is_the_oracle():
    policy = Table()
    with torch.no_grad():
        policy.values.view(LOSSES.shape)[:, :-1] = best_returns(LOSSES, 1.0)
    assert greedy(policy, bank()).tolist() == BEST
    assert bank().gain(greedy(policy, bank())).tolist() == (LOSSES[:, 0] - LOSSES.amin(1)).tolist()


def test_greedy_stops_at_the_state_it_dislikes():
    for wanted in range(N + 1):
        policy = Table(start=1.0)
        with torch.no_grad():
            policy.values.view(LOSSES.shape)[2, wanted:] = -1.0
        assert greedy(policy, bank()).tolist() == [N, N, wanted, N, N]


def test_noise_level_rule_rounds_halves_up_and_clips():
    levels = torch.tensor([0.0, 4.9, 15.0, 25.0, 35.0, 45.0, 55.0, 65.0, 75.0, 300.0])
    assert by_noise_level(levels, 8).tolist() == [0, 0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert by_noise_level(torch.tensor([29.99, 30.0, 20.0]), 8).tolist() == [2, 3, 2]
    assert by_noise_level(levels[:2], 8, Line(0.0, 3.0)).tolist() == [3, 3]
    assert (NOISE_LINE.slope, NOISE_LINE.intercept) == (0.1, -0.5)


def test_fitted_line_is_least_squares():
    levels = torch.tensor([25.0, 35.0, 45.0, 55.0])
    line = fit_line(levels, torch.tensor([2, 3, 4, 5]))
    assert (line.slope, line.intercept) == pytest.approx((0.1, -0.5))
    x, y = torch.tensor([1.0, 2.0, 4.0, 9.0]), torch.tensor([1, 3, 2, 7])
    design = torch.stack([x, torch.ones(4)], 1).double()
    solution = torch.linalg.lstsq(design, y.double()[:, None]).solution[:, 0]
    line = fit_line(x, y)
    assert (line.slope, line.intercept) == pytest.approx(tuple(solution.tolist()))


def test_regret_is_in_db_and_zero_for_the_oracle():
    rollouts = bank(LOSSES - 30)
    assert regret(rollouts, oracle(rollouts.losses)).tolist() == [0.0] * EPISODES
    assert regret(rollouts, fixed(1, EPISODES)).tolist() == pytest.approx([2, 1, 1.5, 0, 1.3], abs=1e-5)
    squared = bank(LOSSES, loss="mse")
    by_hand = 10 * math.log10(3.0 / 1.0)
    assert regret(squared, fixed(1, EPISODES))[0].item() == pytest.approx(by_hand, rel=1e-6)


def test_mean_steps_of_each_level():
    stops, levels = torch.tensor([2, 4, 3, 3]), torch.tensor([55.0, 55.0, 25.0, 25.0])
    assert mean_steps(stops, levels) == {25.0: 3.0, 55.0: 3.0}
    assert list(mean_steps(torch.tensor([1, 0, 4]), torch.tensor([35.0, 25.0, 35.0])).items()) == [
        (25.0, 0.0),
        (35.0, 2.5),
    ]
