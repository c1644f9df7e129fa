"""One clear sentence for every wrong argument of the stopping room."""

from __future__ import annotations

import math

import pytest
import torch
from stopping_bank import LOSSES, Brightness, Halfway, Table, bank, pictures
from torch import nn

from contdepth.restoration.stopping.dqn import DQNPlan, train_dqn
from contdepth.restoration.stopping.learning_to_stop import (
    StopPlan,
    log_oracle_posterior,
    log_stop_distribution,
)
from contdepth.restoration.stopping.maps import StoppingMap, compose, stopping_map
from contdepth.restoration.stopping.policy import make_policy
from contdepth.restoration.stopping.rollouts import Rollouts, roll_out
from contdepth.restoration.stopping.rules import (
    by_noise_level,
    first_stop,
    fit_line,
    greedy,
    mean_steps,
    oracle,
)


def rollouts_with(**changes):
    good = bank()
    parts = {name: getattr(good, name) for name in ("states", "observations", "losses", "levels")}
    return Rollouts(**{**parts, **changes})


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: rollouts_with(states=torch.zeros(5, 5, 4)), ValueError, "states: expected a tensor with 4"),
        (lambda: rollouts_with(states=torch.zeros(5, 5, 4, 4, dtype=torch.float64)), ValueError, "states.dtype"),
        (lambda: rollouts_with(losses=LOSSES[:, :-1]), ValueError, "losses: expected shape"),
        (lambda: rollouts_with(losses=LOSSES / 0), ValueError, "losses: expected finite.*mse"),
        (lambda: rollouts_with(levels=torch.zeros(4)), ValueError, "levels: expected shape"),
        (lambda: rollouts_with(observations=torch.zeros(5, 4, 5)), ValueError, "observations"),
        (lambda: rollouts_with(loss="ssim"), ValueError, "loss: expected one of 'psnr', 'mse'"),
        (lambda: bank().gain(torch.tensor([0, 1, 2, 3, 5])), ValueError, "stops: expected steps in 0 … 4"),
        (lambda: bank().gain(torch.tensor([0, 1, 2, 3, -1])), ValueError, "stops: expected steps in 0 … 4"),
        (lambda: bank().gain(torch.tensor([0.0] * 5)), TypeError, "stops: expected dtype torch.int64"),
        (lambda: bank().gain(torch.tensor([0])), ValueError, "stops: expected shape"),
        (lambda: roll_out(Halfway(), *pictures(), torch.zeros(5), 0), ValueError, "steps"),
        (lambda: roll_out(Halfway(), *pictures(), torch.zeros(4), 1), ValueError, "levels"),
        (lambda: roll_out(Halfway(), pictures()[0], pictures()[1] * 1e5, torch.zeros(5), 1), ValueError, "finite"),
        (lambda: roll_out(Halfway(), pictures()[0][:4], pictures()[1], torch.zeros(5), 1), ValueError, "noisy"),
        (lambda: DQNPlan(gamma=0.9), TypeError, "gamma"),
        (lambda: DQNPlan(discount=1.1), ValueError, "discount"),
        (lambda: DQNPlan(warm_up=30_000), ValueError, "warm_up: expected at most the capacity"),
        (lambda: DQNPlan(precision="fp16"), ValueError, "precision"),
        (lambda: DQNPlan(random_continue=0.0), ValueError, "random_continue"),
        (lambda: StopPlan(temperature=1.0), TypeError, "temperature"),
        (lambda: StopPlan(beta=0.0), ValueError, "beta"),
        (lambda: StopPlan(objective="reverse"), ValueError, "objective"),
        (lambda: train_dqn(nn.Linear(2, 1), bank(), DQNPlan()), TypeError, "policy: expected a Policy"),
        (lambda: train_dqn(Table(), LOSSES, DQNPlan()), TypeError, "rollouts: expected Rollouts"),
        (lambda: train_dqn(Table(horizon=3), bank(), DQNPlan()), ValueError, "horizon 3, found 4"),
        (lambda: greedy(Table(), bank(), "fp16"), ValueError, "precision"),
        (lambda: log_oracle_posterior(LOSSES, -1.0), ValueError, "beta"),
        (lambda: log_stop_distribution(torch.zeros(3, 0)), ValueError, "values"),
        (lambda: oracle(torch.tensor([[1.0, math.nan]])), ValueError, "losses: expected finite"),
        (lambda: first_stop(torch.zeros(4)), ValueError, "values"),
        (lambda: fit_line(torch.ones(3), torch.tensor([1, 2, 3])), ValueError, "two different levels"),
        (lambda: by_noise_level(torch.tensor([math.nan]), 3), ValueError, "levels"),
        (lambda: mean_steps(torch.tensor([1, 2]), torch.ones(3)), ValueError, "levels"),
        (lambda: make_policy(0, seed=0), ValueError, "horizon"),
        (
            lambda: stopping_map(Brightness(), torch.zeros(10, 1, 8, 8), torch.zeros(1, 1, 8, 8)),
            ValueError,
            "horizon",
        ),
        (lambda: stopping_map(Brightness(), torch.zeros(3, 1, 8, 8), torch.zeros(1, 1, 8, 9)), ValueError, "y:"),
        (
            lambda: stopping_map(Brightness(), torch.zeros(3, 1, 8, 8), torch.zeros(1, 1, 8, 8), 4, 5),
            ValueError,
            "stride",
        ),
        (
            lambda: compose(torch.zeros(2, 1, 1, 6), StoppingMap(torch.tensor([[2]]), (0,), (0,), (1, 6), (1, 6))),
            ValueError,
            "ends before",
        ),
        (
            lambda: compose(torch.zeros(3, 1, 1, 7), StoppingMap(torch.tensor([[2]]), (0,), (0,), (1, 6), (1, 6))),
            ValueError,
            "states",
        ),
    ],
)
def test_bad_input_is_named(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()
