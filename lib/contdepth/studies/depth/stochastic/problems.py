"""Stochastic equations in Stratonovich's notation with known gradients: in closed form, or from small steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from contdepth.schemes import BrownianTree, StratonovichHeun, march_sde

__all__ = ["GEOMETRIC", "PULLED", "SQUEEZED", "WELL", "Equation", "exact", "grid"]


def grid(steps: int, T: float = 1.0) -> Tensor:
    """Return the times 0, T / steps, …, T."""
    return torch.linspace(0, T, steps + 1, dtype=torch.float64)


@dataclass(frozen=True)
class Equation:
    """dX = a f(X) dt + b g(X)∘dW, with its numbers; ``solution(x0, a, b, t, W(t))`` where there is a formula."""

    name: str
    f: Callable[[Tensor], Tensor]
    g: Callable[[Tensor], Tensor]
    x0: float
    a: float
    b: float
    solution: Callable[[Tensor, Tensor, Tensor, float, Tensor], Tensor] | None = None

    def numbers(self, paths: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return x0, a and b ``(paths, 1)``, one for each path, so that each path has gradients of its own."""
        return tuple(  # type: ignore[return-value]
            torch.full((paths, 1), one, dtype=torch.float64, requires_grad=True)
            for one in (self.x0, self.a, self.b)
        )

    def drift(self, a: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        """Return the drift as a function of time and state."""
        return lambda t, u: a * self.f(u)

    def diffusion(self, b: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
        """Return the diffusion as a function of time and state."""
        return lambda t, u: b * self.g(u)


GEOMETRIC = Equation(
    "geometric Brownian motion",
    lambda u: u,
    lambda u: u,
    1.0,
    0.3,
    0.5,
    lambda x0, a, b, t, w: x0 * torch.exp(a * t + b * w),
)
"""dX = a X dt + b X∘dW: linear, with the solution x0 exp(a t + b W)."""

SQUEEZED = Equation(
    "squeezed motion",
    lambda u: 1 - u * u,
    lambda u: 1 - u * u,
    0.2,
    0.3,
    0.5,
    lambda x0, a, b, t, w: torch.tanh(torch.atanh(x0) + a * t + b * w),
)
"""dX = (1 - X²)(a dt + b∘dW): not linear, with the solution tanh(artanh x0 + a t + b W)."""

WELL = Equation("double well", lambda u: u - u**3, torch.cos, 0.3, 1.0, 0.5)
"""dX = a (X - X³) dt + b cos X∘dW: not linear, and without a formula."""

PULLED = Equation("pulled back", lambda u: -torch.sin(u), torch.cos, 1.0, 1.0, 0.5)
"""dX = -a sin X dt + b cos X∘dW: paths draw together, the faster the larger a is."""


def exact(equation: Equation, tree: BrownianTree, fine: int) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    """Return X(1) of each path of ``tree`` and its gradients in x0, a and b, each ``(paths, 1)``.

    By the formula, or where there is none by differentiating ``fine`` steps along the same path.
    """
    x0, a, b = equation.numbers(tree.size[0])
    if equation.solution is not None:
        end = equation.solution(x0, a, b, tree.t1, tree(tree.t1))
    else:
        functions = equation.drift(a), equation.diffusion(b)
        times = grid(fine, tree.t1)
        end = march_sde(
            *functions, x0, times, tree, StratonovichHeun(), keep="last", gradient="checkpoints", parameters=(a, b)
        )
    return end.detach(), torch.autograd.grad(end.sum(), (x0, a, b))  # type: ignore[return-value]
