"""Moment matrices and constrained filters (claims P1, P2, P3 of the PDE-Net sheet), and failing mutants."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.ndimage
import sympy
import torch

from contdepth.pde.filters import constrained as filters_module
from contdepth.pde.filters.constrained import MomentFilters, correlate, pad
from contdepth.pde.filters.moments import (
    accuracy_order,
    best_accuracy,
    derivatives,
    filter_from_moments,
    finite_difference,
    fixed_moments,
    moment_matrix,
    sum_rules,
)
from contdepth.seeds import generator

SIZES = {1: 9, 2: 7, 3: 5}
MODES = {"periodic": "wrap", "replicate": "nearest"}


def normal(*shape, purpose="values"):
    return torch.randn(*shape, dtype=torch.float64, generator=generator(0, purpose))


def away_from_zero(filters):
    """Free moments of size 0.5 to 1.5 and random sign, so that no leading error term vanishes by chance."""
    with torch.no_grad():
        size = 0.5 + torch.rand(filters.free.shape, dtype=torch.float64, generator=generator(0, "size"))
        filters.free.copy_(size * normal(*filters.free.shape, purpose="sign").sign())
    return filters


# Multi-indices


def test_derivatives_are_sorted_by_order_then_x_first():
    assert derivatives(2, 1) == [(0,), (1,), (2,)]
    assert derivatives(2, 2) == [(0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)]
    assert derivatives(1, 3) == [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    assert [len(derivatives(4, dim)) for dim in (1, 2, 3)] == [math.comb(4 + dim, dim) for dim in (1, 2, 3)]


# P1: the moment map and its inverse


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("size", [3, 5, 7])
def test_p1_round_trip(size, dim):
    """Both ways, relative to the largest entry met on the way (7 x 7 x 7 filters meet moments near 1000)."""
    q = normal(4, *[size] * dim)
    for there, back in ((moment_matrix, filter_from_moments), (filter_from_moments, moment_matrix)):
        middle = there(q, dim)
        assert middle.shape == q.shape
        assert (back(middle, dim) - q).abs().max() <= 1e-12 * max(q.abs().max(), middle.abs().max())


@pytest.mark.parametrize("shape", [(5,), (3, 3), (3, 3, 3)])
def test_moments_are_those_of_the_definition(shape):
    q, half = normal(*shape), shape[0] // 2
    moments = moment_matrix(q)
    for b in np.ndindex(*shape):
        terms = (
            q[k] * math.prod((i - half) ** e / math.factorial(e) for i, e in zip(k, b, strict=True))
            for k in np.ndindex(*shape)
        )
        assert float(moments[b]) == pytest.approx(float(sum(terms)), abs=1e-13)


def test_moments_after_a_first_call_in_inference_mode_still_train():
    size = 11
    with torch.inference_mode():
        moment_matrix(normal(size))
        filter_from_moments(normal(size))
    q = normal(size).requires_grad_()
    moment_matrix(filter_from_moments(q)).square().sum().backward()
    assert q.grad is not None


# Finite differences, fixed moments and orders


@pytest.mark.parametrize("size", [3, 5, 7, 9])
def test_finite_differences_are_the_classical_weights(size):
    points = list(range(-(size // 2), size // 2 + 1))
    oracle = sympy.finite_diff_weights(size - 1, points, 0)
    for order in range(size):
        weights = torch.tensor([float(w) for w in oracle[order][-1]], dtype=torch.float64)
        torch.testing.assert_close(finite_difference(size, (order,)), weights, rtol=1e-14, atol=1e-14)


def test_finite_difference_in_two_dimensions_solves_the_vandermonde_system():
    size, alpha, points = 5, (1, 2), range(-2, 3)
    rows = [
        [x**a * y**b for x, y in itertools.product(points, points)]
        for a, b in itertools.product(range(size), range(size))
    ]
    target = np.zeros((size, size))
    target[alpha] = math.factorial(1) * math.factorial(2)
    oracle = np.linalg.solve(np.array(rows, float), target.ravel()).reshape(size, size)
    np.testing.assert_allclose(finite_difference(size, alpha).numpy(), oracle, atol=1e-12)


@pytest.mark.parametrize(("size", "dim", "order"), [(3, 1, 2), (5, 1, 4), (7, 1, 6), (5, 2, 4), (3, 3, 2)])
def test_finite_differences_have_the_best_accuracy(size, dim, order):
    for alpha in derivatives(order, dim):
        best = best_accuracy(size, alpha)
        q = finite_difference(size, alpha)
        assert accuracy_order(q, alpha) == best
        if best < math.inf:
            assert sum_rules(q, alpha, best)
            with pytest.raises(ValueError, match=f"at most {best}"):
                fixed_moments(size, alpha, best + 1)


def test_best_accuracy_of_known_stencils():
    assert [best_accuracy(3, (a,)) for a in (1, 2)] == [2, 2]
    assert [best_accuracy(5, (a,)) for a in (1, 2, 3, 4)] == [4, 4, 2, 2]
    assert best_accuracy(5, (3, 1)) == 2
    assert best_accuracy(5, (0, 0)) == math.inf


def test_fixed_moments_of_the_papers():
    expected = torch.tensor([[i + j <= 2 for j in range(5)] for i in range(5)])
    assert torch.equal(fixed_moments(5, (1, 0), 2), expected)
    assert torch.equal(fixed_moments(5, (1, 1), 1), expected)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_accuracy_order_of_random_constrained_filters(dim):
    size, top = SIZES[dim], {1: 4, 2: 4, 3: 2}[dim]
    for accuracy in (1, 2, 3, 4):
        wanted = [a for a in derivatives(top, dim) if best_accuracy(size, a) >= accuracy]
        filters = away_from_zero(MomentFilters(wanted, size, dim, accuracy=accuracy, frozen_identity=False))
        for q, alpha in zip(filters.filters(), wanted, strict=True):
            assert accuracy_order(q, alpha) == accuracy, (alpha, accuracy)
            assert sum_rules(q, alpha, accuracy)
            if accuracy < best_accuracy(size, alpha):
                assert not sum_rules(q, alpha, accuracy + 1)


def test_accuracy_order_says_when_a_filter_is_none():
    q = finite_difference(5, (1,)).detach().clone()
    assert accuracy_order(1.01 * q, (1,)) == 0
    assert accuracy_order(finite_difference(5, (0,)), (1,)) == -1
    assert accuracy_order(finite_difference(5, (2,)), (1,)) == 0


# P2: orders by grid refinement, on exp(sin x) in each coordinate


def profile(order, x):
    """The derivative of ``order`` of exp(sin(x + 0.3)), by SymPy."""
    s = sympy.Symbol("s")
    return sympy.lambdify(s, sympy.diff(sympy.exp(sympy.sin(s + 0.3)), s, order), "numpy")(x)


def errors(filters, points):
    """Root mean square error of every derivative on ``points`` per axis of [0, 2 pi]^dim, periodic."""
    x = 2 * math.pi / points * np.arange(points)
    rows = [torch.from_numpy(profile(order, x)) for order in range(5)]
    axes = "xyz"[: filters.dim]

    def exact(alpha):
        return torch.einsum(f"{','.join(axes)}->{axes}", *(rows[a] for a in alpha))

    with torch.no_grad():
        found = filters(exact((0,) * filters.dim)[None, None])[0, 0]
    return torch.stack(
        [(f - exact(alpha)).square().mean().sqrt() for f, alpha in zip(found, filters.derivatives, strict=True)]
    )


def measured_orders(make, coarse):
    return torch.log2(errors(make(2 * math.pi / coarse), coarse) / errors(make(math.pi / coarse), 2 * coarse))


@pytest.mark.parametrize("accuracy", [1, 2, 3, 4])
@pytest.mark.parametrize(("dim", "coarse"), [(1, 192), (2, 96)])
def test_p2_random_constrained_filters_have_their_order(dim, coarse, accuracy):
    wanted = derivatives(4, dim)

    def make(dx):
        return away_from_zero(MomentFilters(wanted, SIZES[dim], dim, dx, accuracy, frozen_identity=False))

    orders = measured_orders(make, coarse)
    assert (orders - accuracy).abs().max() <= 0.1, dict(zip(wanted, orders.tolist(), strict=True))


def test_p2_finite_differences_and_unequal_accuracies():
    wanted = derivatives(2, 1)[1:]
    frozen = measured_orders(lambda dx: MomentFilters(wanted, 5, 1, dx, frozen=True), 64)
    assert (frozen - 4).abs().max() <= 0.1
    mixed = measured_orders(lambda dx: away_from_zero(MomentFilters(wanted, 7, 1, dx, {(1,): 3, (2,): 1})), 256)
    assert (mixed - torch.tensor([3.0, 1.0])).abs().max() <= 0.1


def test_p2_a_wrong_moment_loses_the_order():
    def make(dx):
        filters = away_from_zero(MomentFilters([(1, 0), (2, 0)], 5, 2, dx, 2))
        wrong = torch.zeros(2, 5, 5, dtype=torch.float64)
        wrong[0, 0, 2] = wrong[1, 0, 2] = 0.5
        filters.fixed += filter_from_moments(wrong, 2)
        return filters

    orders = measured_orders(make, 192)
    assert abs(orders[0] - 1) < 0.2 and abs(orders[1]) < 0.2
    first, second = make(1.0).filters()
    assert accuracy_order(first, (1, 0)) == 1 and accuracy_order(second, (2, 0)) == 0


# P3: constrained moments under training


def train(filters, optimiser, parameters, rebuild):
    u = normal(2, 1, 12, 12, purpose="data")
    target = normal(2, 1, len(filters.derivatives), 12, 12, purpose="target")
    steps = optimiser(parameters)

    def closure():
        steps.zero_grad()
        loss = (correlate(u, rebuild()) - target).square().mean()
        loss.backward()
        return loss

    first = float(closure().detach())
    for _ in range(50):
        steps.step(closure)
    assert float(closure().detach()) < first


OPTIMISERS = {
    "adam": lambda p: torch.optim.Adam(p, lr=0.05, weight_decay=0.01),
    "lbfgs": lambda p: torch.optim.LBFGS(p, max_iter=1, history_size=10),
}


def drift(moments, filters):
    target = torch.zeros_like(moments)
    masks = []
    for k, (alpha, r) in enumerate(zip(filters.derivatives, filters.accuracy, strict=True)):
        target[(k, *alpha)] = 1
        masks.append(fixed_moments(filters.size, alpha, r) | torch.tensor(not any(alpha)))
    return float((moments - target)[torch.stack(masks)].abs().max().detach())


@pytest.mark.parametrize("name", OPTIMISERS)
@pytest.mark.parametrize("size", [5, 7])
def test_p3_constrained_moments_stay_under_training(name, size):
    filters = MomentFilters(derivatives(2, 2), size, dx=1.0, accuracy=2, init=0.1)
    before = filters.free.detach().clone()
    train(filters, OPTIMISERS[name], filters.parameters(), filters.kernels)
    assert (filters.free - before).abs().max() > 1e-2
    assert drift(filters.moments(), filters) <= 1e-12


@pytest.mark.parametrize("name", OPTIMISERS)
def test_p3_unconstrained_filters_drift(name):
    filters = MomentFilters(derivatives(2, 2), 5, accuracy=2)
    q = filters.filters().detach().clone().requires_grad_()
    train(filters, OPTIMISERS[name], [q], lambda: q)
    assert drift(moment_matrix(q, 2), filters) > 1e-3


# The application: correlation, boundaries, mirror images, gradients


def oracle(u, kernels, boundary):
    """SciPy's correlation, field by field."""
    return np.stack(
        [
            [
                [scipy.ndimage.correlate(field, q, mode=MODES[boundary]) for q in kernels.numpy()]
                for field in sample
            ]
            for sample in u.numpy()
        ]
    )


def agrees_with_scipy(dim, boundary):
    filters = MomentFilters(derivatives(2, dim), 5, dim, [0.3, 0.5, 0.7][:dim], boundary=boundary, init=0.5)
    u = normal(2, 2, *[9, 8, 7][:dim])
    found = filters(u).detach().numpy()
    assert found.shape == (2, 2, len(filters.derivatives), *u.shape[2:])
    return np.abs(found - oracle(u, filters.kernels().detach(), boundary)).max() <= 1e-11


@pytest.mark.parametrize("boundary", MODES)
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_application_is_correlation(dim, boundary):
    assert agrees_with_scipy(dim, boundary)


def test_a_flipped_kernel_is_seen(monkeypatch):
    right = filters_module.correlate
    monkeypatch.setattr(filters_module, "correlate", lambda u, kernels, b: right(u, kernels.flip(1, 2), b))
    assert not agrees_with_scipy(2, "periodic")
    assert errors(MomentFilters([(1, 0)], dx=2 * math.pi / 64), 64)[0] > 0.1


def test_first_derivative_of_a_ramp_has_its_sign_and_step():
    x, y = torch.meshgrid(0.1 * torch.arange(9).double(), 0.2 * torch.arange(8).double(), indexing="ij")
    u = (2 * x - 3 * y + x * y)[None, None]
    filters = MomentFilters([(1, 0), (0, 1), (1, 1)], dx=(0.1, 0.2), boundary="replicate", init=0.3)
    inner = filters(u).detach()[0, 0, :, 2:-2, 2:-2]
    for found, exact in zip(inner, (2 + y, x - 3, torch.ones_like(x)), strict=True):
        torch.testing.assert_close(found, exact[2:-2, 2:-2], atol=1e-11, rtol=0)


@pytest.mark.parametrize("axes", [None, (0,), (1,)])
def test_mirror_images_approximate_the_same_derivatives(axes):
    filters = away_from_zero(MomentFilters(derivatives(3, 2), 7, accuracy=2, frozen_identity=False))
    mirrored = filters.mirrored(axes)
    assert not torch.allclose(mirrored, filters.filters())
    for q, alpha in zip(mirrored.detach(), filters.derivatives, strict=True):
        assert accuracy_order(q, alpha) == 2
    chosen = (0, 1) if axes is None else axes
    parity = sum(torch.arange(7).view(-1, 1) if axis == 0 else torch.arange(7) for axis in chosen)
    own = torch.tensor([sum(alpha[axis] for axis in chosen) for alpha in filters.derivatives])
    signs = (-1.0) ** (parity + own[:, None, None])
    torch.testing.assert_close(moment_matrix(mirrored, 2), signs * filters.moments(), atol=1e-10, rtol=0)


def test_the_mirror_image_of_a_one_sided_difference_is_the_other_side():
    filters = MomentFilters([(1,)], 3, accuracy=1, dx=0.5)
    with torch.no_grad():
        filters.free.fill_(0.5)
    torch.testing.assert_close(filters.filters().detach(), torch.tensor([[0.0, -1, 1]]).double())
    torch.testing.assert_close(filters.mirrored().detach(), torch.tensor([[-1.0, 1, 0]]).double())
    torch.testing.assert_close(filters.kernels(mirrored=True).detach(), torch.tensor([[-2.0, 2, 0]]).double())


@pytest.mark.parametrize("boundary", MODES)
def test_gradients(boundary):
    filters = MomentFilters([(0, 0), (1, 0), (0, 2)], 3, dx=(0.7, 0.9), accuracy=1, boundary=boundary)
    free = normal(*filters.free.shape).requires_grad_()
    u = normal(1, 2, 4, 3).requires_grad_()

    def call(free, u):
        return torch.func.functional_call(filters, {"free": free}, (u,))

    assert torch.autograd.gradcheck(call, (free, u))
    assert torch.autograd.gradgradcheck(call, (free, u))


def test_order_zero_is_the_identity_or_an_averaging_filter():
    u = normal(1, 1, 8, 8)
    identity = MomentFilters([(0, 0), (1, 0)], init=0.3)
    assert torch.equal(identity(u)[:, :, 0], u)
    average = MomentFilters([(0, 0), (1, 0)], init=0.3, accuracy=1, frozen_identity=False)
    assert not torch.allclose(average(u)[:, :, 0], u)
    assert average.filters()[0].sum().item() == pytest.approx(1, abs=1e-12)
    assert average.free.numel() - 24 == (~fixed_moments(5, (1, 0), 1)).sum()


def test_free_moments_are_one_vector_with_labels():
    filters = MomentFilters(derivatives(2, 2), 5, accuracy=1, init=0.1, seed=3)
    assert [name for name, _ in filters.named_parameters()] == ["free"] == list(filters.state_dict())
    moments = filters.moments()
    for value, (alpha, b) in zip(filters.free.tolist(), filters.labels(), strict=True):
        assert moments[(filters.index(alpha), *b)].item() == pytest.approx(value, abs=1e-12)
    again = MomentFilters(derivatives(2, 2), 5, accuracy=1, init=0.1, seed=3)
    other = MomentFilters(derivatives(2, 2), 5, accuracy=1, init=0.1, seed=4)
    assert torch.equal(filters.free, again.free) and not torch.equal(filters.free, other.free)


def test_frozen_filters_are_finite_differences_without_gradient():
    filters = MomentFilters(derivatives(2, 2), frozen=True)
    assert not filters.free.requires_grad and not filters(normal(1, 1, 6, 6)).requires_grad
    for q, alpha in zip(filters.filters(), filters.derivatives, strict=True):
        assert torch.equal(q, finite_difference(5, alpha))
    assert filters.freeze(False).free.requires_grad and filters(normal(1, 1, 6, 6)).requires_grad


def test_single_precision():
    filters = MomentFilters(derivatives(2, 2), dx=0.1, init=0.1)
    u = normal(1, 2, 8, 8)
    exact = filters(u)
    found = filters.float()(u.float())
    assert found.dtype == torch.float32
    assert (found - exact).abs().max() <= 1e-5 * exact.abs().max()


# Input errors


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"size": 4}, ValueError, "size: expected an odd number"),
        ({"size": 3, "derivatives": [(3, 0)]}, ValueError, r"size: expected at least 5 points .* \(3, 0\)"),
        ({"accuracy": 5}, ValueError, r"accuracy: expected at most 4 .*larger size"),
        ({"accuracy": 0}, ValueError, "accuracy: expected a number >= 1"),
        ({"accuracy": (1, 2)}, ValueError, "accuracy: expected one order or 1"),
        ({"accuracy": {(0, 1): 1}}, ValueError, "accuracy: expected one order for each"),
        ({"dim": 1}, ValueError, "derivatives: expected 1 entries"),
        ({"derivatives": []}, ValueError, "derivatives: expected one or more"),
        ({"derivatives": [(1, 0), (1, 0)]}, ValueError, "derivatives: .* all different"),
        ({"derivatives": [(1, 0), (1,)]}, ValueError, "derivatives: .* one dimension"),
        ({"derivatives": [1, 2]}, TypeError, "derivatives: expected a multi-index"),
        ({"derivatives": [(-1, 0)]}, ValueError, "derivatives entry: expected a number >= 0"),
        ({"dx": (0.1, 0.1, 0.1)}, ValueError, "dx: expected one step or 2"),
        ({"dx": -0.1}, ValueError, "dx: expected a number > 0"),
        ({"boundary": "dirichlet"}, ValueError, "boundary: expected one of 'periodic', 'replicate'"),
        ({"init": "random"}, ValueError, "init: expected one of 'finite difference'"),
    ],
)
def test_constructor_errors(options, error, sentence):
    with pytest.raises(error, match=sentence):
        MomentFilters(**{"derivatives": [(1, 0)], **options})


@pytest.mark.parametrize("boundary", MODES)
def test_field_errors(boundary):
    filters = MomentFilters([(1, 0)], 5, boundary=boundary)
    with pytest.raises(ValueError, match="u: expected at least 5 points .* found a 8 x 4 grid"):
        filters(normal(1, 1, 8, 4))
    with pytest.raises(ValueError, match="2 space axes, found shape"):
        filters(normal(1, 1, 8))
    with pytest.raises(ValueError, match="1 to 3 space axes"):
        filters(normal(8, 8))
    with pytest.raises(TypeError, match="u: expected dtype torch.float64"):
        filters(normal(1, 1, 8, 8).float())
    with pytest.raises(ValueError, match="boundary"):
        pad(normal(1, 1, 8, 8), 1, "reflect")
    with pytest.raises(ValueError, match="alpha: expected one of"):
        filters.index((0, 1))


@pytest.mark.parametrize(("shape", "dim"), [((4,), None), ((3, 5), None), ((1, 1), None), ((3,), 2)])
def test_filter_shape_errors(shape, dim):
    for function in (moment_matrix, filter_from_moments):
        with pytest.raises(ValueError, match="filter axes of one odd size"):
            function(normal(*shape), dim)
    with pytest.raises(ValueError, match="dim: .*give dim="):
        moment_matrix(normal(2, 2, 3, 3))
    with pytest.raises(TypeError, match="q: expected a floating-point tensor"):
        moment_matrix(torch.ones(3, 3, dtype=torch.long))
    with pytest.raises(ValueError, match="kernels: expected filter axes"):
        correlate(normal(1, 1, 8, 8), normal(2, 3, 5))
