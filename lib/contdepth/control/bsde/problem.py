"""Semilinear parabolic equations as backward stochastic differential equations (BSDEs) along Brownian paths."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from contdepth import checks

__all__ = ["BSDE", "allen_cahn", "hamilton_jacobi_bellman"]


@dataclass(frozen=True)
class BSDE:
    """∂_t u + (σ²/2) Δu + f(u, |σ∇u|²) = 0 on [0, T], u(T, ·) = g; wanted is u(0, 0).

    Along X = σW, Y = u(t, X) and Z = σ∇u(t, X) obey dY = -f(Y, |Z|²) dt + Z·dW with Y_T = g(X_T) (Han, Jentzen,
    E 2018, equations 4 and 5, with a scalar volatility and the start at 0).

    Args:
        dim, horizon, volatility: d, T and σ, positive.
        driver: f(y, square of z) for tensors (…); it must take any shape.
        terminal: g of points (…, d), as a tensor (…).
        coupled: whether f depends on y.
        strength: λ of a quadratic driver f = -(λ/2)|z|²: the optimal control is then the drift -λσZ of X, and
            paths can be drawn along it; 0 for none.

    Raises:
        TypeError, ValueError: numbers that are not positive.
    """

    dim: int
    horizon: float
    volatility: float
    driver: Callable[[Tensor, Tensor], Tensor]
    terminal: Callable[[Tensor], Tensor]
    coupled: bool = True
    strength: float = 0.0

    def __post_init__(self) -> None:
        checks.integer("dim", self.dim, at_least=1)
        checks.real("horizon", self.horizon, above=0)
        checks.real("volatility", self.volatility, above=0)
        checks.real("strength", self.strength, at_least=0)


def hamilton_jacobi_bellman(dim: int = 100, strength: float = 1.0) -> BSDE:
    """∂_t u + Δu - λ|∇u|² = 0, g = ln((1 + |x|²)/2), T = 1 (Han, Jentzen, E 2018, equation 13), λ = ``strength``.

    With σ = √2 the driver is -λ|z|²/2; until March 2022 the authors' code had no factor ½ and solved it for 2λ.
    """
    strength = checks.real("strength", strength, at_least=0)

    def driver(y: Tensor, square: Tensor) -> Tensor:
        return -strength / 2 * square

    def terminal(x: Tensor) -> Tensor:
        return ((1 + x.square().sum(-1)) / 2).log()

    return BSDE(dim, 1.0, math.sqrt(2), driver, terminal, coupled=False, strength=strength)


def allen_cahn(dim: int = 100) -> BSDE:
    """∂_t u + Δu + u - u³ = 0, g = 1/(2 + 0.4|x|²), T = 0.3 (Han, Jentzen, E 2018, equation 15)."""

    def driver(y: Tensor, square: Tensor) -> Tensor:
        return y - y.pow(3)

    def terminal(x: Tensor) -> Tensor:
        return 1 / (2 + 0.4 * x.square().sum(-1))

    return BSDE(dim, 0.3, math.sqrt(2), driver, terminal)
