"""The maximum principle meets dynamic programming: a discrete linear-quadratic problem as a controlled system."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from contdepth.control import ControlledSystem

__all__ = ["costates_and_gradients"]


class _Stage(nn.Module):
    """x + h(Ax + Bθ) with the control θ as its parameter."""

    def __init__(self, a: Tensor, b: Tensor, control: Tensor, h: float) -> None:
        super().__init__()
        self.a, self.b, self.h, self.control = a, b, h, nn.Parameter(control.clone())

    def forward(self, x: Tensor) -> Tensor:
        return x + self.h * (x @ self.a.T + self.control @ self.b.T)


def costates_and_gradients(
    steps: int, seed: int, dim: int = 4, cost: float = 0.3
) -> tuple[Tensor, Tensor, Tensor]:
    """Return co-states p_t, value gradients ∇V_t(x_t) along the optimal path, (T + 1, d), and ∇_θ H_t (T, d/2).

    V_t(x) = xᵀP_t x/2 comes from Riccati's recursion, the co-states from ``ControlledSystem``, which knows no V.
    """
    g = torch.Generator().manual_seed(seed)
    a, b = (torch.randn(dim, n, generator=g, dtype=torch.float64) for n in (dim, dim // 2))
    h, eye = 1 / steps, torch.eye(dim, dtype=torch.float64)
    step, push, p = eye + h * a, h * b, [eye]
    gains: list[Tensor] = []
    for _ in range(steps):
        weight = h * cost * torch.eye(dim // 2, dtype=torch.float64) + push.T @ p[0] @ push
        gains.insert(0, torch.linalg.solve(weight, push.T @ p[0] @ step))
        p.insert(0, h * eye + step.T @ p[0] @ (step - push @ gains[0]))
    x = torch.randn(1, dim, generator=g, dtype=torch.float64)
    stages, state = [], x
    for gain in gains:
        stages.append(_Stage(a, b, -state @ gain.T, h))
        state = stages[-1](state).detach()

    def running(stage: nn.Module, x: Tensor) -> Tensor:
        control = next(iter(stage.parameters()))
        return h / 2 * (x.square().sum(1) + cost * control.square().sum())

    system = ControlledSystem(stages, lambda final, y: final.square().sum(1) / 2, running)
    along = system.trajectory(x, x)
    gradients = [state @ one for state, one in zip(along.states, p, strict=True)]
    pairs = zip(along.states[:-1], along.costates[1:], strict=True)
    flat = [system.gradient(t, *pair)["control"] for t, pair in enumerate(pairs)]
    return torch.cat(along.costates), torch.cat(gradients), torch.cat(flat)
