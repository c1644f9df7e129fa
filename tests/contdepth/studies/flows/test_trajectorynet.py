"""Known laws against quantiles and moments, pairs against all permutations, measures on flows that are known."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.stats import norm
from torch import Tensor, nn

from contdepth.flows import TrajectoryFlow, wasserstein2
from contdepth.studies.flows.trajectorynet import contest, myoblasts
from contdepth.studies.flows.trajectorynet.training import Plan, train
from contdepth.studies.flows.trajectorynet.truths import Bend, Split, Truth, mirrored

TINY = Plan(steps=3, points=30, judged=20, batch=10, solver=1, width=4)


def mixture(y: float, truth: Split) -> float:
    return 0.5 * (norm.cdf((y - truth.a) / truth.s) + norm.cdf((y + truth.a) / truth.s))


def quantile(z: float, truth: Split) -> float:
    return brentq(lambda y: mixture(y, truth) - norm.cdf(z), -12, 12, xtol=1e-12)


def test_the_split_is_the_quantile_and_its_cost_the_integral() -> None:
    truth, z = Split(), torch.tensor([-2.0, -0.3, 0.01, 1.7], dtype=torch.float64)
    wanted = torch.tensor([quantile(float(x), truth) for x in z], dtype=torch.float64)
    torch.testing.assert_close(truth.monotone(z), wanted, rtol=0, atol=1e-9)
    cost = 2 * quad(lambda x: (quantile(x, truth) - x) ** 2 * norm.pdf(x), 0, 6, epsrel=1e-5, points=[0.01])[0]
    assert truth.cost() == pytest.approx(cost, rel=1e-5)


def test_the_split_moves_at_the_speed_of_displacement() -> None:
    """W₂ between the laws of two times is the part of the time times W₂ of the whole way, by sorted points."""
    truth = Split()
    z = torch.stack([torch.special.ndtri((torch.arange(4000) + 0.5) / 4000), torch.zeros(4000)], dim=1)
    early, late = (truth.at(z, t)[:, 0].sort().values for t in (0.25, 0.5))
    assert float((late - early).square().mean()) == pytest.approx(truth.cost() / 16, rel=1e-3)
    end = truth.at(mirrored(20000, 0, "end"), 1.0)
    assert end[:, 0].square().mean().item() == pytest.approx(truth.a**2 + truth.s**2, rel=0.01)
    assert end[:, 0].mean().item() == pytest.approx(0, abs=1e-5)


def test_the_bend_is_half_a_circle() -> None:
    truth, origin = Bend(), torch.zeros(1, 2)
    for t, wanted in ((0.0, (0.0, 0.0)), (1.0, (1.5, 1.5)), (2.0, (3.0, 0.0))):
        torch.testing.assert_close(truth.at(origin, t), torch.tensor([wanted]), rtol=0, atol=1e-5)
    for t in truth.hidden:
        assert math.dist(truth.at(origin, t)[0].tolist(), (1.5, 0.0)) == pytest.approx(1.5, rel=1e-6)
    z = mirrored(6, 0, "z")
    torch.testing.assert_close(truth.at(z, 0.0), z)
    torch.testing.assert_close(truth.at(z, 2.0) - truth.at(origin, 2.0), z / 2)
    assert truth.hidden == (0.5, 1.5)


def test_mirrored_points_are_in_balance() -> None:
    z = mirrored(10, 3, "z")
    assert z.shape == (10, 2) and (z[:, 0] < 0).sum() == 5
    assert not torch.equal(z, mirrored(10, 4, "z")) and torch.equal(z, mirrored(10, 3, "z"))


def test_pairs_are_the_cheapest() -> None:
    x, y = mirrored(6, 0, "x"), mirrored(6, 0, "y") + 1
    costs = [(x - y[list(order)]).square().sum().item() for order in itertools.permutations(range(6))]
    assert (x - contest.pairs(x, y)).square().sum().item() == pytest.approx(min(costs), rel=1e-6)
    torch.testing.assert_close(contest.between(x, y), (x + contest.pairs(x, y)) / 2)


def test_an_arm_is_chosen_by_the_other_seeds() -> None:
    values = np.array([[1.0, 1.0, 9.0], [2.0, 2.0, 2.0], [0.0, 7.0, 7.0]])
    found, which = contest.chosen(values)
    assert which.tolist() == [1, 1, 0] and found.tolist() == [2.0, 2.0, 9.0]


class Drift(Truth):
    """z + t v."""

    def at(self, z: Tensor, t: float) -> Tensor:
        return z + t * torch.tensor([2.0, -1.0])


class Constant(nn.Module):
    """v everywhere, with a parameter to be a model's."""

    def __init__(self) -> None:
        super().__init__()
        self.v = nn.Parameter(torch.tensor([2.0, -1.0]))

    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        return self.v.expand_as(x)


def test_the_true_flow_is_judged_perfect() -> None:
    truth = Drift((0.0, 0.5, 2.0))
    flow = TrajectoryFlow(Constant(), 2, truth.times, base=0.0, steps=1)
    spent, least, middle, end = contest.judge(flow, truth, 40, 0)
    assert spent == pytest.approx(10.0, rel=1e-5) and least == pytest.approx(10.0, rel=1e-5)
    assert middle == pytest.approx(contest.floors(truth, 40, [0])[0], rel=1e-4)
    assert end == pytest.approx(contest.apart(truth.at(mirrored(40, 0, "judged"), 2.0), truth, 2.0, 0), rel=1e-4)


def test_pairs_of_a_drift_are_near_the_floor_and_noise_is_added() -> None:
    truth, seeds = Drift(), [0, 1]
    found = contest.widened(truth, Plan(points=200, judged=200), [0.0, 2.0], seeds)
    assert found.shape == (2, 2) and (found[0] < 2.5 * contest.floors(truth, 200, seeds)).all()
    assert (found[1] > 2 * found[0]).all()


def test_a_sweep_trains_each_weight_and_seed() -> None:
    found = contest.sweep(Split(), TINY, [0.0, 1.0], [0, 1, 2], jacobian=True)
    assert found.spent.shape == (2, 3) == found.middle.shape and len(found.flow[1]) == 3
    assert (found.spent >= found.least * (1 - 1e-3)).all() and found.flow[0][0].steps == 4
    shown = contest.snapshots(Split(), 30, 1)
    again = train(shown, (0.0, 1.0), TINY, 1, energy=1.0, jacobian=1.0)
    spent, _, middle, _ = contest.judge(again, Split(), 20, 1)
    assert spent == found.spent[1, 1] and middle == found.middle[1, 1]


def test_the_cells_are_four_days_of_muscle() -> None:
    cells = myoblasts.days()
    assert [tuple(x.shape) for x in cells] == [(69, 3), (74, 3), (79, 3), (49, 3)]
    everyone = torch.cat(cells)
    torch.testing.assert_close(everyone.mean(0), torch.zeros(3), rtol=0, atol=1e-5)
    torch.testing.assert_close(everyone.std(0, unbiased=False), torch.ones(3))
    day = myoblasts.interpolated(cells, 1)
    assert set(day) == {"before", "after", "pairs"} and all(0 < w < 3 for w in day.values())
    found, flows = myoblasts.passed([x[:12] for x in cells], 2, TINY, 0.1, [0])
    assert found.shape == (1,) and flows[0].times == (0.0, 1.0, 3.0) and flows[0].span[0] == -1.0


def test_components_are_those_of_the_cells_that_vary() -> None:
    source = np.random.default_rng(0)
    factor, loads = source.normal(size=30), source.uniform(0.5, 1.0, size=40)
    expression = np.expm1(3 + np.outer(factor, loads))
    rare = np.zeros((30, 1))
    rare[0] = 1e9
    found = myoblasts.components(np.hstack([expression, rare]), genes=40, count=2)
    wanted = (factor - factor.mean()) * np.linalg.norm(loads)
    np.testing.assert_allclose(np.abs(found[:, 0]), np.abs(wanted), rtol=1e-8)
    assert np.abs(found[:, 1]).max() < 1e-8 and found[np.abs(found[:, 0]).argmax(), 0] > 0


def test_two_samples_of_one_shape_agree_with_the_library() -> None:
    x, y = mirrored(8, 0, "x"), mirrored(8, 0, "y")
    cost = (x - contest.pairs(x, y)).square().sum(-1).mean()
    torch.testing.assert_close(cost.sqrt(), wasserstein2(x, y))
