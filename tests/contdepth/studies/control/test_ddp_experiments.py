"""Experiments of differential dynamic programming: what they count, what they compare with, what they repeat."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from contdepth.control import DDPNOpt
from contdepth.studies.control.ddp import digits, oracles
from contdepth.studies.control.ddp.spirals import WAYS, adam, races, spirals, steps_of_adam
from contdepth.studies.control.discrete.training import Images

SMALL = digits.Plan(widths=(8, 6), batch=5, steps=4)


def toy(count: int = 23) -> Images:
    x = torch.sin(torch.arange(1.0, 1 + count * 64)).view(count, 64)
    return Images(x, torch.arange(count) % 10, x[:7], torch.arange(7) % 10)


@pytest.mark.parametrize("kind", [kind for kind in digits.ARMS if kind[0] != "Adam"])
def test_multiplications_are_those_that_pytorch_counts(kind):
    curvature, feedback = kind
    matrices = [one[0] for one in digits.first_matrices(SMALL, [0])]
    rule = DDPNOpt(matrices, curvature, feedback=feedback)
    with FlopCounterMode(display=False) as counter:
        rule.step(toy(5).x, toy(5).y)
    inverses = sum((a + 1) ** 3 + b**3 for a, b in zip(SMALL.sizes, SMALL.sizes[1:], strict=False))
    wanted = digits.multiplications(kind, SMALL) - (inverses if curvature == "kronecker" else 0)
    assert counter.get_total_flops() / 2 == wanted


def test_adam_of_the_contest_is_pytorchs():
    data, rates = toy(), (0.003, 0.1)
    found = digits.course(("Adam", False), rates, SMALL, [4], data)
    for k, rate in enumerate(rates):
        parts = [nn.Parameter(one[0]) for one in digits.first_matrices(SMALL, [4])]

        def net(x, parts=parts):
            for t, one in enumerate(parts):
                x = x @ one[:, :-1].T + one[:, -1]
                x = x.tanh() if t + 1 < len(parts) else x
            return x

        rule = torch.optim.Adam(parts, lr=rate)
        order = torch.randperm(23, generator=digits.generator(4, "order/0"))
        for n in range(4):
            chosen = order[5 * n : 5 * n + 5]
            rule.zero_grad()
            nn.functional.cross_entropy(net(data.x[chosen]), data.y[chosen]).backward()
            rule.step()
        loss = float(nn.functional.cross_entropy(net(data.x), data.y).detach())
        assert found.loss[k, 0] == pytest.approx(loss, rel=1e-5)


def test_rates_and_seeds_do_not_see_each_other_and_work_is_shared_out():
    data, kind = toy(), ("identity", True)
    both = digits.course(kind, (0.1, 1.0), SMALL, [1, 2], data)
    alone = digits.course(kind, (1.0,), SMALL, [2], data)
    assert both.loss[1, 1] == pytest.approx(alone.loss[0, 0], rel=1e-5)
    share = digits.multiplications(("identity", False), SMALL) / digits.multiplications(kind, SMALL)
    shorter = digits.Plan(widths=(8, 6), batch=5, steps=round(4 * share))
    assert both.early_loss[1, 1] == pytest.approx(
        digits.course(kind, (1.0,), shorter, [2], data).loss[0, 0], rel=1e-5
    )


def test_a_net_that_diverges_counts_as_a_hundred():
    found = digits.course(("identity", False), (1e4,), SMALL, [0], toy())
    assert found.loss[0, 0] == 100 and 0 <= found.accuracy[0, 0] <= 100


def test_the_best_rate_is_that_of_the_mean():
    loss, right = np.array([[3.0, 1.0], [1.0, 2.0]]), np.array([[80.0, 90.0], [70.0, 95.0]])
    trials = {("identity", True): digits.Arm(loss, right, -loss)}
    assert [digits.tuned(trials, by)["identity", True] for by in ("loss", "accuracy", "early_loss")] == [1, 0, 0]


def test_all_ways_begin_alike_and_none_rises():
    found = races(2, [3])
    assert set(found) == set(WAYS)
    costs = [solved[0].costs for solved in found.values()]
    assert len({float(one[0]) for one in costs}) == 1 and all(bool((one.diff() <= 0).all()) for one in costs)
    task = spirals(3)
    assert float(task.objective(task.controls)) == pytest.approx(float(costs[0][0]), abs=1e-15)
    assert float(task.labels.sum()) == 0 and task.start.view(24, 3)[:, 2].abs().max() == 0


def test_adam_on_the_spirals_starts_there_and_steps_are_counted():
    task = spirals(3)
    curve = adam(task, 0.1, 30)
    assert curve[0] == pytest.approx(float(task.objective(task.controls)), abs=1e-15) and curve[-1] < curve[0] / 2
    assert steps_of_adam(task, math.inf, 5) == 0 and steps_of_adam(task, 0.0, 5) == 5
    assert steps_of_adam(task, float(curve[7]), 30) <= 7


@pytest.mark.parametrize(
    "error", [oracles.exact_sgd_error, oracles.layerwise_sgd_error, oracles.dense_error, oracles.riccati_error]
)
def test_oracles_agree(error):
    assert error(11) < 1e-12
