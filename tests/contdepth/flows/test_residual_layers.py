"""Bounded layers against singular values of dense matrices, and inverses of blocks."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from contdepth.errors import InversionError
from contdepth.flows import LipschitzConv2d, LipschitzLinear, ResidualBlock, lipschitz_net, settle
from contdepth.seeds import generator


def matrix(layer: LipschitzConv2d | LipschitzLinear) -> Tensor:
    """The unscaled linear map of a layer as a matrix, column by column."""
    shape = layer.v.shape
    unit = torch.eye(shape.numel(), dtype=layer.v.dtype).reshape(-1, *shape)
    return layer.applied(unit).flatten(1).T


def convolution(kernel: Tensor, sides: tuple[int, int] = (5, 6), coefficient: float = 0.9) -> LipschitzConv2d:
    layer = LipschitzConv2d(kernel.shape[1], kernel.shape[0], kernel.shape[2], sides, coefficient).double()
    with torch.no_grad():
        layer.weight.copy_(kernel)
    return layer


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator(0, "drawn"), dtype=torch.float64)


def test_the_norm_of_a_convolution_is_that_of_its_matrix() -> None:
    layer = convolution(drawn(3, 2, 3, 3))
    settle(layer, 1e-13)
    true = torch.linalg.matrix_norm(matrix(layer), 2)
    torch.testing.assert_close(layer.norm(), true, rtol=1e-9, atol=0)
    y = drawn(1, 3, 5, 6)
    torch.testing.assert_close(layer.returned(y).flatten(), matrix(layer).T @ y.flatten())


def test_the_kernel_as_a_matrix_has_another_norm_on_either_side() -> None:
    """Ones add up to 9 on a large picture, and 3 is said; of two corners a small one meets one, and √2 is said."""
    ones = convolution(torch.ones(1, 1, 3, 3, dtype=torch.float64), (30, 30))
    settle(ones, 1e-12)
    assert torch.linalg.matrix_norm(ones.weight.flatten(1), 2).item() == pytest.approx(3)
    assert 8.9 < ones.norm().item() < 9
    kernel = torch.zeros(1, 1, 3, 3, dtype=torch.float64)
    kernel[0, 0, 0, 0] = kernel[0, 0, 2, 2] = 1
    corners = convolution(kernel, (2, 2))
    settle(corners, 1e-12)
    assert torch.linalg.matrix_norm(kernel.flatten(1), 2).item() == pytest.approx(math.sqrt(2))
    assert corners.norm().item() == pytest.approx(1)
    mixed = drawn(2, 2, 3, 3)
    small = convolution(mixed, (2, 2))
    settle(small, 1e-12)
    assert small.norm().item() == pytest.approx(torch.linalg.matrix_norm(matrix(small), 2).item(), rel=1e-6)


def test_layers_are_scaled_down_only() -> None:
    for layer in (convolution(drawn(2, 2, 3, 3)), LipschitzLinear(3, 4).double()):
        with torch.no_grad():
            layer.weight.mul_(5)
        settle(layer, 1e-13)
        size = torch.linalg.matrix_norm(matrix(layer), 2).item()
        assert size > 0.9
        assert size * layer.scale().item() == pytest.approx(0.9, rel=1e-9)
        x, zero = drawn(1, *layer.v.shape), torch.zeros(1, *layer.v.shape, dtype=torch.float64)
        layer.eval()
        linear = (layer(x) - layer(zero)).flatten()
        torch.testing.assert_close(linear, matrix(layer) @ x.flatten() * (0.9 / size), rtol=1e-7, atol=1e-9)
        with torch.no_grad():
            layer.weight.mul_(0.1 / size)
        assert layer.scale().item() == 1


def test_the_gradient_goes_through_the_norm() -> None:
    """Of power iteration at its end and of SVD, the same; σ settles before the vectors, which the slope needs."""
    plain, exact = (LipschitzLinear(3, 4, 0.5, exact=one).double().eval() for one in (False, True))
    left, right = (torch.linalg.qr(drawn(n, 3)).Q for n in (4, 3))
    with torch.no_grad():
        plain.weight.copy_(left @ torch.diag(torch.tensor([3.0, 2.0, 1.0], dtype=torch.float64)) @ right.mT)
    exact.load_state_dict(plain.state_dict())
    plain.refine(200)
    grads = []
    for layer in (plain, exact):
        (grad,) = torch.autograd.grad(layer(drawn(2, 3)).square().sum(), layer.weight)
        grads.append(grad)
    torch.testing.assert_close(*grads, rtol=1e-6, atol=1e-9)


def test_calls_in_training_mode_refine_and_others_do_not() -> None:
    layer = LipschitzLinear(6, 6).double()
    before = layer.norm().item()
    layer(drawn(2, 6)).sum().backward()
    assert layer.norm().item() > before
    layer.eval()
    before = layer.norm().item()
    layer(drawn(2, 6))
    assert layer.norm().item() == before <= torch.linalg.matrix_norm(layer.weight, 2).item() + 1e-12


def block(c: float = 0.9) -> ResidualBlock:
    torch.manual_seed(0)
    net = lipschitz_net((4, 16, 16, 4), c ** (1 / 3)).double()
    with torch.no_grad():
        for layer in net:
            if isinstance(layer, LipschitzLinear):
                layer.weight.mul_(4)
    settle(net, 1e-12)
    return ResidualBlock(net)


def test_inversion_is_geometric_and_ends_in_forty_iterations() -> None:
    """Every iteration shrinks the largest error in Euclidean norm by c at least; 40 leave less than 1e-5."""
    model, x = block(), drawn(8, 4)
    assert model.lipschitz == pytest.approx(0.9)
    y = model(x).detach()
    errors, guess = [], y
    with torch.no_grad():
        model.eval()
        for _ in range(40):
            guess = y - model.g(guess)
            errors.append((guess - x).norm(dim=1))
    ratios = torch.stack(errors[1:8]) / torch.stack(errors[:7])
    assert ratios.max().item() <= 0.9 + 1e-6
    assert errors[-1].max().item() <= 1e-5
    found = model.inverse(y, tolerance=1e-9)
    assert found.residual <= 1e-9 and found.iterations <= math.log(1e-10) / math.log(0.9)
    torch.testing.assert_close(found.x, x, rtol=0, atol=1e-8)
    assert (found.x - x).norm(dim=1).max() <= 2 * found.residual / (1 - 0.9)


def test_the_inverse_is_of_one_function_in_training_mode_too() -> None:
    model = block().train()
    before = [layer.v.clone() for layer in model.g if isinstance(layer, LipschitzLinear)]
    model.inverse(drawn(2, 4))
    after = [layer.v for layer in model.g if isinstance(layer, LipschitzLinear)]
    assert all(bool((a == b).all()) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("factor", [-1.5, 3.0])
def test_an_inverse_that_is_not_found_is_told(factor: float) -> None:
    layer = nn.Linear(2, 2, bias=False).double()
    with torch.no_grad():
        layer.weight.copy_(factor * torch.eye(2))
    with pytest.raises(InversionError, match="inverse: expected a residual of at most 1e-06, found") as caught:
        ResidualBlock(layer, 0.9).inverse(drawn(3, 2), most=30)
    assert caught.value.iterations == 30 and caught.value.residual > 1


def test_what_does_not_fit_is_named() -> None:
    layer = LipschitzConv2d(1, 1, 3, (4, 4))
    calls = [
        (lambda: layer(torch.zeros(1, 1, 4, 5)), r"x: expected shape \(n, 1, 4, 4\)"),
        (lambda: LipschitzConv2d(1, 1, 2, (4, 4)), "kernel: expected an odd side"),
        (lambda: LipschitzConv2d(1, 1, 3, (4,)), "sides: expected height and width"),
        (lambda: ResidualBlock(nn.Identity()), "lipschitz: expected a number"),
        (lambda: ResidualBlock(nn.Identity(), 1.0), "lipschitz: expected a number > 0 and < 1|< 1"),
        (lambda: lipschitz_net((2,)), "widths: expected at least two"),
        (lambda: lipschitz_net((2, 2), activation=nn.ELU()), "activation: expected a class"),
        (lambda: ResidualBlock(nn.Linear(2, 3), 0.5)(torch.zeros(4, 2)), r"g\(x\): expected shape \(4, 2\)"),
    ]
    for call, said in calls:
        with pytest.raises((TypeError, ValueError), match=said):
            call()
