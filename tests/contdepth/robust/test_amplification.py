"""Norms of Jacobians against dense ones and their singular values, and the product that bounds them."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.func import jacrev, vmap

from contdepth.nets import SmallStepNet
from contdepth.robust import amplification_bound, jacobian_norm
from contdepth.seeds import generator


def noise(*shape: int, purpose: str = "x") -> Tensor:
    return torch.randn(*shape, generator=generator(3, purpose), dtype=torch.float64)


def through(net: SmallStepNet, x: Tensor) -> Tensor:
    for n in range(net.depth):
        x = net.step(n, x)
    return x


def dense(function: object, x: Tensor) -> Tensor:
    """Largest singular values from Jacobians that are built, one vector at a time."""
    return vmap(lambda one: torch.linalg.matrix_norm(jacrev(function)(one[None, None])[0, 0, :, 0, 0], 2))(x)


@pytest.mark.parametrize("norm", [False, True])
def test_the_norm_is_the_largest_singular_value_of_the_dense_jacobian(norm: bool) -> None:
    net = SmallStepNet(4, 0.7, features=5, width=8, norm=norm).double()
    net.train()(3 * noise(30, 5))
    state = next(net.eval().trajectory(noise(7, 5))).detach()
    found = jacobian_norm(partial(through, net), state, iterations=400)[0]
    torch.testing.assert_close(found, dense(partial(through, net), state[0]), rtol=1e-6, atol=0)


def test_a_length_is_never_above_the_norm() -> None:
    matrix = noise(6, 4, purpose="matrix")
    true = torch.linalg.matrix_norm(matrix, 2)
    lengths = [jacobian_norm(lambda x: x @ matrix.T, noise(3, 2, 4), iterations=k) for k in (1, 3, 10, 200)]
    for shorter, longer in zip(lengths, lengths[1:], strict=False):
        assert (shorter <= longer * (1 + 1e-12)).all()
    assert lengths[0].shape == (3, 2) and (lengths[0] < 0.999 * true).any()
    torch.testing.assert_close(lengths[-1], true.expand(3, 2), rtol=1e-12, atol=0)
    assert jacobian_norm(torch.zeros_like, noise(3, 4)).tolist() == [0.0, 0.0, 0.0]


def test_the_bound_is_the_product_and_is_met_by_parallel_stretching() -> None:
    """F_n(x) = a_n x: the measured norm is the bound; with a rotation in between it is far below."""
    h, factors = 0.5, (1.0, 3.0, 0.2)
    maps = [lambda x, a=a: a * x for a in factors]
    x = noise(2, 5, 2)
    expected = math.prod(1 + h * a for a in factors)
    torch.testing.assert_close(amplification_bound(maps, [x, x, x, x], h), torch.full((2, 5), expected).double())
    turn = torch.tensor([[0.0, 1.0], [-1.0, 0.0]]).double()
    turned = jacobian_norm(lambda x: x + h * (x @ turn), x)
    torch.testing.assert_close(turned, torch.full((2, 5), math.hypot(1, h)).double())
    torch.testing.assert_close(
        amplification_bound([lambda x: x @ turn], [x], h), torch.full((2, 5), 1 + h).double()
    )


def test_a_net_stays_under_its_bound() -> None:
    net = SmallStepNet(6, (1.0, 0.1), features=5, width=8, seeds=(0, 1)).double()
    states = [state.detach() for state in net.trajectory(noise(9, 5))]
    branches = [partial(net.branch, n) for n in range(6)]
    bound = amplification_bound(branches, states, net.h[..., 0], iterations=300)
    measured = jacobian_norm(partial(through, net), states[0], iterations=300)
    assert bound.shape == measured.shape == (2, 9)
    assert (measured <= bound).all() and (bound[0] > 5 * bound[1]).all()


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: jacobian_norm(torch.sin, torch.zeros(3, 0)), ValueError, "x: expected vectors"),
        (lambda: jacobian_norm(torch.sin, torch.arange(3)), TypeError, "x: expected a floating-point tensor"),
        (lambda: jacobian_norm(torch.sum, noise(3, 2)), ValueError, "function: expected a map to vectors"),
        (lambda: jacobian_norm(torch.sin, noise(3), iterations=0), ValueError, "iterations: expected"),
        (lambda: amplification_bound([], [], 0.1), ValueError, "states: expected a state for each"),
        (
            lambda: amplification_bound([torch.sin] * 2, [noise(3)], 0.1),
            ValueError,
            "states: expected a state for",
        ),
        (lambda: amplification_bound([torch.sin], [noise(3)], 0.0), ValueError, "h: expected a number > 0"),
    ],
)
def test_what_does_not_fit_is_named(call, error, said) -> None:
    with pytest.raises(error, match=said):
        call()
