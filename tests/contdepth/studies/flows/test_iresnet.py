"""The law of moons, densities between blocks, inverses against Banach's bound, norms, what a cut series claims."""

from __future__ import annotations

import math

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from contdepth.flows import NumberOfTerms, ResidualFlow, SeriesLogDet, series_error, settle
from contdepth.seeds import generator
from contdepth.studies.common.kept_bytes import bytes_kept
from contdepth.studies.flows.iresnet import classifier as digits
from contdepth.studies.flows.iresnet import drawing
from contdepth.studies.flows.iresnet.bias import (
    cut_eigenvalue,
    memory_ratio,
    roulette_loss,
    series_errors,
)
from contdepth.studies.flows.iresnet.carried import log_density_at, on_a_grid
from contdepth.studies.flows.iresnet.density import Plan, claimed, continuous, fitted, loss, residual
from contdepth.studies.flows.iresnet.inversion import banach_share, block_bounds, chain_errors, scaled_norms
from contdepth.studies.flows.iresnet.sets import Moons


@pytest.fixture(scope="module")
def flow() -> ResidualFlow:
    """Two blocks with large weights and scales that are not nought."""
    made = residual(2, 0.9, 0, width=8)
    with torch.no_grad():
        for one in made.parameters():
            one.mul_(3)
        made.log_scales.copy_(torch.tensor([[0.3, -0.2], [0.1, 0.4]]))
        made.shifts.copy_(torch.tensor([[0.5, -0.3], [-0.2, 0.1]]))
    settle(made, 1e-7)
    return made.eval()


def test_moons_have_the_density_of_their_points() -> None:
    """It sums to one over a square; the shares of cells in a histogram of 200,000 points are its integrals."""
    law = Moons()
    side = torch.linspace(-3, 3, 241, dtype=torch.float64)
    middle = (side[1:] + side[:-1]) / 2
    grid = torch.cartesian_prod(middle, middle)
    mass = (law.log_density(grid).exp() * (side[1] - side[0]) ** 2).reshape(240, 240)
    assert float(mass.sum()) == pytest.approx(1, abs=1e-4)
    coarse = mass.reshape(12, 20, 12, 20).sum((1, 3)).numpy()
    x = law.sample(200_000, generator(5, "moons")).numpy()
    shares = np.histogram2d(x[:, 0], x[:, 1], bins=12, range=[[-3, 3], [-3, 3]])[0] / len(x)
    error = np.sqrt(coarse * (1 - coarse) / len(x)) + 1e-5
    assert np.abs(shares - coarse).max() < 0.003 and (np.abs(shares - coarse) / error).max() < 5
    entropy = -float((mass * law.log_density(grid).reshape(240, 240)).sum())
    assert law.entropy() == pytest.approx(entropy, abs=0.01)


@pytest.mark.parametrize("t", [0.0, 0.4, 1.0, 1.7, 2.0])
def test_between_blocks_it_is_a_density(flow: ResidualFlow, t: float) -> None:
    values = on_a_grid(flow, t, reach=9.0, nodes=181)
    assert values.sum() * 0.01 == pytest.approx(1, abs=2e-3)


def test_at_the_ends_it_is_normal_and_the_flow_s_own(flow: ResidualFlow) -> None:
    x = torch.randn(5, 2, generator=generator(1, "x"))
    torch.testing.assert_close(log_density_at(flow, x, 2.0), flow(x).detach(), rtol=0, atol=1e-5)
    normal = -0.5 * x.square().sum(1) - math.log(2 * math.pi)
    torch.testing.assert_close(log_density_at(flow, x, 0.0), normal, rtol=0, atol=1e-6)
    for t in (0.0, 1.0, 2.0):
        for near in {max(t - 1e-5, 0.0), min(t + 1e-5, 2.0)}:
            found, at = (log_density_at(flow, x, one) for one in (near, t))
            torch.testing.assert_close(found, at, rtol=0, atol=1e-3)


def test_training_lowers_the_loss_and_is_repeatable() -> None:
    law, plan = Moons(), Plan(steps=12, batch=64, rate=1e-2)
    x = law.sample(500, generator(9, "test"))
    for make in (lambda: residual(2, 0.9, 3, SeriesLogDet(5, 1), 8), lambda: continuous(8, 2, 3)):
        first = loss(make(), x) if not make().chance else claimed(make(), x, [None])[0]
        found = [fitted(make(), law, plan, 3) for _ in range(2)]
        ends = [claimed(one, x, [None])[0] if isinstance(one, ResidualFlow) else loss(one, x) for one in found]
        assert ends[0] == ends[1] < first


def test_claimed_losses_come_to_the_exact_one(flow: ResidualFlow) -> None:
    """Within the bound for each number of terms, and the flow's own determinant is put back."""
    x, before = torch.randn(50, 2, generator=generator(2, "x")), flow.log_det
    *cut, exact = claimed(flow, x, [2, 5, 40, None])
    assert flow.log_det is before
    for value, n in zip(cut, (2, 5, 40), strict=True):
        assert abs(value - exact) <= 2 * series_error(2, 0.9**3, n) + 1e-6
    errors = series_errors(flow, x, (2, 5, 40))
    assert (errors <= [series_error(2, 0.9**3, n) * (1 + 1e-5) + 1e-12 for n in (2, 5, 40)]).all()
    assert errors[0] > 10 * errors[2] and flow.origin.dtype == torch.float32


def test_roulette_agrees_with_the_exact_loss(flow: ResidualFlow) -> None:
    x = torch.randn(50, 2, generator=generator(2, "x"))
    mean, error = roulette_loss(flow, x, NumberOfTerms(rate=0.85, certain=8), 60)
    exact = claimed(flow, x, [None])[0]
    assert 0 < error < 0.2 and abs(mean - exact) < 3.5 * error


def test_an_odd_number_of_terms_claims_too_much_of_every_real_eigenvalue() -> None:
    eigenvalues = np.linspace(-0.95, 0.95, 100)
    eigenvalues = eigenvalues[abs(eigenvalues) > 0.1]
    for n in (1, 3, 5, 9):
        assert (cut_eigenvalue(eigenvalues, n) > 0).all()
    assert (cut_eigenvalue(eigenvalues, 4)[eigenvalues > 0] < 0).all()
    far = cut_eigenvalue(np.array([-0.5]), 60)
    assert abs(far[0]) < 1e-15


def test_bytes_kept() -> None:
    """A product keeps both factors; one that was kept already is not counted again."""
    a, b = (torch.ones(1000, requires_grad=True) for _ in range(2))
    assert bytes_kept(lambda: a * b) == 8000
    assert bytes_kept(lambda: a * b + a * a) == 8000
    assert memory_ratio(4, 16, 16, 16) < memory_ratio(2, 16, 16, 16) < 1


class Linear(nn.Module):
    """g = a x: every iteration shrinks the error by |a|, from |a x| at first."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        return self.slope * x


@pytest.mark.parametrize("slope", [0.7, -0.7])
def test_errors_of_inverses_are_those_of_a_geometric_series(slope: float) -> None:
    x = torch.tensor([[1.0, -2.0], [0.5, 0.1]])
    errors = chain_errors([Linear(slope)], x, [1, 2, 7])
    np.testing.assert_allclose(errors, [2 * 0.7 ** (k + 1) for k in (1, 2, 7)], rtol=1e-9)
    shift = nn.Linear(2, 2)  # does not commute with the other
    with torch.no_grad():
        shift.weight.copy_(torch.tensor([[0.1, 0.2], [0.0, -0.1]]))
        shift.bias.copy_(torch.tensor([1.0, -1.0]))
    assert chain_errors([Linear(slope), shift], x, [40])[0] < 1e-4
    assert chain_errors([Linear(3.0)], x, [400, 800])[1] == np.inf


def test_banach_s_bound_is_attained_and_passed_where_the_constant_is_wrong() -> None:
    x = torch.tensor([[1.0, -2.0]])
    assert banach_share([Linear(-0.7)], x, 0.7, 30) == pytest.approx(1, rel=1e-6)
    assert banach_share([Linear(0.7)], x, 0.7, 30) == pytest.approx(0.3 / 1.7, rel=1e-6)
    assert banach_share([Linear(-0.7)], x, 0.6, 10) > 1


def test_norms_that_are_applied() -> None:
    """The bounded layers apply c after settling; the kernel's own norm leaves the wrong map."""
    right = digits.Classifier(digits.BOUNDED, 1, 0).double()
    wrong = digits.Classifier(digits.KERNEL, 1, 0)
    with torch.no_grad():
        for net in (right, wrong):
            for name, one in net.branches.named_parameters():
                one.mul_(10 if name.endswith("weight") else 1)
    settle(right, 1e-10)
    np.testing.assert_allclose(scaled_norms(right), 0.9, rtol=1e-4)
    np.testing.assert_allclose(block_bounds(right.branches), 0.9**3, rtol=1e-3)
    layer = wrong.branches[0][1].double()
    with torch.no_grad():
        dense = layer.applied(torch.eye(512, dtype=torch.float64).reshape(-1, 8, 8, 8)).flatten(1)
        applied = float(torch.linalg.matrix_norm(dense, 2) * layer.scale())
    assert scaled_norms(layer)[0] == pytest.approx(applied)
    norms = scaled_norms(wrong)
    assert norms[1] == pytest.approx(0.9, rel=1e-5)  # of a kernel of one pixel it is the right one
    assert norms[0] > 1.1 and norms[2] > 1.1
    assert wrong.branches[0][1].refine(5) == 0


def test_classifiers_keep_what_they_are_given() -> None:
    data = digits.parts()
    assert [len(y) for _, y in (data.learn, data.choose, data.judge)] == [1079, 269, 449]
    net = digits.Classifier(digits.FREE, 2, 4)
    start = net.start(data.judge[0][:3])
    assert start.shape == (3, 8, 8, 8) and bool((start[:, 1:] == 0).all())
    torch.testing.assert_close(start[:, :1], data.judge[0][:3])
    same = digits.Classifier(digits.FREE, 2, 4)
    assert torch.equal(net(data.judge[0][:3]), same(data.judge[0][:3]))


def test_a_contest_keeps_the_rate_that_chooses_best_and_survives_divergence() -> None:
    whole = digits.parts()
    data = digits.Parts((whole.learn[0][:128], whole.learn[1][:128]), whole.choose, whole.judge)
    found = digits.contest(digits.BOUNDED, data, [1e-6, 0.1], 3, 1, [0])
    assert found.rate == 0.1 and found.accuracy.shape == (1,) and not found.nets[0].training
    lost = digits.trained(digits.FREE, data, 1e4, 2, 2, [0])
    assert lost.chosen[0] < 30


def test_drawings(flow: ResidualFlow) -> None:
    axes = [plt.subplots(1, 3)[1] for _ in range(4)]
    errors = {"a": np.array([[1e-1, 1e-3], [1e-2, np.inf]])}
    dots = {"a": np.array([95.0, 96.0]), "b": np.array([97.0, 96.0])}
    drawing.answer(axes[0], [1, 5], errors, dots, dots, 0.7)
    drawing.block_by_block(axes[1], flow, [0, 2], Moons().sample(10, generator(0, "d")).numpy())
    drawing.losses(axes[2][0], [1, 2], np.ones((2, 2)), np.ones(2), 0.5)
    drawing.cut(axes[3][:2], [1, 2], {"a": np.ones((2, 2))})
    drawing.frame(plt.figure(), flow, 0.5)
    plt.close("all")
