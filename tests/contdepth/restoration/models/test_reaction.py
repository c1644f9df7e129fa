"""Reaction diffusion: Perona–Malik as its start, table against sum, exact transposes, and training that pays."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from restoration_plans import images

from contdepth.restoration import ReactionShape, fit_stages, make_reaction, perona_malik
from contdepth.restoration.models.influence import GaussianInfluence, fitted_weights, perona_malik_influence
from contdepth.restoration.models.reaction import folded
from contdepth.restoration.models.tnrd import mirror

PM = {"contrast": 0.15, "rate": 0.2, "reaction": 0.05}


def pictures(count: int, side: int, seed: int = 0) -> torch.Tensor:
    """Flat regions: what diffusion that stops at edges is for."""
    source = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 1, side // 4, side // 4, generator=source, dtype=torch.float64)
    return torch.nn.functional.interpolate(coarse, scale_factor=4)


def noisy(clean: torch.Tensor, seed: int = 1) -> torch.Tensor:
    source = torch.Generator().manual_seed(seed)
    return clean + 0.1 * torch.randn(clean.shape, generator=source, dtype=clean.dtype)


def by_neighbours(u: np.ndarray, f: np.ndarray) -> np.ndarray:
    """One step of Perona–Malik in the form of its paper: four neighbours, no flux over the edges."""
    out = u - PM["reaction"] * (u - f)
    padded = np.pad(u, 1, mode="edge")
    for rows, columns in ((slice(0, -2), slice(1, -1)), (slice(2, None), slice(1, -1))):
        for neighbour in (padded[rows, columns], padded[columns, rows]):
            d = neighbour - u
            out = out + PM["rate"] * d * np.exp(-((d / PM["contrast"]) ** 2))
    return out


def test_perona_malik_is_the_sum_over_four_neighbours():
    f = noisy(pictures(1, 12))
    u = f[0, 0].numpy()
    for _ in range(3):
        u = by_neighbours(u, f[0, 0].numpy())
    np.testing.assert_allclose(perona_malik(f, steps=3, **PM)[0, 0].numpy(), u, atol=1e-14)


@pytest.mark.parametrize("shape", [ReactionShape(3, 5), ReactionShape(3, 3, 2), ReactionShape(3, 5, 10, True)])
def test_a_net_starts_as_perona_malik_edges_included(shape):
    f = noisy(pictures(2, 12))
    assert make_reaction(shape, dtype=torch.float64)(f).shape == f.shape
    exact = make_reaction(ReactionShape(**(vars(shape) | {"refine": 0})), dtype=torch.float64)
    gap = (exact(f).detach() - perona_malik(f, steps=3, **PM)).abs().max()
    moved = (perona_malik(f, steps=3, **PM) - f).abs().max()
    assert float(gap) < 1e-6 < 0.05 < float(moved)


def test_an_influence_narrower_than_the_basis_is_told_by_its_error():
    errors = [fitted_weights(perona_malik_influence(contrast, 0.2))[1] for contrast in (0.05, 0.1, 0.15)]
    assert errors[0] > 1e-3 > errors[1] > 1e-6 > errors[2]


@pytest.mark.parametrize("refine", [1, 4, 8])
def test_the_table_is_the_sum_within_its_bound(refine):
    weights = torch.randn(3, 63, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    z = torch.linspace(-1.2, 1.2, 3 * 401, dtype=torch.float64).view(1, 3, -1)
    influence = GaussianInfluence(weights, refine=refine)
    gap = (influence(z) - influence.exact(z)).detach().abs().amax()
    bound = influence.bound() * weights.abs().sum(1).max()
    assert 0.01 * bound < gap <= bound


def test_a_single_gaussian_nearly_reaches_the_bound():
    weights = torch.zeros(1, 63, dtype=torch.float64)
    weights[0, 31] = 1.0
    influence = GaussianInfluence(weights, refine=8)
    z = torch.linspace(-0.01, 0.01, 2001, dtype=torch.float64).view(1, 1, -1)
    gap = float((influence(z) - influence.exact(z)).detach().abs().max())
    assert 0.95 * influence.bound() < gap <= influence.bound()


def test_the_table_has_the_slope_of_the_sum_for_weights_and_responses():
    weights = torch.randn(2, 63, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    z = (
        0.3 * torch.randn(1, 2, 50, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    ).requires_grad_()
    slopes = []
    for refine in (0, 64):
        influence = GaussianInfluence(weights, refine=refine)
        slopes.append(torch.autograd.grad(influence(z).square().sum(), [z, influence.weights]))
    for one, other in zip(*slopes, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=2e-2 * float(one.abs().max()))


def test_folding_is_the_transpose_of_mirroring():
    u, v = images(2, 3, 7, 9).double(), images(2, 3, 11, 13, seed=3).double()
    torch.testing.assert_close((mirror(u, 2) * v).sum(), (u * folded(v, 2)).sum(), rtol=1e-13, atol=0)


def test_a_stage_follows_the_gradient_of_an_energy():
    """Without reaction: u − stage(u) is a gradient, so its Jacobian is symmetric."""
    stage = make_reaction(ReactionShape(1, 3, 5, reaction=0.0), dtype=torch.float64).stages[0]
    with torch.no_grad():
        stage.influence.weights.normal_(generator=torch.Generator().manual_seed(2))
        stage.influence.refine = 0
    u = images(1, 1, 5, 6).double()
    jacobian = torch.autograd.functional.jacobian(lambda x: stage(x, u), u).reshape(30, 30)
    torch.testing.assert_close(jacobian, jacobian.T, rtol=0, atol=1e-10)
    assert float((jacobian - torch.eye(30)).abs().max()) > 0.1


def test_greedy_then_joint_training_beats_its_start_and_every_step_lowers_the_loss():
    clean = pictures(4, 16)
    f = noisy(clean)
    net = make_reaction(ReactionShape(2, 3, 4, contrast=0.25), dtype=torch.float64)
    start = float(0.5 * (net(f).detach() - clean).square().sum() / 4)
    first = [p.clone() for p in net.stages[0].parameters()]
    greedy = fit_stages(net, f, clean, way="greedy", iterations=15)
    assert len(greedy) == 2 and greedy[1] < greedy[0] and greedy[1] < 0.7 * start
    assert any(not torch.equal(a, b) for a, b in zip(first, net.stages[0].parameters(), strict=True))
    (joint,) = fit_stages(net, f, clean, way="joint", iterations=15)
    assert joint < greedy[1]
    assert joint == pytest.approx(float(0.5 * (net(f).detach() - clean).square().sum() / 4), rel=1e-12)


def test_greedy_losses_are_those_of_the_states_of_the_net():
    clean = pictures(2, 16)
    f = noisy(clean)
    net = make_reaction(ReactionShape(3, 3, 4), dtype=torch.float64)
    losses = fit_stages(net, f, clean, way="greedy", iterations=3)
    with torch.no_grad():
        states = [float(0.5 * (u - clean).square().sum() / 2) for u in net.states(f)]
    assert losses == pytest.approx(states, rel=1e-12)


def test_one_iteration_is_a_step():
    clean = pictures(2, 16)
    f = noisy(clean)
    net = make_reaction(ReactionShape(1, 3, 4), dtype=torch.float64)
    start = float(0.5 * (net(f).detach() - clean).square().sum() / 2)
    assert fit_stages(net, f, clean, way="greedy", iterations=1)[0] < 0.9 * start


def test_filters_are_learned_and_not_influence_functions_alone():
    clean = pictures(4, 16)
    net = make_reaction(ReactionShape(1, 3, 4), dtype=torch.float64)
    first = net.stages[0].filters().detach()
    fit_stages(net, noisy(clean), clean, way="joint", iterations=12)
    assert float((net.stages[0].filters().detach() - first).norm() / first.norm()) > 0.3


def test_stages_that_share_their_weights_are_trained_together_only():
    net = make_reaction(ReactionShape(3, 3, 2, True))
    f = pictures(1, 8).float()
    assert len(list(net.states(f))) == 3 and len(net.stages) == 1
    with pytest.raises(ValueError, match="way: expected joint, as all stages share their weights, found"):
        fit_stages(net, f, f, way="greedy", iterations=1)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"size": 4}, "size: expected an odd"),
        ({"filters": 30}, "filters: expected 0"),
        ({"rate": 0}, "rate: expected"),
    ],
)
def test_shapes_that_make_no_sense(values, sentence):
    with pytest.raises(ValueError, match=sentence):
        ReactionShape(**values)
