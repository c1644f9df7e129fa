"""The map y = x + g(x) with a contraction g, and its inverse by iteration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.errors import InversionError
from contdepth.flows.residual.layers import LipschitzLinear, held, layers_of

__all__ = ["Inverse", "ResidualBlock", "lipschitz_net"]


class Inverse(NamedTuple):
    """Points ``x`` ``(n, ...)``, the iterations taken, and the largest |y - x - g(x)| among all coordinates."""

    x: Tensor
    iterations: int
    residual: float


class ResidualBlock(nn.Module):
    """y = x + g(x) for points ``(n, ...)``, each from itself alone (Behrmann et al. 2019, theorem 1).

    Args:
        g: module that keeps the shape of its points.
        lipschitz: a bound c of its Lipschitz constant; None takes the product of the coefficients of its
            bounded layers, right where they follow one another and what lies between has slopes of at most 1.
    """

    def __init__(self, g: nn.Module, lipschitz: float | None = None) -> None:
        super().__init__()
        self.g = checks.instance("g", g, nn.Module)
        if lipschitz is None:
            layers = layers_of(g)
            if not layers:
                checks.fail("lipschitz", "a number, as g has no layer of bounded norm", None)
            lipschitz = math.prod(layer.coefficient for layer in layers)
        hint = "a block is only known to have an inverse below 1"
        self.lipschitz = checks.real("lipschitz", lipschitz, above=0, below=1, hint=hint)

    def forward(self, x: Tensor) -> Tensor:
        """Return x + g(x)."""
        checks.reals("x", x)
        return x + checks.same_shape("g(x)", self.g(x), tuple(x.shape), "g must keep the shape of its points")

    @torch.no_grad()
    def inverse(self, y: Tensor, *, tolerance: float = 1e-6, most: int = 100) -> Inverse:
        """Solve x + g(x) = ``y`` by x ← y - g(x) from x = y, all points together, without a graph.

        Algorithm 1 of Behrmann et al. 2019, which takes a fixed count; here a residual ends it. An error shrinks
        by c in each iteration, and one with a residual r is at most r / (1 - c).

        Raises:
            InversionError: the residual is above ``tolerance`` after ``most`` iterations, or not finite.
            TypeError, ValueError: a wrong argument.
        """
        checks.reals("y", y)
        checks.real("tolerance", tolerance, above=0)
        checks.integer("most", most, at_least=1)
        x, residual = y, math.inf
        with held(self.g):
            for count in range(1, most + 1):
                new = y - checks.same_shape("g(x)", self.g(x), tuple(x.shape), "g must keep the shape")
                residual = float((new - x).abs().amax()) if y.numel() else 0.0
                if residual <= tolerance:
                    return Inverse(x, count, residual)
                if not math.isfinite(residual):
                    break
                x = new
        said = (
            f"inverse: expected a residual of at most {tolerance:g}, found {residual:.3g} after {count} iterations"
        )
        hint = "g may not be the contraction it is held for (contdepth.flows.settle), or float32 ends above"
        raise InversionError(f"{said}; {hint}", iterations=count, residual=residual)


def lipschitz_net(
    widths: Sequence[int],
    coefficient: float = 0.9,
    *,
    activation: type[nn.Module] = nn.ELU,
    iterations: int = 5,
    exact: bool = False,
) -> nn.Sequential:
    """Dense layers from ``widths[0]`` to ``widths[-1]``, each of norm at most ``coefficient``, for a block.

    ``activation`` stands between them; its slope must be at most 1 and should be continuous, since the gradient
    of a determinant is a second derivative. The paper takes ELU. ``exact`` and ``iterations`` are the layers'.
    """
    sizes = checks.several("widths", widths, "such as (2, 64, 64, 2)")
    if len(sizes) < 2:
        checks.fail("widths", "at least two of them", len(sizes))
    if not (isinstance(activation, type) and issubclass(activation, nn.Module)):
        checks.fail("activation", "a class of modules such as nn.ELU", repr(activation), error=TypeError)
    parts: list[nn.Module] = []
    for inputs, outputs in zip(sizes, sizes[1:], strict=False):
        layer = LipschitzLinear(inputs, outputs, coefficient, iterations=iterations, exact=exact)
        parts += [layer, activation()]
    return nn.Sequential(*parts[:-1])
