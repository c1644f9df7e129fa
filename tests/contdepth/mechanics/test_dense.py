"""Gradient and rows of the Hessian, written out, against torch.func and finite differences; the special init."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.func import grad, hessian, vmap

from contdepth.mechanics import DenseNet, ScalarNet
from contdepth.seeds import generator

BOTH = pytest.mark.parametrize("activation", ["tanh", "softplus"])


def net(activation: str, hidden: tuple[int, ...] = (7, 5)) -> ScalarNet:
    made = ScalarNet(4, hidden, activation=activation, generator=generator(0, "net")).double()
    with torch.no_grad():
        for bias in made.biases:
            bias.copy_(torch.arange(1.0, len(bias) + 1).sin())
    return made


def points(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator(1, "points"), dtype=torch.float64)


@BOTH
@pytest.mark.parametrize("hidden", [(6,), (7, 5), (5, 6, 4)])
def test_slopes_are_those_of_autograd(activation: str, hidden: tuple[int, ...]) -> None:
    made, x, some = net(activation, hidden), points(6, 4), points(3, 4)
    torch.testing.assert_close(made.gradient(x), vmap(grad(made))(x), rtol=1e-12, atol=1e-13)
    gradient, rows = made.rows(x, some)
    torch.testing.assert_close(gradient, made.gradient(x), rtol=1e-14, atol=0)
    torch.testing.assert_close(rows, some @ vmap(hessian(made))(x), rtol=1e-11, atol=1e-13)
    assert made(x).shape == (6,)
    assert bool(rows.abs().max() > 1e-3)


@BOTH
def test_slopes_are_those_of_finite_differences(activation: str) -> None:
    made, x, h = net(activation), points(4), 1e-5
    shifts = h * torch.eye(4, dtype=torch.float64)
    by_differences = (made(x + shifts) - made(x - shifts)) / (2 * h)
    torch.testing.assert_close(made.gradient(x), by_differences, rtol=1e-8, atol=1e-9)
    by_differences = (made.gradient(x + shifts) - made.gradient(x - shifts)) / (2 * h)
    torch.testing.assert_close(made.rows(x, torch.eye(4).double())[1], by_differences, rtol=1e-7, atol=1e-9)


@BOTH
def test_slopes_can_be_differentiated_in_weights_and_points(activation: str) -> None:
    made, x = net(activation, (3,)), points(2, 4).requires_grad_()
    held = tuple(made.parameters())

    def slopes(x: Tensor, *weights: Tensor) -> Tensor:
        names = dict(zip((name for name, _ in made.named_parameters()), weights, strict=True))
        return torch.func.functional_call(Both(made), {f"net.{name}": w for name, w in names.items()}, (x,))

    assert torch.autograd.gradcheck(slopes, (x, *held))


class Both(torch.nn.Module):
    """Gradient and rows as what a module returns."""

    def __init__(self, net: ScalarNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        gradient, rows = self.net.rows(x, torch.eye(4, dtype=torch.float64)[1:])
        return torch.cat((gradient, self.net.gradient(x), rows.flatten(-2)), -1)


def test_a_batch_of_any_shape_is_its_members() -> None:
    made, x, some = net("tanh"), points(2, 3, 4), points(2, 4)
    found = made.rows(x, some)
    for one, wanted in zip(found, vmap(vmap(lambda x: made.rows(x, some)))(x), strict=True):
        torch.testing.assert_close(one, wanted)
    torch.testing.assert_close(found[1][1, 2], made.rows(x[1, 2], some)[1])


def test_deviations_of_the_special_start() -> None:
    made = ScalarNet(4, (500, 600, 550), init="lagrangian", generator=generator(0, "wide"))
    wanted = (
        2.2 / math.sqrt(500),
        0.58 / math.sqrt(600),
        2 * 0.58 / math.sqrt(600),
        math.sqrt(550),
    )
    for weight, spread in zip(made.weights, wanted, strict=True):
        assert float(weight.detach().std()) == pytest.approx(spread, rel=0.1)
    assert all(not bool(bias.any()) for bias in made.biases)
    plain = DenseNet(9, 3, (400, 900), generator=generator(0, "wide"))
    for weight, m in zip(plain.weights, (9, 400, 900), strict=True):
        assert float(weight.detach().std()) == pytest.approx(1 / math.sqrt(m), rel=0.1)


def test_a_value_by_hand() -> None:
    made = DenseNet(1, 2, (1,), activation="softplus").double()
    with torch.no_grad():
        for one, value in zip((*made.weights, *made.biases), (2.0, [[3.0], [-1.0]], 0.5, [1.0, 0.0]), strict=True):
            one.copy_(torch.tensor(value))
    inner = math.log(1 + math.exp(2 * 0.3 + 0.5))
    found = made(torch.tensor([0.3]).double())
    torch.testing.assert_close(found, torch.tensor([3 * inner + 1, -inner]).double())
