"""How far gradients along paths are from the true ones, and those of a small neural equation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from contdepth.schemes import BrownianTree, EulerMaruyama, ReversibleHeun, StratonovichHeun, ito_drift, march_sde
from contdepth.studies.depth.stochastic.problems import Equation, exact, grid

__all__ = ["GradientErrors", "gradient", "gradient_errors", "neural_gradient", "slope"]

Gradients = tuple[Tensor, Tensor, Tensor]


def slope(errors: Sequence[float], steps: Sequence[int]) -> float:
    """Return the order that the first and the last error speak of."""
    return math.log(errors[0] / errors[-1]) / math.log(steps[-1] / steps[0])


def gradient(
    equation: Equation, tree: BrownianTree, steps: int, scheme: object, how: str
) -> tuple[Tensor, Gradients]:
    """Return X(1) and its gradients in x0, a and b of each path, by ``scheme`` and gradient ``how``."""
    x0, a, b = equation.numbers(tree.size[0])
    drift, diffusion = equation.drift(a), equation.diffusion(b)
    if isinstance(scheme, EulerMaruyama):
        drift = ito_drift(drift, diffusion)  # the same equation, in the notation that the scheme reads
    named = None if how == "backprop" else (a, b)
    end = march_sde(drift, diffusion, x0, grid(steps), tree, scheme, keep="last", gradient=how, parameters=named)  # type: ignore[arg-type]
    return end.detach(), torch.autograd.grad(end.sum(), (x0, a, b))  # type: ignore[return-value]


@dataclass(frozen=True)
class GradientErrors:
    """Means over the paths of |error| in ∂X(1)/∂x0, /∂a and /∂b, a row for each number of steps."""

    steps: tuple[int, ...]
    errors: dict[str, list[float]]
    means: dict[str, list[float]]
    spread: dict[str, float]

    @property
    def orders(self) -> dict[str, float]:
        """The order in each of the three numbers."""
        return {name: slope(errors, self.steps) for name, errors in self.errors.items()}

    def paths_that_matter(self, name: str, n: int) -> float:
        """Return how many paths make a sample's error as small as what the steps do to the mean, at row n."""
        return (self.spread[name] / self.means[name][n]) ** 2


def gradient_errors(
    equation: Equation, tree: BrownianTree, steps: Sequence[int], scheme: object, how: str, fine: int = 4096
) -> GradientErrors:
    """Return the errors of the gradient ``how`` of every number of steps, against :func:`exact`."""
    names = ("x0", "a", "b")
    true = dict(zip(names, exact(equation, tree, fine)[1], strict=True))
    errors: dict[str, list[float]] = {name: [] for name in names}
    means: dict[str, list[float]] = {name: [] for name in names}
    for n in steps:
        for name, found in zip(names, gradient(equation, tree, n, scheme, how)[1], strict=True):
            errors[name].append((found - true[name]).abs().mean().item())
            means[name].append((found - true[name]).mean().abs().item())
    return GradientErrors(tuple(steps), errors, means, {name: one.std().item() for name, one in true.items()})


class Drift(nn.Module):
    """A drift of two layers."""

    def __init__(self, width: int, source: torch.Generator) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(2, width).double(), nn.Linear(width, 2).double()
        with torch.no_grad():
            for one in self.parameters():
                one.copy_(torch.randn(one.shape, generator=source, dtype=one.dtype) / math.sqrt(width))

    def forward(self, t: Tensor, u: Tensor) -> Tensor:
        """Return the drift at ``u`` ``(paths, 2)``."""
        found: Tensor = self.second(torch.tanh(self.first(u)))
        return found


def neural_gradient(paths: int, steps: int, how: str, source: torch.Generator) -> list[Tensor]:
    """Return the gradient of a mean square of X(1) in the weights of a small neural equation."""
    drift = Drift(32, source)
    width = torch.full((2,), 0.3, dtype=torch.float64, requires_grad=True)
    weights = [*drift.parameters(), width]
    end = march_sde(
        drift,
        lambda t, u: width * torch.cos(u),
        torch.zeros(paths, 2, dtype=torch.float64),
        grid(steps),
        BrownianTree((paths, 2)),
        ReversibleHeun() if how == "reversible" else StratonovichHeun(),
        keep="last",
        gradient=how,
        parameters=None if how == "backprop" else weights,
    )
    return list(torch.autograd.grad(end.square().mean(), weights))
