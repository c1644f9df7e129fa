"""How far the gradient by the continuous adjoint is from the gradient of the steps that were taken.

Of u' = f(t, u) solved in N equal steps, backprop differentiates the steps; the adjoint of Chen et al. 2018
(arXiv 1806.07366) is another initial value problem, which the same scheme solves backwards on the same grid. The
two agree up to an error of the scheme. Let e(τ) be the residual of its order condition for the tree τ over the
tree's symmetry, and f' and N = f''(f, ·) matrices. For a scheme of order 2 one step's gap is -h³ times

    (2 e([•,•]) + e([[•]])) (Nᵀ f'ᵀ + f'ᵀ Nᵀ) a,    2 e([•,•]) + e([[•]]) = b·c² + b·Ac - 1/2,

and O(h⁴), because the error of the state, of even order, is undone on the way back. For two stages the factor is
(c₂ - 1) / 2: of these schemes Heun's alone gains an order. For odd orders the error of the state doubles on the
way back and stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from contdepth import checks
from contdepth.schemes import Scheme, integrate, march
from contdepth.schemes.runge_kutta import Tableau
from contdepth.seeds import generator

__all__ = ["SmallField", "WayBack", "gap", "gaps", "gradients", "slope", "strain", "way_back"]


class SmallField(nn.Module):
    """u' = W₂ tanh(W₁ (u, sin t) + b₁) + b₂ - damping u in float64: non-linear, and driven by time."""

    def __init__(self, size: int = 4, hidden: int = 12, *, damping: float = 0.0, seed: int = 0) -> None:
        super().__init__()
        checks.integer("size", size, at_least=1)
        checks.integer("hidden", hidden, at_least=1)
        self.damping = checks.real("damping", damping)
        self.inner = nn.Linear(size + 1, hidden, dtype=torch.float64)
        self.outer = nn.Linear(hidden, size, dtype=torch.float64)
        source = generator(seed, "small field")
        for layer in (self.inner, self.outer):
            for weights in layer.parameters():
                scale = 1.5 / np.sqrt(layer.in_features) if weights.ndim > 1 else 0.3
                weights.data.normal_(0, scale, generator=source)

    def forward(self, t: Tensor, u: Tensor) -> Tensor:
        """Return the rate of ``u`` ``(..., size)`` at the time ``t``, a number."""
        driven = torch.cat([u, torch.sin(t).to(u).expand(*u.shape[:-1], 1)], -1)
        rate: Tensor = self.outer(torch.tanh(self.inner(driven))) - self.damping * u
        return rate


def gradients(f: nn.Module, u0: Tensor, t: Tensor, scheme: Scheme, gradient: str) -> Tensor:
    """Return the gradient ``(d + p,)`` of Σ cos(u_N) in ``u0`` ``(d,)`` and all p numbers that ``f`` holds."""
    start = u0.detach().requires_grad_()
    held = tuple(f.parameters())
    loss = march(f, start, t, scheme, keep="last", gradient=gradient).cos().sum()
    found = torch.autograd.grad(loss, (start, *held))
    return torch.cat([one.reshape(-1) for one in found])


def gap(f: nn.Module, u0: Tensor, t: Tensor, scheme: Scheme) -> float:
    """Return ‖adjoint - backprop‖ / ‖backprop‖ on the grid ``t``."""
    exact = gradients(f, u0, t, scheme, "backprop")
    return float((gradients(f, u0, t, scheme, "adjoint") - exact).norm() / exact.norm())


def gaps(
    f: nn.Module, u0: Tensor, end: float, schemes: Mapping[str, Scheme], steps: Sequence[int]
) -> dict[str, np.ndarray]:
    """Return for each scheme the gaps ``(n,)`` from 0 to ``end`` in so many equal steps."""
    grids = [torch.linspace(0, end, n + 1, dtype=u0.dtype, device=u0.device) for n in steps]
    return {name: np.array([gap(f, u0, t, scheme) for t in grids]) for name, scheme in schemes.items()}


@dataclass(frozen=True)
class WayBack:
    """Relative gaps of a gradient in the start and in what f holds, and how far the way back misses the start."""

    start: float
    held: float
    state: float


def way_back(f: nn.Module, u0: Tensor, t: Tensor, scheme: Scheme) -> WayBack:
    """Return how the adjoint differs from backprop on ``t``, part by part; the state's miss is relative to u0."""
    exact, found = (gradients(f, u0, t, scheme, how) for how in ("backprop", "adjoint"))
    with torch.no_grad():
        end = integrate(f, u0, t, scheme, keep="last")
        missed = integrate(f, end, t.flip(0), scheme, keep="last") - u0
    parts = [len(u0), len(exact) - len(u0)]
    gaps = [float((a - b).norm() / b.norm()) for a, b in zip(found.split(parts), exact.split(parts), strict=True)]
    return WayBack(gaps[0], gaps[1], float(missed.norm() / u0.norm()))


def slope(steps: Sequence[int], values: Any) -> float:
    """Return the order at which ``values`` fall between the two last numbers of steps."""
    last, ends = np.asarray(values, dtype=float)[-2:], np.asarray(steps, dtype=float)[-2:]
    return float(np.log(last[0] / last[1]) / np.log(ends[1] / ends[0]))


def strain(table: Tableau) -> float:
    """Return b·c² + b·Ac - 1/2: of a scheme of order 2 the factor of the gap's leading term."""
    a, b, c = table.matrix(), np.array(table.b), np.array(table.c)
    return float(b @ c**2 + b @ a @ c - 1 / 2)
