"""What the rules stand on, by other means: slopes by PyTorch's backprop, maxima by trying every choice."""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor
from torch.nn.functional import batch_norm, relu

from contdepth.control.discrete import binary_update, damping_level, ternary_update
from contdepth.seeds import generator
from contdepth.studies.control.discrete.members import Members, sweep

__all__ = ["missed", "slope_error"]


def slope_error(hidden: tuple[int, ...] = (256, 256), batch: int = 50) -> float:
    """Largest relative distance over layers of M_t by hand from -∂J/∂θ_t by backprop; float64, binary weights."""
    sizes = (64, *hidden, 10)
    source = generator(0, "oracle")
    x = torch.randn(batch, 64, generator=source, dtype=torch.float64)
    y = torch.randint(10, (batch,), generator=source)
    pairs = list(zip(sizes, sizes[1:], strict=False))
    weights = [2.0 * torch.randint(2, pair, generator=source, dtype=torch.float64) - 1 for pair in pairs]
    scales = [torch.rand(n, generator=source, dtype=torch.float64) + 0.5 for n in sizes[1:]]
    offsets = [torch.randn(n, generator=source, dtype=torch.float64) for n in sizes[1:]]
    nets = Members(
        [one[None] for one in weights], [one[None, None] for one in scales], [one[None, None] for one in offsets]
    )
    found = sweep(nets, x[None], y[None]).slopes
    for one in weights:
        one.requires_grad_()
    state = x
    for t, (weight, scale, offset) in enumerate(zip(weights, scales, offsets, strict=True)):
        state = batch_norm(state @ weight, None, None, scale, offset, training=True, eps=1e-4)
        state = state if t == len(hidden) else relu(state)
    signs = 2 * torch.eye(10, dtype=x.dtype)[y] - 1
    gradients = torch.autograd.grad(relu(1 - signs * state).square().mean(), weights)
    pairs_of = zip(found, gradients, strict=False)
    return max(float((slope[0] + gradient).norm() / gradient.norm()) for slope, gradient in pairs_of)


def missed(layers: int, shape: tuple[int, int] = (2, 4)) -> int:
    """In how many random layers a rule falls short of the best of all choices by more than rounding.

    Each is tried with weights of both sets, three dampings and, where there is a 0, a sparsity.
    """
    source, found = generator(0, "choices"), 0
    for _ in range(layers):
        slope = torch.randn(shape, generator=source, dtype=torch.float64)
        for values in ((-1.0, 1.0), (-1.0, 0.0, 1.0)):
            old = torch.tensor(values, dtype=torch.float64)[torch.randint(len(values), shape, generator=source)]
            choices = torch.tensor(list(product(values, repeat=shape[0] * shape[1])), dtype=torch.float64)
            choices = choices.view(-1, *shape)
            for damping in (0.0, 0.25, 0.5):
                found += _falls_short(old, slope, choices, damping, 0.2 if len(values) == 3 else 0.0)
    return found


def _falls_short(old: Tensor, slope: Tensor, choices: Tensor, damping: float, sparsity: float) -> bool:
    binary = sparsity == 0
    new = binary_update(old, slope, damping) if binary else ternary_update(old, slope, damping, sparsity)
    factor = damping_level(old, slope, damping) * (0.5 if binary else 1.0)

    def value(theta: Tensor) -> Tensor:
        return (slope * theta - sparsity * theta.abs() - factor * (theta - old).square()).sum((-2, -1))

    return bool(value(new) < value(choices).max() - 1e-12)
